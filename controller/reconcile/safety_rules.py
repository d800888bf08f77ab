"""The safety rules, one function each, in two tables: what stops a map, and what is only told.

A rule looks at one step and the world before it, and yields what is wrong, in words; a step that keeps the rule yields
nothing. It must never look at how the plan was made, nor at the steps to come.
"""

from collections.abc import Callable, Iterable

from actuators.steps import (
    CancelRemoval,
    CreateMap,
    DeletePath,
    FailPath,
    MapStep,
    RegisterKey,
    ReinstatePath,
    ReloadMap,
    RemoveMap,
    RenameMap,
    SetQueueing,
    SwitchGroup,
)
from controller.reconcile.safety_world import BAD, Device, World, mismatched, parsed, state_of, works, wwid_of
from desired.model import Verdict
from observers.dmtable import DevT, TableSyntax, format_table, parse_table
from observers.snapshot import MPATH_PREFIX

NAME_LIMIT = 127
"""Bytes of a device-mapper name (DM_NAME_LEN of linux/dm-ioctl.h is 128 with its NUL)."""

Rule = Callable[[MapStep, World], Iterable[str]]
"""What is wrong with a step; nothing: it keeps the rule."""


def _ours(step: MapStep, world: World) -> Iterable[str]:
    device = world.devices.get(step.map.uuid)
    if not step.map.uuid.startswith(MPATH_PREFIX):
        yield f"{step.map.uuid} is not a multipath map"
    elif isinstance(step, CreateMap):
        if device is not None:
            yield f"{step.map.uuid} exists already"
    elif device is None:
        yield f"{step.map.uuid} does not exist"


def _known(step: MapStep, world: World) -> Iterable[str]:
    device = world.devices.get(step.map.uuid)
    seen = device.seen if device else None
    if seen is None:
        return
    if seen.suspended and seen.table is not None:
        yield "the map is suspended, and not by this plan"
    if seen.table is not None and seen.status is None:
        yield "the status of the map is not known"


def _asked_for(step: MapStep, world: World) -> Iterable[str]:
    wwid = wwid_of(step.map.uuid)
    wanted = world.wanted.get(wwid)
    shapes = isinstance(step, CreateMap | ReloadMap | RenameMap)
    ends = isinstance(step, SetQueueing) and not step.queue and wwid in world.silenced
    if wwid in world.keep and not ends and not isinstance(step, FailPath):
        yield f"the map is to be left alone: {world.keep[wwid]}"
    if wanted is None and (shapes or isinstance(step, CancelRemoval)):
        yield "nobody asks for this map"
    if shapes and wanted is not None and wanted.reject:
        yield f"the map is rejected: {wanted.reject}"
    if isinstance(step, RemoveMap) and wanted is not None:
        yield "the map is asked for, and yet removed"


def _well_formed(step: MapStep, world: World) -> Iterable[str]:  # noqa: ARG001 - a rule like the others
    if not isinstance(step, CreateMap | ReloadMap):
        return
    try:
        table = parse_table(step.size, step.table)
    except TableSyntax as error:
        yield str(error)
        return
    if not table.groups or not all(group.paths for group in table.groups):
        yield "the table has a group without paths, or no group"
    if not 1 <= table.initial_group <= len(table.groups):
        yield f"the initial group is {table.initial_group} of {len(table.groups)}"
    if len(set(table.devices)) != len(table.devices):
        yield "a path stands in the table twice"


def _usable_path(step: MapStep, world: World) -> Iterable[str]:
    device = world.devices.get(step.map.uuid)
    table = parsed(step)
    if table is None or device is None or device.table is None:
        return
    if any(_sound(world, dev, device) for dev in table.devices):
        return
    working = [dev for dev in device.table.devices if works(world, dev, device)]
    if working:
        yield f"no path of the new table is usable, while {working[0]} of the old one works"


def _sound(world: World, dev: DevT, device: Device) -> bool:
    """Whether I/O may go to a path."""
    return state_of(world, dev, device).usable and not mismatched(world, dev, device) and dev not in world.fenced


