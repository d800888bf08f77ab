"""Files that are kept: replaced as a whole, or locked and then written in place.

In: paths and bytes. Out: what is on the disk when the call returns; a refusal is an `OSError`. Any thread may call. It
must never leave a part of what it was to write.
"""

import errno
import os
import tempfile

from observers.kernel import record_lock

_READ_CHUNK = 1 << 16  # bytes
_DIRECTORY_MODE = 0o755


def replace(path: str, data: bytes, *, mode: int) -> None:
    """See `observers.host.Host.replace_file`. A symbolic link stays one: the file that it leads to is replaced."""
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    os.makedirs(folder, mode=_DIRECTORY_MODE, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=f".{os.path.basename(target)}.")
    try:
        _fill(descriptor, data, mode=mode)
        os.rename(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_directory(folder)


def open_locked(path: str, *, mode: int | None) -> int:
    """See `observers.host.Host.open_locked`. The lock goes with the descriptor that is returned."""
    descriptor = _opened(path, mode)
    try:
        record_lock.lock(descriptor)
        if not record_lock.leads_to(path, descriptor):
            raise BlockingIOError(errno.EAGAIN, "it was replaced before it was locked", path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_locked(descriptor: int) -> bytes:
    """The whole content."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    return b"".join(iter(lambda: os.read(descriptor, _READ_CHUNK), b""))


def write_locked(descriptor: int, data: bytes, *, offset: int) -> None:
    """See `observers.host.Host.write_locked`."""
    size = os.fstat(descriptor).st_size
    try:
        written = 0
        while written < len(data):
            written += os.pwrite(descriptor, data[written:], offset + written)
        os.fsync(descriptor)
    except BaseException:
        os.ftruncate(descriptor, size)
        raise


def _opened(path: str, mode: int | None) -> int:
    flags = os.O_RDWR | os.O_CLOEXEC
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        if mode is None:
            raise
    _make(path, mode)
    return os.open(path, flags)


def _make(path: str, mode: int) -> None:
    """Have a file, empty if it was not there."""
    folder = os.path.dirname(os.path.realpath(path))
    os.makedirs(folder, mode=_DIRECTORY_MODE, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode))
    _sync_directory(folder)


def _fill(descriptor: int, data: bytes, *, mode: int) -> None:
    """Write, set the mode as it was asked for (whatever the umask), bring to the disk, close."""
    with open(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
