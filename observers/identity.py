"""From the vital product data of a SCSI device to the names by which multipath knows it.

In: the bytes of VPD page 0x80 or 0x83 (SPC-5 clause 7.7), from sysfs or from the device. Out: WWIDs, a serial number, a
target port group. The choice among designators and the spelling are those of multipath-tools, because maps that exist,
`wwids`, `bindings` and users' configurations hold names spelled so. Pure; must never make up a name from a page that is
cut off: what it says of another path could then differ.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from observers.errors import ProtocolError
from observers.snapshot import Wwid

WWID_SIZE = 128
"""Bytes of a WWID with a final NUL, as in dm's names: longer ones are cut."""

SERIAL_SIZE = 128
"""Bytes of a serial number with a final NUL."""

_DEVICE_IDENTIFICATION = 0x83
_UNIT_SERIAL_NUMBER = 0x80
_HEADER_SIZE = 4

_BINARY = 1  # code set; 2 and 3 are text
_UNIT, _PORT = 0, 1  # associations
_T10, _EUI64, _NAA, _PORT_GROUP, _NAME = 1, 2, 3, 5, 8  # designator types


class PageError(ProtocolError):
    """A VPD page is not the one that was asked for, or is shorter than it should be; the message says what it lacks."""


@dataclass(frozen=True, slots=True)
class Designator:
    """A designation descriptor of page 0x83 (SPC-5 clause 7.7.6.1)."""

    code_set: int
    association: int
    type: int
    data: bytes


def page83_wwid(page: bytes, *, size: int = WWID_SIZE) -> Wwid | None:
    """The WWID of the best designator, in less than `size` bytes; None when the page has none that could be one.

    `PageError` when the page is cut off, also when a designator runs over its end and none before it was of use.
    """
    best = _ranked(page)
    return _wwid(best[0], size) if best else None


def page83_wwids(page: bytes) -> tuple[Wwid, ...]:
    """Every WWID that the page can give, `page83_wwid`'s first, then those of the other designators.

    After them come the spellings of ID_SERIAL by udev's scsi_id and by the rules of sg3-utils where they differ: a name
    string with its prefix, a T10 identifier with odd characters escaped or replaced, or in hexadecimal where it is not
    text, and NAA or EUI designators of a kind that multipath does not take. `PageError` as there.
    """
    names = [_wwid(designator, WWID_SIZE) for designator in _ranked(page)]
    for designator in _parse(page)[0]:
        if designator.association == _UNIT:
            names += [_as_wwid(spelling[: WWID_SIZE - 1]) for spelling in _udev_spellings(designator)]
    return tuple(dict.fromkeys(names))


def target_port_group(page83: bytes) -> int | None:
    """The target port group of the port through which the page was read; None where the device names none."""
    for designator in _parse(page83)[0]:
        if (designator.association, designator.type) == (_PORT, _PORT_GROUP) and len(designator.data) == 4:
            return int.from_bytes(designator.data[2:], "big")
    return None


def page80_serial(page: bytes, *, size: int = SERIAL_SIZE) -> str:
    """The unit serial number without the blanks around it, in less than `size` bytes."""
    serial = _body(page, _UNIT_SERIAL_NUMBER).partition(b"\0")[0].strip()
    return serial[: size - 1].decode("utf-8", "surrogateescape")


def _body(page: bytes, code: int) -> bytes:
    """What follows the header of a page, as long as the header says; bytes beyond that are not part of the page."""
    name = f"VPD page {code:#04x}"
    if len(page) < _HEADER_SIZE:
        raise PageError(f"{name} has {len(page)} bytes, at least {_HEADER_SIZE} were expected")
    if page[1] != code:
        raise PageError(f"{name} was expected, the device sent page {page[1]:#04x}")
    end = _HEADER_SIZE + int.from_bytes(page[2:4], "big")
    if end > len(page):
        raise PageError(f"{name} has {len(page)} bytes, {end} were expected by its header")
    return page[_HEADER_SIZE:end]


