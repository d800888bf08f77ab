"""How each path is watched over, by what was desired of its map when that was last decided on.

In: paths. Out: settings, and what they depend on of the other paths of the map. It must never change anything.
"""

from controller.runtime.deciding import Decider
from controller.runtime.world import World
from desired.care import MapCare, PathCare
from observers.snapshot import Path


class Caring:
    """Settings of care."""

    def __init__(self, world: World, decider: Decider) -> None:
        self._world, self._decider = world, decider

    def of(self, path: Path) -> PathCare:
        """How a path is watched over."""
        return self._of_map(path).path

    def _of_map(self, path: Path) -> MapCare:
        wwid = self._decider.wwid_of(path.name)
        wanted = self._decider.wanted.get(wwid) if wwid is not None else None
        return wanted.care if wanted is not None else self._decider.care

    def accounts(self, path: Path) -> bool:
        """Whether an account of its failures is kept, so that checks depend on those before them."""
        care = self.of(path)
        return care.errors is not None or care.sampling is not None

    def alone(self, path: Path) -> bool:
        """Whether no other path of its map works. Asked only where a path could be held back for its errors."""
        if not self.accounts(path):
            return False
        wwid = self._decider.wwid_of(path.name)
        names = self._decider.names_of(wwid) if wwid is not None else ()
        others = [other for name in names if name != path.name and (other := self._world.path(name)) is not None]
        memories = [self._decider.path_memory(other.dev) for other in others]
        return not any(memory is not None and memory.state.usable for memory in memories)
