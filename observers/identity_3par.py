"""What an HPE 3PAR array says of a volume in its vendor-specific VPD page 0xC0.

In: the page as it was read. Out: the volume's name. The device is not trusted: whatever it says, no more than the page
is looked at, and a name that is not there is none.

Facts (multipath-tools 0.14.3, `vpd_vendor hp3par`): since revision 4 of the page (byte 4) a 32-bit big-endian length is
at byte 40 and the name at byte 44.
"""

from observers.snapshot import Hex

PAGE = 0xC0

_REVISION_AT, _LENGTH_AT, _NAME_AT = 4, 40, 44
_FIRST_WITH_NAME = 4


def volume_name(page: Hex) -> str:
    """The name, or nothing where the page has none that can be read."""
    data = bytes.fromhex(page)
    if len(data) < _NAME_AT or data[_REVISION_AT] < _FIRST_WITH_NAME:
        return ""
    length = int.from_bytes(data[_LENGTH_AT:_NAME_AT], "big")
    name = data[_NAME_AT : _NAME_AT + length]
    if len(name) != length:
        return ""
    text = name.split(b"\0", 1)[0].decode("ascii", "replace")
    return "".join(sign if sign.isprintable() else "?" for sign in text)
