"""Maps as `multipath` prints them: the trees of multipath-tools, or only names.

In: a snapshot, what is desired, and which maps. Out: text. It must never observe anything itself.

Unlike the daemon's, the columns of a tree are as wide as those of its own paths, and of the trees of foreign maps as
those of all of them.
"""

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from controller.cli.multipath_program import Subject
from controller.protocol import foreign
from controller.protocol.rows import MapRow, map_rows, path_rows
from controller.protocol.state import Action, DaemonLine, MapLine, State
from controller.protocol.tables import line, part, rows_in_columns, table
from controller.protocol.topology import PATH_FORMAT, columns, topology
from controller.protocol.wildcards import NO_DEVICE, PATH
from desired.config import Config
from desired.features import QUEUE
from desired.model import Desired, DesiredMap
from observers.snapshot import ForeignMap, Map, Snapshot, Wwid

_PATHS_BANNER = "===== paths list =====\n"
_NO_PATHS = "===== no paths =====\n"
_ALL_OF_A_PATH = "%w %i %d %D %p %t %T %s %o"
_NAMES, _TREES, _PATHS = 1, 2, 3
"""Verbosities from which on names, trees, and the list of paths before them are printed."""


def state_of(snapshot: Snapshot, desired: Desired, config: Config, actions: Mapping[Wwid, Action]) -> State:
    """What is known, as replies are made of it."""
    return State(
        snapshot=snapshot,
        desired=desired,
        config=config,
        daemon=DaemonLine(pid=0),
        now=0.0,
        observed_at=0.0,
        maps={wwid: MapLine(action=action) for wwid, action in actions.items()},
    )


def maps_text(state: State, verbosity: int, *, only: Collection[Wwid] | None = None) -> str:
    """The maps as this verbosity shows them. `only`: these; None: all."""
    paths = path_rows(state)
    chosen = [row for row in map_rows(state, paths) if only is None or row.map.wwid in only]
    if verbosity < _NAMES:
        return ""
    if verbosity < _TREES:
        return "".join(f"{row.map.name}\n" for row in chosen)
    return "".join(_emphasized(_tree(row)) for row in chosen)


def _tree(row: MapRow) -> str:
    """A map's tree, its columns as wide as its own paths need."""
    own = list(row.paths)
    return topology([row], own, columns(own))


def on_a_terminal() -> bool:
    """Whether somebody looks at what is printed."""
    return sys.stdout.isatty()


def _emphasized(tree: str) -> str:
    """A tree whose first line is bold where somebody looks at it."""
    title, _, rest = tree.partition("\n")
    return f"\x1b[1m{title}\x1b[0m\n{rest}" if on_a_terminal() else tree


def intended_text(
    snapshot: Snapshot, desired: Desired, config: Config, actions: Mapping[Wwid, Action], verbosity: int
) -> str:  # fmt: skip
    """The maps to which something is or was done, each as it is meant to be: of what only device-mapper could say of it
    nothing is known then. That it may queue is no feature, but what becomes of it without paths."""
    drafts = tuple(_draft(each) for each in desired.maps if each.wwid in actions)
    return maps_text(state_of(replace(snapshot, maps=drafts), desired, config, actions), verbosity)


def _draft(wanted: DesiredMap) -> Map:
    table = replace(wanted.table, features=tuple(word for word in wanted.table.features if word != QUEUE))
    return Map(name=wanted.alias.value, uuid=wanted.uuid, dev=NO_DEVICE, table=table, status=None)


def foreign_text(maps: Sequence[ForeignMap], verbosity: int) -> str:
    """Maps that the kernel makes itself, as this verbosity shows them."""
    if verbosity < _NAMES:
        return ""
    if verbosity < _TREES:
        return "".join(line(each, foreign.MAP, "%n") for each in maps)
    lines = iter(rows_in_columns(PATH_FORMAT, part([path for each in maps for path in each.paths], foreign.PATH)))
    return "".join(_emphasized(foreign.tree(each, lines)) for each in maps)


def paths_text(state: State, verbosity: int) -> str:
    """The list of all paths, at the verbosities that have it. It is made before maps are looked at: so no path is in
    one, and what is only known of paths of maps is not known."""
    if verbosity < _PATHS:
        return ""
    rows = [row._replace(map=None, active=None) for row in path_rows(state)]
    return _PATHS_BANNER + table(_ALL_OF_A_PATH, part(rows, PATH)) if rows else _NO_PATHS


def put(text: str) -> None:
    """Print a text as the bytes that it was read from."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def warn_without_daemon(subject: Subject, snapshot: Snapshot) -> None:
    """Nobody looks after maps while no daemon runs."""
    if snapshot.maps and snapshot.host.daemon is None:
        subject.say(2, "Warning: multipath devices exist, but multipathd service is not running")
