"""The locks on files that a process of a sandbox holds, and files that are written while they are locked.

In: a kernel, and paths. Out: handles, bytes and refusals as of flock(2) and fcntl(2). Who has a file open keeps that
one when another is put in its place. Two handles are two lock holders, as two processes would be.
"""

import errno
from dataclasses import dataclass
from itertools import count

from controller.sandbox.errors import refusal
from controller.sandbox.faults import Faults
from controller.sandbox.kernel import Kernel
from controller.sandbox.vfs import Directory, File

_ROOT = 0


@dataclass(frozen=True, slots=True)
class _Opened:
    path: str
    file: File


class Locks:
    """All locks of one process."""

    def __init__(self, kernel: Kernel, faults: Faults) -> None:
        self._kernel, self._faults = kernel, faults
        self._held: dict[int, str | _Opened] = {}
        self._numbers = count(1)

    def flock(self, path: str) -> int:
        """See `Host.lock`."""
        if path in self._held.values():
            raise refusal(errno.EWOULDBLOCK, path)
        self._check_user(path)
        return self._hold(path)

    def open(self, path: str) -> int:
        """See `Host.open_locked`, for a file that exists."""
        self._check_user(path)
        node = self._kernel.tree.lookup(path)[1]
        if not isinstance(node, File):
            raise refusal(errno.EISDIR if isinstance(node, Directory) else errno.EACCES, path)
        if any(isinstance(other, _Opened) and other.file is node for other in self._held.values()):
            raise refusal(errno.EAGAIN, path)
        return self._hold(_Opened(path, node))

    def make(self, path: str, mode: int) -> int:
        """See `Host.open_locked`, for a file that does not exist."""
        self._faults.before_change(path)
        self._kernel.replace_file(path, b"", mode=mode)
        return self.open(path)

    def read(self, handle: int) -> bytes:
        """See `Host.read_locked`."""
        opened = self._opened(handle)
        self._faults.before_read(opened.path, opened.path)
        return opened.file.data

    def write(self, handle: int, data: bytes, *, offset: int) -> None:
        """See `Host.write_locked`."""
        opened = self._opened(handle)
        self._faults.before_change(opened.path)
        old = opened.file.data
        opened.file.data = old[:offset] + data + old[offset + len(data) :]
        opened.file.modified = self._kernel.clock.wall

    def give_back(self, handle: int) -> None:
        """See `Host.unlock`."""
        if self._held.pop(handle, None) is None:
            raise refusal(errno.EBADF)

    def give_all_back(self) -> None:
        """The process has ended."""
        self._held.clear()

    def _hold(self, what: str | _Opened) -> int:
        handle = next(self._numbers)
        self._held[handle] = what
        return handle

    def _opened(self, handle: int) -> _Opened:
        opened = self._held.get(handle)
        if not isinstance(opened, _Opened):
            raise refusal(errno.EBADF)
        return opened

    def _check_user(self, path: str) -> None:
        if self._kernel.scenario.host.user != _ROOT:
            raise refusal(errno.EACCES, path)
