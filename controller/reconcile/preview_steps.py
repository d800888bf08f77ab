"""The steps of two plans side by side: which of them a change of the configuration causes.

In: the steps of a map before and after. Out: `TracedStep`s. A step that both plans have was due already; one that both
have in different forms would be done anyway, only otherwise. It must never choose a step.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from actuators.steps import (
    DeletePath,
    FailPath,
    MarkFailed,
    RecordStep,
    RegisterKey,
    ReinstatePath,
    RememberWwid,
    Step,
    TriggerUevent,
    UnmarkFailed,
    WriteBindings,
    WriteTunable,
)
from observers.snapshot import Alias


class Cause(StrEnum):
    """Why a step is done under the candidate, or is not."""

    CHANGE = "change"
    """Because of the candidate."""
    ALTERED = "altered"
    """It is due already, but the candidate has it done in another form."""
    DUE = "due already"
    DROPPED = "no longer due"
    """It is due now, and would not be done under the candidate."""


@dataclass(frozen=True, slots=True)
class TracedStep:
    """A step and its cause. `instead_of`: the step that is due now, of one that is ALTERED."""

    step: Step
    cause: Cause
    instead_of: Step | None = None


def trace(before: Sequence[Step], after: Sequence[Step]) -> tuple[TracedStep, ...]:
    """The steps after, each with its cause, and those before that are not done any more."""
    both = set(map(_essence, before)) & set(map(_essence, after))
    forms = {_subject(step): step for step in before if _essence(step) not in both}
    traced = []
    for step in after:
        same = _essence(step) in both
        other = None if same else forms.pop(_subject(step), None)
        cause = Cause.DUE if same else Cause.ALTERED if other is not None else Cause.CHANGE
        traced.append(TracedStep(step, cause, other))
    return (*traced, *(TracedStep(step, Cause.DROPPED) for step in forms.values()))


def _essence(step: Step) -> Step:
    """What is done, whatever the map is called for whose sake it is done: for an attribute that makes no difference."""
    if not isinstance(step, WriteTunable):
        return step
    return replace(step, map=replace(step.map, name=Alias("")))


def _subject(step: Step) -> tuple[str, ...]:
    """What a step is done to: two steps with the same subject are forms of one."""
    kind = type(step).__name__
    match step:
        case RememberWwid() | WriteBindings() | MarkFailed() | UnmarkFailed():
            return kind, *_record_subject(step)
        case WriteTunable():
            return kind, step.map.uuid, step.file
        case TriggerUevent():
            return kind, step.dev
        case FailPath() | ReinstatePath() | DeletePath() | RegisterKey():
            return kind, step.map.uuid, step.dev
        case _:
            return kind, step.map.uuid


def _record_subject(step: RecordStep) -> tuple[str, ...]:
    return (step.file,) if isinstance(step, WriteBindings) else (step.file, step.wwid)
