"""The buffers of linux/dm-ioctl.h (interface version 4) <-> values, for requests and for replies.

In: values, or the bytes of a request or reply, `struct dm_ioctl` first, in the machine's byte order. Out: the other of
the two. Names are the kernel's. Both sides of the interface are here, because observers and actuators ask and the
sandbox answers. Pure; must never trust an offset: a buffer that is short or lies raises `DmFormatError`.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any

from observers.dmtable import DevT
from observers.errors import ProtocolError

DM_NAME_LEN = 128
"""Bytes of a device name with its final NUL."""

DM_UUID_LEN = 129
"""Bytes of a UUID with its final NUL."""

DM_MAX_TYPE_NAME = 16
"""Bytes of a target type's name with its final NUL."""

INTERFACE_VERSION = (4, 0, 0)
"""What we ask for: the kernel takes any minor number up to its own, and flags do not depend on it."""

_HEADER = struct.Struct(f"=3IIIIiIIIQ{DM_NAME_LEN}s{DM_UUID_LEN}s7s")
_SPEC = struct.Struct(f"=QQiI{DM_MAX_TYPE_NAME}s")
_NAME_LIST = struct.Struct("=QI")  # dm_name_list before its name: the text starts at 12, not at the struct's size of 16
_NAME_LIST_TAIL = struct.Struct("=II")  # event_nr and flags, at the next multiple of 8 after the name
_VERSIONS = struct.Struct("=I3I")
_DEPS = struct.Struct("=II")
_DEV = struct.Struct("=Q")
_SECTOR = struct.Struct("=Q")

HEADER_SIZE = _HEADER.size
"""sizeof(struct dm_ioctl): 312. Payloads start here, a multiple of 8 as the kernel wants it."""

MINIMUM_SIZE = HEADER_SIZE - 7
"""offsetof(struct dm_ioctl, data): 305. The kernel takes no less, and says this when a command has no payload."""

NAME_LIST_HAS_UUID = 1
NAME_LIST_DOESNT_HAVE_UUID = 2

_DM_IOCTL = 0xFD
_IOC_READ_WRITE = 3 << 30  # _IOC_READ | _IOC_WRITE; the same bits on every Linux architecture
_IOC_SIZE_SHIFT = 16
_IOC_TYPE_SHIFT = 8


class DmFormatError(ProtocolError):
    """A buffer does not have the form of linux/dm-ioctl.h, or a value does not fit into it."""


class Command(IntEnum):
    """Numbers of the commands, each under the kernel's name without its `_CMD`."""

    DM_VERSION = 0
    DM_REMOVE_ALL = 1
    DM_LIST_DEVICES = 2
    DM_DEV_CREATE = 3
    DM_DEV_REMOVE = 4
    DM_DEV_RENAME = 5
    DM_DEV_SUSPEND = 6
    DM_DEV_STATUS = 7
    DM_DEV_WAIT = 8
    DM_TABLE_LOAD = 9
    DM_TABLE_CLEAR = 10
    DM_TABLE_DEPS = 11
    DM_TABLE_STATUS = 12
    DM_LIST_VERSIONS = 13
    DM_TARGET_MSG = 14
    DM_DEV_SET_GEOMETRY = 15
    DM_DEV_ARM_POLL = 16
    DM_GET_TARGET_VERSION = 17


READING_COMMANDS = frozenset(
    {
        Command.DM_VERSION,
        Command.DM_LIST_DEVICES,
        Command.DM_DEV_STATUS,
        Command.DM_TABLE_DEPS,
        Command.DM_TABLE_STATUS,
        Command.DM_LIST_VERSIONS,
    }
)
"""Commands that change nothing and return at once.

DM_GET_TARGET_VERSION is not among them, because it loads the target's module; neither is DM_DEV_WAIT, which may sleep
for ever, nor DM_DEV_ARM_POLL, which changes what poll() on the control node says.
"""


class Flag(IntFlag):
    """The header's `flags`. There is no DM_EXISTS_FLAG: libdevmapper has it for itself, the kernel never sets it."""

    DM_READONLY_FLAG = 1 << 0
    DM_SUSPEND_FLAG = 1 << 1
    DM_PERSISTENT_DEV_FLAG = 1 << 3
    DM_STATUS_TABLE_FLAG = 1 << 4
    DM_ACTIVE_PRESENT_FLAG = 1 << 5
    DM_INACTIVE_PRESENT_FLAG = 1 << 6
    DM_BUFFER_FULL_FLAG = 1 << 8
    DM_SKIP_BDGET_FLAG = 1 << 9
    DM_SKIP_LOCKFS_FLAG = 1 << 10
    DM_NOFLUSH_FLAG = 1 << 11
    DM_QUERY_INACTIVE_TABLE_FLAG = 1 << 12
    DM_UEVENT_GENERATED_FLAG = 1 << 13
    DM_UUID_FLAG = 1 << 14
    DM_SECURE_DATA_FLAG = 1 << 15
    DM_DATA_OUT_FLAG = 1 << 16
    DM_DEFERRED_REMOVE = 1 << 17
    DM_INTERNAL_SUSPEND_FLAG = 1 << 18
    DM_IMA_MEASUREMENT_FLAG = 1 << 19


