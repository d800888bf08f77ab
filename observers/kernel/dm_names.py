r"""Names and UUIDs of device-mapper devices as people write them <-> as the kernel holds them.

udev makes a link of each name, and splits or drops what has a blank or another odd character in it. So libdevmapper
gives the kernel `my\x20disk` for `my disk`, as all its callers, multipathd among them, then expect to find it: every
byte outside a short list becomes `\x` and two hexadecimal digits. In: text. Out: text. Pure.
"""

import re

_PLAIN = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#+-.:=@_")
"""The bytes that udev leaves alone in a link's name."""

_ESCAPED = re.compile(rb"\\x([0-9a-fA-F]{2})")


def to_kernel(text: str) -> str:
    """The kernel's form. A text that has an escape in it is in that form already and stays as it is."""
    data = text.encode("utf-8", "surrogateescape")
    if _ESCAPED.search(data):
        return text
    return "".join(chr(byte) if byte in _PLAIN else f"\\x{byte:02x}" for byte in data)


def from_kernel(text: str) -> str:
    """The form for people."""
    data = text.encode("utf-8", "surrogateescape")
    return _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), data).decode("utf-8", "surrogateescape")
