"""Loading tables again that are as they should be, because somebody asks for it (`multipath -r`).

Theory of operation. A load has side effects that a comparison of tables can't see the need of: udev looks at the map
again, and the kernel's multipath target starts anew, with all its paths active. It is the live table that is loaded,
so nothing is decided here but whether to. The planner's next plan then fails the paths that don't work.

In: a snapshot, what is desired, and whose maps. Out: a plan. It must never load a table without a usable path, nor over
a map that somebody suspended or loaded another table into.
"""

from collections.abc import Collection, Mapping

from actuators.steps import MapRef, ReloadMap, Step, UdevFlags
from controller.reconcile.plan import MapPlan, Plan
from controller.reconcile.tables import udev_flags
from desired.model import Desired, DesiredMap
from observers.dmtable import DevT, MultipathTable, format_table
from observers.snapshot import Map, Path, Snapshot, Wwid

_ACTION = "reload"


def reload_all(snapshot: Snapshot, desired: Desired, *, but: Collection[Wwid] = ()) -> Plan:
    """The loads of all maps that are wanted. `but`: maps whose table has just been loaded."""
    wanted = {each.wwid: each for each in desired.maps}
    paths = {path.dev: path for path in snapshot.paths}
    plans = (_plan(live, wanted[live.wwid], paths) for live in snapshot.maps if live.wwid in wanted)
    return Plan(maps=tuple(each for each in plans if each.wwid not in but))


def _plan(live: Map, wanted: DesiredMap, paths: Mapping[DevT, Path]) -> MapPlan:
    obstacle = _obstacle(live, paths)
    steps: tuple[Step, ...] = ()
    if live.table is not None and not obstacle:
        steps = (_load(live, live.table, wanted),)
    return MapPlan(
        wwid=live.wwid,
        uuid=live.uuid,
        name=live.name,
        action=_ACTION if steps else "held",
        steps=steps,
        reasons=(f"the table is not loaded again: {obstacle}" if obstacle else "somebody asked for it",),
    )


def _obstacle(live: Map, paths: Mapping[DevT, Path]) -> str:
    if live.table is None:
        return "there is none"
    if live.suspended:
        return "somebody suspended the map"
    if live.inactive_table:
        return "somebody loaded another one, which is not in use"
    usable = any(dev in paths and paths[dev].health.state.usable for dev in live.table.devices)
    return "" if usable else "no path is usable"


def _load(live: Map, table: MultipathTable, wanted: DesiredMap) -> ReloadMap:
    text = format_table(table)
    return ReloadMap(
        map=MapRef(live.uuid, live.name),
        size=table.size,
        table=text,
        read_only=live.read_only,
        flush=False,
        expected=text,
        udev=udev_flags(wanted, wanted.members) | UdevFlags.RELOAD,
    )
