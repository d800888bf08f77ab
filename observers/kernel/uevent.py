"""Uevents <-> bytes: as the kernel multicasts them, and as udev sends them on with what its rules added.

In: one datagram. Out: a `Uevent`, or None where the bytes are none: anybody may send to a netlink socket, so nothing
here raises. The sources are lib/kobject_uevent.c, and the header of systemd's sd-device monitor ("libudev", version
0xfeedcafe). Pure; must never believe a length.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from observers.snapshot import DeviceName

_PREFIX = b"libudev\0"
_MAGIC = 0xFEEDCAFE
_HEADER = struct.Struct("=8sIIII16x")
"""Prefix, magic (network order), size of the header, offset and length of the properties, hashes for filters."""

_LONGEST_NUMBER = 20


class Sender(IntEnum):
    """The multicast group, which says who sends."""

    KERNEL = 1
    UDEV = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Uevent:
    """Something happened to a device. `devpath`: below /sys. `devname`: as below /dev, empty where there is no node.

    `seqnum` numbers all uevents of a kernel. `properties`: all of them, also those that have fields here.
    """

    action: str
    devpath: str
    subsystem: str = ""
    devname: str = ""
    devtype: str = ""
    seqnum: int = 0
    properties: Mapping[str, str]

    @property
    def name(self) -> DeviceName:
        """The kernel's name of the device."""
        return DeviceName(self.devpath.rpartition("/")[2])


def parse(datagram: bytes, sender: Sender) -> Uevent | None:
    """The uevent in a datagram of one of the groups; None: it is none."""
    rows = _udev_rows(datagram) if sender is Sender.UDEV else _kernel_rows(datagram)
    return None if rows is None else of_properties(_properties(rows))


def of_properties(properties: Mapping[str, str]) -> Uevent | None:
    """The uevent of such properties; None: they do not say what happened to whom."""
    action, devpath = properties.get("ACTION", ""), properties.get("DEVPATH", "")
    if not action or not devpath.startswith("/") or devpath.endswith("/"):
        return None
    return Uevent(
        action=action,
        devpath=devpath,
        subsystem=properties.get("SUBSYSTEM", ""),
        devname=properties.get("DEVNAME", "").removeprefix("/dev/"),
        devtype=properties.get("DEVTYPE", ""),
        seqnum=number(properties.get("SEQNUM", "")) or 0,
        properties=properties,
    )


def number(text: str) -> int | None:
    """A decimal number of at most 20 digits; None: it is none."""
    return int(text) if len(text) <= _LONGEST_NUMBER and text.isascii() and text.isdecimal() else None


def pack_kernel(properties: Mapping[str, str]) -> bytes:
    """A datagram as the kernel sends it."""
    head = f"{properties['ACTION']}@{properties['DEVPATH']}"
    return b"".join(_encode(text) for text in (head, *_texts(properties)))


def pack_udev(properties: Mapping[str, str]) -> bytes:
    """A datagram as udev sends it, its filters' hashes zero."""
    rows = b"".join(_encode(text) for text in _texts(properties))
    magic = int.from_bytes(_MAGIC.to_bytes(4, "big"), "little" if _little() else "big")
    return _HEADER.pack(_PREFIX, magic, _HEADER.size, _HEADER.size, len(rows)) + rows


def _kernel_rows(datagram: bytes) -> bytes | None:
    head, _, rows = datagram.partition(b"\0")
    return rows if b"@/" in head else None


def _udev_rows(datagram: bytes) -> bytes | None:
    if len(datagram) < _HEADER.size:
        return None
    prefix, _, _, offset, length = _HEADER.unpack_from(datagram)
    if prefix != _PREFIX or datagram[8:12] != _MAGIC.to_bytes(4, "big") or offset < _HEADER.size:
        return None
    return datagram[offset : offset + length] if offset + length <= len(datagram) else None


def _properties(rows: bytes) -> Mapping[str, str]:
    texts = rows.decode("utf-8", "surrogateescape").split("\0")
    return dict(text.split("=", 1) for text in texts if "=" in text[1:])


def _texts(properties: Mapping[str, str]) -> list[str]:
    return [f"{key}={value}" for key, value in properties.items()]


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape") + b"\0"


def _little() -> bool:
    return struct.pack("=H", 1) == b"\1\0"
