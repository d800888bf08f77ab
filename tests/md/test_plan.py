"""Which members to ask, and what to do about what they answer."""

import errno
from dataclasses import replace

import pytest

from actuators.steps import (
    AddMdMember,
    Changed,
    Lost,
    MdStep,
    Outcome,
    ReAddMdMember,
    Refused,
    RemoveMdMember,
    Unchanged,
)
from controller.reconcile.md import INTERVAL, MdMemory, MdPlan, after_md, asked, due, plan_md
from observers.md_member import Answer, MdFinding
from observers.snapshot import MdArray, Snapshot

from .builders import MD0, array, dev, failed, finding, name, snapshot, spare, working

HEALTHY = snapshot(array(working(0), working(1)))
ONE_FAILED = snapshot(array(working(0), failed(1), disks=2))
RE_ADD = ReAddMdMember(array=MD0, dev=dev(1), name=name(1))
REMOVE = RemoveMdMember(array=MD0, dev=dev(1), name=name(1))
ADD = AddMdMember(array=MD0, dev=dev(1), name=name(1), slot=1)
BUSY = Refused(errno.EBUSY, "EBUSY")


def names(seen: Snapshot, memory: MdMemory, now: float) -> list[str]:
    return [target.member.name for target in due(seen, memory, now)]


def planned(seen: Snapshot, *findings: MdFinding, memory: MdMemory | None = None, now: float = 100.0) -> MdPlan:
    return plan_md(seen, findings, memory or MdMemory(), now)[0]


def steps(seen: Snapshot, *findings: MdFinding, memory: MdMemory | None = None, now: float = 100.0) -> list[MdStep]:
    return list(planned(seen, *findings, memory=memory, now=now).steps)


def reasons(seen: Snapshot, *findings: MdFinding, memory: MdMemory | None = None, now: float = 100.0) -> str:
    return "\n".join(planned(seen, *findings, memory=memory, now=now).arrays[0].reasons)


def after(memory: MdMemory, *outcomes: tuple[MdStep, Outcome], now: float = 100.0) -> MdMemory:
    return after_md(memory, ONE_FAILED, outcomes, now)


# ---- whom to ask, and when


def test_a_member_that_had_failed_before_is_asked_at_once() -> None:
    assert names(ONE_FAILED, MdMemory(), 5.0) == ["sdb"]


def test_a_member_that_fails_later_is_asked_an_interval_later() -> None:
    _, memory = plan_md(HEALTHY, (), MdMemory(), 100.0)
    plan, memory = plan_md(ONE_FAILED, (), memory, 103.0)
    assert plan.wake_at == 103.0 + INTERVAL
    assert names(ONE_FAILED, memory, 103.0 + INTERVAL - 0.1) == []
    assert names(ONE_FAILED, memory, 103.0 + INTERVAL) == ["sdb"]


def test_a_member_that_was_asked_is_asked_again_an_interval_later() -> None:
    memory = asked(MdMemory(), due(ONE_FAILED, MdMemory(), 100.0), 100.0)
    plan, memory = plan_md(ONE_FAILED, (finding(1, Answer.SILENT),), memory, 101.0)
    assert (names(ONE_FAILED, memory, 114.9), names(ONE_FAILED, memory, 115.0)) == ([], ["sdb"])
    assert plan.wake_at == 115.0


def test_the_interval_can_be_another() -> None:
    memory = asked(MdMemory(), due(ONE_FAILED, MdMemory(), 100.0), 100.0, interval=2.0)
    assert names(ONE_FAILED, memory, 102.0) == ["sdb"]
    _, memory = plan_md(HEALTHY, (), MdMemory(), 100.0, interval=3.0)
    assert plan_md(ONE_FAILED, (), memory, 100.0, interval=3.0)[0].wake_at == 103.0


def test_a_member_that_fails_once_more_waits_again() -> None:
    memory = asked(MdMemory(), due(ONE_FAILED, MdMemory(), 100.0), 100.0)
    _, memory = plan_md(HEALTHY, (), memory, 101.0)
    plan, _ = plan_md(ONE_FAILED, (), memory, 102.0)
    assert plan.wake_at == 102.0 + INTERVAL


