"""Properties of planning over random hosts."""

import random
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.reconcile.diff import group_key
from controller.reconcile.explain import plan_text
from controller.reconcile.plan import Memory, Plan
from controller.reconcile.planner import plan
from controller.reconcile.safety import check
from desired.model import Desired
from observers.snapshot import Map, Snapshot
from tests.planner.builders import NOW
from tests.planner.hosts import Drawn, hosts
from tests.planner.kernel import apply

LONG_ENOUGH = 4
"""Cycles: names in a ring take two, a resize after new paths or paths that come back one more."""

many = settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])


def first(drawn: Drawn) -> Plan:
    return plan(drawn.snapshot, drawn.desired, Memory(), NOW)[0]


@many
@given(hosts())
def test_the_planners_own_plans_break_no_safety_rule(drawn: Drawn) -> None:
    fatal = [each for each in check(first(drawn), drawn.snapshot, drawn.desired) if each.level.value == "fatal"]
    assert fatal == []


@many
@given(hosts())
def test_planning_again_after_a_plan_was_applied_makes_no_changes_unless_it_said_so(drawn: Drawn) -> None:
    made, memory = plan(drawn.snapshot, drawn.desired, Memory(), NOW)
    again = made.wake_at is not None and made.wake_at <= NOW
    snap, desired = apply(made, drawn.snapshot, drawn.desired)
    second, memory = plan(snap, desired, memory, NOW)
    assert again or second.steps == ()
    for _ in range(LONG_ENOUGH):
        snap, desired = apply(second, snap, desired)
        second, memory = plan(snap, desired, memory, NOW)
    assert second.steps == ()


@many
@given(hosts())
def test_every_plan_says_why_for_every_map(drawn: Drawn) -> None:
    made = first(drawn)
    assert {each.uuid for each in made.maps} >= {each.uuid for each in drawn.snapshot.maps}
    assert all(each.reasons and all(each.reasons) for each in made.maps)
    assert bool(made.steps) is ("nothing to do" not in plan_text(made))


@many
@given(hosts(), st.randoms(use_true_random=False))
def test_the_order_of_the_snapshot_does_not_matter(drawn: Drawn, chance: random.Random) -> None:
    snap = drawn.snapshot
    shuffled = replace(
        snap,
        paths=tuple(chance.sample(snap.paths, len(snap.paths))),
        maps=tuple(chance.sample(snap.maps, len(snap.maps))),
    )
    desired = replace(
        drawn.desired, admissions=tuple(chance.sample(drawn.desired.admissions, len(drawn.desired.admissions)))
    )
    assert plan(shuffled, desired, Memory(), NOW) == plan(snap, drawn.desired, Memory(), NOW)


def end(snap: Snapshot, desired: Desired) -> dict[str, tuple[str, object]]:
    """What the maps are when nothing is left to do. The group in use is no part of it: `manual` keeps what it finds."""
    memory = Memory()
    for _ in range(LONG_ENOUGH + 1):
        made, memory = plan(snap, desired, memory, NOW)
        snap, desired = apply(made, snap, desired)
    return {each.wwid: (each.name, shape(each)) for each in snap.maps}


def shape(live: Map) -> object:
    table = live.table
    return table and (table.size, table.features, table.hardware_handler, frozenset(map(group_key, table.groups)))


@many
@given(hosts(odd_names=False), st.randoms(use_true_random=False))
def test_the_order_of_desired_maps_does_not_matter_in_the_end(drawn: Drawn, chance: random.Random) -> None:
    maps = drawn.desired.maps
    shuffled = replace(drawn.desired, maps=tuple(chance.sample(maps, len(maps))))
    assert end(drawn.snapshot, shuffled) == end(drawn.snapshot, drawn.desired)


@many
@given(hosts())
def test_planning_is_a_function(drawn: Drawn) -> None:
    assert plan(drawn.snapshot, drawn.desired, Memory(), NOW) == plan(drawn.snapshot, drawn.desired, Memory(), NOW)
