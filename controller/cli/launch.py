"""The programs' beginnings: what a command line asks for is decided before anything is loaded that only some need.

In: the process's arguments. Out: an exit status. A client command of `multipathd` loads only `controller.client`; the
other modules are named in `PROGRAMS` and loaded when they are to run. It must never import another part of the project
at its top.
"""

import sys
from importlib import import_module

from controller.client.options import BadOption, Options, parse
from controller.client.program import FAIL, joined, run

DAEMON_OPTIONS = "dsv:k::Bnw"
"""Of `multipathd`, as for getopt(3)."""

PROGRAMS = {
    "conversation": "controller.client.interactive",
    "daemon": "controller.cli.daemon_entry",
    "mpathctl": "controller.cli.main",
    "multipath": "controller.cli.multipath_program",
}
"""The modules that have a program in them: `main(arguments)` returns the exit status."""


def start(program: str, arguments: list[str]) -> int:
    """Load a program and run it."""
    status: int = import_module(PROGRAMS[program]).main(arguments)
    return status


def multipathd() -> int:
    """`multipathd`: the daemon; with `-k` or with words, a client of it."""
    arguments = sys.argv[1:]
    try:
        options, words = parse(arguments, DAEMON_OPTIONS)
    except BadOption as error:
        sys.stderr.write(f"Invalid argument '-{error.letter}'\n")
        return FAIL
    if any(letter == "v" and not (value or "")[:1].isdecimal() for letter, value in options):
        return FAIL
    commands = _commands(options)
    if commands:
        return run(commands[-1]) if commands[-1] else start("conversation", [])
    return run(joined(words)) if words else start("daemon", arguments)


def _commands(options: Options) -> list[str]:
    """What `-k` was given, each time that it was; the last one counts."""
    return [value or "" for letter, value in options if letter == "k"]


def mpathctl() -> int:
    """`mpathctl`: as a client of the daemon, if it is asked for nothing else."""
    arguments = sys.argv[1:]
    status: int | None = import_module("controller.cli.client_program").main(arguments)
    return start("mpathctl", arguments) if status is None else status


def multipathc() -> int:
    """`multipathc`: a conversation with the daemon."""
    return start("conversation", sys.argv[1:])


def multipath() -> int:
    """`multipath`: looks at maps and paths, and changes them, once."""
    return start("multipath", sys.argv[1:])
