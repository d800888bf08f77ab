"""`mpathctl reconcile` as a person or a script runs it."""

import json
from pathlib import Path

import pytest

from controller.sandbox import scenario as scenarios_of
from tests.cli.captured import run

SMALL = Path(scenarios_of.__file__).parent / "scenarios/small.san"
SCENARIOS = ["small", "fabric-down", "unmapped-lun"]


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_dry_run_says_that_changes_are_pending(name: str) -> None:
    done = run("--sandbox", name, "reconcile", "--dry-run")
    assert done.status == 2
    assert "steps to do" in done.out


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_apply_ends_verified(name: str) -> None:
    done = run("--sandbox", name, "reconcile")
    assert done.status == 0
    assert done.out.splitlines()[-1].startswith("verified: ")


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_dry_run_prints_exactly_the_steps_that_apply_does(name: str) -> None:
    announced = [
        line[4:] for line in run("--sandbox", name, "reconcile", "--dry-run").out.splitlines() if line[:4] == "  * "
    ]
    applied = run("--sandbox", name, "reconcile").out.splitlines()
    assert [line.removeprefix("done: ") for line in applied if line.startswith("done: ")] == announced


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_snapshot_plans_like_its_host(name: str, tmp_path: Path) -> None:
    file = tmp_path / "host.json"
    run("--sandbox", name, "snapshot", "-o", str(file))
    here = run("reconcile", "--dry-run", "--snapshot", str(file))
    there = run("--sandbox", name, "reconcile", "--dry-run")
    assert (here.status, here.out) == (there.status, there.out)


def test_the_plan_is_json_for_programs() -> None:
    done = run("--sandbox", "unmapped-lun", "reconcile", "--dry-run", "--json")
    plan = json.loads(done.out)
    assert (done.status, plan["format"], plan["version"]) == (2, "mpathctl-plan", 1)
    removed = next(each for each in plan["maps"] if each["name"] == "logs")
    assert removed["steps"][-1]["step"] == "RemoveMap"
    assert removed["steps"][-1]["map"]["uuid"] == "mpath-3600a098038304479363f4c4934526b01"


def watched(folder: Path) -> str:
    """A scenario whose host has a daemon."""
    file = folder / "watched.san"
    daemon = "file /run/multipathd.pid <<END\n4711\nEND\nfile /proc/4711/comm <<END\nmultipathd\nEND\n"
    file.write_text(SMALL.read_text() + daemon)
    return str(file)


def test_beside_a_daemon_nothing_is_done_and_the_way_out_is_named(tmp_path: Path) -> None:
    done = run("--sandbox", watched(tmp_path), "reconcile")
    assert (done.status, done.out) == (1, "")
    assert "multipathd runs (pid 4711)" in done.err
    assert "mpathctl reconfigure" in done.err


def test_a_dry_run_is_made_beside_a_daemon_too(tmp_path: Path) -> None:
    assert run("--sandbox", watched(tmp_path), "reconcile", "--dry-run").status == 2


def test_whoever_insists_is_let_act_beside_a_daemon(tmp_path: Path) -> None:
    done = run("--sandbox", watched(tmp_path), "reconcile", "--beside-daemon")
    assert done.status == 0
    assert "acts on these maps too" in done.err


def test_virtual_time_lets_a_scenarios_events_happen(tmp_path: Path) -> None:
    file = tmp_path / "later.san"
    file.write_text(
        "array a\n  vendor V\n  product P\n  revision 1\n  node 1\n  group 1 active/optimized p1\n"
        "  lun 0 size 1G naa 600a098038304479363f4c4934526b00 serial s\n"
        "adapter 1 fc 10000090fa53a001\n  sees a p1\n"
        "file /etc/multipath.conf <<END\ndefaults {\n\tfind_multipaths no\n}\nEND\n"
        "at 30s unmap a:0\n"
    )
    before = run("--sandbox", str(file), "reconcile", "--dry-run")
    after = run("--sandbox", str(file), "reconcile", "--dry-run", "--after", "31")
    assert (before.status, after.status) == (2, 0), after.err
    assert "create" in before.out


def test_the_demo_shows_every_scenario_and_ends_well() -> None:
    done = run("demo")
    assert done.status == 0
    for name in SCENARIOS:
        assert f"mpathctl --sandbox {name} reconcile --topology" in done.out
    assert done.out.count("Planned once more: 0 steps.") == 3


def test_explain_preview_and_check_config_are_commands(tmp_path: Path) -> None:
    why = run("--sandbox", "small", "explain", "map", "data", "no_path_retry")
    assert (why.status, "built-in hardware table" in why.out) == (0, True)
    candidate = tmp_path / "new.conf"
    candidate.write_text("defaults {\n\tfind_multipaths yes\n\tuser_friendly_names yes\n}\n")
    assert run("check-config", str(candidate)).status == 0
    change = run("--sandbox", "fabric-down", "preview", str(candidate))
    assert (change.status, "rename" in change.out) == (2, True)
