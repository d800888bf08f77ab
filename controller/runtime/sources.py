"""Where the daemon's events come from, as the service is handed them.

In: whoever opens sources. Out: values. They must never be read but by the loop.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol


class Source(Protocol):
    """Something that tells of events."""

    def fileno(self) -> int:
        """A descriptor that is readable when there are some."""

    def read(self) -> list[Any]:
        """Those that are there."""


def nothing() -> None:
    """There is no such source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where events come from; None: the kernel has no such. `md`: opens what is readable when md arrays changed, which
    may be there only later, as md is a module."""

    uevents: Source
    md: Callable[[], Source | None] = nothing
    dm: Source | None = None
    transports: tuple[Source, ...] = ()
