"""Which group a map uses, and when it goes back to the best one."""

from dataclasses import replace

import pytest

from actuators.steps import MapRef, ReloadMap, SwitchGroup
from controller.reconcile.health import PathMemory, kernel_failed
from controller.reconcile.plan import MapPlan, Memory
from controller.reconcile.planner import plan
from desired.model import DesiredMap, Failback
from observers.dmtable import GroupState, parse_table
from observers.snapshot import Alias, Map, PathState, Snapshot
from tests.health.paths import CARE, stored
from tests.health.paths import check as checked
from tests.planner.builders import (
    FOLLOWOVER,
    IMMEDIATE,
    MANUAL,
    NOW,
    States,
    delayed,
    desire,
    dev,
    kinds,
    only,
    planned,
    running,
    snapshot,
    table,
    uuid,
    wanted,
)

DOWN, UP = PathState.DOWN, PathState.UP


def seen_down() -> PathMemory:
    """Of a path that is up again after a check saw it down."""
    return checked(checked(stored(UP), DOWN), UP)


def failed_by_kernel() -> PathMemory:
    """Of a path that is up again after only the kernel failed it."""
    return checked(kernel_failed(stored(UP), CARE, now=NOW), UP)


def away(failback: Failback, *, states: States | None = None, failed: tuple[int, ...] = ()) -> MapPlan:
    """A map whose best group is the first, while the second is in use."""
    want = wanted("a", [0, 1], [2, 3], failback=failback, states=states)
    live = running(want, next_group=2, failed=failed)
    return only(planned(snapshot(live, states=states), desire(want)))


def test_immediate_goes_at_once() -> None:
    made = away(IMMEDIATE)
    assert made.steps == (SwitchGroup(map=MapRef(uuid("a"), Alias("a")), group=1),)
    assert made.reasons == ("failback is immediate: I/O goes to group 1",)


def test_manual_stays_and_says_so() -> None:
    made = away(MANUAL)
    assert made.steps == ()
    assert made.reasons == ("group 2 stays in use though group 1 is better: failback is manual",)


@pytest.mark.parametrize("failback", [MANUAL, FOLLOWOVER, delayed(60)])
def test_a_group_without_a_working_path_is_left_whatever_failback_says(failback: Failback) -> None:
    states = {2: DOWN, 3: DOWN}
    assert kinds(away(failback, states=states, failed=(2, 3)).steps) == ["SwitchGroup"]
    assert kinds(away(failback, states=states).steps) == ["FailPath", "FailPath", "SwitchGroup"]


def test_nothing_is_switched_to_a_group_without_a_usable_path() -> None:
    made = away(IMMEDIATE, states={0: DOWN, 1: DOWN}, failed=(0, 1))
    assert made.steps == ()


def test_a_delayed_failback_is_due_after_its_time_and_not_before() -> None:
    want = wanted("a", [0], [1], failback=delayed(10))
    snap, desired = snapshot(running(want, next_group=2)), desire(want)
    made, memory = plan(snap, desired, Memory(), NOW)
    assert (made.steps, made.wake_at) == ((), NOW + 10)
    made, memory = plan(snap, desired, memory, NOW + 2)
    assert only(made).reasons == ("group 2 stays in use though group 1 is better: failback due in 8 s",)
    made, memory = plan(snap, desired, memory, NOW + 10)
    assert kinds(made.steps) == ["SwitchGroup"]


def test_a_delay_begins_anew_when_the_best_group_failed_meanwhile() -> None:
    want = wanted("a", [0], [1], failback=delayed(10))
    live, memory = running(want, next_group=2), Memory(failback_since={wanted("a", [0]).wwid: NOW - 9})
    bad = replace(want, members=(replace(want.members[0], state=DOWN), want.members[1]))
    _, memory = plan(snapshot(live, states={0: DOWN}), desire(bad), memory, NOW)
    assert memory.failback_since == {}


def test_a_delay_is_forgotten_when_the_best_group_is_in_use() -> None:
    want = wanted("a", [0], [1], failback=delayed(10))
    memory = Memory(failback_since={want.wwid: NOW})
    assert plan(snapshot(running(want)), desire(want), memory, NOW)[1].failback_since == {}


def test_followover_follows_only_a_group_that_just_came_back() -> None:
    assert away(FOLLOWOVER).steps == ()
    assert "did not just come back" in away(FOLLOWOVER).reasons[0]
    assert kinds(away(FOLLOWOVER, failed=(0, 1)).steps) == ["ReinstatePath", "ReinstatePath", "SwitchGroup"]
    assert kinds(away(FOLLOWOVER, failed=(0,)).steps) == ["ReinstatePath"]


@pytest.mark.parametrize(
    ("memories", "steps"),
    [
        pytest.param((seen_down(), seen_down()), ["ReinstatePath", "ReinstatePath", "SwitchGroup"], id="checks"),
        pytest.param((failed_by_kernel(), failed_by_kernel()), ["ReinstatePath", "ReinstatePath"], id="the kernel"),
        pytest.param((seen_down(), failed_by_kernel()), ["ReinstatePath", "ReinstatePath"], id="checks, of one"),
    ],
)
def test_followover_follows_only_what_checks_saw_come_back(memories: tuple[PathMemory, ...], steps: list[str]) -> None:
    """Another host that takes the unit over fails our I/O, not our checks."""
    want = wanted("a", [0, 1], [2, 3], failback=FOLLOWOVER)
    snap = snapshot(running(want, next_group=2, failed=(0, 1)))
    known = Memory(paths={dev(number): memory for number, memory in enumerate(memories)})
    assert kinds(plan(snap, desire(want), known, NOW)[0].steps) == steps


