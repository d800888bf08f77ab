"""What a sandbox raises besides the errnos of the kernel that it stands for.

In: nothing. Out: exception types. They are never raised by a real host, so nobody outside tests may catch them.
"""

import os

from observers.errors import InvariantBroken


class WouldBlock(InvariantBroken):
    """A call would sleep in the kernel and nothing that is due could ever wake it: on a real host a hung process."""


class Killed(BaseException):
    """The process was killed (`Faults.kill_at`). Not an `Exception`: no handler of the program may survive it."""


def refusal(error: int, what: str = "") -> OSError:
    """The `OSError` of a system call that failed with an errno."""
    return OSError(error, os.strerror(error), what) if what else OSError(error, os.strerror(error))
