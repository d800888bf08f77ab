"""Device-mapper: its version, the multipath maps with table and status, and the names that other devices hold.

In: a `ReadHost`, whose `dm_query` takes and returns the buffers of `observers.kernel.dm_ioctl`. Out: one `Observed`. It
asks only what changes nothing and returns at once, and must never use a command outside READING_COMMANDS.
"""

import errno
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from observers.breathing import Breathe, breathing, without_pause
from observers.dmtable import MultipathStatus, MultipathTable, Sectors, TableSyntax, parse_status, parse_table
from observers.errors import KernelRefused, MpathError
from observers.host import ReadHost
from observers.kernel.dm_ioctl import (
    INTERFACE_VERSION,
    Command,
    Flag,
    Header,
    ListedDevice,
    Target,
    TargetVersion,
    decode_dev,
    encode_dev,
    pack,
    unpack,
    unpack_devices,
    unpack_targets,
    unpack_versions,
)
from observers.kernel.dm_names import from_kernel, to_kernel
from observers.reading import NOT_PERMITTED, NOT_PROVIDED, VANISHED, Reader, describe
from observers.snapshot import MPATH_PREFIX, Alias, DeviceName, DmDevice, DmUuid, Gap, Map, dev_key
from observers.sysfs import holders

SUBJECT = "device-mapper"

TARGET = "multipath"

_FIRST_BUFFER = 16 * 1024
_LARGEST_BUFFER = 16 * 1024 * 1024
"""A list of 100,000 devices is about as long; what asks for more is not an answer."""

_READINGS = 3
"""Table and status are two calls: when a reload came in between they differ, and both are read again this often."""

Version = tuple[int, int, int]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """All of device-mapper. Versions are None where there is no device-mapper, or no multipath target loaded."""

    version: Version | None = None
    multipath_target: Version | None = None
    maps: tuple[Map, ...] = ()
    other_devices: tuple[DmDevice, ...] = ()
    gaps: tuple[Gap, ...] = ()


def observe(host: ReadHost, *, breathe: Breathe = without_pause) -> Observed:
    """Everything that device-mapper tells; never raises."""
    reader = Reader(host, SUBJECT)
    version = _version(reader)
    if version is None:
        return Observed(gaps=tuple(reader.gaps))
    target = _multipath_target(reader)
    ours, others = _devices(reader)
    found = [_map(host, device) for device in breathing(ours, breathe)]
    gaps = [*reader.gaps, *(gap for _, part in found for gap in part)]
    return Observed(
        version=version,
        multipath_target=target,
        maps=tuple(sorted((seen for seen, _ in found if seen), key=lambda seen: dev_key(seen.dev))),
        other_devices=tuple(sorted(others, key=lambda device: dev_key(device.dev))),
        gaps=tuple(gaps),
    )


def observe_some(host: ReadHost, uuids: Iterable[str], *, breathe: Breathe = without_pause) -> Observed:
    """The maps of these UUIDs, those that there are, and nothing of all others; never raises."""
    reader = Reader(host, SUBJECT)
    version = _version(reader)
    if version is None:
        return Observed(gaps=tuple(reader.gaps))
    devices = [device for uuid in breathing(uuids, breathe) if (device := _find(reader, uuid)) is not None]
    found = [_map(host, device) for device in breathing(devices, breathe)]
    return Observed(
        version=version,
        multipath_target=_multipath_target(reader),
        maps=tuple(seen for seen, _ in found if seen),
        gaps=(*reader.gaps, *(gap for _, part in found for gap in part)),
    )


def _find(reader: Reader, uuid: str) -> ListedDevice | None:
    known = to_kernel(uuid)
    try:
        header, _ = query(reader.host, Command.DM_DEV_STATUS, Header(uuid=known))
    except MpathError as error:
        if not (isinstance(error, KernelRefused) and error.errno in VANISHED):
            reader.note(f"map {uuid}", describe(error))
        return None
    return ListedDevice(header.name, decode_dev(header.dev), header.event_nr, known)


