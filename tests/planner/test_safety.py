"""Each safety rule catches a plan that breaks it, however that plan came about."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from actuators.steps import (
    CancelRemoval,
    MapRef,
    MapStep,
    RemoveMap,
    RenameMap,
    SetQueueing,
    Step,
    SwitchGroup,
    UdevFlags,
    WriteBindings,
)
from controller.reconcile.plan import Plan
from controller.reconcile.safety import Level, check, strip
from controller.reconcile.safety_rules import FATAL_RULES, WARNING_RULES
from desired.model import Desired, Verdict
from observers.dmtable import DevT
from observers.snapshot import Alias, DmDevice, DmUuid, PathState, Snapshot, TextFile
from tests.planner.bad_plans import DOWN, LIVE, A, create, fail, found, of, reinstate, reload, text_of
from tests.planner.builders import (
    SIZE,
    admitted,
    desire,
    disk,
    group,
    running,
    snapshot,
    table,
    uuid,
    wanted,
)


def test_a_good_reload_breaks_no_rule() -> None:
    assert found(reload(table(group(0, 1, 2)))) == []


def test_every_rule_has_a_name_of_its_own() -> None:
    names = [name for name, _ in (*FATAL_RULES, *WARNING_RULES)]
    assert len(set(names)) == len(names)


def foreign(step: MapStep) -> MapStep:
    """A step whose map is not ours, made past the constructor that refuses it."""
    ref = object.__new__(MapRef)
    object.__setattr__(ref, "uuid", DmUuid("LVM-root"))
    object.__setattr__(ref, "name", Alias("root"))
    return replace(step, map=ref)


def test_ours_a_step_on_a_device_of_others() -> None:
    rules = found(foreign(SwitchGroup(map=A, group=1)))
    assert "ours" in rules
    assert "one map" in rules


@pytest.mark.parametrize(
    ("steps", "snap"),
    [
        pytest.param([create("0 0 1 1 service-time 0 1 1 8:0 1")], snapshot(LIVE), id="made though it exists"),
        pytest.param([SwitchGroup(map=A, group=1)], snapshot(), id="changed though it does not"),
        pytest.param([RemoveMap(map=A, udev=UdevFlags.NONE), fail(0)], snapshot(LIVE), id="used after its removal"),
    ],
)
def test_ours_the_map_is_there_when_it_should_be(steps: Sequence[Step], snap: Snapshot) -> None:
    assert "ours" in found(*steps, snap=snap)


@pytest.mark.parametrize("change", [{"suspended": True}, {"status": None}])
def test_known_a_map_that_is_suspended_or_not_understood(change: dict[str, Any]) -> None:
    assert "known" in found(SwitchGroup(map=A, group=1), snap=snapshot(replace(LIVE, **change)))


@pytest.mark.parametrize(
    ("step", "want"),
    [
        pytest.param(reload(table(group(0))), desire(), id="nobody asks for it"),
        pytest.param(reload(table(group(0))), desire(wanted("a", [0], reject="sizes")), id="rejected"),
        pytest.param(RemoveMap(map=A, udev=UdevFlags.NONE), desire(wanted("a", [0])), id="removed though asked for"),
        pytest.param(RemoveMap(map=A, udev=UdevFlags.NONE), desire(keep={LIVE.wwid: "used"}), id="kept"),
        pytest.param(SetQueueing(map=A, queue=False), desire(keep={LIVE.wwid: "used"}), id="kept as it is"),
    ],
)
def test_asked_for(step: Step, want: Desired) -> None:
    assert "asked for" in found(step, want=want)


def test_asked_for_a_wrong_path_may_be_failed_in_a_map_that_is_kept() -> None:
    lie = admitted(0, "b", Verdict.MISMATCH)
    assert found(fail(0), want=desire(admissions=[lie], keep={LIVE.wwid: "used"})) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("0 0 1 1 service-time 0 2 1 8:0 1", id="cut off"),
        pytest.param("0 0 0 0", id="no group"),
        pytest.param("0 0 1 1 service-time 0 0 1", id="a group without paths"),
        pytest.param("0 0 1 2 service-time 0 1 1 8:0 1", id="initial group that is not there"),
        pytest.param("0 0 1 0 service-time 0 1 1 8:0 1", id="no initial group"),
        pytest.param("0 0 2 1 service-time 0 1 1 8:0 1 service-time 0 1 1 8:0 1", id="a path twice"),
    ],
)
def test_well_formed(text: str) -> None:
    assert "well formed" in found(reload(text))


def test_usable_path_a_dead_table_over_a_live_one() -> None:
    snap = snapshot(LIVE, states={3: DOWN})
    want = desire(wanted("a", [3], states={3: DOWN}))
    assert "usable path" in found(reload(table(group(3))), snap=snap, want=want)


def test_usable_path_a_path_that_is_another_unit_is_none() -> None:
    want = desire(wanted("a", [0]), admissions=[admitted(0, "b", Verdict.MISMATCH)])
    assert "usable path" in found(reload(table(group(0))), want=want)


@pytest.mark.parametrize(
    ("want", "number"),
    [
        pytest.param(desire(wanted("a", [0])), 3, id="not admitted at all"),
        pytest.param(desire(wanted("a", [0]), admissions=[admitted(3, "a", Verdict.UNVERIFIED)]), 3, id="unverified"),
        pytest.param(desire(wanted("a", [0]), admissions=[admitted(3, "b")]), 3, id="path of another map"),
        pytest.param(desire(wanted("a", [0]), admissions=[admitted(40, "a")]), 40, id="no such device"),
        pytest.param(desire(wanted("a", [0]), admissions=[admitted(1, "a", Verdict.MISMATCH)]), 1, id="stays, wrongly"),
    ],
)
def test_identity(want: Desired, number: int) -> None:
    assert "identity" in found(reload(table(group(0, number))), want=want)


def test_identity_a_path_that_is_in_the_map_already_needs_no_new_proof() -> None:
    want = desire(wanted("a", [0]), admissions=[admitted(1, "a", Verdict.UNVERIFIED)])
    assert found(reload(table(group(0, 1))), want=want) == []


def test_size_larger_than_a_path() -> None:
    disks = [disk(0), disk(1, size=8), disk(2)]
    assert "size" in found(reload(table(group(0, 1))), snap=snapshot(LIVE, disks=disks))
    assert "size" in found(create("0 0 1 1 service-time 0 1 1 8:0 1", size=2 * SIZE), snap=snapshot())


def test_one_map_a_path_of_two() -> None:
    other = running(wanted("b", [3]), number=1)
    want = desire(wanted("a", [0, 3]))
    assert "one map" in found(reload(table(group(0, 3))), snap=snapshot(LIVE, other), want=want)


def test_one_map_a_path_that_was_let_go_before_is_free() -> None:
    other = running(wanted("b", [3, 4]), number=1)
    snap, want = snapshot(LIVE, other), desire(wanted("a", [0, 3]), wanted("b", [4]))
    expected = text_of(other.table)
    away = reload(table(group(4)), map=MapRef(uuid("b"), Alias("b")), expected=expected)
    plans = (of(away, name="b"), of(reload(table(group(0, 3)))))
    assert check(Plan(maps=plans), snap, want) == ()
    assert [each.rule for each in check(Plan(maps=plans[::-1]), snap, want)] == ["one map"]


@pytest.mark.parametrize("name", ["taken", "foreign", "", "a/b", "x" * 128])
def test_name(name: str) -> None:
    other = running(wanted("b", [3], alias="taken"), number=1)
    snap = snapshot(LIVE, other, other_devices=(DmDevice(Alias("foreign"), DmUuid(""), DevT("253:9")),))
    assert found(RenameMap(map=A, new_name=Alias(name), udev=UdevFlags.NONE), snap=snap) == ["name"]


def test_name_of_a_new_map() -> None:
    snap = snapshot(running(wanted("b", [3], alias="a"), number=1))
    assert "name" in found(create("0 0 1 1 service-time 0 1 1 8:0 1"), snap=snap)


def test_expected_another_table_than_was_seen() -> None:
    assert "expected" in found(reload(table(group(0)), expected="0 0 1 1 service-time 0 1 1 8:0 1"))
    assert "expected" in found(reload(table(group(0)), expected=None))


def test_expected_other_bindings_than_were_seen() -> None:
    record = WriteBindings(file="/b", text="x", expected="old")
    snap = snapshot(bindings=TextFile("/b", "new"))
    finding = check(Plan(records=(record,)), snap, desire())
    assert [(each.uuid, each.rule) for each in finding] == [(None, "expected")]
    assert strip(Plan(records=(record,)), finding).steps == ()


def test_resize_without_waiting_for_io() -> None:
    disks = [disk(n, size=2 * SIZE) for n in range(3)]
    assert "resize" in found(reload(table(group(0)), size=2 * SIZE), snap=snapshot(LIVE, disks=disks))
    assert found(reload(table(group(0)), size=2 * SIZE, flush=True), snap=snapshot(LIVE, disks=disks)) == []


def test_resize_that_could_wait_for_ever() -> None:
    live = running(wanted("a", [0, 1], [2]), failed=[0, 1, 2])
    assert "resize" in found(reload(table(group(0)), flush=True), snap=snapshot(live))


@pytest.mark.parametrize(
    "live",
    [
        pytest.param(replace(LIVE, open_count=1), id="in use"),
        pytest.param(
            running(wanted("a", [0], shape=table(group(0), features="queue_if_no_path")), failed=[0]), id="would wait"
        ),
    ],
)
def test_removal(live: Any) -> None:
    assert "removal" in found(RemoveMap(map=A, udev=UdevFlags.NONE), snap=snapshot(live), want=desire())


def test_a_map_that_nobody_wants_is_not_kept() -> None:
    live = replace(LIVE, open_count=1, deferred_remove=True)
    assert "asked for" in found(CancelRemoval(map=A), snap=snapshot(live), want=desire())
    assert "asked for" not in found(CancelRemoval(map=A), snap=snapshot(live), want=desire(wanted("a", [0])))


def test_removal_after_queueing_ended() -> None:
    live = running(wanted("a", [0], shape=table(group(0), features="queue_if_no_path")), failed=[0])
    steps = (SetQueueing(map=A, queue=False), RemoveMap(map=A, udev=UdevFlags.NONE))
    assert found(*steps, snap=snapshot(live), want=desire()) == []


def test_last_path_that_is_well_is_not_failed() -> None:
    live = running(wanted("a", [0, 1]), failed=[1])
    assert found(fail(0), snap=snapshot(live), want=desire(wanted("a", [0, 1]))) == ["last path"]
    assert found(fail(0)) == []
    assert (
        found(fail(0), snap=snapshot(live, states={0: DOWN}), want=desire(wanted("a", [0, 1], states={0: DOWN}))) == []
    )


def test_reinstate_of_a_path_that_is_down_or_another_unit() -> None:
    live = running(wanted("a", [0, 1], [2]), failed=[0])
    down = desire(wanted("a", [0, 1], [2], states={0: DOWN}))
    assert found(reinstate(0), snap=snapshot(live, states={0: DOWN}), want=down) == ["reinstate"]
    lie = desire(wanted("a", [1], [2]), admissions=[admitted(0, "b", Verdict.MISMATCH)])
    assert found(reinstate(0), snap=snapshot(live), want=lie) == ["reinstate"]


@pytest.mark.parametrize("step", [fail(5), SwitchGroup(map=A, group=3), SwitchGroup(map=A, group=0)])
def test_addressed_what_is_not_there(step: Step) -> None:
    assert "addressed" in found(step)


def test_one_map_a_step_among_those_of_another() -> None:
    stray = SwitchGroup(map=MapRef(uuid("b"), Alias("b")), group=1)
    snap = snapshot(LIVE, running(wanted("b", [3]), number=1))
    assert "one map" in found(stray, snap=snap)


def test_warnings_stop_nothing() -> None:
    live = replace(running(wanted("a", [0], [1]), failed=[0]), open_count=1)
    snap = snapshot(live)
    want = desire(wanted("a", [0], [1]))
    assert found(SwitchGroup(map=A, group=1), snap=snap, want=want, level=Level.WARNING) == ["group"]
    plan = Plan(maps=(of(SwitchGroup(map=A, group=1)),))
    assert strip(plan, check(plan, snap, want)) == plan


def test_waiting_io_that_is_given_up_is_told() -> None:
    queueing = wanted("a", [0], shape=table(group(0), features="queue_if_no_path"))
    live = running(queueing, failed=[0], open_count=1)
    want = desire(wanted("a", [0], states={0: DOWN}))
    rules = found(SetQueueing(map=A, queue=False), snap=snapshot(live), want=want, level=Level.WARNING)
    assert rules == ["waiting I/O"]


def test_a_bad_path_left_active_by_a_new_table_is_told() -> None:
    want = desire(wanted("a", [0, 1], states={1: DOWN}))
    rules = found(reload(table(group(0, 1))), snap=snapshot(LIVE, states={1: DOWN}), want=want, level=Level.WARNING)
    assert rules == ["bad path"]


@pytest.mark.parametrize(
    ("state", "failed", "stopped"),
    [
        pytest.param("up", [0], True, id="well, though dm failed it"),
        pytest.param("pending", [], True, id="in use, being checked"),
        pytest.param("pending", [0], False, id="failed, being checked"),
        pytest.param("down", [], False, id="down, not failed yet"),
    ],
)
def test_usable_path_what_counts_as_a_working_path_of_the_old_table(
    state: str, failed: list[int], stopped: bool
) -> None:
    states = {0: PathState(state), 3: DOWN}
    live = running(wanted("a", [0]), failed=failed)
    want = desire(wanted("a", [3], states={3: DOWN}))
    rules = found(reload(table(group(3)), expected=text_of(live.table)), snap=snapshot(live, states=states), want=want)
    assert ("usable path" in rules) is stopped
