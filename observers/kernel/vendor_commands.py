"""SCSI commands of single vendors that only read: the exact bytes, and nothing near them.

In: a CDB. Out: whether it is one of these. Operation codes from C0h on mean something else with every vendor, so none
may pass for its operation code alone. Pure.
"""

_ONTAP_LENGTH = 128
"""Room for the answer, in bytes."""

ONTAP_ATTRIBUTES = bytes([0xC0, 0x00, 0x01, 0x0A, 0x98, 0x0A, 0x41, _ONTAP_LENGTH, 0x00, 0x00])
"""GET VENDOR ATTRIBUTES of NetApp's filers (0A98h is NetApp), page 41h: what kind of port the unit is behind."""

ONTAP_REPLY_LENGTH = _ONTAP_LENGTH

READING = frozenset({ONTAP_ATTRIBUTES})
"""All of them."""
