"""SCSI commands that nobody waits for: the character device /dev/sgN, written, polled and read (scsi/sg.h, version 3).

In: a command, and descriptors. Out: what was written, and what came back. `Buffers` is what headers point at: it must
be kept as long as a node is open. The header and its meaning are in `observers.kernel.scsi`. This module must never
wait for a reply, and never send what does not only read.

Facts (drivers/scsi/sg.c of Linux 6.1): write() of a header copies the command and starts it, and may sleep for a free
tag of the host; data and sense data arrive in the caller's memory when the reply is read, not before, as long as direct
I/O is not asked for; poll() says POLLIN when a reply is there and POLLHUP when the device was removed. Sixteen commands
can be out on a node; read() gives the first that is done. Each open node costs 32 KiB of the kernel's memory
(`def_reserved_size`).
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

LARGEST_REPLY = 65_536
"""Bytes, more than any command asks for: the longest length that INQUIRY can ask for, and one."""

_MOST_HEADERS = 256
"""Kept ready; there are about ten, but what is left of a check's time is in them."""

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


class Buffers:
    """The memory of all commands of one engine that the kernel reads and fills. Of replies there is one, for they are
    read one after another, and nothing is written into it before; of commands one each. It is empty again when a reply
    was taken: whatever a driver leaves unwritten, no disk is ever taken for the one that answered before it. It may be
    used by many threads, but replies may be read by one only."""

    def __init__(self) -> None:
        self._sense = ctypes.create_string_buffer(scsi.SENSE_SIZE)
        self._data = ctypes.create_string_buffer(LARGEST_REPLY)
        self._data_at = ctypes.addressof(self._data)
        self._cdbs: dict[bytes, ctypes.Array[ctypes.c_char]] = {}
        self._headers: dict[tuple[bytes, int, float], bytes] = {}

    def header(self, cdb: bytes, *, reply_length: int, timeout: float) -> bytes:
        """The header of a command. EPERM: it does not only read; EINVAL: there is no room for its reply."""
        key = cdb, reply_length, timeout
        known = self._headers.get(key)
        if known is None:
            if len(self._headers) >= _MOST_HEADERS:
                self._headers.clear()
            known = self._headers[key] = self._made(*key)
        return known

    def _made(self, cdb: bytes, reply_length: int, timeout: float) -> bytes:
        if not scsi.reads_only(cdb):
            raise OSError(errno.EPERM, f"SCSI command {cdb.hex()} is not one that only reads")
        if reply_length > LARGEST_REPLY:
            raise OSError(errno.EINVAL, f"SCSI command {cdb.hex()} wants a reply of {reply_length} bytes")
        sent = self._cdbs.setdefault(cdb, ctypes.create_string_buffer(cdb, len(cdb)))
        return scsi.pack_sg_io(
            cdb=_room(sent, len(cdb)), sense=_room(self._sense, scsi.SENSE_SIZE),
            data=_room(self._data, reply_length), timeout=timeout,
        )  # fmt: skip

    def take(self, length: int) -> bytes:
        """What the reply that was read last brought, once."""
        data = ctypes.string_at(self._data_at, length)
        ctypes.memset(self._data_at, 0, length)
        return data

    @property
    def sense(self) -> bytes:
        """Its sense data, if it had any."""
        return self._sense.raw


class Command:
    """A command to one disk. It may be sent again when its reply was received."""

    __slots__ = ("_buffers", "_header", "_identity", "_known", "_length")

    def __init__(self, buffers: Buffers, cdb: bytes, *, reply_length: int, timeout: float) -> None:
        self._header = buffers.header(cdb, reply_length=reply_length, timeout=timeout)
        self._buffers, self._length = buffers, reply_length
        self._identity = 0
        self._known: tuple[bytes, ScsiReply] | None = None

    def send(self, descriptor: int, number: int) -> None:
        """Start it under a number; this may sleep while the SCSI host has no free tag."""
        self._identity = number % _LARGEST_ID
        os.write(descriptor, with_identity(self._header, self._identity))

    def is_replied_to_by(self, header: bytes) -> bool:
        """Whether a reply is to this command as it was sent last."""
        return identity(header) == self._identity

    def reply(self, header: bytes) -> ScsiReply:
        """The reply whose header was read last; the one of the last time, if it is the same again."""
        said = header[_SAID]
        if not self._length and said.startswith(_ALL_GOOD):
            return _GOOD
        data = self._buffers.take(self._length)
        if self._known is not None and said == self._known[0] and data.startswith(self._known[1].data):
            return self._known[1]
        reply = scsi.unpack_sg_io(header, sense=self._buffers.sense, data=data)
        self._known = (said, reply) if said.startswith(_ALL_GOOD) else None
        return reply


def received(descriptor: int) -> bytes:
    """The header of the next reply, whose data are in the buffers then. EAGAIN: none is there; ENODEV:
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


def _room(buffer: "ctypes.Array[ctypes.c_char]", size: int) -> scsi.Room:
    return scsi.Room(address=ctypes.addressof(buffer), size=size)
