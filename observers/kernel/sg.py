"""SCSI commands through the character device /dev/sgN (scsi/sg.h, version 3): written, polled and read, or waited for.

In: a command, and descriptors. Out: what was written, and what came back. `Command` owns the memory that the header
points at: it must be kept until its reply was read, or the node was closed. The header and its meaning are in
`observers.kernel.scsi`. This module must never wait but in `Command.ask`, and never send what does not only
read.

Facts (drivers/scsi/sg.c of Linux 6.1): write() of a header starts the command and may sleep for a free tag of the host;
the data arrive in the caller's memory when the reply is read, not before; poll() says POLLIN when a reply is there and
POLLHUP when the device was removed. SG_IO on a node waits, first for the end of an error recovery of the host, and
poll() says nothing of its reply, though who waits there is woken by it. Each open node costs 32 KiB of the kernel's
memory (`def_reserved_size`).
"""

import ctypes
import errno
import fcntl
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

    def ask(self, descriptor: int) -> ScsiReply:
        """Send it and wait for its reply (SG_IO). ENXIO, ENODEV: the device is offline, or was removed."""
        header = bytearray(self._header)
        fcntl.ioctl(descriptor, scsi.SG_IO, header)
        return self._reply(bytes(header))

    def send(self, descriptor: int, ticket: int) -> None:
        """Start it under a ticket; this may sleep while the SCSI host has no free tag."""
        self._identity = ticket % _LARGEST_ID
        os.write(descriptor, with_identity(self._header, self._identity))

    def receive(self, descriptor: int) -> ScsiReply:
        """Its reply. EAGAIN: not there yet; ENODEV: the device was removed; EBADMSG: it is to another command."""
        header = os.read(descriptor, scsi.SG_IO_HDR_SIZE)
        if len(header) != scsi.SG_IO_HDR_SIZE or identity(header) != self._identity:
            raise OSError(errno.EBADMSG, "the reply is not to this command")
        return self._reply(header)

    def _reply(self, header: bytes) -> ScsiReply:
        """The reply that is in a header and in the memory; the one of the last time, if it is the same again."""
        said, data = header[_SAID], self._data.raw
        if not data and said.startswith(_ALL_GOOD):
            return _GOOD
        if self._known is not None and said == self._known[0] and data == self._known[1]:
            return self._known[2]
        reply = scsi.unpack_sg_io(header, sense=self._sense.raw, data=data)
        self._known = (said, data, reply) if said.startswith(_ALL_GOOD) else None
        return reply


def with_identity(header: bytes, number: int) -> bytes:
    """A header with its `pack_id`, which the reply repeats."""
    return header[:_PACK_ID_AT] + _PACK_ID.pack(number) + header[_PACK_ID_AT + _PACK_ID.size :]


def identity(header: bytes) -> int:
    """The `pack_id` of a whole header."""
    number: int = _PACK_ID.unpack_from(header, _PACK_ID_AT)[0]
    return number


def _room(buffer: "ctypes.Array[ctypes.c_char]") -> scsi.Room:
    return scsi.Room(address=ctypes.addressof(buffer), size=len(buffer))
