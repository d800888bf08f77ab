"""What becomes of a plan when a rule is broken: that map stops, and what relied on it; nothing else does."""

import pytest

from actuators.steps import (
    MapRef,
    RememberWwid,
    RenameMap,
    SetQueueing,
    SwitchGroup,
    UdevFlags,
    WriteBindings,
)
from controller.reconcile.plan import Plan
from controller.reconcile.safety import Finding, Level, check, strip
from observers.snapshot import Alias
from tests.planner.bad_plans import DOWN, LIVE, A, fail, found, of
from tests.planner.builders import (
    desire,
    group,
    planned,
    running,
    snapshot,
    table,
    uuid,
    wanted,
)


def test_strip_leaves_the_reason_and_the_other_maps() -> None:
    other = running(wanted("b", [3]), number=1)
    snap, want = snapshot(LIVE, other), desire(wanted("a", [0, 1], [2]), wanted("b", [3]))
    good = of(SwitchGroup(map=MapRef(uuid("b"), Alias("b")), group=1), name="b")
    plan = Plan(records=(RememberWwid(file="/w", wwid=LIVE.wwid),), maps=(of(fail(5)), good))
    left = strip(plan, check(plan, snap, want))
    assert left.records == ()
    assert left.maps[1] == good
    assert (left.maps[0].steps, left.maps[0].action) == ((), "held")
    assert left.maps[0].reasons[0] == "stopped by the safety rule 'addressed': 8:80 is not a path of the map"


def test_what_relied_on_a_stopped_map_is_stopped_too() -> None:
    other = running(wanted("b", [3], alias="data"), number=1)
    snap, want = snapshot(LIVE, other), desire(wanted("a", [0, 1], [2]), wanted("b", [3]))
    b = MapRef(uuid("b"), Alias("data"))
    frees = of(SwitchGroup(map=b, group=9), RenameMap(map=b, new_name=Alias("old"), udev=UdevFlags.NONE), name="b")
    takes = of(RenameMap(map=A, new_name=Alias("data"), udev=UdevFlags.NONE))
    findings = check(Plan(maps=(frees, takes)), snap, want)
    assert [(each.uuid, each.rule) for each in findings] == [(uuid("b"), "addressed"), (uuid("a"), "name")]
    assert strip(Plan(maps=(frees, takes)), findings).steps == ()


def test_findings_are_values_in_the_order_of_the_plan() -> None:
    finding = check(Plan(maps=(of(fail(5)),)), snapshot(LIVE), desire(wanted("a", [0, 1], [2])))
    assert finding == (Finding(Level.FATAL, uuid("a"), "addressed", "8:80 is not a path of the map"),)


def test_the_planners_own_plan_of_a_busy_host_is_clean() -> None:
    snap = snapshot(LIVE, running(wanted("z", [5])), states={1: DOWN})
    want = desire(wanted("a", [0, 1, 3], [2], states={1: DOWN}, alias="new"), wanted("b", [4]))
    made = planned(snap, want)
    assert len(made.steps) == 5
    assert check(made, snap, want) == ()


def test_a_broken_record_stops_no_map() -> None:
    want = desire(wanted("a", [0, 1], [2]))
    record = WriteBindings(file="/b", text="x", expected="old")
    plan = Plan(records=(record,), maps=(of(SwitchGroup(map=A, group=2)),))
    left = strip(plan, check(plan, snapshot(LIVE), want))
    assert left == Plan(maps=plan.maps)


def test_a_stopped_map_stops_no_good_record() -> None:
    record = WriteBindings(file="/b", text="x", expected=None)
    plan = Plan(records=(record,), maps=(of(fail(5)),))
    left = strip(plan, check(plan, snapshot(LIVE), desire(wanted("a", [0, 1], [2]))))
    assert left.steps == (record,)


def test_a_map_with_a_warning_is_relied_on() -> None:
    other = running(wanted("b", [3], alias="data"), failed=[3], number=1)
    snap, want = snapshot(LIVE, other), desire(wanted("a", [0, 1], [2]), wanted("b", [3]))
    b = MapRef(uuid("b"), Alias("data"))
    frees = of(SwitchGroup(map=b, group=1), RenameMap(map=b, new_name=Alias("old"), udev=UdevFlags.NONE), name="b")
    takes = of(RenameMap(map=A, new_name=Alias("data"), udev=UdevFlags.NONE))
    assert [each.rule for each in check(Plan(maps=(frees, takes)), snap, want)] == ["group"]


def test_a_bad_path_is_told_of_only_where_a_table_was_loaded() -> None:
    want = desire(wanted("a", [0, 1], [2], states={1: DOWN}))
    snap = snapshot(LIVE, states={1: DOWN})
    assert found(SwitchGroup(map=A, group=2), snap=snap, want=want, level=Level.WARNING) == []


@pytest.mark.parametrize(("queue", "queued"), [(True, True), (True, False), (False, False)])
def test_no_waiting_io_is_given_up_where_none_waits_or_it_goes_on_waiting(queue: bool, queued: bool) -> None:
    shape = table(group(0), features="queue_if_no_path" if queued else "")
    live = running(wanted("a", [0], shape=shape), failed=[0], open_count=1)
    want = desire(wanted("a", [0], states={0: DOWN}))
    step = SetQueueing(map=A, queue=queue)
    assert found(step, snap=snapshot(live), want=want, level=Level.WARNING) == []
