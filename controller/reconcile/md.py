"""Which members of md arrays of level multipath to ask, and which to have md use again: what mdmpd does, and no more.

Theory of operation. md takes a path out of use when I/O on it fails, and never looks at it again. So each failed member
is asked at an interval for the array's superblock; the one that answers with it is given back. The first question to a
member that was seen to fail comes an interval later: a path that fails I/O and reads well must not be given back as
fast as it fails. Members that have failed before anybody looked are asked at once.

A member is given back by `re-add`, one write that leaves it in the array if md refuses, so a process that is killed
leaves nothing undone. md refuses that for a member that never had a place (EBUSY), and kernels before 3.10 do not know
it (EINVAL); then it is removed and added. What was removed by us and could not be added is remembered, and asked on.

In: a snapshot, what members answered, a memory, the time (monotonic seconds). Out: whom to ask, a plan with its
reasons, and the next memory. It must never ask itself, and never touch an array that is not of level multipath.
"""

import errno
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from actuators.steps import (
    AddMdMember,
    Changed,
    Lost,
    MdRef,
    MdStep,
    Outcome,
    ReAddMdMember,
    Refused,
    RemoveMdMember,
    Unchanged,
)
from controller.reconcile.memory import backoff
from observers.dmtable import DevT
from observers.kernel.md_superblock import VERSIONS
from observers.md_member import Answer, MdFinding
from observers.mdstat import MULTIPATH
from observers.snapshot import DeviceName, MdArray, MdMember, Snapshot

INTERVAL = 15.0
"""Seconds between two questions to a failed member, as mdmpd has it."""

RUNNING = frozenset({"clean", "active", "active-idle", "write-pending", "read-auto"})
"""The states of an array (md/array_state) in which it takes a member back."""

OTHER_WAY = frozenset({errno.EBUSY, errno.EINVAL})
"""What a kernel says to a `re-add` that it can't do, but may do as a removal and an addition."""

MdKey = tuple[str, DevT]
"""A member, as memory knows it: its array's UUID and its own number. Names of arrays are given again."""


@dataclass(frozen=True, slots=True)
class MdTarget:
    """A failed member, to be asked with `observers.md_member.probe_member(array, member)`."""

    array: MdArray
    member: MdMember

    @property
    def key(self) -> MdKey:
        """Its key in a memory."""
        return _key(self.array, self.member)


@dataclass(frozen=True, slots=True, kw_only=True)
class MdRefusal:
    """A member that md refused `count` times in a row: no further try before `retry_at` (monotonic seconds)."""

    message: str
    count: int
    retry_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MdMemory:
    """What is remembered from cycle to cycle. Losing it costs time; and, amid a removal and an addition, a member.

    `asked_again_at`: when each failed member is due (monotonic seconds). `other_way`: members that `re-add` was refused
    for. `removed`: members that were removed here and are not added yet. `started`: a plan was made with this memory.
    """

    started: bool = False
    asked_again_at: Mapping[MdKey, float] = field(default_factory=dict)
    refusals: Mapping[MdKey, MdRefusal] = field(default_factory=dict)
    other_way: frozenset[MdKey] = frozenset()
    removed: Mapping[MdKey, MdMember] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MdArrayPlan:
    """What to do on one array; `reasons` is never empty. `wake_at`: when (monotonic seconds) a member is due."""

    array: MdRef
    steps: tuple[MdStep, ...] = ()
    reasons: tuple[str, ...]
    wake_at: float | None = None


@dataclass(frozen=True, slots=True)
class MdPlan:
    """What to do on all arrays of level multipath."""

    arrays: tuple[MdArrayPlan, ...] = ()

    @property
    def steps(self) -> tuple[MdStep, ...]:
        """All steps, in order."""
        return tuple(step for each in self.arrays for step in each.steps)

    @property
    def wake_at(self) -> float | None:
        """The earliest instant at which a member is due; None: no member has failed."""
        if not self.arrays:  # nearly everywhere
            return None
        return min((each.wake_at for each in self.arrays if each.wake_at is not None), default=None)


def due(snapshot: Snapshot, memory: MdMemory, now: float) -> tuple[MdTarget, ...]:
    """The members to ask now. Tell `asked` when they are, so that they are not due again before their time."""
    return tuple(target for target in _targets(snapshot, memory) if _due_at(target.key, memory) <= now)


def asked(memory: MdMemory, targets: Iterable[MdTarget], now: float, *, interval: float = INTERVAL) -> MdMemory:
    """The memory after members were asked; they are due again an interval later, whatever becomes of the question."""
    times = {target.key: now + interval for target in targets}
    return replace(memory, asked_again_at={**memory.asked_again_at, **times})


