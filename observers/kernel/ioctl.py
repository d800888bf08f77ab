"""The system calls that Python's own modules do not make well, or at all, through libc with ctypes.

In: what the call takes. Out: what it returns; a failure is an `OSError` with the kernel's errno. One small function a
call, named as the call is. `fcntl.ioctl` is no substitute: with a buffer over 1,024 bytes it holds the interpreter's
lock while the kernel works, and a device-mapper call that blocks would stop every thread. ctypes gives the lock up.
This module must never retry, choose, or interpret a buffer.
"""

import ctypes
import os
from typing import Any

_libc = ctypes.CDLL(None, use_errno=True)

IPC_CREAT = 0o1000
IPC_EXCL = 0o2000
IPC_NOWAIT = 0o4000
IPC_RMID = 0
GETVAL = 12


class sembuf(ctypes.Structure):  # noqa: N801 - the kernel's name
    """`struct sembuf` of linux/sem.h: which semaphore of the set, what to add (0: wait for zero), and flags."""

    _fields_ = (("sem_num", ctypes.c_ushort), ("sem_op", ctypes.c_short), ("sem_flg", ctypes.c_short))


class timespec(ctypes.Structure):  # noqa: N801 - the kernel's name
    """`struct timespec`: seconds and nanoseconds."""

    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


def _function(name: str, *arguments: Any) -> Any:
    function = _libc[name]
    function.argtypes, function.restype = arguments, ctypes.c_int
    return function


_ioctl = _function("ioctl", ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)
_semget = _function("semget", ctypes.c_int, ctypes.c_int, ctypes.c_int)
_semctl = _function("semctl", ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int)
_semop = _function("semop", ctypes.c_int, ctypes.POINTER(sembuf), ctypes.c_size_t)
_semtimedop = _function("semtimedop", ctypes.c_int, ctypes.POINTER(sembuf), ctypes.c_size_t, ctypes.POINTER(timespec))


def ioctl(descriptor: int, request: int, buffer: "ctypes.Array[ctypes.c_char]") -> int:
    """ioctl(2) with a buffer that the kernel reads and fills; the caller answers for its size."""
    return _checked(_ioctl(descriptor, request, buffer))


def semget(key: int, count: int, flags: int) -> int:
    """semget(2): the id of the set with that key; `flags` are IPC_CREAT, IPC_EXCL and the mode."""
    return _checked(_semget(ctypes.c_int(key), count, flags))


def semctl(semaphore: int, number: int, command: int) -> int:
    """semctl(2) for the commands without a fourth argument: IPC_RMID, GETVAL.

    SETVAL is not offered: its union by value is more than ctypes can pass on every machine, and a new set is zero.
    """
    return _checked(_semctl(semaphore, number, command, 0))


def semop(semaphore: int, operation: sembuf) -> None:
    """semop(2) with one operation."""
    _checked(_semop(semaphore, ctypes.byref(operation), 1))


def semtimedop(semaphore: int, operation: sembuf, timeout: float) -> None:
    """semtimedop(2) with one operation: EAGAIN when `timeout` seconds passed first."""
    whole = int(timeout)
    until = timespec(whole, int((timeout - whole) * 1_000_000_000))
    _checked(_semtimedop(semaphore, ctypes.byref(operation), 1, ctypes.byref(until)))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
