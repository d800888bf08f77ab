"""Figures on a real kernel: the daemon beside Debian's multipathd, at rest and when a path changes.

    python -m tests.bench.daemons [--hosts 8] [--luns 128] [--window 60] [--times 5] [--only ours|theirs]

Method: one boot of the test machine with few udev rules; scsi_debug disks, `polling_interval` 5; each daemon in turn,
from no maps. Processor time is that of the process (user and system) while nothing happens and every path is checked at
its longest interval; latencies are from the write to a disk's `state` in sysfs until `dmsetup status` says so, of maps
without I/O. The processor is emulated and other work on the host slows it: compare only figures of one run. Nothing is
asserted.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

from tests.bench.real_kernel import clear
from tests.vm import images
from tests.vm.errors import CommandFailed, VmBroken, VmUnavailable
from tests.vm.machine import REPOSITORY, Machine

CONFIG = "defaults {\n\tfind_multipaths no\n\tuser_friendly_names no\n\tpolling_interval 5\n}\n"
DAEMONS = {
    "theirs": ("multipathd (0.9.4)", "/usr/sbin/multipathd -d -s"),
    "ours": ("mpathctl", f"{Path(sys.prefix) / 'bin' / 'multipathd'} -d -s"),
}
FEW_RULES = (
    *("50-udev-default.rules", "55-dm.rules", "56-dm-mpath.rules", "60-block.rules", "60-multipath.rules"),
    *("60-persistent-storage.rules", "60-persistent-storage-dm.rules", "95-dm-notify.rules"),
)
"""Of udev's: what disks, device-mapper and multipath need. With all of them a thousand disks take minutes."""

MEMORY_MIB = 6144
LIMIT = 3600.0
REST = 60
"""Seconds: intervals double from 5 to 20 within this."""


def prepare(machine: Machine, *, hosts: int, luns: int) -> None:
    """Few rules, and the disks."""
    kept = " ".join(f"! -name {name}" for name in FEW_RULES)
    machine.check(f"cd /usr/lib/udev/rules.d && find . -name '*.rules' {kept} -delete; udevadm control --reload")
    machine.check("true", files={"/etc/multipath.conf": CONFIG})
    machine.check(f"RIG_MB=8 rig-scsi-debug up {hosts} {luns}", timeout=LIMIT)


def measure(machine: Machine, command: str, options: argparse.Namespace) -> dict[str, Any]:
    """One daemon, from nothing."""
    clear(machine)
    words = f"{options.luns} {options.hosts} {REST} {options.window} {options.times}"
    script = f"cd {REPOSITORY}; /usr/bin/python3 -m tests.bench.guest_daemon {words} {command}"
    out = machine.check(script, timeout=LIMIT)
    figures: dict[str, Any] = json.loads(out)
    return figures


def show(name: str, figures: dict[str, Any]) -> None:
    """One daemon's figures."""
    print(f"{name}: all maps after {figures['maps']:.1f} s ({figures['start']:.1f} s of CPU);")
    rest = figures["rest"]
    print(f"    at rest {rest['user'] + rest['system']:.2f} s of CPU a minute, {rest['system']:.2f} s in the kernel,")
    print(f"    {rest['first thread']:.2f} s in the first thread;", end=" ")
    print(f"{figures['resident']:.0f} MiB resident, {figures['locked']:.0f} MiB locked")
    for which in ("offline", "running"):
        each = figures[which]
        if each:
            print(f"    {which}: {statistics.median(each):.2f} s in dm (from {min(each):.2f} to {max(each):.2f})")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.daemons", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hosts", type=int, default=8)
    parser.add_argument("--luns", type=int, default=128)
    parser.add_argument("--window", type=int, default=60, help="seconds")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--only", choices=sorted(DAEMONS))
    options = parser.parse_args()
    try:
        with Machine(images.make(), memory_mib=MEMORY_MIB) as machine:
            prepare(machine, hosts=options.hosts, luns=options.luns)
            print(f"{options.hosts} hosts x {options.luns} disks on Linux {machine.kernel_release}, emulated")
            for name in [options.only] if options.only else DAEMONS:
                title, command = DAEMONS[name]
                show(title, measure(machine, command, options))
    except (VmUnavailable, VmBroken, CommandFailed) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
