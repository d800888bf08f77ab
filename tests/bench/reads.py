"""How long clients wait for answers while the daemon has its hands full. Not a timed test: it prints.

Method: a daemon over `--maps` maps of four paths each, on the in-memory kernel but with real sockets, threads and time,
in a process of its own. All of its checks hang: each is given up when its time is over, and another one begins. One
client orders `reconfigure` again and again, each `--pause` seconds after the answer to the one before, so that most of
the time everything is being read, derived, planned and decided on. Another one asks, each time over a new connection,
`--repeat` times each question, in turn, with a little pause between two. What it took from connecting to the last byte
of the reply is printed: the median, the 90th and 99th percentile, the worst.
"""

import argparse
import gc
import os
import random
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from controller.client.channel import Channel
from controller.client.errors import ClientError
from controller.runtime import configuring, resident
from controller.runtime.server import Server, listen
from controller.runtime.service import Service
from controller.runtime.sources import Sources
from controller.runtime.systemd import ServiceManager
from controller.runtime.workers import Workers
from controller.sandbox.big import big_san
from controller.sandbox.host import SandboxHost
from observers.asking import Question, put
from observers.engine import Answered
from observers.snapshot import DeviceName
from tests.bench.compare import REPOSITORY
from tests.service.virtual import FILES, Virtual

PATHS_PER_MAP = 4
CHECKER_TIMEOUT = 6
CONFIG = f"defaults {{\n find_multipaths greedy\n checker_timeout {CHECKER_TIMEOUT}\n}}\n".encode()
READS = (
    "show daemon", "show age", "show status", 'show paths format "%d %t %T"', "show paths", "show maps",
    f"show map 360050768{1:024x} topology", "show maps json", "show topology", "show metrics",
)  # fmt: skip
_LONGEST_PAUSE = 0.01


class TimedHost(SandboxHost):
    """The in-memory kernel, in real time from a moment on. The states of disks are read as quickly as on a kernel."""

    real = False

    def monotonic(self) -> float:
        """See `ReadHost`."""
        return time.monotonic() if self.real else super().monotonic()

    def wall_time(self) -> float:
        """See `ReadHost`."""
        return time.time() if self.real else super().wall_time()

    def sample_attributes(self, handles: Sequence[int], /) -> list[bytes | int]:
        """See `WatchHost`."""
        return [b"running\n"] * len(handles) if self.real else super().sample_attributes(handles)


class HangingEngine:
    """Answers at once as long as it does not `hang`; calls are made by threads."""

    def __init__(self, host: SandboxHost) -> None:
        self._host = host
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._workers = Workers(4, name="call", width=2, ring=self._ring)
        self._answers: list[Answered] = []
        self.hang, self.out = False, 0

    def _ring(self) -> None:
        os.eventfd_write(self._bell, 1)

    def submit(self, ticket: int, name: DeviceName, _group: str, question: Question, /) -> None:
        """See `Engine`."""
        if self.hang:
            self.out += 1
            return
        try:
            self._answers.append(Answered(ticket, put(self._host, name, question)))
        except OSError as error:
            self._answers.append(Answered(ticket, error))
        self._ring()

    def run(self, ticket: int, group: str, function: Callable[[], object], /) -> None:
        """See `Engine`."""
        self._workers.run(ticket, group, function)

    def cancel(self, ticket: int, /) -> bool:
        """See `Engine`. A check that is given up leaves its disk free to be asked again, and to hang again."""
        return self._workers.cancel(ticket) or self.hang

    def forget(self, _name: DeviceName, /) -> None:
        """See `Engine`."""

    def completed(self) -> list[Answered]:
        """See `Engine`."""
        if self.ready():
            os.eventfd_read(self._bell)
        answers, self._answers = self._answers, []
        return [*answers, *self._workers.completed()]

    def next_due(self) -> float | None:
        """See `Engine`."""
        return None

    def ready(self) -> bool:
        """See `Engine`."""
        poll = selectors.PollSelector()
        poll.register(self._bell, selectors.EVENT_READ)
        return bool(poll.select(0))

    def fileno(self) -> int:
        """See `Engine`."""
        return self._bell

    def close(self) -> None:
        """See `Engine`."""
        self._workers.close()


