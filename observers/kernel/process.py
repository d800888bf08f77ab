"""What a process asks of the kernel and of malloc about itself, through libc with ctypes: names as in the C library.

In: what the call takes. Out: nothing; a failure is an `OSError` with the kernel's errno. It must never be called for
another process.
"""

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)

M_ARENA_MAX = -8
"""malloc.h: the number of arenas over which threads may spread."""

M_MMAP_THRESHOLD = -3
"""malloc.h: the bytes from which on a piece has a mapping of its own; given, malloc does not change it by itself."""

MCL_CURRENT, MCL_FUTURE = 1, 2
"""sys/mman.h: what is mapped now, and what will be."""

_PR_SET_NAME, _PR_SET_IO_FLUSHER = 15, 57
"""linux/prctl.h."""

_NAME_SIZE = 15
"""TASK_COMM_LEN without its final NUL: a longer name is cut by the kernel."""


def mlockall(flags: int) -> None:
    """mlockall(2)."""
    if _libc.mlockall(ctypes.c_int(flags)):
        code = ctypes.get_errno()
        raise OSError(code, f"mlockall: {os.strerror(code)}")


def mallopt(parameter: int, value: int) -> None:
    """mallopt(3); a parameter that this malloc does not have changes nothing."""
    _libc.mallopt(ctypes.c_int(parameter), ctypes.c_int(value))


def set_name(name: str) -> None:
    """Name the calling thread (PR_SET_NAME): of the main thread, what `ps` and `pgrep` call the process."""
    _libc.prctl(_PR_SET_NAME, ctypes.c_char_p(name.encode("ascii", "replace")[:_NAME_SIZE]), 0, 0, 0)


def set_io_flusher() -> None:
    """Have the kernel start no I/O to find memory for the calling thread and those that it will start.

    PR_SET_IO_FLUSHER of prctl(2), since Linux 5.6, with CAP_SYS_RESOURCE; where that is not to be had nothing changes.
    """
    _libc.prctl(_PR_SET_IO_FLUSHER, 1, 0, 0, 0)
