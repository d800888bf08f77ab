"""The calls through ctypes, on the kernel that runs the tests."""

import ctypes
import errno
import os
import random
import struct
import threading
from collections.abc import Iterator

import pytest

from observers.kernel import ioctl
from observers.kernel.real_host import RealHost

FIONREAD = 0x541B  # asm-generic/ioctls.h: how many bytes wait in a pipe


@pytest.fixture
def host() -> RealHost:
    return RealHost()


@pytest.fixture
def key() -> int:
    return 0x0D4D0000 | random.randrange(1, 0x10000)


@pytest.fixture
def semaphore(host: RealHost, key: int) -> Iterator[int]:
    made = host.semaphore_create(key)
    yield made
    try:
        host.semaphore_remove(made)
    except OSError as error:
        assert error.errno in (errno.EINVAL, errno.EIDRM)  # noqa: PT017 - the test removed it itself


def value(semaphore: int) -> int:
    return ioctl.semctl(semaphore, 0, ioctl.GETVAL)


def test_ioctl_fills_the_buffer() -> None:
    reading, writing = os.pipe()
    try:
        os.write(writing, b"12345")
        buffer = ctypes.create_string_buffer(4)
        assert ioctl.ioctl(reading, FIONREAD, buffer) == 0
        assert struct.unpack("=i", buffer.raw) == (5,)
    finally:
        os.close(reading)
        os.close(writing)


def test_ioctl_that_fails_raises_with_the_kernels_errno() -> None:
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        ioctl.ioctl(-1, FIONREAD, ctypes.create_string_buffer(4))
    assert caught.value.errno == errno.EBADF


def test_new_semaphore_has_value_one(semaphore: int) -> None:
    assert value(semaphore) == 1


def test_semaphore_is_found_by_its_key(semaphore: int, key: int) -> None:
    assert ioctl.semget(key, 1, 0) == semaphore


@pytest.mark.usefixtures("semaphore")
def test_key_that_is_in_use_is_refused(host: RealHost, key: int) -> None:
    with pytest.raises(FileExistsError):
        host.semaphore_create(key)


def test_semaphore_counts(host: RealHost, semaphore: int) -> None:
    host.semaphore_add(semaphore, 2)
    host.semaphore_add(semaphore, -1)
    assert value(semaphore) == 2


def test_semaphore_does_not_fall_under_zero_and_does_not_wait(host: RealHost, semaphore: int) -> None:
    with pytest.raises(BlockingIOError):
        host.semaphore_add(semaphore, -2)
    assert value(semaphore) == 1


def test_wait_ends_at_once_where_the_value_is_zero(host: RealHost, semaphore: int) -> None:
    host.semaphore_add(semaphore, -1)
    assert host.semaphore_wait_zero(semaphore, timeout=0)


@pytest.mark.parametrize("timeout", [pytest.param(0.01, id="after a while"), pytest.param(-1.0, id="already past")])
def test_wait_gives_up_when_the_time_is_over(host: RealHost, semaphore: int, timeout: float) -> None:
    assert not host.semaphore_wait_zero(semaphore, timeout=timeout)


def test_other_threads_run_while_one_waits(host: RealHost, semaphore: int) -> None:
    found: list[bool] = []
    waiter = threading.Thread(target=lambda: found.append(host.semaphore_wait_zero(semaphore, timeout=60)))
    waiter.start()
    host.semaphore_add(semaphore, -1)
    waiter.join(timeout=60)
    assert found == [True]


def test_semaphore_that_was_removed_is_gone(host: RealHost, semaphore: int, key: int) -> None:
    host.semaphore_remove(semaphore)
    with pytest.raises(FileNotFoundError):
        ioctl.semget(key, 1, 0)


def test_operation_on_a_removed_semaphore_is_refused(host: RealHost, semaphore: int) -> None:
    host.semaphore_remove(semaphore)
    with pytest.raises(OSError, match="Invalid argument"):
        host.semaphore_add(semaphore, 1)
