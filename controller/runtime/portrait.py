"""The `State` that replies are made of, out of what the daemon knows; made when somebody asks and something changed.

In: world, decisions, memories. Out: a `State`. Nothing is read and nobody is waited for: a reply shows what was known
when the last event, answer or step came in, and says how old that is.
"""

from dataclasses import replace
from typing import Any

from controller.protocol.state import (
    Counters,
    DaemonLine,
    MapLine,
    OtherDevice,
    PathLine,
    Reservation,
    State,
)
from controller.reconcile import waiting
from controller.reconcile.health import PathMemory
from controller.reconcile.plan import Memory
from controller.reconcile.reservation_memory import Status
from controller.reconcile.waiting import MapMemory
from controller.runtime.deciding import Decider
from controller.runtime.world import World
from desired.model import Desired, DesiredMap, FailbackMode
from observers.identity_3par import PAGE, volume_name
from observers.snapshot import DeviceName, Path, Snapshot, Wwid


class Portraitist:
    """Makes states, and keeps the last until something changes."""

    def __init__(self, world: World, decider: Decider) -> None:
        self._world, self._decider = world, decider
        self._key: tuple[object, ...] = ()
        """What the last state was made of; the values themselves, as a number of one that is gone may come again."""
        self._state: State | None = None

    def state(self, daemon: DaemonLine, *, now: float) -> State:
        """The world as it is known now."""
        key = (self._world.generation, self._decider.memory, self._decider.config)
        if self._state is None or any(one is not other for one, other in zip(key, self._key, strict=True)):
            self._state, self._key = self._made(daemon, now), key
        return replace(self._state, daemon=daemon, now=now)

    def _made(self, daemon: DaemonLine, now: float) -> State:
        decider = self._decider
        snapshot = self._world.snapshot(decider.settle)
        desired = Desired(maps=tuple(decider.wanted.values()), admissions=tuple(decider.admissions.values()), keep={})
        return State(
            snapshot=snapshot,
            desired=desired,
            config=decider.config,
            daemon=daemon,
            now=now,
            observed_at=self._world.looked_at,
            paths=_path_lines(snapshot, desired, decider.memory),
            maps=_map_lines(desired, decider.memory, now=now),
            others=tuple(OtherDevice(name, hidden=hidden) for name, hidden in self._world.others),
        )


def _path_lines(snapshot: Snapshot, desired: Desired, memory: Memory) -> dict[DeviceName, PathLine]:
    priorities = {member.dev: member.priority.value for each in desired.maps for member in each.members}
    checkers = {member.dev: each for each in desired.maps for member in each.members}
    lines = {}
    for path in snapshot.paths:
        known = memory.paths.get(path.dev)
        if known is not None:
            lines[path.name] = _path_line(path, known, priorities.get(path.dev), checkers.get(path.dev))
    return lines


def _path_line(path: Path, memory: PathMemory, priority: int | None, wanted: DesiredMap | None) -> PathLine:
    page = path.vendor_pages.get(f"{PAGE:02x}")
    configured = wanted.properties.get("path_checker") if wanted is not None else None
    return PathLine(
        priority=priority,
        checker=configured.value if configured is not None else path.health.checker,
        check_due=memory.due,
        check_interval=int(memory.interval),
        failures=memory.failures,
        vendor_page=volume_name(page) if page is not None else "",
    )


def _map_lines(desired: Desired, memory: Memory, *, now: float) -> dict[Wwid, MapLine]:
    wanted = {each.wwid: each for each in desired.maps}
    return {wwid: _map_line(wwid, wanted.get(wwid), memory, now=now) for wwid in {**wanted, **memory.maps}}


def _map_line(wwid: Wwid, wanted: DesiredMap | None, memory: Memory, *, now: float) -> MapLine:
    known = memory.maps.get(wwid, MapMemory())
    counters = known.counters
    return MapLine(
        failback_due=_failback_due(wwid, wanted, memory),
        queueing_ends=None if known.expired else known.deadline,
        queueing_disabled=known.silenced,
        counters=Counters(
            path_faults=counters.path_faults,
            group_switches=counters.switch_grp,
            loads=counters.map_loads,
            queue_seconds=int(waiting.queue_time(known, now=now)),
            queue_timeouts=counters.q_timeouts,
            failures=counters.failures,
        ),
        **_reservation(wanted, known),
    )


def _failback_due(wwid: Wwid, wanted: DesiredMap | None, memory: Memory) -> float | None:
    since = memory.failback_since.get(wwid)
    if since is None or wanted is None or wanted.failback.value.mode is not FailbackMode.DELAYED:
        return None
    return since + wanted.failback.value.delay


def _reservation(wanted: DesiredMap | None, known: MapMemory) -> dict[str, Any]:
    """What is said of a persistent reservation. Without a key there is none, also where nobody was asked yet."""
    key, memory = wanted.reservation_key if wanted is not None else None, known.reservation
    if key is None and memory.status is Status.UNKNOWN:
        return {"reserved": Reservation.UNSET, "held": Reservation.UNSET}
    return {
        "reservation_key": key.key or 0 if key is not None else 0,
        "aptpl": key is not None and key.aptpl,
        "reserved": Reservation(memory.status.value),
        "held": Reservation(memory.held.value),
    }
