"""What has to be looked at again, and the looking: a bounded part of it a turn, so that everything else goes on.

Theory of operation. Events name paths and maps; a set of names makes a thousand events about one of them one look. When
events were lost, everything is looked at, which takes a second for some thousand paths: so that is done in slices,
after those paths that events name meanwhile, which then need no second look. A look at everything must come to its end:
when events are lost meanwhile, the next one begins only afterwards.

In: names. Out: for each turn what is not as it was. It must never wait, nor decide what that means.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from controller.runtime.world import Seen, World
from observers.snapshot import DeviceName, DmUuid

SLICE = 12
"""Paths that are looked at in one turn: some 5 ms, in which no client is answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What came of a turn. `everything`: it ended a look at everything; `listed`: there are other maps than before."""

    paths: tuple[tuple[DeviceName, Seen], ...]
    maps: frozenset[DmUuid]
    listed: bool
    everything: bool


NOTHING = Looked(paths=(), maps=frozenset(), listed=False, everything=False)


class Looking:
    """Remembers what is to be looked at, and looks. `on_defect`: is told of exceptions that nobody foresaw."""

    def __init__(self, world: World, *, on_defect: Callable[[str, BaseException], None]) -> None:
        self._world, self._on_defect = world, on_defect
        self._named: dict[DeviceName, None] = {}
        self._rest: dict[DeviceName, None] = {}
        self._maps: set[DmUuid] = set()
        self._everything = self._list_maps = False

    def at_path(self, name: DeviceName) -> None:
        """Something happened to a block device."""
        self._named[name] = None

    def at_maps(self, uuids: Iterable[DmUuid]) -> None:
        """Something happened to maps."""
        self._maps.update(uuids)

    def for_maps(self) -> None:
        """Maps may have come, gone or been renamed."""
        self._list_maps = True

    def at_everything(self) -> None:
        """Events were lost, or it is the beginning."""
        self._everything = True

    @property
    def pending(self) -> bool:
        """Whether something that was named has not been looked at."""
        return bool(self._named or self._maps or self._everything or self._list_maps or self._rest)

    @property
    def halfway(self) -> bool:
        """Whether a look at everything has begun and not ended."""
        return bool(self._rest)

    def look(self) -> Looked:
        """A turn."""
        if not self.pending:  # as nearly always
            return NOTHING
        begins = self._everything and not self.halfway
        all_of_it = begins or self.halfway
        if begins:
            self._everything, self._list_maps = False, True
        maps, listed = self._look_at_maps()
        if begins:
            self._rest = dict.fromkeys(self._world.survey())
        paths = tuple(self._paths())
        return Looked(paths=paths, maps=maps, listed=listed, everything=all_of_it and not self.halfway)

    def _paths(self) -> Iterator[tuple[DeviceName, Seen]]:
        """Those that were named in any case, and of the rest those that are not as they were. The very first look is
        at all of them: nobody is served yet, and no map can be decided on before."""
        most = SLICE if self._world.names else len(self._rest)
        named = dict.fromkeys(islice(self._named, SLICE))
        rest = [name for name in self._rest if name not in named][: max(0, most - len(named))]
        for name in (*named, *rest):
            self._named.pop(name, None)
            self._rest.pop(name, None)
            seen = self._seen(name)
            if seen is not None and (name in named or seen is not Seen.SAME):
                yield name, seen

    def _seen(self, name: DeviceName) -> Seen | None:
        try:
            return self._world.refresh_path(name)
        except Exception as error:  # noqa: BLE001 - a defect that one path meets must not stop the others
            self._on_defect(f"looking at {name}", error)
            return None

    def _look_at_maps(self) -> tuple[frozenset[DmUuid], bool]:
        uuids, self._maps = self._maps, set()
        if not self._list_maps:
            return self._world.refresh_maps(uuids) if uuids else frozenset(), False
        self._list_maps = False
        before = set(self._world.maps)
        changed = self._world.refresh_maps()
        return changed, before != set(self._world.maps)
