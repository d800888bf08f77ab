"""A table that somebody loaded and never resumed goes by an ordinary reload, and no cycle ever clears a slot.

A clear brings Linux 6.1 down when a rename and a load of the same map follow it (see `actuators.devicemapper`).
"""

import contextlib
import errno
from dataclasses import replace

import pytest

from actuators.steps import FailPath, Refused, ReloadMap
from controller.reconcile.plan import Memory
from controller.runtime import cycle
from controller.sandbox.errors import Killed
from controller.sandbox.host import SandboxHost
from controller.sandbox.san import Scenario
from controller.sandbox.scenario import load_scenario
from observers.dmtable import MultipathTable, parse_table
from tests.sandbox import dm

FILES = cycle.Files()
REBOUND = 120.0
"""Seconds after which every refusal of these tests may be tried again."""

OTHERS = {
    "the table of one path": "0 1 alua 1 1 service-time 0 1 1 sda 1",
    "the same paths in another order": "0 1 alua 1 1 service-time 0 2 1 sde 1 sda 1",
}
"""Tables for the map `data` of the scenario that are not the desired one."""


def scenario(*, waits: str = "", runs: str = "") -> Scenario:
    """Half of the paths of two maps are down; `data` has a second table that waits, or runs with another table."""
    found = load_scenario("fabric-down")
    data, logs = found.maps
    assert data.name == "data"
    size = " ".join(data.table[0].split()[:2])
    changed = replace(
        data,
        table=(f"{size} multipath {runs}",) if runs else data.table,
        inactive=(f"{size} multipath {waits}",) if waits else (),
    )
    return replace(found, maps=(changed, logs))


STRAY = scenario(waits=OTHERS["the table of one path"])


def decide(host: SandboxHost) -> cycle.Decision:
    return cycle.decide(cycle.observe(host, FILES), Memory(), host.monotonic())


def reconcile(host: SandboxHost) -> cycle.Result:
    return cycle.reconcile(host, FILES, on_decision=lambda _: None, on_outcome=lambda _step, _outcome: None)


def waiting(host: SandboxHost) -> list[str]:
    """The maps with a table in the inactive slot."""
    return [each.name for each in cycle.observe(host, FILES).maps if each.inactive_table]


def tables(host: SandboxHost) -> dict[str, MultipathTable | None]:
    """The tables that run, less what messages and failovers change."""
    maps = cycle.observe(host, FILES).maps
    assert not any(each.suspended for each in maps)
    return {each.name: each.table and replace(each.table, initial_group=1, features=()) for each in maps}


def test_the_plan_loads_the_same_table_again_and_fails_what_is_down() -> None:
    host = SandboxHost(STRAY)
    reconcile(without := SandboxHost(scenario()))
    data = next(each for each in decide(host).plan.maps if each.name == "data")
    load, *others = data.steps
    assert isinstance(load, ReloadMap)
    assert replace(parse_table(load.size, load.table), initial_group=1).devices == _devices(tables(without)["data"])
    assert {step.name for step in others if isinstance(step, FailPath)} == {"sde", "sdg"}


def _devices(table: MultipathTable | None) -> object:
    return table and table.devices


def test_apply_leaves_no_second_table_and_the_second_plan_is_empty() -> None:
    host = SandboxHost(STRAY)
    before = tables(host)
    assert waiting(host) == ["data"]
    assert reconcile(host).converged
    assert (waiting(host), tables(host)) == ([], before)
    assert decide(host).plan.steps == ()
    assert "DM_TABLE_CLEAR" not in host.writes


def test_the_map_stays_as_it_is_where_no_path_is_usable() -> None:
    host = SandboxHost(STRAY)
    host.happen("adapter-down", "1")
    host.advance(60)
    reconcile(host)
    assert waiting(host) == ["data"]
    assert not host.writes["DM_TABLE_LOAD"]
    (data,) = (each for each in decide(host).plan.maps if each.name == "data")
    assert any("a second table is loaded and not in use; it stays" in reason for reason in data.reasons)


def test_a_map_that_somebody_suspended_keeps_both_tables() -> None:
    host = SandboxHost(STRAY)
    dm.suspend(host, "data", flags=dm.Flag.DM_NOFLUSH_FLAG)
    before = dict(host.writes)
    (data,) = (each for each in decide(host).plan.maps if each.name == "data")
    assert data.steps == ()
    reconcile(host)
    assert waiting(host) == ["data"]
    assert host.writes["DM_DEV_SUSPEND"] == before["DM_DEV_SUSPEND"]


@pytest.mark.parametrize("done", [False, True], ids=["before the call", "after the call"])
def test_killed_at_any_writing_call_the_next_start_converges(*, done: bool) -> None:
    whole = SandboxHost(STRAY)
    reconcile(whole)
    for at in range(1, sum(whole.writes.values()) + 1):
        host = SandboxHost(STRAY)
        host.faults.kill_at(at, done=done)
        with contextlib.suppress(Killed):
            reconcile(host)
        host.restart()
        assert reconcile(host).converged, f"killed at writing call {at}"
        assert (waiting(host), tables(host)) == ([], tables(whole)), f"killed at writing call {at}"
        assert "DM_TABLE_CLEAR" not in host.writes


@pytest.mark.parametrize("command", ["DM_TABLE_LOAD", "DM_DEV_SUSPEND"])
@pytest.mark.parametrize("error", sorted(errno.errorcode), ids=errno.errorcode.get)
def test_no_refused_reload_clears_a_slot_and_the_old_table_is_all_that_a_resume_can_start(
    command: str, error: int
) -> None:
    host = SandboxHost(scenario(runs=OTHERS["the table of one path"]))
    before, wanted = tables(host), tables(SandboxHost(scenario()))
    host.faults.fail_ioctl(command, error, count=100, map="data")
    result = reconcile(host)
    assert any(isinstance(step, ReloadMap) for step, outcome in result.outcomes if isinstance(outcome, Refused))
    assert "DM_TABLE_CLEAR" not in host.writes
    assert tables(host) == before
    host.restart()
    _let_calls_through(host)
    dm.resume(host, "data")
    assert tables(host) == before
    host.advance(REBOUND)
    assert reconcile(host).converged
    assert (waiting(host), tables(host)) == ([], wanted)
    assert "DM_TABLE_CLEAR" not in host.writes


def _let_calls_through(host: SandboxHost) -> None:
    """Use up what is left of the faults."""
    for _ in range(100):
        with contextlib.suppress(OSError):
            dm.call(host, dm.Command.DM_TABLE_LOAD, name="data", payload=b"", count=0)
