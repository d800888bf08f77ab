"""What an administrator may have done by command to devices on top of a map's paths: have them use the map instead.

Theory of operation. A logical volume that was set up before its disk became a path stands on that one path. The map is
the same logical unit, so every sector is where it was: in the tables of such devices the path's number is replaced by
the map's. A table is loaded and swapped in without waiting for I/O in flight; where that fails the old one goes on.

These are the only tables of others that this project ever writes, and only by command (`reset map`); no plan contains
it. In: a host, a map, its paths, the other devices of device-mapper. Out: an `Outcome`. Must never touch a multipath
map, nor a device that somebody suspended or is loading another table into.
"""

import errno
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from actuators import dm_calls as dm
from actuators.steps import Changed, Outcome, Refused, Unchanged
from observers.dmtable import DevT
from observers.errors import KernelRefused
from observers.host import Host
from observers.kernel.dm_ioctl import Flag, Header, Target
from observers.snapshot import DmDevice


def reassign(host: Host, new: DevT, paths: Collection[DevT], others: Iterable[DmDevice]) -> Outcome:
    """Have all `others` that use one of these paths use the device `new`. One that is refused leaves the rest to go on.

    `Refused`: the last of those that were refused. `Unchanged`: nothing stands on a path.
    """
    moved: list[str] = []
    refused: Refused | None = None
    numbers = dict.fromkeys(paths, new)
    for device in others:
        try:
            if _moved(host, device, numbers):
                moved.append(device.name)
        except KernelRefused as error:
            refused = Refused(error.errno, str(error), error.hint)
    if refused is not None:
        return refused
    return Changed(", ".join(moved)) if moved else Unchanged()


def _moved(host: Host, device: DmDevice, numbers: Mapping[DevT, DevT]) -> bool:
    found = dm.targets(host, device)
    if found is None:
        return False
    header, old = found
    targets = [_with_numbers(target, numbers) for target in old]
    if targets == list(old) or any(target.type == dm.MULTIPATH for target in old):
        return False
    _check_free(header, device)
    dm.load_targets(host, device, targets, read_only=Flag.DM_READONLY_FLAG in header.flags)
    _swap(host, device)
    return True


def _with_numbers(target: Target, numbers: Mapping[DevT, DevT]) -> Target:
    """A target with other devices: a device's number is a word of its own in every type's parameters."""
    words = target.params.strip().split(" ")
    changed = [numbers.get(DevT(word), word) for word in words]
    return replace(target, params=" ".join(changed)) if changed != words else target


def _check_free(header: Header, device: DmDevice) -> None:
    if header.flags & (Flag.DM_SUSPEND_FLAG | Flag.DM_INACTIVE_PRESENT_FLAG):
        hint = "it is suspended, or has another table loaded, so somebody is at work on it: see `dmsetup info`"
        raise KernelRefused(errno.EBUSY, sent=f"another table for {device.name!r}", hint=hint)


def _swap(host: Host, device: DmDevice) -> None:
    """Use the loaded table. The kernel stops the device for that, and leaves it stopped if it does not take the table,
    which then is gone."""
    try:
        dm.swap(host, device)
    except KernelRefused:
        dm.swap(host, device)
        raise
