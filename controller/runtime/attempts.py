"""What came of loading a map's table while somebody waits for it.

Theory of operation. A load that the kernel refused is held for a while, and one that somebody ordered is not wanted any
more when it was tried: the map is at rest as after a load that was done. So whoever has to say what came of it listens.

In: steps that were tried, with their outcomes. Out: whether a map's table was loaded. It must never keep what nobody
waits for any more: an attempt is forgotten with the last who has it.
"""

from weakref import WeakSet

from actuators.steps import CreateMap, Lost, Outcome, Refused, ReloadMap, Step
from controller.reconcile.memory import subject
from controller.runtime.applying import Outcomes
from observers.snapshot import Wwid


class Attempt:
    """To load one map's table. `loaded`: whether the last load was done; None: there was none so far."""

    def __init__(self, wwid: Wwid) -> None:
        self._wwid = wwid
        self.loaded: bool | None = None

    def note(self, step: Step, outcome: Outcome) -> None:
        """A step was tried."""
        if isinstance(step, ReloadMap | CreateMap) and subject(step) == self._wwid:
            self.loaded = not isinstance(outcome, Refused | Lost)


class Attempts:
    """All that somebody waits for."""

    def __init__(self) -> None:
        self._watched: WeakSet[Attempt] = WeakSet()

    def watch(self, wwid: Wwid) -> Attempt:
        """What comes of it from now on."""
        attempt = Attempt(wwid)
        self._watched.add(attempt)
        return attempt

    def note(self, outcomes: Outcomes) -> None:
        """Steps were tried."""
        for attempt in self._watched:
            for step, outcome in outcomes:
                attempt.note(step, outcome)
