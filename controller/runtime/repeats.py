"""Steps that are done again and again without lasting effect, and the end of it.

Theory of operation. What was done and is wanted again at once would be done for ever, if the kernel takes a step and
has no effect. So the steps of each map are counted while they are the same ones, done one time directly after the
other; after `REPEATS` times they are not tried any more for now.

In: the plans of maps, before and after they are done. Out: which of them are stuck. It must never do a step.
"""

from collections.abc import Collection, Iterable

from actuators.steps import Step
from controller.reconcile.plan import MapPlan
from observers.snapshot import Wwid

REPEATS = 3
"""How often the same steps may have been done, one time directly after the other, without being enough."""


class Repeats:
    """Counts of all maps."""

    def __init__(self) -> None:
        self._counts: dict[Wwid, tuple[tuple[Step, ...], int]] = {}

    def stuck(self, plan: MapPlan) -> bool:
        """Whether a map's steps were done so often that they are held; they are counted anew from then on."""
        steps, count = self._counts.get(plan.wwid, ((), 0))
        if steps != plan.steps or count < REPEATS:
            return False
        del self._counts[plan.wwid]
        return True

    def count(self, plans: Iterable[MapPlan]) -> None:
        """These were done."""
        for each in plans:
            steps, count = self._counts.get(each.wwid, ((), 0))
            self._counts[each.wwid] = each.steps, count + 1 if steps == each.steps else 1

    def settled(self, wwid: Wwid) -> None:
        """Nothing is left to do for a map."""
        self._counts.pop(wwid, None)

    def keep(self, wwids: Collection[Wwid]) -> None:
        """Forget all other maps: they are gone."""
        self._counts = {wwid: each for wwid, each in self._counts.items() if wwid in wwids}

    def __len__(self) -> int:
        return len(self._counts)
