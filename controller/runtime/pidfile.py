"""The pidfile of the daemon, locked for as long as it runs, so that there is one daemon on a host: ours or multipathd.

In: its path. Out: a descriptor that holds the lock. multipathd locks the same file in the same way (a POSIX record
lock, fcntl(2) F_SETLK), so that neither starts beside the other. It must never take the place of a daemon that runs.
"""

import errno
import fcntl
import os
from dataclasses import dataclass

from observers.errors import MpathError

_MODE = 0o644
_ROOM = 32
"""A process id has at most seven digits."""


class AlreadyRunning(MpathError):
    """Another daemon holds the lock."""


@dataclass(frozen=True, slots=True)
class Pidfile:
    """A pidfile that is ours. Closing the descriptor anywhere in the process would give the lock away."""

    path: str
    descriptor: int

    @classmethod
    def take(cls, path: str, *, pid: int) -> "Pidfile":
        """Lock the file, made if absent, and write the id into it. `AlreadyRunning`, or OSError."""
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            _lock(descriptor, path)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{pid}\n".encode("ascii"), 0)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(path, descriptor)

    def release(self) -> None:
        """Remove the file while it is still locked, then let go."""
        os.unlink(self.path)
        os.close(self.descriptor)


def _lock(descriptor: int, path: str) -> None:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            raise
        holder = os.pread(descriptor, _ROOM, 0).decode("ascii", "replace").strip()
        whose = f"process {holder}" if holder.isdigit() else "a process"
        raise AlreadyRunning(
            f"a multipath daemon runs already: {whose} holds {path}", hint="stop it first: systemctl stop multipathd"
        ) from error
