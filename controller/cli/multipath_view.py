"""Maps as `multipath` prints them: the trees of multipath-tools, or only names.

In: a snapshot, what is desired, and which maps. Out: text. It must never observe anything itself.
"""

import sys
from collections.abc import Collection, Mapping

from controller.cli.multipath_program import Subject
from controller.protocol.rows import map_rows, path_rows
from controller.protocol.state import Action, DaemonLine, MapLine, State
from controller.protocol.tables import part, table
from controller.protocol.topology import topology
from controller.protocol.wildcards import PATH
from desired.config import Config
from desired.model import Desired
from observers.snapshot import Snapshot, Wwid

_PATHS_BANNER = "===== paths list =====\n"
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
    return topology(chosen, paths)


def paths_text(state: State, verbosity: int) -> str:
    """The list of all paths, at the verbosities that have it."""
    return _PATHS_BANNER + table(_ALL_OF_A_PATH, part(path_rows(state), PATH)) if verbosity >= _PATHS else ""


def put(text: str) -> None:
    """Print a text as the bytes that it was read from."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def warn_without_daemon(subject: Subject, snapshot: Snapshot) -> None:
    """Nobody looks after maps while no daemon runs."""
    if snapshot.maps and snapshot.host.daemon is None:
        subject.say(2, "Warning: multipath devices exist, but multipathd service is not running")
