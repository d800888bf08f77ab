"""The maps' memories brought up to now, and what that means for the table that each should have.

Theory of operation. Only who stays to watch over the maps can promise them an end of waiting, so without a resident
nothing here happens. With one, every map that is desired, or was, has a `MapMemory`. A map whose retry clock has run
out, or whose queueing an operator switched off, must not queue: the word goes out of the desired table here, and the
planner finds the difference like any other. A path that is held back after errors is checked at once when its map has
no other that works, for then it is given back.

In: the view. Out: the view with newer memories and tables. Pure; it must never make a step, but for those with which a
daemon takes its leave.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from actuators.steps import MapRef, SetQueueing
from controller.reconcile import reservations, waiting
from controller.reconcile.beliefs import PathFacts, facts
from controller.reconcile.health import PathMemory, look_now
from controller.reconcile.order import Part, Phase
from controller.reconcile.plan import Memory
from controller.reconcile.view import READY, View, incomplete
from controller.reconcile.waiting import MapMemory
from desired.care import MapCare
from desired.features import QUEUE
from desired.model import Desired, DesiredMap
from observers.breathing import Breathe, breathing, without_pause
from observers.dmtable import DevT
from observers.snapshot import Map, PathState, Snapshot, Wwid


def tended(view: View, breathe: Breathe = without_pause) -> View:
    """The view as of now; without a resident as it is."""
    if not view.memory.resident or view.blind:
        return view
    maps, paths = dict(view.memory.maps), dict(view.memory.paths)
    for wwid in breathing(dict.fromkeys((*view.live, *view.wanted)), breathe):
        care = _care(view, wwid)
        if care is not None:
            maps[wwid] = _tend(view, wwid, maps.get(wwid, MapMemory()), care, paths)
    wanted = {wwid: _silent(each, maps[wwid]) for wwid, each in view.wanted.items()}
    return replace(view, wanted=wanted, memory=replace(view.memory, maps=maps, paths=paths))


def _care(view: View, wwid: Wwid) -> MapCare | None:
    """How a map is watched over; a map that is not desired any more as when it last was."""
    wanted, memory = view.wanted.get(wwid), view.memory.maps.get(wwid)
    return wanted.care if wanted is not None else memory.care if memory is not None else None


def _tend(
    view: View, wwid: Wwid, memory: MapMemory, care: MapCare, paths: dict[DevT, PathMemory]
) -> MapMemory:  # fmt: skip
    live, wanted = view.live.get(wwid), view.wanted.get(wwid)
    if live is None:
        return MapMemory(care=care, disabled=memory.disabled, standby=wanted is not None and standby(wanted))
    if live.table is None or live.suspended or incomplete(view, live):
        return replace(memory, care=care)
    known = facts(view, live, wanted)
    working = any(known[dev].takes_io for dev in live.table.devices)
    if not working:
        _give_back_early(view, known, paths)
    looked = READY in live.udev or not view.udev_rules
    if memory.udev_until is not None and (looked or view.now >= memory.udev_until):
        memory = replace(memory, udev_until=None)
    reservation = reservations.as_of_now(view, wanted, known, memory.reservation)
    if reservation is not memory.reservation:
        memory = replace(memory, reservation=reservation)
    return waiting.tend(memory, care, working=working, queues=live.table.queues, now=view.now)


def standby(wanted: DesiredMap) -> bool:
    """Whether only standby paths lead to a map."""
    states = {member.state for member in wanted.members}
    return PathState.GHOST in states and PathState.UP not in states


def _give_back_early(view: View, known: Mapping[DevT, PathFacts], paths: dict[DevT, PathMemory]) -> None:
    for dev in known:
        memory = paths.get(dev)
        if memory is not None and memory.state is PathState.DELAYED:
            paths[dev] = look_now(memory, now=view.now)


def _silent(wanted: DesiredMap, memory: MapMemory) -> DesiredMap:
    if not memory.silenced or not wanted.table.queues:
        return wanted
    features = tuple(word for word in wanted.table.features if word != QUEUE)
    return replace(wanted, table=replace(wanted.table, features=features))


def told(view: View, live: Map) -> list[Part]:
    """What becomes of I/O while no path works, in words, and when that changes."""
    memory, wanted = view.memory.maps.get(live.wwid), view.wanted.get(live.wwid)
    if memory is None:
        return []
    quiet = awaits_active(view, wanted) if wanted is not None else None
    if quiet is not None:
        reason = f"only standby paths lead to it: udev is kept from probing it, for {quiet - view.now:.0f} s at most"
        return [Part(phase=Phase.TALK, reasons=(reason,), wake_at=quiet)]
    if memory.pathless_since is None and not memory.disabled:
        return []
    left = waiting.remaining(memory, now=view.now)
    if left is not None:
        retry = f"no_path_retry {memory.care.no_path_retry}"
        reason = f"no path works: queueing {left:.0f} s more, then I/O fails ({retry})"
        return [Part(phase=Phase.TALK, reasons=(reason,), wake_at=memory.deadline)]
    return [Part(phase=Phase.TALK, reasons=(_WORDS[waiting.queueing(memory)],))]


_WORDS = {
    "disabled": "I/O fails when no path works: queueing was switched off by command, until it is restored",
    "expired": "no path works, and the time to wait for one is over: I/O fails until a path works again",
    "fail": "no path works: I/O fails (no_path_retry fail)",
    "queue": "no path works: I/O waits until one does (no_path_retry queue)",
    "undefined": "no path works: what becomes of I/O is left as it is (no_path_retry is not set)",
    "retry": "no path works",
}


def silence(view: View, live: Map) -> list[Part]:
    """For a map that nobody desires any more: its queueing ends all the same."""
    memory = view.memory.maps.get(live.wwid)
    if memory is None or live.table is None:
        return []
    if not (memory.silenced and live.table.queues):
        return told(view, live)
    step = SetQueueing(map=MapRef(live.uuid, live.name), queue=False)
    reason = "its queueing ends: " + _WORDS[waiting.queueing(memory)]
    return [Part(phase=Phase.QUEUE, action="queueing", steps=(step,), reasons=(reason,))]


def awaits_udev(view: View, live: Map) -> float | None:
    """Until when a new map's table waits for udev's first look; None: it does not."""
    memory = view.memory.maps.get(live.wwid)
    return memory.udev_until if memory is not None else None


def awaits_active(view: View, wanted: DesiredMap) -> float | None:
    """Until when udev is kept from probing a map that only standby paths lead to; None: it may probe it."""
    memory = view.memory.maps.get(wanted.wwid)
    if memory is None or not standby(wanted):
        return None
    if wanted.wwid not in view.live:
        return view.now + wanted.care.ghost_delay if wanted.care.ghost_delay else None
    return memory.ghost_until if memory.ghost_until is not None and view.now < memory.ghost_until else None


def waited_for_active(view: View, wanted: DesiredMap) -> bool:
    """Whether udev was kept from probing a map, and need not be any longer."""
    memory = view.memory.maps.get(wanted.wwid)
    return memory is not None and memory.ghost_until is not None and awaits_active(view, wanted) is None


def disable_queueing(memory: Memory, wwids: Iterable[Wwid], *, now: float) -> Memory:
    """Queueing switched off by command for these maps."""
    changed = {wwid: waiting.disabled(memory.maps.get(wwid, MapMemory()), now=now) for wwid in wwids}
    return replace(memory, maps={**memory.maps, **changed})


def restore_queueing(memory: Memory, wwids: Iterable[Wwid]) -> Memory:
    """Queueing as configured again for these maps."""
    changed = {wwid: waiting.restored(memory.maps[wwid]) for wwid in wwids if wwid in memory.maps}
    return replace(memory, maps={**memory.maps, **changed})


def configured(memory: Memory, breathe: Breathe = without_pause) -> Memory:
    """The memory when the configuration was read again."""
    maps = breathing(memory.maps.items(), breathe)
    return replace(memory, maps={wwid: waiting.settled(reservations.configured(each)) for wwid, each in maps})


def asked_for(memory: Memory, wwid: Wwid) -> Memory:
    """The memory when a map is there that a client wanted: to him it is not new."""
    maps = {each: waiting.settled(known) if each == wwid else known for each, known in memory.maps.items()}
    return replace(memory, maps=maps)


def at_exit(snapshot: Snapshot, desired: Desired, memory: Memory) -> tuple[SetQueueing, ...]:
    """What a daemon does when it leaves: nobody will end the queueing of its maps, so it ends now, unless that is
    wanted (queue_without_daemon, or by command)."""
    if memory.force_queueing:
        return ()
    cares = {wwid: each.care for wwid, each in memory.maps.items()} | {each.wwid: each.care for each in desired.maps}
    return tuple(
        SetQueueing(map=MapRef(live.uuid, live.name), queue=False)
        for live in snapshot.maps
        if live.table is not None and live.table.queues and not live.suspended and not _may_queue(cares.get(live.wwid))
    )


def _may_queue(care: MapCare | None) -> bool:
    return care is not None and care.queue_without_daemon
