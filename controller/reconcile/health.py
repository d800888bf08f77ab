"""The path state machine: from a checker's answers to the state that counts, and when to ask again.

Theory of operation. A checker answers with one of eleven states. Six of them say something of the path and are stored;
the rest are events (a device that is gone, a logical unit that is no longer mapped), which count as down with their
message kept, or no answer at all, which leaves what was stored. `ROWS` says which is which:

    answer                            stored                        asked again
    up, ghost                         the same (up without a size   after the interval, which doubles while the
                                      is ghost), or delayed         state stays, up to max_polling_interval
    down, shaky, timeout              the same                      after polling_interval
    removed, disconnected             down                          after polling_interval
    pending                           as before                     after 1 s
    unchecked, wild, delayed          as before                     after the interval as it is

Where nothing was stored yet (unchecked, wild), whatever is answered first is stored.

A good answer is not yet a path that may be used. An account of its failures (`flaky`) may hold it back: it is stored as
delayed, or, where marginal paths have groups of their own, as it is with a mark. And its identity must have been read
in the present epoch (`fencing`): returning to good ends the epoch, and so does everything else that could have put
another unit behind the path. `settled` gives the planner the stored state; whether identity is due it asks the memory.

Checks of many paths spread over the interval by themselves: every path has a phase, and is due at those instants of the
host's monotonic clock that have this phase within its interval, whenever it was last asked.

In: a memory, an answer, how the path is to be cared for, the time. Out: the next memory. Pure: no clock, no state. It
must never say what dm should believe (`beliefs`), nor wait for anything.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from controller.reconcile import fencing, flaky, purge_memory
from controller.reconcile.fencing import Identity, Quarantine, Reading, Sign
from controller.reconcile.flaky import Errors, Sampling
from controller.reconcile.purge_memory import Purging
from desired.care import PathCare
from desired.values import MarginalPathgroups
from observers.changing import changed
from observers.snapshot import Health, Path, PathState

SOON = 1.0
"""Seconds until a check is asked after that is still running: a tick of multipathd's loop."""

BEAT = 0.5
"""Seconds: regular checks begin at multiples of this."""

GOLDEN = 0.6180339887498949
"""The golden ratio's fraction: its multiples, modulo 1, are spread evenly however many are taken."""


class Again(Enum):
    """When to ask again."""

    AFTER_INTERVAL = "after the interval"
    SOON = "soon"


@dataclass(frozen=True, slots=True)
class Row:
    """What an answer does. `stored`: the state that it is stored as; None: the stored one stays."""

    stored: PathState | None
    again: Again = Again.AFTER_INTERVAL


ROWS: Mapping[PathState, Row] = {
    PathState.UP: Row(PathState.UP),
    PathState.GHOST: Row(PathState.GHOST),
    PathState.DOWN: Row(PathState.DOWN),
    PathState.SHAKY: Row(PathState.SHAKY),
    PathState.TIMEOUT: Row(PathState.TIMEOUT),
    PathState.REMOVED: Row(PathState.DOWN),
    PathState.DISCONNECTED: Row(PathState.DOWN),
    PathState.PENDING: Row(None, Again.SOON),
    PathState.UNCHECKED: Row(None),
    PathState.WILD: Row(None),
    PathState.DELAYED: Row(None),
}

UNKNOWN = frozenset({PathState.UNCHECKED, PathState.WILD})
"""Stored states that are none: the first answer is stored, whatever it is."""

FAULTY = frozenset({PathState.DOWN, PathState.SHAKY, PathState.TIMEOUT})
"""Stored states in which the path itself is bad."""


class Mark(Enum):
    """Why a path is marginal."""

    ERRORS = "errors"
    """Its account of failures holds it."""
    COMMAND = "command"
    FABRIC = "fabric"
    """The fabric said that its link is impaired (FPIN)."""