def _identity(step: MapStep, world: World) -> Iterable[str]:
    table = parsed(step)
    device = world.devices.get(step.map.uuid)
    had = device.table.devices if device and device.table else ()
    for dev in table.devices if table else ():
        admission = world.admissions.get(dev)
        if dev not in had and dev not in world.paths:
            yield f"{dev} is not a device of this host"
        elif dev not in had and (admission is None or admission.verdict is not Verdict.ADMITTED):
            yield f"{dev} enters the map, but is not admitted" + (f": {admission.reason}" if admission else "")
        elif dev not in had and admission is not None and admission.wwid != wwid_of(step.map.uuid):
            yield f"{dev} is a path of {admission.wwid}"
        elif mismatched(world, dev):
            yield f"{dev} is another logical unit"
        elif dev in world.fenced and (dev not in had or state_of(world, dev, device) not in BAD):
            yield f"{dev} would be used before its identity was read: {world.fenced[dev]}"


def _sizes(step: MapStep, world: World) -> Iterable[str]:
    table = parsed(step)
    for dev in table.devices if table else ():
        path = world.paths.get(dev)
        if path is not None and 0 < path.size < step_size(step):
            yield f"{dev} has {path.size} sectors, the map would have {step_size(step)}"


def step_size(step: MapStep) -> int:
    """The size that a step gives to its map, in sectors; 0 for steps that give none."""
    return step.size if isinstance(step, CreateMap | ReloadMap) else 0


def _one_map(step: MapStep, world: World) -> Iterable[str]:
    table = parsed(step)
    for dev in table.devices if table else ():
        others = {uuid for uuid in world.members.get(dev, ()) if world.devices[uuid].active.get(dev, True)}
        others -= {step.map.uuid}
        mine = world.devices.get(step.map.uuid)
        if others and not (mine and mine.table and dev in mine.table.devices):
            yield f"{dev} is a path of {min(others)}"


def _names(step: MapStep, world: World) -> Iterable[str]:
    match step:
        case CreateMap():
            name = step.map.name
        case RenameMap():
            name = step.new_name
        case _:
            return
    holder = world.names.get(name)
    if name in world.foreign or (holder is not None and holder != step.map.uuid):
        yield f"the name {name} is taken"
    if not name or "/" in name or len(name.encode(errors="surrogateescape")) > NAME_LIMIT:
        yield f"{name!r} can't be a device-mapper name"


def _expected(step: MapStep, world: World) -> Iterable[str]:
    device = world.devices.get(step.map.uuid)
    if not isinstance(step, ReloadMap) or device is None:
        return
    seen = format_table(device.table) if device.table else None
    if step.expected != seen:
        yield f"it was decided on the table {step.expected!r}, but the map has {seen!r}"


def _resizing(step: MapStep, world: World) -> Iterable[str]:
    device = world.devices.get(step.map.uuid)
    if not isinstance(step, ReloadMap) or device is None or device.table is None:
        return
    if step.size != device.table.size and not step.flush:
        yield "the size changes while I/O in flight is not waited for"
    good = [dev for dev in device.table.devices if state_of(world, dev, device).usable and device.active.get(dev)]
    if step.flush and not good:
        yield "waiting for I/O in flight may not end: no path works"


def _removal(step: MapStep, world: World) -> Iterable[str]:
    device = world.devices.get(step.map.uuid)
    if not isinstance(step, RemoveMap) or device is None:
        return
    if device.seen is not None and device.seen.open_count and not step.deferred:
        yield f"the map is in use (opened {device.seen.open_count} times)"
    if device.queues and not any(device.active.values()):
        yield "the map queues and has no path: its removal would wait for I/O that can't finish"


def _last_path(step: MapStep, world: World) -> Iterable[str]:
    device = world.devices.get(step.map.uuid)
    if not isinstance(step, FailPath) or device is None or mismatched(world, step.dev, device):
        return
    others = [dev for dev, active in device.active.items() if active and dev != step.dev]
    if _sound(world, step.dev, device) and not others:
        yield f"{step.dev} is the last active path, and it is well"


def _reinstated(step: MapStep, world: World) -> Iterable[str]:
    device = world.devices.get(step.map.uuid)
    if not isinstance(step, ReinstatePath):
        return
    if mismatched(world, step.dev, device):
        yield f"{step.dev} is another logical unit, and yet reinstated"
    elif state_of(world, step.dev, device) in BAD:
        yield f"{step.dev} is {state_of(world, step.dev, device)}, and yet reinstated"
    elif step.dev in world.fenced:
        yield f"{step.dev} is reinstated before its identity was read: {world.fenced[step.dev]}"


