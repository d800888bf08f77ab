"""Metrics in the OpenMetrics text format, for scrapers and for node_exporter's textfile collector.

In: a `State`, and what the loop counted. Out: text. It must never ask anything of a device or of the kernel.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from actuators.steps import Lost, Outcome, Refused
from controller.protocol.state import State
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


Labels = Mapping[str, str]


@lru_cache(maxsize=4096)
def _escaped(value: str) -> str:
    text = value.encode("utf-8", "backslashreplace").decode("utf-8")
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _sample(name: str, labels: Labels, value: float) -> str:
    inner = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    number = f"{value:g}" if value == int(value) else f"{value:.6f}"
    return f"{name}{{{inner}}} {number}" if inner else f"{name} {number}"


def _family(name: str, kind: str, help_: str, samples: Iterable[str]) -> Iterator[str]:
    yield f"# TYPE {name} {kind}"
    yield f"# HELP {name} {help_}"
    yield from samples


def render(state: State, counts: Counts) -> str:
    """All metrics, ended as the format wants it."""
    lines = [
        *_maps(state), *_paths(state), *_loop(state, counts),
    ]  # fmt: skip
    return "\n".join([*lines, "# EOF", ""])


def _paths(state: State) -> Iterator[str]:
    maps = {dev: live.name for live in state.snapshot.maps if live.table for dev in live.table.devices}
    members = [(path, maps[path.dev]) for path in state.snapshot.paths if path.dev in maps]
    yield from _family(
        "mpath_path_state", "stateset", "What the checker found, of paths that are in a map.",
        (
            _sample("mpath_path_state", {"path": path.name, "map": name, "mpath_path_state": each.value},
                    path.health.state is each)
            for path, name in members for each in _SHOWN
        ),
    )  # fmt: skip
    yield from _family(
        "mpath_path_failures", "counter", "How often a path failed.",
        (
            _sample("mpath_path_failures_total", {"path": path.name, "map": name}, line.failures)
            for path, name in members if (line := state.paths.get(path.name)) is not None
        ),
    )  # fmt: skip


_SHOWN = (
    PathState.UP, PathState.GHOST, PathState.DOWN, PathState.SHAKY, PathState.TIMEOUT, PathState.DELAYED,
    PathState.PENDING,
)  # fmt: skip
"""The states that last; the others are kept as one of these."""


def _maps(state: State) -> Iterator[str]:
    usable = {path.dev for path in state.snapshot.paths if path.health.state.usable}
    live = [each for each in state.snapshot.maps if each.table is not None]
    yield from _family(
        "mpath_map_paths", "gauge", "Paths of a map, and those of them that can take I/O.",
        (
            _sample("mpath_map_paths", {"map": each.name, "wwid": each.wwid, "kind": kind}, number)
            for each in live if each.table is not None
            for kind, number in (
                ("all", len(each.table.devices)), ("usable", len(usable.intersection(each.table.devices))),
                ("active", sum(path.active for path in each.status.paths) if each.status else 0),
            )
        ),
    )  # fmt: skip
    yield from _family(
        "mpath_map_queueing",
        "gauge",
        "1 while I/O waits for want of a path instead of failing.",
        (_sample("mpath_map_queueing", {"map": each.name}, each.table.queues) for each in live if each.table),
    )
    yield from _counters(state)


def _counters(state: State) -> Iterator[str]:
    names = {each.wwid: each.name for each in state.snapshot.maps}
    known = [(names[wwid], line.counters) for wwid, line in state.maps.items() if wwid in names]
    for name, attribute, help_ in (
        ("mpath_map_path_faults", "path_faults", "Paths of a map that failed."),
        ("mpath_map_group_switches", "group_switches", "How often a map went to another path group."),
        ("mpath_map_loads", "loads", "Tables that were loaded."),
        ("mpath_map_queue_seconds", "queue_seconds", "Seconds for which a map queued for want of a path."),
        ("mpath_map_failures", "failures", "How often queueing came to its end."),
    ):
        yield from _family(
            name, "counter", help_,
            (_sample(f"{name}_total", {"map": map_}, getattr(counters, attribute)) for map_, counters in known),
        )  # fmt: skip


def _loop(state: State, counts: Counts) -> Iterator[str]:
    yield from _family(
        "mpath_check_seconds", "histogram", "How long checks of paths took.", counts.checks.lines("mpath_check_seconds")
    )
    yield from _family(
        "mpath_cycle_seconds", "histogram", "How long deciding took.", counts.cycles.lines("mpath_cycle_seconds")
    )
    yield from _family(
        "mpath_steps", "counter", "Steps that were tried, by what came of them.",
        (_sample("mpath_steps_total", {"outcome": name}, counts.steps[name]) for name in ("done", "refused", "lost")),
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
        yield from _family(name, kind, help_, [_sample(name + suffix, {}, value)])
