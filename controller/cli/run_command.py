"""`mpathctl run`: the daemon in the foreground, logging to standard error. The daemon itself is loaded only to run:
no other command has to wait for it."""

import argparse
import os
from importlib import import_module

from observers.errors import InputError

PROGRAM = "controller.cli.run_program"


def add_run(parser: argparse.ArgumentParser) -> None:
    """The options of `run`."""
    parser.add_argument("-v", "--verbosity", type=int, choices=range(5), help="0 errors ... 4 everything")
    parser.add_argument("--no-lock", action="store_true", help="do not lock memory, nor take a real-time priority")
    parser.add_argument(
        "--apply-config-changes", action="store_true", help="put a changed configuration in force without `reconfigure`"
    )
    parser.add_argument(
        "--textfile", metavar="FILE", type=_textfile, help="write metrics to this file, *.prom, every 15 s"
    )
    parser.set_defaults(run=_run)


def _textfile(text: str) -> str:
    if not text.endswith(".prom") or not os.path.isabs(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no absolute path that ends in .prom, which node_exporter looks for"
        )
    return text


def _run(options: argparse.Namespace) -> int:
    if options.sandbox is not None:
        raise InputError("the daemon runs on this host only", hint="leave out --sandbox")
    status: int = import_module(PROGRAM).run(options)
    return status
