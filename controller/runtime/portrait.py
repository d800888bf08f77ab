"""The `State` that replies are made of, out of what the daemon knows; made when somebody asks and something changed.

Theory of operation. Something changes with every check, and a host has thousands of paths: so each line is kept with
what it was made of, and made anew only when that is not the same any more. With a thousand paths that is still more
than a client should wait for: where it takes long, a client is shown the state of a moment ago, and as long as clients
ask, the next one is made before they do, with breaths.

In: world, decisions, memories. Out: a `State`. Nothing is read and nobody is waited for: a reply shows what was known
when the last event, answer or step came in, and says how old that is.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from controller.protocol.pieces import LATELY, prepare
from controller.protocol.rows import map_rows, still_rows
from controller.protocol.state import (
    Action,
    Counters,
    DaemonLine,
    InitState,
    MapLine,
    OtherDevice,
    PathLine,
    Reservation,
    State,
)
from controller.protocol.texts import Kept
from controller.reconcile import waiting
from controller.reconcile.health import PathMemory
from controller.reconcile.orders import Orders
from controller.reconcile.plan import Memory
from controller.reconcile.reservation_memory import Status
from controller.reconcile.waiting import MapMemory
from controller.runtime.deciding import Decider
from controller.runtime.world import World
from desired.config import Config
from desired.model import Desired, DesiredMap, FailbackMode, Verdict
from desired.observed import offline
from observers.breathing import Breathe, breathing, without_pause
from observers.dmtable import DevT
from observers.identity_3par import PAGE, volume_name
from observers.snapshot import DeviceName, Path, Snapshot, Wwid, map_uuid

GOOD_ENOUGH = 1.0
"""Seconds for which a state may be shown though something has changed since: in the midst of a turn, and where to make
another one would take long. Where that takes so long that it can't be done so often, they are more."""

_SHORT = 0.002
"""Seconds: while nobody has to wait longer for it, a state is made when somebody asks."""

_PART = 5
"""At most one part in so many of the time is for making states that nobody has asked for yet."""

_FADES = 0.9
"""How much of what one state took still counts at the next: a state of which little has changed takes less."""

_SOONEST = 0.1
"""Seconds between two of these, at least."""


