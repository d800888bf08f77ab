"""The order of things: of the steps in a map, of the maps in a plan, and what to do when an order can't be had.

Theory of operation. *In a map* the phases below fix the order. Whatever stops damage comes first, a name comes last:
a refusal ends the map's steps, and a name that can't be had must not keep a path from being reinstated. Paths come
back before others are failed, so that no moment without a path is made that need not be.

*Between maps* two things can be had by one map only: a name, and a path. A map that takes one must come after the map
that lets go of it. `arrange` keeps the given order wherever it can (desired maps first, removals last) and moves only
what must be moved. Where nobody lets go, or where maps wait for each other in a ring, the wish is turned down
(`TurnedDown`) and the planner plans those maps again without it: a path joins in the next cycle, and in a ring of names
one map goes to its WWID for the time being, which opens the ring. The ring is closed in the next cycle. In a ring of
names and paths a name gives way, then a path of a map that keeps a usable one without it: a map that is loaded without
any path that is known to be usable keeps that table until a path answers. For a path that is failed in dm nobody waits
in a ring: no I/O goes there, so for the moment between two loads both maps may have it.

In: parts and drafts of the planner. Out: an order. It must never make or drop a step.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

from actuators.steps import RecordStep, Step
from controller.reconcile.plan import MapPlan
from observers.dmtable import DevT
from observers.snapshot import Alias, DmUuid, Wwid


class Phase(IntEnum):
    """When in a map's steps something is done."""

    STOP = 0
    """Fail the paths that lead to another logical unit: every write there does damage."""
    KEEP = 1
    """Take back a removal, before the map is closed in the midst of the rest."""
    RESERVE = 2
    """Register paths with the target, before any I/O goes there."""
    TABLE = 3
    """Create, reload, resize, clear."""
    QUEUE = 4
    """Let I/O wait or fail, before the last path can be failed."""
    REINSTATE = 5
    FAIL = 6
    SWITCH = 7
    """After the paths of the group came back."""
    NAME = 8
    UDEV = 9
    PURGE = 10
    """Delete a path's device, after dm stopped using it."""
    REMOVE = 11
    TALK = 12
    """No steps, only reasons."""


ACTIONS = ("create", "keep", "reload", "resize", "register", "queueing", "paths", "switch", "rename", "purge", "remove")
"""The words of `MapPlan.action`, in the order in which they are joined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one decision adds to a map's plan. `held`: it wanted to do something and may not do it now."""

    phase: Phase
    action: str = ""
    steps: tuple[Step, ...] = ()
    reasons: tuple[str, ...] = ()
    wake_at: float | None = None
    held: bool = False


def join(parts: Iterable[Part], *, wwid: Wwid, uuid: DmUuid, name: Alias, idle: str) -> MapPlan:
    """One map's plan. `idle`: the reason to give when no part has any."""
    sequence = sorted(parts, key=_phase)
    steps = tuple([step for part in sequence for step in part.steps])
    reasons = tuple([reason for part in sequence for reason in part.reasons])
    return MapPlan(
        wwid=wwid,
        uuid=uuid,
        name=name,
        action=_action(sequence),
        steps=steps,
        reasons=reasons or (idle,),
        wake_at=min((part.wake_at for part in sequence if part.wake_at is not None), default=None),
    )


def _phase(part: Part) -> int:
    return part.phase


def _action(parts: Sequence[Part]) -> str:
    done = {part.action for part in parts if part.steps}
    if done:
        return "+".join(action for action in ACTIONS if action in done)
    return "held" if any(part.held for part in parts) else "nothing"


@dataclass(frozen=True, slots=True)
class NameOf:
    """The claim on a device-mapper name."""

    name: Alias


@dataclass(frozen=True, slots=True)
class PathOf:
    """The claim on a path: it may be in the table of one map."""

    dev: DevT


Claim = NameOf | PathOf


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A map's plan, and what it takes and lets go. `records`: what must be on file before the map's steps.

    `usable`: those paths of the table that it loads that are known to be usable; `stopped`: those of the live table
    that take no I/O.
    """

    plan: MapPlan
    takes: frozenset[Claim] = frozenset()
    frees: frozenset[Claim] = frozenset()
    usable: frozenset[Claim] = frozenset()
    stopped: frozenset[Claim] = frozenset()
    records: tuple[RecordStep, ...] = ()
    refusal_met: bool = False
    """Whether it wanted a step that was refused earlier."""
    failback_since: float | None = None


@dataclass(frozen=True, slots=True)
class TurnedDown:
    """A claim that can't be granted. `owner`: the map that has it (None: a device that is not ours). `ring`: the
    owner will let go, but waits for this very map."""

    wwid: Wwid
    claim: Claim
    owner: Wwid | None
    ring: bool


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The drafts in an order in which they can be done, and the claims that stand in the way."""

    drafts: tuple[Draft, ...]
    turned_down: tuple[TurnedDown, ...]


