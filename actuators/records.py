"""Steps on the files that remember maps: the wwids file, the bindings file, and the marks of maps that could not be
made; and the record of udev's waiting.

In: a host and a step. Out: an `Outcome`. Files are replaced as a whole, on disk before their name is, mode 0600; a
reader sees the old text or the new one. Must never write over a text that nobody has looked at, nor begin a wait anew
that has begun.
"""

import errno
from collections.abc import Iterable

from actuators.steps import (
    Changed,
    Lost,
    MarkFailed,
    Outcome,
    Refused,
    RememberWwid,
    Unchanged,
    UnmarkFailed,
    WriteBindings,
    WriteKeys,
)
from observers.errors import KernelRefused
from observers.host import ClaimHost, Host

FILE_MODE = 0o600
WAIT_MODE = 0o644

WWIDS_HEADER = """\
# Multipath wwids, Version : 1.0
# NOTE: This file is automatically maintained by multipath and multipathd.
# You should not need to edit this file in normal circumstances.
#
# Valid WWIDs:
"""
"""The lines by which multipath-tools and we know a wwids file; both write the same one."""


def remember_wwid(host: Host, step: RememberWwid) -> Outcome:
    """Add the line `/WWID/`. A line that was commented out (`#WWID/`) stays: it says that somebody took it out once."""
    line = f"/{step.wwid}/"
    if not step.wwid or any(char in step.wwid for char in "\n\r\0/"):
        return Refused(errno.EINVAL, f"{step.wwid!r} can't be written as a line of {step.file}")
    try:
        old = _read(host, step.file)
        if line in (old or "").split("\n"):
            return Unchanged()
        _write(host, step.file, _ended(old or WWIDS_HEADER) + line + "\n")
    except OSError as error:
        return _refused(error, f"adding {step.wwid} to {step.file}")
    return Changed()


def forget_wwid(host: Host, file: str, wwid: str) -> Outcome:
    """Make the line `/WWID/` a comment, as multipath-tools does. `Unchanged`: there is no such line."""
    try:
        lines = (_read(host, file) or "").split("\n")
        if f"/{wwid}/" not in lines:
            return Unchanged()
        _write(host, file, "\n".join(f"#{wwid}/" if line == f"/{wwid}/" else line for line in lines))
    except OSError as error:
        return _refused(error, f"taking {wwid} out of {file}")
    return Changed()


def reset_wwids(host: Host, file: str, wwids: Iterable[str]) -> Outcome:
    """Have exactly these WWIDs in the file."""
    text = WWIDS_HEADER + "".join(f"/{wwid}/\n" for wwid in wwids)
    try:
        if _read(host, file) == text:
            return Unchanged()
        _write(host, file, text)
    except OSError as error:
        return _refused(error, f"writing {file}")
    return Changed()


def write_bindings(host: Host, step: WriteBindings | WriteKeys) -> Outcome:
    """Replace the text, if it is still the one that was expected."""
    try:
        old = _read(host, step.file)
        if old == step.text:
            return Unchanged()
        if old != step.expected:
            return Lost(f"{step.file} {_state(old)} since it was read")
        _write(host, step.file, step.text)
    except OSError as error:
        return _refused(error, f"writing {step.file}")
    return Changed()


def begin_wait(host: ClaimHost, file: str, until: float) -> Outcome:
    """Record that udev waits for a second path: an empty file whose time of modification is the end of the wait, in
    seconds since 1970. `Unchanged`: another process has begun the wait."""
    try:
        host.create_file(file, mode=WAIT_MODE, modified=until)
    except FileExistsError:
        return Unchanged()
    except OSError as error:
        return _refused(error, f"making {file}")
    return Changed()


def mark_failed(host: Host, step: MarkFailed) -> Outcome:
    """Leave the mark, an empty file named for the WWID. `Unchanged`: it is there already."""
    if step.file.rpartition("/")[2] != step.wwid:
        return Refused(errno.EINVAL, f"{step.wwid!r} can't be the name of a file")
    try:
        host.create_file(step.file, mode=FILE_MODE, modified=host.wall_time())
    except FileExistsError:
        return Unchanged()
    except OSError as error:
        return _refused(error, f"making {step.file}")
    return Changed()


def unmark_failed(host: Host, step: UnmarkFailed) -> Outcome:
    """Remove the mark. `Unchanged`: there is none."""
    try:
        host.remove_file(step.file)
    except FileNotFoundError:
        return Unchanged()
    except OSError as error:
        return _refused(error, f"removing {step.file}")
    return Changed()


def _state(text: str | None) -> str:
    return "was removed" if text is None else "was changed"


def _ended(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"


def _read(host: Host, path: str) -> str | None:
    try:
        return host.read_file(path).decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None


def _write(host: Host, path: str, text: str) -> None:
    host.replace_file(path, text.encode("utf-8", "surrogateescape"), mode=FILE_MODE)


_HINTS = {
    errno.EROFS: "the file system is mounted read-only",
    errno.ENOSPC: "the file system is full",
    errno.EACCES: "writing there needs root",
    errno.EPERM: "the file may be immutable: see `lsattr`",
}


def _refused(error: OSError, doing: str) -> Refused:
    number = error.errno or errno.EIO
    return Refused(number, str(KernelRefused(number, sent=doing)), _HINTS.get(number, ""))
