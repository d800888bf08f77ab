"""What checks cost when nothing happens: a whole daemon on the in-memory kernel, without what that kernel itself costs.

Method: a host with so many paths, four a map, settles and lives for a while in virtual time; then, for `--minutes`
virtual minutes, the processor time of this thread is taken, and what is spent inside the sandbox (every call of its
host, its engine, its sources and its selector) is taken off. It prints microseconds for each check and milliseconds for
each minute. With `--profile` the project's own functions are printed by their time as well.
"""

import argparse
import cProfile
import functools
import pstats
import time
from collections.abc import Callable, Iterable
from typing import Any

from controller.sandbox.big import big_san
from controller.sandbox.engine import SandboxEngine
from controller.sandbox.host import SandboxHost
from controller.sandbox.waiting import VirtualSelector
from tests.service.virtual import Virtual

PATHS_PER_MAP = 4
CONFIG = b"defaults {\n find_multipaths greedy\n}\n"
WARM = 120.0
"""Virtual seconds until every path is asked at its longest interval."""


class Meter:
    """Time of the outermost calls of what it wraps."""

    def __init__(self) -> None:
        self.spent = 0.0
        self.calls = 0
        self._inside = False

    def charge(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, its time taken."""

        @functools.wraps(call)
        def charged(*arguments: Any, **others: Any) -> Any:
            if self._inside:
                return call(*arguments, **others)
            self._inside, begin = True, time.thread_time()
            try:
                return call(*arguments, **others)
            finally:
                self.spent += time.thread_time() - begin
                self.calls += 1
                self._inside = False

        return charged

    def charge_all(self, subject: object, names: Iterable[str]) -> None:
        """These methods of an object."""
        for name in names:
            setattr(subject, name, self.charge(getattr(subject, name)))


def methods(kind: type) -> list[str]:
    """The public methods of a class."""
    return [name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name))]


def running(paths: int) -> tuple[Virtual, Meter]:
    """A daemon that has come to rest, with a meter on its kernel."""
    host = SandboxHost(big_san(paths // PATHS_PER_MAP, PATHS_PER_MAP))
    host.replace_file("/etc/multipath.conf", CONFIG, mode=0o644)
    virtual, meter = Virtual(host=host), Meter()
    virtual.settled()
    virtual.live(WARM)
    meter.charge_all(host, [name for name in methods(SandboxHost) if name != "kernel"])
    meter.charge_all(virtual.service.lanes._engine, methods(SandboxEngine))
    meter.charge_all(virtual.service.loop._selector, methods(VirtualSelector))
    return virtual, meter


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--paths", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    virtual, meter = running(options.paths)
    checks = _counted(virtual)
    profile = cProfile.Profile()
    begin = time.thread_time()
    if options.profile:
        profile.enable()
    virtual.live(60.0 * options.minutes)
    profile.disable()
    spent = time.thread_time() - begin - meter.spent
    print(
        f"{options.paths} paths, {checks[0] / options.minutes:.0f} checks a minute: {spent / checks[0] * 1e6:.0f} µs a"
    )
    print(f"check, {spent / options.minutes * 1e3:.0f} ms a minute; the sandbox took {meter.spent:.1f} s besides")
    if options.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(
            "controller/r|observers|desired|dataclasses|<string>", 45
        )


def _counted(virtual: Virtual) -> list[int]:
    counts, begin = [0], virtual.service.lanes.start

    def start(*arguments: Any, **others: Any) -> bool:
        counts[0] += 1
        return begin(*arguments, **others)

    virtual.service.lanes.start = start  # type: ignore[method-assign]
    return counts


if __name__ == "__main__":
    main()
