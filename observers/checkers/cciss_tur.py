"""The checker `cciss_tur`: TEST UNIT READY through the cciss driver, whose disks take no SG_IO.

In: a `Task`. Out: an `Answer`. It sends nothing but TEST UNIT READY. multipathd lets that command wait for ever; here
it has the timeout of the check.
"""

from observers.asking import CcissReady, Dialogue, cciss
from observers.checkers.judging import DOWN, NO_DEVICE_NODE, UP, Answer, Task, lacks_permission

NAME = "cciss_tur"


def check(task: Task) -> Dialogue[Answer]:
    """Whether the logical drive is ready."""
    try:
        ready = yield from cciss(CcissReady(timeout=task.timeout))
    except OSError as error:
        return NO_DEVICE_NODE if lacks_permission(error) else DOWN
    return UP if ready else DOWN