def query(host: ReadHost, command: Command, header: Header) -> tuple[Header, bytes]:
    """Ask, with a larger buffer each time the answer did not fit; `KernelRefused` says what was sent."""
    size = _FIRST_BUFFER
    while True:
        try:
            answer, payload = unpack(host.dm_query(command, pack(header, size=size)))
        except OSError as error:
            raise _refused(command, header, error) from error
        if not answer.flags & Flag.DM_BUFFER_FULL_FLAG:
            return answer, payload
        size *= 2
        if size > _LARGEST_BUFFER:
            raise KernelRefused(
                errno.EMSGSIZE,
                sent=_sent(command, header),
                came_back=f"the answer does not fit into {_LARGEST_BUFFER} bytes",
            )


def _refused(command: Command, header: Header, error: OSError) -> KernelRefused:
    code, hint = error.errno or 0, ""
    if code in NOT_PERMITTED:
        hint = "no permission to use device-mapper; run as root"
    elif command is Command.DM_VERSION:
        hint = "no device-mapper in the kernel; load it with: modprobe dm-multipath"
    return KernelRefused(code, sent=_sent(command, header), hint=hint)


def _sent(command: Command, header: Header) -> str:
    about = header.uuid or header.name
    return f"{command.name} {about}" if about else command.name


def _version(reader: Reader) -> Version | None:
    answer = reader.attempt("version", lambda: query(reader.host, Command.DM_VERSION, Header()))
    if answer is None:
        return None
    version = answer[0].version
    if version[0] == INTERFACE_VERSION[0]:
        return version
    reader.note("version", f"the kernel's device-mapper interface is {version[0]}.x, this program speaks 4.x")
    return None


def _multipath_target(reader: Reader) -> Version | None:
    def ask() -> tuple[TargetVersion, ...]:
        return unpack_versions(query(reader.host, Command.DM_LIST_VERSIONS, Header())[1])

    versions = reader.attempt("target versions", ask) or ()
    return next((target.version for target in versions if target.name == TARGET), None)


def _devices(reader: Reader) -> tuple[list[ListedDevice], list[DmDevice]]:
    """Multipath maps, and all others."""

    def ask() -> tuple[ListedDevice, ...]:
        return unpack_devices(query(reader.host, Command.DM_LIST_DEVICES, Header(flags=Flag.DM_UUID_FLAG))[1])

    listed = [_with_uuid(reader, device) for device in reader.attempt("list of devices", ask) or ()]
    known = [device for device in listed if device is not None]
    ours = [device for device in known if (device.uuid or "").startswith(MPATH_PREFIX)]
    others = [device for device in known if not (device.uuid or "").startswith(MPATH_PREFIX)]
    return ours, [DmDevice(_name(item.name), _uuid(item.uuid), item.dev) for item in others]


def _name(kernel_name: str) -> Alias:
    return Alias(from_kernel(kernel_name))


def _uuid(kernel_uuid: str | None) -> DmUuid:
    return DmUuid(from_kernel(kernel_uuid or ""))


def _with_uuid(reader: Reader, device: ListedDevice) -> ListedDevice | None:
    """The device with its UUID, for which kernels before interface 4.46 have to be asked device by device.

    None when it is gone meanwhile: then its name is free, and nothing of it is missing in the snapshot.
    """
    if device.uuid is not None:
        return device
    request = Header(dev=encode_dev(device.dev))
    try:
        return replace(device, uuid=query(reader.host, Command.DM_DEV_STATUS, request)[0].uuid)
    except KernelRefused as error:
        if error.errno in VANISHED:
            return None
        reader.note(f"UUID of {device.name}", describe(error))
    except MpathError as error:
        reader.note(f"UUID of {device.name}", describe(error))
    return None


_OPTIONAL = NOT_PROVIDED | VANISHED

_NO_DISK_YET = frozenset({errno.ENODEV, errno.ENOENT})
"""A dm device that never had a table is no block device yet (since Linux 5.15): udev and sysfs don't know it."""


