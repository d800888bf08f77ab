"""The checker `readsector0`: READ of the first sector by SG_IO.

In: a `Task`. Out: an `Answer`. It sends READ(10) of one block, nothing else. multipathd has no word of its own for a
device that takes no SCSI commands here: the path is down.
"""

import errno

from observers.asking import Dialogue
from observers.checkers.judging import DOWN, NO_DEVICE_NODE, UP, Answer, Task, lacks_permission, read_first_sector

NAME = "readsector0"


def check(task: Task) -> Dialogue[Answer]:
    """Whether the first sector can be read."""
    try:
        found = yield from read_first_sector(timeout=task.timeout)
    except OSError as error:
        if lacks_permission(error):
            return NO_DEVICE_NODE
        return UP if error.errno == errno.ENOMEM else DOWN  # that the kernel has no memory says nothing of the path
    return UP if found.readable else DOWN
