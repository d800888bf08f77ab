"""The attributes of a disk in sysfs, of its SCSI device and of its block device: one row each.

In: a disk. Out: directories of attributes whose reads and writes go to that disk. What a write does to the host beyond
the disk is handed in as `DiskActions`. Texts are as the kernel prints them, padding and newline included.
"""

import errno
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from controller.sandbox.disk_words import DiskState
from controller.sandbox.disks import Disk
from controller.sandbox.errors import refusal
from controller.sandbox.pages import t10_name
from controller.sandbox.tunables import max_retries, max_sectors
from controller.sandbox.vfs import Attribute, Directory, Link, Listing, Node, View

SYNTHETIC_ACTIONS = ("add", "remove", "change", "move", "online", "offline", "bind", "unbind")

_MAX_TIMEOUT = 1 << 22


@dataclass(frozen=True, slots=True)
class DiskActions:
    """What writes have the kernel do: with a disk, and (the last) with its uevents."""

    delete: Callable[[Disk], None]
    rescan: Callable[[Disk], None]
    uevent: Callable[[Disk, str], None]


@dataclass(frozen=True, slots=True)
class Seat:
    """A disk in its place: the directory of its SCSI device."""

    disk: Disk
    place: str
    actions: DiskActions


def device_directory(seat: Seat) -> Directory:
    """The directory of the SCSI device."""
    return Listing(_DEVICE_TABLE, seat)


def _back(subsystem: str, seat: Seat, attributes: Mapping[str, Node] = MappingProxyType({})) -> Node:
    """The class device of a subsystem: a directory named for the address, which leads back to the device."""
    ways = {**attributes, "device": Link(seat.place), "subsystem": Link(f"/sys/class/{subsystem}")}
    return View(lambda: {str(seat.disk.address): lambda: View(lambda: {k: _always(v) for k, v in ways.items()})})


def _scsi_device(seat: Seat) -> Node:
    return _back("scsi_device", seat)


def _scsi_disk(seat: Seat) -> Node:
    return _back("scsi_disk", seat, {"max_retries": max_retries(seat.disk)})


def _always(node: Node) -> Callable[[], Node]:
    return lambda: node


def links(names: list[str] | tuple[str, ...]) -> View:
    """A directory of links to block devices."""
    return View(lambda: {name: _link(f"/sys/class/block/{name}") for name in names})


def _link(target: str) -> Callable[[], Node]:
    return lambda: Link(target)


def tunable(values: dict[str, str], name: str) -> Attribute:
    """A number that root may set."""

    def write(data: bytes) -> None:
        text = data.decode("ascii", "replace").strip()
        if not (text.isdigit() and int(text) <= _MAX_TIMEOUT):
            raise refusal(errno.EINVAL, name)
        values[name] = text

    return Attribute(lambda: _line(values[name]), write)


def synthetic_action(data: bytes) -> str:
    """The action that a write to `uevent` asks for; EINVAL: the kernel knows no such one."""
    words = data.decode("ascii", "replace").rstrip("\n").split()
    if not words or words[0] not in SYNTHETIC_ACTIONS:
        raise refusal(errno.EINVAL, "uevent")
    return words[0]


def _line(text: str) -> bytes:
    return f"{text}\n".encode()


def _attribute(read: Callable[[Disk], str]) -> Callable[[Seat], Node]:
    return lambda seat: Attribute(lambda: _line(read(seat.disk)))


def _page(page: int) -> Callable[[Seat], Node]:
    return lambda seat: Attribute(lambda: seat.disk.pages[page])


def _tuned(name: str) -> Callable[[Seat], Node]:
    return lambda seat: tunable(seat.disk.tunables, name)


def _state(seat: Seat) -> Node:
    return Attribute(lambda: _line(seat.disk.state), lambda data: _set_state(seat.disk, data, seat.actions))


def _block(seat: Seat) -> Node:
    return View(lambda: {seat.disk.name: lambda: Listing(_BLOCK_TABLE, seat)})


def _set_state(disk: Disk, data: bytes, actions: DiskActions) -> None:
    """`running` or `offline` with their newline, and nothing else; a disk set running is read again."""
    wanted = {b"running\n": DiskState.RUNNING, b"offline\n": DiskState.OFFLINE}.get(data)
    before = disk.state
    if wanted is None or not disk.set_state(wanted):
        raise refusal(errno.EINVAL, "state")
    if wanted is DiskState.RUNNING and before is not DiskState.RUNNING:
        actions.rescan(disk)


