"""`multipathc`, and `multipathd -k` without a command: a prompt, a line, its reply, until the input ends.

In: lines of standard input. Out: prompts and replies on standard output, as programs expect them that feed it through a
pipe; the exit status is 1 only when the daemon went away. On a terminal lines can be edited and recalled.
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from importlib import import_module

from controller.client import patience
from controller.client.channel import MOST_SECONDS, Channel, socket_names
from controller.client.errors import ClientError, NotConnected
from controller.client.program import FAIL, OK, put

PROMPT = "multipathd> "
_MOST_DIGITS = 10
"""Of a number of milliseconds; a longer one is too large in any case."""
_COLOURS = re.compile(r"\x1b\[[^m]*m")


def main(arguments: list[str]) -> int:
    """`multipathc [TIMEOUT]`, in milliseconds; 0: wait for ever."""
    if len(arguments) > 1:
        sys.stderr.write("Usage: multipathc [timeout]\n")
        return FAIL
    timeout = _seconds(arguments[0]) if arguments else patience.configured()
    if timeout is None:
        sys.stderr.write("ERROR: invalid timeout value\n")
        return FAIL
    return converse(timeout)


def _seconds(text: str) -> float | None:
    """So many milliseconds; None: that is no number, or one that no socket takes."""
    digits = text.lstrip("0") or text[-1:]
    if not (digits.isascii() and digits.isdigit()) or len(digits) > _MOST_DIGITS:
        return None
    seconds = int(digits) / 1000
    return seconds if seconds <= MOST_SECONDS else None


def converse(timeout: float) -> int:
    """Read commands and print replies; the exit status."""
    try:
        with closing(Channel(socket_names(os.environ), timeout=timeout or None)) as channel:
            return _replies(channel)
    except NotConnected as error:
        sys.stderr.write(f"ERROR: {error}\n")
    except ClientError as error:
        sys.stderr.write(f"{error}\n")
    return FAIL


def _replies(channel: Channel) -> int:
    for line in _lines():
        if line.strip() in ("exit", "quit"):
            break
        reply = channel.ask(line)
        text = reply if sys.stdout.isatty() else _COLOURS.sub("", reply)
        if put(text, OK) != OK:
            return FAIL
    return OK


def _lines() -> Iterator[str]:
    """The lines that have something in them; each is asked for with a prompt."""
    read = _plain
    if sys.stdin.isatty() and sys.stdout.isatty():
        # Where there is no terminal the module must not even be loaded: it may write to standard output when it is.
        with suppress(ImportError):
            import_module("readline")
        read = _edited
    while (line := read()) is not None:
        if line.strip("\n"):
            yield line


def _plain() -> str | None:
    put(PROMPT, OK)
    data = sys.stdin.buffer.readline()
    return data.decode("utf-8", "surrogateescape") if data else None


def _edited() -> str | None:
    try:
        return input(PROMPT) + "\n"
    except EOFError:
        return None
