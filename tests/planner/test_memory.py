"""Refused steps back off; nothing else waits for them."""

from dataclasses import replace

import pytest

from actuators.steps import Changed, CreateMap, Lost, Outcome, Refused, RememberWwid, Step, Unchanged, WriteBindings
from controller.reconcile.memory import FIRST_WAIT, LONGEST_WAIT, after_apply, backoff
from controller.reconcile.plan import Memory, Plan, UdevTold
from controller.reconcile.planner import plan
from desired.model import Desired
from observers.snapshot import PathState, Snapshot
from tests.planner.builders import (
    HOST,
    NOW,
    SIZE,
    desire,
    disk,
    group,
    kinds,
    only,
    planned,
    running,
    snapshot,
    table,
    wanted,
)

BUSY = Refused(16, "device or resource busy")
MARKED = snapshot(failed_wwids=(wanted("a", [0]).wwid,))
"""A host on which the map of `a` could not be made before, and is marked."""


def attempt(snap: Snapshot, want: Desired, memory: Memory, now: float, outcome: Outcome) -> tuple[Plan, Memory]:
    """Plan, and let the first step have an outcome (a refusal ends the map's steps)."""
    made, memory = plan(snap, want, memory, now)
    return made, after_apply(memory, made, [(step, outcome) for step in made.steps[:1]], now)


def test_waiting_doubles_up_to_a_cap() -> None:
    assert [backoff(n) for n in (1, 2, 3, 7, 500)] == [5, 10, 20, LONGEST_WAIT, LONGEST_WAIT]


def test_a_refused_step_is_held_and_says_when_it_is_tried_again() -> None:
    snap, want = MARKED, desire(wanted("a", [0]))
    _, memory = attempt(snap, want, Memory(), NOW, BUSY)
    made, memory = plan(snap, want, memory, NOW + 2)
    assert (made.steps, only(made).action, made.wake_at) == ((), "held", NOW + FIRST_WAIT)
    assert "not now: refused once (device or resource busy); tries again in 3 s" in only(made).reasons


def test_a_refused_step_is_tried_again_in_time_and_waits_longer_after_that() -> None:
    snap, want = MARKED, desire(wanted("a", [0]))
    _, memory = attempt(snap, want, Memory(), NOW, BUSY)
    made, memory = attempt(snap, want, memory, NOW + FIRST_WAIT, BUSY)
    assert kinds(made.steps) == ["CreateMap", "UnmarkFailed"]
    refusal = memory.refusals[wanted("a", [0]).wwid]
    assert (refusal.count, refusal.retry_at) == (2, NOW + FIRST_WAIT + 10)
    assert "refused 2 times" in only(plan(snap, want, memory, NOW + FIRST_WAIT + 1)[0]).reasons[-1]


def test_another_step_is_tried_at_once() -> None:
    _, memory = attempt(MARKED, desire(wanted("a", [0])), Memory(), NOW, BUSY)
    assert kinds(planned(MARKED, desire(wanted("a", [0, 1])), memory).steps) == ["CreateMap", "UnmarkFailed"]


def test_what_waits_for_a_step_that_is_held_is_not_looked_at_again_at_once() -> None:
    want = desire(wanted("a", [0], shape=table(group(0), size=2 * SIZE)))
    snap = snapshot(running(wanted("a", [0]), failed=[0]), disks=[disk(0, size=2 * SIZE)])
    made, memory = attempt(snap, want, Memory(), NOW, BUSY)
    assert (kinds(made.steps), made.wake_at) == (["ReinstatePath"], NOW)
    made, memory = plan(snap, want, memory, NOW + 2)
    assert (made.steps, made.wake_at) == ((), NOW + FIRST_WAIT)


def test_the_other_steps_of_the_map_go_on() -> None:
    live = running(wanted("a", [0, 1]), failed=[0])
    want = desire(wanted("a", [0, 1, 2], states={1: PathState.DOWN}))
    snap = snapshot(live, states={1: PathState.DOWN})
    _, memory = attempt(snap, want, Memory(), NOW, BUSY)
    assert kinds(planned(snap, want, memory).steps) == ["ReinstatePath", "FailPath"]


def test_a_success_ends_the_waiting() -> None:
    snap, want = MARKED, desire(wanted("a", [0]))
    _, memory = attempt(snap, want, Memory(), NOW, BUSY)
    _, memory = attempt(snap, want, memory, NOW + FIRST_WAIT, Changed())
    assert memory.refusals == {}


def test_what_is_no_longer_wanted_is_forgotten() -> None:
    snap, want = snapshot(), desire(wanted("a", [0]))
    _, memory = attempt(snap, want, Memory(), NOW, BUSY)
    _, memory = plan(snapshot(running(wanted("a", [0]))), want, memory, NOW + 1)
    assert memory.refusals == {}


def test_a_lost_race_is_no_refusal() -> None:
    _, memory = attempt(snapshot(), desire(wanted("a", [0])), Memory(), NOW, Lost("another table"))
    assert memory.refusals == {}


@pytest.mark.parametrize("record", [RememberWwid, WriteBindings])
def test_a_record_that_can_not_be_written_is_held_and_its_map_is_made(record: type[Step]) -> None:
    bindings = "x" if record is WriteBindings else None
    snap, want = snapshot(), desire(wanted("a", [0]), wwids=frozenset(), bindings=bindings)
    made, memory = attempt(snap, want, Memory(), NOW, Refused(30, "read-only file system"))
    assert isinstance(made.steps[0], record)
    made, memory = plan(snap, want, memory, NOW + 1)
    assert record not in map(type, made.steps)
    assert CreateMap in map(type, made.steps)
    assert made.records_wake_at == made.wake_at == NOW + FIRST_WAIT
    assert memory.refusals
    assert record in map(type, plan(snap, want, memory, NOW + FIRST_WAIT)[0].steps)