def plan_md(
    snapshot: Snapshot, findings: Sequence[MdFinding], memory: MdMemory, now: float, *, interval: float = INTERVAL
) -> tuple[MdPlan, MdMemory]:
    """What to do about what members answered just now (`findings`; none: nobody was asked), and the next memory."""
    memory = _following(snapshot, memory, now, interval)
    answers = {(finding.uuid, finding.dev): finding for finding in findings}
    arrays = (array for array in snapshot.md_arrays if array.level == MULTIPATH)
    return MdPlan(tuple(_array_plan(array, answers, memory, now) for array in arrays)), memory


def after_md(
    memory: MdMemory, snapshot: Snapshot, outcomes: Iterable[tuple[MdStep, Outcome]], now: float
) -> MdMemory:  # fmt: skip
    """The memory after steps were done. `snapshot`: the one that was planned for."""
    for step, outcome in outcomes:
        memory = _after_step(memory, snapshot, step, outcome, now)
    return memory


# ---- whom to ask, and when


def _key(array: MdArray, member: MdMember) -> MdKey:
    return array.uuid, member.dev or DevT("")


def _trouble(array: MdArray) -> str:
    """Why no member of an array can be given back now, or empty."""
    if array.state not in RUNNING:
        return f"is {array.state or 'not set up'}: members are given back only while it runs and can be written"
    if array.metadata not in VERSIONS:
        return f"has no superblock on its members (metadata {array.metadata or 'none'}): none could prove what it is"
    return "" if array.uuid else "has a UUID that this kernel does not tell: no member could prove what it is"


def _targets(snapshot: Snapshot, memory: MdMemory) -> Iterator[MdTarget]:
    for array in snapshot.md_arrays:
        if array.level != MULTIPATH or _trouble(array):
            continue
        failed = [member for member in array.members if member.faulty and member.dev is not None]
        for member in (*failed, *_missing(array, memory)):
            yield MdTarget(array, member)


def _missing(array: MdArray, memory: MdMemory) -> Iterator[MdMember]:
    """Members that were removed here, and are not in the array."""
    there = {member.dev for member in array.members}
    for (uuid, dev), member in memory.removed.items():
        if uuid == array.uuid and dev not in there:
            yield member


def _due_at(key: MdKey, memory: MdMemory) -> float:
    """When a member is due. One that was never seen: at once before the first plan, and else when it is planned for."""
    at = memory.asked_again_at.get(key, float("inf") if memory.started else float("-inf"))
    refusal = memory.refusals.get(key)
    return at if refusal is None else max(at, refusal.retry_at)


def _following(snapshot: Snapshot, memory: MdMemory, now: float, interval: float) -> MdMemory:
    """The memory with the members that failed since, and without those that work again or are gone."""
    first = now + interval if memory.started else now
    keys = [target.key for target in _targets(snapshot, memory)]
    idle = (_key(array, member) for array in snapshot.md_arrays for member in array.members if member.slot is None)
    known = {*idle, *keys}
    missing = {_key(array, member) for array in snapshot.md_arrays for member in _missing(array, memory)}
    return MdMemory(
        started=True,
        asked_again_at={key: memory.asked_again_at.get(key, first) for key in keys},
        refusals={key: each for key, each in memory.refusals.items() if key in known},
        other_way=memory.other_way & known,
        removed={key: each for key, each in memory.removed.items() if key in missing},
    )


