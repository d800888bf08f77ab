"""Figures on a real kernel: from nothing to all maps, mpathctl beside Debian's multipath and multipathd.

    python -m tests.bench.real_kernel [--maps 32] [--paths 8] [--rounds 2]

Method: one boot of the test machine; scsi_debug disks (one LUN a map, behind one host a path); each round runs the
programs in turn, from no maps and no wwids file to all maps with all paths, counted in sysfs. Before the first round
each has run once, so that files are cached. The processor is emulated and other work on the host slows it: compare only
figures of one run. Nothing is asserted.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.vm import images
from tests.vm.errors import CommandFailed, VmBroken, VmUnavailable
from tests.vm.machine import REPOSITORY, Machine

CONFIG = "defaults {\n\tfind_multipaths no\n\tpath_grouping_policy group_by_prio\n}\n"
MEASURE = REPOSITORY / "tests" / "bench" / "guest_measure.py"
MPATHCTL = Path(sys.prefix) / "bin" / "mpathctl"

PROGRAMS = {
    "mpathctl reconcile": ("once", f"{MPATHCTL} reconcile"),
    "multipath -v0 (0.9.4)": ("once", "multipath -v0"),
    "multipathd (0.9.4)": ("daemon", "multipathd -d -s"),
}

COLUMNS = {"maps": "all maps (s)", "cpu": "its CPU (s)", "settled": "udev settled (s)", "machine": "machine's CPU (s)"}

RIG_MEMORY_MIB = 3072
"""32 x 8 disks, their udev workers, and a daemon that locks its memory."""

LIMIT = 1200.0

Figures = Mapping[str, float]


def clear(machine: Machine) -> None:
    """No maps, and no memory of any."""
    machine.check(
        "udevadm settle --timeout=600; multipath -F -v0; ! dmsetup ls --target multipath | grep -q :; "
        "rm -f /etc/multipath/wwids; udevadm settle --timeout=600",
        timeout=LIMIT,
    )


def measure(machine: Machine, program: str, *, maps: int, paths: int) -> Figures:
    """One run of one program from nothing."""
    clear(machine)
    kind, command = PROGRAMS[program]
    out = machine.check(f"/usr/bin/python3 -I {MEASURE} {kind} {maps} {paths} {command}", timeout=LIMIT)
    figures: dict[str, float] = json.loads(out)
    return figures


def writing_ioctls(machine: Machine) -> int:
    """How many device-mapper ioctls that write a reconcile of an unchanged host sends."""
    machine.check(f"{MPATHCTL} reconcile", timeout=LIMIT)
    reading = "VERSION|LIST_DEVICES|LIST_VERSIONS|GET_TARGET_VERSION|DEV_STATUS|TABLE_STATUS|TABLE_DEPS|DEV_ARM_POLL"
    script = (
        f"strace -f --seccomp-bpf -e trace=ioctl -o /tmp/ioctls {MPATHCTL} reconcile > /dev/null; "
        f"grep -o 'DM_[A-Z_]*, ' /tmp/ioctls | grep -vcE '^DM_({reading}), ' || :"
    )
    return int(machine.check(script, timeout=LIMIT))


def table(results: Mapping[str, Sequence[Figures]]) -> str:
    """The medians, and every single time to all maps."""
    lines = [
        "".join([f"{'median of the rounds':24}", *(f"{title:>20}" for title in COLUMNS.values()), "  each round (s)"])
    ]
    for program, rounds in results.items():
        medians = [statistics.median(figures[key] for figures in rounds) for key in COLUMNS]
        each = " ".join(f"{figures['maps']:.2f}" for figures in rounds)
        lines.append("".join([f"{program:24}", *(f"{value:20.2f}" for value in medians), f"  {each}"]))
    return "\n".join(lines)


def run(machine: Machine, *, maps: int, paths: int, rounds: int) -> None:
    """Everything on a machine that has just booted."""
    machine.check(f"RIG_MB=8 rig-scsi-debug up {paths} {maps}", timeout=LIMIT, files={"/etc/multipath.conf": CONFIG})
    results: dict[str, list[Figures]] = {program: [] for program in PROGRAMS}
    for number in range(rounds + 1):
        for program, figures in results.items():
            measured = measure(machine, program, maps=maps, paths=paths)
            print(f"round {number} of {rounds}: {program}: {measured}", file=sys.stderr, flush=True)
            if number:  # round 0 only warms the caches
                figures.append(measured)
    print(f"{maps} maps x {paths} paths on Linux {machine.kernel_release}, emulated; from start to all maps")
    print(table(results))
    print(f"writing ioctls of a reconcile of the unchanged host: {writing_ioctls(machine)}")
    clear(machine)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.real_kernel",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--maps", type=int, default=32)
    parser.add_argument("--paths", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    try:
        with Machine(images.make(), memory_mib=RIG_MEMORY_MIB) as machine:
            run(machine, maps=options.maps, paths=options.paths, rounds=options.rounds)
    except (VmUnavailable, VmBroken, CommandFailed) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
