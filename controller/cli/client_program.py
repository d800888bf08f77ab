"""`mpathctl` as a client of the daemon: its commands that only ask the daemon, with nothing loaded for the others.

In: the command line. Out: the exit status, or None where it is for the whole program (`main`): another command, or help
of all of them.
"""

import argparse
from collections.abc import Sequence

from controller.cli import terminal
from controller.cli.client_commands import add_actions, add_shown
from controller.cli.daemon_commands import add_daemon_commands


def main(arguments: Sequence[str]) -> int | None:
    """Run it, if it is a client's command."""
    parser = argparse.ArgumentParser(prog="mpathctl")
    parser.set_defaults(sandbox=None)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    add_actions(subparsers)
    add_daemon_commands(subparsers)
    kinds = subparsers.add_parser("show", aliases=["list"]).add_subparsers(dest="what", metavar="WHAT", required=True)
    add_shown(kinds)
    known = kinds.choices if arguments[:1] in (["show"], ["list"]) else subparsers.choices
    word = next(iter(arguments[1:2] if known is kinds.choices else arguments[:1]), None)
    if word not in known:
        return None
    options = parser.parse_args(arguments)
    return terminal.ended(lambda: options.run(options))
