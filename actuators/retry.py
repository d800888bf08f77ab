"""When a refused call is worth doing again, and how long: the one place that uses tenacity.

In: a host, a call, and a policy. Out: the call's result, or its last `KernelRefused`. All waiting goes through
`Host.sleep`, so a virtual clock works, and all limits are counts of attempts, because tenacity would measure time by
a clock of its own. Must never retry an errno that a policy does not name: ENXIO says that the device is gone.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from observers.errors import KernelRefused
from observers.host import Host

T = TypeVar("T")

SHORTEST_WAIT = 0.02
"""Seconds before the first further attempt; it doubles each time."""

LONGEST_WAIT = 0.5
"""Seconds between attempts at most."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Which errnos are worth another attempt, and how many attempts there are in all."""

    errors: frozenset[int]
    attempts: int


INTERRUPTED = Policy(frozenset({errno.EINTR}), attempts=10)
"""A signal came while the kernel waited for I/O; it has undone what it had begun."""

BUSY = Policy(frozenset({errno.EBUSY, errno.EINTR}), attempts=15)
"""A program, mostly one of udev's, has the device open for a moment: about 5 s in all."""

RECOVERING = Policy(
    frozenset({errno.EINTR, errno.ENOMEM, errno.EAGAIN, errno.EBUSY, errno.EINVAL, errno.EIO}), attempts=8
)
"""A suspended map blocks all its I/O, so whatever may pass is tried again: about 2 s in all."""


def again(host: Host, call: Callable[[], T], policy: Policy) -> T:
    """Do `call`, and again while it raises a `KernelRefused` that the policy names."""

    def transient(error: BaseException) -> bool:
        return isinstance(error, KernelRefused) and error.errno in policy.errors

    retrying = Retrying(
        sleep=host.sleep,
        stop=stop_after_attempt(policy.attempts),
        wait=wait_exponential(multiplier=SHORTEST_WAIT, max=LONGEST_WAIT),
        retry=retry_if_exception(transient),
        reraise=True,
    )
    return retrying(call)
