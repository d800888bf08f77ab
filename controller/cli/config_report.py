"""What is wrong with configuration files, as text for people and as JSON for programs.

In: the files, and the messages about them. Out: text. Pure; it must never change what a message says, only leave out of
its words the place that stands before it anyway.
"""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from desired.model import ConfigMessage, Severity
from observers.snapshot import TextFile

JSON_VERSION = 1
EXCERPT = 160
"""Columns of a source line that are shown; of a longer one, the part around the place."""
_ELLIPSIS = "..."


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The outcome of a check. `refused`: a daemon would not start with these files."""

    files: tuple[TextFile, ...]
    messages: tuple[ConfigMessage, ...]
    refused: bool = False

    @property
    def errors(self) -> int:
        """How many messages are errors."""
        return sum(message.severity is Severity.ERROR for message in self.messages)

    @property
    def warnings(self) -> int:
        """How many messages are warnings."""
        return len(self.messages) - self.errors


def as_text(checked: Checked) -> str:
    """Each message with its line, the place in it, and what to do; at the end how many there are."""
    lines = _lines_by_file(checked.files)
    reports = [_report(message, _source(lines, message)) for message in checked.messages]
    return "".join(reports) + _summary(checked) + "\n"


def _summary(checked: Checked) -> str:
    counts = f"{_counted(checked.errors, 'error')}, {_counted(checked.warnings, 'warning')}"
    return counts + (" (multipathd would not start with this configuration)" if checked.refused else "")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _report(message: ConfigMessage, source: str | None) -> str:
    head = f"{place(message)}: {message.severity}: {brief(message)}\n"
    excerpt = _excerpt(source, message.line, message.column) if source is not None else ""
    hint = f"    hint: {_visible(message.hint)}\n" if message.hint else ""
    return head + excerpt + hint


def place(message: ConfigMessage) -> str:
    """`FILE:LINE:COLUMN`, as far as it is known."""
    return ":".join([_visible(message.file), *(str(number) for number in (message.line, message.column) if number)])


def brief(message: ConfigMessage) -> str:
    """The message without the place, which its words repeat."""
    return _visible(_place_words(message.file).sub("", message.text))


@lru_cache(maxsize=16)
def _place_words(file: str) -> re.Pattern[str]:
    """How multipath-tools words a place: `FILE line 3, ...`, `... on line 3 of FILE`."""
    name = re.escape(file)
    return re.compile(rf"^{name} line \d+[,:] ?| (?:on|at) line \d+ of {name}")


def _excerpt(source: str, line: int, column: int) -> str:
    """The line, and under it a caret at the column (0: none)."""
    start = max(0, min(column - EXCERPT // 2, len(source) - EXCERPT)) if len(source) > EXCERPT else 0
    end = start + EXCERPT
    before = _ELLIPSIS if start else ""
    after = _ELLIPSIS if end < len(source) else ""
    number = str(line)
    shown = f"{number:>5} | {before}{_visible(source[start:end])}{after}\n"
    if not column:
        return shown
    margin = " " * max(len(number), 5)
    return f"{shown}{margin} | {' ' * len(before)}{_blank(source[start : column - 1])}^\n"


def _blank(text: str) -> str:
    """As much room as a text takes on a terminal; tabs stay tabs, so that their width is that of the line above."""
    return "".join("\t" if c == "\t" else " " * _width(c) for c in text)


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _visible(text: str) -> str:
    """A text that a terminal shows and does not obey: whatever is not printable becomes a question mark."""
    return "".join(c if c == "\t" or c.isprintable() else "?" for c in text)


def as_json(checked: Checked) -> str:
    """The same as one JSON object. `line` and `column` count from 1, null where they are not known."""
    lines = _lines_by_file(checked.files)
    document = {
        "version": JSON_VERSION,
        "errors": checked.errors,
        "warnings": checked.warnings,
        "refused": checked.refused,
        "files": [_printable(file.path) for file in checked.files],
        "messages": [_as_object(message, _source(lines, message)) for message in checked.messages],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _as_object(message: ConfigMessage, source: str | None) -> dict[str, str | int | None]:
    return {
        "severity": str(message.severity),
        "file": _printable(message.file),
        "line": message.line or None,
        "column": message.column or None,
        "message": _printable(_place_words(message.file).sub("", message.text)),
        "hint": _printable(message.hint),
        "source": None if source is None else _printable(source),
    }


def _printable(text: str) -> str:
    """A text that can be encoded: bytes that were no UTF-8 become replacement characters."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def _lines_by_file(files: Sequence[TextFile]) -> Mapping[str, Sequence[str]]:
    return {file.path: file.text.split("\n") for file in files}


def _source(lines: Mapping[str, Sequence[str]], message: ConfigMessage) -> str | None:
    """The line that a message is about."""
    if not message.line or message.file not in lines:
        return None
    return lines[message.file][message.line - 1].rstrip("\r")
