"""Whole cycles on the in-memory kernel: the promises that hold for every scenario."""

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
    before = host.writing_calls
    assert reconcile(host).outcomes == ()
    assert host.writing_calls == before


def test_a_dry_run_touches_nothing(host: SandboxHost) -> None:
    before = host.writing_calls
    decide(host)
    assert host.writing_calls == before


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


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_any_writing_call_the_next_start_converges(name: str) -> None:
    whole = SandboxHost(load_scenario(name))
    before = whole.writing_calls
    reconcile(whole)
    wanted = {each.uuid: (each.name, each.table) for each in cycle.observe(whole, FILES).maps}
    for at in range(1, whole.writing_calls - before + 1):
        host = SandboxHost(load_scenario(name))
        host.kill_at(at)
        with pytest.raises(Killed):
            reconcile(host)
        host.restart()
        assert reconcile(host).converged, f"killed at writing call {at}"
        found = cycle.observe(host, FILES).maps
        assert {each.uuid: (each.name, each.table) for each in found} == wanted, f"killed at writing call {at}"
        assert not any(each.suspended or each.inactive_table for each in found)
