"""Rows through a format: `%d %w` and the like, padded into columns or bare.

In: rows, the wildcards of their kind, a format. Out: text, a line for each row. Pure; must take any format: a letter
that is no wildcard is left out with its `%`, and so is a `%` at the end.

Columns are made one at a time, each cell once, and then laid side by side: a cell costs one call, or nothing when its
row has the text already. Of the tables that programs ask for all the time, whole lines are kept with their rows, for as
long as the columns are as wide.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, repeat, zip_longest
from typing import TypeVar

from controller.protocol.rows import MapRow, PathRow
from controller.protocol.texts import Cells
from controller.protocol.wildcards import Wildcard
from desired.conf.lexer import byte_length
from observers.breathing import Breathe, breathing, without_pause

R = TypeVar("R")
Row = TypeVar("Row", PathRow, MapRow)

WIDEST = 255
"""No column is wider; longer texts stick out."""

PATHS_STILL, PATHS_FLEETING = "%i %d %D %p %t %T %o ", "C"
"""What of the table of paths changes only when something is seen, and the last column, which changes with time."""

PATHS_FORMAT = f"{PATHS_STILL}%{PATHS_FLEETING}"
PATH_FORMAT = "%o"
MAPS_FORMAT = "%n %d %w"
STATUS_FORMAT = "%n %F %Q %N %t %r"
STATS_FORMAT = "%n %0 %1 %2 %3 %4"

_WILDCARD = re.compile(r"%(.?)", re.DOTALL)


def width(text: str) -> int:
    """How wide multipathd takes a text to be: its bytes."""
    return len(text) if text.isascii() else byte_length(text)


def pad(text: str, columns: int) -> str:
    """A text with blanks behind it."""
    return text.ljust(columns) if text.isascii() else text + " " * (columns - byte_length(text))


@lru_cache(maxsize=64)
def _split(format_: str) -> tuple[tuple[str, str], ...]:
    """A format as fixed texts, each with the letter after the `%` that ends it; the last one has none."""
    found = []
    at = 0
    for match in _WILDCARD.finditer(format_):
        found.append((format_[at : match.start()], match[1]))
        at = match.end()
    return (*found, (format_[at:], ""))


def pieces(format_: str, wildcards: Mapping[str, Wildcard[R]]) -> Iterator[str | Wildcard[R]]:
    """A format as fixed texts and wildcards."""
    for text, letter in _split(format_):
        if text:
            yield text
        if letter in wildcards:
            yield wildcards[letter]


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one kind for a table. `titles`: of the columns, by letter. `cells`: a column's texts."""

    count: int
    titles: Mapping[str, str]
    cells: Callable[[str], list[str]]


def part(rows: Sequence[R], wildcards: Mapping[str, Wildcard[R]]) -> Part:
    """Rows with what their letters mean."""

    def cells(letter: str) -> list[str]:
        return list(map(wildcards[letter].text, rows))

    return Part(len(rows), {letter: each.title for letter, each in wildcards.items()}, cells)


def kept_part(
    rows: Sequence[Row], wildcards: Mapping[str, Wildcard[Row]], *, ticks: Callable[[], Sequence[int]] | None = None,
    breathe: Breathe = without_pause,
) -> Part:  # fmt: skip
    """The same of rows that have `Texts`. `ticks`: seconds until the next check of each, as of now."""

    def cells(letter: str) -> list[str]:
        make, at = wildcards[letter].text, wildcards[letter].at
        if at is not None:
            return list(map(make, rows) if ticks is None else map(at, rows, ticks()))
        return [row.texts.known.get(letter) or row.texts.text(letter, make, row) for row in breathing(rows, breathe)]

    return Part(len(rows), {letter: each.title for letter, each in wildcards.items()}, cells)


def table(format_: str, *parts: Part, raw: bool = False) -> str:
    """All rows under a header, in columns; `raw`: without both. Without rows there is no header either.

    Rows of several kinds stand in the same columns, with the titles of the first; all kinds have the same letters.
    """
    lines = _side_by_side(format_, parts, header=not raw, padded=not raw) if any(each.count for each in parts) else ()
    return "\n".join([*lines, ""])


def rows_in_columns(format_: str, *parts: Part) -> list[str]:
    """Each row's line, padded as wide as the others are."""
    return list(_side_by_side(format_, parts, header=False, padded=True))


def bare_rows(format_: str, *parts: Part) -> list[str]:
    """Each row's line, without padding."""
    return list(_side_by_side(format_, parts, header=False, padded=False))


def _side_by_side(format_: str, parts: Sequence[Part], *, header: bool, padded: bool) -> Iterable[str]:
    count = sum(each.count for each in parts) + header
    columns: list[Iterable[str]] = []
    for text, letter in _split(format_):
        columns.append(repeat(text, count))
        title = parts[0].titles.get(letter)
        if title is not None:
            cells = [title] if header else []
            cells += (cell for each in parts for cell in each.cells(letter))
            columns.append(_column(cells) if padded else cells)
    return map("".join, zip(*columns, strict=True))


