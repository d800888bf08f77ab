"""Run `mpathctl` in this process and keep what it prints."""

import contextlib
import io
from dataclasses import dataclass

from controller.cli.main import mpathctl


@dataclass(frozen=True, slots=True)
class Captured:
    """An exit status, and the texts of standard output and error."""

    status: int
    out: str
    err: str


def run(*arguments: str) -> Captured:
    """The command with these arguments."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = mpathctl(arguments)
    return Captured(status, out.getvalue(), err.getvalue())
