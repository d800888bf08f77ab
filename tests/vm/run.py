"""The command line of the test machine: boot it, run one command in it, end with that command's exit status.

    python -m tests.vm.run -- 'rig-scsi-debug up 4 2; multipath -ll'

The guest is thrown away afterwards. 124: the time ran out. 125: the machine could not be made, or died.
"""

import argparse
import sys

from tests.vm import images
from tests.vm.errors import VmBroken, VmUnavailable
from tests.vm.machine import RUN_TIMEOUT, Done, Machine, command_line

NO_MACHINE = 125


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.vm.run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kernel", default="6.1", choices=sorted(images.KERNELS))
    parser.add_argument("--timeout", type=float, default=RUN_TIMEOUT, help="seconds for the command (%(default)g)")
    parser.add_argument("--memory", type=int, default=2048, metavar="MIB")
    parser.add_argument("--append", default="", help="more kernel parameters")
    parser.add_argument("--console", action="store_true", help="print the kernel's console to standard error")
    parser.add_argument("command", nargs="+", help="one word: a line of shell; several: a command and its arguments")
    return parser.parse_args()


def _run(arguments: argparse.Namespace) -> Done:
    with Machine(
        images.make(), kernel=arguments.kernel, memory_mib=arguments.memory, append=arguments.append
    ) as machine:
        done = machine.run(command_line(arguments.command), timeout=arguments.timeout)
        if arguments.console:
            sys.stderr.write(machine.console())
        return done


def main() -> int:
    """Run the command; its output comes when it has ended."""
    try:
        done = _run(_arguments())
    except (VmUnavailable, VmBroken) as error:
        print(f"test machine: {error}", file=sys.stderr)
        return NO_MACHINE
    sys.stdout.write(done.out)
    sys.stderr.write(done.err)
    return done.status


if __name__ == "__main__":
    sys.exit(main())