class Portraitist:
    """Makes states, and keeps the last until something changes. `clock`: monotonic seconds."""

    def __init__(self, world: World, decider: Decider, *, clock: Callable[[], float]) -> None:
        self._world, self._decider, self._clock = world, decider, clock
        self._key: _Key | None = None
        """What the last state was made of; the values themselves, as a number of one that is gone may come again."""
        self._state: State | None = None
        self._current_at = self._asked_at = -math.inf
        """When (monotonic seconds) that state was known to be up to date, and when anybody asked for one."""
        self._took, self._making = 0.0, False
        """Seconds that it takes to make a state, and whether one is being made."""
        self._wholes = decider.wholes
        self._lines: dict[DeviceName, _Kept] = {}
        self._map_lines_kept: dict[Wwid, _KeptMap] = {}
        self._wishes = _Wishes()
        self._texts = Kept()

    def state(self, daemon: DaemonLine, *, now: float, in_a_hurry: bool = False) -> State:
        """The world as it is known now; or as it was a moment ago: `in_a_hurry`, or because to find out takes long."""
        self._asked_at, state = now, self._state
        if state is None or not (self._making or self._good_enough(now, in_a_hurry=in_a_hurry)):
            state = self._update(daemon, now, without_pause)
        return replace(state, daemon=daemon, now=now)

    def _good_enough(self, now: float, *, in_a_hurry: bool) -> bool:
        if not in_a_hurry and self._took < _SHORT:
            return False
        return now < self._current_at + max(GOOD_ENOUGH, 4 * self._rest)

    @property
    def _rest(self) -> float:
        """Seconds from one state that nobody has asked for to the next."""
        return max(_SOONEST, _PART * self._took)

    def empty(self, daemon: DaemonLine, *, now: float) -> State:
        """Nothing of the world but how old what is known of it is."""
        snapshot = Snapshot(taken_at=0.0, host=self._world.facts)
        observed_at = self._world.looked_at
        desired, config = Desired(maps=(), keep={}), self._decider.config
        return State(snapshot=snapshot, desired=desired, config=config, daemon=daemon, now=now, observed_at=observed_at)

    def out_of_date(self) -> None:
        """Somebody was told that something was done: nobody is shown what was before."""
        self._current_at = -math.inf

    def due(self, now: float) -> float | None:
        """When a state should be made before somebody asks for it; None: nobody is expected to ask, or need not wait
        for it."""
        if self._took < _SHORT or now >= self._asked_at + LATELY:
            return None
        return self._current_at + self._rest

    def prepare(self, daemon: DaemonLine, *, now: float, breathe: Breathe) -> None:
        """Make a state if it is due, or if everything was decided on and somebody has asked lately."""
        due = self.due(now)
        decided = self._decider.wholes != self._wholes and now < self._asked_at + LATELY
        if decided or (due is not None and due <= now):
            self._update(daemon, now, breathe)
        self._wholes = self._decider.wholes

    def _update(self, daemon: DaemonLine, now: float, breathe: Breathe) -> State:
        """The last state if nothing has changed, which makes it as young as what was last looked at; else a new one."""
        decider, state = self._decider, self._state
        second = int(now) if any(map(_runs, decider.memory.maps.values())) else 0
        key = _Key(self._world.generation, decider.changes, second, decider.config, decider.orders)
        known = key.same(self._key)
        if state is None or not known:
            began, self._making = self._clock(), True
            try:
                state, self._key = self._made(daemon, now, breathe), key
            finally:
                self._making = False
            self._took = max(self._clock() - began, _FADES * self._took)
        self._state = state = replace(state, observed_at=self._world.looked_at)
        self._current_at = now
        if not known:  # to forget the one before takes its time as well
            self._texts.replaced(breathe)
        return state

    def _made(self, daemon: DaemonLine, now: float, breathe: Breathe) -> State:
        decider = self._decider
        snapshot = self._world.snapshot(decider.settle, breathe=breathe)
        breathe()
        desired = Desired(maps=tuple(decider.wanted.values()), admissions=tuple(decider.admissions.values()), keep={})
        state = State(
            snapshot=snapshot,
            desired=desired,
            config=decider.config,
            daemon=daemon,
            now=now,
            observed_at=self._world.looked_at,
            paths=self._path_lines(snapshot, desired, decider.memory, breathe),
            maps=self._map_lines(desired, decider.memory, breathe, now=now),
            others=tuple(OtherDevice(name, hidden=hidden) for name, hidden in self._world.others),
            due=self._due,
            kept=self._texts,
        )
        breathe()
        map_rows(state, still_rows(state, breathe=breathe), breathe=breathe)
        prepare(state, breathe)
        return state

    def _due(self, dev: DevT) -> float | None:
        memory = self._decider.path_memory(dev)
        return memory.due if memory is not None else None

    def _path_lines(
        self, snapshot: Snapshot, desired: Desired, memory: Memory, breathe: Breathe
    ) -> dict[DeviceName, PathLine]:  # fmt: skip
        wishes = self._wishes.of(desired, breathe)
        breathe()
        before, self._lines = self._lines, {}
        for path in breathing(snapshot.paths, breathe):
            remembered = memory.paths.get(path.dev)
            if remembered is None:
                continue
            wish, known = wishes.get(path.dev) or self._alone(path), before.get(path.name)
            if known is None or not (known.path is path and known.memory is remembered and known.wish == wish):
                known = _Kept(path, remembered, wish, _path_line(path, remembered, wish))
            self._lines[path.name] = known
        return {name: known.line for name, known in self._lines.items()}

    def _alone(self, path: Path) -> "_Wish":
        """What is known of a path that no map is to have now; one that only could not be asked belongs to one."""
        admission = self._decider.admissions.get(path.name)
        if admission is None:
            return _NO_WISH
        if admission.verdict is Verdict.NO_WWID:
            return _NAMELESS
        return _Wish(admission.priority, belongs=admission.verdict is Verdict.UNVERIFIED)

    def _map_lines(self, desired: Desired, memory: Memory, breathe: Breathe, *, now: float) -> dict[Wwid, MapLine]:
        wanted = {each.wwid: each for each in desired.maps}
        before, self._map_lines_kept = self._map_lines_kept, {}
        for wwid in breathing({**wanted, **memory.maps}, breathe):
            each, remembered = wanted.get(wwid), memory.maps.get(wwid, _NO_MEMORY)
            since, known = memory.failback_since.get(wwid), before.get(wwid)
            silent = remembered.silenced and not self._queues(wwid)
            if known is None or _runs(remembered) or not known.same(each, remembered, since, silent=silent):
                line = _map_line(wwid, each, memory, now=now, silent=silent)
                known = _KeptMap(each, remembered, since, silent, line)
            self._map_lines_kept[wwid] = known
        return {wwid: known.line for wwid, known in self._map_lines_kept.items()}

    def _queues(self, wwid: Wwid) -> bool:
        """Whether the kernel queues, whatever is remembered: it may not have been told yet, or have refused."""
        live = self._world.maps.get(map_uuid(wwid))
        return live is not None and live.table is not None and live.table.queues


