"""What the checkers have in common: what they are given, what they answer, and how a SCSI answer is told from a fault.

In: the reply to a command. Out: an `Answer`, or what one is made of. It must never choose a command but the read of the
first sector, nor keep anything between two checks: what a checker has to remember is handed to it and back.

Messages begin with a blank or a colon, since the checker's name goes before them; they are those of multipathd.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from observers.asking import Dialogue, ScsiCommand, scsi
from observers.host import ScsiReply
from observers.kernel.scsi import HostStatus, Sense, SenseKey, Status, decode_sense, read_first_block, succeeded
from observers.reading import NOT_PERMITTED
from observers.snapshot import PathState


@dataclass(frozen=True, slots=True, kw_only=True)
class Recollection:
    """What a checker found before and must know again.

    `unit`: the name of the logical unit at the path's first check. `inactive_snapshot`: whether the last path that
    could tell found the unit to be a snapshot that is not active; this is the same for all paths of a map, so whoever
    checks them hands it from each to the next.
    """

    unit: bytes = b""
    inactive_snapshot: bool = False


NOTHING = Recollection()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a checker is given. `timeout`: seconds for the whole check; `clock`: seconds that never go back."""

    timeout: float
    clock: Callable[[], float]
    recollection: Recollection = NOTHING


@dataclass(frozen=True, slots=True)
class Answer:
    """What a checker found. `recollection`: None: as it was. `attentions`: unit attentions that it met on the way."""

    state: PathState
    message: str
    recollection: Recollection | None = None
    attentions: tuple[Sense, ...] = ()


Check = Callable[[Task], Dialogue[Answer]]
"""What a checker does. Whatever the device answers, or the kernel refuses, it ends with an answer."""

UP = Answer(PathState.UP, " reports path is up")
DOWN = Answer(PathState.DOWN, " reports path is down")
GHOST = Answer(PathState.GHOST, " reports path is ghost")
NO_DEVICE_NODE = Answer(PathState.UNCHECKED, " has no usable fd")
UNSUPPORTED = Answer(PathState.WILD, " doesn't support this device")

STATUS_BITS = 0x7E
"""The status byte without its two vendor-specific bits (SAM-2)."""

_COMMAND_TERMINATED = 0x22  # SCSI-2's status for a command ended early, with sense data
_DRIVER_SENSE, _DRIVER_BITS = 0x08, 0x0F

_PASSING = frozenset({HostStatus.BUS_BUSY, HostStatus.ERROR, HostStatus.SOFT_ERROR, HostStatus.TRANSPORT_DISRUPTED})
"""What the transport may no longer say when it is asked again."""

_SENSE_ATTEMPTS = 3
_ROOM = 4096
"""Bytes for the first block, which may be of 512 or of 4,096."""


def lacks_permission(error: OSError) -> bool:
    """Whether the fault is ours: the device can't be opened by this user."""
    return error.errno in NOT_PERMITTED


def is_passing(reply: ScsiReply) -> bool:
    """Whether the transport had a fault that the next command may not meet."""
    return reply.host_status in _PASSING


def sense_of(reply: ScsiReply) -> Sense | None:
    """The sense data, where status or driver say that there is some."""
    said = reply.status & STATUS_BITS in (Status.CHECK_CONDITION, _COMMAND_TERMINATED)
    return decode_sense(reply.sense) if said or reply.driver_status & _DRIVER_BITS == _DRIVER_SENSE else None


def is_good(reply: ScsiReply) -> bool:
    """Whether nobody has anything to say against the command."""
    return not (reply.status & STATUS_BITS or reply.host_status or reply.driver_status)


class Page(NamedTuple):
    """What INQUIRY brought: up and data, wild where the device does not know the page, or down."""

    state: PathState
    data: bytes = b""


def page_of(reply: ScsiReply) -> Page:
    """The page in a reply."""
    if is_good(reply):
        return Page(PathState.UP, reply.data)
    sense = sense_of(reply)
    if sense is not None and sense.key == SenseKey.RECOVERED_ERROR:
        return Page(PathState.UP, reply.data)
    refused = sense is not None and sense.key == SenseKey.ILLEGAL_REQUEST
    return Page(PathState.WILD if refused else PathState.DOWN)


def command(cdb: bytes, *, length: int, timeout: float, attempts: int = 1) -> Dialogue[ScsiReply]:
    """The reply to a command, which is sent again while the transport has passing faults."""
    for _ in range(attempts - 1):
        reply = yield from scsi(ScsiCommand(cdb=cdb, reply_length=length, timeout=timeout))
        if not is_passing(reply):
            return reply
    return (yield from scsi(ScsiCommand(cdb=cdb, reply_length=length, timeout=timeout)))


class FirstSector(NamedTuple):
    """Whether the first sector could be read, and what the device said if not."""

    readable: bool
    sense: Sense | None = None


def read_first_sector(*, timeout: float) -> Dialogue[FirstSector]:
    """Read the first sector past every cache, by SG_IO. What the kernel refuses is an `OSError`."""
    found = FirstSector(readable=False)
    for _ in range(_SENSE_ATTEMPTS):
        reply = yield from scsi(ScsiCommand(cdb=read_first_block(), reply_length=_ROOM, timeout=timeout))
        if succeeded(reply):
            return FirstSector(readable=True)
        found = FirstSector(readable=False, sense=decode_sense(reply.sense))
        if found.sense is None or found.sense.key != SenseKey.UNIT_ATTENTION:
            break
    return found
