"""SCSI commands that nobody waits for: the character device /dev/sgN, written, polled and read (scsi/sg.h, version 3).

In: a command, and descriptors. Out: what was written, and what came back. `Command` owns the memory that the header
points at: it must be kept until its reply was read, or the node was closed. The header and its meaning are in
`observers.kernel.scsi`. This module must never wait for a reply, and never send what does not only read.

Facts (drivers/scsi/sg.c of Linux 6.1): write() of a header starts the command and may sleep for a free tag of the host;
the data arrive in the caller's memory when the reply is read, not before; poll() says POLLIN when a reply is there and
POLLHUP when the device was removed. Sixteen commands can be out on a node; read() gives the first that is done. Each
open node costs 32 KiB of the kernel's memory (`def_reserved_size`).
"""

import ctypes
import errno
import os
import struct

from observers.host import ReadHost, ScsiReply
from observers.kernel import scsi
from observers.snapshot import DeviceName

_PACK_ID_AT = struct.calcsize("@iiBBHIPPPII")
_PACK_ID = struct.Struct("@i")
_LARGEST_ID = 2**31 - 1

_RESULT_AT = struct.calcsize("@iiBBHIPPPIIiP")
_SAID = slice(_RESULT_AT, _RESULT_AT + struct.calcsize("@4B2Hi"))
"""What is said of a command: its status, and how many bytes of the memory were not filled."""

_ALL_GOOD = bytes(struct.calcsize("@4B2H"))
"""The status, the bytes of sense data, the transport's and the driver's status, when nothing is the matter."""

_GOOD = ScsiReply(status=0, host_status=0, driver_status=0, sense=b"", data=b"")
"""What nearly all checks are answered."""


def node(host: ReadHost, name: DeviceName) -> str:
    """The node of a SCSI disk, by sysfs. ENOENT: it has none (another bus, or the kernel has no sg)."""
    names = host.list_directory(f"/sys/block/{name.replace('/', '!')}/device/scsi_generic")
    if not names:
        raise OSError(errno.ENOENT, "no SCSI generic node", name)
    return f"/dev/{names[0]}"


def open_node(path: str) -> int:
    """Open a node, not waiting for the end of an error recovery; writing is what starts commands."""
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)


class Command:
    """A command and the memory that the kernel reads and fills. It may be sent again when its reply was received."""

    __slots__ = ("_cdb", "_data", "_header", "_identity", "_known", "_sense")

    def __init__(self, cdb: bytes, *, reply_length: int, timeout: float) -> None:
        if not scsi.reads_only(cdb):
            raise OSError(errno.EPERM, f"SCSI command {cdb.hex()} is not one that only reads")
        self._cdb = ctypes.create_string_buffer(cdb, len(cdb))
        self._sense = ctypes.create_string_buffer(scsi.SENSE_SIZE)
        self._data = ctypes.create_string_buffer(reply_length)
        rooms = [_room(buffer) for buffer in (self._cdb, self._sense, self._data)]
        self._header = scsi.pack_sg_io(cdb=rooms[0], sense=rooms[1], data=rooms[2], timeout=timeout)
        self._identity = 0
        self._known: tuple[bytes, bytes, ScsiReply] | None = None

    def send(self, descriptor: int, number: int) -> None:
        """Start it under a number; this may sleep while the SCSI host has no free tag."""
        self._identity = number % _LARGEST_ID
        os.write(descriptor, with_identity(self._header, self._identity))

    def is_replied_to_by(self, header: bytes) -> bool:
        """Whether a reply is to this command as it was sent last."""
        return identity(header) == self._identity

    def reply(self, header: bytes) -> ScsiReply:
        """The reply that is in a header and in the memory; the one of the last time, if it is the same again."""
        said, data = header[_SAID], self._data.raw
        if not data and said.startswith(_ALL_GOOD):
            return _GOOD
        if self._known is not None and said == self._known[0] and data == self._known[1]:
            return self._known[2]
        reply = scsi.unpack_sg_io(header, sense=self._sense.raw, data=data)
        self._known = (said, data, reply) if said.startswith(_ALL_GOOD) else None
        return reply


def received(descriptor: int) -> bytes:
    """The header of the next reply, whose data are in the memory of its command then. EAGAIN: none is there; ENODEV:
    the device was removed; EBADMSG: it is no header."""
    header = os.read(descriptor, scsi.SG_IO_HDR_SIZE)
    if len(header) != scsi.SG_IO_HDR_SIZE:
        raise OSError(errno.EBADMSG, "the reply is no header")
    return header


def with_identity(header: bytes, number: int) -> bytes:
    """A header with its `pack_id`, which the reply repeats."""
    return header[:_PACK_ID_AT] + _PACK_ID.pack(number) + header[_PACK_ID_AT + _PACK_ID.size :]


def identity(header: bytes) -> int:
    """The `pack_id` of a whole header."""
    number: int = _PACK_ID.unpack_from(header, _PACK_ID_AT)[0]
    return number


def _room(buffer: "ctypes.Array[ctypes.c_char]") -> scsi.Room:
    return scsi.Room(address=ctypes.addressof(buffer), size=len(buffer))
