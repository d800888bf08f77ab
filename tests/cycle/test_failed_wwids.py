"""The mark of a map that the kernel refused to make: left behind, taken away, and never twice."""

import errno

import pytest

from actuators.steps import CreateMap, MarkFailed, Outcome, Refused, Step, UnmarkFailed
from controller.reconcile.explain import plan_text
from controller.reconcile.plan import Memory
from controller.runtime import cycle
from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import load_scenario
from observers.snapshot import Wwid

FILES = cycle.Files()
DIRECTORY = "/run/multipath/failed_wwids"


def decide(host: SandboxHost, memory: Memory | None = None) -> cycle.Decision:
    return cycle.decide(cycle.observe(host, FILES), memory or Memory(), host.monotonic())


def reconcile(host: SandboxHost) -> list[tuple[Step, Outcome]]:
    done: list[tuple[Step, Outcome]] = []
    cycle.reconcile(host, FILES, on_decision=lambda _: None, on_outcome=lambda step, what: done.append((step, what)))
    return done


def marks(host: SandboxHost) -> set[str]:
    try:
        return set(host.list_directory(DIRECTORY))
    except FileNotFoundError:
        return set()


@pytest.fixture
def host() -> SandboxHost:
    return SandboxHost(load_scenario("small"))


@pytest.fixture
def wwid(host: SandboxHost) -> Wwid:
    """Of the map that the faults strike."""
    made = decide(host).plan.maps
    return next(each.wwid for each in made if any(isinstance(step, CreateMap) for step in each.steps))


def refuse(host: SandboxHost, wwid: Wwid, error: int = errno.EINVAL) -> None:
    """No table can be loaded into the map of this WWID."""
    name = next(each.alias.value for each in decide(host).desired.maps if each.wwid == wwid)
    host.faults.fail_ioctl("DM_TABLE_LOAD", error, count=1000, map=name)


def test_a_reconcile_that_ends_with_a_refusal_leaves_the_mark_of_that_map_alone(host: SandboxHost, wwid: Wwid) -> None:
    refuse(host, wwid)
    outcomes = reconcile(host)
    assert any(isinstance(step, CreateMap) and isinstance(what, Refused) for step, what in outcomes)
    assert marks(host) == {wwid}


def test_the_mark_is_left_once(host: SandboxHost, wwid: Wwid) -> None:
    refuse(host, wwid)
    assert [type(step) for step, _ in reconcile(host)].count(MarkFailed) == 1
    assert MarkFailed not in map(type, decide(host).plan.records)


def test_the_mark_goes_with_the_map_being_made_before_udev_looks_at_its_paths(host: SandboxHost, wwid: Wwid) -> None:
    host.create_file(f"{DIRECTORY}/{wwid}", mode=0o600, modified=0.0)
    mine = next(each for each in decide(host).plan.maps if each.wwid == wwid)
    kinds = [type(step).__name__ for step in mine.steps]
    assert kinds.index("CreateMap") < kinds.index("UnmarkFailed") < kinds.index("TriggerUevent")
    reconcile(host)
    assert marks(host) == set()
    assert decide(host).plan.steps == ()


def test_a_live_map_loses_a_mark_that_somebody_left(host: SandboxHost, wwid: Wwid) -> None:
    reconcile(host)
    host.create_file(f"{DIRECTORY}/{wwid}", mode=0o600, modified=0.0)
    plan = decide(host).plan
    assert plan.steps == (UnmarkFailed(file=f"{DIRECTORY}/{wwid}", wwid=wwid),)
    assert f"remove {DIRECTORY}/{wwid}: its map is made" in plan_text(plan)
    reconcile(host)
    assert decide(host).plan.steps == ()


def test_a_mark_without_a_map_stays(host: SandboxHost) -> None:
    reconcile(host)
    host.create_file(f"{DIRECTORY}/36001405deadbeef", mode=0o600, modified=0.0)
    assert decide(host).plan.steps == ()


def test_a_map_that_was_not_even_tried_is_not_marked(host: SandboxHost) -> None:
    """Its name could not be written down. That says nothing of what the kernel thinks of it."""
    config = host.read_file("/etc/multipath.conf").replace(b"defaults {", b"defaults {\n\tuser_friendly_names yes")
    host.replace_file("/etc/multipath.conf", config, mode=0o600)
    host.faults.fail_change("/etc/multipath/bindings", errno.EROFS, count=1000)
    untried = [what for step, what in reconcile(host) if isinstance(step, CreateMap) and isinstance(what, Refused)]
    assert untried
    assert not any(what.tried for what in untried)
    assert marks(host) == set()


def test_a_mark_that_can_not_be_made_is_told_and_stops_nothing(host: SandboxHost, wwid: Wwid) -> None:
    refuse(host, wwid)
    host.faults.fail_change(f"{DIRECTORY}/{wwid}", errno.EROFS, count=1000)
    outcomes = reconcile(host)
    assert [type(what) for step, what in outcomes if isinstance(step, MarkFailed)] == [Refused]
    others = {each.wwid for each in decide(host).desired.maps if not each.reject} - {wwid}
    assert {each.wwid for each in cycle.observe(host, FILES).maps} == others


def test_a_mark_that_can_not_be_removed_does_not_end_the_steps_of_its_map(host: SandboxHost, wwid: Wwid) -> None:
    file = f"{DIRECTORY}/{wwid}"
    host.create_file(file, mode=0o600, modified=0.0)
    host.faults.fail_change(file, errno.EROFS, count=1000)
    planned = next(each for each in decide(host).plan.maps if each.wwid == wwid).steps
    assert set(planned) <= {step for step, _ in reconcile(host)}


def test_a_refusal_in_the_last_round_leaves_the_mark_too(
    host: SandboxHost, wwid: Wwid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cycle, "ROUNDS", 1)
    refuse(host, wwid)
    reconcile(host)
    assert marks(host) == {wwid}
