"""What today's program would have decided where a flight recorder stood by.

Theory of operation. The cycles are gone through in their order. Snapshot, orders, what checks remembered of paths, and
the time are taken as they were recorded; the planner's memory is the one that today's program has by then: it began
with the recorded one, and was told the recorded outcomes. So a difference that only shows in what is remembered is
found as well, as soon as it leads to another plan. Where a command changed the memory, the recorded one is taken again.

In: entries. Out: for each cycle what is otherwise. Pure; the daemon has no use for it. It must never change a host.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from actuators.steps import RecordStep
from controller.reconcile.memory import after_apply, merged, restricted
from controller.reconcile.plan import MapPlan, Memory, Plan
from controller.runtime.deciding import decide, without
from controller.runtime.recorder import Applied, Cycle, Entry
from desired.config import Config
from desired.derive import config_in
from observers.errors import MpathError
from observers.snapshot import Snapshot, Wwid


@dataclass(frozen=True, slots=True, kw_only=True)
class MapDifference:
    """A map for which today's plan is another one; None: there is no plan for it."""

    wwid: Wwid
    recorded: MapPlan | None
    today: MapPlan | None

    @property
    def in_words_only(self) -> bool:
        """Whether the same is done and waited for, with other reasons."""
        return _decision(self.recorded) == _decision(self.today)


def _decision(plan: MapPlan | None) -> object:
    return plan and (plan.action, plan.steps, plan.wake_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A cycle, and what is otherwise today. `error`: why today nothing can be decided; else empty."""

    cycle: Cycle
    maps: tuple[MapDifference, ...] = ()
    records: tuple[RecordStep, ...] | None = None
    """Today's, where they are others."""
    error: str = ""

    @property
    def same(self) -> bool:
        """Whether today's program decides the same; its words may differ."""
        return not self.error and self.records is None and all(each.in_words_only for each in self.maps)


def replay(entries: Iterable[Entry]) -> Iterator[Replayed]:
    """Every cycle, decided again."""
    configurations = _Configurations()
    memory = Memory(resident=True)
    for entry in entries:
        if isinstance(entry, Applied):
            memory = after_apply(memory, entry.plan, entry.outcomes, entry.now)
        if not isinstance(entry, Cycle):
            continue
        known = entry.memory if entry.given else replace(memory, paths=entry.memory.paths)
        try:
            plan, memory = _again(entry, configurations.of(entry.snapshot), known)
        except MpathError as error:
            memory = known
            yield Replayed(cycle=entry, error=str(error))
            continue
        records = None if plan.records == entry.plan.records else plan.records
        yield Replayed(cycle=entry, maps=tuple(_differences(entry.plan.maps, plan.maps)), records=records)


def _again(cycle: Cycle, config: Config, memory: Memory) -> tuple[Plan, Memory]:
    part = memory if cycle.scope is None else restricted(memory, cycle.scope)
    decision, _ = decide(config, cycle.snapshot, part, cycle.now, orders=cycle.orders)
    after = decision.memory if cycle.scope is None else merged(memory, decision.memory, cycle.scope)
    return without(decision, cycle.idle).plan, after


def _differences(recorded: Sequence[MapPlan], today: Sequence[MapPlan]) -> Iterator[MapDifference]:
    before, after = {each.wwid: each for each in recorded}, {each.wwid: each for each in today}
    for wwid in dict.fromkeys([*before, *after]):
        if before.get(wwid) != after.get(wwid):
            yield MapDifference(wwid=wwid, recorded=before.get(wwid), today=after.get(wwid))


class _Configurations:
    """Reads a configuration once for all cycles in which it was in force."""

    def __init__(self) -> None:
        self._key: object = None
        self._config: Config | None = None

    def of(self, snapshot: Snapshot) -> Config:
        key = snapshot.config_files, snapshot.accounts, snapshot.main_config, snapshot.host.native_nvme_multipath
        if self._config is None or key != self._key:
            self._key, self._config = key, config_in(snapshot)
        return self._config
