"""Which path is to be checked when.

In: paths' names and times. Out: the names whose time has come. What was planned for a path before and is not so any
more is left where it is, and passed over when its time comes. It must never read a clock.
"""

import heapq
from collections.abc import Callable, Iterator

from observers.snapshot import DeviceName


class Agenda:
    """`due_of`: when a path is to be checked as of now, monotonic seconds; None: never."""

    def __init__(self, due_of: Callable[[DeviceName], float | None]) -> None:
        self._due_of = due_of
        self._heap: list[tuple[float, DeviceName]] = []

    def plan(self, name: DeviceName, due: float) -> None:
        """A path has another time than before."""
        heapq.heappush(self._heap, (due, name))

    @property
    def wake_at(self) -> float | None:
        """When the next path is due."""
        while self._heap and not self._holds(*self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def taken(self, now: float) -> Iterator[DeviceName]:
        """The paths that are due, also those that become so while this goes on. Each has to be planned again."""
        while self._heap and self._heap[0][0] <= now:
            due, name = heapq.heappop(self._heap)
            if self._holds(due, name):
                yield name

    def _holds(self, planned: float, name: DeviceName) -> bool:
        due = self._due_of(name)
        return due is not None and due <= planned


SHARED = 8
"""Paths of one host that are checked together: commands to one host at one time cost less than the same one by one."""

_MOST_GROUPS = 1024
"""After this many all are forgotten: an iSCSI session has a new host number at each login."""


class Places:
    """The places of paths among all that are checked over and over, which are spread evenly over time by them."""

    def __init__(self) -> None:
        self._count = 0
        self._open: dict[str, tuple[int, int]] = {}

    def take(self, group: str) -> int:
        """The place of one more path of a group (a SCSI host)."""
        place, free = self._open.get(group, (0, 0))
        if not free:
            if len(self._open) >= _MOST_GROUPS:
                self._open.clear()
            self._count += 1
            place, free = self._count, SHARED
        self._open[group] = place, free - 1
        return place
