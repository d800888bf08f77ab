"""A plan as JSON, for programs: the edge where the planner's values become text."""

import json
from typing import Any

from pydantic import TypeAdapter

from controller.reconcile.plan import Plan

PLAN_VERSION = 1
"""Raised when a reader of the last version would misunderstand."""

_PLAN = TypeAdapter[Plan](Plan)


def plan_to_json(plan: Plan) -> str:
    """`{"format": "mpathctl-plan", "version": 1, "records": [...], "maps": [...]}`; a step has its kind as `step`."""
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
    return json.dumps(document, indent=2) + "\n"


def _step(step: Any) -> dict[str, Any]:
    return {"step": type(step).__name__, **TypeAdapter(type(step)).dump_python(step, mode="json")}
