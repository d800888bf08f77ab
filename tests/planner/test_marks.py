"""Marks of maps that could not be made, as records: when, and in which place of a plan."""

from dataclasses import replace

import pytest

from actuators.steps import (
    Changed,
    CreateMap,
    Lost,
    MarkFailed,
    Outcome,
    Refused,
    RememberWwid,
    Step,
    Unchanged,
    UnmarkFailed,
)
from controller.reconcile import safety
from controller.reconcile.memory import after_apply
from controller.reconcile.plan import Memory, Plan
from controller.reconcile.planner import plan
from observers.snapshot import Wwid
from tests.planner.builders import NOW, desire, only, planned, running, snapshot, wanted

WANT = wanted("a", [0])
FILE = f"/run/multipath/failed_wwids/{WANT.wwid}"
MARK = MarkFailed(file=FILE, wwid=WANT.wwid)
UNMARK = UnmarkFailed(file=FILE, wwid=WANT.wwid)


def after(outcome: Outcome, memory: Memory | None = None) -> Memory:
    """What is remembered when the map's creation came to this."""
    made, memory = plan(snapshot(), desire(WANT), memory or Memory(), NOW)
    creation = next(step for step in planned(snapshot(), desire(WANT)).steps if isinstance(step, CreateMap))
    return after_apply(memory, made, [(creation, outcome)], NOW)


@pytest.mark.parametrize(
    ("outcome", "marked"),
    [
        (Refused(22, "no"), True),
        (Refused(30, "not done", tried=False), False),
        (Lost("another table"), False),
        (Changed(), False),
    ],
    ids=["refused", "not even tried", "lost", "made"],
)
def test_only_the_kernels_own_refusal_is_marked(outcome: Outcome, *, marked: bool) -> None:
    assert (MARK in planned(snapshot(), desire(WANT), after(outcome)).records) is marked


@pytest.mark.parametrize(("outcome", "marked"), [(Changed(), False), (Unchanged(), False), (Lost("x"), True)])
def test_what_comes_of_the_next_try_counts(outcome: Outcome, *, marked: bool) -> None:
    memory = after(outcome, after(Refused(22, "no")))
    assert (MARK in planned(snapshot(), desire(WANT), memory).records) is marked


def test_a_mark_that_is_there_is_not_made_again() -> None:
    marked = snapshot(failed_wwids=(WANT.wwid,))
    assert planned(marked, desire(WANT), after(Refused(22, "no"))).records == ()


def test_what_nobody_wants_any_more_is_forgotten() -> None:
    _, memory = plan(snapshot(), desire(), after(Refused(22, "no")), NOW)
    assert memory.unmade == {}


def test_a_device_that_has_no_table_yet_keeps_its_mark() -> None:
    empty = running(WANT, table=None, status=None)
    assert UNMARK not in planned(snapshot(empty, failed_wwids=(WANT.wwid,)), desire(WANT)).records
    assert UNMARK in planned(snapshot(running(WANT), failed_wwids=(WANT.wwid,)), desire(WANT)).records


def stopped(*steps: Step) -> list[str]:
    made = only(planned(snapshot(), desire(WANT)))
    bad = Plan(maps=(replace(made, steps=(*made.steps, *steps)),))
    return [each.text for each in safety.check(bad, snapshot(), desire(WANT))]


def test_a_map_may_take_away_its_own_mark_alone() -> None:
    other = UnmarkFailed(file="/run/multipath/failed_wwids/3b", wwid=Wwid("3b"))
    assert stopped(UNMARK) == []
    assert stopped(other) == [f"the mark of 3b is taken away among the steps of {WANT.uuid}"]


@pytest.mark.parametrize("record", [MARK, RememberWwid(file="/w", wwid=WANT.wwid)])
def test_no_other_record_stands_among_the_steps_of_a_map(record: Step) -> None:
    assert stopped(record) == ["a record stands among the steps of a map"]
