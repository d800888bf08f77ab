"""purge_disconnected: which path's device is deleted, when, and when not."""

from dataclasses import replace

import pytest

from actuators.steps import Changed, DeletePath, Lost, MapRef, Outcome, Step
from controller.reconcile import purge_memory
from controller.reconcile.done import purge_started
from controller.reconcile.health import PathMemory
from controller.reconcile.memory import after_apply
from controller.reconcile.plan import Memory, Plan
from controller.reconcile.planner import plan
from controller.reconcile.purge_memory import TRIES
from controller.reconcile.safety import Level, check
from desired.care import MapCare, PathCare
from observers.snapshot import Alias, DeviceName, PathState
from tests.health.paths import NOW, stored
from tests.health.paths import check as checked
from tests.planner.bad_plans import of
from tests.planner.builders import desire, dev, devs, kinds, only, running, snapshot, uuid, wanted
from tests.planner.resident import Host, caring

UP, DOWN, GONE = PathState.UP, PathState.DOWN, PathState.DISCONNECTED
ON = MapCare(path=PathCare(purge=True))
A = MapRef(uuid("a"), Alias("a"))


def unmapped(since: float = NOW) -> PathMemory:
    return checked(stored(UP), GONE, now=since)


def host(*states: PathState, care: MapCare = ON, open_count: int = 1) -> Host:
    """A map whose paths are in these states, as dm knows already."""
    known = {n: DOWN if state is GONE else state for n, state in enumerate(states)}
    want = caring(wanted("a", range(len(states)), states=known), care)
    live = running(want, failed=[n for n, state in known.items() if state is DOWN], open_count=open_count)
    it = Host(snapshot(live, disks=len(states), states=known), desire(want))
    for number, state in enumerate(states):
        it.remember(number, unmapped(NOW + number) if state is GONE else stored(state))
    return it


def planned(it: Host) -> Plan:
    made, memory = plan(it.snapshot, it.desired, it.memory, it.now)
    assert [each for each in check(made, it.snapshot, it.desired, memory) if each.level is Level.FATAL] == []
    return made


def deleted(it: Host) -> list[DeviceName]:
    return [step.name for step in planned(it).steps if isinstance(step, DeletePath)]


def test_a_disconnected_path_is_deleted_when_another_is_usable() -> None:
    it = host(GONE, UP)
    assert planned(it).steps == (DeletePath(map=A, dev=dev(0), name=DeviceName("sda"), sysfs=""),)
    why = "deletes 8:0 (sda): its target no longer maps its logical unit (purge_disconnected)"
    assert why in only(planned(it)).reasons
    assert only(planned(it)).action == "purge"


@pytest.mark.parametrize(
    ("states", "used", "names"),
    [
        pytest.param((GONE, UP), 1, ["sda"], id="another usable"),
        pytest.param((GONE, DOWN), 1, [], id="in use, another only down"),
        pytest.param((GONE, DOWN), 0, ["sda"], id="not in use"),
        pytest.param((GONE, GONE), 1, ["sda"], id="all disconnected: the first to say so, one at a time"),
        pytest.param((GONE,), 1, ["sda"], id="the only one, and disconnected"),
        pytest.param((DOWN, UP), 1, [], id="down is not disconnected"),
        pytest.param((GONE, PathState.GHOST), 1, ["sda"], id="another on standby"),
    ],
)
def test_what_is_deleted(states: tuple[PathState, ...], used: int, names: list[str]) -> None:
    assert deleted(host(*states, open_count=used)) == names


def test_nothing_is_deleted_unless_that_is_configured() -> None:
    assert deleted(host(GONE, UP, care=MapCare())) == []


def test_a_path_that_waits_says_why() -> None:
    made = only(planned(host(GONE, DOWN)))
    assert any(
        "is to be deleted, but not now: its map is in use, none of its paths is usable, and 8:16 (sdb)" in reason
        for reason in made.reasons
    )


def test_the_others_wait_for_their_turn_and_say_so() -> None:
    made = only(planned(host(GONE, GONE, UP)))
    assert "8:16 (sdb) is to be deleted, but not now: one device is deleted after the other" in made.reasons


def test_one_device_of_the_whole_host_is_deleted_at_a_time() -> None:
    it = host(GONE, UP)
    it.memory = replace(it.memory, paths=purge_started(it.memory.paths, dev(0)))
    assert deleted(it) == []
    assert any("its device is being deleted" in reason for reason in only(planned(it)).reasons)
    assert purge_started({}, dev(7)) == {}


