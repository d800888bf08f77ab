"""What all commands of `mpathctl` that ask the running daemon have in common: how to reach it, and how long to wait.

In: the parsed command line. Out: a connection to the daemon of this host. It must never be made for a sandbox, which
has no daemon: what was meant for it would be done to the maps of this host. Only the client library is imported.
"""

import argparse
import os

from controller.client import patience
from controller.client.channel import MOST_SECONDS, Channel, socket_names
from controller.client.wire import FAILED
from observers.errors import InputError, MpathError

_HELP_PAGE = "CLI commands reference"
"""What a daemon answers to a command that it does not know."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """`--socket` and `--timeout`."""
    parser.add_argument("--socket", metavar="NAME", help="the daemon's socket: a path, or an abstract name after @")
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        help="how long to wait for a reply, 0: for ever; default: as configured (uxsock_timeout)",
    )


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds from 0 to {MOST_SECONDS}")
    return value


def names(options: argparse.Namespace) -> tuple[str, ...]:
    """Where the daemon may listen. `InputError`: it is a sandbox that was named."""
    if options.sandbox is not None:
        raise InputError(
            "a sandbox has no daemon; this would ask, or change, the one of this host", hint="leave out --sandbox"
        )
    return (options.socket,) if options.socket else socket_names(os.environ)


def timeout(options: argparse.Namespace) -> float | None:
    """Seconds to wait for a reply; None: for ever."""
    return patience.configured() if options.timeout is None else options.timeout or None


def connect(options: argparse.Namespace) -> Channel:
    """A connection to the daemon. `NotConnected`: there is none."""
    return Channel(names(options), timeout=timeout(options))


def ask(channel: Channel, command: str, *, ours: bool = False) -> str:
    """The reply to a command. `MpathError`: the daemon said no. `ours`: multipath-tools' daemon does not have it, and
    may say so without a word."""
    reply = channel.ask(command)
    if not reply.startswith(FAILED):
        return reply
    why = reply.removeprefix(FAILED).strip()
    if _HELP_PAGE in why or (ours and not why):
        raise MpathError(
            f"the daemon does not know the command `{command}`", hint="multipath-tools' multipathd has nothing like it"
        )
    raise MpathError(why or "the daemon did not do it, and does not say why", hint=f"the command was: {command}")
