"""The device-mapper ioctls that actuators make, one tiny function each.

In: a host, a map's UUID (or, where the kernel wants that, its name) and the values to send. Out: values of the reply,
or `KernelRefused` with what was sent, what came back, and where an administrator should look. Devices are looked up by
UUID alone: with a name beside it the kernel answers EINVAL, and a name may by now be another device's. Must never
decide, retry or wait.
"""

import errno
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from actuators.steps import MapRef
from observers.dmtable import MultipathStatus, MultipathTable, Sectors, parse_status, parse_table
from observers.errors import InvariantBroken, KernelRefused
from observers.host import Host
from observers.kernel.dm_ioctl import (
    NO_FLAGS,
    READING_COMMANDS,
    Command,
    Flag,
    Header,
    Target,
    pack,
    pack_message,
    pack_targets,
    pack_text,
    unpack,
    unpack_targets,
)
from observers.kernel.dm_names import from_kernel, to_kernel
from observers.snapshot import DmDevice, DmUuid

PARTITION = re.compile(r"part\d+-mpath-")
"""How kpartx begins the UUID of a partition of a multipath map; the map's own UUID follows `partN-`."""

MULTIPATH = "multipath"
"""The target type, the only one that this project loads."""

STATUS_BUFFER = 16 * 1024
"""Bytes for a table or status at first: enough for some 300 paths, so that nearly always one call does."""

LARGEST_STATUS_BUFFER = 16 * 1024 * 1024
"""Bytes after which a reply that still does not fit is not believed."""

_LOOK_AT_DMESG = "the kernel's reason is in `dmesg`, in the lines of device-mapper and multipath"

_HINTS = {
    (Command.DM_DEV_CREATE, errno.EBUSY): "another device-mapper device has this name or UUID: see `dmsetup info -c`",
    (Command.DM_DEV_CREATE, errno.EINVAL): "a device-mapper name has no '/' and at most 127 bytes",
    (Command.DM_TABLE_LOAD, errno.EBUSY): "a path is in use by itself (mounted, swap, md, LVM or another map): see "
    "`lsblk` and /sys/block/*/holders",
    (Command.DM_TABLE_LOAD, errno.ENXIO): "a path of the table is gone: see `lsblk` and `dmesg`",
    (Command.DM_TABLE_LOAD, errno.ENODEV): "a path of the table is gone: see `lsblk` and `dmesg`",
    (Command.DM_TABLE_LOAD, errno.EINVAL): "a word of the table was not taken, a path selector's module is missing, or "
    f"a path is too small; {_LOOK_AT_DMESG}",
    (Command.DM_DEV_SUSPEND, errno.EINVAL): f"a path is smaller than the map, or does not fit to it otherwise; "
    f"{_LOOK_AT_DMESG}",
    (Command.DM_DEV_RENAME, errno.EBUSY): "another device-mapper device has the new name: see `dmsetup info -c`",
    (Command.DM_DEV_REMOVE, errno.EBUSY): "somebody has it open: see `dmsetup info`, `lsof`, `dmsetup ls --tree` and "
    "/sys/block/dm-*/holders",
    (Command.DM_TARGET_MSG, errno.EBUSY): "the map is suspended: see `dmsetup info`; whoever suspended it must resume "
    "it, or `dmsetup resume`",
    (Command.DM_TARGET_MSG, errno.EINVAL): f"the running table may be another one by now: see `dmsetup table`; "
    f"{_LOOK_AT_DMESG}",
}

_GENERAL_HINTS = {
    errno.EACCES: "this needs root (CAP_SYS_ADMIN)",
    errno.EPERM: "this needs root (CAP_SYS_ADMIN)",
    errno.ENOMEM: "the kernel has no memory for it: see `free` and `dmesg`",
    errno.EINTR: "a signal broke it off every time: is multipathd running too?",
    errno.ENXIO: "the device is gone: see `dmsetup ls`; is multipathd running too?",
    errno.ENOTTY: "the kernel's device-mapper is too old",
}


def hint(command: Command, error: int) -> str:
    """What an administrator should look at after a refusal."""
    return _HINTS.get((command, error)) or _GENERAL_HINTS.get(error, _LOOK_AT_DMESG)


@dataclass(frozen=True, slots=True)
class LiveTarget:
    """What TABLE_STATUS says of the running table. `text`: the parameters; None: none, or not one multipath target."""

    header: Header
    size: Sectors
    text: str | None

    @property
    def table(self) -> MultipathTable | None:
        """The running table's value (when it was asked for the table)."""
        return None if self.text is None else parse_table(self.size, self.text)

    @property
    def status(self) -> MultipathStatus | None:
        """The running table's status (when it was asked for the status)."""
        return None if self.text is None else parse_status(self.size, self.text)


