"""The rules that every plan on md arrays is held against, whoever made it."""

import pytest

from actuators.steps import AddMdMember, MdRef, MdStep, ReAddMdMember, RemoveMdMember
from controller.reconcile.md import MdArrayPlan, MdPlan
from controller.reconcile.md_safety import RULES, allowed
from observers.md_member import Answer, MdFinding
from observers.snapshot import DeviceName, MdArray

from .builders import MD0, array, dev, failed, finding, name, snapshot, spare, working

SEEN = array(working(0), failed(1), disks=3)
OTHER = MdRef(DeviceName("md1"), "00000000-0000-0000-0000-000000000001")


def re_add(number: int, ref: MdRef = MD0) -> ReAddMdMember:
    return ReAddMdMember(array=ref, dev=dev(number), name=name(number))


def remove(number: int) -> RemoveMdMember:
    return RemoveMdMember(array=MD0, dev=dev(number), name=name(number))


def add(number: int, slot: int | None) -> AddMdMember:
    return AddMdMember(array=MD0, dev=dev(number), name=name(number), slot=slot)


def broken(seen: MdArray, *steps: MdStep, findings: tuple[MdFinding, ...] = (finding(0), finding(1))) -> list[str]:
    """The rules that are broken; where one is, no step is left."""
    plan = MdPlan((MdArrayPlan(array=MD0, steps=steps, reasons=("so",)),))
    left, violations = allowed(plan, snapshot(seen), findings)
    assert left.steps == (() if violations else steps)
    return sorted({violation.rule for violation in violations})


@pytest.mark.parametrize(
    "steps", [(re_add(1),), (remove(1), add(1, 1)), (remove(1), add(1, None)), (add(2, 1),)], ids=repr
)
def test_what_the_planner_makes_is_allowed(steps: tuple[MdStep, ...]) -> None:
    assert broken(SEEN, *steps, findings=(finding(1), finding(2))) == []


def test_a_spare_that_takes_its_place_needs_no_answer() -> None:
    assert broken(array(working(0), spare(1)), add(1, 1), findings=()) == []


def test_an_array_of_another_level() -> None:
    assert broken(array(working(0), failed(1), level="raid1"), re_add(1)) == ["level"]


def test_an_array_that_is_not_there() -> None:
    assert "level" in broken(SEEN, re_add(1, OTHER))


@pytest.mark.parametrize("step", [re_add(0), remove(0), add(0, 1)], ids=repr)
def test_a_member_that_works(step: MdStep) -> None:
    assert broken(SEEN, step) == ["only failed members"]


@pytest.mark.parametrize("step", [re_add(5), remove(5)], ids=repr)
def test_what_is_no_member(step: MdStep) -> None:
    assert "only failed members" in broken(SEEN, step)


def test_adding_a_failed_member_without_removing_it() -> None:
    assert broken(SEEN, add(1, 1)) == ["only failed members"]


@pytest.mark.parametrize("findings", [(), (finding(1, Answer.SILENT),), (finding(1, Answer.FOREIGN),)], ids=repr)
@pytest.mark.parametrize("steps", [(re_add(1),), (remove(1), add(1, 1))], ids=["re-add", "remove and add"])
def test_a_member_without_proof(steps: tuple[MdStep, ...], findings: tuple[MdFinding, ...]) -> None:
    assert broken(SEEN, *steps, findings=findings) == ["superblock"]


@pytest.mark.parametrize(
    "steps",
    [(re_add(1), re_add(1)), (remove(1), remove(1)), (re_add(1), remove(1)), (remove(1), add(1, 1), re_add(1))],
    ids=["twice", "removed twice", "both ways", "both ways, the other order"],
)
def test_the_same_device_twice(steps: tuple[MdStep, ...]) -> None:
    assert broken(SEEN, *steps) == ["once"]


@pytest.mark.parametrize("slot", [0, 3, -1])
def test_a_place_that_is_not_free(slot: int) -> None:
    assert broken(SEEN, remove(1), add(1, slot)) == ["place"]


def test_a_place_that_is_given_twice() -> None:
    assert broken(array(working(0), spare(1), spare(2)), add(1, 1), add(2, 1)) == ["place"]


def test_the_reason_stands_in_the_place_of_the_steps_and_other_arrays_go_on() -> None:
    other = array(working(2), failed(3), name=OTHER.name, uuid=OTHER.uuid)
    fine = ReAddMdMember(array=OTHER, dev=dev(3), name=name(3))
    proof = MdFinding(array=OTHER.name, uuid=OTHER.uuid, member=name(3), dev=dev(3), answer=Answer.OURS)
    plan = MdPlan(
        (
            MdArrayPlan(array=MD0, steps=(re_add(0),), reasons=("so",)),
            MdArrayPlan(array=OTHER, steps=(fine,), reasons=("so",)),
        )
    )
    left, _ = allowed(plan, snapshot(SEEN, other), (finding(0), proof))
    assert left.steps == (fine,)
    assert left.arrays[0].reasons[0].startswith("stopped by the safety rule 'only failed members': sda works")


def test_every_rule_is_tried_here() -> None:
    assert {rule for rule, _ in RULES} == {"level", "only failed members", "superblock", "once", "place"}
