"""TEST UNIT READY by the pass-through of the cciss and hpsa drivers <-> the kernel's structs.

In: a logical drive's number, or what the kernel brought back. Out: the bytes of the calls, and whether the drive is
ready. The sources are linux/cciss_ioctl.h and linux/cciss_defs.h. Pure; it can pack no other command.
"""

import math
import struct

from observers.errors import ProtocolError
from observers.kernel.request import reads, reads_and_writes
from observers.kernel.scsi import test_unit_ready

_DRIVE = struct.Struct("@Iii")
"""LogvolInfo_struct: the drive's number, how often it is open, how many partitions it has."""

_COMMAND = struct.Struct("@I4sBBH16sBBHI8s32sHP")
"""IOCTL_Command_struct: address, request, error information, and a buffer that TEST UNIT READY does not need."""

_SCSI_STATUS_FIELD, _COMMAND_STATUS_FIELD = 6, 8

DRIVE_SIZE, COMMAND_SIZE = _DRIVE.size, _COMMAND.size

GET_DRIVE = reads(ord("B"), 17, DRIVE_SIZE)
"""CCISS_GETLUNINFO."""

PASS_THROUGH = reads_and_writes(ord("B"), 11, COMMAND_SIZE)
"""CCISS_PASSTHRU."""

_NUMBER_BITS = 0x3FFFFFFF
_LOGICAL_DRIVE = 1 << 30  # the mode bits of an address: a logical drive
_COMMAND_TYPE, _SIMPLE, _NO_DATA = 0x00, 0x04 << 3, 0x00 << 6
_MAXIMUM_TIMEOUT = 0xFFFF  # seconds


class CcissFormatError(ProtocolError):
    """The driver's answer has another size than its header says."""


def drive_number(answer: bytes) -> int:
    """The logical drive's number, from the answer to `GET_DRIVE`."""
    if len(answer) != DRIVE_SIZE:
        raise CcissFormatError(f"LogvolInfo_struct has {len(answer)} bytes, should be {DRIVE_SIZE}")
    number: int = _DRIVE.unpack(answer)[0]
    return number


def pack_test_unit_ready(drive: int, *, timeout: float) -> bytes:
    """The command; `timeout` in seconds, and at least one, as 0 is for ever."""
    cdb = test_unit_ready()
    kind = _COMMAND_TYPE | _SIMPLE | _NO_DATA
    seconds = min(max(1, math.ceil(timeout)), _MAXIMUM_TIMEOUT)
    address = drive & _NUMBER_BITS | _LOGICAL_DRIVE
    request = (len(cdb), kind, seconds, cdb.ljust(16, b"\0"))
    return _COMMAND.pack(address, b"", *request, 0, 0, 0, 0, b"", b"", 0, 0)


def is_ready(answer: bytes) -> bool:
    """Whether the driver and the drive both call the command a success."""
    if len(answer) != COMMAND_SIZE:
        raise CcissFormatError(f"IOCTL_Command_struct has {len(answer)} bytes, should be {COMMAND_SIZE}")
    fields = _COMMAND.unpack(answer)
    return not (fields[_SCSI_STATUS_FIELD] or fields[_COMMAND_STATUS_FIELD])
