"""What NVMe devices answer to Identify and Get Log Page <-> values.

In: what to ask, or the bytes that a device brought back. Out: command dwords, or frozen values. The source is the NVM
Express base specification, revision 2. Pure; must never trust a length or a count that a device says.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from observers.errors import ProtocolError

Words = tuple[int, int, int, int, int, int]
"""Command dwords 10 to 15."""

IDENTIFY, GET_LOG_PAGE = 0x06, 0x02
"""Opcodes of the admin commands."""

IDENTIFY_SIZE = 4096
"""Bytes that every Identify brings."""

ALL_NAMESPACES = 0xFFFF_FFFF


class NvmeFormatError(ProtocolError):
    """A device's answer is shorter than the specification says, or contradicts itself."""


class Cns(IntEnum):
    """What Identify is asked for (CNS)."""

    NAMESPACE = 0x00
    CONTROLLER = 0x01
    DESCRIPTORS = 0x03


class AnaState(IntEnum):
    """Asymmetric namespace access states."""

    OPTIMIZED = 0x1
    NON_OPTIMIZED = 0x2
    INACCESSIBLE = 0x3
    PERSISTENT_LOSS = 0x4
    CHANGE = 0xF


ANA_STATE_TEXT = {
    AnaState.OPTIMIZED: "optimized",
    AnaState.NON_OPTIMIZED: "non-optimized",
    AnaState.INACCESSIBLE: "inaccessible",
    AnaState.PERSISTENT_LOSS: "persistent-loss",
    AnaState.CHANGE: "change",
}
"""The words of the sysfs attribute `ana_state` (drivers/nvme/host/multipath.c)."""


# ---- commands


def identify(kind: Cns) -> Words:
    """The dwords of Identify."""
    return int(kind), 0, 0, 0, 0, 0


_ANA_LOG = 0x0C
_GROUPS_ONLY = 1 << 8
_RETAIN_EVENT = 1 << 15


def ana_log(length: int, *, groups_only: bool) -> Words:
    """The dwords of Get Log Page for the ANA log, `length` bytes of it (a multiple of 4).

    `groups_only`: without the lists of namespaces. The event that tells the kernel of a change stays unread, for the
    kernel to read.
    """
    dwords = length // 4 - 1
    first = _ANA_LOG | (_GROUPS_ONLY if groups_only else 0) | _RETAIN_EVENT | (dwords & 0xFFFF) << 16
    return first, dwords >> 16, 0, 0, 0, 0


# ---- Identify Controller


CONTROLLER_HEAD = 80
"""Bytes of the controller's data that say who it is and what it is capable of; the rest is not kept."""

_CMIC = 76
_CMIC_ANA = 1 << 3
_ANACAP = 343
_ANACAP_CONSTANT = 1 << 6
_NANAGRPID = 348
_MNAN = 540
_VENDOR = struct.Struct("<H")
_SERIAL, _MODEL = slice(4, 24), slice(24, 64)
_PADDING = b" \0"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnaCapabilities:
    """How a controller reports ANA. `constant`: the group of a namespace does not change while it is attached.

    `groups`: how many there are at most. `namespaces`: how many it can have at most.
    """

    constant: bool
    groups: int
    namespaces: int


def supports_ana(controller: bytes) -> bool:
    """Whether the controller reports asymmetric namespace access; its first 80 bytes are enough."""
    _long_enough(controller, CONTROLLER_HEAD, "Identify Controller")
    return bool(controller[_CMIC] & _CMIC_ANA)


def ana_capabilities(controller: bytes) -> AnaCapabilities:
    """What the controller says of its ANA groups."""
    _long_enough(controller, _MNAN + 4, "Identify Controller")
    return AnaCapabilities(
        constant=bool(controller[_ANACAP] & _ANACAP_CONSTANT),
        groups=_number(controller, _NANAGRPID),
        namespaces=_number(controller, _MNAN),
    )


@dataclass(frozen=True, slots=True)
class ControllerName:
    """Vendor (PCI), serial number and model, without the padding after them."""

    vendor: int
    serial: bytes
    model: bytes


def controller_name(controller: bytes) -> ControllerName:
    """Of which controller the data is; its first 80 bytes are enough."""
    _long_enough(controller, CONTROLLER_HEAD, "Identify Controller")
    serial, model = controller[_SERIAL].rstrip(_PADDING), controller[_MODEL].rstrip(_PADDING)
    return ControllerName(_VENDOR.unpack_from(controller)[0], serial, model)


# ---- Identify Namespace


NAMESPACE_NAMES = slice(104, 128)
"""Where its NGUID and EUI-64 are."""

