"""Making a map that is not there yet.

In: the view, the desired map, its limits. Out: a draft. It must never make a map without a path, one larger than its
paths, or one over paths that another map has.
"""

from actuators.steps import CreateMap, MapRef, Ownership, Step, TriggerUevent, UnmarkFailed
from controller.reconcile import tables
from controller.reconcile.beliefs import barred, facts
from controller.reconcile.diff import without
from controller.reconcile.drafts import count, gated, idle, joined
from controller.reconcile.naming import Limits, first_name
from controller.reconcile.order import Draft, NameOf, Part, PathOf, Phase
from controller.reconcile.paths import messages
from controller.reconcile.records import mark, remember
from controller.reconcile.tending import awaits_active
from controller.reconcile.view import View, shown, unreadable
from desired.model import DesiredMap
from observers.dmtable import format_table


def create(view: View, wanted: DesiredMap, limits: Limits) -> Draft:
    """The draft of a map that does not exist."""
    table = without(wanted.table, limits.withheld)
    obstacle = wanted.reject or tables.too_small(view, table)
    if not obstacle and not table.groups:
        obstacle = _all_withheld(view, wanted)
    name, why = first_name(view, wanted, limits)
    obstacle = obstacle or unreadable(view, wanted.alias.value)
    if name is None or obstacle:
        return idle(view, wanted.wwid, f"not made: {obstacle or why}")
    known = facts(view, None, wanted)
    ref = MapRef(wanted.uuid, name)
    members = tuple(member for member in wanted.members if member.dev not in limits.withheld)
    kept_quiet = awaits_active(view, wanted)
    step = CreateMap(
        map=ref,
        size=table.size,
        table=format_table(table),
        read_only=wanted.read_only,
        ownership=Ownership(mode=wanted.mode, uid=wanted.uid, gid=wanted.gid),
        udev=tables.udev_flags(wanted, members, quiet=kept_quiet is not None),
    )
    told = [TriggerUevent(name=each.name, dev=each.dev, sysfs=each.sysfs) for each in members if not each.announced]
    reason = f"a new map: {count(len(table.devices), 'path')}, {count(len(table.groups), 'group')}"
    steps: tuple[Step, ...] = (step, *_unmarked(view, wanted))
    first = Part(phase=Phase.TABLE, action="create", steps=steps, reasons=(reason, *([why] if why else [])))
    (first,), met = gated(view, wanted.wwid, (first,))
    if not first.steps:
        return Draft(plan=joined(view, wanted.wwid, [first]), refusal_met=met)
    parts = [
        first,
        *messages(view, ref, known, live=(), loaded=table.devices),
        *([Part(phase=Phase.UDEV, steps=tuple(told))] if told else []),
    ]
    return Draft(
        plan=joined(view, wanted.wwid, parts, name),
        takes=frozenset([NameOf(name), *map(PathOf, table.devices)]),
        records=remember(view, wanted.wwid),
        refusal_met=met,
    )


def _all_withheld(view: View, wanted: DesiredMap) -> str:
    """Why none of its paths can be had."""
    barring = [(dev, barred(view, dev, None)) for dev in wanted.table.devices]
    if barring and all(why for _, why in barring):
        return "; ".join(f"{shown(view, dev)}: {why}" for dev, why in barring)
    waiting = ", ".join(shown(view, dev) for dev in wanted.table.devices)
    return f"its paths are still in other maps ({waiting})" if waiting else "no path leads to it"


def _unmarked(view: View, wanted: DesiredMap) -> tuple[UnmarkFailed, ...]:
    """Before udev is made to look at the paths: while the mark is there, udev would take none for a path."""
    if wanted.wwid not in view.snapshot.failed_wwids:
        return ()
    return (UnmarkFailed(file=mark(wanted.wwid), wwid=wanted.wwid),)