# ---- lines that are kept


def kept_widths(
    format_: str, rows: Iterable[Row], wildcards: Mapping[str, Wildcard[Row]], *, least: Sequence[int] = ()
) -> tuple[int, ...]:
    """How wide the columns of these rows are. `least`: how wide each is in any case. The format has letters of texts
    that do not change with time, and is one of a few, as the cells are kept with the rows."""
    widths = {(row.texts.cells.get(format_) or _keep_cells(format_, row, wildcards))[1] for row in rows}
    if least:
        widths.add(tuple(least))
    return tuple([min(WIDEST, max(column)) for column in zip(*widths, strict=True)])


def _keep_cells(format_: str, row: Row, wildcards: Mapping[str, Wildcard[Row]]) -> Cells:
    cells = tuple([wildcards[letter].text(row) for letter in letters(format_)])
    kept = row.texts.cells[format_] = cells, tuple(map(width, cells))
    return kept


@lru_cache(maxsize=64)
def letters(format_: str) -> tuple[str, ...]:
    """Those of a format, in their order."""
    return tuple([letter for _, letter in _split(format_) if letter])


def kept_line(format_: str, widths: tuple[int, ...], row: Row) -> str:
    """A row's line, as wide as `kept_widths` says."""
    return row.texts.known.get((format_, widths)) or row.texts.text(
        (format_, widths), lambda each: _padded_line(format_, widths, each), row
    )


def _padded_line(format_: str, widths: tuple[int, ...], row: Row) -> str:
    cells, _ = row.texts.cells[format_]
    return padded_line(format_, widths, cells)


def padded_line(format_: str, widths: Iterable[int], cells: Iterable[str]) -> str:
    """A line of these cells."""
    padded = [pad(cell, columns) for cell, columns in zip(cells, widths, strict=True)]
    texts = [text for text, _ in _split(format_)]
    return "".join([piece for pair in zip_longest(texts, padded, fillvalue="") for piece in pair])


def part_widths(format_: str, part_: Part) -> list[int]:
    """How wide the columns of rows are that are not kept."""
    return [_widest(part_.cells(letter)) for letter in letters(format_)]


def padded_lines(format_: str, widths: Sequence[int], part_: Part) -> list[str]:
    """Their lines, as wide as others' are."""
    rows = zip(*(part_.cells(letter) for letter in letters(format_)), strict=True)
    return [padded_line(format_, widths, cells) for cells in rows]


def still_lines(
    rows: Sequence[PathRow], wildcards: Mapping[str, Wildcard[PathRow]], others: Part, *,
    breathe: Breathe = without_pause,
) -> list[str]:  # fmt: skip
    """The lines of `path_table` without their last column. `others`: rows of another kind behind these."""
    if not (rows or others.count):
        return []
    titles = [wildcards[letter].title for letter in letters(PATHS_STILL)]
    least = list(map(max, map(len, titles), part_widths(PATHS_STILL, others)))
    widths = kept_widths(PATHS_STILL, breathing(rows, breathe), wildcards, least=least)
    lines = [padded_line(PATHS_STILL, widths, titles)]
    lines += [kept_line(PATHS_STILL, widths, row) for row in breathing(rows, breathe)]
    lines += padded_lines(PATHS_STILL, widths, others)
    return lines


def path_table(
    lines: Sequence[str], wildcards: Mapping[str, Wildcard[PathRow]], fleeting: Iterable[str], others: Part
) -> str:  # fmt: skip
    """`table` of `PATHS_FORMAT`, of these lines. `fleeting`: the cells of the last column; `others`: as there."""
    if not lines:
        return ""
    last = _column([wildcards[PATHS_FLEETING].title, *fleeting, *others.cells(PATHS_FLEETING)])
    return "\n".join([*(line + cell for line, cell in zip(lines, last, strict=True)), ""])


def _column(cells: list[str]) -> list[str]:
    if "".join(cells).isascii():  # nearly always; then nothing has to be asked of each
        widest = min(WIDEST, max(map(len, cells), default=0))
        return [cell.ljust(widest) for cell in cells]
    widest = _widest(cells)
    return [pad(cell, widest) for cell in cells]


def _widest(cells: Iterable[str]) -> int:
    return min(WIDEST, max(map(width, cells), default=0))


def line(row: R, wildcards: Mapping[str, Wildcard[R]], format_: str) -> str:
    """One row by itself."""
    texts = [piece if isinstance(piece, str) else piece.text(row) for piece in pieces(format_, wildcards)]
    return "".join(texts) + "\n"


def line_of_table(number: int, format_: str, *parts: Part) -> str:
    """The line of a row (counted from 0) as it stands in the table of all of them."""
    lines = _side_by_side(format_, parts, header=True, padded=True)
    return next(islice(lines, number + 1, None)) + "\n"
