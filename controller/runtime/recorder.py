"""The flight recorder: what the last cycles were made of, what they decided, and what came of it.

Theory of operation. Everything that goes into a decision is a frozen value, so to keep it costs a reference; it becomes
text only when somebody asks (`recording`). A path of which nothing changed since the last cycle is kept as the object
of that cycle: then 64 cycles of a quiet host cost little more than one. Of the planner's memory each cycle keeps what
it began with. Most of that follows from the cycles before, but commands change it too: a cycle whose memory is not the
one that the last entry left is marked (`given`), so that a replay takes it as it was.

In: decisions with what they were made of, steps with their outcomes, and what clients had done. Out: entries, the
oldest first. It must never wait, nor write anything.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from actuators.steps import Outcome
from controller.reconcile.orders import Orders
from controller.reconcile.plan import Memory, Plan
from controller.runtime.applying import Outcomes
from controller.runtime.deciding import Considered
from observers.dmtable import DevT
from observers.snapshot import Account, Alias, DeviceName, Path, Snapshot, Wwid

CYCLES = 64
"""Cycles that are kept."""

ROOM = 8192
"""Paths and memories of paths that are kept at most, besides those that did not change: some MiB. With more, the oldest
cycles go."""


ORDERED = 64
"""Entries of what clients had done that are kept between two cycles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """A decision. `now`: monotonic seconds; `scope`: whose maps it is about, None: everybody's; `idle`: the maps whose
    steps were being done, for which it has none; `memory`: as it was before, `given`: not only by what is recorded
    before this; `weight`: the values that only this cycle keeps."""

    number: int
    now: float
    scope: frozenset[Wwid] | None
    idle: frozenset[Wwid]
    orders: Orders
    memory: Memory
    given: bool
    snapshot: Snapshot
    plan: Plan
    weight: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """Steps that were done. `plan`: the one that they are of."""

    now: float
    plan: Plan
    outcomes: Outcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """What a client had done at once, besides any plan. `request`: in its words; `deed`: in ours. `path`: its name,
    empty where it is about none."""

    now: float
    request: str
    deed: str
    map: Alias
    wwid: Wwid
    path: str
    outcome: Outcome


Entry = Cycle | Applied | Ordered


class Recorder:
    """Keeps the last cycles. `accounts`: those that the configuration in force mentions."""

    def __init__(self, *, kept: int = CYCLES, room: int = ROOM) -> None:
        self._kept, self._room = kept, room
        self._entries: deque[Entry] = deque()
        self._count = self._cycles = self._weight = self._ordered = 0
        self._paths: dict[DeviceName, Path] = {}
        self._memories: Mapping[DevT, object] = {}
        self._left: Memory | None = None
        self.accounts: Mapping[str, Account] = {}

    @property
    def last(self) -> int:
        """The number of the last cycle; 0: there was none."""
        return self._count

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All that is kept; the first one is a cycle."""
        return tuple(self._entries)

    def considered(self, considered: Considered) -> None:
        """It was decided."""
        snapshot, fresh_paths = self._sparing(considered.decision.snapshot, whole=considered.scope is None)
        memory, fresh_memories = self._memory_of(considered, snapshot)
        self._count += 1
        cycle = Cycle(
            number=self._count, now=considered.now, scope=considered.scope, idle=considered.idle,
            orders=considered.orders, memory=memory, given=not _follows(considered.memory, self._left),
            snapshot=snapshot, plan=considered.decision.plan, weight=fresh_paths + fresh_memories,
        )  # fmt: skip
        self._left = considered.after
        self._ordered = 0
        self._entries.append(cycle)
        self._cycles += 1
        self._weight += cycle.weight
        self._make_room()

    def applied(self, plan: Plan, outcomes: Outcomes, *, now: float, memory: Memory) -> None:
        """Steps were done, which left this memory."""
        self._left = memory
        if self._entries:
            self._entries.append(Applied(now=now, plan=plan, outcomes=outcomes))

    def ordered(self, ordered: Ordered) -> None:
        """A client had something done."""
        if self._entries and self._ordered < ORDERED:
            self._ordered += 1
            self._entries.append(ordered)

    def _sparing(self, snapshot: Snapshot, *, whole: bool) -> tuple[Snapshot, int]:
        """The snapshot with the objects of earlier ones where they are equal; how many are new."""
        known = self._paths
        paths = tuple(
            before if (before := known.get(path.name, path)) is not path and before == path else path
            for path in snapshot.paths
        )
        fresh = sum(known.get(path.name) is not path for path in paths)
        current = {path.name: path for path in paths}
        self._paths = current if whole else {**known, **current}
        return replace(snapshot, paths=paths, accounts=self.accounts), fresh

    def _memory_of(self, considered: Considered, snapshot: Snapshot) -> tuple[Memory, int]:
        """As much of the memory as the decision can have been made of."""
        memory = considered.memory
        if considered.scope is not None:
            kept = {path.dev: known for path in snapshot.paths if (known := memory.paths.get(path.dev)) is not None}
            memory = replace(memory, paths=kept)
        fresh = sum(self._memories.get(dev) is not each for dev, each in memory.paths.items())
        self._memories = memory.paths if considered.scope is None else {**self._memories, **memory.paths}
        return memory, fresh

    def _make_room(self) -> None:
        while self._cycles > 1 and (self._cycles > self._kept or self._weight > self._room):
            self._forget_first()
            while not isinstance(self._entries[0], Cycle):
                self._entries.popleft()

    def _forget_first(self) -> None:
        first = self._entries.popleft()
        if isinstance(first, Cycle):
            self._cycles -= 1
            self._weight -= first.weight


_NAMES = tuple(field.name for field in fields(Memory) if field.name != "paths")
"""What is remembered of paths comes from their checks, and is an input of every cycle."""


def _follows(memory: Memory, left: Memory | None) -> bool:
    """Whether the planner's memory is the one that the last entry left."""
    return left is not None and all(getattr(memory, name) is getattr(left, name) for name in _NAMES)
