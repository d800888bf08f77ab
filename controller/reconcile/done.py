"""What steps that were done mean for the memories of maps and paths: what is counted, and which waits begin and end.

In: memories, steps with what came of them, the time. Out: the next memories. Pure; it must never hold a step back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from actuators.steps import (
    Changed,
    CreateMap,
    DeletePath,
    FailPath,
    Outcome,
    RegisterKey,
    ReloadMap,
    RemoveMap,
    RenameMap,
    Step,
    SwitchGroup,
    UdevFlags,
)
from controller.reconcile import purge_memory, reservation_memory, waiting
from controller.reconcile.health import PathMemory
from controller.reconcile.waiting import MapMemory
from observers.dmtable import DevT
from observers.snapshot import MPATH_PREFIX, Wwid

Done = Sequence[tuple[Step, Outcome]]
_Counted = CreateMap | ReloadMap | RenameMap | SwitchGroup | FailPath | RemoveMap


def counted(maps: Mapping[Wwid, MapMemory], outcomes: Done, *, now: float) -> Mapping[Wwid, MapMemory]:
    """The maps' memories after these steps. A step on a map of which nothing is remembered counts nowhere."""
    found = dict(maps)
    for step, outcome in outcomes:
        if isinstance(step, RegisterKey):
            _registration(found, step, outcome)
        if not isinstance(outcome, Changed) or not isinstance(step, _Counted):
            continue
        wwid = Wwid(step.map.uuid.removeprefix(MPATH_PREFIX))
        if isinstance(step, RemoveMap) and not step.deferred:
            found.pop(wwid, None)
        elif wwid in found:
            found[wwid] = _after(found[wwid], step, now=now)
    return found


def paths_failed(maps: Mapping[Wwid, MapMemory], wwid: Wwid, count: int) -> Mapping[Wwid, MapMemory]:
    """The maps' memories after the kernel itself failed some paths of one, for which there is no step."""
    memory = maps.get(wwid)
    if memory is None:
        return maps
    counters = replace(memory.counters, path_faults=memory.counters.path_faults + count)
    return {**maps, wwid: replace(memory, counters=counters)}


def _registration(maps: dict[Wwid, MapMemory], step: RegisterKey, outcome: Outcome) -> None:
    wwid = Wwid(step.map.uuid.removeprefix(MPATH_PREFIX))
    if wwid in maps:
        reservation = reservation_memory.after(maps[wwid].reservation, step, outcome)
        maps[wwid] = replace(maps[wwid], reservation=reservation)


def _after(memory: MapMemory, step: _Counted, *, now: float) -> MapMemory:
    counters = memory.counters
    match step:
        case CreateMap():
            made = waiting.created(memory, now=now)
            return replace(made, counters=replace(counters, map_loads=counters.map_loads + 1))
        case ReloadMap():
            probed = UdevFlags.NO_PATHS not in step.udev
            after = replace(waiting.settled(memory), counters=replace(counters, map_loads=counters.map_loads + 1))
            return replace(after, ghost_until=None) if probed else after
        case RenameMap():
            return waiting.settled(memory)
        case SwitchGroup():
            return replace(memory, counters=replace(counters, switch_grp=counters.switch_grp + 1))
        case FailPath():
            return replace(memory, counters=replace(counters, path_faults=counters.path_faults + 1))
    return memory


def purged(paths: Mapping[DevT, PathMemory], outcomes: Done, *, now: float) -> Mapping[DevT, PathMemory]:
    """The paths' memories after tries to delete their devices."""
    tried = [step.dev for step, _ in outcomes if isinstance(step, DeletePath) and step.dev in paths]
    if not tried:
        return paths
    return {**paths, **{dev: replace(paths[dev], purge=purge_memory.ended(paths[dev].purge, now=now)) for dev in tried}}


def purge_started(paths: Mapping[DevT, PathMemory], dev: DevT) -> Mapping[DevT, PathMemory]:
    """The paths' memories when a worker begins to delete a device: until its outcome no other is begun."""
    memory = paths.get(dev)
    return paths if memory is None else {**paths, dev: replace(memory, purge=purge_memory.started(memory.purge))}
