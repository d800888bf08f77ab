"""The spine of deciding: what separates the host from its desired state, as steps, and why.

Theory of operation. Every map is planned by itself (`_draft`) from the same view, then all are put into an order
(`order.arrange`). What can be had by one map only may be turned down there; such maps are planned again without it,
until nothing is turned down any more. Each planning again takes at least one claim away, so this ends.

The decisions themselves live in modules of their own: `creation`, `diff` and `tables` (what to load), `health` and
`paths` (what to tell dm of paths), `failback` (which group), `naming`, `removal`, `records`, `memory` (what was refused
lately). Here is only which of them a map meets, in which order.

In: snapshot, desired state, memory, time. Out: the plan and the next memory. Pure: the same arguments give the same
plan, and one that was applied gives an empty plan the next time.
"""

from collections.abc import Iterable
from dataclasses import replace

from actuators.steps import FailPath, MapRef, RecordStep, RemoveMap, RenameMap, SetQueueing, SwitchGroup
from controller.reconcile import memory as remembering
from controller.reconcile import purge as purging
from controller.reconcile import records, reservations, tables
from controller.reconcile.beliefs import PathFacts, barred, facts
from controller.reconcile.creation import create
from controller.reconcile.diff import What
from controller.reconcile.drafts import gated, idle, joined
from controller.reconcile.naming import UNLIMITED, Limits, rename
from controller.reconcile.order import Claim, Draft, NameOf, Part, PathOf, Phase, TurnedDown, arrange
from controller.reconcile.paths import messages, stops
from controller.reconcile.plan import Memory, Plan
from controller.reconcile.removal import keep, remove
from controller.reconcile.tending import silence, tended, told
from controller.reconcile.tuning import with_tunables
from controller.reconcile.view import View, incomplete, look, names_taken, sequence
from desired.model import Desired, DesiredMap
from observers.breathing import Breathe, breathing, without_pause
from observers.dmtable import DevT, MultipathTable
from observers.errors import InvariantBroken
from observers.snapshot import Alias, Map, Snapshot, Wwid


def plan(
    snapshot: Snapshot, desired: Desired, memory: Memory, now: float, *, breathe: Breathe = without_pause
) -> tuple[Plan, Memory]:  # fmt: skip
    """What to do now (`now`: monotonic seconds), and what to remember of having decided it."""
    view = look(snapshot, desired, memory=memory, now=now)
    breathe()
    view = tended(view, breathe)
    breathe()
    view = replace(view, purge=purging.chosen(view))
    drafts = _blind(view) if view.blind else _settle(view, breathe)
    breathe()
    first, later = ((), None) if view.blind else _records(view, drafts)
    made = Plan(records=first, maps=with_tunables(view, breathing(drafts, breathe)), records_wake_at=later)
    return made, remembering.after_planning(
        view.memory,
        known=(*view.live, *view.wanted),
        refusals_met=_refusals_met(view, drafts),
        failback_since={draft.plan.wwid: draft.failback_since for draft in drafts if draft.failback_since is not None},
    )


def _settle(view: View, breathe: Breathe) -> tuple[Draft, ...]:
    """Draft every map, and again those that want what they can't have, until all can be had in one order."""
    order = sequence(view)
    drafts = {wwid: _draft(view, wwid, UNLIMITED) for wwid in breathing(order, breathe)}
    if not any(draft.takes for draft in drafts.values()):
        return tuple(drafts.values())
    owners, limits, known = _owners(view), dict.fromkeys(order, UNLIMITED), set[tuple[Wwid, Claim]]()
    while True:
        arrangement = arrange(list(drafts.values()), owners)
        fresh = [each for each in arrangement.turned_down if (each.wwid, each.claim) not in known]
        if not arrangement.turned_down:
            return _followed_up(view, arrangement.drafts, known)
        if not fresh:
            raise InvariantBroken(f"claims turned down are claimed again: {arrangement.turned_down}")
        claimed = frozenset(claim for draft in drafts.values() for claim in draft.takes)
        for each in fresh:
            known.add((each.wwid, each.claim))
            limits[each.wwid] = _limited(limits[each.wwid], each, view=view, claimed=claimed)
        for wwid in breathing(dict.fromkeys(each.wwid for each in fresh), breathe):
            drafts[wwid] = _draft(view, wwid, limits[wwid])