def device(host: Host, map_: MapRef) -> Header | None:
    """DEV_STATUS: the device as it is; None: there is none with this UUID."""
    try:
        return _call(host, Command.DM_DEV_STATUS, Header(uuid=map_.uuid), sent=f"DEV_STATUS of {map_.uuid}")[0]
    except KernelRefused as error:
        if error.errno == errno.ENXIO:
            return None
        raise


def live(host: Host, map_: MapRef, *, table: bool) -> LiveTarget | None:
    """TABLE_STATUS: the running table (`table`) or its status; None: there is no device with this UUID."""
    size, flags = STATUS_BUFFER, Flag.DM_STATUS_TABLE_FLAG if table else NO_FLAGS
    request = Header(uuid=map_.uuid, flags=flags | Flag.DM_NOFLUSH_FLAG)
    while True:
        try:
            header, payload = _call(
                host, Command.DM_TABLE_STATUS, request, size=size, sent=f"TABLE_STATUS of {map_.uuid}"
            )
        except KernelRefused as error:
            if error.errno == errno.ENXIO:
                return None
            raise
        if Flag.DM_BUFFER_FULL_FLAG not in header.flags:
            return _live_target(header, payload)
        if size >= LARGEST_STATUS_BUFFER:
            raise KernelRefused(errno.ENOSPC, sent=f"TABLE_STATUS of {map_.uuid} with a buffer of {size} bytes")
        size *= 4


def _live_target(header: Header, payload: bytes) -> LiveTarget:
    targets = unpack_targets(payload, header.target_count, reply=True)
    if len(targets) != 1 or targets[0].type != MULTIPATH:
        return LiveTarget(header, Sectors(0), None)
    return LiveTarget(header, Sectors(targets[0].length), targets[0].params.strip())


def create(host: Host, map_: MapRef) -> None:
    """DEV_CREATE: an empty device. This is the one call that takes name and UUID."""
    _call(host, Command.DM_DEV_CREATE, Header(name=map_.name, uuid=map_.uuid), sent=f"DEV_CREATE of {_of(map_)}")


def load(host: Host, map_: MapRef, *, size: Sectors, table: str, read_only: bool) -> None:
    """TABLE_LOAD: a table into the inactive slot, over whatever was there."""
    flags = Flag.DM_READONLY_FLAG if read_only else NO_FLAGS
    _call(
        host,
        Command.DM_TABLE_LOAD,
        Header(uuid=map_.uuid, target_count=1, flags=flags),
        pack_targets([Target(0, size, MULTIPATH, table)], reply=False),
        sent=f"TABLE_LOAD of {_of(map_)}{' read-only' if read_only else ''}: 0 {size} {MULTIPATH} {table}",
    )


def resume(host: Host, map_: MapRef, *, flush: bool, event: int) -> Header:
    """DEV_SUSPEND without its flag: swap in the loaded table, if any, and let I/O flow.

    The file system on top is never frozen (SKIP_LOCKFS): that would write to it, perhaps through no path at all.
    Without `flush` I/O in flight is requeued instead of waited for.
    """
    flags = Flag.DM_SKIP_LOCKFS_FLAG | (NO_FLAGS if flush else Flag.DM_NOFLUSH_FLAG)
    request = Header(uuid=map_.uuid, flags=flags, event_nr=event)
    return _call(host, Command.DM_DEV_SUSPEND, request, sent=f"DEV_SUSPEND (resume) of {_of(map_)}")[0]


def suspend(host: Host, map_: MapRef) -> Header:
    """DEV_SUSPEND: have I/O wait, what is in flight too; the file system on top is not frozen."""
    flags = Flag.DM_SUSPEND_FLAG | Flag.DM_SKIP_LOCKFS_FLAG | Flag.DM_NOFLUSH_FLAG
    return _call(host, Command.DM_DEV_SUSPEND, Header(uuid=map_.uuid, flags=flags), sent=f"DEV_SUSPEND of {_of(map_)}")[
        0
    ]


def open_count(host: Host, uuid: DmUuid) -> int:
    """How often a device of device-mapper is open; 0 also when it is gone."""
    try:
        return _call(host, Command.DM_DEV_STATUS, Header(uuid=uuid), sent=f"DEV_STATUS of {uuid}")[0].open_count
    except KernelRefused as error:
        if error.errno == errno.ENXIO:
            return 0
        raise