Owners = Mapping[Claim, tuple[Wwid | None, ...]]


def arrange(drafts: Sequence[Draft], owners: Owners) -> Arrangement:
    """Order drafts so that whoever lets go comes before whoever takes. `owners`: who has each claim now."""
    refused, waits_for = _resolve(drafts, owners)
    order, rings = _sorted(drafts, waits_for)
    while soft := [edge for edge in rings if _is_soft(drafts, waits_for, edge)]:
        for index, other in dict.fromkeys(soft):
            del waits_for[index][other]
        order, rings = _sorted(drafts, waits_for)
    for index, other in rings:
        refused += [
            TurnedDown(drafts[index].plan.wwid, claim, drafts[other].plan.wwid, ring=True)
            for claim in waits_for[index][other]
        ]
    return Arrangement(tuple([drafts[index] for index in order]), tuple(refused))


Waits = dict[int, dict[int, list[Claim]]]
"""For each draft: the drafts that must come before it, and because of what."""


def _resolve(drafts: Sequence[Draft], owners: Owners) -> tuple[list[TurnedDown], Waits]:
    position = {draft.plan.wwid: index for index, draft in enumerate(drafts)}
    promised: dict[Claim, Wwid] = {}
    refused: list[TurnedDown] = []
    waits_for: Waits = {}
    for index, draft in enumerate(drafts):
        for claim in sorted(draft.takes, key=_claim_key):
            rival = promised.setdefault(claim, draft.plan.wwid)
            if rival != draft.plan.wwid:
                refused.append(TurnedDown(draft.plan.wwid, claim, rival, ring=False))
                continue
            for owner in owners.get(claim, ()):
                before = position.get(owner) if owner is not None else None
                if before == index:
                    continue
                if before is None or claim not in drafts[before].frees:
                    refused.append(TurnedDown(draft.plan.wwid, claim, owner, ring=False))
                else:
                    waits_for.setdefault(index, {}).setdefault(before, []).append(claim)
    return refused, waits_for


def _is_soft(drafts: Sequence[Draft], waits_for: Waits, edge: tuple[int, int]) -> bool:
    """Whether one need not wait for the other to let go: no I/O goes where the other lets go of."""
    return drafts[edge[1]].stopped.issuperset(waits_for[edge[0]][edge[1]])


def _claim_key(claim: Claim) -> tuple[int, str]:
    return (0, claim.name) if isinstance(claim, NameOf) else (1, claim.dev)


def _sorted(drafts: Sequence[Draft], waits_for: Waits) -> tuple[list[int], list[tuple[int, int]]]:
    """Depth first without recursion (a chain of renames may be as long as there are maps): the order, and for each
    ring the waiting that is given up."""
    count = len(drafts)
    if not waits_for:
        return list(range(count)), []
    order: list[int] = []
    rings: list[tuple[int, int]] = []
    state = [0] * count
    for start in range(count):
        stack = [(start, iter(waits_for.get(start, ())))] if state[start] == 0 else []
        state[start] = state[start] or 1
        while stack:
            index, before = stack[-1]
            following = next(before, None)
            if following is None:
                stack.pop()
                state[index] = 2
                order.append(index)
            elif state[following] == 1:
                rings.append(_weakest(drafts, [at for at, _ in stack], following, waits_for))
            elif state[following] == 0:
                state[following] = 1
                stack.append((following, iter(waits_for.get(following, ()))))
    return order, rings


def _weakest(drafts: Sequence[Draft], trail: Sequence[int], first: int, waits_for: Waits) -> tuple[int, int]:
    """Which waiting of a ring is given up: see the theory above; the one that closes the ring if all are alike.

    `trail`: each waits for the next; the last one waits for `first`, which closes the ring.
    """
    ring = trail[trail.index(first) :]

    def loss(edge: tuple[int, int]) -> int:
        claims = waits_for[edge[0]][edge[1]]
        if _is_soft(drafts, waits_for, edge):
            return -1
        if all(isinstance(claim, NameOf) for claim in claims):
            return 0
        return 1 if drafts[edge[0]].usable.difference(claims) else 2

    return min([(ring[-1], first), *pairwise(ring)], key=loss)
