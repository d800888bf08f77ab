"""Explanations as JSON for programs: the edge where explained values become text.

In: explanations. Out: documents `{"format": "mpathctl-explain", "version": 1, "what": ..., ...}`. An origin is an
object of kind, where (`FILE:LINE`, or an entry) and why; null where there is none.
"""

import json
from collections.abc import Sequence
from typing import Any

from controller.reconcile.explain import step_text
from controller.reconcile.plan import MapPlan
from desired.contenders import Contender, Matched
from desired.evidence import Subject
from desired.explain import Explanation
from desired.explain_subjects import MapExplanation, MemberExplanation, PathExplanation
from desired.model import Admission, Origin, Resolved
from desired.prospects import AdmissionExplanation, Answer, Prospect
from desired.sightings import CLAIM

EXPLAIN_VERSION = 1
"""Raised when a reader of the last version would misunderstand."""

Document = dict[str, Any]


def document(what: str, content: Document) -> str:
    """A whole document. `what`: path, map, property, paths or maps."""
    head = {"format": "mpathctl-explain", "version": EXPLAIN_VERSION, "what": what}
    return json.dumps({**head, **content}, indent=2) + "\n"


def of_property(kind: str, name: str, found: Explanation) -> Document:
    """One property. `kind`: path or map."""
    return {"subject": {"kind": kind, "name": name}, **_explanation(found)}


def of_admissions(every: Sequence[AdmissionExplanation]) -> Document:
    """All devices with their verdicts."""
    return {"paths": [_admission(each) for each in every]}


def of_path(found: PathExplanation) -> Document:
    """A whole path."""
    return {
        "name": found.path.name,
        "dev": found.path.dev,
        "identity": {
            "wwid": found.wwid or None,
            "source": found.source,
            "standing": found.finding.standing.value,
            "reason": found.finding.reason,
            "sources": [_contender(each) for each in found.sources],
        },
        "admission": _admission(found.admission),
        "udev_claim": found.path.udev.get(CLAIM),
        "state": {"value": str(found.state), "reasons": list(found.state_reasons)},
        "priority": _resolved(found.priority),
        "map": found.map or None,
        "now_in": found.now_in or None,
        "group": found.group or None,
        "groups": found.groups or None,
        "properties": [_explanation(each) for each in found.properties],
        "tunables": [
            {"file": each.file, "now": each.now, "wanted": _resolved(each.wanted) if each.wanted is not None else None}
            for each in found.tunables
        ],
    }


def of_map(found: MapExplanation, plan: MapPlan | None) -> Document:
    """A whole map."""
    live = found.subject.live
    return {
        "wwid": found.subject.wwid,
        "name": live.name if live is not None else None,
        "dev": live.dev if live is not None else None,
        "unwanted": found.unwanted or None,
        "alias": _explanation(found.alias) if found.alias is not None else None,
        "table_now": found.table_now or None,
        "table_desired": found.table_desired or None,
        "refused": found.refused or None,
        "plan": _plan(plan),
        "groups": [[_member(each) for each in group] for group in found.groups],
        "devices": [_verdict(each) for each in found.devices],
        "properties": [_explanation(each) for each in found.properties],
        "unset": list(found.unset),
    }


def of_maps(every: Sequence[tuple[Subject, MapPlan | None]]) -> Document:
    """All maps in brief."""
    return {"maps": [_brief(subject, plan) for subject, plan in every]}


def _brief(subject: Subject, plan: MapPlan | None) -> Document:
    alias = subject.wanted.alias if subject.wanted is not None else None
    return {
        "wwid": subject.wwid,
        "name": subject.live.name if subject.live is not None else None,
        "alias": _resolved(alias) if alias is not None else None,
        "plan": _plan(plan),
    }


def _plan(plan: MapPlan | None) -> Document | None:
    if plan is None:
        return None
    steps = [step_text(step) for step in plan.steps]
    return {"action": plan.action, "reasons": list(plan.reasons), "steps": steps}


def _origin(origin: Origin | None) -> Document | None:
    return None if origin is None else {"kind": str(origin.kind), "where": origin.where, "why": origin.why}


def _resolved(found: Resolved[Any]) -> Document:
    return {"value": found.value, "origin": _origin(found.origin)}


def _matched(every: Sequence[Matched]) -> list[Document]:
    return [{"what": each.what, "expression": each.expression, "text": each.text} for each in every]


def _contender(found: Contender) -> Document:
    return {"value": found.value, "origin": _origin(found.origin), "chosen_by": _matched(found.chosen_by)}


def _explanation(found: Explanation) -> Document:
    return {
        "property": found.property,
        "value": found.value,
        "origin": _origin(found.origin),
        "chosen_by": _matched(found.chosen_by),
        "written": found.written or None,
        "losers": [_contender(each) for each in found.losers],
        "depends": [
            {"property": each.property, "value": each.value, "origin": _origin(each.origin)} for each in found.depends
        ],
        "note": found.note,
    }


def _verdict(found: Admission) -> Document:
    return {
        "name": found.name,
        "dev": found.dev,
        "wwid": found.wwid or None,
        "verdict": str(found.verdict),
        "reason": found.reason,
        "origin": _origin(found.origin),
    }


def _admission(found: AdmissionExplanation) -> Document:
    return {
        "claimed": found.claimed,
        **_verdict(found.admission),
        "answers": [_answer(each) for each in found.answers],
        "prospects": [_prospect(each) for each in found.prospects],
        "settled": found.settled or None,
        "note": found.note,
    }


def _answer(found: Answer) -> Document:
    return {
        "kind": found.kind,
        "says": found.says,
        "detail": found.detail,
        "origin": _origin(found.origin),
        "blocks": found.blocks,
        "asked": found.asked,
    }


def _prospect(found: Prospect) -> Document:
    verdict = None if found.verdict is None else str(found.verdict)
    return {"change": found.change, "verdict": verdict, "reason": found.reason}


def _member(found: MemberExplanation) -> Document:
    kernel = found.kernel
    return {
        "name": found.member.name,
        "dev": found.member.dev,
        "state": str(found.member.state),
        "priority": _resolved(found.member.priority),
        "kernel": None if kernel is None else {"active": kernel.active, "fail_count": kernel.fail_count},
    }
