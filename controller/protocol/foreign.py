"""Maps that the kernel itself multipaths, as the foreign library `nvme` of multipath-tools shows them.

In: `ForeignMap` facts, and the configuration. Out: which of them are shown, the letters of formats for them and their
paths, and the tree of a topology. Pure; nothing here can be told to do anything to them.
"""

import re
from collections.abc import Iterator, Mapping
from typing import TypeVar

from controller.protocol import wildcards
from controller.protocol.tables import line, part, rows_in_columns
from controller.protocol.topology import PATH_FORMAT, PROPERTIES
from controller.protocol.wildcards import NOT_AVAILABLE, Wildcard, by_letter
from desired import options
from desired.config import Config
from desired.precedence import global_settings
from desired.regex import BadExpression, compile_expression
from observers.nvme import LIBRARY
from observers.snapshot import ForeignMap, ForeignPath, Snapshot

R = TypeVar("R")

VENDOR = "NVMe"
"""What these maps call their vendor. Paths of ours to NVMe namespaces say `NVME`, which hardware tables rely on."""

TITLE = "%w [%G]:%d %s"
"""The format of a map's first line."""

_PRIORITIES = {"optimized": 50, "non-optimized": 10}
"""By ANA state; every other one is 0."""
_LIVE = "live"
_NAME = re.compile(r"nvme(\d+)c(\d+)n(\d+)")


def shown(snapshot: Snapshot, config: Config, *, everything: bool = False) -> tuple[ForeignMap, ...]:
    """The foreign maps whose library `enable_foreign` names; `everything`: all, as `multipath -e` has it."""
    rule = global_settings(config).require(options.ENABLE_FOREIGN).value
    return tuple(each for each in snapshot.foreign_maps if everything or _named(each.library, rule))


def _named(library: str, rule: str) -> bool:
    try:
        return compile_expression(rule).matches(library)
    except BadExpression:
        return False


def _map_text(row: ForeignMap) -> str:
    return f"{VENDOR},{row.product},{row.revision}"


def _live_paths(row: ForeignMap) -> str:
    return str(sum(path.state.startswith(_LIVE) for path in row.paths))


def _handler(row: ForeignMap) -> str:
    return "ANA" if any(path.ana_state for path in row.paths) else NOT_AVAILABLE


MAPS: tuple[Wildcard[ForeignMap], ...] = (
    Wildcard("n", "name", lambda row: f"{row.subsystem}:nsid.{row.namespace}"),
    Wildcard("w", "uuid", lambda row: row.wwid),
    Wildcard("d", "sysfs", lambda row: row.name),
    Wildcard("N", "paths", _live_paths),
    Wildcard("r", "write_prot", lambda row: "ro" if row.read_only else "rw"),
    Wildcard("S", "size", lambda row: str(row.size)),
    Wildcard("h", "hwhandler", _handler),
    Wildcard("s", "vend/prod", _map_text),
    Wildcard("v", "vend", lambda _: VENDOR),
    Wildcard("p", "prod", lambda row: row.product),
    Wildcard("e", "rev", lambda row: row.revision),
    Wildcard("G", "foreign", lambda row: row.library),
)
"""Sizes are in sectors here, as multipath-tools prints them of these maps."""


def _address(path: ForeignPath) -> str:
    match = _NAME.fullmatch(path.name)
    return ":".join(match.groups()) if match else f"(ERR:{path.name})"


def _priority(path: ForeignPath) -> str:
    return str(_PRIORITIES.get(path.ana_state, 0)) if path.ana_state else NOT_AVAILABLE


def _end(path: ForeignPath) -> str:
    return f"{path.transport}:{path.address}"


PATHS: tuple[Wildcard[ForeignPath], ...] = (
    Wildcard("w", "uuid", lambda path: path.wwid),
    Wildcard("i", "hcil", _address),
    Wildcard("d", "dev", lambda path: path.name),
    Wildcard("D", "dev_t", lambda path: path.dev),
    Wildcard("o", "dev_st", lambda path: path.state or NOT_AVAILABLE),
    Wildcard("T", "chk_st", lambda path: path.ana_state or NOT_AVAILABLE),
    Wildcard("p", "pri", _priority),
    Wildcard("s", "vend/prod/rev", lambda path: f"{VENDOR},{path.product},{path.revision}"),
    Wildcard("S", "size", lambda path: str(path.size)),
    Wildcard("z", "serial", lambda path: path.serial),
    Wildcard("N", "host WWNN", _end),
    Wildcard("R", "host WWPN", _end),
    Wildcard("G", "foreign", lambda _: f"[{LIBRARY}]"),
    Wildcard("m", "multipath", lambda path: path.head),
    Wildcard("a", "host adapter", lambda path: f"PCI:{path.adapter}" if path.adapter else NOT_AVAILABLE),
)


def _with_all(own: tuple[Wildcard[R], ...], titles: Mapping[str, str]) -> Mapping[str, Wildcard[R]]:
    """The wildcards, and every other letter that there is for maps or paths of ours."""
    known = dict(by_letter(own))
    for letter, title in titles.items():
        known.setdefault(letter, Wildcard(letter, title, lambda _: NOT_AVAILABLE))
    return known


MAP = _with_all(MAPS, {each.letter: each.title for each in wildcards.MAPS})
PATH = _with_all(PATHS, {each.letter: each.title for each in wildcards.PATHS})


def topology(row: ForeignMap) -> str:
    """The tree of a map by itself."""
    return tree(row, iter(rows_in_columns(PATH_FORMAT, part(row.paths, PATH))))


def tree(row: ForeignMap, lines: Iterator[str]) -> str:
    """The tree of a map. `lines`: of paths, drawn in columns; those of this map come next.

    Each path is a group by itself, as the kernel uses one after the other.
    """
    return "".join(_tree(row, lines))


def _tree(row: ForeignMap, lines: Iterator[str]) -> Iterator[str]:
    yield line(row, MAP, TITLE)
    yield line(row, MAP, PROPERTIES)
    for number, (path, text) in enumerate(zip(row.paths, lines, strict=False), 1):
        last = number == len(row.paths)
        state = path.ana_state or NOT_AVAILABLE
        yield f"{'`' if last else '|'}-+- policy='{NOT_AVAILABLE}' prio={_priority(path)} status={state}\n"
        yield f"{' ' if last else '|'} `- {text}\n"
