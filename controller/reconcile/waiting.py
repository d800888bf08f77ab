"""The map state machine: how long a map's I/O waits for a path, how long a new map waits for udev or for a path that is
up, and what is counted.

Theory of operation. A map whose no_path_retry is N queues; when no path of it works any more a clock of N times
polling_interval, and one second, runs (*recovery*). At its end queueing is switched off, so that I/O fails, and stays
off until a path works again, which ends recovery and brings queueing back. With `queue` there is no clock; with `fail`
no queueing. An operator may switch queueing off by command: then it is off until it is restored by command. So three
things may keep a map from queueing that is to queue by its table (`silenced`); the planner takes the word out of the
desired table and everything else follows from the difference.

A map that was just made waits for its uevent before its table is changed again (missing_uev_wait_timeout), and where
only standby paths lead to it udev is told not to probe it until one is up, or ghost_delay is over.

    idle --no path works--> recovering (deadline) --deadline--> expired
      ^------------------------ a path works ------------------------|

In: what was remembered, what is seen, the time. Out: what is remembered now. Pure; it must never make a step.
"""

from dataclasses import dataclass, field, replace

from controller.reconcile.reservation_memory import Reservation
from desired.care import MapCare
from desired.values import RetryMode

TICK = 1.0
"""Seconds that the retry clock runs longer than N intervals: multipathd's first tick may come at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What `show maps stats` shows, as multipathd counts it. `queue_time`: seconds of recovery that are over.
    `failures`: how often queueing came to its end while no path worked; `q_timeouts`: how often a clock was started."""

    path_faults: int = 0
    switch_grp: int = 0
    map_loads: int = 0
    queue_time: float = 0.0
    q_timeouts: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MapMemory:
    """What is known of one map from one cycle to the next. Times: monotonic seconds.

    `care`: as it was when the map was last desired. `pathless_since`: since when no path works, None: one does.
    `deadline`: when queueing ends. `expired`: it ended. `disabled`: an operator ended it. `udev_until`: until when the
    table waits for udev's first look; `ghost_until`: until when udev is kept from probing a map of standby paths.
    `standby`: of a map that is not made yet, whether only such paths lead to it. `new`: this daemon made it, and
    neither its table nor the configuration has changed since. `queued_since`: since when I/O waits because no path
    works, None: it need not, or it fails; `queued`: for how many seconds it did before. No command sets that to zero.
    """

    care: MapCare = field(default_factory=MapCare)
    pathless_since: float | None = None
    deadline: float | None = None
    expired: bool = False
    disabled: bool = False
    udev_until: float | None = None
    ghost_until: float | None = None
    standby: bool = False
    new: bool = False
    queued: float = 0.0
    queued_since: float | None = None
    counters: Counters = field(default_factory=Counters)
    reservation: Reservation = field(default_factory=Reservation)
    """Of the persistent reservation of who uses it."""

    @property
    def in_recovery(self) -> bool:
        """Whether the retry clock was started and no path works since."""
        return self.deadline is not None

    @property
    def silenced(self) -> bool:
        """Whether the map must not queue, whatever its table should say."""
        return self.disabled or self.expired


def tend(memory: MapMemory, care: MapCare, *, working: bool, queues: bool, now: float) -> MapMemory:
    """The memory as of now. `working`: whether a path of the map takes I/O, or may (its check is not over). `queues`:
    whether I/O waits, by the table that the map has, where none does."""
    memory = _queued(replace(memory, care=care), waits=queues and not working, now=now)
    if working:
        return _recovered(memory, now=now)
    retry = care.no_path_retry
    since = now if memory.pathless_since is None else memory.pathless_since
    memory = replace(memory, pathless_since=since)
    if not isinstance(retry, int) or memory.disabled:
        return replace(_stopped(memory, now=now), expired=False)
    if memory.deadline is None:
        counters = replace(memory.counters, q_timeouts=memory.counters.q_timeouts + 1)
        deadline = now + retry * care.path.polling_interval + TICK
        return replace(memory, deadline=deadline, counters=counters)
    return _expired(memory, now=now)


def _queued(memory: MapMemory, *, waits: bool, now: float) -> MapMemory:
    if waits is (memory.queued_since is not None):
        return memory
    return replace(memory, queued=queued_time(memory, now=now), queued_since=now if waits else None)


def queued_time(memory: MapMemory, *, now: float) -> float:
    """Seconds for which I/O waited because no path worked, whatever was to end that."""
    return memory.queued + (max(0.0, now - memory.queued_since) if memory.queued_since is not None else 0.0)


def _recovered(memory: MapMemory, *, now: float) -> MapMemory:
    memory = _stopped(memory, now=now)
    return replace(memory, pathless_since=None, expired=False)


def _stopped(memory: MapMemory, *, now: float) -> MapMemory:
    """The clock, if it runs, stopped and its time counted."""
    if memory.deadline is None:
        return memory
    return replace(memory, deadline=None, counters=_counted(memory, now=now))


def _counted(memory: MapMemory, *, now: float) -> Counters:
    return replace(memory.counters, queue_time=queue_time(memory, now=now))


def _expired(memory: MapMemory, *, now: float) -> MapMemory:
    if memory.expired or memory.deadline is None or now < memory.deadline:
        return memory
    counted = _counted(memory, now=now)
    return replace(memory, expired=True, counters=replace(counted, failures=counted.failures + 1))


def queue_time(memory: MapMemory, *, now: float) -> float:
    """Seconds that the map spent with a running retry clock, the present one included."""
    if memory.deadline is None or memory.pathless_since is None or memory.expired:
        return memory.counters.queue_time
    return memory.counters.queue_time + max(0.0, min(now, memory.deadline) - memory.pathless_since)


def remaining(memory: MapMemory, *, now: float) -> float | None:
    """Seconds until queueing ends; None: no clock runs."""
    if memory.deadline is None or memory.expired:
        return None
    return max(0.0, memory.deadline - now)


def disabled(memory: MapMemory, *, now: float) -> MapMemory:
    """Queueing switched off by command, until `restored`. While no path works that fails what is queued."""
    if memory.disabled:
        return memory
    stopped = _stopped(memory, now=now)
    counters = replace(stopped.counters, failures=stopped.counters.failures + (stopped.pathless_since is not None))
    return replace(stopped, disabled=True, expired=False, counters=counters)


def restored(memory: MapMemory) -> MapMemory:
    """Queueing as it is configured again. A clock that a map without a path needs is started anew."""
    return replace(memory, disabled=False, expired=False)


def reset(memory: MapMemory) -> MapMemory:
    """The counters at zero."""
    return replace(memory, counters=Counters())


def created(memory: MapMemory, *, now: float) -> MapMemory:
    """The map was just made."""
    wait = memory.standby and memory.care.ghost_delay > 0
    return replace(
        memory,
        udev_until=now + memory.care.missing_uev_wait,
        ghost_until=now + memory.care.ghost_delay if wait else None,
        standby=False,
        new=True,
    )


def settled(memory: MapMemory) -> MapMemory:
    """The map is no longer as it was made."""
    return replace(memory, new=False) if memory.new else memory


def queueing(memory: MapMemory) -> str:
    """What becomes of I/O without a path, in one word: `fail`, `queue`, `retry`, `expired`, `disabled`, `undefined`."""
    if memory.disabled:
        return "disabled"
    match memory.care.no_path_retry:
        case None:
            return "undefined"
        case RetryMode() as mode:
            return str(mode)
    return "expired" if memory.expired else "retry"
