"""NVMe admin commands <-> the kernel's `struct nvme_passthru_cmd`.

In: what to ask. Out: the bytes of the call, and which commands only read. The sources are linux/nvme_ioctl.h and the
NVM Express base specification, revision 2. Pure; must never let a command pass that could change anything.
"""

import struct
from enum import IntEnum

from observers.kernel.request import plain, reads_and_writes
from observers.kernel.scsi import Room

_COMMAND = struct.Struct("@BBHIIIQQII6III")
COMMAND_SIZE = _COMMAND.size
"""sizeof(struct nvme_passthru_cmd): 72."""

ADMIN_COMMAND = reads_and_writes(ord("N"), 0x41, COMMAND_SIZE)
"""NVME_IOCTL_ADMIN_CMD; it returns the status of the command, 0 for success."""

NAMESPACE_ID = plain(ord("N"), 0x40)
"""NVME_IOCTL_ID: it returns the number of the namespace that the device is."""

_IDENTIFY_CONTROLLER = 0x01  # CNS: the data is of the controller, and the command names no namespace
_CNS_BITS = 0xFF
_MAXIMUM_TIMEOUT = 2**32 - 1  # milliseconds


class Opcode(IntEnum):
    """The admin commands that this project sends."""

    GET_LOG_PAGE = 0x02
    IDENTIFY = 0x06


Words = tuple[int, int, int, int, int, int]
"""Command dwords 10 to 15."""


def reads_only(opcode: int) -> bool:
    """Whether a command is one of those above."""
    return opcode in set(Opcode)


def wants_namespace(opcode: int, words: Words) -> bool:
    """Whether the number of the device's namespace belongs in a command that names none itself."""
    return opcode != Opcode.IDENTIFY or words[0] & _CNS_BITS != _IDENTIFY_CONTROLLER


def pack_command(opcode: int, *, namespace: int, words: Words, data: Room, timeout: float) -> bytes:
    """The struct for a command that brings `data.size` bytes; `timeout` in seconds."""
    milliseconds = min(max(1, round(timeout * 1000)), _MAXIMUM_TIMEOUT)
    fixed = (opcode, 0, 0, namespace, 0, 0, 0)
    return _COMMAND.pack(*fixed, data.address if data.size else 0, 0, data.size, *words, milliseconds, 0)
