"""Metrics in the OpenMetrics text format, for scrapers and for node_exporter's textfile collector.

In: a `State`, and what the loop counted. Out: text. It must never ask anything of a device or of the kernel. There are
a dozen samples for each path, and clients wait: those of a row are made once and kept with it.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter

from actuators.steps import Lost, Outcome, Refused
from controller.protocol.frames import Message, encode_text
from controller.protocol.pieces import Piece
from controller.protocol.rows import MapRow, PathRow, map_rows, still_rows
from controller.protocol.state import NO_MAP_LINE, Counters, State
from observers.breathing import Breathe, breathing
from observers.snapshot import PathState

BOUNDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Seconds: upper ends of a histogram's buckets, about three for each power of ten."""


class Histogram:
    """How often something took how long."""

    def __init__(self, bounds: Sequence[float] = BOUNDS) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        """It took so long."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def lines(self, name: str) -> Iterator[str]:
        """Its samples."""
        total = 0
        for bound, count in zip((*self._bounds, "+Inf"), self._counts, strict=True):
            total += count
            yield f'{name}_bucket{{le="{bound}"}} {total}'
        yield f"{name}_count {total}"
        yield f"{name}_sum {self._sum:.6f}"


@dataclass(slots=True)
class Counts:
    """What the loop counts as it goes."""

    checks: Histogram = field(default_factory=Histogram)
    cycles: Histogram = field(default_factory=Histogram)
    steps: Counter[str] = field(default_factory=Counter)
    planned: int = 0
    """Steps of the last plan."""
    uevents: int = 0
    overruns: int = 0
    transport_events: int = 0

    def outcome(self, outcome: Outcome) -> None:
        """A step was tried."""
        name = "refused" if isinstance(outcome, Refused) else "lost" if isinstance(outcome, Lost) else "done"
        self.steps[name] += 1


def _escaped(value: str) -> str:
    text = value.encode("utf-8", "backslashreplace").decode("utf-8")
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _labels(**labels: str) -> str:
    return ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())


def _sample(name: str, labels: str, value: float) -> str:
    number = f"{value:.0f}" if value == int(value) else f"{value:.6f}"
    return f"{name}{{{labels}}} {number}" if labels else f"{name} {number}"


def _family(name: str, kind: str, help_: str, samples: Iterable[str]) -> Iterator[str]:
    yield f"# TYPE {name} {kind}"
    yield f"# HELP {name} {help_}"
    yield from samples


def render(state: State, counts: Counts) -> Message:
    """All metrics, ended as the format wants it."""
    growing = _queue_times(map_rows(state, still_rows(state)), state.now)
    return Message((_OF_MAPS(state), _lines(growing), _OF_PATHS(state), _lines(_loop(state, counts)), b"# EOF\n"))


def _lines(samples: Iterable[str]) -> bytes:
    return b"".join([encode_text(f"{each}\n") for each in samples])


def _paths(paths: Iterable[PathRow], breathe: Breathe) -> Iterator[str]:
    members = [row for row in paths if row.map is not None and row.path is not None]
    yield from _family(
        "mpath_path_state", "stateset", "What the checker found, of paths that are in a map.",
        (row.texts.text("state samples", _states, row) for row in breathing(members, breathe)),
    )  # fmt: skip
    yield from _family(
        "mpath_path_failures", "counter", "How often a path failed.",
        (row.texts.text(("failures", row.line.failures), _failures, row) for row in breathing(members, breathe)),
    )  # fmt: skip


_OF_PATHS = Piece(
    "samples of paths",
    lambda state: (still_rows(state),),
    lambda state, breathe: _lines(_paths(still_rows(state), breathe)),
)


def _states(row: PathRow) -> str:
    labels = _labels(path=_path_name(row), map=row.map.name if row.map else "")
    return "\n".join(
        f'mpath_path_state{{{labels},mpath_path_state="{each}"}} {int(row.state is each)}' for each in _SHOWN
    )  # fmt: skip


def _failures(row: PathRow) -> str:
    labels = _labels(path=_path_name(row), map=row.map.name if row.map else "")
    return f"mpath_path_failures_total{{{labels}}} {row.line.failures}"


def _path_name(row: PathRow) -> str:
    return row.path.name if row.path is not None else ""


_SHOWN = (
    PathState.UP, PathState.GHOST, PathState.DOWN, PathState.SHAKY, PathState.TIMEOUT, PathState.DELAYED,
    PathState.PENDING,
)  # fmt: skip
"""The states that last; the others are kept as one of these."""


def _maps(maps: Sequence[MapRow], breathe: Breathe) -> Iterator[str]:
    live = [row for row in maps if row.map.table is not None]
    yield from _family(
        "mpath_map_paths", "gauge", "Paths of a map, and those of them that can take I/O.",
        (row.texts.text("path samples", _counted, row) for row in breathing(live, breathe)),
    )  # fmt: skip
    yield from _family(
        "mpath_map_queueing", "gauge", "1 while I/O waits for want of a path instead of failing.",
        (row.texts.text("queueing sample", _queueing, row) for row in breathing(live, breathe)),
    )  # fmt: skip
    yield from _family(
        "mpath_map_suspended", "gauge", "1 while a map is suspended, so that all its I/O waits.",
        (row.texts.text("suspended sample", _suspended, row) for row in breathing(live, breathe)),
    )  # fmt: skip
    known = _known(maps)
    for name, attribute, help_ in (
        ("mpath_map_path_faults", "path_faults", "Paths of a map that failed."),
        ("mpath_map_group_switches", "group_switches", "How often a map went to another path group."),
        ("mpath_map_loads", "loads", "Tables that were loaded."),
        ("mpath_map_failures", "failures", "How often queueing came to its end."),
    ):
        make = partial(_counter, name, attrgetter(attribute))
        samples = (row.texts.text(name, make, row) for row in breathing(known, breathe))
        yield from _family(name, "counter", help_, samples)


_OF_MAPS = Piece(
    "samples of maps",
    lambda state: (map_rows(state, still_rows(state)),),
    lambda state, breathe: _lines(_maps(map_rows(state, still_rows(state)), breathe)),
)


def _known(maps: Iterable[MapRow]) -> list[MapRow]:
    return [row for row in maps if row.line is not NO_MAP_LINE]


def _queue_times(maps: Iterable[MapRow], now: float) -> Iterator[str]:
    """What may change with every second."""
    yield from _family(
        "mpath_map_queue_seconds", "counter", "Seconds for which I/O of a map waited for want of a path.",
        (_queue_seconds(row, now) for row in _known(maps)),
    )  # fmt: skip


def _counted(row: MapRow) -> str:
    labels = _labels(map=row.map.name, wwid=row.map.wwid)
    numbers = {
        "all": sum(1 for _ in row.paths), "usable": row.usable, "active": sum(path.active is True for path in row.paths)
    }  # fmt: skip
    return "\n".join(f'mpath_map_paths{{{labels},kind="{kind}"}} {number}' for kind, number in numbers.items())


def _queueing(row: MapRow) -> str:
    queues = row.map.table is not None and row.map.table.queues
    waits = queues and not row.usable and not any(path.active for path in row.paths)
    return f"mpath_map_queueing{{{_labels(map=row.map.name)}}} {int(waits)}"


def _suspended(row: MapRow) -> str:
    return f"mpath_map_suspended{{{_labels(map=row.map.name)}}} {int(row.map.suspended)}"


def _queue_seconds(row: MapRow, now: float) -> str:
    """Not kept while it grows."""
    since = row.line.queued_since
    if since is None:
        return row.texts.text("queue seconds", lambda row: _queued(row, row.line.queued), row)
    return _queued(row, row.line.queued + max(0.0, now - since))


def _queued(row: MapRow, seconds: float) -> str:
    return _sample("mpath_map_queue_seconds_total", _labels(map=row.map.name), seconds)


def _counter(name: str, value: Callable[[Counters], int], row: MapRow) -> str:
    return f"{name}_total{{{_labels(map=row.map.name)}}} {value(row.line.counters)}"


def _loop(state: State, counts: Counts) -> Iterator[str]:
    yield from _family(
        "mpath_check_seconds", "histogram", "How long checks of paths took.", counts.checks.lines("mpath_check_seconds")
    )
    yield from _family(
        "mpath_cycle_seconds", "histogram", "How long deciding took.", counts.cycles.lines("mpath_cycle_seconds")
    )
    yield from _family(
        "mpath_steps", "counter", "Steps that were tried, by what came of them.",
        (
            _sample("mpath_steps_total", _labels(outcome=name), counts.steps[name])
            for name in ("done", "refused", "lost")
        ),
    )  # fmt: skip
    for name, kind, help_, value in (
        ("mpath_plan_steps", "gauge", "Steps in the last plan.", counts.planned),
        ("mpath_uevents", "counter", "Uevents that were received.", counts.uevents),
        (
            "mpath_uevent_overruns",
            "counter",
            "How often uevents were lost, so that all was looked at.",
            counts.overruns,
        ),
        (
            "mpath_transport_events",
            "counter",
            "Announcements of iSCSI sessions and Fibre Channel hosts that were received.",
            counts.transport_events,
        ),
        ("mpath_snapshot_age_seconds", "gauge", "How old is what replies are made of.", state.now - state.observed_at),
    ):
        suffix = "_total" if kind == "counter" else ""
        yield from _family(name, kind, help_, [_sample(name + suffix, "", value)])
