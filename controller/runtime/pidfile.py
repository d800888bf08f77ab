"""The pidfile of the daemon, locked for as long as it runs, so that there is one daemon on a host: ours or multipathd.

In: its path. Out: a descriptor that holds the lock. multipathd takes a POSIX record lock on the same file (fcntl(2),
F_SETLK). Ours is the open file description's (`observers.kernel.record_lock`), which conflicts with that, so that
neither starts beside the other; a record lock would be lost as soon as any descriptor of the file is closed in the
process, and the file is read again and again to see which daemon runs. A lock on a file that another daemon removed as
it ended is worth nothing, so what was locked must still have the name. It must never take the place of a daemon that
runs.
"""

import os
from contextlib import suppress
from dataclasses import dataclass

from observers.errors import MpathError
from observers.kernel import record_lock

_MODE = 0o644
_ROOM = 32
"""A process id has at most seven digits."""


class AlreadyRunning(MpathError):
    """Another daemon holds the lock."""


@dataclass(frozen=True, slots=True)
class Pidfile:
    """A pidfile that is ours, for as long as the descriptor is open."""

    path: str
    descriptor: int

    @classmethod
    def take(cls, path: str, *, pid: int) -> "Pidfile":
        """Lock the file, made if absent, and write the id into it. `AlreadyRunning`, or OSError."""
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        descriptor = _locked(path)
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{pid}\n".encode("ascii"), 0)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(path, descriptor)

    @staticmethod
    def require_free(path: str) -> None:
        """`AlreadyRunning` if a daemon runs now; nothing is changed, and one may start at any moment."""
        with suppress(FileNotFoundError):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if record_lock.held(descriptor):
                    raise _already_running(descriptor, path)
            finally:
                os.close(descriptor)

    def release(self) -> None:
        """Remove the file while it is still locked, then let go. multipathd removes it even where it was refused, so
        that by now it may be another daemon's."""
        if record_lock.leads_to(self.path, self.descriptor):
            os.unlink(self.path)
        os.close(self.descriptor)


def _locked(path: str) -> int:
    """The file, open and locked. It is opened again for each daemon that removes it in between."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            _lock(descriptor, path)
            if record_lock.leads_to(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, path: str) -> None:
    try:
        record_lock.lock(descriptor)
    except BlockingIOError as error:
        raise _already_running(descriptor, path) from error


def _already_running(descriptor: int, path: str) -> AlreadyRunning:
    holder = os.pread(descriptor, _ROOM, 0).decode("ascii", "replace").strip()
    whose = f"process {holder}" if holder.isdigit() else "a process"
    return AlreadyRunning(
        f"a multipath daemon runs already: {whose} holds {path}", hint="stop it first: systemctl stop multipathd"
    )
