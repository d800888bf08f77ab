"""Files that multipathd and its tools write too: read, changed and written under the lock that they take.

Theory of operation. Whoever waits for the lock waits at the file that it opened. multipath-tools writes to that one
when its turn comes, without a look whether it still has its name; so a file under which another was put meanwhile loses
what is written to it. Hence what is whole by itself is written in place: lines after the end, in one write, and the one
byte that makes a line a comment. Any other change replaces the file, and a reader sees the old text or the new one. We
look whether what was locked still has the name, as multipathd replaces the bindings file.

In: a host, a path, and a function from the text as it is (empty: no file) to what it should be. Out: an `Outcome`, or
OSError. Must never write without the lock, nor wait for it without end.
"""

import errno
from collections.abc import Callable

from actuators.steps import Changed, Lost, Outcome, Refused, Unchanged
from observers.host import Host

FILE_MODE = 0o600

LONGEST_WAIT = 30.0
"""Seconds for which a lock is waited for, as multipath-tools does."""

PAUSE = 0.01
"""Seconds between two attempts; it is held for some milliseconds, most of them for the disk."""

Edit = Callable[[str], str | Lost]


def edit(host: Host, path: str, change: Edit, *, doing: str, in_place: bool = True) -> Outcome:
    """Change a file's text. `in_place`: who waits for the lock writes to the file that it has opened, see above.

    `doing`: what a refusal says was not done. What is so already is `Unchanged` even where nobody may write.
    """
    try:
        handle = _locked(host, path, mode=None)
    except FileNotFoundError:
        if (settled := _settled(change(""), "")) is not None:
            return settled
        handle = _locked(host, path, mode=FILE_MODE)
    except OSError:
        old = _text(host, path)
        if (settled := _settled(change(old), old)) is not None:
            return settled
        raise
    if handle is None:
        text = f"{doing}: another process has had it locked for {LONGEST_WAIT:g} s, so nothing was written"
        return Refused(errno.EAGAIN, text, "`lslocks` says which")
    try:
        return _edited(host, path, handle, change, in_place=in_place)
    finally:
        host.unlock(handle)


def _locked(host: Host, path: str, *, mode: int | None) -> int | None:
    """None: not in time. The file is opened anew at each attempt, as another may have its name by then."""
    latest = host.monotonic() + LONGEST_WAIT
    while True:
        try:
            return host.open_locked(path, mode=mode)
        except BlockingIOError:
            if host.monotonic() >= latest:
                return None
        host.sleep(PAUSE)


def _edited(host: Host, path: str, handle: int, change: Edit, *, in_place: bool) -> Outcome:
    data = host.read_locked(handle)
    old = _decode(data)
    new = change(old)
    if (settled := _settled(new, old)) is not None:
        return settled
    wanted = str(new).encode("utf-8", "surrogateescape")
    pieces = _pieces(data, wanted) if in_place else None
    if pieces is None:
        host.replace_file(path, wanted, mode=FILE_MODE)
        return Changed()
    for offset, piece in pieces:
        host.write_locked(handle, piece, offset=offset)
    return Changed()


def _settled(new: str | Lost, old: str) -> Outcome | None:
    """The outcome where nothing is to be written."""
    if isinstance(new, Lost):
        return new
    return Unchanged() if new == old else None


def _pieces(old: bytes, new: bytes) -> list[tuple[int, bytes]] | None:
    """What to write where, each piece whole by itself; None: it can't be done so."""
    if new.startswith(old):
        return [(len(old), new[len(old) :])]
    if len(new) != len(old):
        return None
    places = [place for place, (before, after) in enumerate(zip(old, new, strict=True)) if before != after]
    pieces = [(place, new[place : place + 1]) for place in places]
    return pieces if all(piece == b"#" for _, piece in pieces) else None


def _text(host: Host, path: str) -> str:
    try:
        return _decode(host.read_file(path))
    except FileNotFoundError:
        return ""


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