@pytest.mark.parametrize(
    "other",
    [
        array(working(0), failed(1), level="raid1"),
        array(working(0), failed(1), state="inactive"),
        array(working(0), failed(1), state="readonly"),
        array(working(0), failed(1), metadata="none"),
        array(working(0), failed(1), uuid=""),
    ],
    ids=["another level", "not running", "read-only", "no superblock", "no UUID"],
)
def test_members_that_can_not_be_given_back_are_not_asked(other: MdArray) -> None:
    assert names(snapshot(other), MdMemory(), 5.0) == []
    assert steps(snapshot(other), finding(1)) == []


def test_an_array_of_another_level_is_not_in_the_plan() -> None:
    assert planned(snapshot(array(working(0), level="raid1"))).arrays == ()


def test_no_member_has_failed_so_there_is_nothing_to_wake_for() -> None:
    plan = planned(HEALTHY)
    assert (plan.steps, plan.wake_at) == ((), None)
    assert plan.arrays[0].reasons == ("2 of 2 paths of md0 are in use",)


# ---- what to do


def test_a_member_that_answers_with_the_superblock_is_given_back() -> None:
    assert steps(ONE_FAILED, finding(1)) == [RE_ADD]


@pytest.mark.parametrize("answer", [Answer.SILENT, Answer.FOREIGN])
def test_a_member_that_answers_otherwise_is_left_and_the_reason_is_told(answer: Answer) -> None:
    assert steps(ONE_FAILED, finding(1, answer, "because")) == []
    assert f"sdb {answer}: because" in reasons(ONE_FAILED, finding(1, answer, "because"))


def test_a_member_that_nobody_asked_is_left() -> None:
    assert steps(ONE_FAILED) == []
    assert "sdb has failed" in reasons(ONE_FAILED)


def test_an_answer_about_another_array_counts_for_nothing() -> None:
    other = snapshot(array(working(0), failed(1), uuid="00000000-0000-0000-0000-000000000001"))
    assert steps(other, finding(1)) == []


def test_an_answer_of_a_member_that_works_by_now_counts_for_nothing() -> None:
    assert steps(HEALTHY, finding(1)) == []


def test_a_member_that_is_gone_from_the_host_is_told() -> None:
    gone = snapshot(array(working(0), replace(failed(1), dev=None)))
    assert names(gone, MdMemory(), 0.0) == []
    assert "gone from the host" in reasons(gone)


def test_a_member_that_md_still_has_in_its_place_waits() -> None:
    early = snapshot(array(working(0), replace(failed(1), slot=1)))
    assert steps(early, finding(1)) == []
    assert "has not yet taken it out" in reasons(early, finding(1))


def test_all_failed_members_that_answer_are_given_back() -> None:
    seen = snapshot(array(working(0), failed(1), failed(2)))
    assert [step.dev for step in steps(seen, finding(1), finding(2))] == [dev(1), dev(2)]


# ---- the other way


@pytest.mark.parametrize("error", [errno.EBUSY, errno.EINVAL], ids=errno.errorcode.get)
def test_a_member_that_md_does_not_take_back_is_removed_and_added(error: int) -> None:
    memory = after(MdMemory(), (RE_ADD, Refused(error, "no")))
    assert steps(ONE_FAILED, finding(1), memory=memory, now=200.0) == [REMOVE, ADD]


def test_a_refusal_for_another_reason_is_no_reason_to_remove_a_member() -> None:
    memory = after(MdMemory(), (RE_ADD, Refused(errno.EACCES, "no")))
    assert steps(ONE_FAILED, finding(1), memory=memory, now=200.0) == [RE_ADD]


def test_a_member_that_was_removed_and_not_added_is_asked_on_and_added() -> None:
    _, memory = plan_md(ONE_FAILED, (finding(1),), MdMemory(other_way=frozenset({(MD0.uuid, dev(1))})), 100.0)
    memory = after(memory, (REMOVE, Changed()), (ADD, Refused(errno.ENXIO, "ENXIO")))
    without = snapshot(array(working(0), disks=2))
    plan, memory = plan_md(without, (), memory, 101.0)
    assert "sdb was removed" in "\n".join(plan.arrays[0].reasons)
    assert names(without, memory, 500.0) == ["sdb"]
    assert steps(without, finding(1), memory=memory, now=500.0) == [ADD]