def _followed_up(view: View, drafts: tuple[Draft, ...], denied: Iterable[tuple[Wwid, Claim]]) -> tuple[Draft, ...]:
    """The drafts, those looked at again at once that could not have what this very plan makes free for them, or what it
    takes I/O from, for which nobody waits in a ring."""
    free = frozenset[Claim]().union(*(draft.frees for draft in drafts))
    free = free.difference(*(draft.takes for draft in drafts))
    free |= {PathOf(step.dev) for draft in drafts for step in draft.plan.steps if isinstance(step, FailPath)}
    again = {wwid for wwid, claim in denied if claim in free}
    return tuple(
        [
            replace(draft, plan=replace(draft.plan, wake_at=view.now)) if draft.plan.wwid in again else draft
            for draft in drafts
        ]
    )


def _limited(limits: Limits, denied: TurnedDown, *, view: View, claimed: frozenset[Claim]) -> Limits:
    if isinstance(denied.claim, PathOf):
        return replace(limits, withheld=limits.withheld | {denied.claim.dev})
    own = Alias(denied.wwid)
    if denied.claim == NameOf(own) and view.wanted[denied.wwid].alias.value != own:
        return replace(limits, no_park=True)
    live = view.live.get(denied.wwid)
    park = denied.ring and live is not None and NameOf(live.name) in claimed
    return replace(limits, name=denied, park=park)


def _owners(view: View) -> dict[Claim, tuple[Wwid | None, ...]]:
    owners: dict[Claim, tuple[Wwid | None, ...]] = {NameOf(name): (who,) for name, who in names_taken(view).items()}
    for live in view.snapshot.maps:
        for dev in live.table.devices if live.table else ():
            claim = PathOf(dev)
            owners[claim] = (*owners.get(claim, ()), live.wwid)
    return owners


def _blind(view: View) -> tuple[Draft, ...]:
    return tuple(idle(view, wwid, view.blind) for wwid in sequence(view))


def _draft(view: View, wwid: Wwid, limits: Limits) -> Draft:
    """One map's plan, within its limits."""
    live, wanted = view.live.get(wwid), view.wanted.get(wwid)
    limits = _fenced(view, live, wanted, limits)
    if live is None:
        return create(view, view.wanted[wwid], limits)
    unknown = incomplete(view, live)
    if unknown:
        return idle(view, wwid, f"nothing is done to it: {unknown}")
    if live.suspended and live.table is not None:
        reason = f"it is suspended, so I/O waits; somebody did that on purpose (dmsetup resume {live.name} ends it)"
        return idle(view, wwid, reason)
    known = facts(view, live, wanted)
    if wanted is None:
        return _unwanted(view, live, known)
    return _rejected(view, live, wanted, known) if wanted.reject else _existing(view, live, wanted, known, limits)


def _fenced(view: View, live: Map | None, wanted: DesiredMap | None, limits: Limits) -> Limits:
    """The limits with those paths held out of the table that may not be used before their identity is sure."""
    devices = wanted.table.devices if wanted is not None and view.memory.paths else ()
    out = frozenset(dev for dev in devices if barred(view, dev, live))
    return replace(limits, withheld=limits.withheld | out) if out else limits


def _devices(live: Map) -> tuple[DevT, ...]:
    return live.table.devices if live.table else ()


NOTHING: frozenset[Claim] = frozenset()


def _all_claims(live: Map) -> frozenset[Claim]:
    return frozenset([NameOf(live.name), *map(PathOf, _devices(live))])


def _unwanted(view: View, live: Map, known: dict[DevT, PathFacts]) -> Draft:
    ref = MapRef(live.uuid, live.name)
    wanted = [*stops(view, ref, known, live=_devices(live)), *remove(view, live, known)]
    if not any(isinstance(step, SetQueueing) for part in wanted for step in part.steps):
        wanted += silence(view, live)
    parts, met = gated(view, live.wwid, wanted)
    goes = any(isinstance(step, RemoveMap) and not step.deferred for part in parts for step in part.steps)
    frees = _all_claims(live) if goes else NOTHING
    return Draft(plan=joined(view, live.wwid, parts), frees=frees, refusal_met=met)