_ANAGRPID = 92
_NGUID_SIZE, _EUI64_SIZE = 16, 8


@dataclass(frozen=True, slots=True)
class NamespaceNames:
    """The names of a namespace, as hexadecimal digits; empty: it has none of that kind."""

    uuid: str = ""
    nguid: str = ""
    eui64: str = ""


def ana_group(namespace: bytes) -> int:
    """The ANA group of a namespace; 0: it is in none."""
    _long_enough(namespace, _ANAGRPID + 4, "Identify Namespace")
    return _number(namespace, _ANAGRPID)


def names_of_namespace(names: bytes) -> NamespaceNames:
    """NGUID and EUI-64 of what stands at `NAMESPACE_NAMES`."""
    _long_enough(names, _NGUID_SIZE + _EUI64_SIZE, "Identify Namespace")
    return NamespaceNames(nguid=_name(names[:_NGUID_SIZE]), eui64=_name(names[_NGUID_SIZE:][:_EUI64_SIZE]))


# ---- the namespace identification descriptor list


_DESCRIPTOR_HEADER = 4
_EUI64, _NGUID, _UUID = 1, 2, 3
_DESCRIPTOR_SIZES = {_EUI64: _EUI64_SIZE, _NGUID: _NGUID_SIZE, _UUID: 16}


def descriptors_in_use(data: bytes) -> bytes:
    """The list without the zeros after its end; NvmeFormatError when it is cut off."""
    return data[: max((end for _, _, end in _descriptors(data)), default=0)]


def names_of_descriptors(data: bytes) -> NamespaceNames:
    """The names in the list; of two of a kind the first. Of another length than its kind has: NvmeFormatError."""
    found: dict[int, str] = {}
    for kind, name, _ in _descriptors(data):
        size = _DESCRIPTOR_SIZES.get(kind, len(name))
        if len(name) != size:
            raise NvmeFormatError(
                f"namespace identification descriptor of type {kind} has {len(name)} bytes, not {size}"
            )
        found.setdefault(kind, _name(name))
    return NamespaceNames(uuid=found.get(_UUID, ""), nguid=found.get(_NGUID, ""), eui64=found.get(_EUI64, ""))


def _descriptors(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Type, name, and where the descriptor ends; a type or length of zero ends the list."""
    offset = 0
    while offset < len(data) and data[offset]:
        kind, start = data[offset], offset + _DESCRIPTOR_HEADER
        _long_enough(data, start, "namespace identification descriptors")
        if not (size := data[offset + 1]):
            break
        offset = start + size
        _long_enough(data, offset, "namespace identification descriptors")
        yield kind, data[start:offset], offset


# ---- the ANA log


_LOG_HEADER = struct.Struct("<QH6x")
_LOG_GROUP = struct.Struct("<IIQB15x")
_LOG_NAMESPACE = 4


def ana_log_size(groups: int, namespaces: int) -> int:
    """Bytes of a log with so many groups, in which so many namespaces are listed."""
    return _LOG_HEADER.size + groups * _LOG_GROUP.size + namespaces * _LOG_NAMESPACE


@dataclass(frozen=True, slots=True)
class AnaGroup:
    """A group of the ANA log. `state`: a number of `AnaState`, or one that the specification reserves."""

    id: int
    state: int
    namespaces: tuple[int, ...]


def parse_ana_log(data: bytes) -> tuple[AnaGroup, ...]:
    """The groups of an ANA log; NvmeFormatError when it is longer than what was read of it."""
    _long_enough(data, _LOG_HEADER.size, "ANA log")
    _, count = _LOG_HEADER.unpack_from(data)
    groups, offset = [], _LOG_HEADER.size
    for _ in range(count):
        _long_enough(data, offset + _LOG_GROUP.size, "ANA log")
        group, listed, _, state = _LOG_GROUP.unpack_from(data, offset)
        offset += _LOG_GROUP.size
        _long_enough(data, offset + listed * _LOG_NAMESPACE, "ANA log")
        namespaces = struct.unpack_from(f"<{listed}I", data, offset)
        offset += listed * _LOG_NAMESPACE
        groups.append(AnaGroup(group, state & 0xF, namespaces))
    return tuple(groups)


# ---- bytes


def _number(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 4], "little")


def _name(data: bytes) -> str:
    """Hexadecimal digits; empty for a name of zeros, which is none."""
    return data.hex() if any(data) else ""


def _long_enough(data: bytes, size: int, what: str) -> None:
    if len(data) < size:
        raise NvmeFormatError(f"{what}: {len(data)} bytes, at least {size} were expected")
