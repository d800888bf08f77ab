"""What is remembered from one cycle to the next, as pure updates.

Theory of operation. A step that the kernel refused would most likely be refused again, and each try costs a suspend or
a line in the kernel's log. So a refused step is held for a while that doubles each time (`backoff`), up to a cap; every
other step of the map goes on, and a step that is not the same (other paths, another size) is tried at once. A step
that is no longer wanted is forgotten with its count. Records are held the same way, under the WWID that they concern.

In: a memory, a plan, what came of its steps, the time. Out: the next memory. It must never hold back a step for
safety: losing the whole memory must only cost time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from actuators.steps import (
    Changed,
    CreateMap,
    DeletePath,
    Lost,
    MarkFailed,
    Outcome,
    RecordStep,
    Refused,
    ReloadMap,
    RememberWwid,
    RemoveMap,
    Step,
    TriggerUevent,
    UdevFlags,
    UnmarkFailed,
    WriteBindings,
    WriteTunable,
)
from controller.reconcile.done import counted, purged
from controller.reconcile.plan import Memory, Plan, Refusal, UdevTold
from controller.reconcile.tuning import after_writing
from observers.snapshot import MPATH_PREFIX, Wwid

FIRST_WAIT = 5.0
"""Seconds until the first try after a refusal: the length of a check interval, after which the world may differ."""

LONGEST_WAIT = 300.0
"""Seconds: a person who mended the cause should not wait longer than this."""

BINDINGS = Wwid("")
"""The bindings file concerns all maps: its refusals are kept under no WWID."""


def backoff(count: int) -> float:
    """Seconds to wait after the `count`th refusal in a row: 5, 10, 20, … 300."""
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (min(count, 32) - 1))


def subject(step: Step) -> Wwid | None:
    """Whose refusal it would be; None for steps that are not repeated."""
    match step:
        case TriggerUevent() | WriteTunable() | DeletePath():
            return None
        case RememberWwid() | MarkFailed() | UnmarkFailed():
            return step.wwid
        case WriteBindings():
            return BINDINGS
    return Wwid(step.map.uuid.removeprefix(MPATH_PREFIX))


def met(memory: Memory, wwid: Wwid, steps: Iterable[Step]) -> bool:
    """Whether a step among these was refused the last time."""
    refusal = memory.refusals.get(wwid)
    return refusal is not None and any(step in refusal.steps for step in steps)


def held(memory: Memory, wwid: Wwid, steps: Sequence[Step], *, now: float) -> str:
    """Why a step among these is not tried now, or empty."""
    refusal = memory.refusals.get(wwid)
    if refusal is None or now >= refusal.retry_at or not any(step in refusal.steps for step in steps):
        return ""
    times = "once" if refusal.count == 1 else f"{refusal.count} times"
    return f"refused {times} ({refusal.message}); tries again in {refusal.retry_at - now:.0f} s"


def after_apply(
    memory: Memory, plan: Plan, outcomes: Sequence[tuple[Step, Outcome]], now: float
) -> Memory:  # fmt: skip
    """The memory after a plan was applied. `outcomes`: the steps that were tried, each with what came of it."""
    refused: dict[Wwid, list[tuple[Step, Refused]]] = {}
    tried: dict[Wwid, set[Step]] = {}
    for step, outcome in outcomes:
        wwid = subject(step)
        if wwid is None or isinstance(outcome, Lost):
            continue
        tried.setdefault(wwid, set()).add(step)
        if isinstance(outcome, Refused):
            refused.setdefault(wwid, []).append((step, outcome))
    refusals = dict(memory.refusals)
    for wwid in dict.fromkeys((BINDINGS, *(each.wwid for each in plan.maps), *refused)):
        update = _refusal(refusals.get(wwid), refused.get(wwid, []), tried.get(wwid, set()), now=now)
        if update is None:
            refusals.pop(wwid, None)
        else:
            refusals[wwid] = update
    return replace(
        memory,
        refusals=refusals,
        udev_told=_told(memory, outcomes, now),
        unmade=_unmade(memory.unmade, outcomes),
        tuned=after_writing(memory.tuned, outcomes, retry_at=lambda times: now + backoff(times)),
        paths=purged(memory.paths, outcomes, now=now),
        maps=counted(memory.maps, outcomes, now=now) if memory.resident else memory.maps,
    )


def _unmade(before: Mapping[Wwid, str], outcomes: Sequence[tuple[Step, Outcome]]) -> dict[Wwid, str]:
    """The maps that could not be made. Where the kernel was not asked, or something moved, nothing new is known."""
    found = dict(before)
    for step, outcome in outcomes:
        wwid = subject(step) if isinstance(step, CreateMap) else None
        if wwid is None or isinstance(outcome, Lost):
            continue
        if not isinstance(outcome, Refused):
            found.pop(wwid, None)
        elif outcome.tried:
            found[wwid] = outcome.message
    return found


def _refusal(
    old: Refusal | None, refused: Sequence[tuple[Step, Refused]], tried: set[Step], *, now: float
) -> Refusal | None:
    """The next refusal of one map: what was refused now, and what is still held from before."""
    waiting = tuple(step for step in old.steps if step not in tried) if old else ()
    if not refused:
        return replace(old, steps=waiting) if old and waiting else None
    steps = tuple(dict.fromkeys([step for step, _ in refused]))
    count = old.count + 1 if old and any(step in old.steps for step in steps) else 1
    return Refusal(steps=(*steps, *waiting), message=refused[-1][1].message, count=count, retry_at=now + backoff(count))


def _told(memory: Memory, outcomes: Sequence[tuple[Step, Outcome]], now: float) -> dict[Wwid, UdevTold]:
    told = dict(memory.udev_told)
    for step, outcome in outcomes:
        wwid = subject(step)
        if wwid is None or not isinstance(outcome, Changed):
            continue
        if isinstance(step, RemoveMap):
            told.pop(wwid, None)
        elif isinstance(step, CreateMap | ReloadMap) and UdevFlags.RELOAD not in step.udev:
            told[wwid] = _told_again(told.get(wwid), now)
    return told


def _told_again(before: UdevTold | None, now: float) -> UdevTold:
    """Without an answer it would have been made to look again soon; so if that is long ago, it has answered."""
    if before is None or now - before.at > 2.0 * (before.again_at - before.at):
        return UdevTold(now)
    return UdevTold(now, before.times + 1)


def after_planning(
    memory: Memory, *, known: Iterable[Wwid], refusals_met: Iterable[Wwid], failback_since: dict[Wwid, float]
) -> Memory:
    """The memory after a plan was made: what no longer concerns anything is forgotten."""
    alive, wanted = set(known), set(refusals_met)
    return replace(
        memory,
        refusals={wwid: each for wwid, each in memory.refusals.items() if wwid in wanted},
        failback_since=failback_since,
        udev_told={wwid: told for wwid, told in memory.udev_told.items() if wwid in alive},
        unmade={wwid: why for wwid, why in memory.unmade.items() if wwid in alive},
        tuned={wwid: each for wwid, each in memory.tuned.items() if wwid in alive},
        maps={wwid: each for wwid, each in memory.maps.items() if wwid in alive},
    )


def allowed(
    memory: Memory, records: Iterable[RecordStep], *, now: float
) -> tuple[tuple[RecordStep, ...], float | None]:  # fmt: skip
    """Those records that are not held back after a refusal, and when the first of the others is tried again."""
    free, times = list[RecordStep](), list[float]()
    for record in records:
        wwid = subject(record) or BINDINGS
        if held(memory, wwid, (record,), now=now):
            times.append(memory.refusals[wwid].retry_at)
        else:
            free.append(record)
    return tuple(free), min(times, default=None)


T = TypeVar("T")


def restricted(memory: Memory, wwids: Iterable[Wwid]) -> Memory:
    """What is remembered of some maps, for a plan that is about them only. Of paths everything is kept."""
    chosen = frozenset((*wwids, BINDINGS))

    def part(kept: Mapping[Wwid, T]) -> dict[Wwid, T]:
        return {wwid: value for wwid, value in kept.items() if wwid in chosen}

    return replace(
        memory,
        refusals=part(memory.refusals),
        failback_since=part(memory.failback_since),
        udev_told=part(memory.udev_told),
        unmade=part(memory.unmade),
        tuned=part(memory.tuned),
        maps=part(memory.maps),
    )


def merged(whole: Memory, part: Memory, wwids: Iterable[Wwid]) -> Memory:
    """The whole memory with what is remembered of some maps replaced. What is not kept by map is the part's."""
    chosen = frozenset((*wwids, BINDINGS))

    def joined(old: Mapping[Wwid, T], new: Mapping[Wwid, T]) -> dict[Wwid, T]:
        return {wwid: value for wwid, value in old.items() if wwid not in chosen} | dict(new)

    return replace(
        part,
        refusals=joined(whole.refusals, part.refusals),
        failback_since=joined(whole.failback_since, part.failback_since),
        udev_told=joined(whole.udev_told, part.udev_told),
        unmade=joined(whole.unmade, part.unmade),
        tuned=joined(whole.tuned, part.tuned),
        maps=joined(whole.maps, part.maps),
    )
