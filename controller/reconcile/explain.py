"""Plans and steps in words, such that a dry run prints exactly what would be done.

In: steps and plans. Out: text, the same for the same plan. It must never leave a step or a reason out.
"""

from collections.abc import Iterable

from actuators.steps import (
    CancelRemoval,
    CreateMap,
    DeletePath,
    FailPath,
    MarkFailed,
    Ownership,
    RecordStep,
    RegisterKey,
    ReinstatePath,
    ReloadMap,
    RememberWwid,
    RemoveMap,
    RenameMap,
    SetQueueing,
    Step,
    SwitchGroup,
    TriggerUevent,
    UdevFlags,
    UnmarkFailed,
    WriteBindings,
    WriteTunable,
)
from controller.reconcile.plan import MapPlan, Plan
from observers.dmtable import Sectors

SECTOR = 512

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def step_text(step: Step) -> str:
    """One step on one line, a table with its whole text."""
    match step:
        case CreateMap():
            return _create(step)
        case ReloadMap():
            return _reload(step)
        case RenameMap():
            return f"rename {step.map.name} to {step.new_name} (udev {_flags(step.udev)})"
        case RemoveMap():
            later = "when it is closed, " if step.deferred else ""
            return f"remove {step.map.name} ({later}udev {_flags(step.udev)})"
        case SwitchGroup() | SetQueueing() | CancelRemoval():
            return _message(step)
        case FailPath() | ReinstatePath() | DeletePath():
            return _path(step)
        case RegisterKey():
            return _registration(step)
        case TriggerUevent():
            return f"have udev look at {step.name} ({step.dev}) again: a change event"
        case WriteTunable():
            return f"write {step.value} to {step.file} (it is {step.expected})"
        case RememberWwid() | WriteBindings() | MarkFailed() | UnmarkFailed():
            return _record(step)


def _message(step: SwitchGroup | SetQueueing | CancelRemoval) -> str:
    match step:
        case SwitchGroup():
            return f"switch {step.map.name} to group {step.group}"
        case SetQueueing():
            return f"let I/O {'wait' if step.queue else 'fail'} when {step.map.name} has no path left"
        case CancelRemoval():
            return f"take back that {step.map.name} is removed when it is closed"


def _path(step: FailPath | ReinstatePath | DeletePath) -> str:
    path = f"path {step.dev} ({step.name}) of {step.map.name}"
    match step:
        case FailPath():
            return f"fail {path}"
        case ReinstatePath():
            return f"reinstate {path}"
        case DeletePath():
            return f"delete {path} at {step.sysfs}, if its logical unit is still not mapped"


def _registration(step: RegisterKey) -> str:
    path = f"path {step.dev} ({step.name}) of {step.map.name}"
    if not step.key:
        return f"take away the reservation key that {path} is registered under"
    former = f", or {step.former:#x}," if step.former else ""
    lasting = " through power loss" if step.aptpl else ""
    return f"register {path} under the reservation key {step.key:#x}{lasting}, if that{former} is registered still"


def _create(step: CreateMap) -> str:
    details = [_access(step.read_only), *_owner(step.ownership), f"udev {_flags(step.udev)}"]
    return f"create {step.map.name} ({', '.join(details)}): {_table(step.size, step.table)}"


def _reload(step: ReloadMap) -> str:
    first = "after I/O in flight finished" if step.flush else "at once"
    was = "over no table" if step.expected is None else f"over: {step.expected}"
    details = f"{_access(step.read_only)}, {first}, udev {_flags(step.udev)}"
    return f"load into {step.map.name} ({details}): {_table(step.size, step.table)}; {was}"


def _record(step: RecordStep) -> str:
    if isinstance(step, RememberWwid):
        return f"add {step.wwid} to {step.file}"
    if isinstance(step, MarkFailed | UnmarkFailed):
        return f"{'make' if isinstance(step, MarkFailed) else 'remove'} {step.file}: its map {_made(step)}"
    lines = sum(1 for line in step.text.splitlines() if line and not line.startswith("#"))
    verb = "make" if step.expected is None else "replace"
    return f"{verb} {step.file} ({lines} {'binding' if lines == 1 else 'bindings'})"


def _made(step: MarkFailed | UnmarkFailed) -> str:
    return "could not be made" if isinstance(step, MarkFailed) else "is made"


def _table(size: Sectors, params: str) -> str:
    """The whole line as `dmsetup table` shows it and `dmsetup load` takes it."""
    return f"0 {size} multipath {params}"


def _access(read_only: bool) -> str:  # noqa: FBT001 - a value to print, not a switch
    return "read-only" if read_only else "read-write"


def _owner(owner: Ownership) -> Iterable[str]:
    if owner.mode is not None:
        yield f"mode {owner.mode:04o}"
    if owner.uid is not None:
        yield f"uid {owner.uid}"
    if owner.gid is not None:
        yield f"gid {owner.gid}"


def _flags(flags: UdevFlags) -> str:
    return f"0x{flags:04x}"


def size_text(size: Sectors) -> str:
    """A size for people: `64 MiB`, `1.5 TiB`."""
    value, unit = float(size * SECTOR), 0
    while value >= 1024 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f}".removesuffix(".0") + f" {UNITS[unit]}"


def plan_text(plan: Plan) -> str:
    """A whole plan: records, then each map with why and what, then a sum. Ends with a newline."""
    lines: list[str] = []
    if plan.records:
        lines += ["records:", *(f"  * {step_text(record)}" for record in plan.records), ""]
    for each in plan.maps:
        lines += [*_map_lines(each), ""]
    return "\n".join([*lines, _sum(plan)]) + "\n"


def _map_lines(each: MapPlan) -> Iterable[str]:
    title = each.name if str(each.name) == str(each.wwid) else f"{each.name} ({each.wwid})"
    yield f"{title}: {each.action}"
    yield from (f"  {reason}" for reason in each.reasons)
    yield from (f"  * {step_text(step)}" for step in each.steps)


def _sum(plan: Plan) -> str:
    if not plan.steps:
        return f"nothing to do: {_count(len(plan.maps), 'map')} looked at"
    changed = sum(1 for each in plan.maps if each.steps)
    return f"{_count(len(plan.steps), 'step')} to do, on {changed} of {_count(len(plan.maps), 'map')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
