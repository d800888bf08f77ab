"""The checker `tur`: TEST UNIT READY by SG_IO, and what its answer says of a path.

In: a `Task`. Out: an `Answer`. It sends nothing but TEST UNIT READY. It alone tells a logical unit that is no longer
mapped, and unit attentions, which it has to ask past, are in its answer: nobody else will see them again.
"""

import errno
from dataclasses import replace

from observers.asking import Dialogue, ScsiCommand, scsi
from observers.checkers.judging import (
    DOWN,
    GHOST,
    NO_DEVICE_NODE,
    STATUS_BITS,
    UNSUPPORTED,
    UP,
    Answer,
    Task,
    is_good,
    lacks_permission,
)
from observers.host import ScsiReply
from observers.kernel.scsi import HostStatus, Sense, SenseKey, Status, decode_sense, test_unit_ready
from observers.snapshot import PathState

NAME = "tur"

RUNNING = " still running"
"""The message of a check that has not ended."""

_ATTEMPTS = 5
"""How often it is asked while the device says UNIT ATTENTION or the transport had a passing fault."""

_FINAL_HOST_STATUS = frozenset(
    {
        HostStatus.OK,
        HostStatus.NO_CONNECT,
        HostStatus.BAD_TARGET,
        HostStatus.ABORT,
        HostStatus.TRANSPORT_FAILFAST,
    }
)
"""What the transport will say again if asked again."""

TIMED_OUT = Answer(PathState.TIMEOUT, " timed out")

_BY_SENSE = {
    (0x2, 0x04, 0x0B): GHOST,
    (0x2, 0x04, 0x0A): Answer(PathState.PENDING, " reports path is transitioning"),
    (0x5, 0x25, 0x00): Answer(PathState.DISCONNECTED, " no access to this device"),
}
"""By sense key, additional code and qualifier (SPC-5): standby, transition between states, LUN no longer mapped."""


def check(task: Task) -> Dialogue[Answer]:
    """Whether the device is ready. All attempts share the one timeout."""
    end, answer = task.clock() + task.timeout, DOWN
    met: tuple[Sense, ...] = ()
    for _ in range(_ATTEMPTS):
        remaining = end - task.clock()
        if remaining <= 0:
            answer = TIMED_OUT
            break
        try:
            reply = yield from scsi(ScsiCommand(cdb=test_unit_ready(), reply_length=0, timeout=remaining))
        except OSError as error:
            answer = _refused(error)
            break
        sense = decode_sense(reply.sense)
        if sense is not None and sense.key == SenseKey.UNIT_ATTENTION:
            met = (*met, sense)
        answer, final = _judge(reply, sense)
        if final:
            break
    return replace(answer, attentions=met) if met else answer


def _refused(error: OSError) -> Answer:
    """The call itself failed: it is the path's fault, except where the device knows no SCSI or we lack permission."""
    if lacks_permission(error):
        return NO_DEVICE_NODE
    if error.errno == errno.ETIMEDOUT:
        return TIMED_OUT
    return UNSUPPORTED if error.errno == errno.ENOTTY else DOWN


def _judge(reply: ScsiReply, sense: Sense | None) -> tuple[Answer, bool]:
    """What a reply says, and whether asking again could not change it."""
    if reply.status & STATUS_BITS == Status.RESERVATION_CONFLICT:  # some arrays say so to whom does not hold it
        return UP, True
    if is_good(reply):
        return UP, True
    final = reply.host_status in _FINAL_HOST_STATUS
    if sense is None:
        return DOWN, final
    said = _BY_SENSE.get((sense.key, sense.asc, sense.ascq), DOWN)
    return said, final and sense.key != SenseKey.UNIT_ATTENTION
