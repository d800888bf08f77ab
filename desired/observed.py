"""A snapshot as deriving asks it: maps by WWID, members by device number, and what could not be read.

In: a `Snapshot`. Out: indexes over it. Pure; adds no meaning beyond "which", and must never take a gap for an absence.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from observers.breathing import Breathe, breathing, without_pause
from observers.dmtable import DevT
from observers.snapshot import MPATH_PREFIX, DeviceName, Gap, Map, Path, Snapshot, Wwid

_STATE_FILES = ("/bindings", "/wwids", "/prkeys")
_HOST = "host"
_NO_DEVICES = frozenset({_HOST, "device-mapper"})
"""Subjects of gaps that are neither about a block device nor about a map; those about files are absolute paths."""
_LISTING = "list of block devices"
_IDENTITY = ("VPD page 0x83", "NVMe identity", "INQUIRY", "health", "state")
"""Parts of a device whose gap explains why its identity was not read, the best explanation first."""


@dataclass(frozen=True, slots=True)
class Observed:
    """`members`: the existing map that has a device in its table. `names`: whose each device-mapper name is (None: not
    a multipath map's). `excuses`: why a device did not say who it is. `no_bindings`, `no_configuration`: why those
    files could not be read; empty: they were. `unseen`: why there may be disks that the snapshot does not show."""

    maps: Mapping[Wwid, Map]
    members: Mapping[DevT, Map]
    names: Mapping[str, Wwid | None]
    excuses: Mapping[DeviceName, str]
    no_bindings: str
    no_configuration: str
    unseen: str


def observe(snapshot: Snapshot, breathe: Breathe = without_pause) -> Observed:
    """The indexes over a snapshot."""
    names: dict[str, Wwid | None] = {device.name: None for device in snapshot.other_devices}
    names |= {each.name: each.wwid for each in breathing(snapshot.maps, breathe)}
    members = {dev: each for each in breathing(snapshot.maps, breathe) for dev in _devices(each)}
    files = {gap.subject: gap.reason for gap in snapshot.gaps if gap.subject.startswith("/")}
    return Observed(
        maps={each.wwid: each for each in breathing(snapshot.maps, breathe) if each.uuid.startswith(MPATH_PREFIX)},
        members=members,
        names=names,
        excuses=_excuses(snapshot.gaps),
        no_bindings=next((why for what, why in files.items() if what.endswith("/bindings")), ""),
        no_configuration="; ".join(f"{what}: {why}" for what, why in files.items() if not what.endswith(_STATE_FILES)),
        unseen=_unseen(snapshot, set(names)),
    )


def _devices(live: Map) -> Iterable[DevT]:
    return live.table.devices if live.table is not None else ()


def _excuses(gaps: tuple[Gap, ...]) -> dict[DeviceName, str]:
    ranked = sorted((gap for gap in gaps if gap.what in _IDENTITY), key=lambda gap: _IDENTITY.index(gap.what))
    return {DeviceName(gap.subject): gap.reason for gap in reversed(ranked)}


def _unseen(snapshot: Snapshot, names: set[str]) -> str:
    """Why there may be a disk that is not among the paths: the list could not be read, or a disk on it could not."""
    known = names | {path.name for path in snapshot.paths} | _NO_DEVICES
    for gap in snapshot.gaps:
        if gap.subject == _HOST and gap.what == _LISTING:
            return f"{gap.what}: {gap.reason}"
        if gap.subject not in known and not gap.subject.startswith("/"):
            return f"{gap.subject}: {gap.what}: {gap.reason}"
    return ""


def offline(path: Path) -> str:
    """The kernel's word on a device that takes no commands; empty: it takes them."""
    return "" if path.device_state in ("", "running", "live") else f"device is {path.device_state}"


def remembered(text: str | None) -> frozenset[Wwid]:
    """The WWIDs in the text of the wwids file: what stands between two slashes at the beginning of a line."""
    lines = (line for line in (text or "").split("\n") if line.startswith("/"))
    return frozenset(Wwid(line[1:end]) for line in lines if (end := line.find("/", 1)) > 1)


def existing_order(existing: Map | None) -> Mapping[DevT, int]:
    """The place of each device in the table that is loaded."""
    if existing is None or existing.table is None:
        return {}
    return {dev: place for place, dev in enumerate(existing.table.devices)}
