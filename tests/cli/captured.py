"""Run `mpathctl` in this process and keep what it prints."""

import contextlib
import io
from dataclasses import dataclass

from controller.cli.main import main as mpathctl


@dataclass(frozen=True, slots=True)
class Captured:
    """An exit status, and the texts of standard output and error."""

    status: int
    out: str
    err: str


def run(*arguments: str) -> Captured:
    """The command with these arguments."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = mpathctl(arguments)
    return Captured(status, *(_text(stream) for stream in (out, err)))


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()
