"""What is remembered from one cycle to the next, as pure updates.

Theory of operation. A step that the kernel refused would most likely be refused again, and each try costs a suspend or
a line in the kernel's log. So a refused step is held for a while that doubles each time (`backoff`), up to a cap; every
other step of the map goes on, and a step that is not the same (other paths, another size) is tried at once. A step
that is no longer wanted is forgotten with its count. Records are held the same way, under the WWID that they concern.

In: a memory, a plan, what came of its steps, the time. Out: the next memory. It must never hold back a step for
safety: losing the whole memory must only cost time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from actuators.steps import (
    Changed,
    CreateMap,
    Lost,
    Outcome,
    RecordStep,
    Refused,
    ReloadMap,
    RememberWwid,
    RemoveMap,
    Step,
    TriggerUevent,
    UdevFlags,
    WriteBindings,
)
from controller.reconcile.plan import Memory, Plan, Refusal
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
        case TriggerUevent():
            return None
        case RememberWwid():
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
    return replace(memory, refusals=refusals, udev_told_at=_told(memory, outcomes, now))


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


def _told(memory: Memory, outcomes: Sequence[tuple[Step, Outcome]], now: float) -> dict[Wwid, float]:
    told = dict(memory.udev_told_at)
    for step, outcome in outcomes:
        wwid = subject(step)
        if wwid is None or not isinstance(outcome, Changed):
            continue
        if isinstance(step, RemoveMap):
            told.pop(wwid, None)
        elif isinstance(step, CreateMap | ReloadMap) and UdevFlags.RELOAD not in step.udev:
            told[wwid] = now
    return told


def after_planning(
    memory: Memory, *, known: Iterable[Wwid], refusals_met: Iterable[Wwid], failback_since: dict[Wwid, float]
) -> Memory:
    """The memory after a plan was made: what no longer concerns anything is forgotten."""
    alive, wanted = set(known), set(refusals_met)
    return Memory(
        refusals={wwid: each for wwid, each in memory.refusals.items() if wwid in wanted},
        failback_since=failback_since,
        udev_told_at={wwid: at for wwid, at in memory.udev_told_at.items() if wwid in alive},
    )


def allowed(memory: Memory, records: Iterable[RecordStep], *, now: float) -> tuple[RecordStep, ...]:
    """Those records that are not held back after a refusal."""
    return tuple(record for record in records if not held(memory, subject(record) or BINDINGS, (record,), now=now))
