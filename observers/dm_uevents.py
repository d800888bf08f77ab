"""What device-mapper says in uevents of its devices when a path fails or is reinstated, and in which order.

In: uevents. Out: `DmPathEvent`s, and which of them are news. The keys are those of the kernel's documentation of dm
uevents. Pure; a uevent that says something else is none of these.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from observers.dmtable import DevT
from observers.kernel.dm_names import from_kernel
from observers.kernel.uevent import Uevent, number
from observers.snapshot import Alias, DmUuid

_REMEMBERED = 65536
"""Paths of maps whose last number is kept; no host has more at the same time."""


class DmAction(StrEnum):
    """DM_ACTION."""

    PATH_FAILED = "PATH_FAILED"
    PATH_REINSTATED = "PATH_REINSTATED"


@dataclass(frozen=True, slots=True, kw_only=True)
class DmPathEvent:
    """A path of a map failed or was reinstated. `valid_paths`: how many paths were usable then.

    `sequence` numbers such events of one map from 1 on; `device` is the map's name in the kernel with the number that
    tells it from its predecessors of that name (DISKSEQ, which kernels before 5.15 do not give).
    """

    action: DmAction
    map_name: Alias
    map_uuid: DmUuid
    path: DevT
    valid_paths: int
    sequence: int
    device: tuple[str, str]


def dm_path_event(event: Uevent) -> DmPathEvent | None:
    """What a uevent says of a path of a map; None: nothing."""
    told = event.properties
    action, path = told.get("DM_ACTION", ""), told.get("DM_PATH", "")
    sequence, valid = number(told.get("DM_SEQNUM", "")), number(told.get("DM_NR_VALID_PATHS", ""))
    if event.action != "change" or action not in set(DmAction) or sequence is None or valid is None:
        return None
    major, colon, minor = path.partition(":")
    if not colon or number(major) is None or number(minor) is None:
        return None
    return DmPathEvent(
        action=DmAction(action),
        map_name=Alias(from_kernel(told.get("DM_NAME", ""))),
        map_uuid=DmUuid(from_kernel(told.get("DM_UUID", ""))),
        path=DevT(path),
        valid_paths=valid,
        sequence=sequence,
        device=(event.name, told.get("DISKSEQ", "")),
    )


class DmOrder:
    """Which events are news: those after the last that was seen of the same path of the same map.

    The kernel sends the events of one instant the latest first, and others may overtake each other.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[tuple[str, str], DevT], int] = {}

    def news(self, events: Iterable[DmPathEvent]) -> list[DmPathEvent]:
        """Some events, each map's in the order in which they happened, without those that are known or overtaken."""
        found = []
        for event in sorted(events, key=lambda event: event.sequence):
            place = (event.device, event.path)
            last = self._last.pop(place, 0)
            self._last[place] = max(last, event.sequence)  # put at the end: the oldest are dropped first
            if event.sequence > last:
                found.append(event)
        while len(self._last) > _REMEMBERED:
            del self._last[next(iter(self._last))]
        return found

    def forget(self, name: str) -> None:
        """A mapped device (its name in the kernel) was removed: the next of that name counts from 1 again."""
        for place in [place for place in self._last if place[0][0] == name]:
            del self._last[place]


def latest(events: Iterable[DmPathEvent]) -> list[DmPathEvent]:
    """Of events in their order, the last of each path of each map: what it is now, as far as they say."""
    return list({(event.device, event.path): event for event in events}.values())
