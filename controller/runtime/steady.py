"""Checks that find what the one before them found. Nearly all do, so what they cost is most of what a daemon costs.

Theory of operation. What a check comes to depends on what it begins with (the path, its memory, what is to be asked)
and on what the device answers, and on nothing else. So of each path whose last check left everything as it was, that
check is kept. The next one asks the same questions; as long as each answer is the same, byte for byte, everything is as
it was again, and only the time of the check after it is to be found. The first difference, in an answer or in what a
check begins with, makes it a whole check; it loses nothing by that, for the answers that were the same are handed to
it.

What changes in sysfs without any event is looked at as well: a disk's state, which others watch already, and what the
kernel's device handler learnt of a port group, from descriptors that are kept open.

In: finished checks, and what a check would begin with. Out: dialogues. It must never take for equal what it did not
compare, and never decide.
"""

from collections.abc import Callable
from dataclasses import dataclass

from controller.reconcile.health import PathMemory
from controller.runtime.check_dialogues import Finding, once_more, repetition
from observers.asking import Dialogue, Repeat
from observers.checkers import NOTHING, Recollection
from observers.host import WatchHost
from observers.probe import Probe
from observers.snapshot import Bus, DeviceName, Path


@dataclass(slots=True)
class _Kept:
    """What a check began with and what it brought. `repeat`: its questions as one. `handles`: of attributes that have
    to read as `expected`."""

    path: Path
    memory: PathMemory
    probe: Probe
    finding: Finding
    repeat: Repeat | None
    token: object
    handles: tuple[int, ...]
    expected: list[bytes]


class SteadyChecks:
    """The last check of each path that left everything as it was. `watched`: what was last seen of a disk's state, by
    whoever watches it; None: nobody does."""

    def __init__(self, host: WatchHost, watched: Callable[[DeviceName], str | None]) -> None:
        self._host, self._watched = host, watched
        self._kept: dict[DeviceName, _Kept] = {}

    def again(
        self, path: Path, memory: PathMemory, probe: Probe, whole: Callable[[], Dialogue[Finding]], *,
        recollection: Recollection = NOTHING,
    ) -> tuple[Dialogue[Finding], object] | None:  # fmt: skip
        """The dialogue that asks as the last time, and that one's token; None: something is not as it was.

        `whole`: makes the dialogue of a whole check, which its checker begins with this `recollection`.
        """
        kept = self._kept.get(path.name)
        if kept is None:
            return None
        same = kept.path is path and kept.memory is memory and kept.probe is probe
        same = same and kept.finding.recollection == recollection
        if not same or self._watched(path.name) != path.device_state:
            return None
        if kept.handles and self._host.sample_attributes(kept.handles) != kept.expected:
            return None
        return once_more(kept.finding, kept.repeat, whole), kept.token

    def found_the_same(self, finding: object, path: Path, memory: PathMemory) -> bool:
        """Whether a check found what the last one did, and nothing has happened to its path meanwhile."""
        kept = self._kept.get(path.name)
        return kept is not None and kept.finding is finding and kept.path is path and kept.memory is memory

    def goes_on(self, name: DeviceName, memory: PathMemory) -> None:
        """What is remembered of a path after such a check."""
        self._kept[name].memory = memory

    def keep(self, path: Path, memory: PathMemory, probe: Probe, finding: Finding, token: object) -> None:
        """Keep a check that left everything as it was; it ended with this path and this memory."""
        self.forget(path.name)
        handles = self._open(path)
        if handles is not None:
            self._kept[path.name] = _Kept(
                path, memory, probe, finding, repetition(finding), token, handles, _expected(path)
            )  # fmt: skip

    def forget(self, name: DeviceName) -> None:
        """The next check of a path is a whole one."""
        kept = self._kept.pop(name, None)
        if kept is not None:
            self._close(kept)

    def _open(self, path: Path) -> tuple[int, ...] | None:
        """What the device handler says, if there is one; None: it can't be read, and so not be looked at."""
        if not _has_handler(path):
            return ()
        handles: list[int] = []
        try:
            for name in _OF_HANDLER:
                handles.append(self._host.open_attribute(f"{path.sysfs}/device/{name}"))
        except OSError:
            for handle in handles:
                self._host.close_attribute(handle)
            return None
        return tuple(handles)

    def _close(self, kept: _Kept) -> None:
        for handle in kept.handles:
            self._host.close_attribute(handle)


_OF_HANDLER = ("access_state", "preferred_path")


def _has_handler(path: Path) -> bool:
    return path.bus is Bus.SCSI and bool(path.alua.handler)


def _expected(path: Path) -> list[bytes]:
    """How `_OF_HANDLER` reads as long as the path is as it was seen."""
    return [f"{path.alua.access_state}\n".encode(), b"1\n" if path.alua.preferred else b"0\n"]
