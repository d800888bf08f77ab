"""Attributes that say how patient the kernel is with a path, with the checks that the kernel makes.

In: a disk, a remote port, an adapter's values. Out: attributes. A value that a driver would not take is refused with
its errno. Facts: drivers/scsi/scsi_transport_fc.c, scsi_transport_iscsi.c, scsi_transport_sas.c, scsi_sysfs.c, sd.c and
block/blk-sysfs.c of Linux 6.1.
"""

import errno
from collections.abc import Callable

from controller.sandbox.disk_words import OFF
from controller.sandbox.disks import Disk, Remote
from controller.sandbox.errors import refusal
from controller.sandbox.vfs import Attribute

LARGEST = 2**32 - 1
LONGEST_WITHOUT_FAST_FAIL = 600
"""Seconds: SCSI_DEVICE_BLOCK_MAX_TIMEOUT."""
MOST_RETRIES = 5
"""SD_MAX_RETRIES, which is also what a disk begins with."""
LARGEST_REQUEST, SMALLEST_REQUEST = 32767, 4
"""KiB: what the hardware takes, and one page."""


def _attribute(read: Callable[[], str], write: Callable[[str], None] | None) -> Attribute:
    def written(data: bytes) -> None:
        if write is not None:
            write(data.decode("ascii", "replace").strip())

    return Attribute(lambda: f"{read()}\n".encode(), None if write is None else written)


def _number(text: str, name: str, least: int, most: int) -> int:
    digits = text.removeprefix("-")
    if not digits.isdigit() or not least <= int(text) <= most:
        raise refusal(errno.EINVAL, name)
    return int(text)


def _shown(value: int) -> str:
    return "off" if value == OFF else str(value)


def fast_io_fail(remote: Remote) -> Attribute:
    """Seconds until a port that is away fails its I/O; less than until it is lost."""
    name = "fast_io_fail_tmo"

    def write(text: str) -> None:
        _there(remote, name)
        if text == "off":
            remote.timers[name] = OFF
            return
        seconds = _number(text, name, 0, LONGEST_WITHOUT_FAST_FAIL)
        if seconds >= remote.timers["dev_loss_tmo"]:
            raise refusal(errno.EINVAL, name)
        remote.timers[name] = seconds

    return _attribute(lambda: _shown(remote.timers[name]), write)


def dev_loss(remote: Remote) -> Attribute:
    """Seconds until a port that is away is lost, with its disks."""
    name = "dev_loss_tmo"

    def write(text: str) -> None:
        _there(remote, name)
        seconds = _number(text, name, 0, LARGEST)
        if remote.timers["fast_io_fail_tmo"] == OFF and seconds > LONGEST_WITHOUT_FAST_FAIL:
            raise refusal(errno.EINVAL, name)
        remote.timers[name] = seconds

    return _attribute(lambda: str(remote.timers[name]), write)


def _there(remote: Remote, name: str) -> None:
    if not remote.reachable:
        raise refusal(errno.EBUSY, name)


def recovery(remote: Remote) -> Attribute:
    """Seconds until a session that broke fails its I/O."""

    name = "recovery_tmo"

    def write(text: str) -> None:
        _there(remote, name)
        remote.timers[name] = OFF if text == "off" else _number(text, name, 0, LARGEST // 2)

    return _attribute(lambda: _shown(remote.timers[name]), write)


def nexus_loss() -> Attribute:
    """Milliseconds, as the driver says; the transport class lets nobody set it."""
    return _attribute(lambda: "2000", None)


def eh_deadline(values: dict[str, int], *, own_error_handling: bool) -> Attribute:
    """Seconds after which error handling goes straight to a reset of the adapter. A driver with its own has none."""
    name = "eh_deadline"

    def write(text: str) -> None:
        if own_error_handling:
            raise refusal(errno.EINVAL, name)
        values[name] = OFF if text == "off" else _number(text, name, 0, LARGEST)

    return _attribute(lambda: _shown(values.get(name, OFF)), write)


def max_retries(disk: Disk) -> Attribute:
    """How often the disk driver sends a request again."""

    def write(text: str) -> None:
        disk.tunables["max_retries"] = str(_number(text, "max_retries", -1, MOST_RETRIES))

    return _attribute(lambda: disk.tunables["max_retries"], write)


def max_sectors(disk: Disk) -> Attribute:
    """KiB of the largest request."""

    def write(text: str) -> None:
        disk.tunables["max_sectors_kb"] = str(_number(text, "max_sectors_kb", SMALLEST_REQUEST, LARGEST_REQUEST))

    return _attribute(lambda: disk.tunables["max_sectors_kb"], write)
