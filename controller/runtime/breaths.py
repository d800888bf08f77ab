"""Time for clients in the midst of something long: a moment at a time, in which nothing is changed.

Theory of operation. The daemon has one thread, and deciding on a thousand maps keeps it busy for some tenths of a
second. So whatever takes long calls a `Breaths` between two pieces of its work, hundreds of times; mostly that looks at
the clock and returns. Every `EVERY` seconds it is a breath: clients that want something are served, never for much
longer than `LONGEST`. However many clients there are, the work gets half of the time: what they were served beyond that
it is owed, and when that is more than `CREDIT` it gets it before anybody is served again. So who asks now and then need
not wait for what was served just before. What they are served is for others to say (`service.py`): in a breath nothing
may be changed.

In: the time. Out: nothing. It must never take an event, nor let a defect of a breath end the work that it is in.
"""

from collections.abc import Callable

EVERY = 0.0005
"""Seconds of work between two breaths, at least."""

LONGEST = 0.005
"""Seconds after which nobody else is served in a breath."""

CREDIT = 0.02
"""Seconds that clients may be ahead of the work."""

Serve = Callable[[float], None]
"""Serves clients until a time (monotonic seconds) at most, or the one that it is serving then."""


class Breaths:
    """`clock`: monotonic seconds. `on_defect`: is told of exceptions that nobody foresaw."""

    def __init__(self, clock: Callable[[], float], *, on_defect: Callable[[str, BaseException], None]) -> None:
        self._clock, self._on_defect = clock, on_defect
        self._serve: Serve | None = None
        self._due = self._over = self._owed = 0.0
        """When the next breath is due and the last one was over (monotonic seconds); the time that the work is owed."""
        self.drawn = False
        """Whether a breath is being drawn right now."""

    def serve_by(self, serve: Serve) -> None:
        """From now on breaths are for these clients."""
        self._serve = serve

    def __call__(self) -> None:
        """This would be a good moment."""
        if self._clock() >= self._due:
            self._breathe()

    def _breathe(self) -> None:
        if self._serve is None or self.drawn:
            return
        began, self.drawn = self._clock(), True
        try:
            self._serve(began + LONGEST)
        except Exception as error:  # noqa: BLE001 - the work that it is in must not end for it
            self._on_defect("clients that were served meanwhile", error)
        finally:
            self.drawn = False
            over = self._clock()
            self._owed = max(0.0, self._owed - (began - self._over)) + over - began
            self._due, self._over = over + max(EVERY, self._owed - CREDIT), over
