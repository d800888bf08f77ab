"""The checker `tur`: TEST UNIT READY by SG_IO, and what its answer says of a path.

In: a `ReadHost` and a path's facts. Out: a `Health`. It sends nothing but TEST UNIT READY, and must never keep anything
from one call to the next, so that many paths can be checked at once.
"""

import errno
from typing import NamedTuple

from observers.host import ReadHost, ScsiReply
from observers.kernel.scsi import HostStatus, Status, decode_sense, test_unit_ready
from observers.reading import NOT_PERMITTED
from observers.snapshot import Health, Path, PathState

NAME = "tur"

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

_STATUS_BITS = 0x7E
"""The status byte without its two vendor-specific bits (SAM-2)."""

_UNIT_ATTENTION = 6


class _Answer(NamedTuple):
    state: PathState
    message: str


UP = _Answer(PathState.UP, " reports path is up")
DOWN = _Answer(PathState.DOWN, " reports path is down")
TIMED_OUT = _Answer(PathState.TIMEOUT, " timed out")
NO_DEVICE_NODE = _Answer(PathState.UNCHECKED, " has no usable fd")
UNSUPPORTED = _Answer(PathState.WILD, " doesn't support this device")

_BY_SENSE = {
    (0x2, 0x04, 0x0B): _Answer(PathState.GHOST, " reports path is ghost"),
    (0x2, 0x04, 0x0A): _Answer(PathState.PENDING, " reports path is transitioning"),
    (0x5, 0x25, 0x00): _Answer(PathState.DISCONNECTED, " no access to this device"),
}
"""By sense key, additional code and qualifier (SPC-5): standby, transition between states, LUN no longer mapped."""


def check(host: ReadHost, path: Path, *, timeout: float) -> Health:
    """Whether the device is ready. `timeout`: seconds, for all attempts together."""
    state, message = _ask(host, path, timeout=timeout)
    return Health(NAME, state, message)


def _ask(host: ReadHost, path: Path, *, timeout: float) -> _Answer:
    end, answer = host.monotonic() + timeout, DOWN
    for _ in range(_ATTEMPTS):
        remaining = end - host.monotonic()
        if remaining <= 0:
            return TIMED_OUT
        try:
            reply = host.scsi_inquire(path.name, test_unit_ready(), reply_length=0, timeout=remaining)
        except OSError as error:
            return _refused(error)
        answer, final = _judge(reply)
        if final:
            break
    return answer


def _refused(error: OSError) -> _Answer:
    """The call itself failed: it is the path's fault, except where the device knows no SCSI or we lack permission."""
    if error.errno in NOT_PERMITTED:
        return NO_DEVICE_NODE
    return UNSUPPORTED if error.errno == errno.ENOTTY else DOWN


def _judge(reply: ScsiReply) -> tuple[_Answer, bool]:
    """What a reply says, and whether asking again could not change it."""
    status = reply.status & _STATUS_BITS
    if status == Status.RESERVATION_CONFLICT:  # some arrays answer so to whom does not hold the reservation
        return UP, True
    if not (status or reply.host_status or reply.driver_status):
        return UP, True
    sense = decode_sense(reply.sense)
    passing = reply.host_status not in _FINAL_HOST_STATUS or (sense is not None and sense.key == _UNIT_ATTENTION)
    return (_BY_SENSE.get((sense.key, sense.asc, sense.ascq), DOWN) if sense else DOWN), not passing
