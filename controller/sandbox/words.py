"""The words of scenario files: lines cut into words that know where they stand, and errors that say so.

In: a text. Out: `Line` values, from which words are taken one by one. Blanks part words, quotes ("...") keep them
together, `#` at the beginning of a word begins a comment; how far a line is indented means nothing.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from observers.errors import ConfigError

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

_WORD = re.compile(r'\s*(?:(#.*)|"([^"]*)"|([^\s"]+)|(.))')


@dataclass(frozen=True, slots=True)
class Token:
    """A word and its column, from 1."""

    text: str
    column: int


class Line:
    """A line with words; they are taken from left to right."""

    def __init__(self, file: str, number: int, words: list[Token]) -> None:
        self.file, self.row = file, number
        self._words, self._at = words, 0

    @property
    def left(self) -> int:
        """How many words are not taken yet."""
        return len(self._words) - self._at

    def error(self, message: str, *, hint: str = "") -> ConfigError:
        """An error at the word that was taken last."""
        last = self._words[max(0, min(self._at, len(self._words)) - 1)]
        return ConfigError(message, file=self.file, line=self.row, column=last.column, hint=hint)

    def take(self, what: str) -> str:
        """The next word."""
        if not self.left:
            last = self._words[-1]
            column = last.column + len(last.text)
            raise ConfigError(f"{what} is missing", file=self.file, line=self.row, column=column)
        self._at += 1
        return self._words[self._at - 1].text

    def take_as(self, what: str, convert: Callable[[str], T]) -> T:
        """The next word as a value; `convert` raises ValueError for one that is none."""
        word = self.take(what)
        try:
            return convert(word)
        except ValueError:
            raise self.error(f"{word!r} is not {what}") from None

    def choice(self, what: str, values: type[E]) -> E:
        """The next word as a member of an enumeration, by its text."""
        word = self.take(what)
        if word not in {member.value for member in values}:
            raise self.error(f"{word!r} is not {what}", hint=f"one of: {', '.join(member.value for member in values)}")
        return values(word)

    def number(self, what: str) -> int:
        """The next word as a number."""
        return self.take_as(what, _number)

    def rest(self) -> tuple[str, ...]:
        """All words that are left."""
        return tuple(self.take("word") for _ in range(self.left))

    def whole(self) -> tuple[str, ...]:
        """All words after the keyword, also those that were taken already; then none is left."""
        self._at = len(self._words)
        return tuple(token.text for token in self._words[1:])

    def end(self) -> None:
        """That nothing is left."""
        if self.left:
            word = self.take("word")
            raise self.error(f"{word!r} is too much here")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)


class Text:
    """The lines of a text, one after the other; here-blocks can be taken in between."""

    def __init__(self, file: str, text: str) -> None:
        self._file, self._lines, self._at = file, text.splitlines(), 0

    def __iter__(self) -> Iterator[Line]:
        while self._at < len(self._lines):
            self._at += 1
            words = self._words(self._lines[self._at - 1])
            if words:
                yield Line(self._file, self._at, words)

    def _words(self, line: str) -> list[Token]:
        found: list[Token] = []
        for match in _WORD.finditer(line.rstrip()):
            comment, quoted, plain, stray = match.groups()
            if comment is not None:
                break
            if stray is not None:
                column = match.start(4) + 1
                raise ConfigError("this quote is not closed", file=self._file, line=self._at, column=column)
            column = match.start(2) if quoted is not None else match.start(3) + 1  # a quoted word begins at its quote
            found.append(Token(plain if quoted is None else quoted, column))
        return found

    def block(self, end: str, opened: Line) -> str:
        """All lines up to one that is `end` and nothing else."""
        begun = self._at
        while self._at < len(self._lines):
            self._at += 1
            if self._lines[self._at - 1] == end:
                return "".join(f"{line}\n" for line in self._lines[begun : self._at - 1])
        raise opened.error(f"the text that begins here has no end: no line is just {end}")
