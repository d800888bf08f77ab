"""A table that somebody loaded and never resumed goes by an ordinary reload, and nothing ever clears a slot.

A clear brings Linux 6.1 down when a rename and a load of the same map follow it (see `actuators.devicemapper`).
"""

import contextlib
import errno
from dataclasses import replace

import pytest

from actuators.apply import apply
from actuators.retry import INTERRUPTED
from actuators.steps import FailPath, Refused, ReloadMap, Step, WriteTunable
from controller.reconcile.plan import Memory
from controller.runtime import cycle
from controller.sandbox.errors import Killed
from controller.sandbox.host import SandboxHost
from controller.sandbox.san import Scenario
from controller.sandbox.scenario import load_scenario
from observers.dmtable import MultipathTable, Sectors, parse_table
from observers.kernel.dm_ioctl import NO_FLAGS, Flag
from tests.sandbox import dm

FILES = cycle.Files()
ONE_PATH = "0 1 alua 1 1 service-time 0 1 1 sda 1"
"""A table that nobody wants."""


def scenario(*, waits: str = "", runs: str = "") -> Scenario:
    """One of two fabrics is down; the map `data` has a second table that waits, or runs with another table."""
    found = load_scenario("fabric-down")
    data, logs = found.maps
    size = " ".join(data.table[0].split()[:2])
    changed = replace(
        data,
        table=(f"{size} multipath {runs}",) if runs else data.table,
        inactive=(f"{size} multipath {waits}",) if waits else (),
    )
    return replace(found, maps=(changed, logs))


STRAY = scenario(waits=ONE_PATH)
BROKEN = scenario(runs=ONE_PATH)


def decide(host: SandboxHost) -> cycle.Decision:
    return cycle.decide(cycle.observe(host, FILES), Memory(), host.monotonic())


def reconcile(host: SandboxHost) -> cycle.Result:
    return cycle.reconcile(host, FILES, on_decision=lambda _: None, on_outcome=lambda _step, _outcome: None)


def of_data(host: SandboxHost) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    """What is planned for `data`, and why."""
    (data,) = (each for each in decide(host).plan.maps if each.name == "data")
    return data.steps, data.reasons


def waiting(host: SandboxHost) -> list[str]:
    """The maps with a table in the inactive slot."""
    return [each.name for each in cycle.observe(host, FILES).maps if each.inactive_table]


def tables(host: SandboxHost) -> dict[str, MultipathTable | None]:
    """The tables that run, less what messages and failovers change."""
    maps = cycle.observe(host, FILES).maps
    assert not any(each.suspended for each in maps)
    return {each.name: each.table and replace(each.table, initial_group=1, features=()) for each in maps}


def test_the_plan_loads_the_same_paths_again_and_fails_those_that_are_down() -> None:
    host = SandboxHost(STRAY)
    live = tables(host)["data"]
    steps, reasons = of_data(host)
    load, *others = (step for step in steps if not isinstance(step, WriteTunable))
    assert isinstance(load, ReloadMap)
    assert live is not None
    assert parse_table(load.size, load.table).devices == live.devices
    assert {step.name for step in others if isinstance(step, FailPath)} == {"sde", "sdg"}
    assert "drops a table that somebody loaded and never resumed" in reasons[0]


def test_apply_leaves_no_second_table_and_the_second_plan_is_empty() -> None:
    host = SandboxHost(STRAY)
    before = tables(host)
    assert waiting(host) == ["data"]
    assert reconcile(host).converged
    assert (waiting(host), tables(host)) == ([], before)
    assert decide(host).plan.steps == ()
    assert "DM_TABLE_CLEAR" not in host.writes


def test_a_second_table_stays_and_is_told_where_no_path_is_usable() -> None:
    host = SandboxHost(STRAY)
    host.happen("adapter-down", "1")
    host.advance(10)
    reconcile(host)
    assert waiting(host) == ["data"]
    assert not host.writes["DM_TABLE_LOAD"]
    assert any("a second table is loaded and not in use; it stays" in reason for reason in of_data(host)[1])


def test_a_map_that_somebody_suspended_keeps_both_tables() -> None:
    host = SandboxHost(STRAY)
    dm.suspend(host, "data", flags=Flag.DM_NOFLUSH_FLAG)
    before = host.writes["DM_DEV_SUSPEND"]
    assert of_data(host)[0] == ()
    reconcile(host)
    assert waiting(host) == ["data"]
    assert host.writes["DM_DEV_SUSPEND"] == before


@pytest.mark.parametrize("start", [STRAY, BROKEN], ids=["a stray table", "another table runs"])
@pytest.mark.parametrize("done", [False, True], ids=["before the call", "after the call"])
def test_killed_at_any_writing_call_the_next_start_converges(start: Scenario, *, done: bool) -> None:
    whole = SandboxHost(start)
    reconcile(whole)
    for at in range(1, sum(whole.writes.values()) + 1):
        host = SandboxHost(start)
        host.faults.kill_at(at, done=done)
        with contextlib.suppress(Killed):
            reconcile(host)
        host.restart()
        assert reconcile(host).converged, f"killed at writing call {at}"
        assert (waiting(host), tables(host)) == ([], tables(whole)), f"killed at writing call {at}"
        assert "DM_TABLE_CLEAR" not in host.writes


@pytest.fixture(scope="module")
def load() -> ReloadMap:
    """The step that gives `data` its desired table again."""
    (step,) = (each for each in decide(SandboxHost(BROKEN)).plan.steps if isinstance(each, ReloadMap))
    return step


def devices(host: SandboxHost, flags: Flag = NO_FLAGS) -> list[tuple[str, ...]]:
    """The paths of the table of `data`, or of its inactive one."""
    shown = dm.targets(host, "data", flags=flags | Flag.DM_STATUS_TABLE_FLAG)
    return [parse_table(Sectors(each.length), each.params).devices for each in shown]


@pytest.mark.parametrize("command", ["DM_TABLE_LOAD", "DM_DEV_SUSPEND"])
@pytest.mark.parametrize("error", sorted(errno.errorcode), ids=errno.errorcode.get)
def test_a_refused_reload_clears_no_slot_and_leaves_nothing_else_to_be_resumed(
    load: ReloadMap, command: str, error: int
) -> None:
    host = SandboxHost(BROKEN)
    host.faults.fail_ioctl(command, error, count=INTERRUPTED.attempts if error == errno.EINTR else 2, map="data")
    ((_, outcome),) = apply(host, [], [[load]], udev_running=True).outcomes
    assert isinstance(outcome, Refused)
    assert "DM_TABLE_CLEAR" not in host.writes
    assert Flag.DM_SUSPEND_FLAG not in dm.info(host, "data").flags
    assert devices(host) == [("8:0",)]
    waits = devices(host, Flag.DM_QUERY_INACTIVE_TABLE_FLAG)
    assert waits == ([("8:0",)] if command == "DM_DEV_SUSPEND" else [])


def test_what_a_refused_reload_left_converges_when_nothing_is_refused_any_more() -> None:
    host, quiet = SandboxHost(BROKEN), SandboxHost(BROKEN)
    reconcile(quiet)
    host.faults.fail_ioctl("DM_DEV_SUSPEND", errno.ENOMEM, map="data")
    assert not reconcile(host).converged
    assert waiting(host) == ["data"]
    assert reconcile(host).converged
    assert (waiting(host), tables(host)) == ([], tables(quiet))