def _addressed(step: MapStep, world: World) -> Iterable[str]:
    device = world.devices.get(step.map.uuid)
    table = device.table if device else None
    if isinstance(step, FailPath | ReinstatePath) and (table is None or step.dev not in table.devices):
        yield f"{step.dev} is not a path of the map"
    if isinstance(step, SwitchGroup) and not 1 <= step.group <= len(table.groups if table else ()):
        yield f"the map has no group {step.group}"


def _deleted(step: MapStep, world: World) -> Iterable[str]:
    device = world.devices.get(step.map.uuid)
    if not isinstance(step, DeletePath) or device is None:
        return
    path, wanted = world.paths.get(step.dev), world.wanted.get(wwid_of(step.map.uuid))
    members = {member.dev for member in wanted.members} if wanted else set()
    if step.dev not in device.active and step.dev not in members:
        yield f"{step.dev} is not a path of the map"
    if path is None or (path.name, path.sysfs) != (step.name, step.sysfs):
        yield f"{step.dev} is not {step.name} at {step.sysfs}"
    if wanted is None or not wanted.care.path.purge:
        yield f"nobody asks for paths of this map to be deleted (purge_disconnected), and yet {step.dev} is"
    if step.dev not in world.disconnected or state_of(world, step.dev, device) not in BAD:
        yield f"{step.dev} is not known to be disconnected"
    if device.active.get(step.dev):
        yield f"{step.dev} is deleted while dm still uses it"
    if world.deleted:
        yield f"{step.dev} is deleted, and {world.deleted[0]} is not over yet"
    if device.seen is not None and device.seen.open_count and not _spared(step, world, device):
        yield f"{step.dev} is deleted from a map in use that has no other usable path"


def _registered(step: MapStep, world: World) -> Iterable[str]:
    if not isinstance(step, RegisterKey):
        return
    admission = world.admissions.get(step.dev)
    if admission is None or admission.verdict is not Verdict.ADMITTED or admission.wwid != wwid_of(step.map.uuid):
        yield f"{step.dev} is registered, and is no path of the map"
    elif mismatched(world, step.dev):
        yield f"{step.dev} is another logical unit, and yet registered"
    elif step.dev in world.due:
        yield f"{step.dev} is registered before its identity was read: {world.due[step.dev]}"
    elif admission.name != step.name:
        yield f"{step.dev} is {admission.name}, not {step.name}"


def _spared(step: DeletePath, world: World, device: Device) -> bool:
    """Whether the map in use can do without the path: another one is usable, or all are disconnected."""
    rest = [dev for dev in device.active if dev != step.dev]
    if any(device.active[dev] and _sound(world, dev, device) for dev in rest):
        return True
    return all(dev in world.disconnected or dev not in world.paths for dev in rest)


def _losing_io(step: MapStep, world: World) -> Iterable[str]:
    device = world.devices.get(step.map.uuid)
    if device is None or device.seen is None or not device.seen.open_count or any(device.active.values()):
        return
    if isinstance(step, SetQueueing) and not step.queue and device.queues:
        yield "I/O that waits in a map in use fails now, as no path is left"


def _empty_group(step: MapStep, world: World) -> Iterable[str]:
    device = world.devices.get(step.map.uuid)
    if not isinstance(step, SwitchGroup) or device is None or device.table is None:
        return
    if 1 <= step.group <= len(device.table.groups):
        group = device.table.groups[step.group - 1]
        if not any(device.active.get(path.dev) for path in group.paths):
            yield f"group {step.group} has no active path"


FATAL_RULES: tuple[tuple[str, Rule], ...] = (
    ("ours", _ours),
    ("known", _known),
    ("asked for", _asked_for),
    ("well formed", _well_formed),
    ("usable path", _usable_path),
    ("identity", _identity),
    ("size", _sizes),
    ("one map", _one_map),
    ("name", _names),
    ("expected", _expected),
    ("resize", _resizing),
    ("removal", _removal),
    ("last path", _last_path),
    ("reinstate", _reinstated),
    ("addressed", _addressed),
    ("purge", _deleted),
    ("registration", _registered),
)
"""Rules that stop a map, by the names that people see."""

WARNING_RULES: tuple[tuple[str, Rule], ...] = (
    ("waiting I/O", _losing_io),
    ("group", _empty_group),
)
"""Rules that are only told."""
