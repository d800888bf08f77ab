"""The topology of maps as multipathd and `multipath -ll` draw it: a tree that many programs read line by line.

In: rows. Out: text. Pure. No colours: those are for terminals, and a socket is none. Our own drawing, for people, is in
`controller.protocol.picture`.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from controller.protocol.rows import GroupRow, MapRow, PathRow
from controller.protocol.tables import bare_rows, kept_line, kept_widths, line, part
from controller.protocol.wildcards import GROUP, MAP, PATH
from observers.breathing import Breathe, breathing, without_pause
from observers.dmtable import DevT

PROPERTIES = "size=%S features='%f' hwhandler='%h' wp=%r"
GROUP_FORMAT = "policy='%s' prio=%p status=%t"
PATH_FORMAT = "%i %d %D %t %T %o"


def columns(paths: Iterable[PathRow], *, least: Sequence[int] = ()) -> tuple[int, ...]:
    """How wide the columns of paths are where all of these are drawn. `least`: how wide each is in any case."""
    return kept_widths(PATH_FORMAT, paths, PATH, least=least)


def topology(
    maps: Sequence[MapRow], paths: Sequence[PathRow], widths: tuple[int, ...], *, breathe: Breathe = without_pause
) -> str:  # fmt: skip
    """The trees of these maps. `paths`: all there are; `widths`: of their columns."""
    known = {row.dev for row in paths}
    found: list[str] = []
    for each in breathing(maps, breathe):
        found.append(each.texts.text("head", _head, each))
        found.append(each.texts.text(("tree", widths), lambda row: _kept_tree(row, widths, known), each))
    return "".join(found)


def _kept_tree(row: MapRow, widths: tuple[int, ...], known: Container[DevT]) -> str:
    drawn = {path.dev: f"{kept_line(PATH_FORMAT, widths, path)}\n" for path in row.paths if path.dev in known}
    return "".join(_tree(row, drawn))


def _head(row: MapRow) -> str:
    return line(row, MAP, title(row)) + line(row, MAP, PROPERTIES)


def _groups(row: MapRow) -> str:
    return "\n".join(bare_rows(GROUP_FORMAT, part(row.groups, GROUP)))


def title(row: MapRow) -> str:
    """The format of a map's first line: what was done with it last, its name, its WWID unless that is its name."""
    action = "%A: " if row.line.action else ""
    wwid = "" if str(row.map.name) == str(row.map.wwid) else " (%w)"
    return f"{action}%n{wwid} %d %s"


def _tree(row: MapRow, drawn: Mapping[DevT, str]) -> Iterator[str]:
    """The lines of a map's groups and of their paths."""
    texts = row.texts.text("groups", _groups, row).split("\n")
    for number, (group, text) in enumerate(zip(row.groups, texts, strict=False), 1):
        last = number == len(row.groups)
        yield f"{'`' if last else '|'}-+- {text}\n"
        yield from _branch(group, "  " if last else "| ", drawn)


def _branch(group: GroupRow, stem: str, drawn: Mapping[DevT, str]) -> Iterator[str]:
    for number, path in enumerate(group.paths, 1):
        sign = "`- " if number == len(group.paths) else "|- "
        yield stem + sign + (drawn.get(path.dev) or line(path, PATH, PATH_FORMAT))
