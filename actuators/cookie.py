"""Waiting for udev: the cookie that goes with an ioctl, and the semaphore that udev's rules count down.

Theory of operation (facts of libdevmapper, so that `dmsetup udevcomplete` in 95-dm-notify.rules finds what it looks
for). A cookie is a System V semaphore whose key is 0x0D4D in the upper half and a base, never 0, in the lower. The
ioctl's `event_nr` carries the base below and the `UdevFlags` above; the kernel prints it as DM_COOKIE into the uevent,
and the last rule takes 1 from the semaphore. Its value:

    made: 1    before an ioctl: +1    ioctl refused, or it made no uevent: -1    udev is done: -1
    at the end: -1, wait for 0, remove

In: a host and how to wait (`UdevSync`). Out: a `Cookie` for the ioctls of one step, and a note when udev did not
answer. Must never wait without limit, and never leave a semaphore behind, whatever is raised. No cookie is worth a
map: where a semaphore can't be had or has been taken away, the ioctls go out with their flags alone.
"""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from actuators.steps import UdevFlags
from observers.host import Host
from observers.kernel.dm_ioctl import Flag, Header

COOKIE_MAGIC = 0x0D4D
"""DM_COOKIE_MAGIC of libdevmapper.h: the upper half of a semaphore's key."""

BASES = 0xFFFF
"""How many bases there are: 1 to 65535, as 0 means no cookie."""

MOST_TRIES = 256
"""Keys in use before we go without; each one is another program's, or was left by one that was killed."""

DEFAULT_TIMEOUT = 10.0
"""Seconds to wait for udev, per step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UdevSync:
    """How steps wait for udev. `bases`: where cookies come from, endless; `timeout`: seconds, per step."""

    running: bool
    bases: Iterator[int]
    timeout: float = DEFAULT_TIMEOUT


def cookie_bases(seed: int) -> Iterator[int]:
    """All bases in turn, without end, from one that `seed` picks."""
    while True:
        yield seed % BASES + 1
        seed += 1


class Cookie:
    """One semaphore, for all the ioctls of one step; without a semaphore it only hands on the flags."""

    def __init__(self, host: Host, sync: UdevSync) -> None:
        self._host, self._timeout = host, sync.timeout
        self._base, self._semaphore, self._note = 0, None if not sync.running else -1, ""
        if sync.running:
            self._create(sync.bases)

    def _create(self, bases: Iterator[int]) -> None:
        self._semaphore = None
        problem = errno.EEXIST
        for base in (next(bases) for _ in range(MOST_TRIES)):
            try:
                self._semaphore = self._host.semaphore_create(COOKIE_MAGIC << 16 | base)
            except OSError as error:
                problem = error.errno or errno.EIO
                if problem != errno.EEXIST:
                    break
            else:
                self._base = base
                return
        self._note = f"did not wait for udev, as there is no semaphore ({errno.errorcode.get(problem, problem)})"

    def send(self, flags: UdevFlags, call: Callable[[int], Header]) -> Header:
        """Do an ioctl that makes a uevent: `call` is handed the `event_nr` to send and returns the reply's header."""
        self._add(1)
        try:
            reply = call(int(flags | UdevFlags.PRIMARY_SOURCE) << 16 | self._base)
        except BaseException:
            self._add(-1)
            raise
        if Flag.DM_UEVENT_GENERATED_FLAG not in reply.flags:
            self._add(-1)
        return reply

    def wait(self) -> str:
        """Wait until udev has handled everything that was sent; returns a note for people, mostly empty."""
        if self._semaphore is not None and not self._done(self._semaphore):
            self._note = f"udev did not answer within {self._timeout:g} s"
        return self._note

    def _done(self, semaphore: int) -> bool:
        """False when the time ran out first. A semaphore that somebody removed or counted down has been answered."""
        deadline = self._host.monotonic() + self._timeout
        self._add(-1)
        while (left := deadline - self._host.monotonic()) > 0:
            try:
                return self._host.semaphore_wait_zero(semaphore, timeout=left)
            except OSError as error:
                if error.errno != errno.EINTR:
                    return True
        return False

    def close(self) -> None:
        """Remove the semaphore. Needed after `wait` too; harmless when it is gone."""
        if self._semaphore is not None:
            with suppress(OSError):
                self._host.semaphore_remove(self._semaphore)
            self._semaphore, self._base = None, 0

    def _add(self, delta: int) -> None:
        """`dmsetup udevcomplete_all` and the like may take the semaphore away at any time: that is no failure."""
        if self._semaphore is not None:
            with suppress(OSError):
                self._host.semaphore_add(self._semaphore, delta)


@contextmanager
def udev_cookie(host: Host, sync: UdevSync) -> Iterator[Cookie]:
    """A cookie that is closed at the end, whatever is raised."""
    cookie = Cookie(host, sync)
    try:
        yield cookie
    finally:
        cookie.close()
