"""Messages to device-mapper maps, which the kernel answers at once: one function per step type.

In: a host, a complete step. Out: an `Outcome`. Before each message it is read again whether it is so already. Must
never decide anything.
"""

from actuators import dm_calls as dm
from actuators.answers import answered, gone
from actuators.devicemapper import QUEUEING
from actuators.steps import (
    CancelRemoval,
    Changed,
    FailPath,
    Lost,
    MapRef,
    Outcome,
    ReinstatePath,
    SetQueueing,
    SwitchGroup,
    Unchanged,
)
from observers.dmtable import DevT, GroupState
from observers.host import Host
from observers.kernel.dm_ioctl import Flag

_KEEP = "@cancel_deferred_remove"
"""For device-mapper itself, as the sign before it says; no target sees it."""


@answered
def switch_group(host: Host, step: SwitchGroup) -> Outcome:
    """Have the next I/O use another group; a group that is disabled is enabled by that."""
    found = dm.live(host, step.map, table=False)
    if found is None or found.status is None:
        return _no_table(step.map, found)
    status = found.status
    if not 1 <= step.group <= len(status.groups):
        return Lost(f"{step.map.name} has {len(status.groups)} groups by now, so there is no group {step.group}")
    if status.next_group == step.group and status.groups[step.group - 1].state is not GroupState.DISABLED:
        return Unchanged()
    return _told(host, step.map, f"switch_group {step.group}")


@answered
def fail_path(host: Host, step: FailPath) -> Outcome:
    """Have dm use a path no more."""
    return _set_path(host, step.map, step.dev, active=False)


@answered
def reinstate_path(host: Host, step: ReinstatePath) -> Outcome:
    """Have dm use a path again."""
    return _set_path(host, step.map, step.dev, active=True)


def _set_path(host: Host, map_: MapRef, dev: DevT, *, active: bool) -> Outcome:
    found = dm.live(host, map_, table=False)
    if found is None or found.status is None:
        return _no_table(map_, found)
    states = {path.dev: path.active for path in found.status.paths}
    if dev not in states:
        return Lost(f"path {dev} is not in the table of {map_.name} by now")
    if states[dev] is active:
        return Unchanged()
    return _told(host, map_, f"{'reinstate_path' if active else 'fail_path'} {dev}")


@answered
def set_queueing(host: Host, step: SetQueueing) -> Outcome:
    """Have I/O wait or fail when no path is left.

    While a map is suspended the kernel shows it as not queueing, whatever it will be: then only the message tells.
    """
    found = dm.live(host, step.map, table=True)
    if found is None or found.table is None:
        return _no_table(step.map, found)
    if found.table.queues is step.queue and Flag.DM_SUSPEND_FLAG not in found.header.flags:
        return Unchanged()
    return _told(host, step.map, QUEUEING if step.queue else "fail_if_no_path")


@answered
def cancel_removal(host: Host, step: CancelRemoval) -> Outcome:
    """Have a map stay that the kernel would remove when it is closed. EBUSY: it is being removed right now."""
    found = dm.device(host, step.map)
    if found is None:
        return gone(step.map)
    if Flag.DM_DEFERRED_REMOVE not in found.flags:
        return Unchanged()
    return _told(host, step.map, _KEEP)


def _told(host: Host, map_: MapRef, text: str) -> Outcome:
    dm.message(host, map_, text)
    return Changed()


def _no_table(map_: MapRef, found: dm.LiveTarget | None) -> Lost:
    return gone(map_) if found is None else Lost(f"{map_.name} has no multipath table by now")
