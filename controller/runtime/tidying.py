"""When garbage is collected: not in the midst of something, but in a quiet moment.

Theory of operation. Values of the daemon hardly ever form cycles, and those that don't are gone as soon as nobody has
them. To look for those that do, Python stops whenever enough values were made, and looks at more of them the longer
it has not: at a thousand paths for 0.1 s, while clients wait. So that is turned off (`resident.prepare`), and done here
every `EVERY` seconds when nobody has asked for a while; or between two turns when `MANY` values came to stay: memory is
bounded, whatever happens.

In: when somebody asked. Out: garbage collected. It must never collect where Python itself does.
"""

import gc
from collections.abc import Callable

EVERY = 600.0
"""Seconds from one collection to the next, about."""

QUIET, LATEST = 2.0, 60.0
"""Seconds for which nobody should have asked; and after which it is done though somebody does."""

MANY = 500_000
"""Values that are there and were not after the last collection: about 50 MiB. The first state of some thousand paths is
fewer."""


class Tidying:
    """`clock`: monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last = clock()
        self._asked_at = 0.0

    def asked(self, now: float) -> None:
        """Somebody asked something."""
        self._asked_at = now

    def due(self) -> float | None:
        """When to collect next, a time that is over: at once; None: Python does it."""
        if gc.isenabled():
            return None
        at = self._last + EVERY
        if gc.get_count()[0] >= MANY:
            return 0.0
        return min(max(at, self._asked_at + QUIET), at + LATEST)

    def turn(self, _now: float) -> None:
        """Collect. The time that it takes does not count."""
        gc.collect()
        self._last = self._clock()