def test_a_path_is_failed_before_its_device_is_deleted() -> None:
    it = host(GONE, UP)
    live = running(it.desired.maps[0], open_count=1)
    it.snapshot = replace(it.snapshot, maps=(live,))
    assert kinds(planned(it).steps) == ["FailPath", "DeletePath"]


def test_a_path_that_came_back_is_spared() -> None:
    it = host(GONE, UP)
    it.remember(0, checked(unmapped(), UP))
    it.state(sda=UP)
    assert kinds(planned(it).steps) == ["ReinstatePath"]


def tried(it: Host, outcome: Outcome) -> None:
    step: Step = DeletePath(map=A, dev=dev(0), name=DeviceName("sda"), sysfs="")
    it.memory = after_apply(it.memory, Plan(), [(step, outcome)], it.now)


@pytest.mark.parametrize("outcome", [Lost("it is another device"), Changed()])
def test_a_try_that_came_to_nothing_is_repeated_later(outcome: Outcome) -> None:
    it = host(GONE, UP)
    tried(it, outcome)
    made = planned(it)
    assert (made.steps, made.wake_at) == ((), NOW + 10)
    assert any("a try to delete its device came to nothing (1 so far)" in reason for reason in only(made).reasons)
    it.now = NOW + 10
    assert deleted(it) == ["sda"]


def test_tries_end() -> None:
    it = host(GONE, UP)
    for _ in range(TRIES):
        tried(it, Lost("no"))
        it.now += 1000
    made = planned(it)
    assert (made.steps, made.wake_at) == ((), None)
    assert any(f"{TRIES} tries to delete its device came to nothing" in reason for reason in only(made).reasons)


def test_a_path_whose_device_is_gone_leaves_its_map() -> None:
    it = host(GONE, UP)
    it.cycle()
    assert [path.name for path in it.snapshot.paths] == ["sdb"]
    it.cycle()
    (live,) = it.snapshot.maps
    assert live.table is not None
    assert live.table.devices == devs(1)


def test_a_path_whose_device_was_deleted_before_it_joined_is_not_loaded_later() -> None:
    it = host(UP, GONE)
    small = running(wanted("a", [0]), udev={}, open_count=1)
    it.snapshot = replace(it.snapshot, maps=(small,))
    first = it.cycle()
    assert [step.name for step in first.steps if isinstance(step, DeletePath)] == ["sdb"]
    it.cycle()
    assert it.cycle().steps == ()
    (live,) = it.snapshot.maps
    assert live.table is not None
    assert live.table.devices == devs(0)


def delete(number: int = 0, sysfs: str = "") -> DeletePath:
    return DeletePath(map=A, dev=dev(number), name=DeviceName("sd" + "ab"[number]), sysfs=sysfs)


def broken(it: Host, *steps: DeletePath, memory: Memory | None = None) -> bool:
    found = check(Plan(maps=(of(*steps),)), it.snapshot, it.desired, memory or it.memory)
    return any(each.rule == "purge" and each.level is Level.FATAL for each in found)


def test_the_safety_rules_let_a_fitting_deletion_pass() -> None:
    assert not broken(host(GONE, UP), delete())
    assert not broken(host(GONE, GONE), delete())
    assert not broken(host(GONE, DOWN, open_count=0), delete())


@pytest.mark.parametrize(
    ("it", "steps"),
    [
        pytest.param(host(GONE, DOWN), [delete()], id="the last way to a map in use"),
        pytest.param(host(DOWN, UP), [delete()], id="only down"),
        pytest.param(host(GONE, UP), [delete(1)], id="usable"),
        pytest.param(host(GONE, UP), [delete(sysfs="/elsewhere")], id="another device"),
        pytest.param(host(GONE, GONE), [delete(), delete(1)], id="two at a time"),
        pytest.param(host(GONE, UP, care=MapCare()), [delete()], id="not configured"),
    ],
)
def test_the_safety_rules_stop_a_deletion(it: Host, steps: list[DeletePath]) -> None:
    assert broken(it, *steps)


def test_the_safety_rules_stop_a_deletion_of_which_nothing_is_known() -> None:
    assert broken(host(GONE, UP), delete(), memory=Memory())


def test_the_safety_rules_stop_the_deletion_of_a_path_that_dm_uses() -> None:
    it = host(GONE, UP)
    it.snapshot = replace(it.snapshot, maps=(running(it.desired.maps[0], open_count=1),))
    assert broken(it, delete())


def test_a_memory_under_way_survives_until_its_outcome() -> None:
    it = host(GONE, UP)
    it.memory = replace(it.memory, paths=purge_started(it.memory.paths, dev(0)))
    tried(it, Changed())
    assert it.memory.paths[dev(0)].purge == purge_memory.ended(unmapped().purge, now=NOW)