# ---- what to do


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What to do about one member, and why. `slot`: the place that this takes. `wake_at`: when it can be done, where
    the member is not one that is asked."""

    reason: str
    steps: tuple[MdStep, ...] = ()
    slot: int | None = None
    wake_at: float | None = None


def _array_plan(array: MdArray, answers: Mapping[MdKey, MdFinding], memory: MdMemory, now: float) -> MdArrayPlan:
    ref = MdRef(array.name, array.uuid)
    trouble = _trouble(array)
    if trouble:
        return MdArrayPlan(array=ref, reasons=(f"{array.name} {trouble}",))
    free = sorted(set(range(array.disks)) - {member.slot for member in array.members})
    verdicts = []
    for member in (*array.members, *_missing(array, memory)):
        verdict = _verdict(array, member, answers.get(_key(array, member)), memory, now, free=free)
        if verdict is not None:
            verdicts.append(verdict)
            free = [slot for slot in free if slot != verdict.slot]
    times = [_due_at(key, memory) for key in memory.asked_again_at if key[0] == array.uuid]
    return MdArrayPlan(
        array=ref,
        steps=tuple(step for verdict in verdicts for step in verdict.steps),
        reasons=(*(verdict.reason for verdict in verdicts), _count(array)),
        wake_at=min((*times, *(each.wake_at for each in verdicts if each.wake_at is not None)), default=None),
    )


def _count(array: MdArray) -> str:
    working = sum(1 for member in array.members if member.slot is not None and not member.faulty)
    return f"{working} of {array.disks} paths of {array.name} are in use"


def _verdict(
    array: MdArray, member: MdMember, finding: MdFinding | None, memory: MdMemory, now: float, *, free: Sequence[int]
) -> _Verdict | None:
    """None: the member does its work, or has none."""
    key = _key(array, member)
    if member in array.members and not member.faulty:
        return _spare(array, member, memory, now, free=free) if member.slot is None and free else None
    if member.dev is None:
        return _Verdict(f"{member.name} has failed and is gone from the host: md forgets it when it is removed")
    if finding is None:
        return _Verdict(f"{member.name} {_what(array, member)}; {_when(key, memory, now)}")
    if finding.answer is not Answer.OURS:
        why = f": {finding.why}" if finding.why else ""
        return _Verdict(f"{member.name} {finding.answer}{why}; {_when(key, memory, now)}")
    waits = _held(memory, key, now)
    if waits:
        return _Verdict(f"{member.name} {finding.answer}; {waits}")
    return _give_back(array, member, memory, free=free)


def _what(array: MdArray, member: MdMember) -> str:
    return "has failed" if member in array.members else "was removed, and could not be added again"


def _when(key: MdKey, memory: MdMemory, now: float) -> str:
    wait = _due_at(key, memory) - now
    return f"it is asked again in {wait:.0f} s" if wait > 0 else "it is to be asked now"


def _held(memory: MdMemory, key: MdKey, now: float) -> str:
    refusal = memory.refusals.get(key)
    if refusal is None or now >= refusal.retry_at:
        return ""
    times = "once" if refusal.count == 1 else f"{refusal.count} times"
    return f"md refused it {times} ({refusal.message}); tried again in {refusal.retry_at - now:.0f} s"


def _give_back(array: MdArray, member: MdMember, memory: MdMemory, *, free: Sequence[int]) -> _Verdict:
    ref, dev, key = MdRef(array.name, array.uuid), member.dev or DevT(""), _key(array, member)
    slot = free[0] if free else None
    add = AddMdMember(array=ref, dev=dev, name=member.name, slot=slot)
    if member not in array.members:
        return _Verdict(f"{member.name}, which was removed, answers with the array's superblock", (add,), slot)
    reason = f"{member.name} answers with the array's superblock again"
    if member.slot is not None:
        return _Verdict(f"{reason}; md has not yet taken it out of its place")
    if key in memory.other_way:
        remove = RemoveMdMember(array=ref, dev=dev, name=member.name)
        return _Verdict(f"{reason}, and md does not take it back in one step", (remove, add), slot)
    return _Verdict(reason, (ReAddMdMember(array=ref, dev=dev, name=member.name),), slot)


def _spare(array: MdArray, member: MdMember, memory: MdMemory, now: float, *, free: Sequence[int]) -> _Verdict | None:
    """A spare, with a place free: somebody was interrupted between adding it and giving it the place."""
    if member.dev is None:
        return None
    waits = _held(memory, _key(array, member), now)
    if waits:
        at = memory.refusals[_key(array, member)].retry_at
        return _Verdict(f"{member.name} is a spare, and place {free[0]} is free; {waits}", wake_at=at)
    add = AddMdMember(array=MdRef(array.name, array.uuid), dev=member.dev, name=member.name, slot=free[0])
    return _Verdict(f"{member.name} is a spare, and place {free[0]} is free", (add,), free[0])


# ---- what came of it


def _after_step(memory: MdMemory, snapshot: Snapshot, step: MdStep, outcome: Outcome, now: float) -> MdMemory:
    key = (step.array.uuid, step.dev)
    match outcome:
        case Refused():
            return _refused(memory, step, outcome, now)
        case Lost():
            return memory
        case Changed() | Unchanged():
            if isinstance(step, RemoveMdMember):
                return replace(memory, removed={**memory.removed, **_seen(snapshot, step.array.name, key)})
            return _forget(memory, key)


def _seen(snapshot: Snapshot, name: DeviceName, key: MdKey) -> dict[MdKey, MdMember]:
    """The member as it was seen in its array: not faulty any more, and without a place."""
    members = (member for array in snapshot.md_arrays if array.name == name for member in array.members)
    found = next((member for member in members if member.dev == key[1]), None)
    return {key: replace(found, state=(), slot=None)} if found else {}


def _forget(memory: MdMemory, key: MdKey) -> MdMemory:
    return replace(
        memory,
        refusals={known: each for known, each in memory.refusals.items() if known != key},
        other_way=memory.other_way - {key},
        removed={known: each for known, each in memory.removed.items() if known != key},
    )


def _refused(memory: MdMemory, step: MdStep, outcome: Refused, now: float) -> MdMemory:
    key = (step.array.uuid, step.dev)
    old = memory.refusals.get(key)
    count = old.count + 1 if old else 1
    refusal = MdRefusal(message=outcome.message, count=count, retry_at=now + backoff(count))
    other_way = isinstance(step, ReAddMdMember) and outcome.error in OTHER_WAY
    return replace(
        memory,
        refusals={**memory.refusals, key: refusal},
        other_way=memory.other_way | {key} if other_way else memory.other_way,
    )
