"""What a logical unit answers, as bytes: INQUIRY data, vital product data pages, target port groups, LUNs, sense data.

In: plain values. Out: bytes as SPC-5 lays them out. Pure; it decides nothing about whether a unit answers at all.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from controller.sandbox.san import AccessState, Group, Tpgs

STANDARD_LENGTH = 96
SPC4 = 6
MULTIPORT, COMMAND_QUEUES = 0x10, 0x02
NO_UNIT = 0x7F
"""Peripheral qualifier 3 and device type 31: this target can't have a unit there (SPC-5 table 144)."""

STATES_SUPPORTED = 0xCF
"""Byte 1 of a group's descriptor: transitioning, offline, unavailable, standby and both active states are supported."""

STATE_CHANGED_IMPLICITLY = 2

SUPPORTED_PAGES = (0x00, 0x80, 0x83)

_BINARY, _ASCII, _UTF8 = 1, 2, 3
_T10, _NAA, _RELATIVE_PORT, _PORT_GROUP, _NAME = 1, 3, 4, 5, 8
_TARGET_PORT, _TARGET_DEVICE = 0x10, 0x20
_WITH_PROTOCOL = 0x80
_FCP, _ISCSI = 0, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whom the pages speak of: the unit, the port through which it was asked, and its target."""

    vendor: str
    product: str
    revision: str
    serial: str
    naa: str
    tpgs: Tpgs
    group: int
    relative_port: int
    port: str
    node: str
    own_pages: Mapping[int, bytes] = field(default_factory=dict)
    """Pages of the vendor's, by number."""


def is_wwn(name: str) -> bool:
    """Whether a port's name is a world wide name: 16 hexadecimal digits."""
    return len(name) == 16 and all(char in "0123456789abcdef" for char in name)


def standard_inquiry(who: Identity) -> bytes:
    """The standard INQUIRY data of a disk."""
    head = bytes([0, 0, SPC4, 0x02, STANDARD_LENGTH - 5, who.tpgs << 4, MULTIPORT, COMMAND_QUEUES])
    texts = ((who.vendor, 8), (who.product, 16), (who.revision, 4))
    return (head + b"".join(_padded(text, size) for text, size in texts)).ljust(STANDARD_LENGTH, b"\0")


def no_unit_inquiry() -> bytes:
    """The standard INQUIRY data where there is no logical unit."""
    return bytes([NO_UNIT, 0, SPC4, 0x02, STANDARD_LENGTH - 5]).ljust(STANDARD_LENGTH, b"\0")


def vpd_pages(who: Identity) -> Mapping[int, bytes]:
    """All vital product data pages that the unit has."""
    return {
        0x00: _page(0x00, bytes(sorted((*SUPPORTED_PAGES, *who.own_pages)))),
        0x80: _page(0x80, who.serial.encode("ascii")),
        0x83: _page(0x83, b"".join(_designators(who))),
        **who.own_pages,
    }


def t10_name(who: Identity) -> str:
    """The text of the T10 vendor designator."""
    return f"{who.vendor:<8.8}{who.product:<16.16}{who.serial}"


def _designators(who: Identity) -> Iterable[bytes]:
    if who.naa:
        yield _designator(_BINARY, _NAA, bytes.fromhex(who.naa))
    yield _designator(_ASCII, _T10, t10_name(who).encode("ascii"))
    fibre = is_wwn(who.port)
    port = _WITH_PROTOCOL | _TARGET_PORT
    coded = (_FCP if fibre else _ISCSI) << 4 | _BINARY
    yield _designator(coded, port | _RELATIVE_PORT, struct.pack(">HH", 0, who.relative_port))
    if who.tpgs:
        yield _designator(coded, port | _PORT_GROUP, struct.pack(">HH", 0, who.group))
    if fibre:
        yield _designator(coded, port | _NAA, bytes.fromhex(who.port))
    else:
        name = who.node.encode("utf-8") + b"\0"
        padded = name.ljust(len(name) + -len(name) % 4, b"\0")
        yield _designator(_ISCSI << 4 | _UTF8, _WITH_PROTOCOL | _TARGET_DEVICE | _NAME, padded)


def _designator(coding: int, kind: int, data: bytes) -> bytes:
    return bytes([coding, kind, 0, len(data)]) + data


def _page(number: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0, number, len(data)) + data


def _padded(text: str, size: int) -> bytes:
    return text.encode("ascii")[:size].ljust(size)


def target_port_groups(groups: Iterable[tuple[Group, AccessState]], ports: tuple[str, ...], *, extended: bool) -> bytes:
    """The answer to REPORT TARGET PORT GROUPS; `ports`: all ports of the target, in the order of their identifiers."""
    data = b"".join(_group(group, state, ports) for group, state in groups)
    header = bytes([0x10, 0, 0, 0]) if extended else b""
    return struct.pack(">I", len(header) + len(data)) + header + data


def _group(group: Group, state: AccessState, ports: tuple[str, ...]) -> bytes:
    access = state.code | (0x80 if group.preferred else 0)
    head = struct.pack(">BBHBBBB", access, STATES_SUPPORTED, group.id, 0, STATE_CHANGED_IMPLICITLY, 0, len(group.ports))
    return head + b"".join(struct.pack(">HH", 0, ports.index(port) + 1) for port in group.ports)


def report_luns(numbers: Iterable[int]) -> bytes:
    """The answer to REPORT LUNS: peripheral addressing up to 255, flat addressing above (SAM-6 clause 4.7)."""
    entries = b"".join(struct.pack(">H6x", number if number < 256 else 0x4000 | number) for number in sorted(numbers))
    return struct.pack(">I4x", len(entries)) + entries


def sense(key: int, asc: int, ascq: int) -> bytes:
    """Fixed format sense data (SPC-5 clause 4.4.3)."""
    return bytes([0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, asc, ascq, 0, 0, 0, 0])