def _handled(disk: Disk) -> None:
    if not disk.handler:
        raise refusal(errno.EINVAL, "no device handler is attached")


def _access_state(disk: Disk) -> str:
    _handled(disk)
    return disk.access[0]


def _preferred(disk: Disk) -> str:
    _handled(disk)
    return str(int(disk.access[1]))


def _wwid(disk: Disk) -> str:
    return f"naa.{disk.identity.naa}" if disk.identity.naa else f"t10.{t10_name(disk.identity)}"


def _vendor(disk: Disk) -> str:
    return disk.inquiry[8:16].decode("ascii")


def _model(disk: Disk) -> str:
    return disk.inquiry[16:32].decode("ascii")


def _revision(disk: Disk) -> str:
    return disk.inquiry[32:36].decode("ascii")


def _constant(text: str) -> Callable[[Disk], str]:
    return lambda _: text


_DEVICE_ATTRIBUTES: Mapping[str, Callable[[Disk], str]] = {
    "access_state": _access_state,
    "blacklist": _constant(""),
    "device_blocked": _constant("0"),
    "device_busy": _constant("0"),
    "dh_state": lambda disk: disk.handler or "detached",
    "modalias": _constant("scsi:t-0x00"),
    "model": _model,
    "preferred_path": _preferred,
    "queue_type": _constant("simple"),
    "rev": _revision,
    "scsi_level": _constant("7"),
    "type": _constant("0"),
    "vendor": _vendor,
    "wwid": _wwid,
}

_BLOCK_ATTRIBUTES: Mapping[str, Callable[[Disk], str]] = {
    "capability": _constant("0"),
    "dev": lambda disk: disk.dev,
    "diskseq": lambda disk: str(disk.diskseq),
    "ext_range": _constant("256"),
    "hidden": _constant("0"),
    "range": _constant("16"),
    "removable": _constant("0"),
    "ro": lambda disk: str(int(disk.read_only)),
    "size": lambda disk: str(disk.size),
}

_QUEUE_TABLE: Mapping[str, Callable[[Seat], Node]] = {
    "logical_block_size": _attribute(_constant("512")),
    "max_hw_sectors_kb": _attribute(_constant("32767")),
    "max_sectors_kb": lambda seat: max_sectors(seat.disk),
    "physical_block_size": _attribute(_constant("512")),
    "rotational": _attribute(_constant("0")),
    "scheduler": _attribute(_constant("[mq-deadline] none")),
}


def _uevent(seat: Seat) -> Node:
    disk = seat.disk
    major, _, minor = disk.dev.partition(":")
    text = f"MAJOR={major}\nMINOR={minor}\nDEVNAME={disk.name}\nDEVTYPE=disk\nDISKSEQ={disk.diskseq}\n"
    return Attribute(lambda: text.encode(), lambda data: seat.actions.uevent(disk, synthetic_action(data)))


_DEVICE_TABLE: Mapping[str, Callable[[Seat], Node]] = {
    **{name: _attribute(read) for name, read in _DEVICE_ATTRIBUTES.items()},
    "block": _block,
    "delete": lambda seat: Attribute(None, lambda _: seat.actions.delete(seat.disk)),
    "eh_timeout": _tuned("eh_timeout"),
    "inquiry": lambda seat: Attribute(lambda: seat.disk.inquiry),
    "queue_depth": _tuned("queue_depth"),
    "rescan": lambda seat: Attribute(None, lambda _: seat.actions.rescan(seat.disk)),
    "scsi_device": _scsi_device,
    "scsi_disk": _scsi_disk,
    "state": _state,
    "subsystem": lambda _: Link("/sys/bus/scsi"),
    "timeout": _tuned("timeout"),
    "vpd_pg0": _page(0x00),
    "vpd_pg80": _page(0x80),
    "vpd_pg83": _page(0x83),
}

_BLOCK_TABLE: Mapping[str, Callable[[Seat], Node]] = {
    **{name: _attribute(read) for name, read in _BLOCK_ATTRIBUTES.items()},
    "device": lambda seat: Link(seat.place),
    "holders": lambda seat: links(seat.disk.holders),
    "queue": lambda seat: Listing(_QUEUE_TABLE, seat),
    "slaves": lambda _: links(()),
    "subsystem": lambda _: Link("/sys/class/block"),
    "uevent": _uevent,
}
