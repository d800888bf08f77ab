"""What a kernel would make of a plan: a tiny pure model that applies steps to a snapshot.

It shows tables in the kernel's words (dm-mpath.c and dm-ps-*.c: defaults filled in, repeat counts cut to 1, features in
the kernel's order), starts all paths of a loaded table as active, and refuses what the kernel refuses (`Refusing`).
Independent of the planner and of the safety rules.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from actuators.steps import (
    CancelRemoval,
    CreateMap,
    DeletePath,
    FailPath,
    MarkFailed,
    ReinstatePath,
    ReloadMap,
    RememberWwid,
    RemoveMap,
    RenameMap,
    SetQueueing,
    Step,
    SwitchGroup,
    TriggerUevent,
    UnmarkFailed,
    WriteBindings,
    WriteTunable,
)
from controller.reconcile.plan import Plan
from desired.model import Desired, DesiredMap
from observers.dmtable import (
    DevT,
    GroupState,
    GroupStatus,
    MultipathStatus,
    MultipathTable,
    PathStatus,
    TableGroup,
    TablePath,
    format_table,
    parse_table,
)
from observers.snapshot import Map, Snapshot, TextFile


class Refusing(Exception):
    """The kernel would say no."""


def as_kernel_shows(table: MultipathTable) -> MultipathTable:
    """A loaded table as TABLE_STATUS returns it."""
    bio = ("queue_mode", "bio") in list(zip(table.features, table.features[1:], strict=False))
    handler = () if bio else table.hardware_handler[:1]
    return replace(
        table,
        features=_features(table.features),
        hardware_handler=handler,
        groups=tuple(_group(group) for group in table.groups),
    )


def _features(words: tuple[str, ...]) -> tuple[str, ...]:
    found: list[str] = ["queue_if_no_path"] if "queue_if_no_path" in words else []
    for key in ("pg_init_retries", "pg_init_delay_msecs"):
        if key in words:
            found += [key, words[words.index(key) + 1]]
    if "retain_attached_hw_handler" in words:
        found.append("retain_attached_hw_handler")
    if "queue_mode" in words and words[words.index("queue_mode") + 1] == "bio":
        found += ["queue_mode", "bio"]
    return tuple(found)


def _group(group: TableGroup) -> TableGroup:
    args = group.selector_args
    if group.selector == "historical-service-time":
        args = (*args, *("972", "0")[len(args) :])
    return replace(
        group, selector_args=args, paths=tuple(TablePath(path.dev, _args(group, path)) for path in group.paths)
    )


def _args(group: TableGroup, path: TablePath) -> tuple[str, ...]:
    repeat = str(min(int(path.args[0]), 1)) if path.args else "1"
    match group.selector:
        case "service-time":
            return (repeat, path.args[1] if len(path.args) > 1 else "1")
        case "historical-service-time":
            return ("0",)
    return (repeat,)


def fresh_status(table: MultipathTable) -> MultipathStatus:
    """The status right after a table was loaded: all paths active."""
    groups = tuple(
        GroupStatus(GroupState.ENABLED, (), tuple(PathStatus(path.dev, True, 0, ("0", "1")) for path in group.paths))
        for group in table.groups
    )
    return MultipathStatus(
        size=table.size, info=("0", "0"), handler_info=(), next_group=table.initial_group, groups=groups
    )


def apply(plan: Plan, snapshot: Snapshot, desired: Desired) -> tuple[Snapshot, Desired]:
    """The host after a plan, and the desired state that would be derived from it."""
    for step in plan.steps:
        snapshot, desired = _step(step, snapshot, desired)
    return snapshot, desired


def _step(step: Step, snapshot: Snapshot, desired: Desired) -> tuple[Snapshot, Desired]:
    match step:
        case TriggerUevent() | WriteTunable():
            return snapshot, desired
        case DeletePath():
            return _deleted(step.dev, snapshot), _without(desired, step.dev)
        case MarkFailed():
            return replace(snapshot, failed_wwids=(*snapshot.failed_wwids, step.wwid)), desired
        case UnmarkFailed():
            return replace(snapshot, failed_wwids=tuple(w for w in snapshot.failed_wwids if w != step.wwid)), desired
        case RememberWwid():
            return snapshot, replace(desired, wwids=desired.wwids | {step.wwid})
        case WriteBindings():
            return replace(snapshot, bindings=TextFile(step.file, step.text)), desired
        case CreateMap():
            return _created(step, snapshot), desired
        case RemoveMap():
            return _removed(step, snapshot), desired
    live = next((each for each in snapshot.maps if each.uuid == step.map.uuid), None)
    if live is None:
        raise Refusing(f"no device {step.map.uuid}")
    changed = _changed(step, live, snapshot)
    return replace(snapshot, maps=tuple(changed if each is live else each for each in snapshot.maps)), desired


def _deleted(dev: DevT, snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, paths=tuple(each for each in snapshot.paths if each.dev != dev))


def _without(desired: Desired, dev: DevT) -> Desired:
    """What is desired when a disk is gone: nobody can ask for it any more, nor for a map that it alone leads to."""
    maps = (_thinner(each, dev) if dev in each.table.devices else each for each in desired.maps)
    return replace(
        desired,
        maps=tuple(each for each in maps if each.table.groups),
        admissions=tuple(each for each in desired.admissions if each.dev != dev),
    )


def _thinner(want: DesiredMap, dev: DevT) -> DesiredMap:
    groups = (replace(each, paths=tuple(p for p in each.paths if p.dev != dev)) for each in want.table.groups)
    left = tuple(each for each in groups if each.paths)
    members = tuple(each for each in want.members if each.dev != dev)
    usable = {each.dev for each in members if each.state.usable}
    best = (number for number, each in enumerate(left, 1) if any(path.dev in usable for path in each.paths))
    table = replace(want.table, groups=left, initial_group=next(best, min(1, len(left))))
    return replace(want, members=members, table=table)


def _names(snapshot: Snapshot) -> set[str]:
    return {each.name for each in snapshot.maps} | {each.name for each in snapshot.other_devices}


def _loaded(live: Map, size: int, text: str, snapshot: Snapshot) -> Map:
    table = as_kernel_shows(parse_table(size, text))  # type: ignore[arg-type]  # a plain int for Sectors
    if not 1 <= table.initial_group <= len(table.groups):
        raise Refusing("invalid initial priority group")
    sizes = {path.dev: path.size for path in snapshot.paths}
    for dev in table.devices:
        if dev not in sizes and not (live.table and dev in live.table.devices):
            raise Refusing(f"no device {dev}")
        if sizes.get(dev, size) < size:
            raise Refusing(f"{dev} is too small for target")
    bio = "bio" in table.features
    if live.table is not None and bio != ("bio" in live.table.features):
        raise Refusing("can't change device type")
    return replace(live, table=table, status=fresh_status(table), inactive_table=False, suspended=False)


def _created(step: CreateMap, snapshot: Snapshot) -> Snapshot:
    if step.map.name in _names(snapshot) or any(each.uuid == step.map.uuid for each in snapshot.maps):
        raise Refusing(f"{step.map.name} exists")
    used = {each.dev for each in snapshot.maps} | {each.dev for each in snapshot.other_devices}
    number = next(n for n in range(len(used) + 1) if f"253:{n}" not in used)
    bare = Map(
        name=step.map.name, uuid=step.map.uuid, dev=DevT(f"253:{number}"), table=None, status=None,
        read_only=step.read_only, udev={"MPATH_DEVICE_READY": "1"},
    )  # fmt: skip
    return replace(snapshot, maps=(*snapshot.maps, _loaded(bare, step.size, step.table, snapshot)))


def _removed(step: RemoveMap, snapshot: Snapshot) -> Snapshot:
    live = next(each for each in snapshot.maps if each.uuid == step.map.uuid)
    if live.open_count and step.deferred:
        later = replace(live, deferred_remove=True)
        return replace(snapshot, maps=tuple(later if each is live else each for each in snapshot.maps))
    if live.open_count:
        raise Refusing("device is busy")
    if live.table and live.table.queues and live.status and not any(path.active for path in live.status.paths):
        raise Refusing("the removal would wait for I/O that waits for a path")
    return replace(snapshot, maps=tuple(each for each in snapshot.maps if each is not live))


def _changed(step: Step, live: Map, snapshot: Snapshot) -> Map:
    match step:
        case CancelRemoval():
            return replace(live, deferred_remove=False)
        case ReloadMap():
            if step.expected != (format_table(live.table) if live.table else None):
                raise Refusing("the table is another one")
            seen = _loaded(live, step.size, step.table, snapshot)
            return replace(seen, read_only=step.read_only, udev={**live.udev, "MPATH_DEVICE_READY": "1"})
        case RenameMap():
            if step.new_name in _names(snapshot):
                raise Refusing(f"{step.new_name} exists")
            return replace(live, name=step.new_name)
    if live.suspended or live.table is None or live.status is None:
        raise Refusing("no table takes the message")
    return _messaged(step, live, live.table, live.status)


def _messaged(step: Step, live: Map, table: MultipathTable, status: MultipathStatus) -> Map:
    match step:
        case FailPath() | ReinstatePath():
            if step.dev not in table.devices:
                raise Refusing(f"no path {step.dev}")
            active = isinstance(step, ReinstatePath)
            return replace(live, status=_paths(status, {step.dev}, lambda path: replace(path, active=active)))
        case SwitchGroup():
            if not 1 <= step.group <= len(table.groups):
                raise Refusing(f"no group {step.group}")
            groups = tuple(replace(each, state=GroupState.ENABLED) for each in status.groups)
            return replace(
                live,
                table=replace(table, initial_group=step.group),
                status=replace(status, next_group=step.group, groups=groups),
            )
        case SetQueueing():
            kept = tuple(word for word in table.features if word != "queue_if_no_path")
            return replace(live, table=replace(table, features=("queue_if_no_path", *kept) if step.queue else kept))
    raise Refusing(f"what is {step}?")


def _paths(
    status: MultipathStatus, chosen: set[DevT], change: Callable[[PathStatus], PathStatus]
) -> MultipathStatus:  # fmt: skip
    groups: Sequence[GroupStatus] = status.groups
    return replace(
        status,
        groups=tuple(
            replace(each, paths=tuple(change(path) if path.dev in chosen else path for path in each.paths))
            for each in groups
        ),
    )
