"""Nodes as the sg driver's: sockets on which a test sees the commands and writes the replies."""

import os
import select
import socket
import struct
import threading

from observers.host import ReadHost
from observers.kernel import scsi
from observers.kernel.sg import identity
from observers.snapshot import DeviceName

PATIENCE = 60.0
"""Seconds: far more than anything here takes; what waits longer has failed."""

_RESULT_AT = scsi.SG_IO_HDR_SIZE - struct.calcsize("@4B2HiII0P")
_RESULT = struct.Struct("@4B2HiII")


def reply_to(header: bytes, *, status: int = 0, host_status: int = 0, left: int = 0) -> bytes:
    """The header that the driver gives back. `left`: bytes of the memory that were not filled."""
    result = _RESULT.pack(status, status, 0, 0, host_status, 0, left, 0, 0)
    return header[:_RESULT_AT] + result + header[_RESULT_AT + len(result) :]


class FakeNodes:
    """`locate` and `open_file` for `Nodes`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.missing: dict[str, OSError] = {}
        self.devices: dict[str, socket.socket] = {}
        self.opened: list[str] = []
        self.descriptors: dict[str, int] = {}
        self.full: set[str] = set()

    def locate(self, _host: ReadHost, name: DeviceName) -> str:
        if name in self.missing:
            raise self.missing[name]
        return name

    def open_file(self, path: str) -> int:
        """A node that can be read and written; a full one blocks whoever writes to it."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(path in self.full)
        if path in self.full:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
            filler = os.dup(ours.fileno())
            fill(filler)
            os.close(filler)
        with self._changed:
            if path in self.devices:
                self.devices[path].close()
            descriptor = self.descriptors[path] = ours.detach()
            self.devices[path] = theirs
            self.opened.append(path)
            self._changed.notify_all()
        return descriptor

    def device(self, name: str) -> socket.socket:
        """The other end of a node, once it has been opened."""
        with self._changed:
            assert self._changed.wait_for(lambda: name in self.devices, PATIENCE)
            return self.devices[name]

    def command(self, name: str) -> bytes:
        """The next command that a device is sent."""
        device = self.device(name)
        device.settimeout(PATIENCE)
        return device.recv(4096)

    def answer(self, name: str, *, status: int = 0, host_status: int = 0) -> int:
        """Receive a command and reply to it; its identity."""
        header = self.command(name)
        self.device(name).send(reply_to(header, status=status, host_status=host_status))
        return identity(header)

    def remove(self, name: str) -> None:
        """The device is removed from the host."""
        with self._changed:
            self.devices.pop(name).close()

    def close(self) -> None:
        for device in self.devices.values():
            device.close()


def fill(descriptor: int) -> None:
    """Write until nothing more fits."""
    os.set_blocking(descriptor, False)
    try:
        while True:
            os.write(descriptor, bytes(512))
    except BlockingIOError:
        os.set_blocking(descriptor, True)


def readable(descriptor: int) -> bool:
    """Wait until a descriptor is readable."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(PATIENCE * 1000))
