"""Runs in the guest: what a check of a path costs, by the way in which the device is asked.

    python -m tests.bench.guest_lanes ROUNDS

Out: one line of JSON by way: processor and wall seconds for one check (TEST UNIT READY) of each scsi_debug disk, a
round.
"""

import ctypes
import json
import os
import queue
import resource
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from controller.runtime.engine import RealEngine, Threads
from controller.runtime.lanes import Lanes, host_capacity
from observers.asking import Dialogue, ScsiCommand, ask, scsi
from observers.kernel import ioctl, sg
from observers.kernel import scsi as codec
from observers.kernel.real_host import RealHost
from observers.snapshot import DeviceName

THREADS = 16
LIMIT = 300.0
INTERVAL, TICK, SECONDS = 5.0, 0.1, 20.0
"""Of the paced run: each disk every 5 s, those that are due started every 0.1 s."""

TUR = ScsiCommand(cdb=codec.test_unit_ready(), reply_length=0, timeout=30.0)

Way = Callable[[], object]


def check() -> Dialogue[int]:
    """As a checker asks."""
    return (yield from scsi(TUR)).status


def processor() -> float:
    """User and system seconds of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def disks() -> list[tuple[DeviceName, str]]:
    """All scsi_debug disks with their SCSI hosts."""
    found = []
    for device in sorted(Path("/sys/block").glob("sd*")):
        if (device / "device" / "model").read_text().strip() == "scsi_debug":
            host = next(part for part in device.resolve().parts if part.startswith("host"))
            found.append((DeviceName(device.name), host))
    return found


def spread(calls: Sequence[Callable[[], object]]) -> None:
    """Make calls by threads that take them from a queue."""
    waiting: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
    for call in calls:
        waiting.put(call)

    def work() -> None:
        while (call := waiting.get()) is not None:
            call()

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        waiting.put(None)
        thread.start()
    for thread in threads:
        thread.join()


def sg_io(descriptor: int) -> int:
    """TEST UNIT READY by SG_IO on an open device."""
    cdb, sense = ctypes.create_string_buffer(TUR.cdb, 6), ctypes.create_string_buffer(codec.SENSE_SIZE)
    room = [codec.Room(address=ctypes.addressof(each), size=len(each)) for each in (cdb, sense)]
    request = codec.pack_sg_io(cdb=room[0], sense=room[1], data=codec.Room(address=0, size=0), timeout=30.0)
    header = ctypes.create_string_buffer(request, len(request))
    ioctl.ioctl(descriptor, codec.SG_IO, header)
    return codec.unpack_sg_io(header.raw, sense=sense.raw, data=b"").status


def by_lanes(lanes: Lanes, names: Sequence[tuple[DeviceName, str]], *, forget: bool = False) -> None:
    """All disks at once through lanes, waiting for the last."""
    poll = select.poll()
    poll.register(lanes.fileno(), select.POLLIN)
    for name, host in names:
        assert lanes.start(name, host, check(), now=time.monotonic(), deadline=time.monotonic() + LIMIT, token=None)
    left = len(names)
    while left:
        due = lanes.due()
        poll.poll(None if due is None else max(0, int((due - time.monotonic()) * 1000) + 1))
        ended = lanes.finished(time.monotonic())
        assert all(end.finding == 0 for end in ended), ended
        left -= len(ended)
        if forget:
            for end in ended:
                lanes.forget(end.key)


def paced(lanes: Lanes, names: Sequence[tuple[DeviceName, str]]) -> dict[str, float]:
    """Each disk once in an interval, evenly spread, as a daemon does it."""
    poll = select.poll()
    poll.register(lanes.fileno(), select.POLLIN)
    began, used, started, ended = time.monotonic(), processor(), 0, 0
    while (now := time.monotonic()) < began + SECONDS:
        while started < (now - began) / INTERVAL * len(names):
            name, host = names[started % len(names)]
            started += lanes.start(name, host, check(), now=now, deadline=now + LIMIT, token=None)
        poll.poll(int(TICK * 1000))
        ended += len(lanes.finished(time.monotonic()))
        wait = began + (int((now - began) / TICK) + 1) * TICK - time.monotonic()
        time.sleep(max(0.0, wait))
    return {"cpu_per_check": (processor() - used) / max(1, ended), "share": (processor() - used) / SECONDS}


def ways(names: Sequence[tuple[DeviceName, str]], lanes: Lanes) -> Iterator[tuple[str, Way]]:
    """What is compared."""
    host = RealHost()
    kept = [os.open(f"/dev/{name}", os.O_RDONLY | os.O_NONBLOCK) for name, _ in names]
    yield "one after the other, SG_IO, opened each time", lambda: [ask(host, name, check()) for name, _ in names]
    yield "one after the other, SG_IO, kept open", lambda: [sg_io(each) for each in kept]
    yield (
        f"{THREADS} threads, SG_IO, opened each time",
        lambda: spread([lambda name=name: ask(host, name, check()) for name, _ in names]),  # type: ignore[misc]
    )
    yield f"{THREADS} threads, SG_IO, kept open", lambda: spread([lambda each=each: sg_io(each) for each in kept])  # type: ignore[misc]
    yield "lanes, sg nodes kept open", lambda: by_lanes(lanes, names)
    yield "lanes, sg nodes opened each time", lambda: by_lanes(lanes, names, forget=True)


def kernel_memory() -> int:
    """MiB that the kernel has not free or reclaimable."""
    rows = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    return -int(rows["MemAvailable"].split()[0]) // 1024


def main() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (65536, 65536))
    names, rounds = disks(), int(sys.argv[1])
    host = RealHost()
    sg.node(host, names[0][0])
    lanes = Lanes(RealEngine(host, threads=Threads()), capacity=host_capacity(host))
    before = kernel_memory()
    by_lanes(lanes, names)
    print(json.dumps({"way": "opening all sg nodes", "kernel_mib": kernel_memory() - before, "disks": len(names)}))
    for title, way in ways(names, lanes):
        way()
        began, used = time.monotonic(), processor()
        for _ in range(rounds):
            way()
        checks = rounds * len(names)
        figures = {"cpu": (processor() - used) / checks * 1e6, "wall": (time.monotonic() - began) / checks * 1e6}
        print(json.dumps({"way": title, **figures}), flush=True)
    print(json.dumps({"way": f"paced, each disk every {INTERVAL:g} s", **paced(lanes, names)}), flush=True)


if __name__ == "__main__":
    main()
