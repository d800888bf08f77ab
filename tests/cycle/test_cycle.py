"""Whole cycles on the in-memory kernel: the promises that hold for every scenario."""

import contextlib

import pytest

from actuators.steps import Outcome, Step
from controller.reconcile.plan import Memory
from controller.runtime import cycle
from controller.sandbox.errors import Killed
from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import load_scenario

SCENARIOS = ["small", "fabric-down", "unmapped-lun"]
FILES = cycle.Files()


def decide(host: SandboxHost) -> cycle.Decision:
    return cycle.decide(cycle.observe(host, FILES), Memory(), host.monotonic())


def changes(host: SandboxHost) -> int:
    """How many calls were made that change something on the host (the lock of the program itself is none)."""
    return sum(count for kind, count in host.writes.items() if kind not in ("lock", "unlock"))


def reconcile(host: SandboxHost) -> cycle.Result:
    return cycle.reconcile(host, FILES, on_decision=lambda _: None, on_outcome=lambda _step, _outcome: None)


@pytest.fixture(params=SCENARIOS)
def host(request: pytest.FixtureRequest) -> SandboxHost:
    return SandboxHost(load_scenario(request.param))


def test_a_second_plan_after_apply_is_empty(host: SandboxHost) -> None:
    assert reconcile(host).converged
    assert decide(host).plan.steps == ()


def test_a_second_reconcile_makes_no_writing_call(host: SandboxHost) -> None:
    reconcile(host)
    before = changes(host)
    assert reconcile(host).outcomes == ()
    assert changes(host) == before


def test_a_dry_run_touches_nothing(host: SandboxHost) -> None:
    decide(host)
    assert not host.writes


def test_apply_does_exactly_what_the_dry_run_said(host: SandboxHost) -> None:
    announced = decide(host).plan.steps
    done: list[Step] = []

    def note(step: Step, _outcome: Outcome) -> None:
        done.append(step)

    cycle.reconcile(host, FILES, on_decision=lambda _: None, on_outcome=note)
    assert tuple(done) == announced


def test_a_plan_that_changes_nothing_says_why_for_every_map(host: SandboxHost) -> None:
    reconcile(host)
    plan = decide(host).plan
    assert plan.maps
    assert all(each.reasons and all(each.reasons) for each in plan.maps)


def test_the_same_scenario_gives_the_same_plan(host: SandboxHost) -> None:
    assert decide(host).plan == decide(host).plan


def settled(host: SandboxHost) -> dict[str, object]:
    """What a reconcile must lead to, however often it is killed: names and tables, and nothing half done."""
    maps = cycle.observe(host, FILES).maps
    assert not any(each.suspended or each.inactive_table for each in maps)
    return {each.uuid: (each.name, each.table) for each in maps}


@pytest.mark.parametrize("done", [False, True], ids=["before the call", "after the call"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_any_writing_call_the_next_start_converges(name: str, *, done: bool) -> None:
    whole = SandboxHost(load_scenario(name))
    reconcile(whole)
    wanted = settled(whole)
    for at in range(1, sum(whole.writes.values()) + 1):
        host = SandboxHost(load_scenario(name))
        host.faults.kill_at(at, done=done)
        with contextlib.suppress(Killed):
            reconcile(host)
        host.restart()
        assert reconcile(host).converged, f"killed at writing call {at}"
        assert settled(host) == wanted, f"killed at writing call {at}"