def _parse(page: bytes) -> tuple[list[Designator], str]:
    """The designators that are whole, and what is wrong with the one after them (empty: nothing).

    Up to three bytes after the last designator are let pass, as multipath-tools does.
    """
    body, offset = _body(page, _DEVICE_IDENTIFICATION), 0
    found: list[Designator] = []
    while offset + _HEADER_SIZE <= len(body):
        end = offset + _HEADER_SIZE + body[offset + 3]
        if end > len(body):
            return (
                found,
                f"VPD page 0x83: designator at byte {_HEADER_SIZE + offset} needs {end - len(body)} more bytes",
            )
        code_set, kind = body[offset] & 0xF, body[offset + 1]
        found.append(Designator(code_set, kind >> 4 & 3, kind & 0xF, body[offset + _HEADER_SIZE : end]))
        offset = end
    return found, ""


def _ranked(page: bytes) -> list[Designator]:
    """The designators of the logical unit that give a WWID, the best first, among equals the first first."""
    designators, flaw = _parse(page)
    usable = [designator for designator in designators if _rank(designator)]
    if flaw and not usable:
        raise PageError(flaw)
    return sorted(usable, key=_rank, reverse=True)


_NAA_RANKS = {6: (8, 16), 5: (7, 8), 2: (6, 8), 3: (1, 8)}
"""NAA type (IEEE registered extended, registered, extended, locally assigned) to its rank, and its only length."""

_EUI64_RANK, _NAME_RANK, _T10_RANK = 4, 3, 2
_EUI64_LENGTHS = (8, 12, 16)
_T10_VENDOR_SIZE = 8
_NAME_PREFIXES = {b"eui.": b"2", b"naa.": b"3", b"iqn.": b"8"}
"""Prefix of a SCSI name string to the digit that stands for it in the WWID."""


def _rank(designator: Designator) -> int:
    """How good a designator is, 0: of no use. Ranks as in multipath-tools."""
    data = designator.data
    if designator.association != _UNIT:
        return 0
    if designator.type == _NAA:
        rank, length = _NAA_RANKS.get(data[0] >> 4, (0, 0)) if data else (0, 0)
        return rank if len(data) == length else 0
    if designator.type == _EUI64:
        return _EUI64_RANK if len(data) in _EUI64_LENGTHS else 0
    if designator.type == _NAME:
        return _NAME_RANK if data[:4] in _NAME_PREFIXES else 0
    return _T10_RANK if designator.type == _T10 and len(data) >= _T10_VENDOR_SIZE else 0


def _wwid(designator: Designator, size: int) -> Wwid:
    """A designator with a rank as WWID: one digit for its type, and its data."""
    room, data = size - 2, designator.data  # without the digit and the final NUL
    if designator.type == _NAME:
        digit, text = _NAME_PREFIXES[data[:4]], data[4:].partition(b"\0")[0]
        return _as_wwid(digit + (text if digit == b"8" else text.lower())[:room])
    if designator.type == _T10:
        return _as_wwid(b"1" + re.sub(rb" +", b"_", data)[:room].partition(b"\0")[0].removesuffix(b"_"))
    return _as_wwid(b"%d" % designator.type + data[: room // 2].hex().encode())


def _udev_spellings(designator: Designator) -> Iterator[bytes]:
    """What scsi_id (udev) and 55-scsi-sg3_id.rules (sg3-utils) make of a designator for ID_SERIAL."""
    digit, text = b"%d" % designator.type, designator.data.partition(b"\0")[0]
    if designator.type == _NAME:
        yield digit + text
    elif designator.type in (_T10, _EUI64, _NAA):
        if designator.code_set == _BINARY:
            yield digit + designator.data.hex().encode()
        else:
            joined = re.sub(rb"\s+", b"_", text.strip())
            yield digit + _ODD.sub(lambda odd: b"\\x%02x" % odd[0][0], joined)
            yield digit + _ODD.sub(b"_", joined)


_ODD = re.compile(rb"[^0-9A-Za-z#+\-.:=@_]")
"""The bytes that udev does not let stand in a property that becomes a name."""


def _as_wwid(name: bytes) -> Wwid:
    return Wwid(name.decode("utf-8", "surrogateescape"))
