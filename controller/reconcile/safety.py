"""A linter for plans: the rules that keep data and access safe, checked on a finished plan before it is applied.

Theory of operation. Nothing here asks how the plan was made: the steps are walked in order over a small model of what
each leaves behind (`safety_world`), table texts are parsed again, and every rule (`safety_rules`) looks at a step and
the world before it. A FATAL finding stops that map: the walk is repeated as if none of its steps were done, because
another map's steps may have relied on them (a name or a path that is not let go now). `strip` takes such maps out of
the plan and leaves the reason in their place.

The rules, by the architecture's numbers: (1) only maps that are ours and fully known; (2) never a table without a
usable path over one that has one, no path whose identity is not proved, no path in two maps, nothing larger than its
paths, no suspend that can't end, no removal of a map in use, no last good path taken away; (3) what was decided on must
still be what was seen (`expected`).

In: plan, snapshot, desired state. Out: findings. It must never change a plan but by leaving maps out.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from actuators.steps import (
    CreateMap,
    MapStep,
    MarkFailed,
    ReloadMap,
    RememberWwid,
    TriggerUevent,
    UnmarkFailed,
    WriteBindings,
    WriteTunable,
)
from controller.reconcile.plan import MapPlan, Memory, Plan
from controller.reconcile.safety_rules import FATAL_RULES, WARNING_RULES
from controller.reconcile.safety_world import BAD, World, advance, model, state_of
from desired.model import Desired
from observers.breathing import Breathe, breathing, without_pause
from observers.snapshot import DmUuid, Snapshot

NOTHING_KNOWN = Memory()

BEFORE_CREATE = "max_sectors_kb"
"""The attribute that a map's requests depend on."""


class Level(Enum):
    """FATAL stops the map; WARNING is only told."""

    FATAL = "fatal"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that one map's steps break; `uuid` None: the records."""

    level: Level
    uuid: DmUuid | None
    rule: str
    text: str


def check(
    plan: Plan, snapshot: Snapshot, desired: Desired, memory: Memory = NOTHING_KNOWN, *,
    breathe: Breathe = without_pause,
) -> tuple[Finding, ...]:  # fmt: skip
    """All findings on a plan, in its order. `memory`: what was known of the paths when it was made."""
    stopped: set[DmUuid] = set()
    found: dict[Finding, None] = {}
    while any(each.steps for each in plan.maps):
        world = model(snapshot, desired, memory)
        walked = _walk(breathing(plan.maps, breathe), world, stopped=frozenset(stopped))
        fresh = [each for each in walked if each not in found]
        found.update(dict.fromkeys(fresh))
        fatal = {each.uuid for each in fresh if each.level is Level.FATAL and each.uuid is not None}
        if fatal <= stopped:
            break
        stopped |= fatal
    return (*_check_records(plan, snapshot), *found)


def strip(plan: Plan, findings: Iterable[Finding]) -> Plan:
    """The plan without the steps of the maps that a FATAL finding stops, and with the reason in their place."""
    fatal = [each for each in findings if each.level is Level.FATAL]
    if not fatal:
        return plan
    stopped: dict[DmUuid | None, list[str]] = {}
    for each in fatal:
        stopped.setdefault(each.uuid, []).append(f"stopped by the safety rule '{each.rule}': {each.text}")
    maps = tuple(_stop(each, stopped[each.uuid]) if each.uuid in stopped else each for each in plan.maps)
    wwids = {each.wwid for each in plan.maps if each.uuid in stopped}
    records = tuple(
        record
        for record in plan.records
        if not (isinstance(record, RememberWwid) and record.wwid in wwids)
        and not (isinstance(record, WriteBindings) and None in stopped)
    )
    return replace(plan, records=records, maps=maps)


def _stop(map_plan: MapPlan, why: list[str]) -> MapPlan:
    return replace(map_plan, action="held", steps=(), reasons=(*why, *map_plan.reasons))


def _check_records(plan: Plan, snapshot: Snapshot) -> Iterable[Finding]:
    text = snapshot.bindings.text if snapshot.bindings else None
    for record in plan.records:
        if isinstance(record, WriteBindings) and record.expected != text:
            why = f"{record.file} is to be replaced, but it was seen with another text"
            yield Finding(Level.FATAL, None, "expected", why)


def _walk(plans: Iterable[MapPlan], world: World, *, stopped: frozenset[DmUuid]) -> Iterable[Finding]:
    for map_plan in plans:
        if map_plan.uuid in stopped:
            continue
        yield from _foreign_steps(map_plan)
        for step in map_plan.steps:
            if isinstance(step, TriggerUevent | RememberWwid | WriteBindings | MarkFailed | UnmarkFailed):
                continue
            if isinstance(step, WriteTunable):
                yield from _tuning(step, world, map_plan)
                continue
            yield from _findings(step, world, map_plan.uuid)
            advance(step, world)
        yield from _left_behind(map_plan, world)


def _findings(step: MapStep, world: World, uuid: DmUuid) -> Iterable[Finding]:
    for level, rules in ((Level.FATAL, FATAL_RULES), (Level.WARNING, WARNING_RULES)):
        for name, rule in rules:
            yield from (Finding(level, uuid, name, text) for text in rule(step, world))


def _tuning(step: WriteTunable, world: World, map_plan: MapPlan) -> Iterable[Finding]:
    """An attribute is written only for a map that wants it, and a disk's request size only before its map is there."""
    wanted = world.wanted.get(map_plan.wwid)
    names = {tuning.file.rpartition("/")[0] for tuning in wanted.tunings} if wanted is not None else set()
    if step.file.rpartition("/")[0] not in names:
        yield Finding(Level.FATAL, map_plan.uuid, "tunable", f"{step.file} is no attribute of a path of the map")
    if step.file.endswith(f"/{BEFORE_CREATE}") and step.map.uuid in world.devices:
        text = f"{step.file} is written under a map that lives, whose requests may be larger"
        yield Finding(Level.FATAL, map_plan.uuid, "tunable", text)


def _foreign_steps(map_plan: MapPlan) -> Iterable[Finding]:
    for step in map_plan.steps:
        if isinstance(step, RememberWwid | WriteBindings | MarkFailed):
            yield Finding(Level.FATAL, map_plan.uuid, "one map", "a record stands among the steps of a map")
        elif isinstance(step, UnmarkFailed):
            if step.wwid != map_plan.wwid:
                text = f"the mark of {step.wwid} is taken away among the steps of {map_plan.uuid}"
                yield Finding(Level.FATAL, map_plan.uuid, "one map", text)
        elif not isinstance(step, TriggerUevent) and step.map.uuid != map_plan.uuid:
            text = f"a step on {step.map.uuid} stands among the steps of {map_plan.uuid}"
            yield Finding(Level.FATAL, map_plan.uuid, "one map", text)


def _left_behind(map_plan: MapPlan, world: World) -> Iterable[Finding]:
    """A path that is known to be bad and is left active by a table that was just loaded costs the first I/O on it."""
    device = world.devices.get(map_plan.uuid)
    if device is None or not any(isinstance(step, CreateMap | ReloadMap) for step in map_plan.steps):
        return
    for dev, active in device.active.items():
        if active and state_of(world, dev, device) in BAD:
            text = f"{dev} is left active by the new table, though it is {state_of(world, dev, device)}"
            yield Finding(Level.WARNING, map_plan.uuid, "bad path", text)
