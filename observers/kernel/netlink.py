"""Netlink sockets that only listen: who sent a datagram, by the kernel's word for it.

In: a protocol and its multicast groups. Out: datagrams with the sender's credentials, never waiting. It must never
send, nor interpret a datagram.
"""

import errno
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

NETLINK_ISCSI = 8
NETLINK_KOBJECT_UEVENT = 15
NETLINK_SCSITRANSPORT = 18

RECEIVE_BUFFER = 128 * 1024 * 1024
"""Bytes that may wait: 4,096 disks that come at once fill some ten MiB. The kernel takes memory as it is needed."""

_LARGEST = 1 << 16
"""Bytes of a datagram: a kernel's uevent has at most 2 KiB, udev's a few more."""

_SO_RCVBUFFORCE = 33
_CREDENTIALS = struct.Struct("=iII")


class Lost(Exception):
    """Datagrams were dropped, as nobody fetched them in time, or one was too large: what they said is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Datagram:
    """A datagram. `port`: the sender's netlink port, 0: the kernel's. `groups`: the multicast groups as a mask, 0: it
    was sent to this socket alone. `pid`, `uid`: whose it is; None: the kernel does not say."""

    data: bytes
    port: int
    groups: int
    pid: int | None = None
    uid: int | None = None


class Receiver(Protocol):
    """A socket that listens."""

    def fileno(self) -> int:
        """Readable when there is a datagram, or when one was lost."""

    def receive(self) -> Datagram | None:
        """The next datagram; None: there is none. `Lost`: some were dropped."""

    def close(self) -> None:
        """Close it."""


class NetlinkSocket:
    """A `Receiver`. `groups`: a mask."""

    def __init__(self, protocol: int, groups: int) -> None:
        flags = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_NETLINK, flags, protocol)
        self._room = bytearray(_LARGEST)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            with suppress(PermissionError):  # then the usual size has to do
                self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
            self._socket.bind((0, groups))
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """See `Receiver`."""
        return self._socket.fileno()

    def receive(self) -> Datagram | None:
        """See `Receiver`."""
        try:
            size, ancillary, flags, address = self._socket.recvmsg_into(
                [self._room], socket.CMSG_SPACE(_CREDENTIALS.size)
            )
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                raise Lost from error
            raise
        if flags & socket.MSG_TRUNC:
            raise Lost
        pid, uid = _sender(ancillary)
        return Datagram(data=bytes(self._room[:size]), port=address[0], groups=address[1], pid=pid, uid=uid)

    def close(self) -> None:
        """See `Receiver`."""
        self._socket.close()


def _sender(ancillary: list[tuple[int, int, bytes]]) -> tuple[int | None, int | None]:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS) and len(data) >= _CREDENTIALS.size:
            pid, uid, _ = _CREDENTIALS.unpack_from(data)
            return pid, uid
    return None, None
