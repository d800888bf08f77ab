"""How an observer reads, and what becomes of a refusal: a `Gap` that says what was asked and why it was not answered.

In: a `ReadHost` and the name of what is looked at. Out: values, or None, and the gaps noted on the way. Each thing that
is observed has a `Reader` of its own, so that many can be looked at concurrently. It must never raise for what the host
answers, and never change anything.
"""

import errno
import os
from collections.abc import Callable
from typing import TypeVar

from observers.errors import MpathError
from observers.host import ReadHost
from observers.snapshot import Gap

T = TypeVar("T")

NOT_PROVIDED = frozenset({errno.ENOENT, errno.EINVAL, errno.ENOTDIR, errno.EOPNOTSUPP})
"""How the kernel says that a device does not have an optional attribute (EINVAL: the file is there for all devices)."""

VANISHED = frozenset({errno.ENOENT, errno.ENODEV, errno.ENXIO})
"""How the kernel says that a device is gone."""

OUR_OWN = frozenset({errno.EMFILE, errno.ENFILE})
"""How the kernel says that too many files are open, by us or by all: that says nothing of a device."""

NOT_PERMITTED = frozenset({errno.EACCES, errno.EPERM})


def describe(error: OSError | MpathError) -> str:
    """An error in words, with the errno's name; where permission was missing, also what to do."""
    if not isinstance(error, OSError):
        return f"{error}: {error.hint}" if error.hint else str(error)
    code = error.errno or 0
    text = f"{errno.errorcode.get(code, code)}, {os.strerror(code)}"
    return f"no permission ({text}); run as root" if code in NOT_PERMITTED else text


class Reader:
    """Reads for one subject; `gaps` grows with what could not be read."""

    def __init__(self, host: ReadHost, subject: str) -> None:
        self.host, self.subject = host, subject
        self.gaps: list[Gap] = []

    def note(self, what: str, reason: str) -> None:
        """Add a gap."""
        self.gaps.append(Gap(self.subject, what, reason))

    def attempt(self, what: str, call: Callable[[], T], *, quiet: frozenset[int] = frozenset()) -> T | None:
        """What `call` returns; None and a gap when it was refused (no gap for the errnos in `quiet`)."""
        try:
            return call()
        except OSError as error:
            if error.errno not in quiet:
                self.note(what, describe(error))
        except MpathError as error:
            self.note(what, describe(error))
        return None

    def data(self, path: str, what: str, *, quiet: frozenset[int] = frozenset()) -> bytes | None:
        """The bytes of a file."""
        return self.attempt(what, lambda: self.host.read_file(path), quiet=quiet)

    def text(self, path: str, what: str, *, quiet: frozenset[int] = frozenset()) -> str | None:
        """The text of a file without blanks at its end, as sysfs pads its attributes; None: could not be read."""
        data = self.data(path, what, quiet=quiet)
        return None if data is None else decode(data).rstrip(" \t\n\0")

    def number(self, path: str, what: str, *, quiet: frozenset[int] = frozenset()) -> int | None:
        """The decimal number in a file; a gap also when it is not one."""
        text = self.text(path, what, quiet=quiet)
        if text is None:
            return None
        if text.isascii() and text.isdigit():
            return int(text)
        self.note(what, f"{path} holds {text!r}, which is not a number")
        return None

    def names(self, path: str, what: str, *, quiet: frozenset[int] = frozenset()) -> tuple[str, ...]:
        """The names in a directory; none when it could not be read."""
        return self.attempt(what, lambda: self.host.list_directory(path), quiet=quiet) or ()


def decode(data: bytes) -> str:
    """Text of the kernel or of a file: UTF-8, other bytes as lone surrogates, so that nothing is lost."""
    return data.decode("utf-8", "surrogateescape")