NO_FLAGS = Flag(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """`struct dm_ioctl`. `dev` is the kernel's number, see `encode_dev`; `data_size` and `data_start` are bytes.

    `pack` sets the last two itself; they are here to be read. `event_nr` of a request is the udev cookie.
    """

    version: tuple[int, int, int] = INTERFACE_VERSION
    data_size: int = HEADER_SIZE
    data_start: int = HEADER_SIZE
    target_count: int = 0
    open_count: int = 0
    flags: Flag = NO_FLAGS
    event_nr: int = 0
    dev: int = 0
    name: str = ""
    uuid: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """A `struct dm_target_spec` with its text: `start` and `length` in sectors of 512 bytes."""

    start: int
    length: int
    type: str
    params: str


@dataclass(frozen=True, slots=True)
class ListedDevice:
    """An entry of DM_LIST_DEVICES.

    `event_nr` is None from kernels before interface 4.37. `uuid` is None where the list does not tell (a kernel before
    4.46, or DM_UUID_FLAG not sent), and empty where the device has none.
    """

    name: str
    dev: DevT
    event_nr: int | None = None
    uuid: str | None = None


@dataclass(frozen=True, slots=True)
class TargetVersion:
    """An entry of DM_LIST_VERSIONS: a target type that is loaded, and its version."""

    name: str
    version: tuple[int, int, int]


def request_number(command: int) -> int:
    """The ioctl request of a command: `_IOWR(0xfd, command, struct dm_ioctl)`."""
    return _IOC_READ_WRITE | HEADER_SIZE << _IOC_SIZE_SHIFT | _DM_IOCTL << _IOC_TYPE_SHIFT | command


def encode_dev(dev: DevT) -> int:
    """`MAJOR:MINOR` as the number in the kernel's headers (`huge_encode_dev`: 12 bits of major, 20 of minor)."""
    major, _, minor = (int(part) if part.isdecimal() else -1 for part in dev.partition(":"))
    if not (0 <= major < 1 << 12 and 0 <= minor < 1 << 20):
        raise DmFormatError(f"{dev!r} is not a device number: MAJOR:MINOR, at most 4095:1048575")
    return minor & 0xFF | major << 8 | (minor & ~0xFF) << 12


def decode_dev(number: int) -> DevT:
    """The text of a kernel's device number; 0 is `0:0`."""
    return DevT(f"{(number & 0xFFF00) >> 8}:{number & 0xFF | number >> 12 & 0xFFF00}")


def pack(header: Header, payload: bytes = b"", *, size: int | None = None) -> bytes:
    """The whole buffer, zeros after the payload up to `size` bytes (if larger), so that a reply has room.

    `data_start` is always the header's size and `data_size` the buffer's length.
    """
    total = max(HEADER_SIZE + len(payload), size or 0)
    name = _field(header.name, DM_NAME_LEN, what="device name")
    uuid = _field(header.uuid, DM_UUID_LEN, what="UUID")
    counts = (header.target_count, header.open_count, int(header.flags), header.event_nr, 0, header.dev)
    try:
        head = _HEADER.pack(*header.version, total, HEADER_SIZE, *counts, name, uuid, b"")
    except struct.error as error:
        raise DmFormatError(f"a number of the dm header does not fit into its field: {error}") from error
    return (head + payload).ljust(total, b"\0")


def has_true_size(request: bytes) -> bool:
    """Whether a request has a header that says the request's own length: the kernel writes as much as it says."""
    return len(request) >= HEADER_SIZE and _HEADER.unpack_from(request)[3] == len(request)


def unpack(buffer: bytes) -> tuple[Header, bytes]:
    """The header and the payload of a request or a reply; the payload is empty where the header leaves no room."""
    if len(buffer) < MINIMUM_SIZE:
        raise DmFormatError(f"dm buffer has {len(buffer)} bytes, a header has {MINIMUM_SIZE}")
    fields = _HEADER.unpack(buffer[:HEADER_SIZE].ljust(HEADER_SIZE, b"\0"))
    data_size, data_start, count, opened, flags, event, _, dev, name, uuid, _ = fields[3:]
    if not MINIMUM_SIZE <= data_size <= len(buffer):
        raise DmFormatError(f"dm header: data_size {data_size} of a buffer of {len(buffer)} bytes")
    if data_start < MINIMUM_SIZE or data_start > max(data_size, HEADER_SIZE):
        raise DmFormatError(f"dm header: data_start {data_start}, with data_size {data_size}")
    header = Header(
        version=fields[:3],
        data_size=data_size,
        data_start=data_start,
        target_count=count,
        open_count=opened,
        flags=Flag(flags),
        event_nr=event,
        dev=dev,
        name=_text(name, 0, what="device name")[0],
        uuid=_text(uuid, 0, what="UUID")[0],
    )
    return header, buffer[data_start:data_size]


def pack_targets(targets: Iterable[Target], *, reply: bool) -> bytes:
    """The payload of DM_TABLE_LOAD, or (`reply`) of what DM_TABLE_STATUS answers.

    `next` counts from the start of its own target in a request, from the start of the payload in a reply.
    """
    payload, used = bytearray(), 0
    for target in targets:
        text = _encode(target.params) + b"\0"
        end = _aligned(len(payload) + _SPEC.size + len(text))
        kind = _field(target.type, DM_MAX_TYPE_NAME, what="target type")
        following = end if reply else end - len(payload)
        payload += _packed(_SPEC, target.start, target.length, 0, following, kind) + text
        used = len(payload)
        payload = payload.ljust(end, b"\0")
    return bytes(payload[:used] if reply else payload)


def unpack_targets(payload: bytes, count: int, *, reply: bool) -> tuple[Target, ...]:
    """The `count` targets of a payload; look for DM_BUFFER_FULL_FLAG first, as a full buffer ends amid a target."""
    targets, offset = [], 0
    for _ in range(count):
        start, length, _, following, kind = _unpacked(_SPEC, payload, offset, what="target")
        params, end = _text(payload, offset + _SPEC.size, what="target's parameters")
        targets.append(Target(start, length, _text(kind, 0, what="target type")[0], params))
        after = following if reply else offset + following
        if len(targets) < count and after < end:
            raise DmFormatError(f"dm target {len(targets)}: next at {after} lies inside a target that ends at {end}")
        offset = after
    return tuple(targets)


def pack_devices(devices: Sequence[ListedDevice]) -> bytes:
    """The payload of what DM_LIST_DEVICES answers (`list_devices` in drivers/md/dm-ioctl.c); none: empty."""
    payload = bytearray()
    for index, device in enumerate(devices):
        entry = _packed_device(device)
        following = len(entry) if index + 1 < len(devices) else 0
        payload += _packed(_NAME_LIST, encode_dev(device.dev), following) + entry[_NAME_LIST.size :]
    return bytes(payload)


def _packed_device(device: ListedDevice) -> bytes:
    entry = bytes(_NAME_LIST.size) + _field(device.name, DM_NAME_LEN, what="device name").rstrip(b"\0") + b"\0"
    entry = _padded(entry)
    if device.event_nr is None:
        return entry
    if device.uuid is None:
        return entry + _packed(_NAME_LIST_TAIL, device.event_nr, 0)
    flags = NAME_LIST_HAS_UUID if device.uuid else NAME_LIST_DOESNT_HAVE_UUID
    uuid = _field(device.uuid, DM_UUID_LEN, what="UUID").rstrip(b"\0") + b"\0" if device.uuid else b""
    return _padded(entry + _packed(_NAME_LIST_TAIL, device.event_nr, flags) + uuid)


def unpack_devices(payload: bytes) -> tuple[ListedDevice, ...]:
    """The devices of what DM_LIST_DEVICES answered."""
    devices = []
    for entry in _records(payload, _NAME_LIST, next_field=1, what="device list"):
        dev, _ = _unpacked(_NAME_LIST, entry, 0, what="device list")
        if dev == 0:  # how the kernel says that there is no device
            break
        devices.append(_unpacked_device(entry, decode_dev(dev)))
    return tuple(devices)


def _unpacked_device(entry: bytes, dev: DevT) -> ListedDevice:
    name, end = _text(entry, _NAME_LIST.size, what="device list's name")
    tail = _aligned(end)
    if tail + _NAME_LIST_TAIL.size > len(entry):
        return ListedDevice(name, dev)
    event, flags = _unpacked(_NAME_LIST_TAIL, entry, tail, what="device list's event number")
    if flags & NAME_LIST_HAS_UUID:
        return ListedDevice(name, dev, event, _text(entry, tail + _NAME_LIST_TAIL.size, what="device list's UUID")[0])
    return ListedDevice(name, dev, event, "" if flags & NAME_LIST_DOESNT_HAVE_UUID else None)


def pack_versions(versions: Sequence[TargetVersion]) -> bytes:
    """The payload of what DM_LIST_VERSIONS answers."""
    payload = bytearray()
    for index, target in enumerate(versions):
        text = _encode(target.name) + b"\0"
        size = _aligned(_VERSIONS.size + len(text))
        following = size if index + 1 < len(versions) else 0
        payload += (_packed(_VERSIONS, following, *target.version) + text).ljust(size, b"\0")
    return bytes(payload)


def unpack_versions(payload: bytes) -> tuple[TargetVersion, ...]:
    """The target types of what DM_LIST_VERSIONS answered."""
    found = []
    for entry in _records(payload, _VERSIONS, next_field=0, what="list of versions"):
        _, major, minor, patch = _unpacked(_VERSIONS, entry, 0, what="list of versions")
        name, _ = _text(entry, _VERSIONS.size, what="target's name")
        found.append(TargetVersion(name, (major, minor, patch)))
    return tuple(found)


def pack_deps(devices: Sequence[DevT]) -> bytes:
    """The payload of what DM_TABLE_DEPS answers: the devices that a table uses."""
    return _packed(_DEPS, len(devices), 0) + b"".join(_DEV.pack(encode_dev(dev)) for dev in devices)


def unpack_deps(payload: bytes) -> tuple[DevT, ...]:
    """The devices of what DM_TABLE_DEPS answered; a device without a table answers nothing and has none."""
    if not payload:
        return ()
    count, _ = _unpacked(_DEPS, payload, 0, what="dependencies")
    if len(payload) < _DEPS.size + count * _DEV.size:
        raise DmFormatError(f"dm dependencies: {count} devices in {len(payload)} bytes")
    numbers = (_DEV.unpack_from(payload, _DEPS.size + index * _DEV.size)[0] for index in range(count))
    return tuple(decode_dev(number) for number in numbers)


def pack_message(message: str, *, sector: int = 0) -> bytes:
    """The payload of DM_TARGET_MSG: to the target that holds `sector`."""
    return _packed(_SECTOR, sector) + _encode(message) + b"\0"


def unpack_message(payload: bytes) -> tuple[int, str]:
    """The sector and the text of a DM_TARGET_MSG request."""
    (sector,) = _unpacked(_SECTOR, payload, 0, what="message")
    return sector, _text(payload, _SECTOR.size, what="message")[0]


def pack_text(text: str) -> bytes:
    """One text as payload: the new name of DM_DEV_RENAME (its new UUID with DM_UUID_FLAG), a message's answer."""
    return _encode(text) + b"\0"


def unpack_text(payload: bytes) -> str:
    """The text of such a payload."""
    return _text(payload, 0, what="text")[0]


def _records(payload: bytes, form: struct.Struct, *, next_field: int, what: str) -> Iterator[bytes]:
    """The records of a chain in which each says how far the next one is, and the last 0."""
    offset = 0
    while offset < len(payload):
        step = int(_unpacked(form, payload, offset, what=what)[next_field])
        if step == 0:
            yield payload[offset:]
            return
        if step < form.size or offset + step > len(payload):
            raise DmFormatError(f"dm {what}: record at {offset} has its next {step} bytes on, of {len(payload)}")
        yield payload[offset : offset + step]
        offset += step


def _packed(form: struct.Struct, *fields: int | bytes) -> bytes:
    try:
        return form.pack(*fields)
    except struct.error as error:
        raise DmFormatError(f"a number does not fit into its dm field: {error}") from error


def _unpacked(form: struct.Struct, payload: bytes, offset: int, *, what: str) -> tuple[Any, ...]:
    if offset + form.size > len(payload):
        raise DmFormatError(f"dm {what} at {offset} needs {form.size} bytes, {max(0, len(payload) - offset)} are there")
    return form.unpack_from(payload, offset)


def _encode(text: str) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    if b"\0" in data:
        raise DmFormatError(f"a text for the kernel has a NUL in it: {text!r}")
    return data


def _field(text: str, size: int, *, what: str) -> bytes:
    data = _encode(text)
    if len(data) >= size:
        raise DmFormatError(f"{what} of {len(data)} bytes, at most {size - 1} fit: {text!r}")
    return data.ljust(size, b"\0")


def _text(data: bytes, offset: int, *, what: str) -> tuple[str, int]:
    """The NUL-ended text at an offset, and the offset after its NUL."""
    end = data.find(b"\0", offset)
    if end < 0:
        raise DmFormatError(f"dm {what} at {offset} has no end in {len(data)} bytes")
    return data[offset:end].decode("utf-8", "surrogateescape"), end + 1


def _aligned(offset: int) -> int:
    return offset + 7 & ~7


def _padded(data: bytes) -> bytes:
    return data.ljust(_aligned(len(data)), b"\0")
