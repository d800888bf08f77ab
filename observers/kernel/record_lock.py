"""Locks of fcntl(2) on whole files, by which this project and multipath-tools keep out of each other's way.

In: an open file. Out: the lock, or BlockingIOError. multipath-tools takes record locks, which belong to a process. Ours
belong to an open file description (F_OFD_SETLK): the two kinds conflict, but ours also keep the threads of one process
apart, and are not lost when another descriptor of the same file is closed. It must never wait.
"""

import errno
import fcntl
import os
import struct

_WHOLE_FILE = struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
"""A struct flock of fcntl(2): type, whence, start, length, and the process, which must be 0 here."""


def lock(descriptor: int) -> None:
    """Lock a file for writing until the descriptor is closed. BlockingIOError: somebody else has locked it."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _WHOLE_FILE)
    except PermissionError as error:  # fcntl(2) allows either errno for the same
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error


def held(descriptor: int) -> bool:
    """Whether somebody else has locked a file; nothing is locked by asking."""
    answer: bytes = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _WHOLE_FILE)
    (kind,) = struct.unpack_from("h", answer)
    return bool(kind != fcntl.F_UNLCK)


def leads_to(path: str, descriptor: int) -> bool:
    """Whether the path names the very file that is open: another may have taken its place before it was locked."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(descriptor))
