"""Kernel uevents as values, in the order in which they were sent.

In: what a kernel says. Out: `Uevent` values in a log that only grows. It must never act on one: `udev` does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Uevent:
    """A uevent: its number, when it was sent (monotonic seconds), and its properties in the kernel's order."""

    seqnum: int
    time: float
    action: str
    devpath: str
    subsystem: str
    env: tuple[tuple[str, str], ...] = ()

    @property
    def properties(self) -> Mapping[str, str]:
        """The properties beside action, place and subsystem."""
        return dict(self.env)

    @property
    def name(self) -> str:
        """The device's name in the kernel."""
        return self.devpath.rpartition("/")[2]


class UeventLog:
    """All uevents of a sandbox."""

    def __init__(self) -> None:
        self._sent: list[Uevent] = []

    def add(
        self, action: str, devpath: str, *, time: float, env: tuple[tuple[str, str], ...], subsystem: str = "block"
    ) -> Uevent:
        """Number a new one."""
        event = Uevent(len(self._sent) + 1, time, action, devpath, subsystem, env)
        self._sent.append(event)
        return event

    def __iter__(self) -> Iterator[Uevent]:
        return iter(self._sent)

    def __len__(self) -> int:
        return len(self._sent)

    def of(self, name: str, action: str = "") -> list[Uevent]:
        """Those of one device, maybe of one action only."""
        return [event for event in self._sent if event.name == name and action in ("", event.action)]
