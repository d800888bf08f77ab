"""How the commands of `mpathctl` end, and how they draw: exit statuses, errors with their hints, signs and colours.

In: what a command has to say, and the stream that it says it on. Out: text on standard error, and an exit status. It
loads nothing that only some commands need.
"""

import os
import sys
from collections.abc import Callable
from typing import TextIO

from controller.protocol import picture
from observers.errors import MpathError

DONE, FAILED, PENDING = 0, 1, 2


def complain(message: str, *, hint: str = "") -> int:
    """Print an error and what to do about it; the exit status."""
    sys.stdout.flush()
    sys.stderr.write(f"mpathctl: {message}\n" + (f"mpathctl: {hint}\n" if hint else ""))
    return FAILED


def ended(command: Callable[[], int]) -> int:
    """The exit status of a command. Errors are printed, with their hint, and never as a traceback."""
    try:
        status = command()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except MpathError as error:
        return complain(str(error), hint=error.hint)
    return status


def style_of(stream: TextIO) -> picture.Style:
    """How to draw on a stream: signs that its encoding has, colours only on a terminal that did not decline them."""
    plain = picture.UNICODE if (stream.encoding or "").lower().replace("-", "") == "utf8" else picture.ASCII
    if stream.isatty() and not os.environ.get("NO_COLOR"):
        return picture.coloured(plain)
    return plain
