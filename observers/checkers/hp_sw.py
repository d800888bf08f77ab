"""The checker `hp_sw`: for arrays whose passive paths answer INQUIRY, but not TEST UNIT READY.

In: a `Task`. Out: an `Answer`. It sends INQUIRY for VPD page 0x80 and TEST UNIT READY, nothing else.
"""

import errno

from observers.asking import Dialogue
from observers.checkers.judging import (
    DOWN,
    GHOST,
    NO_DEVICE_NODE,
    UNSUPPORTED,
    UP,
    Answer,
    Task,
    command,
    is_good,
    lacks_permission,
    page_of,
)
from observers.kernel.scsi import inquiry_page, test_unit_ready
from observers.snapshot import PathState

NAME = "hp_sw"

_PAGE, _LENGTH = 0x80, 255


def check(task: Task) -> Dialogue[Answer]:
    """Whether the device is there, and if so, whether it is ready."""
    try:
        reply = yield from command(inquiry_page(_PAGE, length=_LENGTH), length=_LENGTH, timeout=task.timeout)
    except OSError as error:
        if lacks_permission(error):
            return NO_DEVICE_NODE
        return UNSUPPORTED if error.errno == errno.ENOTTY else DOWN
    page = page_of(reply)
    if page.state is not PathState.UP:
        return UNSUPPORTED if page.state is PathState.WILD else DOWN
    return (yield from _ready(task))


def _ready(task: Task) -> Dialogue[Answer]:
    try:
        reply = yield from command(test_unit_ready(), length=0, timeout=task.timeout)
    except OSError:
        return GHOST
    return UP if is_good(reply) else GHOST
