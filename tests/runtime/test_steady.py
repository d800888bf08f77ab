"""When a check may ask as the last one did: only if all that it begins with is as it was."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from controller.reconcile.health import PathMemory
from controller.runtime.check_dialogues import Finding
from controller.runtime.steady import SteadyChecks
from observers.asking import Dialogue
from observers.probe import Probe
from observers.snapshot import Alua, DeviceName, Path
from tests.builders import scsi_path, unit_wwid
from tests.observers.fake_host import FakeHost

OPTIMIZED = Alua(tpgs=1, group=1, handler="alua", access_state="active/optimized", preferred=True)
PATH = scsi_path(0, unit_wwid(0), alua=OPTIMIZED)
PLAIN = scsi_path(1, unit_wwid(1))
MEMORY, PROBE = PathMemory(), Probe(checker="tur", checker_timeout=30)
TOKEN = object()


class Kernel(FakeHost):
    """A host with the attributes of a device handler."""

    def __init__(self) -> None:
        super().__init__()
        self.says = {"access_state": "active/optimized\n", "preferred_path": "1\n"}
        self.open: dict[int, str] = {}

    def open_attribute(self, path: str, /) -> int:
        name = path.rpartition("/")[2]
        if name not in self.says:
            raise OSError(2, "not there", path)
        handle = len(self.open) + 1
        self.open[handle] = name
        return handle

    def sample_attributes(self, handles: Sequence[int], /) -> list[bytes | int]:
        return [self.says[self.open[handle]].encode() for handle in handles]

    def close_attribute(self, handle: int, /) -> None:
        del self.open[handle]


class Bench:
    """Steady checks of a path whose last check was kept."""

    def __init__(self, path: Path = PATH) -> None:
        self.kernel, self.state = Kernel(), "running"
        self.path, self.memory, self.probe = path, MEMORY, PROBE
        self.checks = SteadyChecks(self.kernel, lambda _: self.state)
        self.finding = Finding(path=path)
        self.checks.keep(path, MEMORY, PROBE, self.finding, TOKEN)

    @property
    def steady(self) -> bool:
        again = self.checks.again(self.path, self.memory, self.probe, unexpected)
        assert again is None or again[1] is TOKEN
        return again is not None


def unexpected() -> Dialogue[Finding]:
    raise AssertionError("a whole check was begun")


def test_a_path_of_which_all_is_as_it_was_is_asked_as_before() -> None:
    assert Bench().steady
    assert Bench(PLAIN).steady


def another_path(bench: Bench) -> None:
    bench.path = replace(PATH, revision="2")


def another_memory(bench: Bench) -> None:
    bench.memory = replace(MEMORY, failures=1)


def another_probe(bench: Bench) -> None:
    bench.probe = replace(PROBE, checker="directio")


def another_state(bench: Bench) -> None:
    bench.state = "offline"


def another_access_state(bench: Bench) -> None:
    bench.kernel.says["access_state"] = "standby\n"


def no_preference(bench: Bench) -> None:
    bench.kernel.says["preferred_path"] = "0\n"


def forgotten(bench: Bench) -> None:
    bench.checks.forget(DeviceName(PATH.name))


@pytest.mark.parametrize(
    "happen",
    [another_path, another_memory, another_probe, another_state, another_access_state, no_preference, forgotten],
    ids=lambda happen: happen.__name__.replace("_", " "),
)
def test_anything_else_makes_the_next_check_a_whole_one(happen: Callable[[Bench], None]) -> None:
    bench = Bench()
    happen(bench)
    assert not bench.steady


def test_a_state_that_nobody_watches_makes_each_check_a_whole_one() -> None:
    bench = Bench()
    bench.checks = SteadyChecks(bench.kernel, lambda _: None)
    bench.checks.keep(PATH, MEMORY, PROBE, bench.finding, TOKEN)
    assert not bench.steady


def test_what_a_handler_says_and_cannot_be_read_makes_each_check_a_whole_one() -> None:
    bench = Bench()
    del bench.kernel.says["preferred_path"]
    bench.checks.keep(PATH, MEMORY, PROBE, bench.finding, TOKEN)
    assert not bench.steady
    assert not bench.kernel.open


def test_a_finding_is_the_same_only_if_nothing_happened_to_its_path_meanwhile() -> None:
    bench = Bench()
    assert bench.checks.found_the_same(bench.finding, PATH, MEMORY)
    assert not bench.checks.found_the_same(Finding(path=PATH), PATH, MEMORY)
    assert not bench.checks.found_the_same(bench.finding, replace(PATH, revision="2"), MEMORY)
    assert not bench.checks.found_the_same(bench.finding, PATH, replace(MEMORY, failures=1))


def test_what_is_kept_open_is_closed() -> None:
    bench = Bench()
    bench.checks.keep(PATH, MEMORY, PROBE, bench.finding, TOKEN)
    assert len(bench.kernel.open) == 2
    bench.checks.forget(DeviceName(PATH.name))
    assert not bench.kernel.open
