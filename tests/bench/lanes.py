"""Figures on a real kernel: what a check costs, by threads on SG_IO and by asynchronous sg.

    python -m tests.bench.lanes [--hosts 8] [--luns 128] [--rounds 3]

Method: one boot of the test machine; scsi_debug disks, and no udev, whose rules would take minutes; each way checks
every disk once unmeasured and then in so many rounds. The processor is emulated: compare only figures of one run.
Nothing is asserted.
"""

import argparse
import json
import sys
from pathlib import Path

from tests.vm import images
from tests.vm.errors import CommandFailed, VmBroken, VmUnavailable
from tests.vm.machine import REPOSITORY, Machine

PYTHON = Path(sys.prefix) / "bin" / "python"
RIG_MEMORY_MIB = 3072
LIMIT = 1500.0


def run(machine: Machine, *, hosts: int, luns: int, rounds: int) -> None:
    """Everything on a machine that has just booted."""
    machine.check(f"udevadm control --exit; RIG_MB=8 rig-scsi-debug up {hosts} {luns}", timeout=LIMIT)
    command = f"cd {REPOSITORY}; {PYTHON} -m tests.bench.guest_lanes {rounds}"
    print(f"{hosts} hosts x {luns} disks on Linux {machine.kernel_release}, emulated; microseconds a check")
    for line in machine.check(command, timeout=LIMIT).splitlines():
        figures = json.loads(line)
        print(f"{figures.pop('way'):50}", "  ".join(f"{name} {value:10.4g}" for name, value in figures.items()))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.lanes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hosts", type=int, default=8)
    parser.add_argument("--luns", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    try:
        with Machine(images.make(), memory_mib=RIG_MEMORY_MIB) as machine:
            run(machine, hosts=options.hosts, luns=options.luns, rounds=options.rounds)
    except (VmUnavailable, VmBroken, CommandFailed) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