def remove_partition(host: Host, uuid: DmUuid) -> None:
    """DEV_REMOVE of a partition's device, which is no map of ours; one that is gone is no error."""
    if not PARTITION.match(uuid):
        raise InvariantBroken(f"{uuid!r} is no partition of a multipath map")
    try:
        _call(host, Command.DM_DEV_REMOVE, Header(uuid=uuid), sent=f"DEV_REMOVE of {uuid}")
    except KernelRefused as error:
        if error.errno != errno.ENXIO:
            raise


def targets(host: Host, other: DmDevice) -> tuple[Header, tuple[Target, ...]] | None:
    """TABLE_STATUS: the running table of a device that is not ours; None: it is gone, or has no table."""
    size, flags = STATUS_BUFFER, Flag.DM_STATUS_TABLE_FLAG | Flag.DM_NOFLUSH_FLAG
    sent = f"TABLE_STATUS of {other.name!r}"
    while True:
        try:
            header, payload = _call(host, Command.DM_TABLE_STATUS, _other(other, flags), size=size, sent=sent)
        except KernelRefused as error:
            if error.errno == errno.ENXIO:
                return None
            raise
        if Flag.DM_BUFFER_FULL_FLAG not in header.flags:
            found = tuple(unpack_targets(payload, header.target_count, reply=True))
            return (header, found) if found else None
        if size >= LARGEST_STATUS_BUFFER:
            raise KernelRefused(errno.ENOSPC, sent=f"{sent} with a buffer of {size} bytes")
        size *= 4


def load_targets(host: Host, other: DmDevice, table: Sequence[Target], *, read_only: bool) -> None:
    """TABLE_LOAD for a device that is not ours, of whatever targets."""
    request = replace(_other(other, Flag.DM_READONLY_FLAG if read_only else NO_FLAGS), target_count=len(table))
    text = "; ".join(f"{each.start} {each.length} {each.type} {each.params}" for each in table)
    payload = pack_targets(table, reply=False)
    _call(host, Command.DM_TABLE_LOAD, request, payload, sent=f"TABLE_LOAD of {other.name!r}: {text}")


def swap(host: Host, other: DmDevice) -> None:
    """DEV_SUSPEND without its flag, for a device that is not ours; see `resume`."""
    flags = Flag.DM_SKIP_LOCKFS_FLAG | Flag.DM_NOFLUSH_FLAG
    _call(host, Command.DM_DEV_SUSPEND, _other(other, flags), sent=f"DEV_SUSPEND (resume) of {other.name!r}")


def _other(device: DmDevice, flags: Flag) -> Header:
    """How to find a device that is not ours: by its UUID if it has one; with both the kernel answers EINVAL."""
    return Header(uuid=device.uuid, flags=flags) if device.uuid else Header(name=device.name, flags=flags)


def rename(host: Host, map_: MapRef, new_name: str, *, event: int) -> Header:
    """DEV_RENAME. The kernel looks this one up by name, whatever else is sent: check whose name it is just before."""
    request = Header(name=map_.name, event_nr=event)
    sent = f"DEV_RENAME of {_of(map_)} to {new_name!r}"
    return _call(host, Command.DM_DEV_RENAME, request, pack_text(to_kernel(new_name)), sent=sent)[0]


def remove(host: Host, map_: MapRef, *, event: int, deferred: bool = False) -> Header:
    """DEV_REMOVE. `deferred`: while somebody has it open the kernel only takes note."""
    flags = Flag.DM_DEFERRED_REMOVE if deferred else NO_FLAGS
    request = Header(uuid=map_.uuid, event_nr=event, flags=flags)
    return _call(host, Command.DM_DEV_REMOVE, request, sent=f"DEV_REMOVE of {_of(map_)}")[0]


def message(host: Host, map_: MapRef, text: str) -> None:
    """TARGET_MSG to the multipath target, which begins at sector 0."""
    request = Header(uuid=map_.uuid)
    _call(host, Command.DM_TARGET_MSG, request, pack_message(text), sent=f"message {text!r} to {_of(map_)}")


def _of(map_: MapRef) -> str:
    return f"{map_.name!r} ({map_.uuid})"


def _call(
    host: Host, command: Command, request: Header, payload: bytes = b"", *, sent: str, size: int | None = None
) -> tuple[Header, bytes]:
    request = replace(request, name=to_kernel(request.name), uuid=to_kernel(request.uuid))
    data = pack(request, payload, size=size)
    ask = host.dm_query if command in READING_COMMANDS else host.dm_change
    try:
        header, answer = unpack(ask(command, data))
    except OSError as error:
        number = error.errno or errno.EIO
        raise KernelRefused(number, sent=sent, hint=hint(command, number)) from error
    return replace(header, name=from_kernel(header.name), uuid=from_kernel(header.uuid)), answer
