"""What an administrator ordered by command, and what it means for what is seen and desired until it is taken back.

In: orders, paths, a desired state. Out: paths and desired state as ordered. Pure; an order never outweighs what keeps
data safe, and ends with the daemon.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from desired.model import Desired, DesiredMap
from desired.values import AutoResize
from observers.dmtable import Sectors
from observers.snapshot import DeviceName, Health, Map, Path, PathState, Wwid

BY_COMMAND = "command"
"""Whom the health of a path is from that was failed by command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """`removed_paths`: to be left alone as if they were not there, until added. `removed_maps`: not to be made again,
    until added, or until a path comes that was not there. `failed_paths`: not to be used, until reinstated. `reload`,
    `resize`: maps whose table is to be loaded once more, and that may get the size of their paths; each ends when it
    was done."""

    removed_paths: frozenset[DeviceName] = frozenset()
    removed_maps: frozenset[Wwid] = frozenset()
    failed_paths: frozenset[DeviceName] = frozenset()
    reload: frozenset[Wwid] = frozenset()
    resize: frozenset[Wwid] = frozenset()


NO_ORDERS = Orders()


def seen(path: Path, orders: Orders) -> Path | None:
    """The path as it counts; None: it does not."""
    if path.name in orders.removed_paths:
        return None
    if path.name in orders.failed_paths:
        return replace(path, health=Health(BY_COMMAND, PathState.DOWN, " failed it until it is reinstated"))
    return path


def wanted(desired: Desired, orders: Orders, maps: Iterable[Map], *, auto_resize: AutoResize) -> Desired:
    """The desired state without the maps that were removed, and with the size that each has, unless that may change.

    It may where somebody ordered it (a reconfigure does), or where auto_resize says so and all paths agree.
    """
    sizes = {live.wwid: live.table.size for live in maps if live.table is not None}
    kept = [each for each in desired.maps if each.wwid not in orders.removed_maps]
    return replace(desired, maps=tuple(_sized(each, sizes.get(each.wwid), orders, auto_resize) for each in kept))


def _sized(each: DesiredMap, live: Sectors | None, orders: Orders, auto_resize: AutoResize) -> DesiredMap:
    size = each.table.size
    if live is None or live == size or each.wwid in orders.resize:
        return each
    grows = size > live
    if auto_resize is AutoResize.GROW_SHRINK or (grows and auto_resize is AutoResize.GROW_ONLY):
        return each
    return replace(each, table=replace(each.table, size=live))


def without_device(orders: Orders, name: DeviceName) -> Orders:
    """The orders when the device of this name is gone: they were about it, and not about who gets the name next."""
    return replace(orders, removed_paths=orders.removed_paths - {name}, failed_paths=orders.failed_paths - {name})


def without_map(orders: Orders, wwid: Wwid) -> Orders:
    """The orders when somebody else has removed a map (`dmsetup remove`): what is about to be detached is not to come
    back before its paths do."""
    return replace(orders, removed_maps=orders.removed_maps | {wwid})


def nothing_removed(orders: Orders) -> Orders:
    """The orders when all that there is is looked at anew, as by a reconfigure."""
    return replace(orders, removed_paths=frozenset(), removed_maps=frozenset())


def with_new_paths(orders: Orders, wwids: Iterable[Wwid]) -> Orders:
    """The orders when units have got paths that they had not when their maps were removed: somebody attached them."""
    return replace(orders, removed_maps=orders.removed_maps.difference(wwids))


def fulfilled(orders: Orders, *, reloaded: Iterable[Wwid] = (), sized: Iterable[Wwid] = ()) -> Orders:
    """The orders without what was done."""
    return replace(orders, reload=orders.reload.difference(reloaded), resize=orders.resize.difference(sized))