NO_ANSWER = Health("none", PathState.UNCHECKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathMemory:
    """What is known of one path from one check to the next. Times: monotonic seconds.

    `state`: the stored one, which counts. `previous`: the one before it, left at `since`. `answer`: the checker's last
    word. `interval`: the present one. `phase`: its place within an interval, from 0 to below 1. `due`: of the next
    check. `failures`: how often it turned from good to bad. `by_kernel`: when it was down last, no check said so, only
    the kernel, after an I/O error.
    """

    state: PathState = PathState.UNCHECKED
    previous: PathState = PathState.UNCHECKED
    since: float = 0.0
    answer: Health = NO_ANSWER
    interval: float = 5.0
    phase: float = 0.0
    due: float = 0.0
    failures: int = 0
    by_kernel: bool = False
    errors: Errors = flaky.NO_ERRORS
    sample: Sampling = flaky.NOT_SAMPLED
    marks: frozenset[Mark] = frozenset()
    identity: Identity = field(default_factory=Identity)
    purge: Purging = purge_memory.NOT_PURGED

    @property
    def identity_due(self) -> bool:
        """Whether the path may not be used before its identity was read again."""
        return bool(self.identity.due)

    @property
    def quarantined(self) -> Quarantine | None:
        """Which unit it should be, and which it said it is; None: it did not deny."""
        return self.identity.quarantine

    @property
    def marginal(self) -> bool:
        """Whether it belongs into a group for marginal paths."""
        return bool(self.marks)

    @property
    def sampling(self) -> bool:
        """Whether it is to be read from now, for `sampled` to be told of the outcome."""
        return self.sample.phase is flaky.Phase.SAMPLING

    @property
    def held_until(self) -> float | None:
        """Until when it is held back although it answers well; None: it is not, or nobody knows."""
        return self.errors.held_until if self.errors.held_until is not None else self.sample.until

    @property
    def held(self) -> bool:
        """Whether its account of failures holds it back."""
        return self.errors.held_until is not None or self.sample.holds


def first(number: int, care: PathCare, *, now: float) -> PathMemory:
    """The memory of a path that was never checked. `number`: how many came before it, which spreads the checks."""
    phase = number * GOLDEN % 1.0
    interval = float(care.polling_interval)
    return PathMemory(since=now, interval=interval, phase=phase, due=now + phase * interval)


def follow(stored: PathState, answer: PathState) -> PathState:
    """The state to store, before anything holds the path back."""
    known = ROWS[answer].stored
    if known is not None:
        return known
    return answer if stored in UNKNOWN else stored


def advance(
    memory: PathMemory, answer: Health, care: PathCare, *, now: float, size: int = 1, alone: bool = False,
    reading: Reading | None = None,
) -> PathMemory:  # fmt: skip
    """The memory after a check.

    `size`: of the device, in sectors. `alone`: no other path of its map works, so it is not held back. `reading`: of
    its identity, begun after the checker had its answer; its epoch is the one in which the whole dialogue began. If
    that has ended meanwhile, the identity is read again at once, for what ended it asked for that.
    """
    state = follow(memory.state, answer.state)
    if state is PathState.UP and size == 0:
        state = PathState.GHOST
    conclusive = ROWS[answer.state].stored is not None
    by_kernel = memory.by_kernel and (state.usable or not conclusive)
    purge = purge_memory.answered(memory.purge, answer, now=now)
    after = changed(memory, answer=answer, purge=purge, by_kernel=by_kernel)
    if conclusive and state.usable:
        after = _accounted(after, care, alone=alone, now=now)
        state = PathState.DELAYED if _delays(after, care) else state
    elif conclusive and _was_good(memory):
        after = _failed(after, care, now=now)
    overtaken = reading is not None and reading.epoch != memory.identity.epoch
    signs, reading = _signs(memory, answer, state), _carried(reading, memory)
    identity = fencing.doubt(memory.identity, signs)
    after = changed(after, identity=fencing.read(identity, _moved(reading, identity), now=now))
    timed = _timed(_stored(after, state, now=now), care, changed=state is not memory.state, now=now)
    return look_now(timed, now=now) if overtaken and timed.identity_due else timed


def unchanged(memory: PathMemory, care: PathCare, *, now: float) -> PathMemory:
    """The memory after a check that found all that the last one did, of a usable path without account of failures."""
    return _timed(memory, care, changed=False, now=now)


def _was_good(memory: PathMemory) -> bool:
    return memory.state.usable or memory.state is PathState.DELAYED


def _accounted(memory: PathMemory, care: PathCare, *, alone: bool, now: float) -> PathMemory:
    """A good answer: what the account of failures makes of it. Without limits nothing is kept."""
    errors, sample = flaky.NO_ERRORS, flaky.NOT_SAMPLED
    if care.sampling is not None:
        sample = flaky.answers(memory.sample, care.sampling, alone=alone, now=now)
    elif care.errors is not None:
        was_bad = memory.state in FAULTY
        errors = flaky.answered(memory.errors, care.errors, was_bad=was_bad, alone=alone, now=now)
    after = changed(memory, errors=errors, sample=sample)
    grouped = after.held and care.marginal_groups is not MarginalPathgroups.OFF
    return changed(after, marks=(memory.marks | {Mark.ERRORS}) if grouped else (memory.marks - {Mark.ERRORS}))


def _delays(memory: PathMemory, care: PathCare) -> bool:
    return memory.held and care.marginal_groups is MarginalPathgroups.OFF


def _failed(memory: PathMemory, care: PathCare, *, now: float) -> PathMemory:
    sample = flaky.failed(memory.sample, care.sampling, now=now) if care.sampling else memory.sample
    return replace(memory, failures=memory.failures + memory.state.usable, sample=sample)


def _signs(memory: PathMemory, answer: Health, state: PathState) -> tuple[Sign, ...]:
    if answer.state is PathState.DISCONNECTED:
        return (Sign.NOT_SUPPORTED,)
    return (Sign.CAME_UP,) if memory.state in FAULTY and state not in FAULTY else ()


def _carried(reading: Reading | None, memory: PathMemory) -> Reading | None:
    """A reading of an epoch that ended while it was made may only contradict."""
    return reading if reading is None or reading.epoch == memory.identity.epoch else replace(reading, epoch=-1)


def _moved(reading: Reading | None, identity: Identity) -> Reading | None:
    """The reading came after the answer, and so belongs to the epoch that the answer began."""
    return reading if reading is None or reading.epoch < 0 else replace(reading, epoch=identity.epoch)


def _stored(memory: PathMemory, state: PathState, *, now: float) -> PathMemory:
    if state is memory.state:
        return memory
    return replace(memory, state=state, previous=memory.state, since=now)


def _timed(memory: PathMemory, care: PathCare, *, changed: bool, now: float) -> PathMemory:
    """When to ask again, by the row of the answer."""
    if ROWS[memory.answer.state].again is Again.SOON:
        return replace(memory, due=now + SOON)
    interval = _interval(memory, care, changed=changed)
    due = _slot(now, interval, memory.phase)
    for at in (memory.errors.held_until, memory.sample.until):
        due = min(due, at) if at is not None and at > now else due
    return replace(memory, interval=interval, due=due)


def _interval(memory: PathMemory, care: PathCare, *, changed: bool) -> float:
    least, most = float(care.polling_interval), float(care.max_polling_interval)
    if changed or memory.state in FAULTY or memory.state is PathState.DELAYED:
        return least
    doubles = memory.state.usable and memory.answer.state.usable
    return min(max(memory.interval * 2.0 if doubles else memory.interval, least), most)


def _slot(now: float, interval: float, phase: float) -> float:
    """The next instant of this phase, at most an interval away, at a beat of all paths: those that are checked together
    cost far less than as many that each wake the processor."""
    place = phase * interval // BEAT * BEAT
    return place + ((now - place) // interval + 1.0) * interval


def kernel_failed(memory: PathMemory, care: PathCare, *, now: float) -> PathMemory:
    """The kernel stopped using a path after an I/O error, while it was thought to be good: it is down until checked.

    For a path that is not thought to be good nothing changes.
    """
    if not memory.state.usable:
        return memory
    after = _stored(_failed(memory, care, now=now), PathState.DOWN, now=now)
    said = Health(memory.answer.checker, PathState.DOWN, "the kernel failed it after an I/O error")
    identity = fencing.doubt(memory.identity, (Sign.KERNEL_FAILED,))
    interval = float(care.polling_interval)
    return replace(after, answer=said, identity=identity, interval=interval, due=now, by_kernel=True)


def suspect(memory: PathMemory, signs: Iterable[Sign], *, now: float) -> PathMemory:
    """Something was seen of the device: if it makes its identity doubtful, that is read at once."""
    identity = fencing.doubt(memory.identity, signs)
    return memory if identity == memory.identity else replace(memory, identity=identity, due=min(memory.due, now))


def identified(memory: PathMemory, reading: Reading, *, now: float) -> PathMemory:
    """Its identity was read apart from a check. `reading.epoch`: `memory.identity.epoch` when that began."""
    return replace(memory, identity=fencing.read(memory.identity, reading, now=now))


def sampled(
    memory: PathMemory, care: PathCare, *, reads: int, failed: int, alone: bool, now: float
) -> PathMemory:  # fmt: skip
    """Some of the reads came back for which `sampling` asked; at the end of the sample the path is checked at once."""
    if care.sampling is None:
        return memory
    sample = flaky.sampled(memory.sample, care.sampling, reads=reads, failed_reads=failed, alone=alone, now=now)
    over = memory.sampling and sample.phase is not flaky.Phase.SAMPLING
    return replace(memory, sample=sample, due=min(memory.due, now) if over else memory.due)


def marked(memory: PathMemory, mark: Mark, *, marginal: bool) -> PathMemory:
    """A path marked marginal, or no more. Taken back by a command, every mark goes."""
    if marginal:
        return replace(memory, marks=memory.marks | {mark})
    return replace(memory, marks=frozenset() if mark is Mark.COMMAND else memory.marks - {mark})


def look_now(memory: PathMemory, *, now: float) -> PathMemory:
    """A path that is to be checked at once."""
    return replace(memory, due=min(memory.due, now))


def alone(others: Iterable[PathMemory]) -> bool:
    """Whether a path is the last of its map that can be used. `others`: the map's other paths."""
    return not any(each.state.usable and each.quarantined is None for each in others)


def settled(path: Path, memory: PathMemory | None) -> Path:
    """The path with the state that counts instead of its checker's last answer; without a memory as it is."""
    if memory is None:
        return path
    answer = memory.answer
    if answer is path.health and answer.state is memory.state and path.marginal is memory.marginal:
        return path  # nearly always; thousands of copies would be most of what a decision costs
    return replace(path, health=Health(answer.checker, memory.state, answer.message), marginal=memory.marginal)
