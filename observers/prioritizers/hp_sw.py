"""The prioritizer `hp_sw`: whether an HP MSA or EVA in active/passive mode takes I/O here, by TEST UNIT READY.

In: a path. Out: 4 active, 2 standby, 0 failed. It sends TEST UNIT READY, nothing else.
"""

from observers.asking import Dialogue, ScsiCommand, scsi
from observers.host import ScsiReply
from observers.kernel.scsi import Status, decode_sense, failure_text, test_unit_ready
from observers.prioritizers.judging import Judgement
from observers.snapshot import Path

NAME = "hp_sw"

_ACTIVE, _STANDBY, _FAILED = 4, 2, 0

_ATTEMPTS = 5
"""How often it is asked while it says that it was reset. (multipath-tools asks for as long as it says so.)"""

_STATUS_BITS = 0x7E
"""The status byte without its two vendor-specific bits (SAM-2)."""
_COMMAND_TERMINATED = 0x22
_DRIVER_SENSE = 0x08
_RECOVERED, _NOT_READY, _ATTENTION = 1, 2, 6
_RESET = 0x29


def ask(_path: Path, _arguments: str, *, timeout: float) -> Dialogue[Judgement]:
    """See `Ask`."""
    judged = Judgement(_FAILED)
    for _ in range(_ATTEMPTS):
        reply = yield from scsi(ScsiCommand(cdb=test_unit_ready(), reply_length=0, timeout=timeout))
        judged, again = _judge(reply)
        if not again:
            break
    return judged


def _judge(reply: ScsiReply) -> tuple[Judgement, bool]:
    """What an answer says, and whether the device was only reset."""
    status = reply.status & _STATUS_BITS
    if not (status or reply.host_status or reply.driver_status):
        return Judgement(_ACTIVE), False
    told = status in (Status.CHECK_CONDITION, _COMMAND_TERMINATED) or reply.driver_status & 0xF == _DRIVER_SENSE
    sense = decode_sense(reply.sense) if told else None
    if sense is not None and sense.key == _RECOVERED:
        return Judgement(_ACTIVE), False
    if sense is not None and (sense.key, sense.asc, sense.ascq) == (_NOT_READY, 0x04, 0x02):
        return Judgement(_STANDBY), False
    again = sense is not None and (sense.key, sense.asc) == (_ATTENTION, _RESET)
    return Judgement(_FAILED, failure_text(reply)), again
