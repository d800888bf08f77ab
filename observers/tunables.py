"""The sysfs attributes by which the kernel's patience with a path can be set: its own, its port's and its adapter's.

In: a `Reader` and a path whose place in sysfs is known. Out: their values now, each with its file. Which of them are
there depends on transport and driver; one that is not there is no gap. It must never say what a value should be.
"""

import re

from observers.reading import NOT_PROVIDED, VANISHED, Reader
from observers.snapshot import Attribute, Bus, Path

_QUIET = NOT_PROVIDED | VANISHED

_HOST = re.compile(r"host\d+")
_DEVICE = re.compile(r"\d+:\d+:\d+:\d+")

_SCSI: tuple[tuple[re.Pattern[str], str, tuple[str, ...]], ...] = (
    (re.compile(r"rport-\d+:\d+-\d+"), "fc_remote_ports", ("port_state", "fast_io_fail_tmo", "dev_loss_tmo")),
    (re.compile(r"session\d+"), "iscsi_session", ("state", "recovery_tmo")),
    (re.compile(r"end_device-\d+:\d+(:\d+)?"), "sas_end_device", ("I_T_nexus_loss_timeout",)),
    (_HOST, "scsi_host", ("eh_deadline",)),
    (_DEVICE, "scsi_disk", ("max_retries",)),
)
"""By the name of one of the disk's parents: the class of that parent's own object, and the attributes there."""


def observe(reader: Reader, path: Path) -> tuple[Attribute, ...]:
    """All that are there. A Fibre Channel port's `port_state` and an iSCSI session's `state` come with theirs, which
    can't be set while the target is away."""
    files = [f"{path.sysfs}/queue/max_sectors_kb", *(_scsi(path.sysfs) if path.bus is Bus.SCSI else ())]
    found = ((file, reader.text(file, file.rpartition("/")[2], quiet=_QUIET)) for file in files)
    return tuple(Attribute(file, value) for file, value in found if value is not None)


def _scsi(sysfs: str) -> list[str]:
    files: list[str] = []
    parents = sysfs.split("/")
    for pattern, kind, names in _SCSI:
        place = next((index for index, name in enumerate(parents, 1) if pattern.fullmatch(name)), 0)
        if place:
            folder = f"{'/'.join(parents[:place])}/{kind}/{parents[place - 1]}"
            files += [f"{folder}/{name}" for name in names]
    return files
