"""Steps on the files that remember maps: the wwids file, the bindings file, and the marks of maps that could not be
made; and the record of udev's waiting.

In: a host and a step. Out: an `Outcome`. The files that multipathd writes too are locked as it locks them while they
are read and changed (`actuators.shared_files`); mode 0600. Must never write over a text that nobody has looked at, nor
begin a wait anew that has begun.
"""

import errno
from collections.abc import Iterable
from functools import partial

from actuators.shared_files import FILE_MODE, edit
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
    doing = f"adding {step.wwid} to {step.file}"
    try:
        return edit(host, step.file, partial(_with_line, line), doing=doing)
    except OSError as error:
        return _refused(error, doing)


def _with_line(line: str, old: str) -> str:
    return old if line in old.split("\n") else f"{_ended(old or WWIDS_HEADER)}{line}\n"


def forget_wwid(host: Host, file: str, wwid: str) -> Outcome:
    """Make the line `/WWID/` a comment, as multipath-tools does. `Unchanged`: there is no such line."""
    doing = f"taking {wwid} out of {file}"
    try:
        return edit(host, file, partial(_without_line, wwid), doing=doing)
    except OSError as error:
        return _refused(error, doing)


def _without_line(wwid: str, old: str) -> str:
    return "\n".join(f"#{wwid}/" if line == f"/{wwid}/" else line for line in old.split("\n"))


def reset_wwids(host: Host, file: str, wwids: Iterable[str]) -> Outcome:
    """Have exactly these WWIDs in the file."""
    text = WWIDS_HEADER + "".join(f"/{wwid}/\n" for wwid in wwids)
    try:
        return edit(host, file, lambda _: text, doing=f"writing {file}")
    except OSError as error:
        return _refused(error, f"writing {file}")


def write_bindings(host: Host, step: WriteBindings | WriteKeys) -> Outcome:
    """Replace the text, if it is still the one that was expected. A file that is empty is as good as none.

    multipathd looks at the bindings file again only when another is renamed over it.
    """
    in_place = isinstance(step, WriteKeys)
    try:
        return edit(host, step.file, partial(_as_expected, step), doing=f"writing {step.file}", in_place=in_place)
    except OSError as error:
        return _refused(error, f"writing {step.file}")


def _as_expected(step: WriteBindings | WriteKeys, old: str) -> str | Lost:
    if old in (step.text, step.expected or ""):
        return step.text
    return Lost(f"{step.file} {'was changed' if old else 'was removed'} since it was read")


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


def _ended(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"


_HINTS = {
    errno.EROFS: "the file system is mounted read-only",
    errno.ENOSPC: "the file system is full",
    errno.EACCES: "writing there needs root",
    errno.EPERM: "the file may be immutable: see `lsattr`",
}


def _refused(error: OSError, doing: str) -> Refused:
    number = error.errno or errno.EIO
    return Refused(number, str(KernelRefused(number, sent=doing)), _HINTS.get(number, ""))
