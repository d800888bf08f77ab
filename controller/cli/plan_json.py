"""A plan as JSON, for programs: the edge where the planner's values become text."""

import json
from typing import Any

from controller.reconcile.md import MdPlan
from controller.reconcile.plan import Plan
from controller.runtime.forms import form

PLAN_VERSION = 1
"""Raised when a reader of the last version would misunderstand."""


def plan_to_json(plan: Plan, *, md: MdPlan | None = None) -> str:
    """`{"format": "mpathctl-plan", "version": 1, "records": [...], "maps": [...]}`; a step has its kind as `step`.

    `md`: the arrays of level multipath, where there are any.
    """
    document = {
        "format": "mpathctl-plan",
        "version": PLAN_VERSION,
        "records": [_step(step) for step in plan.records],
        "maps": [
            {
                "wwid": each.wwid,
                "name": each.name,
                "action": each.action,
                "reasons": list(each.reasons),
                "steps": [_step(step) for step in each.steps],
            }
            for each in plan.maps
        ],
    }
    if md is not None and md.arrays:
        document["md"] = [
            {
                "array": each.array.name,
                "uuid": each.array.uuid,
                "reasons": list(each.reasons),
                "steps": [_step(step) for step in each.steps],
            }
            for each in md.arrays
        ]
    return json.dumps(document, indent=2) + "\n"


def _step(step: Any) -> dict[str, Any]:
    content: dict[str, Any] = form(step)
    return {"step": type(step).__name__, **content}
