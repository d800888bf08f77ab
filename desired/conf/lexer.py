"""From the text of a configuration file to lines and tokens, with their places.

In: a file's text. Out: `Line`s as multipath-tools reads them (a buffer of 1024 bytes, so that a longer line counts as
several) and, per line, `Token`s. Pure; must never raise: every text has tokens, if only none.

The language: blanks separate words, and whatever is not ASCII is a blank; `#` and `!` begin a comment, even
in the middle of a word; `{` and `}` are words by themselves; `"` begins a text in which all this is not special and
`""` stands for one quote.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

LINE_BYTES = 1023
"""What fits into the line buffer beside the byte that ends the text."""
WIDEST_CHARACTER = 4
"""Bytes of the longest UTF-8 sequence."""

_BLANKS = re.compile(r"[\t-\r \x80-\U0010ffff]*")
_WORD = re.compile(r"[^\t-\r \x80-\U0010ffff!#{}\"]+")
_QUOTED = re.compile(r'(?:[^"]|"")*')


@dataclass(frozen=True, slots=True)
class Line:
    """What one read into the buffer gives. `number`: of the line in the file, from 1; `offset`: characters of that line
    before this text (not 0 only for the rest of an over-long line). `counted`: the number by which multipath-tools
    calls it, which counts the pieces of over-long lines, too."""

    number: int
    offset: int
    text: str
    counted: int


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a brace, the inside of quotes, or a quote mark. `start`: index of its first character in the line."""

    text: str
    start: int
    quote: bool = False

    @property
    def shown(self) -> str:
        """The token as messages show it: a quote mark is shown as nothing."""
        return "" if self.quote else self.text


def lines_of(text: str) -> Iterator[Line]:
    """The lines of a file, an over-long one in several pieces."""
    counted = 0
    for number, whole in enumerate(text.split("\n"), start=1):
        offset, piece = 0, ""
        for piece in _pieces(whole):
            counted += 1
            yield Line(number, offset, _until_end(piece), counted)
            offset += len(piece)
        # When a piece fills the buffer, what ends the line is a piece of its own.
        counted += len(whole) >= LINE_BYTES // WIDEST_CHARACTER and byte_length(piece) == LINE_BYTES


def _pieces(line: str) -> Iterator[str]:
    if len(line) * WIDEST_CHARACTER <= LINE_BYTES or (line.isascii() and len(line) <= LINE_BYTES):
        yield line
        return
    start = size = 0
    for index, character in enumerate(line):
        size += _width(character)
        if size > LINE_BYTES:
            yield line[start:index]
            start, size = index, _width(character)
    yield line[start:]


def _width(character: str) -> int:
    """Bytes that a character came from; a lone surrogate of the upper half stands for one undecodable byte."""
    code = ord(character)
    if code < 0x80 or 0xDC80 <= code <= 0xDCFF:
        return 1
    return 2 if code < 0x800 else 3 if code < 0x10000 else WIDEST_CHARACTER


def byte_length(text: str) -> int:
    """How much of the line buffer a text takes."""
    return sum(map(_width, text))


def _until_end(piece: str) -> str:
    """The part before a NUL, and before the first carriage return that follows something else."""
    text = piece.partition("\0")[0]
    if "\r" not in text:
        return text
    leading = len(text) - len(text.lstrip("\r"))
    end = text.find("\r", leading)
    return text if end < 0 else text[:end]


def tokenize(text: str) -> tuple[Token, ...]:
    """The tokens of one line; none for a blank line or a comment."""
    tokens: list[Token] = []
    at = _end_of(_BLANKS, text, 0)
    while at < len(text) and text[at] not in "!#":
        if text[at] == '"':
            at = _quoted(text, at, tokens)
        elif text[at] in "{}":
            tokens.append(Token(text[at], at))
            at += 1
        else:
            end = _end_of(_WORD, text, at)
            tokens.append(Token(text[at:end], at))
            at = end
        at = _end_of(_BLANKS, text, at)
    return tuple(tokens)


def _quoted(text: str, at: int, tokens: list[Token]) -> int:
    """Add the quote mark at `at`, what it encloses, and the closing mark if there is one; return where that ends."""
    tokens.append(Token('"', at, quote=True))
    inside = at + 1
    end = _end_of(_QUOTED, text, inside)
    if end > inside:
        tokens.append(Token(text[inside:end].replace('""', '"'), inside))
    if end < len(text):
        tokens.append(Token('"', end, quote=True))
        end += 1
    return end


def _end_of(expression: re.Pattern[str], text: str, at: int) -> int:
    found = expression.match(text, at)
    return found.end() if found else at
