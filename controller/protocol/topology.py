"""The topology of maps as multipathd and `multipath -ll` draw it: a tree that many programs read line by line.

In: rows. Out: text. Pure. No colours: those are for terminals, and a socket is none. Our own drawing, for people, is in
`controller.protocol.picture`.
"""

from collections.abc import Iterator, Mapping, Sequence

from controller.protocol.rows import GroupRow, MapRow, PathRow
from controller.protocol.tables import bare_rows, line, part, rows_in_columns
from controller.protocol.wildcards import GROUP, MAP, PATH
from observers.dmtable import DevT

PROPERTIES = "size=%S features='%f' hwhandler='%h' wp=%r"
GROUP_FORMAT = "policy='%s' prio=%p status=%t"
PATH_FORMAT = "%i %d %D %t %T %o"


def topology(maps: Sequence[MapRow], paths: Sequence[PathRow]) -> str:
    """The trees of these maps. `paths`: all there are; they decide how wide the columns are."""
    return trees(maps, paths, rows_in_columns(PATH_FORMAT, part(paths, PATH)))


def trees(maps: Sequence[MapRow], paths: Sequence[PathRow], lines: Sequence[str]) -> str:
    """The trees of these maps. `lines`: those of the paths, drawn already."""
    drawn = {row.dev: f"{text}\n" for row, text in zip(paths, lines, strict=False)}
    properties = bare_rows(PROPERTIES, part(maps, MAP))
    groups = iter(bare_rows(GROUP_FORMAT, part([group for each in maps for group in each.groups], GROUP)))
    found: list[str] = []
    for each, text in zip(maps, properties, strict=True):
        found += (line(each, MAP, title(each)), text, "\n")
        found += _tree(each, groups, drawn)
    return "".join(found)


def title(row: MapRow) -> str:
    """The format of a map's first line: what was done with it last, its name, its WWID unless that is its name."""
    action = "%A: " if row.line.action else ""
    wwid = "" if str(row.map.name) == str(row.map.wwid) else " (%w)"
    return f"{action}%n{wwid} %d %s"


def _tree(row: MapRow, groups: Iterator[str], drawn: Mapping[DevT, str]) -> Iterator[str]:
    """The lines of a map's groups, which come next in `groups`, and of their paths."""
    for number, group in enumerate(row.groups, 1):
        last = number == len(row.groups)
        yield f"{'`' if last else '|'}-+- {next(groups)}\n"
        yield from _branch(group, "  " if last else "| ", drawn)


def _branch(group: GroupRow, stem: str, drawn: Mapping[DevT, str]) -> Iterator[str]:
    for number, path in enumerate(group.paths, 1):
        sign = "`- " if number == len(group.paths) else "|- "
        yield stem + sign + (drawn.get(path.dev) or line(path, PATH, PATH_FORMAT))