class Silence:
    """A source of events that has none."""

    def __init__(self) -> None:
        self._ear, self._mouth = socket.socketpair()
        self.fileno = self._ear.fileno

    def read(self) -> list[Any]:
        """See `Source`."""
        return []


def serve(address: str, maps: int) -> None:
    """The daemon: says `ready` when all its checks hang, and goes on until it is killed."""
    resident.prepare("reads")
    host = TimedHost(big_san(maps, PATHS_PER_MAP))
    host.replace_file("/etc/multipath.conf", CONFIG, mode=0o644)
    Virtual(host=host).settled()
    host.real = True
    engine, selector = HangingEngine(host), selectors.DefaultSelector()
    service = Service(
        host, FILES, engine=engine, capacity=lambda _: 10**6, selector=selector, sources=Sources(uevents=Silence()),
        manager=ServiceManager(), pid=os.getpid(), read=configuring.reader(host, FILES)(),
    )  # fmt: skip
    service.serve(Server([listen(address)], timeout=60.0, clock=service.clock, on_asked=service.asked))
    gc.collect()
    gc.freeze()
    service.begin()
    while not service.reconciler.at_rest(None):
        service.loop.round(longest=0.1)
    engine.hang = True
    for name in service.world.names:
        service.checks.look_now(name, now=host.monotonic())
    while engine.out < len(service.world.names):
        service.loop.round(longest=0.1)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    service.loop.run()


def asked(address: str, text: str) -> float:
    """The seconds that a question takes."""
    began = time.perf_counter()
    channel = Channel((address,), timeout=60.0)
    reply = channel.ask(text)
    channel.close()
    took = time.perf_counter() - began
    assert reply.strip(), text
    assert not reply.startswith("fail"), (text, reply)
    return took


def reconfigure(address: str, pause: float, stopped: threading.Event) -> None:
    """Order it again and again."""
    while not stopped.wait(pause):
        try:
            asked(address, "reconfigure")
        except ClientError:
            return


def measure(address: str, repeat: int, pause: float | None) -> dict[str, list[float]]:
    """The times of each question, sorted. `pause`: between two reconfigures; None: there are none."""
    stopped, found = threading.Event(), {text: list[float]() for text in READS}
    other = threading.Thread(target=reconfigure, args=(address, pause or 0.0, stopped), daemon=True)
    if pause is not None:
        other.start()
    dice = random.Random(7)
    for _ in range(repeat):
        for text in READS:
            time.sleep(dice.random() * _LONGEST_PAUSE)
            found[text].append(asked(address, text))
    stopped.set()
    return {text: sorted(times) for text, times in found.items()}


def main() -> None:
    """Print a table, a row per question."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maps", type=int, default=250)
    parser.add_argument("--repeat", type=int, default=300)
    parser.add_argument("--pause", type=float, default=0.05)
    parser.add_argument("--quiet", action="store_true", help="without reconfigures")
    parser.add_argument("--serve", metavar="ADDRESS", help="be the daemon")
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.maps)
        return
    with tempfile.TemporaryDirectory() as folder:
        address = str(Path(folder) / "socket")
        command = [sys.executable, "-m", "tests.bench.reads", "--serve", address, "--maps", str(options.maps)]
        daemon = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
        try:
            assert daemon.stdout is not None
            assert daemon.stdout.readline() == "ready\n"
            found = measure(address, options.repeat, None if options.quiet else options.pause)
        finally:
            daemon.kill()
            daemon.wait()
    print(f"{PATHS_PER_MAP * options.maps} paths; milliseconds {'p50':>10} {'p90':>8} {'p99':>8} {'max':>8}")
    for text, times in found.items():
        figures = (statistics.median(times), *(times[int(len(times) * part)] for part in (0.9, 0.99)), times[-1])
        print(f"{text[:31]:<32}" + " ".join(f"{each * 1e3:8.1f}" for each in figures))


if __name__ == "__main__":
    main()
