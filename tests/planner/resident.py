"""A host with a resident: a clock that the test moves, and the kernel's answer to every plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from actuators.steps import Changed
from controller.reconcile.health import PathMemory
from controller.reconcile.memory import after_apply
from controller.reconcile.plan import Memory, Plan
from controller.reconcile.planner import plan
from controller.reconcile.safety import Level, check
from controller.reconcile.waiting import MapMemory
from desired.care import MapCare, PathCare
from desired.model import Desired, DesiredMap
from observers.dmtable import DevT
from observers.snapshot import Health, Path, PathState, Snapshot, Wwid
from tests.health.paths import stored
from tests.planner.builders import NOW, dev
from tests.planner.kernel import apply


def retry(count: int, **more: object) -> MapCare:
    """no_path_retry N at a polling interval of 5 s."""
    return MapCare(no_path_retry=count, path=PathCare(polling_interval=5), **more)  # type: ignore[arg-type]


def with_states(desired: Desired, states: Mapping[int, PathState]) -> Desired:
    """The desired state when some disks have other states."""
    by_dev = {dev(number): state for number, state in states.items()}
    maps = tuple(replace(each, members=tuple(
        replace(member, state=by_dev.get(member.dev, member.state)) for member in each.members
    )) for each in desired.maps)  # fmt: skip
    return replace(desired, maps=maps)


@dataclass(slots=True)
class Host:
    """What is, what should be, what is remembered, and what time it is."""

    snapshot: Snapshot
    desired: Desired
    memory: Memory = field(default_factory=lambda: Memory(resident=True))
    now: float = NOW

    def state(self, **states: PathState) -> None:
        """The states of disks, by name (`sda=PathState.DOWN`)."""

        def seen(path: Path) -> Path:
            return replace(path, health=Health("tur", states[path.name])) if path.name in states else path

        self.snapshot = replace(self.snapshot, paths=tuple(map(seen, self.snapshot.paths)))
        numbers = {ord(name[2]) - ord("a"): state for name, state in states.items()}
        self.desired = with_states(self.desired, numbers)

    def cycle(self) -> Plan:
        """Plan, check, apply; the plan."""
        made, memory = plan(self.snapshot, self.desired, self.memory, self.now)
        found = check(made, self.snapshot, self.desired, memory)
        assert [each for each in found if each.level is Level.FATAL] == []
        self.snapshot, self.desired = apply(made, self.snapshot, self.desired)
        outcomes = [(step, Changed()) for step in made.steps]
        self.memory = after_apply(memory, made, outcomes, self.now)
        return made

    def at(self, seconds: float) -> Plan:
        """A cycle this long after the beginning."""
        self.now = NOW + seconds
        return self.cycle()

    def queues(self) -> bool:
        """Whether the one map's I/O waits for paths."""
        (live,) = self.snapshot.maps
        return live.table is not None and live.table.queues

    def known(self, name: str = "a") -> MapMemory:
        """What is remembered of a map."""
        return self.memory.maps[Wwid(f"3{name}")]

    def remember(self, number: int, memory: PathMemory) -> None:
        self.memory = replace(self.memory, paths={**self.memory.paths, dev(number): memory})


def sure(*numbers: int) -> dict[DevT, PathMemory]:
    """Memories of disks that are up and said who they are."""
    return {dev(number): stored(PathState.UP) for number in numbers}


def caring(want: DesiredMap, care: MapCare) -> DesiredMap:
    return replace(want, care=care)