def test_udev_is_given_time_before_it_is_asked_again() -> None:
    want = desire(wanted("a", [0]))
    snap = snapshot(running(wanted("a", [0]), udev={}))
    made, memory = attempt(snap, want, Memory(), NOW, Changed("udev did not answer"))
    assert kinds(made.steps) == ["ReloadMap"]
    made, memory = plan(snap, want, memory, NOW + 20)
    assert (made.steps, made.wake_at) == ((), NOW + 60)
    assert only(made).reasons == ("waits for udev to look at the map; asks again in 40 s",)
    assert kinds(plan(snap, want, memory, NOW + 60)[0].steps) == ["ReloadMap"]


def test_udev_that_never_answers_is_asked_less_and_less_often() -> None:
    snap, want = snapshot(running(wanted("a", [0]), udev={})), desire(wanted("a", [0]))
    memory, now, waits = Memory(), NOW, []
    for _ in range(9):
        _, memory = attempt(snap, want, memory, now, Changed("udev did not answer"))
        after = plan(snap, want, memory, now)[0].wake_at
        assert after is not None
        waits.append(after - now)
        now = after
    assert waits == [60.0 * 2.0**count for count in (0, 1, 2, 3, 4, 5, 6, 6, 6)]


def test_udev_that_has_answered_for_long_is_asked_as_for_the_first_time() -> None:
    snap, want = snapshot(running(wanted("a", [0]), udev={})), desire(wanted("a", [0]))
    memory = Memory(udev_told={wanted("a", [0]).wwid: UdevTold(NOW, times=3)})
    _, memory = attempt(snap, want, memory, NOW + 100_000, Changed())
    assert plan(snap, want, memory, NOW + 100_000)[0].wake_at == NOW + 100_060


def test_an_ordinary_reload_is_not_a_question_to_udev() -> None:
    snap, want = snapshot(running(wanted("a", [0]))), desire(wanted("a", [0, 1]))
    assert attempt(snap, want, Memory(), NOW, Changed())[1].udev_told == {}


def test_what_was_so_already_counts_as_done() -> None:
    snap, want = MARKED, desire(wanted("a", [0]))
    _, memory = attempt(snap, want, Memory(), NOW, BUSY)
    _, memory = attempt(snap, want, memory, NOW + FIRST_WAIT, Unchanged())
    assert memory.refusals == {}


def test_a_refused_reload_is_remembered_while_it_is_wanted() -> None:
    snap, want = snapshot(running(wanted("a", [0]))), desire(wanted("a", [0, 1]))
    _, memory = attempt(snap, want, Memory(), NOW, BUSY)
    _, memory = plan(snap, want, memory, NOW + 1)
    assert list(memory.refusals) == [wanted("a", [0]).wwid]


def test_a_refusal_is_forgotten_though_another_record_of_the_map_is_wanted() -> None:
    _, memory = attempt(snapshot(), desire(wanted("a", [0])), Memory(), NOW, BUSY)
    live = running(wanted("a", [0]))
    _, memory = plan(snapshot(live), desire(wanted("a", [0]), wwids=frozenset()), memory, NOW + 1)
    assert memory.refusals == {}


def test_a_step_that_was_lost_keeps_its_earlier_refusal() -> None:
    snap, want = snapshot(), desire(wanted("a", [0]))
    _, memory = attempt(snap, want, Memory(), NOW, BUSY)
    _, memory = attempt(snap, want, memory, NOW + FIRST_WAIT, Lost("changed"))
    assert [each.count for each in memory.refusals.values()] == [1]


def test_udev_that_has_answered_is_not_waited_for() -> None:
    want = wanted("a", [0])
    memory = Memory(udev_told={want.wwid: UdevTold(NOW)})
    made, _ = plan(snapshot(running(want)), desire(want), memory, NOW + 1)
    assert only(made).reasons == ("as desired: 1 path, 1 group",)


def test_a_removed_map_is_no_longer_waited_for() -> None:
    live = running(wanted("a", [0]))
    memory = Memory(udev_told={live.wwid: UdevTold(NOW)})
    made, memory = attempt(snapshot(live), desire(), memory, NOW, Changed())
    assert kinds(made.steps) == ["RemoveMap"]
    assert memory.udev_told == {}


def test_a_refused_question_to_udev_was_not_asked() -> None:
    snap = snapshot(running(wanted("a", [0]), udev={}))
    assert attempt(snap, desire(wanted("a", [0])), Memory(), NOW, BUSY)[1].udev_told == {}


def test_what_is_remembered_of_a_map_goes_with_it() -> None:
    memory = Memory(udev_told={wanted("a", [0]).wwid: UdevTold(NOW)}, failback_since={wanted("a", [0]).wwid: NOW})
    assert plan(snapshot(), desire(), memory, NOW)[1] == Memory()


def test_a_blind_plan_forgets_no_refusal() -> None:
    _, memory = attempt(snapshot(), desire(wanted("a", [0])), Memory(), NOW, BUSY)
    blind = snapshot(host=replace(HOST, dm_version=None))
    assert plan(blind, desire(wanted("a", [0])), memory, NOW + 1)[1].refusals == memory.refusals
