"""What each path is asked, and what of its answers the next questions depend on.

Theory of operation. A device that is new is asked everything (it is a *stranger*), for by whom it is checked may depend
on what it says of itself; once it has said who it is, it is asked again only what can change. What a checker found that
concerns the unit, not the path (a snapshot that is not active), is handed to the checks of all paths of the map.

In: a configuration, paths, findings. Out: what to ask, dialogues. It must never ask.
"""

from collections.abc import Callable

from controller.runtime.check_dialogues import Finding, Told, check_again, first_check
from observers.asking import Dialogue
from observers.changing import changed
from observers.checkers import Recollection, Task
from observers.checkers.judging import NOTHING
from observers.probe import Probe, Probing
from observers.snapshot import DeviceName, Path, Wwid


def _nothing(_: Path) -> Probe | None:
    return None


class Questions:
    """Of all paths of a host. `clock`: monotonic seconds; `map_of`: the map that a path belongs to."""

    def __init__(self, clock: Callable[[], float], map_of: Callable[[DeviceName], Wwid | None]) -> None:
        self._clock, self._map_of = clock, map_of
        self._probing: Probing = _nothing
        self._probes: dict[DeviceName, Probe | None] = {}
        self._recollections: dict[DeviceName, Recollection] = {}
        self._given: dict[DeviceName, Recollection] = {}
        self._inactive: set[Wwid] = set()
        """The units of which the last path that could tell said that they are snapshots that are not active."""
        self._strangers: set[DeviceName] = set()

    def choose_by(self, probing: Probing) -> None:
        """What to ask is chosen anew, and in another way."""
        self._probing = probing
        self._probes.clear()

    def choose_anew(self, name: DeviceName) -> None:
        """A path's facts have changed."""
        self._probes.pop(name, None)

    def new(self, name: DeviceName) -> None:
        """A device that was asked nothing yet."""
        self.forget(name)
        self._strangers.add(name)

    def forget(self, name: DeviceName) -> None:
        """A path is gone."""
        self._strangers.discard(name)
        self._probes.pop(name, None)
        self._recollections.pop(name, None)
        self._given.pop(name, None)

    def probe(self, path: Path) -> Probe | None:
        """What a path is asked; None: nothing."""
        if path.name not in self._probes:
            self._probes[path.name] = self._probing(path)
        return self._probes[path.name]

    def introduces(self, name: DeviceName) -> bool:
        """Whether a path's next dialogue asks everything."""
        return name in self._strangers

    def recollection(self, name: DeviceName) -> Recollection:
        """What the checker wants to be handed back."""
        own, unit = self._recollections.get(name, NOTHING), self._map_of(name)
        return own if unit is None else changed(own, inactive_snapshot=unit in self._inactive)

    def dialogue(self, path: Path, probe: Probe) -> Dialogue[Finding]:
        """A check of a path."""
        given = self._given[path.name] = self.recollection(path.name)
        task = Task(timeout=probe.checker_timeout, clock=self._clock, recollection=given)
        if self.introduces(path.name):
            return first_check(path, probe, task, self._probing)
        return check_again(path, probe, task)

    def answered(self, name: DeviceName, finding: Finding, *, introduced: bool) -> None:
        """A path has answered. `introduced`: it was asked everything; if it did not say who it is, it will be again."""
        given, found, unit = self._given.get(name, NOTHING), finding.recollection, self._map_of(name)
        self._recollections[name] = found
        if unit is not None and found.inactive_snapshot is not given.inactive_snapshot:
            (self._inactive.add if found.inactive_snapshot else self._inactive.discard)(unit)
        told = finding.path
        knows = finding.identity is Told.NOT or told.inquiry_device is not None or told.nvme_identity is not None
        if introduced and knows:
            self._strangers.discard(name)
            self._probes.pop(name, None)
