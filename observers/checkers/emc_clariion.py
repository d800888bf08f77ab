"""The checker `emc_clariion`: what a CLARiiON or VNX says of a path in VPD page 0xC0, and a read on the active path.

In: a `Task` with what was found before. Out: an `Answer` with what to remember. It sends INQUIRY and READ(10) of the
first sector, nothing else. A snapshot that is not active shows only by that read, on the path where it is active; the
others learn of it from the recollection.
"""

import errno
from dataclasses import replace

from observers.asking import Dialogue
from observers.checkers.judging import (
    NO_DEVICE_NODE,
    UNSUPPORTED,
    Answer,
    Recollection,
    Task,
    command,
    lacks_permission,
    read_first_sector,
    sense_of,
)
from observers.host import ScsiReply
from observers.kernel.scsi import Sense, SenseKey, inquiry_page, succeeded
from observers.snapshot import PathState

NAME = "emc_clariion"

_ATTEMPTS = 5
_PAGE, _LENGTH = 0xC0, 128
_LEAST = 49
"""Bytes up to the last one that is looked at."""

_PAGE_CODE, _REVISION = 1, 9
_UNIT_STATE, _UNBOUND, _ACTIVE = 4, 0, 2
_NAME = slice(10, 26)
_INITIATOR_TYPE, _EFFECTIVE_TYPE = 27, 0x03
_FAILOVER_MODE, _FAILOVER_BITS, _FAILOVER_MODES = 28, 0x07, (0x04, 0x06)  # passive not ready, or ALUA
_OPTIONS, _ARRAY_COMMUNICATION_PATH = 30, 0x04
_OPERATIONS, _NORMAL = 48, 0

_INACTIVE_SNAPSHOT = (0x5, 0x25, 0x01)

_NOT_SENT = Answer(PathState.DOWN, ": sending query command failed")
_QUERY_ERROR = Answer(PathState.DOWN, ": query command indicates error")
_CONFIGURATION = Answer(PathState.DOWN, ": Path not correctly configured for failover")
_UNKNOWN_FORMAT = Answer(PathState.DOWN, ": Path unit report page in unknown format")
_NOT_AVAILABLE = Answer(PathState.SHAKY, ": Path not available for normal operations")
_NOT_BOUND = Answer(PathState.DOWN, ": Logical Unit is unbound or LUNZ")
_CHANGED = Answer(PathState.DOWN, ": Logical Unit WWN has changed")
_READ_ERROR = Answer(PathState.DOWN, ": Read error")
_HEALTHY = Answer(PathState.UP, ": Active path is healthy")  # said of passive paths too
_INACTIVE = Answer(PathState.DOWN, "")


def check(task: Task) -> Dialogue[Answer]:
    """Whether the path leads to a unit that is bound, the same as before, and readable where it is active."""
    cdb = inquiry_page(_PAGE, length=_LENGTH)
    try:
        reply = yield from command(cdb, length=_LENGTH, timeout=task.timeout, attempts=_ATTEMPTS)
    except OSError as error:
        if lacks_permission(error):
            return NO_DEVICE_NODE
        return UNSUPPORTED if error.errno == errno.ENOTTY else _NOT_SENT
    wrong = _refused(reply) or _wrong(reply.data)
    if wrong is not None:
        return wrong
    unit = reply.data[_NAME]
    if task.recollection.unit not in (b"", unit):
        return _CHANGED
    known = replace(task.recollection, unit=unit)
    if reply.data[_UNIT_STATE] == _ACTIVE:
        return (yield from _read(task, known))
    return replace(_INACTIVE if known.inactive_snapshot else _HEALTHY, recollection=known)


def _refused(reply: ScsiReply) -> Answer | None:
    """A page that the device gave only after it recovered from an error is not taken either."""
    sense = sense_of(reply)
    if sense is not None and sense.key == SenseKey.ILLEGAL_REQUEST:
        return UNSUPPORTED
    return None if succeeded(reply) else _QUERY_ERROR


def _wrong(page: bytes) -> Answer | None:
    """What speaks against the path in its page; None: nothing."""
    if len(page) < _LEAST or page[_PAGE_CODE] != _PAGE or page[_REVISION]:
        return _UNKNOWN_FORMAT
    fails_over = page[_FAILOVER_MODE] & _FAILOVER_BITS in _FAILOVER_MODES
    if page[_INITIATOR_TYPE] != _EFFECTIVE_TYPE or not (fails_over and page[_OPTIONS] & _ARRAY_COMMUNICATION_PATH):
        return _CONFIGURATION
    if page[_OPERATIONS] != _NORMAL:
        return _NOT_AVAILABLE
    return _NOT_BOUND if page[_UNIT_STATE] == _UNBOUND else None


def _read(task: Task, known: Recollection) -> Dialogue[Answer]:
    """A read on the active path, which alone can tell that the unit is a snapshot that is not active."""
    try:
        found = yield from read_first_sector(timeout=task.timeout)
    except OSError as error:
        healthy = error.errno == errno.ENOMEM  # that the kernel has no memory says nothing of the path
        return replace(_HEALTHY if healthy else _READ_ERROR, recollection=known)
    if found.readable:
        return replace(_HEALTHY, recollection=replace(known, inactive_snapshot=False))
    if _says_inactive(found.sense):
        return replace(_INACTIVE, recollection=replace(known, inactive_snapshot=True))
    return replace(_READ_ERROR, recollection=known)


def _says_inactive(sense: Sense | None) -> bool:
    return sense is not None and (sense.key, sense.asc, sense.ascq) == _INACTIVE_SNAPSHOT
