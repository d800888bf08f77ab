"""Paths whose identity is due or denied: neither reinstated nor entered into a map, and taken out."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actuators.steps import CreateMap, ReinstatePath, ReloadMap, Step
from controller.reconcile.fencing import Sign
from controller.reconcile.health import PathMemory, identified, suspect
from controller.reconcile.plan import Memory, Plan
from controller.reconcile.planner import plan
from controller.reconcile.safety import Level, check
from desired.identity import Standing
from observers.dmtable import DevT, parse_table
from observers.snapshot import PathState, Snapshot
from tests.health.paths import NOW, THEIRS, reading, stored
from tests.planner.builders import desire, dev, kinds, only, running, snapshot, wanted
from tests.planner.hosts import DISKS, Drawn, hosts
from tests.planner.kernel import apply
from tests.planner.resident import Host, sure

UP, DOWN = PathState.UP, PathState.DOWN


def due() -> PathMemory:
    return suspect(stored(UP), [Sign.SESSION_BACK], now=NOW)


def denied() -> PathMemory:
    memory = stored(UP)
    return identified(memory, reading(memory, Standing.CONTRADICTED, THEIRS), now=NOW)


def host(*failed: int, live: tuple[int, ...] = (0, 1), paths: tuple[int, ...] = (0, 1)) -> Host:
    want = wanted("a", list(paths))
    snap = snapshot(running(wanted("a", list(live)), failed=failed), disks=4)
    return Host(snap, desire(want), Memory(resident=True, paths=sure(*range(4))))


def test_a_failed_path_comes_back_only_after_its_identity_was_read() -> None:
    it = host(0)
    it.remember(0, due())
    made = it.cycle()
    assert made.steps == ()
    assert only(made).reasons == (
        "8:0 (sda) stays failed: its identity is to be read first: its session was established anew",
    )
    it.remember(0, identified(due(), reading(due()), now=NOW))
    assert kinds(it.cycle().steps) == ["ReinstatePath"]


def test_a_path_that_dm_uses_goes_on_while_its_identity_is_read() -> None:
    it = host()
    it.remember(0, due())
    assert it.cycle().steps == ()


def test_a_new_path_enters_a_map_only_after_its_identity_was_read() -> None:
    it = host(paths=(0, 1, 2))
    it.remember(2, due())
    made = it.cycle()
    assert made.steps == ()
    why = "8:32 (sdc) stays out: its identity is to be read first: its session was established anew"
    assert why in only(made).reasons
    it.remember(2, stored(UP))
    assert kinds(it.cycle().steps) == ["ReloadMap"]


def test_a_map_is_made_of_the_paths_that_said_who_they_are() -> None:
    it = Host(snapshot(disks=2), desire(wanted("a", [0, 1])), Memory(resident=True, paths=sure(0)))
    it.remember(1, due())
    (step,) = (step for step in it.cycle().steps if isinstance(step, CreateMap))
    assert parse_table(step.size, step.table).devices == (dev(0),)


def test_a_map_is_not_made_while_none_of_its_paths_said_who_it_is() -> None:
    it = Host(snapshot(disks=1), desire(wanted("a", [0])))
    it.remember(0, due())
    made = it.cycle()
    assert made.steps == ()
    assert "its identity is to be read first" in only(made).reasons[0]


def test_a_quarantined_path_is_failed_first_and_taken_out() -> None:
    it = host()
    it.remember(0, denied())
    made = it.cycle()
    assert kinds(made.steps) == ["FailPath", "ReloadMap"]
    assert (
        "fails 8:0 (sda) at once: quarantined: it is to be 3aaa, and its device says that it is 3bbb"
        in only(made).reasons
    )
    assert it.snapshot.maps[0].table is not None
    assert it.snapshot.maps[0].table.devices == (dev(1),)
    assert it.cycle().steps == ()


def test_a_quarantined_path_comes_back_when_its_identity_agrees_again() -> None:
    it = host()
    it.remember(0, denied())
    it.cycle()
    it.remember(0, identified(denied(), reading(denied()), now=NOW))
    assert kinds(it.cycle().steps) == ["ReloadMap"]
    assert it.snapshot.maps[0].table is not None
    assert set(it.snapshot.maps[0].table.devices) == {dev(0), dev(1)}


def test_the_last_path_of_a_map_is_failed_too_when_it_is_another_unit() -> None:
    it = host(live=(0,), paths=(0,))
    it.remember(0, denied())
    assert kinds(it.cycle().steps) == ["FailPath"]
    assert it.cycle().steps == ()


def test_a_table_that_is_loaded_leaves_out_a_path_that_would_be_used_before_it_said_who_it_is() -> None:
    it = host(0, paths=(0, 1, 2))
    it.remember(0, due())
    (step,) = it.cycle().steps
    assert isinstance(step, ReloadMap)
    assert set(parse_table(step.size, step.table).devices) == {dev(1), dev(2)}
    assert it.cycle().steps == ()
    it.remember(0, stored(UP))
    assert kinds(it.cycle().steps) == ["ReloadMap"]


def test_a_failed_path_that_does_not_answer_stays_in_a_table_that_is_loaded() -> None:
    it = host(0, paths=(0, 1, 2))
    it.remember(0, suspect(stored(DOWN), [Sign.SESSION_BACK], now=NOW))
    it.state(sda=DOWN)
    assert kinds(it.cycle().steps) == ["ReloadMap", "FailPath"]


def test_a_path_is_no_reason_to_load_a_table_that_has_no_other() -> None:
    it = host(1, live=(1,), paths=(0, 1))
    it.remember(0, due())
    it.remember(1, due())
    assert it.cycle().steps == ()


@pytest.mark.parametrize("memory", [due(), denied()])
def test_the_safety_rules_stop_what_the_planner_would_not_do(memory: PathMemory) -> None:
    it = host(0, paths=(0, 1, 2))
    blind = plan(it.snapshot, it.desired, Memory(), NOW)[0]
    assert any(isinstance(step, ReloadMap | ReinstatePath) for step in blind.steps)
    known = Memory(paths={dev(0): memory})
    found = check(blind, it.snapshot, it.desired, known)
    assert {each.rule for each in found if each.level is Level.FATAL} & {"identity", "reinstate"}
    only_back = host(0)
    step_back = plan(only_back.snapshot, only_back.desired, Memory(), NOW)[0]
    assert kinds(step_back.steps) == ["ReinstatePath"]
    found = check(step_back, only_back.snapshot, only_back.desired, known)
    assert [each.rule for each in found if each.level is Level.FATAL] == ["reinstate"]


many = settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])


def gives_io(step: Step) -> set[DevT]:
    """The paths to which a step lets I/O go."""
    if isinstance(step, ReinstatePath):
        return {step.dev}
    if isinstance(step, CreateMap | ReloadMap):
        return set(parse_table(step.size, step.table).devices)
    return set()


@many
@given(hosts(), st.sets(st.integers(0, DISKS - 1)), st.sets(st.integers(0, DISKS - 1)))
def test_no_path_gets_io_while_its_identity_is_due_or_denied(drawn: Drawn, dues: set[int], lies: set[int]) -> None:
    memories = {dev(n): due() for n in dues} | {dev(n): denied() for n in lies}
    snap, desired, memory = drawn.snapshot, drawn.desired, Memory(resident=True, paths=memories)
    used = active(snap)
    answers = {path.dev for path in snap.paths if path.health.state not in BAD}
    barred = {dev(n) for n in lies} | ({dev(n) for n in dues} - used) & answers
    made = Plan()
    for _ in range(4):
        made, memory = plan(snap, desired, memory, NOW)
        assert [each for each in check(made, snap, desired, memory) if each.level is Level.FATAL] == []
        for step in made.steps:
            assert not gives_io(step) & barred
        snap, desired = apply(made, snap, desired)
    assert made.steps == ()
    assert not {dev(n) for n in lies} & active(snap)


BAD = {DOWN, PathState.SHAKY, PathState.TIMEOUT, PathState.REMOVED, PathState.DELAYED, PathState.DISCONNECTED}


def active(snap: Snapshot) -> set[DevT]:
    """The paths that dm uses, but for maps that somebody suspended, which take no messages."""
    maps = (live for live in snap.maps if not live.suspended and live.status is not None)
    return {path.dev for live in maps for path in (live.status.paths if live.status else ()) if path.active}


def test_memories_of_paths_that_are_well_change_no_plan() -> None:
    it = host(0, paths=(0, 1, 2))
    assert plan(it.snapshot, it.desired, it.memory, NOW)[0] == plan(it.snapshot, it.desired, Memory(), NOW)[0]


def test_a_table_starts_with_a_group_that_is_sure_when_the_best_one_is_not() -> None:
    want = wanted("a", [0], [1], [2])
    snap = snapshot(running(wanted("a", [0], [1]), failed=[0]), disks=4)
    it = Host(snap, desire(want), Memory(resident=True, paths=sure(*range(4))))
    it.remember(0, due())
    (step,) = it.cycle().steps
    assert isinstance(step, ReloadMap)
    table = parse_table(step.size, step.table)
    assert (table.devices, table.initial_group) == ((dev(1), dev(2)), 1)
