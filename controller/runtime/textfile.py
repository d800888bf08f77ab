"""Metrics in a file for node_exporter's textfile collector, which reads every *.prom of one directory.

In: the service. Out: the file, replaced as a whole every `INTERVAL` seconds by a worker; while one is at it, which may
be for long if its disk is dead, no other begins. The collector reads the older text format of Prometheus, so what
OpenMetrics names otherwise is renamed (`as_prometheus`). It must never make the loop wait.
"""

from collections.abc import Iterator

from controller.protocol.state import State
from controller.runtime import metrics
from controller.runtime.events import Kind, Level
from controller.runtime.lanes import Finished
from controller.runtime.loop import Chore
from controller.runtime.metrics import Counts
from controller.runtime.service import Service
from observers.host import Host

INTERVAL = 15.0
MODE = 0o644
"""node_exporter does not run as root."""

_LIMIT = 10 * INTERVAL
_KEY = "textfile"
_KINDS = {"stateset": "gauge", "unknown": "untyped", "info": "gauge"}


class Textfile:
    """Keeps a file up to date. `chore`: for the loop."""

    def __init__(self, service: Service, host: Host, file: str) -> None:
        self._service, self._host, self._file = service, host, file
        self._next = 0.0
        self._trouble = ""
        self.chore = Chore(self._due, self._begin)

    def _due(self) -> float | None:
        return self._next

    def _begin(self, now: float) -> None:
        self._next = now + INTERVAL
        if self._service.lanes.busy(_KEY):
            return
        state, counts = self._service.state(now), self._service.counts
        self._service.executor.call(_KEY, lambda: self._write(state, counts), self._written, limit=_LIMIT)

    def _write(self, state: State, counts: Counts) -> None:
        text = as_prometheus(metrics.render(state, counts).text)
        self._host.replace_file(self._file, text.encode("utf-8", "backslashreplace"), mode=MODE)

    def _written(self, finished: Finished) -> None:
        """Trouble is told once."""
        found = finished.finding
        trouble = "" if found is None else str(getattr(found, "strerror", None) or type(found).__name__)
        if trouble and trouble != self._trouble:
            self._service.teller.say(Level.WARNING, Kind.SERVICE, f"{self._file}: metrics are not written: {trouble}")
        self._trouble = trouble


def as_prometheus(text: str) -> str:
    """OpenMetrics as Prometheus' text format 0.0.4: counters are called what their samples are, and kinds that it does
    not know are given as those that their samples are like."""
    return "".join(f"{line}\n" for line in _lines(text))


def _lines(text: str) -> Iterator[str]:
    counters: set[str] = set()
    for line in text.splitlines():
        words = line.split(" ", 3)
        if words[:2] == ["#", "TYPE"]:
            name, kind = words[2], words[3]
            if kind == "counter":
                counters.add(name)
            yield f"# TYPE {_named(name, counters)} {_KINDS.get(kind, kind)}"
        elif words[:2] == ["#", "HELP"]:
            yield f"# HELP {_named(words[2], counters)} {words[3]}"
        elif not line.startswith("#"):
            yield line


def _named(name: str, counters: set[str]) -> str:
    return f"{name}_total" if name in counters else name
