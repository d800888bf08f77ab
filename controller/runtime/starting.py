"""When the start is over, and what the service manager hears of it, and of reloads.

Theory of operation. A daemon is ready when everything that was there at its start was looked at and is as desired. A
device may never answer, and must not keep the host from starting: the first decision on everything waits for first
answers for a while only, and once what it came to is done, nothing is waited for any more. A reload that somebody asks
for before that is part of the start: the manager hears of it no earlier than of the start's end.

In: whether something is left to do, the beginnings and ends of reloads. Out: words to the manager. It must never wait.
"""

from collections.abc import Callable

from controller.runtime.systemd import ServiceManager


class Starting:
    """Of one service. `over`: whether it has started."""

    def __init__(self, manager: ServiceManager, *, idle: Callable[[], bool]) -> None:
        self._manager, self._idle = manager, idle
        self.over = False
        self._reload_told = False

    def turn(self) -> bool:
        """Say that the start is over if it is; whether that was said now."""
        if self.over or not self._idle():
            return False
        self.over = True
        self._manager.ready()
        self._manager.status("up")
        return True

    def reloading(self, *, at: float) -> None:
        """The configuration is being read. `at`: monotonic seconds."""
        if self.over:
            self._reload_told = True
            self._manager.reloading(at=at)

    def reloaded(self) -> None:
        """It was read, with or without success."""
        if self._reload_told:
            self._reload_told = False
            self._manager.ready()
