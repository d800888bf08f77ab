"""The rows of every table: paths, groups and maps, each with all that is known of it.

In: a `State`. Out: rows, in multipathd's order: paths by their place in sysfs, as udev enumerates them, maps by their
device number. Pure. Rows are made anew for each reply, which is cheaper than to know when they are out of date.
"""

import math
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import NamedTuple

from controller.protocol.state import NO_MAP_LINE, MapLine, PathLine, State, path_line
from desired.model import Admission, Desired, DesiredMap, Verdict
from observers.dmtable import DevT, GroupStatus, PathStatus, TableGroup
from observers.snapshot import Map, Path, PathState, Wwid

NEVER_PATHS = frozenset({Verdict.BLACKLISTED, Verdict.NOT_A_DISK})
"""Devices with these verdicts are not known to multipathd at all."""

UNKNOWN = PathLine()

_UP, _GHOST = PathState.UP, PathState.GHOST


class PathRow(NamedTuple):
    """A path. `path`: None when a map has a path whose device is gone. `map`: None for a path in no map.

    `state`: what its checks found. `active`: what dm believes, None when it is in no table. `tick`: whole seconds until
    its next check.
    """

    dev: DevT
    path: Path | None
    line: PathLine
    state: PathState
    wwid: Wwid
    map: Map | None
    active: bool | None
    tick: int

    @property
    def usable(self) -> bool:
        """Whether it can take I/O: `PathState.usable`, which is asked for every path in every reply."""
        return self.state is _UP or self.state is _GHOST

    @property
    def marginal(self) -> bool:
        """Whether it is unreliable."""
        return self.path is not None and self.path.marginal


class GroupRow(NamedTuple):
    """A path group. `status`: None when the map's status is not known."""

    table: TableGroup
    status: GroupStatus | None
    paths: tuple[PathRow, ...]

    @property
    def priority(self) -> int:
        """The mean of the priorities of its usable paths; 0: it has none, -1: none of them has a priority."""
        usable = [row.line.priority for row in self.paths if row.usable]
        known = [priority for priority in usable if priority is not None]
        if known:
            return int(sum(known) / len(known))
        return -1 if usable else 0

    @property
    def marginal(self) -> bool:
        """Whether it is a group of marginal paths."""
        return bool(self.paths) and all(row.marginal for row in self.paths)


class MapRow(NamedTuple):
    """A map. `wanted`: None for one that nobody wants. `failback_tick`, `queueing_tick`: whole seconds left, or 0."""

    map: Map
    wanted: DesiredMap | None
    line: MapLine
    groups: tuple[GroupRow, ...]
    failback_tick: int
    queueing_tick: int

    @property
    def paths(self) -> Iterable[PathRow]:
        """All its paths, in the order of its table."""
        return (row for group in self.groups for row in group.paths)

    @property
    def usable(self) -> int:
        """How many of its paths can take I/O."""
        return sum(row.usable for row in self.paths)


def path_rows(state: State) -> list[PathRow]:
    """All paths that multipathd would know."""
    paths = sorted(state.snapshot.paths, key=attrgetter("sysfs"))
    admissions = {each.dev: each for each in state.desired.admissions}
    mapped = {dev: live for live in state.snapshot.maps if live.table for dev in live.table.devices}
    active = {path.dev: path for live in state.snapshot.maps if live.status for path in live.status.paths}
    priorities = _priorities(state.desired) if any(path.name not in state.paths for path in paths) else {}
    rows = []
    for path in paths:
        dev, admission = path.dev, admissions.get(path.dev)
        live = mapped.get(dev)
        if live is None and (admission is None or admission.verdict in NEVER_PATHS):
            continue
        line = state.paths.get(path.name) or path_line(path, priority=priorities.get(dev))
        rows.append(_path_row(path, line, admission, live, active.get(dev), state.now))
    return rows


def _priorities(desired: Desired) -> dict[DevT, int | None]:
    return {member.dev: member.priority.value for each in desired.maps for member in each.members}


def _path_row(
    path: Path, line: PathLine, admission: Admission | None, live: Map | None, status: PathStatus | None, now: float
) -> PathRow:
    wwid = admission.wwid if admission is not None else live.wwid if live is not None else Wwid("")
    active = status.active if status is not None else None
    return PathRow(path.dev, path, line, path.health.state, wwid, live, active, seconds_left(line.check_due, now))


def seconds_left(due: float | None, now: float) -> int:
    """Whole seconds until something is due, rounded up; 0 when it is, or when it never will be."""
    return 0 if due is None or due <= now else math.ceil(due - now)


def map_rows(state: State, paths: Iterable[PathRow]) -> list[MapRow]:
    """All maps; `paths` are those of `path_rows`."""
    by_dev = {row.dev: row for row in paths}
    wanted = {each.wwid: each for each in state.desired.maps}
    rows = []
    for live in state.snapshot.maps:
        line = state.maps.get(live.wwid, NO_MAP_LINE)
        groups = _groups(live, by_dev)
        failback = seconds_left(line.failback_due, state.now)
        queueing = seconds_left(line.queueing_ends, state.now)
        rows.append(MapRow(live, wanted.get(live.wwid), line, groups, failback, queueing))
    return rows


def _groups(live: Map, by_dev: dict[DevT, PathRow]) -> tuple[GroupRow, ...]:
    if live.table is None:
        return ()
    states: Sequence[GroupStatus | None] = live.status.groups if live.status is not None else ()
    known = {path.dev: path.active for path in live.status.paths} if live.status is not None else {}
    return tuple(
        GroupRow(
            group,
            states[number] if number < len(states) else None,
            tuple(by_dev.get(path.dev) or _gone(live, path.dev, active=known.get(path.dev)) for path in group.paths),
        )
        for number, group in enumerate(live.table.groups)
    )


def _gone(live: Map, dev: DevT, *, active: bool | None) -> PathRow:
    """A path in a table whose device was not seen."""
    return PathRow(dev, None, UNKNOWN, PathState.UNCHECKED, live.wwid, live, active, 0)
