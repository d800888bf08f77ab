"""One small tree of errors, split by whose fault it is.

Every error that a person can see carries what happened and, where there is one, a hint: what to do or to run instead.
`ConfigError` is the user's, `KernelRefused` the kernel's, `ProtocolError` a peer's, `InvariantBroken` ours.
"""

import errno as errno_names
import os


class MpathError(Exception):
    """Base of all errors that this project raises on purpose; `hint` says what to do about it, or is empty."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(MpathError):
    """The user's text is wrong. `file`, `line` and `column` (both from 1; 0: unknown) say where."""

    def __init__(self, message: str, *, file: str, line: int = 0, column: int = 0, hint: str = "") -> None:
        place = ":".join([file, *(str(n) for n in (line, column) if n)])
        super().__init__(f"{place}: {message}", hint=hint)
        self.file, self.line, self.column, self.message = file, line, column, message


class InputError(MpathError):
    """A file or argument that a user gave is not what it should be (a snapshot cut off, an unknown scenario)."""


class KernelRefused(MpathError):
    """A system call failed: `errno`, what was sent, and what came back, in words."""

    def __init__(self, error: int, *, sent: str, came_back: str = "", hint: str = "") -> None:
        name = errno_names.errorcode.get(error, str(error))
        detail = f" ({came_back})" if came_back else ""
        super().__init__(f"{sent}: {name}, {os.strerror(error)}{detail}", hint=hint)
        self.errno, self.sent, self.came_back = error, sent, came_back


class ProtocolError(MpathError):
    """A peer sent what the protocol does not allow; the message names the peer and the field."""


class InvariantBroken(MpathError):
    """Something that this program promises itself did not hold: a defect of ours."""
