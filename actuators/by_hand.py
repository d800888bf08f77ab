"""What an administrator may have done to a map by command, and no plan ever contains: suspend it, resume it, remove it
with the partitions on it.

In: a host, a map, and the devices that are on it. Out: an `Outcome`. A suspend here has no resume of its own: that is
what was asked for, and the planner leaves a suspended map alone. Must never decide whether a map should go.
"""

import errno
from collections.abc import Callable, Iterable
from functools import partial

from actuators import dm_calls as dm
from actuators.cookie import UdevSync
from actuators.devicemapper import remove_map
from actuators.retry import BUSY, again
from actuators.steps import Changed, Lost, MapRef, Outcome, Refused, RemoveMap, UdevFlags, Unchanged
from observers.errors import KernelRefused
from observers.host import Host
from observers.kernel.dm_ioctl import Flag
from observers.snapshot import DmDevice


def suspend_map(host: Host, map_: MapRef) -> Outcome:
    """Have all I/O of a map wait, also what is in flight, until somebody resumes it."""
    found = dm.device(host, map_)
    if found is None:
        return Lost(f"{map_.name} is gone")
    if Flag.DM_SUSPEND_FLAG in found.flags:
        return Unchanged()
    return _told(lambda: dm.suspend(host, map_))


def resume_map(host: Host, map_: MapRef) -> Outcome:
    """Let I/O flow."""
    found = dm.device(host, map_)
    if found is None:
        return Lost(f"{map_.name} is gone")
    if Flag.DM_SUSPEND_FLAG not in found.flags:
        return Unchanged()
    return _told(lambda: dm.resume(host, map_, flush=False, event=0))


def partitions_of(map_: MapRef, others: Iterable[DmDevice]) -> tuple[DmDevice, ...]:
    """The devices that are partitions of a map, as kpartx and udev's rules make them."""
    return tuple(each for each in others if dm.PARTITION.match(each.uuid) and each.uuid.partition("-")[2] == map_.uuid)


def flush_map(host: Host, map_: MapRef, others: Iterable[DmDevice], *, sync: UdevSync, flags: UdevFlags) -> Outcome:
    """Remove a map and first its partitions, if nobody uses any of them. `others`: all other devices of device-mapper.

    EBUSY before anything was removed, unless somebody opens one in that very moment.
    """
    partitions = partitions_of(map_, others)
    try:
        users = [each.name for each in partitions if dm.open_count(host, each.uuid)]
        if dm.open_count(host, map_.uuid) > len(partitions):
            users.append(map_.name)
        if users:
            why = f"{map_.name} or a partition of it is in use: {', '.join(users)}"
            return Refused(errno.EBUSY, why, "see `lsblk` and `dmsetup info`")
        for each in partitions:
            again(host, partial(dm.remove_partition, host, each.uuid), BUSY)
    except KernelRefused as error:
        return Refused(error.errno, str(error), error.hint)
    return remove_map(host, RemoveMap(map=map_, udev=flags), sync=sync)


def _told(call: Callable[[], object]) -> Outcome:
    try:
        call()
    except KernelRefused as error:
        return Refused(error.errno, str(error), error.hint)
    return Changed()
