"""The checker `directio`: a read of the first block past every cache.

In: a `Task`. Out: an `Answer`. It reads one block, nothing else. A read that takes too long is a path that is down, as
multipathd has it; there is no state of its own for that.
"""

import errno

from observers.asking import Dialogue, DirectRead, read
from observers.checkers.judging import DOWN, NO_DEVICE_NODE, UP, Answer, Task, lacks_permission
from observers.snapshot import PathState

NAME = "directio"

RUNNING = " is waiting on aio"
"""The message of a check that has not ended; the words are multipathd's, whatever waits."""

_NOT_AVAILABLE = Answer(PathState.UNCHECKED, " is not available")
_CANNOT_BEGIN = frozenset({errno.EINVAL, errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE})
"""Why a read did not even begin: the device takes no direct reads, or we have no room for one."""

_LEAST = 512
"""Bytes; no block is smaller, and a device without any medium gives less."""


def check(task: Task) -> Dialogue[Answer]:
    """Whether the first block can be read."""
    try:
        block = yield from read(DirectRead(timeout=task.timeout))
    except OSError as error:
        if lacks_permission(error):
            return NO_DEVICE_NODE
        return _NOT_AVAILABLE if error.errno in _CANNOT_BEGIN else DOWN
    return UP if block.whole and len(block.data) >= _LEAST else DOWN
