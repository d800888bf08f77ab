"""`mpathctl run`: the daemon in the foreground, logging to standard error. The daemon itself is loaded only to run:
no other command has to wait for it. What its options leave open its environment may say."""

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import TypeVar

from controller.cli import own_settings
from observers.errors import InputError

T = TypeVar("T")

PROGRAM = "controller.cli.run_program"


def add_run(parser: argparse.ArgumentParser) -> None:
    """The options of `run`."""
    parser.add_argument("-v", "--verbosity", type=int, choices=range(5), help="0 errors ... 4 everything")
    parser.add_argument("--no-lock", action="store_true", help="do not lock memory, nor take a real-time priority")
    parser.add_argument(
        "--apply-config-changes", action="store_true", help="put a changed configuration in force without `reconfigure`"
    )
    parser.add_argument(
        "--textfile", metavar="FILE", type=_checked(own_settings.textfile),
        help="write metrics to this file, *.prom, every 15 s",
    )  # fmt: skip
    parser.add_argument(
        "--md-interval", metavar="SECONDS", type=_checked(own_settings.interval),
        help="how often a failed member of an md array is asked (default: 15)",
    )  # fmt: skip
    parser.set_defaults(run=_run)


def _checked(read: Callable[[str], T]) -> Callable[[str], T]:
    """As argparse wants to hear what is wrong with a value."""

    def checked(text: str) -> T:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return checked


def _run(options: argparse.Namespace) -> int:
    if options.sandbox is not None:
        raise InputError("the daemon runs on this host only", hint="leave out --sandbox")
    status: int = import_module(PROGRAM).run(options)
    return status
