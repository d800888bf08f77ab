"""Which paths the kernel uses, by its own word, and which it has stopped using.

In: maps as they were seen. Out: numbers of paths. It must never take a path for stopped that was not in use before: one
that is failed for a while is kept so on purpose.
"""

from observers.dmtable import DevT
from observers.snapshot import Map


class KernelUse:
    """What device-mapper said of each path when its map was last seen."""

    def __init__(self) -> None:
        self._active: dict[DevT, bool] = {}

    def stopped(self, live: Map) -> list[DevT]:
        """The paths of a map that were active, and are failed."""
        if live.status is None or live.suspended:
            return []
        stopped = []
        for each in live.status.paths:
            before, self._active[each.dev] = self._active.get(each.dev), each.active
            if before and not each.active:
                stopped.append(each.dev)
        return stopped

    def forget(self, dev: DevT) -> None:
        """A path is gone."""
        self._active.pop(dev, None)
