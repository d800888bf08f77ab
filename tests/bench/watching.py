"""Figures: what it costs to watch the states of many disks by descriptors that are kept open.

    python -m tests.bench.watching [--disks 4096] [--seconds 5] [--attribute /sys/class/net/lo/mtu]

Method: natively; one attribute of the running kernel's sysfs stands for all disks' states, opened once for each, and
eight more for transport objects. Nothing is asserted.
"""

import argparse
import resource
import time

from observers.kernel.real_host import RealHost
from observers.snapshot import DeviceName
from observers.watch import DISK_INTERVAL, MOST_A_SECOND, StateWatch


class Standing(RealHost):
    """A host whose disks all have the same attribute."""

    def __init__(self, attribute: str) -> None:
        super().__init__()
        self._attribute = attribute

    def open_attribute(self, path: str, /) -> int:
        """The same one, whatever is asked for."""
        return super().open_attribute(self._attribute)


def processor() -> float:
    """User and system seconds of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def run(attribute: str, *, disks: int, seconds: float) -> None:
    """Watch for a while, as the loop does."""
    watch = StateWatch(Standing(attribute))
    for number in range(disks):
        watch.follow(
            DeviceName(f"sd{number}"), f"/sys/devices/pci/host0/rport-0:0-{number % 8}/target/block/sd{number}"
        )
    began, used, rounds = time.monotonic(), processor(), 0
    while (now := time.monotonic()) < began + seconds:
        watch.sample(now)
        rounds += 1
        time.sleep(max(0.0, (watch.due() or 0.0) - time.monotonic()))
    took, spent = time.monotonic() - began, processor() - used
    samples = min(disks / DISK_INTERVAL, MOST_A_SECOND) * took
    print(f"{disks} disks, {rounds / took:.1f} rounds a second, {attribute}:")
    print(f"{spent / took:.2%} of a core, {spent / samples * 1e6:.2f} us a sample")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.watching", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--disks", type=int, default=4096)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--attribute", default="/sys/class/net/lo/mtu")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    run(options.attribute, disks=options.disks, seconds=options.seconds)


if __name__ == "__main__":
    main()