def loaded(failback: Failback, live: Map, *numbers: int) -> int:
    """The initial group of the table that is loaded because the first group has other paths now."""
    want = wanted("a", numbers, [2], failback=failback)
    step = only(planned(snapshot(live), desire(want))).steps[0]
    assert isinstance(step, ReloadMap)
    return parse_table(step.size, step.table).initial_group


@pytest.mark.parametrize(("failback", "group"), [(IMMEDIATE, 1), (MANUAL, 2), (FOLLOWOVER, 2), (delayed(9), 2)])
def test_a_reload_is_not_a_failback_in_disguise(failback: Failback, group: int) -> None:
    assert loaded(failback, running(wanted("a", [0], [2]), next_group=2), 0, 1) == group


def test_followover_follows_a_group_whose_paths_are_all_new() -> None:
    assert loaded(FOLLOWOVER, running(wanted("a", [2])), 0, 1) == 1


def test_a_reload_leaves_a_dead_group() -> None:
    live = running(wanted("a", [0], [2]), next_group=2)
    want = wanted("a", [0, 1], [2], failback=MANUAL, states={2: DOWN})
    step = only(planned(snapshot(live, states={2: DOWN}), desire(want))).steps[0]
    assert isinstance(step, ReloadMap)
    assert parse_table(step.size, step.table).initial_group == 1


def test_the_group_in_use_is_known_by_its_paths_not_by_its_number() -> None:
    live = running(wanted("a", [2, 3], [0, 1]), next_group=2)
    assert planned(snapshot(live), desire(wanted("a", [0, 1], [2, 3]))).steps == ()


def disabled(want: DesiredMap, *, failed: tuple[int, ...] = ()) -> Snapshot:
    """A host whose map could not activate its first group and uses the second."""
    live = running(want, next_group=2, failed=failed)
    assert live.status is not None
    groups = (replace(live.status.groups[0], state=GroupState.DISABLED), live.status.groups[1])
    return snapshot(replace(live, status=replace(live.status, groups=groups)))


@pytest.mark.parametrize(("failed", "steps"), [((), []), ((0,), ["ReinstatePath", "SwitchGroup"])])
def test_a_group_that_the_kernel_disabled_is_tried_again_at_once_only_when_a_path_came_back(
    failed: tuple[int, ...], steps: list[str]
) -> None:
    want = wanted("a", [0, 1], [2])
    made = only(planned(disabled(want, failed=failed), desire(want)))
    assert kinds(made.steps) == steps
    assert steps or "the kernel disabled it" in made.reasons[0]


@pytest.mark.parametrize(("failback", "rest"), [(IMMEDIATE, 60), (delayed(10), 60), (delayed(90), 90)])
def test_a_group_that_the_kernel_disabled_is_tried_again_after_a_while_and_then_anew(
    failback: Failback, rest: int
) -> None:
    want = wanted("a", [0, 1], [2], failback=failback)
    snap, desired = disabled(want), desire(want)
    made, memory = plan(snap, desired, Memory(), NOW)
    assert (made.steps, made.wake_at) == ((), NOW + rest)
    made, memory = plan(snap, desired, memory, NOW + rest - 1)
    assert (made.steps, only(made).reasons[0].endswith("; it is tried again in 1 s")) == ((), True)
    made, memory = plan(snap, desired, memory, NOW + rest)
    assert kinds(made.steps) == ["SwitchGroup"]
    made, memory = plan(snap, desired, memory, NOW + rest + 1)
    assert (made.steps, made.wake_at) == ((), NOW + 2 * rest + 1)


@pytest.mark.parametrize("failback", [MANUAL, FOLLOWOVER])
def test_a_group_that_the_kernel_disabled_is_left_alone_where_failback_is_not_by_time(failback: Failback) -> None:
    want = wanted("a", [0, 1], [2], failback=failback)
    made = planned(disabled(want), desire(want))
    assert (made.steps, made.wake_at) == ((), None)


def test_a_group_is_found_again_by_its_working_path() -> None:
    live = running(wanted("a", [0, 1], [2]))
    want = wanted("a", [2], [0], [1], failback=MANUAL, states={0: DOWN})
    step = only(planned(snapshot(live, states={0: DOWN}), desire(want))).steps[0]
    assert isinstance(step, ReloadMap)
    assert parse_table(step.size, step.table).initial_group == 3


def test_no_group_is_best_when_none_has_a_path_of_the_best_one() -> None:
    states = {1: DOWN, 3: DOWN}
    live = running(wanted("a", [0], [2]), next_group=2)
    made = only(planned(snapshot(live, states=states), desire(wanted("a", [1], [3], states=states))))
    assert made.steps == ()


def test_a_map_whose_table_has_no_group_gets_its_paths() -> None:
    live = running(wanted("a", shape=table()), next_group=0)
    step = only(planned(snapshot(live), desire(wanted("a", [0], [1], failback=MANUAL)))).steps[0]
    assert isinstance(step, ReloadMap)
    assert parse_table(step.size, step.table).initial_group == 1


def test_a_delay_begins_anew_when_a_path_of_the_map_failed_meanwhile() -> None:
    states = {3: DOWN}
    want = wanted("a", [0], [1, 3], failback=delayed(10), states=states)
    snap = snapshot(running(want, next_group=2, failed=[3]), states=states)
    paths = {dev(3): checked(stored(PathState.UP), DOWN, now=NOW - 4)}
    memory = Memory(failback_since={want.wwid: NOW - 9}, paths=paths)
    made, memory = plan(snap, desire(want), memory, NOW)
    assert made.wake_at == NOW + 6
    assert memory.failback_since == {want.wwid: NOW - 4}
    assert kinds(plan(snap, desire(want), memory, NOW + 6)[0].steps) == ["SwitchGroup"]
