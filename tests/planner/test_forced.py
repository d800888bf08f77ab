"""Loads that somebody asks for: which maps they are for, and which they must leave alone."""

from dataclasses import replace

import pytest

from actuators.steps import ReloadMap, UdevFlags
from controller.reconcile import safety
from controller.reconcile.forced import reload_all
from desired.derive import derive_snapshot
from observers.dmtable import format_table
from observers.snapshot import Health, PathState, Snapshot
from tests.builders import san_snapshot


@pytest.fixture
def snapshot() -> Snapshot:
    """Two maps with two paths each, of which one map exists."""
    return san_snapshot(2, 2)


def test_every_map_that_is_wanted_is_loaded_with_its_own_table(snapshot: Snapshot) -> None:
    desired = derive_snapshot(snapshot, resident=True)
    plan = reload_all(snapshot, desired)
    assert [each.wwid for each in plan.maps] == [live.wwid for live in snapshot.maps]
    for live, each in zip(snapshot.maps, plan.maps, strict=True):
        (step,) = each.steps
        assert isinstance(step, ReloadMap)
        assert live.table is not None
        assert step.table == step.expected == format_table(live.table)
        assert (step.size, step.flush, bool(step.udev & UdevFlags.RELOAD)) == (live.table.size, False, True)
    assert safety.check(plan, snapshot, desired) == ()


def test_a_map_that_was_just_loaded_and_one_that_nobody_wants_are_left_out(snapshot: Snapshot) -> None:
    desired = derive_snapshot(snapshot, resident=True)
    assert reload_all(snapshot, desired, but=[live.wwid for live in snapshot.maps]).maps == ()
    assert reload_all(snapshot, replace(desired, maps=())).maps == ()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"suspended": True}, "somebody suspended the map"),
        ({"inactive_table": True}, "somebody loaded another one, which is not in use"),
        ({"table": None}, "there is none"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_map_that_somebody_is_at_is_left_alone(snapshot: Snapshot, change: dict[str, object], why: str) -> None:
    changed = replace(snapshot, maps=tuple(replace(live, **change) for live in snapshot.maps))  # type: ignore[arg-type]
    plan = reload_all(changed, derive_snapshot(snapshot, resident=True))
    assert [(each.steps, each.reasons) for each in plan.maps] == [((), (f"the table is not loaded again: {why}",))]


def test_a_map_without_a_usable_path_keeps_its_table(snapshot: Snapshot) -> None:
    down = tuple(replace(path, health=Health("tur", PathState.DOWN)) for path in snapshot.paths)
    plan = reload_all(replace(snapshot, paths=down), derive_snapshot(snapshot, resident=True))
    assert [(each.action, each.steps) for each in plan.maps] == [("held", ())]
