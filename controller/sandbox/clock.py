"""The virtual clock: time that passes only when somebody waits, and what happens at given instants.

In: instants and calls. Out: the same calls, made in the order of their instants (equal ones: as they were given). It
must never read a real clock.
"""

import heapq
from collections.abc import Callable

from controller.sandbox.errors import WouldBlock

BOOT = 100.0
"""Monotonic seconds when a sandbox starts, so that nothing works by taking 0 for "never"."""


class Clock:
    """Monotonic seconds `now`; `wall` are the seconds since 1970 at the same instant."""

    def __init__(self, wall: float) -> None:
        self.now = BOOT
        self._offset = wall - BOOT
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._given = 0

    @property
    def wall(self) -> float:
        """Seconds since 1970."""
        return self.now + self._offset

    @property
    def next_due(self) -> float | None:
        """When something happens next; None: nothing will."""
        return self._due[0][0] if self._due else None

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Have something done `seconds` from now."""
        heapq.heappush(self._due, (self.now + seconds, self._given, call))
        self._given += 1

    def advance(self, seconds: float) -> None:
        """Let time pass, and everything happen that becomes due."""
        end = self.now + max(0.0, seconds)
        while self._due and self._due[0][0] <= end:
            self._step()
        self.now = max(self.now, end)

    def wait(self, done: Callable[[], bool], *, what: str, timeout: float | None = None) -> bool:
        """Let time pass until `done()`; False when `timeout` seconds passed first.

        Without a timeout, and with nothing due that could change anything: `WouldBlock`, naming `what`.
        """
        end = None if timeout is None else self.now + timeout
        while not done():
            following = self.next_due
            if end is not None and (following is None or following > end):
                self.now = max(self.now, end)
                return False
            if following is None:
                raise WouldBlock(f"{what}: this call would never return")
            self._step()
        return True

    def _step(self) -> None:
        when, _, call = heapq.heappop(self._due)
        self.now = max(self.now, when)
        call()
