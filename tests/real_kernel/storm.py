"""Random failures of paths, as a storm of them: never so that a map has no path left, whatever the daemon does.

In: chance, the hosts and disks of a rig of LIO's, and what `LOOK` shows of the guest. Out: shell that makes something
happen. What fails is decided from what was shown just then: each map keeps a path that is in order by the test's own
books and that device-mapper would use, so that not one request may fail.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

LOOK = r"""
for each in /sys/bus/scsi/devices/*:0:1:*/block/sd*; do
  device=${each%/block/*}
  { read -r number < $each/dev; } 2> /dev/null && echo "disk ${device##*/} $number"
done
dmsetup status --noflush --target multipath
"""


FOUND_BY_SCAN = 0
"""The only disk that may be deleted: tcm_loop's hosts say that they have no other unit, so no scan finds one."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A path: the host that it leads through, and the number of its disk."""

    host: int
    disk: int

    @property
    def directory(self) -> str:
        """Of the kernel's device, while there is one."""
        return f"/sys/bus/scsi/devices/{self.host}:0:1:{self.disk}"


@dataclass(frozen=True, slots=True)
class Sight:
    """What the guest shows: the device numbers of the paths that there are, and those that device-mapper would use."""

    numbers: dict[Place, str]
    used: frozenset[str]

    def usable(self, place: Place) -> bool:
        """Whether device-mapper would use a path."""
        return self.numbers.get(place) in self.used


def seen(text: str) -> Sight:
    """What `LOOK` printed."""
    numbers = {
        Place(int(host), int(disk)): number
        for host, disk, number in re.findall(r"(?m)^disk (\d+):0:1:(\d+) (\d+:\d+)$", text)
    }
    return Sight(numbers, frozenset(re.findall(r" (\d+:\d+) A ", text)))


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that can happen: its shell, and the paths that it takes from their maps."""

    shell: str
    takes: frozenset[Place] = frozenset()
    kind: str = ""
    subject: Place | int = 0


@dataclass(slots=True)
class Storm:
    """What has happened so far. `hosts`: their numbers, in the order of the rig's paths."""

    chance: random.Random
    hosts: list[int]
    disks: int
    offline: set[Place] = field(default_factory=set)
    deleted: set[Place] = field(default_factory=set)
    unplugged: set[int] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def places(self) -> list[Place]:
        """All paths that there should be."""
        return [Place(host, disk) for host in self.hosts for disk in range(self.disks)]

    def happen(self, sight: Sight) -> str:
        """Something, as shell; what it is, is kept in mind. Empty: nothing may happen now."""
        possible = [each for each in self._possible() if self._leaves_a_path(each.takes, sight)]
        kinds = sorted({each.kind for each in possible})
        if not kinds:
            return ""
        kind = self.chance.choice(kinds)
        chosen = self.chance.choice([each for each in possible if each.kind == kind])
        self._keep(chosen)
        return chosen.shell

    def end(self) -> str:
        """Shell that brings everything back."""
        lines = [f"rig-tcm-loop online {self.hosts.index(host) + 1}" for host in sorted(self.unplugged)]
        lines += [f"echo running > {place.directory}/state" for place in sorted(self.offline)]
        lines += [scan(host) for host in sorted({place.host for place in self.deleted})]
        self.offline, self.deleted, self.unplugged = set(), set(), set()
        return "\n".join(lines)

    def _whole(self, place: Place) -> bool:
        return place not in self.offline | self.deleted and place.host not in self.unplugged

    def _leaves_a_path(self, takes: frozenset[Place], sight: Sight) -> bool:
        left = {each.disk for each in self.places if each not in takes and self._whole(each) and sight.usable(each)}
        return not takes or len(left) == self.disks

    def _possible(self) -> Iterator[Happening]:
        for place in self.places:
            yield from self._of_path(place)
        for number, host in enumerate(self.hosts, 1):
            behind = frozenset(Place(host, disk) for disk in range(self.disks))
            if host in self.unplugged:
                yield Happening(f"rig-tcm-loop online {number}", kind="online", subject=host)
                continue
            yield Happening(f"rig-tcm-loop offline {number}", behind, "unplug", host)
            if self.deleted & behind:
                yield Happening(scan(host), kind="scan", subject=host)

    def _of_path(self, place: Place) -> Iterator[Happening]:
        if place in self.deleted:
            return
        if place in self.offline and place.host not in self.unplugged:
            # The kernel then asks the disk for its size, and believes that it has none if it can't be asked.
            yield Happening(f"echo running > {place.directory}/state", kind="running", subject=place)
        if place not in self.offline:
            yield Happening(f"echo offline > {place.directory}/state", frozenset({place}), "offline", place)
        if place.host not in self.unplugged and place.disk == FOUND_BY_SCAN:
            yield Happening(f"echo 1 > {place.directory}/delete", frozenset({place}), "delete", place)

    def _keep(self, chosen: Happening) -> None:
        self.counts[chosen.kind] = self.counts.get(chosen.kind, 0) + 1
        subject = chosen.subject
        if isinstance(subject, Place):
            {"running": self.offline.discard, "offline": self.offline.add, "delete": self.deleted.add}[chosen.kind](
                subject
            )
            if chosen.kind == "delete":
                self.offline.discard(subject)
        elif chosen.kind == "scan":
            self.deleted = {place for place in self.deleted if place.host != subject}
        else:
            {"unplug": self.unplugged.add, "online": self.unplugged.discard}[chosen.kind](subject)


def scan(host: int) -> str:
    """Shell that has a host look for its disks, and waits until those that it found know their sizes."""
    devices = f"/sys/bus/scsi/devices/{host}:0:1:*"
    known = f"[ $(cat {devices}/block/sd*/size | grep -vcx 0) -eq $(ls -d {devices} | wc -l) ]"
    return f"echo - - - > /sys/class/scsi_host/host{host}/scan; until {known} 2> /dev/null; do sleep 0.1; done"
