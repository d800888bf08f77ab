"""Maps that nothing on the host asks for: remove them, or say why they stay; and take it back when they are wanted.

Theory of operation. A map goes only when nobody has it open. A partition's device on top of it (kpartx makes them, UUID
`partN-mpath-WWID`) has it open and is not ours to remove. Removing a map that queues and has no path would wait for
I/O that can't finish, so queueing ends first.

In: the view and the map. Out: parts. It must never remove a map that the desired state wants kept.
"""

from actuators.steps import CancelRemoval, MapRef, RemoveMap, SetQueueing
from controller.reconcile.failback import Facts
from controller.reconcile.order import Part, Phase
from controller.reconcile.tables import BASE_FLAGS
from controller.reconcile.view import View
from desired.model import Admission, Verdict
from desired.values import FlushOnLastDel
from observers.snapshot import DmDevice, Map


def remove(view: View, live: Map, facts: Facts) -> list[Part]:
    """The parts for a map without a desired map. `facts`: of its paths; those of another unit are failed first."""
    kept = view.desired.keep.get(live.wwid)
    if kept is not None:
        return [Part(phase=Phase.TALK, reasons=(f"left alone: {kept}",))]
    pathless = _pathless(view, live)
    flushed = _last_path_gone(view, live, pathless)
    if flushed is not None:
        return flushed
    if live.open_count:
        reason = f"{pathless}, but it is in use {_users(view, live)}: it stays"
        return [Part(phase=Phase.TALK, reasons=(reason,), held=True)]
    ref, why = MapRef(live.uuid, live.name), f"{pathless}, and nobody has it open"
    gone = RemoveMap(map=ref, udev=BASE_FLAGS)
    if not _would_wait(live, facts):
        return [Part(phase=Phase.REMOVE, action="remove", steps=(gone,), reasons=(why,))]
    drain = "I/O that waits for a path is ended first, or the removal would wait for it"
    steps = (SetQueueing(map=ref, queue=False), gone)
    return [Part(phase=Phase.REMOVE, action="remove", steps=steps, reasons=(why, drain))]


def keep(live: Map) -> list[Part]:
    """The parts for a map with a desired map that the kernel is to remove when it is closed, whoever asked for that."""
    if not live.deferred_remove:
        return []
    step = CancelRemoval(map=MapRef(live.uuid, live.name))
    reason = "it is wanted again, so it is not removed when it is closed"
    return [Part(phase=Phase.KEEP, action="keep", steps=(step,), reasons=(reason,))]


def _last_path_gone(view: View, live: Map, pathless: str) -> list[Part] | None:
    """What flush_on_last_del and deferred_remove say of a map that queues, or is in use; None: nothing special."""
    memory = view.memory.maps.get(live.wwid) if view.memory.resident else None
    queues = live.table is not None and live.table.queues
    if memory is None:
        return None
    flush, ref = memory.care.flush_on_last_del, MapRef(live.uuid, live.name)
    if queues and flush is FlushOnLastDel.NEVER:
        reason = f"{pathless}, but it queues, and flush_on_last_del is never: it stays"
        return [Part(phase=Phase.TALK, reasons=(reason,), held=True)]
    if not live.open_count or (queues and flush is not FlushOnLastDel.ALWAYS):
        return None
    end = (SetQueueing(map=ref, queue=False),) if queues else ()
    if live.deferred_remove:
        reason = f"{pathless}; the kernel removes it when it is closed"
        return [Part(phase=Phase.TALK, action="queueing", steps=end, reasons=(reason,))]
    if memory.care.deferred_remove:
        gone = RemoveMap(map=ref, udev=BASE_FLAGS, deferred=True)
        reason = f"{pathless}: it is removed when it is closed (deferred_remove)"
        return [Part(phase=Phase.REMOVE, action="remove", steps=(*end, gone), reasons=(reason,))]
    if not end:
        return None
    reason = f"{pathless}, and it is in use {_users(view, live)}: its I/O ends (flush_on_last_del always)"
    return [Part(phase=Phase.QUEUE, action="queueing", steps=end, reasons=(reason,))]


def _pathless(view: View, live: Map) -> str:
    """Why it has no path: none is there, or none may be one, by which rule."""
    excluded: dict[str, list[str]] = {}
    for each in view.desired.admissions:
        if each.wwid == live.wwid and each.verdict is not Verdict.ADMITTED:
            excluded.setdefault(_rule(each), []).append(each.name)
    if not excluded:
        return "no path of this host leads to it"
    whose = "; ".join(f"{', '.join(names)}: {rule}" for rule, names in excluded.items())
    return f"none of its paths may be used ({whose})"


def _rule(each: Admission) -> str:
    where = str(each.origin.where)
    return f"{each.reason or each.verdict}{f', {where}' if where and where not in each.reason else ''}"


def _would_wait(live: Map, facts: Facts) -> bool:
    working = any(fact.active and not fact.mismatch for fact in facts.values())
    return live.table is not None and live.table.queues and not working


def _users(view: View, live: Map) -> str:
    """By whom, as far as the kernel tells: mounts and programs leave no name, devices on top do."""
    devices = {f"dm-{each.dev.partition(':')[2]}": each for each in view.snapshot.other_devices}
    holders = ", ".join(_holder(holder, devices.get(holder)) for holder in live.holders)
    count = "once" if live.open_count == 1 else f"{live.open_count} times"
    return f"by {holders}" if holders else f"(opened {count}, by a mount or a program)"


def _holder(name: str, device: DmDevice | None) -> str:
    if device is None:
        return name
    part, _, owner = device.uuid.partition("-")
    if part.startswith("part") and owner.startswith("mpath-"):
        return f"{device.name} (partition {part.removeprefix('part')} of it; kpartx -d removes it)"
    return f"{device.name} ({name})"
