"""Decisions over a world that is kept up to date: for all maps, or quickly for those that something happened to.

Theory of operation. Deriving and planning everything takes its time with thousands of paths, and mostly one path of one
map has changed its state. What such a change can lead to (fail, reinstate, regroup, switch, queue) concerns its map
alone, so a snapshot of that map and its paths gives the same decision. Whatever one map's plan may take from another
(names, paths, records) is decided only with all of them in view: a partial decision that would do such a thing is not
made, and a full one is asked for instead.

In: a world, the configuration, the memory, the time. Out: a `Decision`. It must never do what it decided.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from actuators.steps import CreateMap, ReloadMap, RemoveMap, RenameMap, Step, WriteTunable
from controller.reconcile import safety
from controller.reconcile.health import PathMemory
from controller.reconcile.memory import merged, restricted
from controller.reconcile.orders import NO_ORDERS, Orders, with_new_paths
from controller.reconcile.orders import wanted as ordered
from controller.reconcile.plan import MapPlan, Memory
from controller.reconcile.planner import plan
from controller.runtime.applying import devices_in
from controller.runtime.cycle import Decision
from controller.runtime.world import Settle, World
from desired import options as keywords
from desired.care import MapCare
from desired.care_settings import path_care
from desired.config import Config
from desired.derive import derive
from desired.model import Admission, DesiredMap
from desired.precedence import global_settings
from observers.breathing import Breathe, without_pause
from observers.dmtable import DevT
from observers.snapshot import DeviceName, Path, Snapshot, Wwid, map_uuid

_FOR_ALL = (CreateMap, RemoveMap, RenameMap, WriteTunable)
"""Steps that take or give what another map may have or want: a name, a path, a setting of a port that maps share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Considered:
    """A decision and what it was made of besides its snapshot. `scope`: whose maps it is about, None: everybody's;
    `idle`: the maps that it has no steps for; `memory`, `after`: the whole memory before and after it."""

    now: float
    scope: frozenset[Wwid] | None
    idle: frozenset[Wwid] = frozenset()
    orders: Orders
    memory: Memory
    after: Memory
    decision: Decision


class MapName(NamedTuple):
    """Whose path a device is. `wwid` empty: nobody knows; `name` empty: the unit is to have no map."""

    wwid: str = ""
    name: str = ""


