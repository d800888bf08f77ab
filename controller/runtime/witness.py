"""Who looks on while the reconciler works: counts for the metrics, and entries for the flight recorder.

In: what was checked, decided and done. Out: nothing to the reconciler, which goes on as if nobody looked. It must never
wait, nor change what it is shown.
"""

from collections.abc import Callable

from controller.reconcile.plan import Memory, Plan
from controller.runtime.applying import Outcomes
from controller.runtime.cycle import Decision
from controller.runtime.metrics import Counts
from controller.runtime.recorder import Ordered, Recorder


class Witness:
    """Of one reconciler. `clock`: monotonic seconds; what `recorder` needs of decisions it is told by the decider."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = 0.0
        self.counts, self.recorder = Counts(), Recorder()
        self.on_outcomes: Callable[[Outcomes], None] = lambda _: None
        """Called with what came of the steps of plans."""

    def checked(self, seconds: float) -> None:
        """A device was asked, which took so long; also one that gave no answer in its time."""
        self.counts.checks.add(seconds)

    def decides(self) -> None:
        """A decision begins."""
        self._began = self._clock()

    def decided(self, decision: Decision) -> None:
        """It is made, and counts."""
        self.counts.cycles.add(self._clock() - self._began)
        self.counts.planned = len(decision.plan.steps)

    def applied(self, plan: Plan, outcomes: Outcomes, *, now: float, memory: Memory) -> None:
        """Steps were tried, after which this is remembered."""
        for _, outcome in outcomes:
            self.counts.outcome(outcome)
        self.on_outcomes(outcomes)
        self.recorder.applied(plan, outcomes, now=now, memory=memory)

    def ordered(self, ordered: Ordered) -> None:
        """A client had something done."""
        self.counts.outcome(ordered.outcome)
        self.recorder.ordered(ordered)

    def held(self, plan: Plan, outcomes: Outcomes, *, now: float, memory: Memory) -> None:
        """Steps were not tried again, since they have no effect."""
        self.recorder.applied(plan, outcomes, now=now, memory=memory)
