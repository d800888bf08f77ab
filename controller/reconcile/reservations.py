"""Which paths of a map have to be registered for its persistent reservation now.

Theory of operation. See `reservation_memory`. A path is registered before the table that it enters is loaded and before
it is reinstated, for I/O through a path that the target does not know fails with a reservation conflict, which is no
path error: dm hands it on to whoever uses the map. If registering is refused the path is used all the same, as with
multipathd, and it is tried again later.

Only paths whose identity was read in their present epoch are registered: the command changes what the unit behind them
allows. Only who stays does any of this.

In: the view, a map, the facts of its paths. Out: parts of the plan, or the memory as of now. Pure.
"""

from collections.abc import Mapping
from dataclasses import replace

from actuators.steps import MapRef, RegisterKey
from controller.reconcile.beliefs import PathFacts
from controller.reconcile.order import Part, Phase
from controller.reconcile.plan import Memory
from controller.reconcile.reservation_memory import Reservation, Status, asked_anew, forgotten, unregistered
from controller.reconcile.view import View, device_name, shown
from controller.reconcile.waiting import MapMemory
from desired.model import DesiredMap
from desired.reservations import FROM_FILE, KEYWORD
from desired.values import ReservationKey
from observers.dmtable import DevT
from observers.snapshot import Bus, Map, Wwid

_FILE = "/prkeys"


def as_of_now(
    view: View, wanted: DesiredMap | None, known: Mapping[DevT, PathFacts], memory: Reservation
) -> Reservation:
    """What is known of a map that exists. Without a key nothing can be registered; a key that could not be read may be
    there all the same."""
    memory = forgotten(memory, memory.settled.keys() - view.memory.paths.keys())
    if wanted is None or memory.status is Status.UNSET:
        return memory
    devs = _to_settle(view, known, memory)
    if _key(wanted) is None and not _unread(view, wanted) and (memory.status is Status.UNKNOWN or devs):
        return unregistered(memory, _epochs(view, known))
    if any(view.paths[dev].bus is not Bus.SCSI for dev in devs):
        return unregistered(memory, _epochs(view, known))
    return memory


def _key(wanted: DesiredMap) -> ReservationKey | None:
    found = wanted.reservation_key
    return found if found is not None and found.key else None


def _unread(view: View, wanted: DesiredMap) -> bool:
    configured = wanted.properties.get(KEYWORD)
    from_file = configured is not None and configured.value == FROM_FILE
    return from_file and any(subject.endswith(_FILE) for subject in view.gaps)


def _epochs(view: View, known: Mapping[DevT, PathFacts]) -> dict[DevT, int]:
    memories = {dev: view.memory.paths.get(dev) for dev in known}
    return {dev: memory.identity.epoch for dev, memory in memories.items() if memory is not None}


def _to_settle(view: View, known: Mapping[DevT, PathFacts], memory: Reservation) -> list[DevT]:
    """The usable paths that were not dealt with in their present epoch, those first that somebody calls registered."""
    epochs = _epochs(view, known)
    found = [
        dev
        for dev, fact in known.items()
        if fact.member and fact.usable and not fact.due and dev in view.paths and dev in epochs
        and memory.settled.get(dev) != epochs[dev]
    ]  # fmt: skip
    return sorted(found, key=lambda dev: dev not in memory.claimed)


def parts(view: View, live: Map, wanted: DesiredMap, known: Mapping[DevT, PathFacts]) -> list[Part]:
    """The registrations to make, or to take away."""
    kept = view.memory.maps.get(live.wwid)
    if kept is None or (kept.reservation.status is Status.UNSET and not kept.reservation.ever):
        return []
    memory, key, epochs = kept.reservation, _key(wanted), _epochs(view, known)
    found = []
    for dev in _to_settle(view, known, memory):
        step = RegisterKey(
            map=MapRef(live.uuid, live.name), dev=dev, name=device_name(view, dev), key=0, epoch=epochs[dev]
        )
        if memory.status is Status.UNSET:
            found.append(
                _part(step, f"{shown(view, dev)} came back: its registration is taken away, for the key is unset")
            )
        elif key is not None and key.key is not None:
            found.append(_part(_register(step, key.key, key, memory), _why(view, dev, memory)))
    return found


def _register(step: RegisterKey, key: int, whole: ReservationKey, memory: Reservation) -> RegisterKey:
    return replace(
        step, key=key, former=memory.former, aptpl=whole.aptpl, clear=memory.ever,
        enough=len(memory.claimed) if step.dev in memory.claimed else 0, ask_holder=memory.held is Status.UNKNOWN,
    )  # fmt: skip


def _why(view: View, dev: DevT, memory: Reservation) -> str:
    if memory.status is Status.UNKNOWN:
        return f"asks through {shown(view, dev)} whether the reservation key is registered"
    return f"registers {shown(view, dev)} under the reservation key, before it is used"


def _part(step: RegisterKey, reason: str) -> Part:
    return Part(phase=Phase.RESERVE, action="register", steps=(step,), reasons=(reason,))


def without_device(memory: Memory, dev: DevT) -> Memory:
    """The memory when another device has a number."""
    changed = {
        wwid: replace(each, reservation=forgotten(each.reservation, [dev]))
        for wwid, each in memory.maps.items()
        if dev in each.reservation.settled
    }
    return replace(memory, maps={**memory.maps, **changed}) if changed else memory


def configured(memory: MapMemory) -> MapMemory:
    """The memory of a map when the configuration was read again."""
    reservation = asked_anew(memory.reservation)
    return memory if reservation is memory.reservation else replace(memory, reservation=reservation)


def epochs_of(memory: Memory, devs: Mapping[DevT, object] | frozenset[DevT]) -> dict[DevT, int]:
    """The present epochs of paths."""
    return {dev: memory.paths[dev].identity.epoch for dev in devs if dev in memory.paths}


def with_reservation(memory: Memory, wwid: Wwid, reservation: Reservation) -> Memory:
    """The memory with another one of a map's reservation."""
    kept = memory.maps.get(wwid, MapMemory())
    return replace(memory, maps={**memory.maps, wwid: replace(kept, reservation=reservation)})
