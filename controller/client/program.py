"""`multipathd` as a client: one command from its arguments, or many from standard input.

In: the command, and the process's streams. Out: the replies on standard output, and an exit status: 1 when the daemon
said no or nothing. Byte for byte what multipath-tools' client prints, for scripts read it.
"""

import os
import sys

from controller.client import patience, wire
from controller.client.channel import Channel, socket_names
from controller.client.errors import ClientError, NotConnected

OK, FAIL = 0, 1
_TOO_LARGE = "multipathd command too large\n"


def joined(words: list[str]) -> str:
    """The command that arguments stand for: a word with a blank in quotes, a blank after each, and a newline."""
    return "".join(f'"{word}" ' if " " in word else f"{word} " for word in words) + "\n"


def run(command: str) -> int:
    """Send one command and print the reply: the exit status."""
    if len(command.encode("utf-8", "surrogateescape")) >= wire.REQUEST_MAX:
        sys.stderr.write(_TOO_LARGE)
        return FAIL
    try:
        reply = _reply(command)
    except NotConnected as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return FAIL
    except ClientError as error:
        return put(f"{error}\n", FAIL)
    failed = reply.startswith(wire.FAILED)
    # The first line of a longer refusal is left out: what remains says why.
    return put(reply.removeprefix(wire.FAILED) or reply, FAIL if failed else OK)


def _reply(command: str) -> str:
    channel = Channel(socket_names(os.environ), timeout=patience.configured())
    try:
        return channel.ask(command)
    finally:
        channel.close()


def put(text: str, status: int) -> int:
    """Print a reply as the bytes that it was; the exit status, FAIL when nobody reads it."""
    try:
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAIL
    return status
