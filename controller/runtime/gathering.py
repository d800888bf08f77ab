"""Maps that wait until all their paths have said how good they are.

Theory of operation. When an array moves a unit to its other controller, all paths of the map become better or worse,
but each check learns that of its own path alone. To decide at the first of them would be to load tables for a grouping
that never was; worse, by switching to a group that was on its way down, to have an array with explicit ALUA move again.
So the other paths are asked at once, and the map waits until they have answered, for a moment at most. Nothing else
waits: a path that fails is failed at once.

In: names of maps and paths, the time. Out: which maps wait, and until when. It must never keep a map for longer than
`PATIENCE`.
"""

from collections.abc import Collection, Iterable

from observers.snapshot import DeviceName, Wwid

PATIENCE = 1.0
"""Seconds that paths get for their answers. One that is silent for so long is not about to tell of a better way."""


class Gathering:
    """All maps that wait."""

    def __init__(self) -> None:
        self._until: dict[Wwid, float] = {}
        self._silent: dict[Wwid, set[DeviceName]] = {}

    def begin(self, wwid: Wwid, others: Iterable[DeviceName], *, now: float) -> None:
        """A path of a map is not as good as it was, or better. `others`: the paths that are being asked now."""
        self._until[wwid] = now + PATIENCE
        self._silent[wwid] = set(others)

    @property
    def maps(self) -> Collection[Wwid]:
        """The maps that wait."""
        return self._until.keys()

    def end(self, wwid: Wwid) -> None:
        """Something happened that cannot wait."""
        self._until.pop(wwid, None)
        self._silent.pop(wwid, None)

    def answered(self, name: DeviceName) -> None:
        """A path was checked."""
        for names in self._silent.values():
            names.discard(name)

    def due(self) -> float | None:
        """When the next map has waited long enough; None: no map waits."""
        if any(not names for names in self._silent.values()):
            return 0.0
        return min(self._until.values(), default=None)

    def over(self, now: float) -> list[Wwid]:
        """The maps that have waited long enough; they wait no more."""
        ended = [wwid for wwid, until in self._until.items() if until <= now or not self._silent[wwid]]
        for wwid in ended:
            self.end(wwid)
        return ended
