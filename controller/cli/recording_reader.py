"""A flight recorder's file as values again: the edge where `controller.runtime.recording`'s lines are read.

In: the text. Out: entries. What is not such a file raises `InputError` with one line that says where and what. It must
never guess at another version's meaning.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, TypeVar, get_type_hints

from pydantic import TypeAdapter

from actuators.steps import Outcome, Step
from controller.reconcile.health import PathMemory
from controller.reconcile.plan import MapPlan, Memory, Plan, Refusal
from controller.runtime.forms import OUTCOMES, STEPS
from controller.runtime.recorder import Applied, Cycle, Entry, Ordered
from controller.runtime.recording import FORMAT, SHARED, VERSION
from observers import snapshot_json
from observers.errors import InputError, InvariantBroken
from observers.snapshot import Snapshot

T = TypeVar("T")

_FAULTS = (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, InvariantBroken)
"""What goes wrong in reading where a file is not as it should be. Steps that can't be are the file's fault here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What is in a file. `program`: the version that recorded it; `at`: when it was written, seconds since 1970."""

    program: str
    at: float
    entries: tuple[Entry, ...]


def read_recording(text: str, *, origin: str) -> Recording:
    """The recording in a file's text; `origin` names the file in the one line of an `InputError`."""
    reader = _Reader(origin)
    taken = 0
    try:
        for line in text.splitlines():
            reader.take(json.loads(line))
            taken += 1
    except InputError:
        raise
    except _FAULTS as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        fault = f"{origin}: line {taken + 1}: not as a flight recorder writes it: {why}"
        raise InputError(fault, hint="make a new one with: mpathctl dump recorder") from error
    if reader.header is None:
        raise InputError(f"{origin}: not a flight recorder's file: it is empty")
    return Recording(program=reader.header.program, at=reader.header.at, entries=tuple(reader.entries))


@dataclass(frozen=True, slots=True)
class _Header:
    """The first line."""

    program: str
    at: float


class _Reader:
    """Takes line after line."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._values: list[Any] = []
        self.header: _Header | None = None
        self.entries: list[Entry] = []

    def take(self, document: dict[str, Any]) -> None:
        """The next line."""
        if self.header is None:
            self._begin(document)
        elif "value" in document:
            self._values.append(document["is"])
        elif "cycle" in document:
            self.entries.append(self._cycle(document))
        elif "request" in document:
            self.entries.append(_valid(Ordered, document, outcome=outcome_of(document["outcome"])))
        else:
            pairs = tuple((step_of(step), outcome_of(outcome)) for step, outcome in document["outcomes"])
            self.entries.append(_valid(Applied, document, plan=plan_of(document["plan"]), outcomes=pairs))

    def _begin(self, document: Any) -> None:
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise InputError(
                f'{self._origin}: not a flight recorder\'s file: no "format": "{FORMAT}" in its first line'
            )
        if document.get("version") != VERSION:
            shown = json.dumps(document.get("version"))[:40]
            raise InputError(f"{self._origin}: unknown version {shown}: this program reads version {VERSION}")
        self.header = _Header(program=str(document["program"]), at=float(document["at"]))

    def _cycle(self, document: dict[str, Any]) -> Cycle:
        paths = {dev: _PATH_MEMORY.validate_python(self._values[n]) for dev, n in document["path_memories"].items()}
        whole = document.get("memory")
        return _valid(
            Cycle,
            {**document, "number": document["cycle"]},
            weight=0,
            memory=Memory(paths=paths) if whole is None else memory_of(whole, paths),
            given=whole is not None,
            snapshot=self._snapshot(document["snapshot"]),
            plan=plan_of(document["plan"]),
        )

    def _snapshot(self, document: dict[str, Any]) -> Snapshot:
        shared = {name: [self._values[number] for number in document[name]] for name in SHARED}
        wrapped = {
            "format": snapshot_json.FORMAT,
            "version": snapshot_json.VERSION,
            "snapshot": {**document, **shared},
        }
        return snapshot_json.from_json(json.dumps(wrapped), origin=self._origin)


_PATH_MEMORY = TypeAdapter(PathMemory)
_HINTS = get_type_hints(Memory)
_PLAIN = {
    field.name: TypeAdapter[Any](_HINTS[field.name])
    for field in fields(Memory)
    if field.name not in ("paths", "refusals")
}
"""Of the fields of a memory all but those with steps in them, and what is kept of paths, which is written apart."""


def memory_of(document: Mapping[str, Any], paths: Mapping[Any, PathMemory]) -> Memory:
    """A planner's memory."""
    refusals = {wwid: _refusal(each) for wwid, each in document["refusals"].items()}
    others = {name: adapter.validate_python(document[name]) for name, adapter in _PLAIN.items()}
    return Memory(refusals=refusals, paths=paths, **others)


def _refusal(document: Mapping[str, Any]) -> Refusal:
    return _valid(Refusal, document, steps=tuple(map(step_of, document["steps"])))


def plan_of(document: Mapping[str, Any]) -> Plan:
    """A plan."""
    records: Any = tuple(map(step_of, document["records"]))
    return Plan(records=records, maps=tuple(map(_map_plan, document["maps"])))


def _map_plan(document: Mapping[str, Any]) -> MapPlan:
    return _valid(MapPlan, document, steps=tuple(map(step_of, document["steps"])))


def _valid(kind: Callable[..., T], document: Mapping[str, Any], **given: Any) -> T:
    """A value of that kind: some of its fields are given, the others are in the document."""
    others = {name: adapter.validate_python(document[name]) for name, adapter in _fields_of(kind) if name not in given}
    return kind(**others, **given)


@cache
def _fields_of(kind: Any) -> tuple[tuple[str, TypeAdapter[Any]], ...]:
    hints = get_type_hints(kind)
    return tuple((field.name, _adapter(hints[field.name])) for field in fields(kind))


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def step_of(document: Mapping[str, Any]) -> Step:
    """A step, of the kind that it says."""
    return _tagged(document, "step", STEPS)  # type: ignore[no-any-return]  # the table has steps only


def outcome_of(document: Mapping[str, Any]) -> Outcome:
    """An outcome, of the kind that it says."""
    return _tagged(document, "outcome", OUTCOMES)  # type: ignore[no-any-return]  # the table has outcomes only


def _tagged(document: Mapping[str, Any], tag: str, kinds: Mapping[str, type]) -> Any:
    name = document[tag]
    if name not in kinds:
        raise ValueError(f"no kind of {tag} is called {name!r} in this program")
    return _adapter(kinds[name]).validate_python({key: value for key, value in document.items() if key != tag})
