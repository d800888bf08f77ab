"""Reading from paths that failed twice in a short time, for their account of marginal_path_* to see how many fail.

Theory of operation. Which path is to be read from, and what the outcome means, is the state machine's. Here is only the
reading: once a second each such path is sent a handful of reads, one after the other on its own lane, so that nothing
else waits for them; a read that gets no answer within its time has failed.

In: the checks' memories, the time. Out: counts of reads for them. It must never write, nor read anything but the first
block.
"""

from dataclasses import dataclass

from controller.runtime.checking import Checks
from controller.runtime.judging import group_of
from controller.runtime.lanes import Finished, Lanes
from controller.runtime.world import World
from observers.asking import Dialogue, DirectRead, read
from observers.snapshot import DeviceName

READS = 10
"""Reads a second: as often as multipathd reads from a path that it samples."""

INTERVAL = 1.0
_READ_LIMIT = 60.0
"""Seconds that a read gets."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """What some reads were begun for."""

    name: DeviceName
    incarnation: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class _Count:
    reads: int
    failed: int


class Samples:
    """All paths that are being sampled."""

    def __init__(self, *, world: World, checks: Checks, lanes: Lanes) -> None:
        self._world, self._checks, self._lanes = world, checks, lanes
        self._next = 0.0

    def due(self) -> float | None:
        """When the next reads are due; None: no path is sampled."""
        return self._next if self._checks.sampled else None

    def begin(self, now: float) -> None:
        """Begin reads."""
        self._next = now + INTERVAL
        for name in tuple(self._checks.sampled):
            path = self._world.path(name)
            if path is not None and not self._lanes.busy(name):
                token = Sampled(name, self._world.incarnation(name))
                deadline = now + READS * _READ_LIMIT
                self._lanes.start(name, group_of(path), _reads(), now=now, deadline=deadline, token=token)

    def finished(self, finished: Finished, *, now: float) -> None:
        """Some reads are over; those that were never answered have failed."""
        token, count = finished.token, finished.finding
        if not isinstance(token, Sampled) or self._world.incarnation(token.name) != token.incarnation:
            return
        reads, failed = (count.reads, count.failed) if isinstance(count, _Count) else (1, 1)
        self._checks.sampled_reads(token.name, reads=reads, failed=failed, now=now)


def _reads() -> Dialogue[_Count]:
    failed = 0
    for _ in range(READS):
        try:
            yield from read(DirectRead(timeout=_READ_LIMIT))
        except OSError:
            failed += 1
    return _Count(READS, failed)
