"""The words of a vendor's page in a scenario file: `page c9 00c90004...`, or `page c9 group 1 00c9...`.

In: a line below an array. Out: a `VendorPage`, and its line again.
"""

from controller.sandbox.san import Array, VendorPage
from controller.sandbox.words import Line

_STANDARD = frozenset({0x00, 0x80, 0x83})
"""Pages that follow from everything else that a scenario says."""


def read_page(line: Line, array: Array) -> VendorPage:
    """The page of a line. Its group has to be above it."""
    number = line.take_as("a page's number in hexadecimal (c9)", _number)
    group = None
    word = line.take("the page's bytes in hexadecimal, or `group`")
    if word == "group":
        group = line.number("a target port group's number")
        if not any(each.id == group for each in array.groups):
            raise line.error(f"array {array.name} has no group {group} above here")
        word = line.take("the page's bytes in hexadecimal")
    if any((page.number, page.group) == (number, group) for page in array.pages):
        raise line.error(f"page {number:02x} is there already")
    try:
        return VendorPage(number, bytes.fromhex(word), group)
    except ValueError:
        raise line.error(f"{word!r} is not bytes in hexadecimal") from None


def printed(page: VendorPage) -> str:
    """The line of a page."""
    group = [] if page.group is None else ["group", str(page.group)]
    return " ".join(["page", f"{page.number:02x}", *group, page.data.hex()])


def _number(text: str) -> int:
    number = int(text, 16)
    if len(text) != 2 or number <= 0 or number in _STANDARD:
        raise ValueError(text)
    return number
