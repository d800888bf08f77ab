"""What is said of SCSI disks in the in-memory kernel: their states, what becomes of commands, names and numbers.

In: an index. Out: a name, a number; words and numbers of Linux (`enum scsi_device_state`, drivers/scsi/sd.c). It must
never hold anything.
"""

from enum import StrEnum

from observers.dmtable import DevT


class DiskState(StrEnum):
    """The attribute `state` of a SCSI device."""

    RUNNING = "running"
    OFFLINE = "offline"
    BLOCKED = "blocked"
    TRANSPORT_OFFLINE = "transport-offline"
    DELETED = "deleted"


class Link(StrEnum):
    """What becomes of commands on their way: they arrive, the transport says that it can't, or nothing ever answers."""

    UP = "up"
    NO_CONNECT = "no-connect"
    SILENT = "silent"


OFF = -1
"""A timer that is switched off."""

DID_NO_CONNECT, DID_TIME_OUT = 0x01, 0x03
DRIVER_TIMEOUT = 0x06
FAST_IO_FAIL, DEV_LOSS = 5, 60
RECOVERY = 120
"""Defaults in seconds: fast_io_fail_tmo and dev_loss_tmo of Fibre Channel, recovery_tmo of an iSCSI session."""


def disk_name(index: int) -> str:
    """sda ... sdz, sdaa ...: the name of the disk with this index (`sd_format_disk_name`)."""
    letters = ""
    while index >= 0:
        index, digit = divmod(index, 26)
        letters = chr(ord("a") + digit) + letters
        index -= 1
    return f"sd{letters}"


def disk_number(index: int) -> DevT:
    """The device number of the disk with this index: 16 minors a disk, 16 majors, then larger minors (`sd_probe`)."""
    block = index >> 4 & 0xF
    major = 8 if block == 0 else 64 + block if block < 8 else 120 + block
    return DevT(f"{major}:{(index & 0xF) << 4 | index & 0xFFF00}")
