"""What the planner looks things up in: one snapshot and one desired state, indexed once.

In: the snapshot, the desired state, the memory and the time. Out: a `View`, and questions about one map that several
decisions ask. It must never decide anything; a question here has an answer, not a step.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from controller.reconcile.plan import Memory
from desired.model import Admission, Desired, DesiredMap, Verdict
from desired.observed import observe
from observers.dmtable import DevT, MultipathStatus, MultipathTable
from observers.snapshot import Alias, DeviceName, Gap, Map, Path, Snapshot, Wwid, dev_key

DM_SUBJECT = "device-mapper"
"""The subject of gaps that concern device-mapper as a whole."""

BLINDING = frozenset({"version", "list of devices"})
"""What must have been read of device-mapper for anything to be known of any map."""

NAMELESS = "UUID of "
"""A gap with these words and a name: a device of that name is there, and nobody knows whose."""

READY = "MPATH_DEVICE_READY"
"""The udev property that 11-dm-mpath.rules sets on every multipath map, to 0 or 1."""

CLAIMED = "DM_MULTIPATH_DEVICE_PATH"
"""The udev property that 56-multipath.rules sets on every disk it looks at, to 0, 1 or 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The snapshot and the desired state by WWID and device number. `blind`: why no map may be touched, or empty.
    `unseen`: why a path that is not in the snapshot may be there all the same, or empty."""

    snapshot: Snapshot
    desired: Desired
    memory: Memory
    now: float
    live: Mapping[Wwid, Map]
    wanted: Mapping[Wwid, DesiredMap]
    paths: Mapping[DevT, Path]
    mismatched: Mapping[DevT, Admission]
    admitted: Mapping[DevT, Admission]
    foreign_names: frozenset[Alias]
    gaps: Mapping[str, Gap]
    unread_tables: Mapping[str, Gap]
    """Of maps whose table or status could not be read or understood, by name."""
    udev_rules: bool
    blind: str
    unseen: str
    purge: DevT | None = None
    """The one path whose device is deleted in this plan, if any."""


def look(snapshot: Snapshot, desired: Desired, *, memory: Memory, now: float) -> View:
    """Index everything that a plan is made from; in what order the snapshot has it does not matter."""
    gaps = sorted(snapshot.gaps, key=_gap_key)
    nameless = (gap.what.removeprefix(NAMELESS) for gap in gaps if gap.what.startswith(NAMELESS))
    return View(
        snapshot=snapshot,
        desired=desired,
        memory=memory,
        now=now,
        live={live.wwid: live for live in snapshot.maps},
        wanted={wanted.wwid: wanted for wanted in desired.maps},
        paths={path.dev: path for path in snapshot.paths},
        mismatched={each.dev: each for each in desired.admissions if each.verdict is Verdict.MISMATCH},
        admitted={each.dev: each for each in desired.admissions if each.verdict is Verdict.ADMITTED},
        foreign_names=frozenset([*(device.name for device in snapshot.other_devices), *map(Alias, nameless)]),
        gaps={gap.subject: gap for gap in gaps},
        unread_tables={gap.subject: gap for gap in gaps if gap.what in _TABLE_GAPS},
        udev_rules=_udev_rules_seen(snapshot),
        blind=_blind(snapshot, gaps),
        unseen=observe(snapshot).unseen if gaps else "",
    )


_TABLE_GAPS = frozenset({"table", "status", "table and status"})
"""What the observer of device-mapper calls the parts without which nothing can be decided."""


def _gap_key(gap: Gap) -> tuple[str, str, str]:
    return gap.subject, gap.what, gap.reason


def _blind(snapshot: Snapshot, gaps: Iterable[Gap]) -> str:
    for gap in gaps:
        if gap.subject == DM_SUBJECT and gap.what in BLINDING:
            return f"the maps of this host could not be read: {gap.what}: {gap.reason}"
    if snapshot.host.dm_version is None:
        return "the kernel has no device-mapper here (load it: modprobe dm_multipath)"
    return ""


def _udev_rules_seen(snapshot: Snapshot) -> bool:
    """Whether udev runs with the multipath rules: only then is a missing READY something that udev will mend."""
    return snapshot.host.udev_running and (
        any(CLAIMED in path.udev for path in snapshot.paths) or any(READY in live.udev for live in snapshot.maps)
    )


def incomplete(view: View, live: Map) -> str:
    """Why too little is known of a map to touch it, or empty.

    A device without a table is complete knowledge (somebody was stopped between making and loading it), unless a gap
    says that its table could not be understood.
    """
    gap = view.unread_tables.get(live.name)
    why = f": {gap.what}: {gap.reason}" if gap else ""
    if live.table is None:
        return f"its table is not known{why}" if gap else ""
    if live.status is None:
        return f"its status is not known{why}"
    if _torn(live.table, live.status):
        return "its table and its status differ in their paths: it is being changed right now"
    return ""


def _torn(table: MultipathTable, status: MultipathStatus) -> bool:
    shapes = ([len(group.paths) for group in each.groups] for each in (table, status))
    return next(shapes) != next(shapes) or [path.dev for path in status.paths] != list(table.devices)


def unreadable(view: View, name: Alias) -> str:
    """Why a map of this name may be there though the snapshot has none: it could not be read. Or empty."""
    gap = view.unread_tables.get(name)
    return f"a map of that name could not be read: {gap.what}: {gap.reason}" if gap else ""


def device_name(view: View, dev: DevT) -> DeviceName:
    """The kernel name of a path, or its number when its device is gone."""
    path = view.paths.get(dev)
    return path.name if path else DeviceName(dev)


def shown(view: View, dev: DevT) -> str:
    """A path for people: `8:48 (sdd)`."""
    path = view.paths.get(dev)
    return f"{dev} ({path.name if path else 'not seen' if view.unseen else 'gone'})"


def sequence(view: View) -> list[Wwid]:
    """All maps: the desired ones in their order, then those that nobody wants, by device number."""
    unwanted = [live for live in view.snapshot.maps if live.wwid not in view.wanted]
    return [*view.wanted, *(live.wwid for live in sorted(unwanted, key=_number))]


def _number(live: Map) -> tuple[int, int]:
    return dev_key(live.dev)


def names_taken(view: View) -> dict[Alias, Wwid | None]:
    """Who has each device-mapper name now: a map of ours, or None for somebody else's device."""
    taken: dict[Alias, Wwid | None] = dict.fromkeys(view.foreign_names)
    taken.update((live.name, live.wwid) for live in view.snapshot.maps)
    return taken
