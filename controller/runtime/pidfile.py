"""The pidfile of the daemon, locked for as long as it runs, so that there is one daemon on a host: ours or multipathd.

In: its path. Out: a descriptor that holds the lock. multipathd takes a POSIX record lock on the same file (fcntl(2),
F_SETLK). Ours is the open file description's (F_OFD_SETLK), which conflicts with that, so that neither starts beside
the other; a record lock would be lost as soon as any descriptor of the file is closed in the process, and the file is
read again and again to see which daemon runs. It must never take the place of a daemon that runs.
"""

import errno
import fcntl
import os
import struct
from contextlib import suppress
from dataclasses import dataclass

from observers.errors import MpathError

_MODE = 0o644
_ROOM = 32
"""A process id has at most seven digits."""

_WHOLE_FILE = struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
"""A struct flock of fcntl(2): type, whence, start, length, and the process, which must be 0 here."""


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
        """Remove the file while it is still locked, then let go. multipathd removes it even where it was refused."""
        with suppress(FileNotFoundError):
            os.unlink(self.path)
        os.close(self.descriptor)


def _lock(descriptor: int, path: str) -> None:
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _WHOLE_FILE)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            raise
        holder = os.pread(descriptor, _ROOM, 0).decode("ascii", "replace").strip()
        whose = f"process {holder}" if holder.isdigit() else "a process"
        raise AlreadyRunning(
            f"a multipath daemon runs already: {whose} holds {path}", hint="stop it first: systemctl stop multipathd"
        ) from error
