"""The checker `rdac`: what an Engenio or E-Series controller says of a volume in VPD page 0xC9.

In: a `Task`. Out: an `Answer`. It sends INQUIRY, nothing else. multipathd sets the TAS bit of the control mode page
when it begins to check a path; a checker here never writes, so who relies on that bit has to set it himself. And
multipathd takes a call that failed, or a page cut off, for a page of zeros (a standby path); here that path is down.
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
    lacks_permission,
    page_of,
)
from observers.kernel.scsi import AccessState, inquiry_page
from observers.snapshot import PathState

NAME = "rdac"

_ATTEMPTS = 5
_PAGE, _LENGTH = 0xC9, 48
_LEAST = 14
"""Bytes up to the last one that is looked at."""

_CONNECTED_BITS = 0x7F  # of byte 0: a disk with peripheral qualifier 0; the topmost bit is not looked at
_FLAGS = 8
_OWNER, _HAS_GROUPS, _IO_SHIPPING = 0x01, 0x10, 0x20
_STATE, _REASON, _OTHER_STATE = 10, 11, 12
_STATE_BITS = 0x0F


def _down(reason: str) -> Answer:
    return Answer(PathState.DOWN, f"{DOWN.message}: {reason}")


_FAILED = _down("inquiry failed")
_NOT_CONNECTED = _down("lun not connected")
_STARTING = _down("ctlr is in startup sequence")
_UNAVAILABLE = _down("ctlr is unavailable")
_BY_REASON = {
    0x2: _down("non-responsive to queries"),
    0x3: _down("ctlr held in reset"),
    0x4: _down("ctlr firmware downloading"),
    0x5: _down("ctlr firmware downloading"),
    0x6: _down("ctlr quiesced by admin request"),
    0x7: _down("ctlr is in service mode"),
}
"""Why a controller's target port group is unavailable, by the vendor's byte."""


def check(task: Task) -> Dialogue[Answer]:
    """Whether this controller can be sent I/O: its own, or after the volume was moved to it."""
    cdb = inquiry_page(_PAGE, length=_LENGTH)
    try:
        reply = yield from command(cdb, length=_LENGTH, timeout=task.timeout, attempts=_ATTEMPTS)
    except OSError as error:
        if lacks_permission(error):
            return NO_DEVICE_NODE
        return UNSUPPORTED if error.errno == errno.ENOTTY else _FAILED
    page = page_of(reply)
    if page.state is PathState.WILD:
        return UNSUPPORTED
    return _judge(page.data) if page.state is PathState.UP and len(page.data) >= _LEAST else _FAILED


def _judge(page: bytes) -> Answer:
    if page[0] & _CONNECTED_BITS:
        return _NOT_CONNECTED
    if page[_FLAGS] & _HAS_GROUPS and (trouble := _trouble(page)) is not None:
        return trouble
    return UP if page[_FLAGS] & (_OWNER | _IO_SHIPPING) else GHOST


def _trouble(page: bytes) -> Answer | None:
    """What is wrong with this controller. Both in transition: the volume is just being moved, and nothing is wrong."""
    state, other = page[_STATE] & _STATE_BITS, page[_OTHER_STATE] & _STATE_BITS
    if state == AccessState.UNAVAILABLE:
        return _BY_REASON.get(page[_REASON], _UNAVAILABLE)
    if state == AccessState.TRANSITIONING and other != AccessState.TRANSITIONING:
        return _STARTING
    return None
