"""The rows of every table: paths, groups and maps, each with all that is known of it.

In: a `State`. Out: rows, in multipathd's order: paths by their place in sysfs, as udev enumerates them, maps by their
device number. Pure. Rows are made anew for each state, which is cheaper than to know which are out of date; but what
replies write of them is the same text again and again, so a row has `Texts`, which are those of the row before as long
as all is equal that they can be made of. What the clock changes is no such text.
"""

import math
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import NamedTuple

from controller.protocol.state import NO_MAP_LINE, MapLine, PathLine, State, path_line
from controller.protocol.texts import Texts
from desired.model import Desired, DesiredMap, Verdict
from observers.breathing import Breathe, breathing, without_pause
from observers.dmtable import DevT, GroupStatus, PathStatus, TableGroup
from observers.snapshot import Map, Path, PathState, Wwid

NEVER_PATHS = frozenset({Verdict.BLACKLISTED, Verdict.NOT_A_DISK})
"""Devices with these verdicts are not known to multipathd at all."""

UNKNOWN = PathLine()

_UP, _GHOST = PathState.UP, PathState.GHOST


class PathRow(NamedTuple):
    """A path. `path`: None when a map has a path whose device is gone. `map`: None for a path in no map.

    `state`: what its checks found. `active`: what dm believes, None when it is in no table. `failures`: how often dm
    failed it since its table was loaded. `tick`: whole seconds until its next check.
    """

    dev: DevT
    path: Path | None
    line: PathLine
    state: PathState
    wwid: Wwid
    map: Map | None
    active: bool | None
    failures: int
    tick: int
    texts: Texts

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
    texts: Texts

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
    rows = still_rows(state)
    return [row._replace(tick=tick) for row, tick in zip(rows, ticks(state), strict=True)]


def ticks(state: State) -> list[int]:
    """Those of `path_rows`, in their order."""
    rows, due, now = still_rows(state), state.due, state.now
    dues = [row.line.check_due for row in rows] if due is None else [due(row.dev) for row in rows]
    return [seconds_left(at, now) for at in dues]


def still_rows(state: State, *, breathe: Breathe = without_pause) -> list[PathRow]:
    """The same without their `tick`: they stay the same until something else changes than the time."""
    of = (state.snapshot, state.desired, state.paths)
    return state.kept.made("paths", of, lambda: _path_rows(state, breathe))


def _path_rows(state: State, breathe: Breathe) -> list[PathRow]:
    paths = sorted(state.snapshot.paths, key=attrgetter("sysfs"))
    breathe()
    admissions = {each.dev: each for each in state.desired.admissions}
    breathe()
    mapped = {dev: live for live in state.snapshot.maps if live.table for dev in live.table.devices}
    active = {path.dev: path for live in state.snapshot.maps if live.status for path in live.status.paths}
    breathe()
    priorities = _priorities(state.desired) if any(path.name not in state.paths for path in paths) else {}
    rows, kept = [], state.kept
    kept.make_room(len(paths) + len(state.snapshot.maps))
    for path in breathing(paths, breathe):
        dev, admission = path.dev, admissions.get(path.dev)
        live = mapped.get(dev)
        if live is None and (admission is None or admission.verdict in NEVER_PATHS):
            continue
        line = state.paths.get(path.name) or path_line(path, priority=priorities.get(dev))
        wwid = admission.wwid if admission is not None else live.wwid if live is not None else Wwid("")
        status = active.get(dev)
        believed, failures = (status.active, status.fail_count) if status is not None else (None, 0)
        texts = kept.texts(path.name, (path, _essence(line), wwid, live and live.name, believed, failures))
        rows.append(PathRow(dev, path, line, path.health.state, wwid, live, believed, failures, 0, texts))
    return rows


_essence = attrgetter("priority", "checker", "vendor_page", "init", "awaits_online", "adapter")
"""All of a `PathLine` that replies show, but its times."""


def _priorities(desired: Desired) -> dict[DevT, int | None]:
    found = {each.dev: each.priority for each in desired.admissions}
    return found | {member.dev: member.priority.value for each in desired.maps for member in each.members}


def seconds_left(due: float | None, now: float) -> int:
    """Whole seconds until something is due, rounded up; 0 when it is, or when it never will be."""
    return 0 if due is None or due <= now else math.ceil(due - now)


def map_rows(state: State, paths: Iterable[PathRow], *, breathe: Breathe = without_pause) -> list[MapRow]:
    """All maps; `paths` are those of `path_rows` or `still_rows`."""
    runs = [
        (seconds_left(each.failback_due, state.now), seconds_left(each.queueing_ends, state.now))
        for each in state.maps.values()
        if each.failback_due is not None or each.queueing_ends is not None
    ]
    of = (paths, state.snapshot, state.desired, state.maps, state.kept.same("seconds left", runs))
    return state.kept.made("maps", of, lambda: _map_rows(state, paths, breathe))


def _map_rows(state: State, paths: Iterable[PathRow], breathe: Breathe) -> list[MapRow]:
    by_dev = {row.dev: row for row in paths}
    wanted = {each.wwid: each for each in state.desired.maps}
    rows = []
    for live in breathing(state.snapshot.maps, breathe):
        line = state.maps.get(live.wwid, NO_MAP_LINE)
        groups = _groups(live, by_dev)
        failback = seconds_left(line.failback_due, state.now)
        queueing = seconds_left(line.queueing_ends, state.now)
        each = wanted.get(live.wwid)
        members = tuple([row.texts for group in groups for row in group.paths])
        texts = state.kept.texts(live.uuid, (live, line, failback, queueing, each and _wishes(each), members))
        rows.append(MapRow(live, each, line, groups, failback, queueing, texts))
    return rows


def _wishes(wanted: DesiredMap) -> tuple[object, ...]:
    """All of a desired map that replies show."""
    retry = wanted.properties.get("no_path_retry")
    return wanted.failback.value, retry.value if retry is not None else None


def _groups(live: Map, by_dev: dict[DevT, PathRow]) -> tuple[GroupRow, ...]:
    if live.table is None:
        return ()
    states: Sequence[GroupStatus | None] = live.status.groups if live.status is not None else ()
    known = {path.dev: path for path in live.status.paths} if live.status is not None else {}
    return tuple(
        GroupRow(
            group,
            states[number] if number < len(states) else None,
            tuple(by_dev.get(path.dev) or _gone(live, path.dev, known.get(path.dev)) for path in group.paths),
        )
        for number, group in enumerate(live.table.groups)
    )


def _gone(live: Map, dev: DevT, status: PathStatus | None) -> PathRow:
    """A path in a table whose device was not seen."""
    active, failures = (status.active, status.fail_count) if status is not None else (None, 0)
    return PathRow(dev, None, UNKNOWN, PathState.UNCHECKED, live.wwid, live, active, failures, 0, Texts())
