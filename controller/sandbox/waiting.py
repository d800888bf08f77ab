"""Waiting for many sources in virtual time: a selector for the daemon's loop when its host is a sandbox.

In: objects with a method `ready`, and a timeout. Out: those that are ready, as `selectors.BaseSelector.select` has
them. The clock goes on from one due instant to the next until one is, so that a loop sees everything at the instant at
which it happens, the same way each time. It must never look at a real descriptor or a real clock.
"""

from collections.abc import Mapping
from selectors import EVENT_READ, SelectorKey
from typing import Any, Protocol

from controller.sandbox.clock import Clock


class Source(Protocol):
    """Something that can be waited for."""

    def fileno(self) -> int:
        """A descriptor, or -1."""

    def ready(self) -> bool:
        """Whether there is something to read."""


class VirtualSelector:
    """As much of a selector as the loop uses."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._keys: dict[Source, SelectorKey] = {}

    def register(self, source: Source, events: int = EVENT_READ, data: Any = None) -> SelectorKey:
        """Wait for a source from now on; only reading is waited for."""
        key = self._keys[source] = SelectorKey(source, source.fileno(), events, data)
        return key

    def unregister(self, source: Source) -> SelectorKey:
        """And no longer (KeyError: it never was)."""
        return self._keys.pop(source)

    def get_map(self) -> Mapping[Source, SelectorKey]:
        """All that is waited for."""
        return self._keys

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """What is ready, at the latest after `timeout` virtual seconds (None: `WouldBlock` when nothing ever will)."""
        self._clock.wait(self._any_ready, what="select", timeout=timeout)
        return [(key, EVENT_READ) for source, key in self._keys.items() if source.ready()]

    def _any_ready(self) -> bool:
        return any(source.ready() for source in self._keys)

    def close(self) -> None:
        """Wait for nothing any more."""
        self._keys.clear()
