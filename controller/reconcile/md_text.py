"""Steps and plans on md arrays in words, such that a dry run prints exactly what would be done; or why there are none.

In: steps and plans. Out: text. It must never leave a step or a reason out.
"""

from collections.abc import Iterator
from typing import assert_never

from actuators.steps import AddMdMember, MdStep, ReAddMdMember, RemoveMdMember
from controller.reconcile.md import MdPlan
from observers.mdstat import LAST_KERNEL, multipath_left
from observers.snapshot import HostFacts

HEADING = "md multipath arrays:"


def md_step_text(step: MdStep) -> str:
    """One step on one line."""
    what = f"{step.name} ({step.dev})"
    match step:
        case ReAddMdMember():
            return f"have {step.array.name} use {what} again"
        case RemoveMdMember():
            return f"remove {what} from {step.array.name}"
        case AddMdMember():
            place = "as a spare" if step.slot is None else f"in place {step.slot}"
            return f"add {what} to {step.array.name}, {place}"
        case _:
            assert_never(step)


def md_plan_text(plan: MdPlan) -> str:
    """A whole plan under its heading; empty where there is no array of level multipath. Ends with a newline."""
    if not plan.arrays:
        return ""
    return "\n".join([HEADING, *_lines(plan)]) + "\n"


def no_array_text(facts: HostFacts) -> str:
    """Why there is nothing to show where there is no array of level multipath, as a sentence."""
    if multipath_left(facts):
        last = ".".join(str(number) for number in LAST_KERNEL)
        return (
            f"This kernel ({facts.kernel_release}) has no md multipath: Linux {last} was the last that had it. "
            "Paths are combined by device-mapper here: mpathctl show topology"
        )
    if facts.md_personalities is None:
        return "There is no md array: the md driver is not loaded."
    return "There is no md array of level multipath."


def _lines(plan: MdPlan) -> Iterator[str]:
    for each in plan.arrays:
        yield f"  {each.array.name}:"
        yield from (f"    {reason}" for reason in each.reasons)
        yield from (f"    * {md_step_text(step)}" for step in each.steps)
