"""Values of the project as JSON has them, without pydantic: a daemon that writes them must not hold that in its memory.

In: frozen values. Out: forms of dicts, lists, texts and numbers, for `json.dumps`. A snapshot gets the very form that
`observers.snapshot_json` gives it. Steps and outcomes carry the name of their kind, since some kinds have equal fields.
Reading them again is for `controller.cli`, at the edge. It must never change a value.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, get_args

from actuators.steps import Outcome, Step
from controller.reconcile.plan import MapPlan, Plan

STEPS: Mapping[str, type] = {kind.__name__: kind for kind in get_args(Step)}
OUTCOMES: Mapping[str, type] = {kind.__name__: kind for kind in get_args(Outcome)}

_TAGS: Mapping[type, tuple[str, str]] = {
    **{kind: ("step", name) for name, kind in STEPS.items()},
    **{kind: ("outcome", name) for name, kind in OUTCOMES.items()},
}
_PLAIN = (str, int, float, bool, type(None))

_fields: dict[type, tuple[str, ...]] = {}


def form(value: object) -> Any:
    """A value as JSON has it. Sets are lists in the order of their members' texts."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {form(key): form(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [form(each) for each in value]
    if isinstance(value, frozenset | set):
        return sorted(map(form, value), key=str)
    names = _fields.get(kind)
    if names is None:
        names = _fields[kind] = _names(kind)
    tag = _TAGS.get(kind)
    content = {name: form(getattr(value, name)) for name in names}
    return content if tag is None else {tag[0]: tag[1], **content}


def _names(kind: type) -> tuple[str, ...]:
    if not is_dataclass(kind):
        raise TypeError(f"{kind.__name__} has no form in JSON")
    return tuple(field.name for field in fields(kind))


def plan_form(plan: Plan) -> dict[str, Any]:
    """A plan: the records, then the maps in their order, each with its steps, its reasons and when to look again."""
    return {"records": form(plan.records), "maps": [_map_form(each) for each in plan.maps]}


def _map_form(plan: MapPlan) -> dict[str, Any]:
    return {name: form(getattr(plan, name)) for name in _MAP_FIELDS}


_MAP_FIELDS = ("wwid", "uuid", "name", "action", "steps", "reasons", "wake_at")
