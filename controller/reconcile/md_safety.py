"""A linter for plans on md arrays, independent of how they were made.

In: a plan, the snapshot and the answers that it was made from. Out: the plan without the arrays that break a rule, and
what they break. It must never repair a step: an array whose plan breaks a rule is left alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from actuators.steps import AddMdMember, MdStep, RemoveMdMember
from controller.reconcile.md import MdArrayPlan, MdPlan
from observers.dmtable import DevT
from observers.md_member import Answer, MdFinding
from observers.mdstat import MULTIPATH
from observers.snapshot import MdArray, MdMember, Snapshot


@dataclass(frozen=True, slots=True)
class MdViolation:
    """One rule that one array's steps break."""

    array: str
    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class _World:
    """What the rules look things up in. `before`: the steps that come before the one in question, on all arrays."""

    array: MdArray | None
    answers: Mapping[tuple[str, DevT], MdFinding]
    before: tuple[MdStep, ...]

    def member(self, step: MdStep) -> MdMember | None:
        members = self.array.members if self.array else ()
        return next((member for member in members if member.dev == step.dev), None)


def allowed(
    plan: MdPlan, snapshot: Snapshot, findings: Sequence[MdFinding]
) -> tuple[MdPlan, tuple[MdViolation, ...]]:  # fmt: skip
    """The plan as it may be done, and what was taken out of it."""
    broken = tuple(_violations(plan, snapshot, findings))
    bad = {each.array for each in broken}
    return MdPlan(tuple(_stopped(each, broken) if each.array.name in bad else each for each in plan.arrays)), broken


def _stopped(plan: MdArrayPlan, broken: Sequence[MdViolation]) -> MdArrayPlan:
    mine = (each for each in broken if each.array == plan.array.name)
    why = (f"stopped by the safety rule '{each.rule}': {each.text}" for each in mine)
    return replace(plan, steps=(), reasons=(*why, *plan.reasons))


def _violations(plan: MdPlan, snapshot: Snapshot, findings: Sequence[MdFinding]) -> Iterator[MdViolation]:
    arrays = {(array.name, array.uuid): array for array in snapshot.md_arrays}
    answers = {(finding.uuid, finding.dev): finding for finding in findings}
    before: tuple[MdStep, ...] = ()
    for each in plan.arrays:
        for step in each.steps:
            world = _World(arrays.get((step.array.name, step.array.uuid)), answers, before)
            for name, rule in RULES:
                text = rule(step, world)
                if text:
                    yield MdViolation(each.array.name, name, text)
            before = (*before, step)


def _level(step: MdStep, world: _World) -> str:
    if world.array is None:
        return f"there is no array {step.array.name} with the UUID {step.array.uuid or '(none)'}"
    level = world.array.level
    return "" if level == MULTIPATH else f"{step.array.name} is of level {level or 'none'}, not multipath"


def _only_failed(step: MdStep, world: _World) -> str:
    member = world.member(step)
    if isinstance(step, AddMdMember):
        removed = any(isinstance(each, RemoveMdMember) and each.dev == step.dev for each in world.before)
        idle = member is None or removed or (member.slot is None and not member.faulty)
        return "" if idle else f"{step.name} is a member already"
    if member is None:
        return f"{step.name} is no member of {step.array.name}"
    return "" if member.faulty else f"{step.name} works: md has not marked it faulty"


def _proven(step: MdStep, world: _World) -> str:
    member = world.member(step)
    if isinstance(step, AddMdMember) and member is not None and not member.faulty:
        return ""  # md itself has looked at the superblock of a spare
    finding = world.answers.get((step.array.uuid, step.dev))
    if finding is None:
        return f"{step.name} was not asked for its superblock"
    return "" if finding.answer is Answer.OURS else f"{step.name} {finding.answer}"


def _once(step: MdStep, world: _World) -> str:
    same = [each for each in world.before if each.dev == step.dev]
    pair = isinstance(step, AddMdMember) and len(same) == 1 and isinstance(same[0], RemoveMdMember)
    if not same or (pair and same[0].array == step.array):
        return ""
    return f"{step.dev} is in more than one step"


def _place(step: MdStep, world: _World) -> str:
    if not isinstance(step, AddMdMember) or step.slot is None or world.array is None:
        return ""
    taken = {member.slot for member in world.array.members if member.dev != step.dev}
    given = {each.slot for each in world.before if isinstance(each, AddMdMember) and each.array == step.array}
    fits = 0 <= step.slot < world.array.disks and step.slot not in taken | given
    return "" if fits else f"place {step.slot} of {step.array.name} is not free"


RULES: tuple[tuple[str, Callable[[MdStep, _World], str]], ...] = (
    ("level", _level),
    ("only failed members", _only_failed),
    ("superblock", _proven),
    ("once", _once),
    ("place", _place),
)
"""Each says what is wrong with a step, or nothing."""
