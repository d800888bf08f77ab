"""What the flight recorder kept, as text: a file of JSON lines that `mpathctl replay` reads.

In: entries. Out: the file's lines. The first one names the format. A path, a map, a file or a memory of a path that
several cycles share is one line of its own (`{"value": NUMBER, "is": ...}`) before the first cycle that mentions it;
cycles say its number. A cycle has the planner's memory only if it does not follow from the lines before. It must never
be called by the loop: for 1,000 paths it takes seconds.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any

from controller import __version__
from controller.reconcile.plan import Memory
from controller.runtime.forms import form, plan_form
from controller.runtime.recorder import Applied, Cycle, Entry, Ordered
from observers.snapshot import Snapshot

FORMAT = "mpathctl-recorder"
VERSION = 1

SHARED = ("paths", "maps", "config_files")
"""Fields of a snapshot whose members are lines of their own."""


def lines(entries: Sequence[Entry], *, at: float) -> Iterator[str]:
    """The file, line by line, without the lines' ends. `at`: seconds since 1970."""
    yield _json({"format": FORMAT, "version": VERSION, "program": __version__, "at": at})
    values = _Values()
    for index, entry in enumerate(entries):
        if isinstance(entry, Applied):
            yield _json(_applied_form(entry))
        elif isinstance(entry, Ordered):
            yield _json(form(entry))
        else:
            document = _cycle_form(entry, values, whole=index == 0 or entry.given)
            yield from values.taken()
            yield _json(document)


class _Values:
    """Values that are written once. Two are the same if they are one object: entries keep all of them alive."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._lines: list[str] = []

    def numbers(self, values: Iterable[object]) -> list[int]:
        """The numbers of values; those that are new get one."""
        return [self._number(value) for value in values]

    def _number(self, value: object) -> int:
        known = self._numbers.get(id(value))
        if known is not None:
            return known
        number = self._numbers[id(value)] = len(self._numbers)
        self._lines.append(_json({"value": number, "is": form(value)}))
        return number

    def taken(self) -> list[str]:
        """The lines of those that are new since the last time."""
        fresh, self._lines = self._lines, []
        return fresh


def _cycle_form(cycle: Cycle, values: _Values, *, whole: bool) -> dict[str, Any]:
    memory = cycle.memory
    document = {
        "cycle": cycle.number,
        "now": cycle.now,
        "scope": None if cycle.scope is None else form(cycle.scope),
        "idle": form(cycle.idle),
        "orders": form(cycle.orders),
        "path_memories": dict(zip(memory.paths, values.numbers(memory.paths.values()), strict=True)),
        "snapshot": _snapshot_form(cycle.snapshot, values),
        "plan": plan_form(cycle.plan),
    }
    if whole:
        document["memory"] = {name: form(getattr(memory, name)) for name in MEMORY_FIELDS}
    return document


MEMORY_FIELDS = tuple(field.name for field in fields(Memory) if field.name != "paths")


def _snapshot_form(snapshot: Snapshot, values: _Values) -> dict[str, Any]:
    shared = {name: values.numbers(getattr(snapshot, name)) for name in SHARED}
    others = {name: form(getattr(snapshot, name)) for name in _OTHERS}
    return {**others, **shared}


_OTHERS = tuple(field.name for field in fields(Snapshot) if field.name not in SHARED)


def _applied_form(applied: Applied) -> dict[str, Any]:
    return {"now": applied.now, "outcomes": form(applied.outcomes), "plan": plan_form(applied.plan)}


def _json(document: object) -> str:
    return json.dumps(document, ensure_ascii=True)