def _rejected(view: View, live: Map, wanted: DesiredMap, known: dict[DevT, PathFacts]) -> Draft:
    """A map that can't be as desired keeps its table and name; its paths are failed, and given back if they fit."""
    size = live.table.size if live.table else 0
    fits = {path.dev for path in view.snapshot.paths if path.size >= size}
    known = {dev: fact if dev in fits else replace(fact, member=False) for dev, fact in known.items()}
    talk = messages(view, MapRef(live.uuid, live.name), known, live=_devices(live), loaded=None)
    reason = Part(phase=Phase.TALK, held=True, reasons=(f"its table and name stay as they are: {wanted.reject}",))
    parts, met = gated(view, live.wwid, [reason, *keep(live), *talk, *silence(view, live)])
    return Draft(plan=joined(view, live.wwid, parts), refusal_met=met)


def _existing(
    view: View, live: Map, wanted: DesiredMap, known: dict[DevT, PathFacts], limits: Limits
) -> Draft:  # fmt: skip
    case = tables.make_case(view, live, wanted, facts=known, withheld=limits.withheld)
    load = tables.decide(case)
    (table_part,), met_table = gated(view, live.wwid, (load.part,))
    if table_part is not load.part:
        load = tables.hold(case, load, table_part)
    table = load.table
    loaded = table.devices if table is not None else None
    naming = rename(view, case, limits)
    parts = [
        *keep(live),
        *reservations.parts(view, live, wanted, known),
        *_queueing(case, loads=table is not None),
        *messages(view, case.ref, known, live=_devices(live), loaded=loaded),
        *_switching(case, load),
        *told(view, live),
        *purging.parts(view, live),
        *([naming] if naming else []),
    ]
    parts, met = gated(view, live.wwid, parts)
    takes, frees = _claims(live, load.table, parts)
    return Draft(
        plan=joined(view, live.wwid, [load.part, *parts]),
        takes=takes,
        frees=frees,
        usable=frozenset([PathOf(dev) for dev in loaded or () if known[dev].usable]),
        stopped=frozenset([PathOf(dev) for dev in _devices(live) if known[dev].active is False]),
        records=records.remember(view, live.wwid),
        refusal_met=met or met_table,
        failback_since=load.choice.since,
    )


def _claims(
    live: Map, table: MultipathTable | None, parts: Iterable[Part]
) -> tuple[frozenset[Claim], frozenset[Claim]]:
    takes: list[Claim] = []
    frees: list[Claim] = []
    if table is not None:
        had, has = set(_devices(live)), set(table.devices)
        takes += map(PathOf, has - had)
        frees += map(PathOf, had - has)
    for part in parts:
        for step in part.steps if part.phase is Phase.NAME else ():
            if isinstance(step, RenameMap):
                takes.append(NameOf(step.new_name))
                frees.append(NameOf(live.name))
    return frozenset(takes), frozenset(frees)


def _queueing(case: tables.Case, *, loads: bool) -> Iterable[Part]:
    """Queueing alone is a message; a table that is loaded brings its own."""
    difference = case.diff.get(What.QUEUEING)
    if difference is not None and not loads and case.live.table is not None:
        step = SetQueueing(map=case.ref, queue=case.table.queues)
        yield Part(phase=Phase.QUEUE, action="queueing", steps=(step,), reasons=(str(difference),))


def _switching(case: tables.Case, load: tables.Load) -> Iterable[Part]:
    choice = load.choice
    if load.table is not None:
        return
    if choice.move:
        step = SwitchGroup(map=case.ref, group=choice.group)
        yield Part(phase=Phase.SWITCH, action="switch", steps=(step,), reasons=choice.reasons)
    elif choice.reasons:
        yield Part(phase=Phase.TALK, reasons=choice.reasons, wake_at=choice.wake_at)


def _records(view: View, drafts: Iterable[Draft]) -> tuple[tuple[RecordStep, ...], float | None]:
    return remembering.allowed(view.memory, records.wanted(view, drafts), now=view.now)


def _refusals_met(view: View, drafts: Iterable[Draft]) -> set[Wwid]:
    """The maps that still want what was refused to them. Blind, nothing is known to be unwanted."""
    if view.blind:
        return set(view.memory.refusals)
    drafts = tuple(drafts)
    found = {draft.plan.wwid for draft in drafts if draft.refusal_met}
    for record in records.wanted(view, drafts):
        wwid = remembering.subject(record)
        if wwid is not None and remembering.met(view.memory, wwid, (record,)):
            found.add(wwid)
    return found