_NO_MEMORY = MapMemory()


class _KeptMap(NamedTuple):
    """A map's line and what it was made of."""

    wanted: DesiredMap | None
    memory: MapMemory
    failback_since: float | None
    silent: bool
    line: MapLine

    def same(self, wanted: DesiredMap | None, memory: MapMemory, failback_since: float | None, *, silent: bool) -> bool:
        """Whether it would be made of the same."""
        same = self.wanted is wanted and self.memory is memory and self.failback_since == failback_since
        return same and self.silent is silent


class _Key(NamedTuple):
    """What a state was made of. `second`: 0 where nothing in it grows with time."""

    generation: int
    changes: int
    second: int
    config: Config
    orders: Orders

    def same(self, other: "_Key | None") -> bool:
        """Whether a state would be the same."""
        if other is None or self.config is not other.config or self.orders is not other.orders:
            return False
        return self[:3] == other[:3]


def _runs(memory: MapMemory) -> bool:
    """Whether a map's time of queueing grows."""
    return memory.deadline is not None and memory.pathless_since is not None and not memory.expired


class _Wish(NamedTuple):
    """A path's priority, the checker that is configured for its map, whether it belongs to one, and whether it is known
    whose it is."""

    priority: int | None = None
    checker: str | None = None
    belongs: bool = False
    init: InitState = InitState.OK


_NO_WISH, _NAMELESS = _Wish(), _Wish(init=InitState.MISSING_UDEV)


class _Kept(NamedTuple):
    """A line and what it was made of."""

    path: Path
    memory: PathMemory
    wish: _Wish
    line: PathLine


class _Wishes:
    """Of all paths, looked up again only in maps that are desired otherwise than before."""

    def __init__(self) -> None:
        self._maps: dict[Wwid, DesiredMap] = {}
        self._found: dict[DevT, _Wish] = {}

    def of(self, desired: Desired, breathe: Breathe) -> Mapping[DevT, _Wish]:
        """Those of all members."""
        current = {each.wwid: each for each in desired.maps}
        if current.keys() != self._maps.keys():
            self._maps, self._found = {}, {}
        fresh = [each for wwid, each in current.items() if self._maps.get(wwid) is not each]
        for each in fresh:
            for member in self._maps[each.wwid].members if self._maps else ():
                self._found.pop(member.dev, None)
        for each in breathing(fresh, breathe):
            self._enter(each)
        self._maps = current
        return self._found

    def _enter(self, each: DesiredMap) -> None:
        configured = each.properties.get("path_checker")
        checker = configured.value if configured is not None else None
        for member in each.members:
            self._found[member.dev] = _Wish(member.priority.value, checker, belongs=True)


def _path_line(path: Path, memory: PathMemory, wish: _Wish) -> PathLine:
    page = path.vendor_pages.get(f"{PAGE:02x}")
    return PathLine(
        priority=wish.priority,
        checker=wish.checker if wish.checker is not None else path.health.checker,
        check_due=memory.due,
        check_interval=int(memory.interval),
        failures=memory.failures,
        init=wish.init,
        awaits_online=wish.belongs and bool(offline(path)),
        vendor_page=volume_name(page) if page is not None else "",
    )


def _map_line(wwid: Wwid, wanted: DesiredMap | None, memory: Memory, *, now: float, silent: bool) -> MapLine:
    known = memory.maps.get(wwid, _NO_MEMORY)
    counters = known.counters
    return MapLine(
        action=Action.CREATE if known.new else Action.NONE,
        failback_due=_failback_due(wwid, wanted, memory),
        queueing_ends=None if known.expired else known.deadline,
        queueing_disabled=silent,
        queued=known.queued,
        queued_since=known.queued_since,
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
