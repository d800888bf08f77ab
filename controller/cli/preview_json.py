"""A preview as JSON, for programs: the edge where the values of a preview become text."""

import json
from dataclasses import asdict
from typing import Any

from actuators.steps import Step
from controller.cli.preview_text import outcome, verdict
from controller.reconcile.preview import (
    DiskChange,
    MapPreview,
    Preview,
    TracedStep,
    ValueChange,
)
from desired.model import Admission, Origin, Resolved

PREVIEW_VERSION = 1
"""Raised when a reader of the last version would misunderstand."""


def preview_to_json(preview: Preview) -> str:
    """`{"format": "mpathctl-preview", "version": 1, "verdict": "...", "maps": [...], ...}`; steps as in a plan, each
    with its `cause`. Maps that do not change have `changed` false; `instead_of` is a step that is due now."""
    document = {
        "format": "mpathctl-preview",
        "version": PREVIEW_VERSION,
        "candidate": preview.candidate,
        "present": preview.present,
        "present_usable": preview.compared,
        "changes": preview.changes,
        "verdict": verdict(preview),
        "maps": [_map(each) for each in preview.maps],
        "disks": [_disk(each) for each in preview.disks],
        "bindings": [asdict(each) for each in preview.bindings],
        "records": [_traced(each) for each in preview.records],
        "settings": [_change(each) for each in preview.settings],
        "messages": [asdict(each) for each in preview.messages],
        "settled_messages": [asdict(each) for each in preview.settled],
        "findings": [{**asdict(each), "level": each.level.value} for each in preview.findings],
    }
    return json.dumps(document, indent=2) + "\n"


def _map(each: MapPreview) -> dict[str, Any]:
    return {
        "wwid": each.wwid,
        "name": each.name,
        "exists": each.exists,
        "changed": each.changed,
        "fate": each.fate,
        "outcome": outcome(each) if each.changed else "unchanged",
        "properties": [_change(change) for change in each.values],
        "table": asdict(each.table) if each.table else None,
        "steps": [_traced(step) for step in each.steps],
        "reasons": list(each.reasons),
    }


def _change(change: ValueChange) -> dict[str, Any]:
    return {
        "keyword": change.keyword,
        "paths": list(change.paths),
        "everywhere": change.everywhere,
        "old": _resolved(change.old),
        "new": _resolved(change.new),
    }


def _resolved(value: Resolved[str] | None) -> dict[str, Any] | None:
    return None if value is None else {"value": value.value, "origin": _origin(value.origin)}


def _origin(origin: Origin) -> dict[str, str]:
    return {**asdict(origin), "text": str(origin)}


def _traced(traced: TracedStep) -> dict[str, Any]:
    instead = {"instead_of": _step(traced.instead_of)} if traced.instead_of is not None else {}
    return {**_step(traced.step), "cause": traced.cause, **instead}


def _step(step: Step) -> dict[str, Any]:
    return {"step": type(step).__name__, **asdict(step)}


def _disk(each: DiskChange) -> dict[str, Any]:
    was, will = each.claimed
    return {
        "name": each.name,
        "dev": each.after.dev,
        "claimed_before": was,
        "claimed_after": will,
        "before": _admission(each.before),
        "after": _admission(each.after),
    }


def _admission(admission: Admission) -> dict[str, Any]:
    return {
        "wwid": admission.wwid,
        "verdict": admission.verdict,
        "reason": admission.reason,
        "origin": _origin(admission.origin),
    }
