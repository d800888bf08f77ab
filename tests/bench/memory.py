"""Whether the daemon grows: a path that goes and comes, disks that are deleted and found again, thousands of times.

Method: a whole daemon on the in-memory kernel, with Python's own account of every allocation. After the first of
`--marks` cycles all that is kept anyway (events, the flight recorder) is full; what the project's own code holds then
is compared with what it holds at each later mark. What the sandbox and the harness hold is left out, as the sandbox's
logs only grow, and so is the text of its uevents.
"""

import argparse
import gc
import tracemalloc
from collections.abc import Iterator, Sequence

from controller.sandbox.big import big_san
from controller.sandbox.host import SandboxHost
from tests.bench.checking import CONFIG
from tests.service.virtual import Virtual

LEFT_OUT = tuple(
    tracemalloc.Filter(inclusive=False, filename_pattern=pattern)
    for pattern in ("*/controller/sandbox/*", "*/tests/*", "*/tracemalloc.py", "*/observers/kernel/uevent.py")
)
_CHURN = 50
"""A disk is deleted and found again once in so many cycles."""


def daemon() -> Virtual:
    """A daemon over eight maps of four paths each, at rest."""
    host = SandboxHost(big_san(8, 4))
    host.replace_file("/etc/multipath.conf", CONFIG, mode=0o644)
    virtual = Virtual(host=host)
    virtual.settled()
    virtual.live(30)
    return virtual


def cycle(virtual: Virtual, number: int) -> None:
    """Something happens to one map, and is dealt with."""
    names = [str(name) for name in virtual.service.world.names]
    name = names[number % len(names)]
    for verb in ("offline", "online"):
        virtual.host.happen(verb, name)
        virtual.service.reconciler.look_at_path(virtual.service.world.names[number % len(names)])
        virtual.service.loop.round(longest=0.01)
    if number % _CHURN == 0:
        virtual.host.happen("delete", name)
        virtual.live(1)
        virtual.host.happen("scan", "1", "2")
        virtual.live(5)
    virtual.settled()


def held() -> tracemalloc.Snapshot:
    """What the project's own code holds."""
    gc.collect()
    return tracemalloc.take_snapshot().filter_traces(LEFT_OUT)


Growth = tuple[int, list[tracemalloc.StatisticDiff]]
"""Bytes that are held more than at the first mark, and where."""


def growths(marks: Sequence[int]) -> Iterator[tuple[int, Growth]]:
    """The growth at each mark (a count of cycles) after the first."""
    tracemalloc.start()
    try:
        virtual, before, done = daemon(), None, 0
        for mark in marks:
            for number in range(done, mark):
                cycle(virtual, number)
            done, now = mark, held()
            if before is not None:
                differences = now.compare_to(before, "lineno")
                yield mark, (sum(each.size_diff for each in differences), differences)
            before = before or now
    finally:
        tracemalloc.stop()


def main() -> None:
    """Print the growth and its largest parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--marks", type=int, nargs="+", default=(1000, 2000, 5000, 10_000))
    marks = parser.parse_args().marks
    for mark, (total, differences) in growths(marks):
        print(f"{total / 1024:.1f} KiB more after {mark} cycles than after {marks[0]}")
        for each in differences[:12]:
            print(f"{each.size_diff / 1024:9.1f} KiB {each.count_diff:+7}  {each.traceback[0]}", flush=True)


if __name__ == "__main__":
    main()