class Decider:
    """Decides, and remembers what it last concluded about every path and map. `memory` is the planner's."""

    def __init__(self, world: World, config: Config, *, settle: Settle) -> None:
        self._world, self.settle = world, settle
        self.config = config
        self._memory = Memory(resident=True)
        self._fresh: dict[DevT, PathMemory | None] = {}
        self.orders: Orders = NO_ORDERS
        self.wanted: dict[Wwid, DesiredMap] = {}
        self.admissions: dict[DeviceName, Admission] = {}
        self._names: dict[Wwid, list[DeviceName]] = {}
        self.wholes = 0
        """How often everything was decided on."""
        self.changes = 0
        """Grows whenever something is remembered otherwise than before, but for the time of a path's next check."""
        self.on_decision: Callable[[Considered], None] = lambda _: None
        """Called with each decision that counts."""
        self.breathe: Breathe = without_pause
        """Called again and again while a decision is made: what is known must stay as it is then."""

    @property
    def memory(self) -> Memory:
        """What the planner remembers, with everything that is remembered of paths. Only here are those put together,
        for there are many checks to one decision, and many paths."""
        if self._fresh:
            paths = {**self._memory.paths, **self._fresh}
            known = {dev: memory for dev, memory in paths.items() if memory is not None}
            self._memory, self._fresh = replace(self._memory, paths=known), {}
        return self._memory

    @memory.setter
    def memory(self, memory: Memory) -> None:
        self._memory = memory
        self.changes += 1

    def path_memory(self, dev: DevT) -> PathMemory | None:
        """What is remembered of a path."""
        return self._fresh[dev] if dev in self._fresh else self._memory.paths.get(dev)

    def remember_path(self, dev: DevT, memory: PathMemory | None) -> None:
        """What is remembered of a path from now on; None: nothing, as it is gone."""
        before = self.path_memory(dev)
        self.changes += before is None or memory is None or not _looks_the_same(before, memory)
        self._fresh[dev] = memory

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._config

    @config.setter
    def config(self, config: Config) -> None:
        self._config = config
        self.care = MapCare(path=path_care(global_settings(config)))
        """How paths are watched over that belong to no map yet."""

    def names_of(self, wwid: Wwid) -> Sequence[DeviceName]:
        """The devices that were taken for paths of a map when it was last decided on."""
        return self._names.get(wwid, ())

    def wwid_of(self, name: DeviceName) -> Wwid | None:
        """Whose path a device was when it was last decided on."""
        admission = self.admissions.get(name)
        return admission.wwid if admission is not None and admission.wwid else None

    def map_of(self, name: DeviceName) -> MapName:
        """The same with the name of its map."""
        wwid = self.wwid_of(name)
        wanted = self.wanted.get(wwid) if wwid is not None else None
        return MapName(wwid or "", wanted.alias.value if wanted is not None else "")

    def everything(self, now: float, *, idle: Collection[Wwid] = ()) -> Decision:
        """All maps. `idle`: maps whose steps are being done; nothing is planned for them."""
        snapshot, before = self._world.snapshot(self.settle, breathe=self.breathe), self.memory
        decision, maps = decide(self.config, snapshot, before, now, orders=self.orders, breathe=self.breathe)
        attached = self._attached(decision.desired.admissions)
        if attached:
            self.orders = with_new_paths(self.orders, attached)
            decision, maps = decide(self.config, snapshot, before, now, orders=self.orders, breathe=self.breathe)
        self.wanted = {each.wwid: each for each in maps}
        self.admissions = {each.name: each for each in decision.desired.admissions}
        self._names = {}
        for each in decision.desired.admissions:
            self._names.setdefault(each.wwid, []).append(each.name)
        self.memory = decision.memory
        self.wholes += 1
        self.breathe()
        decision = without(decision, idle)
        self.on_decision(
            Considered(
                now=now, scope=None, idle=frozenset(idle), orders=self.orders, memory=before, after=self.memory,
                decision=decision,
            )
        )  # fmt: skip
        return decision

    def introduced(self, name: DeviceName) -> None:
        """There is a new device of this name: what was concluded about the one before does not count."""
        self.admissions.pop(name, None)

    def _attached(self, admissions: Iterable[Admission]) -> frozenset[Wwid]:
        """The units whose maps were removed by command, and that have a path now which was none of theirs."""
        removed = self.orders.removed_maps
        return frozenset(
            each.wwid for each in admissions if each.wwid in removed and self.wwid_of(each.name) != each.wwid
        )

    def some(self, wwids: Collection[Wwid], now: float) -> Decision | None:
        """These maps only, all of which exist; None: everything has to be decided on."""
        uuids = [map_uuid(wwid) for wwid in wwids]
        if not all(uuid in self._world.maps for uuid in uuids):
            return None
        snapshot = self._world.snapshot(
            self.settle, paths=self._paths_of(wwids), maps=uuids, breathe=self.breathe
        )  # fmt: skip
        known = self._verdicts(snapshot.paths)
        before = self.memory
        kept = restricted(before, wwids)
        decision, maps = decide(self.config, snapshot, kept, now, orders=self.orders, breathe=self.breathe)
        fresh = {each.name: each for each in decision.desired.admissions}
        reaches_out = decision.plan.records or any(isinstance(step, _FOR_ALL) for step in decision.plan.steps)
        reaches_out = reaches_out or self._takes_from_others(decision.plan.steps, wwids)
        if reaches_out or self._verdicts_differ(known, fresh) or not set(wwids) >= {m.wwid for m in decision.plan.maps}:
            return None
        for wwid in wwids:
            self.wanted.pop(wwid, None)
        self.wanted |= {each.wwid: each for each in maps}
        self.admissions |= fresh
        self.memory = merged(before, decision.memory, wwids)
        self.on_decision(
            Considered(
                now=now, scope=frozenset(wwids), orders=self.orders, memory=before, after=self.memory,
                decision=decision,
            )
        )  # fmt: skip
        return decision

    def _takes_from_others(self, steps: Iterable[Step], wwids: Collection[Wwid]) -> bool:
        """Whether a table would get a path that a map has which was not looked at."""
        loaded = {dev for step in steps if isinstance(step, ReloadMap) for dev in devices_in(step.table)}
        if not loaded:
            return False
        others = (live.table for live in self._world.maps.values() if live.table is not None and live.wwid not in wwids)
        return any(not loaded.isdisjoint(table.devices) for table in others)

    def _verdicts(self, paths: Iterable[Path]) -> dict[DeviceName, Admission]:
        return {path.name: self.admissions[path.name] for path in paths if path.name in self.admissions}

    @staticmethod
    def _verdicts_differ(known: Mapping[DeviceName, Admission], fresh: Mapping[DeviceName, Admission]) -> bool:
        """Whether a path belongs elsewhere now: then its new map is concerned as well."""
        return any(known[name].wwid != each.wwid for name, each in fresh.items() if name in known)

    def _paths_of(self, wwids: Collection[Wwid]) -> list[DeviceName]:
        """The paths of maps, and what else is in their tables."""
        names = {name for wwid in wwids for name in self.names_of(wwid)}
        live = [self._world.maps[map_uuid(wwid)] for wwid in wwids]
        devices = {dev for each in live if each.table is not None for dev in each.table.devices}
        return list(names | {name for dev in devices if (name := self._world.name_of(dev)) is not None})


def _looks_the_same(one: PathMemory, other: PathMemory) -> bool:
    """Whether two memories of a path differ in nothing that is shown of it, but for when it is asked next."""
    if (one.state, one.failures, one.interval, one.marginal) != (
        other.state, other.failures, other.interval, other.marginal
    ):  # fmt: skip
        return False
    return one.answer is other.answer or one.answer == other.answer


def decide(
    config: Config, snapshot: Snapshot, memory: Memory, now: float, *, orders: Orders, breathe: Breathe = without_pause
) -> tuple[Decision, tuple[DesiredMap, ...]]:
    """The decision of whoever stays, and the maps as they would be wanted if no command stood against one."""
    derived = derive(config, snapshot, resident=True, breathe=breathe)
    breathe()
    auto_resize = global_settings(config).require(keywords.AUTO_RESIZE).value
    desired = ordered(derived, orders, snapshot.maps, auto_resize=auto_resize)
    breathe()
    wanted, memory = plan(snapshot, desired, memory, now, breathe=breathe)
    findings = safety.check(wanted, snapshot, desired, memory, breathe=breathe)
    breathe()
    stripped = safety.strip(wanted, findings)
    decision = Decision(snapshot=snapshot, desired=desired, plan=stripped, findings=findings, memory=memory)
    return decision, derived.maps


def without(decision: Decision, idle: Collection[Wwid]) -> Decision:
    """The decision without the steps of some maps, which are looked at again when what they do now is done."""
    if not idle:
        return decision
    maps = tuple(_busy(each) if each.wwid in idle else each for each in decision.plan.maps)
    return replace(decision, plan=replace(decision.plan, maps=maps))


def _busy(plan: MapPlan) -> MapPlan:
    return replace(plan, action="held", steps=(), reasons=("its last steps are still being done",), wake_at=None)
