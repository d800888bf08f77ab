"""A small model of what each step of a plan leaves behind, for the safety rules to look at.

In: a snapshot and a desired state, then steps one by one. Out: the `World` before the next step. It knows of the kernel
only what the rules need: names, tables, which paths are active, who queues. It must never share code with the planner.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from actuators.steps import (
    CreateMap,
    DeletePath,
    FailPath,
    MapStep,
    ReinstatePath,
    ReloadMap,
    RemoveMap,
    RenameMap,
    SetQueueing,
)
from controller.reconcile.plan import Memory
from desired.identity import is_another
from desired.model import Admission, Desired, DesiredMap, Verdict
from observers.dmtable import DevT, MultipathTable, Sectors, TableSyntax, parse_table
from observers.snapshot import MPATH_PREFIX, Alias, DmUuid, Map, Path, PathState, Snapshot, Wwid

BAD = frozenset(
    {
        PathState.DOWN,
        PathState.SHAKY,
        PathState.TIMEOUT,
        PathState.REMOVED,
        PathState.DELAYED,
        PathState.DISCONNECTED,
    }
)
"""States in which a path must not be given back."""


@dataclass(slots=True)
class Device:
    """What the model holds of one map."""

    name: Alias
    table: MultipathTable | None
    active: dict[DevT, bool] = field(default_factory=dict)
    queues: bool = False
    seen: Map | None = None


@dataclass(slots=True)
class World:
    """The host as it would be after the steps so far. Only the walk changes it."""

    paths: Mapping[DevT, Path]
    admissions: Mapping[DevT, Admission]
    wanted: Mapping[Wwid, DesiredMap]
    keep: Mapping[Wwid, str]
    foreign: frozenset[Alias]
    devices: dict[DmUuid, Device]
    names: dict[Alias, DmUuid]
    members: dict[DevT, set[DmUuid]]
    fenced: Mapping[DevT, str]
    """Paths that dm does not use and whose identity is due, with the reason."""
    due: Mapping[DevT, str]
    """All paths whose identity is due, with the reason."""
    quarantined: frozenset[DevT]
    disconnected: frozenset[DevT]
    """Paths of which the checker says that their logical unit is not mapped."""
    silenced: frozenset[Wwid]
    """Maps that must not queue: their time is over, or an operator said so."""
    deleted: list[DevT] = field(default_factory=list)


def model(snapshot: Snapshot, desired: Desired, memory: Memory) -> World:
    """The world before the first step."""
    devices = {live.uuid: _device(live) for live in snapshot.maps}
    members: dict[DevT, set[DmUuid]] = {}
    for uuid, device in devices.items():
        for dev in device.table.devices if device.table else ():
            members.setdefault(dev, set()).add(uuid)
    used = {dev for device in devices.values() for dev, active in device.active.items() if active}
    known = memory.paths.items()
    return World(
        paths={path.dev: path for path in snapshot.paths},
        admissions={each.dev: each for each in desired.admissions},
        wanted={each.wwid: each for each in desired.maps},
        keep=desired.keep,
        foreign=frozenset(each.name for each in snapshot.other_devices),
        devices=devices,
        names={live.name: live.uuid for live in snapshot.maps},
        members=members,
        fenced={dev: each.identity.due for dev, each in known if each.identity_due and dev not in used},
        due={dev: each.identity.due for dev, each in known if each.identity_due},
        quarantined=frozenset(dev for dev, each in known if each.quarantined is not None),
        silenced=frozenset(wwid for wwid, each in memory.maps.items() if each.silenced),
        disconnected=frozenset(dev for dev, each in known if each.purge.disconnected_since is not None),
    )


def _device(live: Map) -> Device:
    active = {path.dev: path.active for path in live.status.paths} if live.status else {}
    return Device(live.name, live.table, active, queues=bool(live.table and live.table.queues), seen=live)


def advance(step: MapStep, world: World) -> None:
    """The world after a step, as the kernel would have it. A step that can't be understood changes nothing."""
    uuid = step.map.uuid
    device = world.devices.get(uuid)
    match step:
        case CreateMap():
            world.devices[uuid] = Device(step.map.name, None)
            world.names[step.map.name] = uuid
            _put(world, uuid, parsed(step))
        case ReloadMap() if device:
            _put(world, uuid, parsed(step))
        case RenameMap() if device:
            world.names.pop(device.name, None)
            device.name = step.new_name
            world.names[step.new_name] = uuid
        case RemoveMap(deferred=True) if device and device.seen is not None and device.seen.open_count:
            pass
        case RemoveMap() if device:
            _put(world, uuid, None)
            world.names.pop(device.name, None)
            del world.devices[uuid]
        case FailPath() | ReinstatePath() if device:
            device.active[step.dev] = isinstance(step, ReinstatePath)
        case SetQueueing() if device:
            device.queues = step.queue
        case DeletePath():
            world.deleted.append(step.dev)


def _put(world: World, uuid: DmUuid, table: MultipathTable | None) -> None:
    device = world.devices[uuid]
    for dev in device.table.devices if device.table else ():
        world.members.get(dev, set()).discard(uuid)
    device.table = table
    device.active = dict.fromkeys(table.devices, True) if table else {}
    device.queues = bool(table and table.queues)
    for dev in table.devices if table else ():
        world.members.setdefault(dev, set()).add(uuid)


def parsed(step: MapStep) -> MultipathTable | None:
    """The table that a step loads, None when it loads none or the text does not parse."""
    if not isinstance(step, CreateMap | ReloadMap):
        return None
    return _parsed(step.size, step.table)


@lru_cache(maxsize=4)
def _parsed(size: Sectors, text: str) -> MultipathTable | None:
    """Several rules look at the same table one after another."""
    try:
        return parse_table(size, text)
    except TableSyntax:
        return None


def wwid_of(uuid: DmUuid) -> Wwid:
    """The WWID in a map's UUID."""
    return Wwid(uuid.removeprefix(MPATH_PREFIX))


def mismatched(world: World, dev: DevT, map_: Device | None = None) -> bool:
    """Whether the device says that it is another logical unit: than udev has it, or than the map."""
    admission = world.admissions.get(dev)
    if dev in world.quarantined or admission is None or admission.verdict is not Verdict.ADMITTED:
        return dev in world.quarantined or (admission is not None and admission.verdict is Verdict.MISMATCH)
    path, seen = world.paths.get(dev), map_.seen if map_ is not None else None
    if path is None or seen is None or seen.wwid not in world.wanted or admission.wwid == seen.wwid:
        return False
    return is_another(path, seen.wwid, admission.wwid)


def state_of(world: World, dev: DevT, device: Device | None = None) -> PathState:
    """The path's state as the desired map has it (it may know better, as of a path without a size), or as observed."""
    if device is not None and device.seen is not None:
        wanted = world.wanted.get(device.seen.wwid)
        for member in wanted.members if wanted else ():
            if member.dev == dev:
                return member.state
    path = world.paths.get(dev)
    return path.health.state if path else PathState.REMOVED


def works(world: World, dev: DevT, device: Device) -> bool:
    """Whether I/O goes there as far as anybody knows."""
    state = state_of(world, dev, device)
    if mismatched(world, dev, device) or dev in world.fenced:
        return False
    return state.usable or (device.active.get(dev, False) and state not in BAD)
