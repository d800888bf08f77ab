"""A daemon's heart on the in-memory kernel, with devices that answer at once, and a clock that is moved by hand."""

from collections.abc import Callable

from controller.runtime import cycle
from controller.runtime.checking import Checks
from controller.runtime.deciding import Decider
from controller.runtime.events import Bulletin, Event
from controller.runtime.lanes import Lanes
from controller.runtime.reconciler import Reconciler
from controller.runtime.telling import Teller
from controller.runtime.world import World
from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import load_scenario
from desired.config import load_config
from desired.derive import surroundings_in
from observers import config_files
from observers.asking import Question, put
from observers.engine import Answered
from observers.snapshot import Alias, DeviceName, Map

FILES = cycle.Files()
TURNS = 300
"""Turns without time passing after which something goes round in circles."""


def look_at_all(world: World) -> None:
    """Everything that needs no device's answer."""
    world.refresh_maps()
    for name in world.survey():
        world.refresh_path(name)


class InstantEngine:
    """Answers everything as soon as it is asked; names in `silent` never answer."""

    def __init__(self, host: SandboxHost) -> None:
        self._host = host
        self._answers: list[Answered] = []
        self.silent: set[str] = set()
        self.asked: list[tuple[str, Question]] = []

    def submit(self, ticket: int, name: DeviceName, _group: str, question: Question, /) -> None:
        self.asked.append((name, question))
        if name in self.silent:
            return
        try:
            self._answers.append(Answered(ticket, put(self._host, name, question)))
        except OSError as error:
            self._answers.append(Answered(ticket, error))

    def run(self, ticket: int, _group: str, function: Callable[[], object], /) -> None:
        self._answers.append(Answered(ticket, function()))

    def cancel(self, _ticket: int, /) -> bool:
        return False

    def forget(self, _name: DeviceName, /) -> None:
        return

    def completed(self) -> list[Answered]:
        answers, self._answers = self._answers, []
        return answers

    def next_due(self) -> float | None:
        return 0.0 if self._answers else None

    def ready(self) -> bool:
        return bool(self._answers)

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        return


class Heart:
    """Everything of a daemon but its sockets and sources of events."""

    def __init__(self, scenario: str, *, config: str | None = None) -> None:
        self.host = SandboxHost(load_scenario(scenario))
        self.engine = InstantEngine(self.host)
        self.world = World(self.host, FILES)
        self.bulletin = Bulletin()
        texts = config_files.observe(self.host, config_files.Places())
        self.world.configured(texts)
        self.world.refresh_maps()
        snapshot = self.world.snapshot(lambda path: path)
        loaded = load_config(texts.configuration, surroundings=surroundings_in(snapshot))
        self.lanes = Lanes(self.engine, capacity=lambda _: 256)
        self.decider = Decider(self.world, loaded, settle=lambda path: self.checks.settle(path))
        self.checks = Checks(
            self.host, world=self.world, decider=self.decider, lanes=self.lanes, watched=self._state_in_sysfs
        )  # fmt: skip
        self.checks.configured(loaded)
        teller = Teller(self.bulletin, wall=self.host.wall_time)
        self.reconciler = Reconciler(
            self.host, FILES, world=self.world, decider=self.decider, checks=self.checks, lanes=self.lanes,
            teller=teller,
        )  # fmt: skip
        self.reconciler.look_at_everything()

    def _state_in_sysfs(self, name: DeviceName) -> str | None:
        return self.host.read_file(f"/sys/block/{name}/device/state").decode().strip()

    def settle(self) -> None:
        """Turns until nothing is due any more at this instant."""
        for _ in range(TURNS):
            self.reconciler.turn(self.host.monotonic())
            at = self.reconciler.wake_at
            if at is None or at > self.host.monotonic():
                return
        raise AssertionError(f"it does not come to rest: {[event.text for event in list(self.bulletin)[-10:]]}")

    def run(self, seconds: float) -> None:
        """Let time pass, with a turn whenever one is due."""
        end = self.host.monotonic() + seconds
        self.settle()
        while (at := self.reconciler.wake_at) is not None and at <= end:
            self.host.advance(max(0.0, at - self.host.monotonic()))
            self.settle()
        self.host.advance(max(0.0, end - self.host.monotonic()))

    def map(self, name: str) -> Map:
        return next(each for each in self.world.maps.values() if each.name == Alias(name))

    def active(self, name: str) -> dict[str, bool]:
        """What dm believes of a map's paths, by the paths' names."""
        live = self.map(name)
        assert live.status is not None
        return {str(self.world.name_of(path.dev)): path.active for path in live.status.paths}

    def told(self) -> list[Event]:
        return list(self.bulletin)
