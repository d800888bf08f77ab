"""What is remembered of a path whose logical unit is no longer mapped, until its device is deleted or comes back.

Theory of operation. Only the checker `tur` can tell that the target knows no such unit (05/25/00), and only its last
conclusive answer counts: whatever else it says next takes the mark away. A try to delete the device that came to
nothing is repeated after a while that doubles each time, `TRIES` times; then only a path that came back, and went
again, is tried anew.

In: answers, tries, the time. Out: the next memory. Pure; must never decide that a path is deleted: see `purge`.
"""

from dataclasses import dataclass, replace

from observers.changing import changed
from observers.snapshot import Health, PathState

TUR = "tur"

TRIES = 6
"""Tries to delete a device, over about five minutes. Those that need more need a person."""

FIRST_WAIT = 10.0
"""Seconds until the second try: two check intervals, so that the checker has confirmed it."""

INCONCLUSIVE = frozenset({PathState.PENDING, PathState.UNCHECKED, PathState.WILD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Purging:
    """`disconnected_since`: since when the checker says so, monotonic; None: it does not. `tries`: that ended, without
    success. `retry_at`: not before. `running`: a try is under way."""

    disconnected_since: float | None = None
    tries: int = 0
    retry_at: float = 0.0
    running: bool = False


NOT_PURGED = Purging()


def answered(purging: Purging, answer: Health, *, now: float) -> Purging:
    """The memory after a checker's answer."""
    if answer.state in INCONCLUSIVE:
        return purging
    if answer.state.usable:
        return changed(NOT_PURGED, running=purging.running)
    if answer.state is not PathState.DISCONNECTED or answer.checker != TUR:
        return changed(purging, disconnected_since=None)
    return purging if purging.disconnected_since is not None else replace(purging, disconnected_since=now)


def started(purging: Purging) -> Purging:
    """The memory while the device is being deleted."""
    return replace(purging, running=True)


def ended(purging: Purging, *, now: float) -> Purging:
    """The memory after a try, whatever came of it: a device that is gone takes its memory with it."""
    tries = purging.tries + 1
    return replace(purging, running=False, tries=tries, retry_at=now + FIRST_WAIT * 2.0 ** (tries - 1))