def _map(host: ReadHost, device: ListedDevice) -> tuple[Map | None, list[Gap]]:
    """One map, asked for by its UUID: a name or number might be another device's by now."""
    reader = Reader(host, _name(device.name))
    live = _live(reader, device.uuid or "")
    if live is None:
        return None, reader.gaps
    header = live.header
    node = DeviceName(f"dm-{device.dev.partition(':')[2]}")
    quiet = frozenset() if header.flags & Flag.DM_ACTIVE_PRESENT_FLAG else _NO_DISK_YET
    properties = reader.attempt("udev properties", lambda: host.udev_properties(node), quiet=quiet)
    seen = Map(
        name=_name(header.name or device.name),
        uuid=_uuid(device.uuid),
        dev=device.dev,
        table=live.table,
        status=live.status,
        suspended=bool(header.flags & Flag.DM_SUSPEND_FLAG),
        read_only=bool(header.flags & Flag.DM_READONLY_FLAG),
        inactive_table=bool(header.flags & Flag.DM_INACTIVE_PRESENT_FLAG),
        deferred_remove=bool(header.flags & Flag.DM_DEFERRED_REMOVE),
        event_number=header.event_nr,
        open_count=header.open_count,
        holders=holders(reader, f"/sys/block/{node}", quiet=quiet),
        max_sectors_kb=reader.number(f"/sys/block/{node}/queue/max_sectors_kb", "queue limit", quiet=_OPTIONAL),
        udev=properties or {},
    )
    return seen, reader.gaps


@dataclass(frozen=True, slots=True, kw_only=True)
class _Live:
    """One reading of a map: the header of the last answer, and what table and status said (None: no value in them).

    `torn`: they are not of one instant, as they don't describe the same paths in the same groups.
    """

    header: Header
    table: MultipathTable | None = None
    status: MultipathStatus | None = None
    torn: bool = False


def _live(reader: Reader, uuid: str) -> _Live | None:
    live = None
    for _ in range(_READINGS):
        live = reader.attempt("table and status", lambda: _read_live(reader, uuid))
        if live is None or not live.torn:
            return live
    reader.note("table and status", f"they differed in each of {_READINGS} readings: the map is being reloaded")
    return live


def _read_live(reader: Reader, uuid: str) -> _Live:
    _, status_targets = _targets(reader.host, uuid, Flag.DM_NOFLUSH_FLAG)
    header, table_targets = _targets(reader.host, uuid, Flag.DM_NOFLUSH_FLAG | Flag.DM_STATUS_TABLE_FLAG)
    if not (status_targets and table_targets):
        return _Live(header=header, torn=bool(status_targets) != bool(table_targets))
    table = reader.attempt("table", lambda: _parsed(table_targets, parse_table))
    status = reader.attempt("status", lambda: _parsed(status_targets, parse_status))
    return _Live(header=header, table=table, status=status, torn=_differ(table, status))


def _differ(table: MultipathTable | None, status: MultipathStatus | None) -> bool:
    if table is None or status is None:
        return False
    in_table = [[path.dev for path in group.paths] for group in table.groups]
    return in_table != [[path.dev for path in group.paths] for group in status.groups]


def _targets(host: ReadHost, uuid: str, flags: Flag) -> tuple[Header, tuple[Target, ...]]:
    """The live table's targets. DM_NOFLUSH_FLAG: asking must never make a target write first, which could block."""
    header, payload = query(host, Command.DM_TABLE_STATUS, Header(uuid=uuid, flags=flags))
    return header, unpack_targets(payload, header.target_count, reply=True)


def _parsed(targets: tuple[Target, ...], parse: Callable[[Sectors, str], T]) -> T:
    if len(targets) != 1 or targets[0].type != TARGET:
        kinds = " ".join(target.type for target in targets)
        raise TableSyntax(f"not one multipath target but {len(targets)}: {kinds}")
    return parse(Sectors(targets[0].length), targets[0].params)
