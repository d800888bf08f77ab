"""The name of a map: its own, or the one it keeps or gets meanwhile, and why.

Theory of operation. A name belongs to one device. A map that exists keeps its name while its own is somebody else's
(as upstream does); a new one is called by its WWID then. `Limits` says what the planner found out while it put the maps
into an order: that another map keeps the name, or that maps wait for each other's names in a ring. Then one of them
goes to its WWID, which opens the ring; its own name follows in the next cycle.

In: the view, a map, its limits. Out: a part, or a name with its reason. It must never take a name that somebody has.
"""

from dataclasses import dataclass, replace

from actuators.steps import RenameMap, UdevFlags
from controller.reconcile.diff import What
from controller.reconcile.order import Part, Phase, TurnedDown
from controller.reconcile.tables import BASE_FLAGS, Case
from controller.reconcile.view import View
from desired.model import DesiredMap
from observers.dmtable import DevT
from observers.snapshot import Alias


@dataclass(frozen=True, slots=True)
class Limits:
    """What a map can't have in this plan. `withheld`: paths; `name`: why not its name; `park`: others wait for the name
    that it has; `no_park`: its WWID is taken as a name."""

    withheld: frozenset[DevT] = frozenset()
    name: TurnedDown | None = None
    park: bool = False
    no_park: bool = False


UNLIMITED = Limits()


def rename(view: View, case: Case, limits: Limits) -> Part | None:
    """The renaming of a map, or why it keeps its name; None when it has its own."""
    live, new, name = case.live, case.wanted.alias.value, case.live.name
    difference = case.diff.get(What.NAME)
    if difference is None:
        return None
    if new in view.foreign_names:
        return _keeps(name, f"{new} is the name of a device that is not ours")
    if limits.name is None:
        return _renames(case, new, str(difference))
    if not limits.name.ring:
        return _keeps(name, f"{new} is the name of the map of {limits.name.owner}, which keeps it")
    if not limits.park:
        return _keeps(name, f"{new} is free after this plan")
    parked = Alias(live.wwid)
    if limits.no_park:
        return _keeps(name, f"maps exchange their names, and {parked}, its name for the time being, is taken")
    reason = (
        f"name: {name} -> {parked} for the time being: maps exchange their names, and {new} is free only after that"
    )
    return replace(_renames(case, parked, reason), wake_at=view.now)


def _keeps(name: Alias, why: str) -> Part:
    return Part(phase=Phase.NAME, held=True, reasons=(f"the name stays {name}: {why}",))


def _renames(case: Case, new: Alias, reason: str) -> Part:
    flags = BASE_FLAGS | (UdevFlags.NO_KPARTX if case.wanted.skip_kpartx else UdevFlags.NONE)
    step = RenameMap(map=case.ref, new_name=new, udev=flags)
    return Part(phase=Phase.NAME, action="rename", steps=(step,), reasons=(reason,))


def first_name(view: View, wanted: DesiredMap, limits: Limits) -> tuple[Alias | None, str]:
    """The name for a new map: its own, or its WWID when that is taken, or None; and why not its own."""
    name, own = wanted.alias.value, Alias(wanted.wwid)
    if limits.name is None and name not in view.foreign_names:
        return name, ""
    why = f"the name {name} is taken"
    if own == name or limits.no_park or own in view.foreign_names:
        return None, f"{why}, and its WWID is too" if own != name else why
    return own, f"{why}: it is named by its WWID"