def test_a_member_that_was_removed_is_remembered_while_its_array_is_read_only() -> None:
    memory = after(MdMemory(), (REMOVE, Changed()))
    _, memory = plan_md(snapshot(array(working(0), disks=2, state="readonly")), (), memory, 101.0)
    assert set(memory.removed) == {(MD0.uuid, dev(1))}


def test_a_member_that_was_added_is_forgotten() -> None:
    memory = after(MdMemory(), (RE_ADD, BUSY))
    memory = after(memory, (REMOVE, Changed()), (ADD, Changed()), now=200.0)
    assert (memory.removed, memory.refusals, memory.other_way) == ({}, {}, frozenset())


def test_a_removed_member_of_an_array_that_is_no_more_is_forgotten() -> None:
    memory = after(MdMemory(), (REMOVE, Changed()))
    _, memory = plan_md(snapshot(), (), memory, 101.0)
    assert memory.removed == {}


def test_a_spare_takes_a_place_that_is_free() -> None:
    seen = snapshot(array(working(0), spare(1)))
    assert steps(seen) == [ADD]


def test_a_spare_stays_one_when_no_place_is_free() -> None:
    seen = snapshot(array(working(0), spare(1), disks=1))
    assert steps(seen) == []


def test_two_members_never_get_the_same_place() -> None:
    seen = snapshot(array(working(0), spare(1), spare(2)))
    assert [step.slot for step in steps(seen) if isinstance(step, AddMdMember)] == [1, 2]


# ---- after a refusal


def test_a_refused_member_is_held_for_a_while_that_grows() -> None:
    memory = MdMemory()
    waits = []
    for _ in range(4):
        memory = after(memory, (RE_ADD, Refused(errno.EACCES, "EACCES")))
        waits.append(memory.refusals[MD0.uuid, dev(1)].retry_at - 100.0)
    assert waits == [5.0, 10.0, 20.0, 40.0]
    assert steps(ONE_FAILED, finding(1), memory=memory, now=139.0) == []
    assert "refused it 4 times (EACCES); tried again in 1 s" in reasons(
        ONE_FAILED, finding(1), memory=memory, now=139.0
    )
    assert names(ONE_FAILED, memory, 139.0) == []
    assert steps(ONE_FAILED, finding(1), memory=memory, now=140.0) == [RE_ADD]


@pytest.mark.parametrize("outcome", [Changed(), Unchanged()], ids=["changed", "was so"])
def test_what_was_done_ends_the_waiting(outcome: Outcome) -> None:
    memory = after(after(MdMemory(), (RE_ADD, BUSY)), (RE_ADD, outcome))
    assert memory.refusals == {}


def test_a_world_that_moved_on_changes_nothing_in_memory() -> None:
    memory = after(MdMemory(), (RE_ADD, BUSY))
    assert after(memory, (RE_ADD, Lost("gone"))) == memory


def test_planning_again_with_the_same_answers_plans_the_same() -> None:
    plan, memory = plan_md(ONE_FAILED, (finding(1),), MdMemory(), 100.0)
    assert plan_md(ONE_FAILED, (finding(1),), memory, 100.0) == (plan, memory)


def test_a_spare_that_was_refused_its_place_is_tried_again_later() -> None:
    seen = snapshot(array(working(0), spare(1)))
    memory = after(MdMemory(), (ADD, Refused(errno.EBUSY, "EBUSY")))
    plan = planned(seen, memory=memory)
    assert (plan.steps, plan.wake_at) == ((), 105.0)
    assert steps(seen, memory=memory, now=105.0) == [ADD]


def test_a_member_that_somebody_else_has_given_back_is_forgotten() -> None:
    memory = after(MdMemory(), (RE_ADD, BUSY))
    plan, memory = plan_md(HEALTHY, (), memory, 101.0)
    assert (plan.wake_at, memory.refusals, memory.other_way) == (None, {}, frozenset())
