"""A connection to the daemon: send a command, get its reply.

In: the socket's name and a timeout. Out: the text of each reply. It must never send a command twice: what timed out may
have been done. `_socket` instead of `socket`: that module costs as much time as the rest of a client command.
"""

import _socket
import errno
from collections.abc import Mapping

from controller.client import wire
from controller.client.errors import NoReply, NotConnected, NotSent

DEFAULT_TIMEOUT = 4.1
"""Seconds without a sign of the daemon: its own limit for a command, and a tenth of a second for the way."""

MOST_SECONDS = 2_147_483
"""The longest timeout: the kernel's poll takes milliseconds as an int."""


def socket_names(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Where a daemon may listen, in the order in which to try: what the environment says, else the two usual names.

    The path comes first, as in multipath-tools: only root can listen in /run, anybody on an abstract name.
    """
    named = environment.get(wire.SOCKET_VARIABLE)
    return (named,) if named else (wire.PATH_SOCKET, wire.ABSTRACT_SOCKET)


class Channel:
    """A connection, made at once. `NotConnected`: none of the names has a listener.

    `timeout`: in seconds, up to MOST_SECONDS, without a sign of the daemon; None: wait for ever.
    """

    __slots__ = ("_socket",)

    def __init__(self, names: tuple[str, ...], *, timeout: float | None = DEFAULT_TIMEOUT) -> None:
        self._socket = _connected(names)
        self._socket.settimeout(timeout)

    def ask(self, command: str) -> str:
        """The reply to a command. `NotSent`, `NoReply`; after either the connection is of no more use."""
        try:
            data = wire.request(command)
            self._socket.sendall(data, _socket.MSG_NOSIGNAL)
        except (OSError, ValueError) as error:
            raise NotSent("cannot send packet") from error
        length = wire.reply_length(self._exactly(wire.HEADER_SIZE))
        if length is None:
            raise _no_reply(errno.ERANGE)
        return wire.reply(self._exactly(length))

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def _exactly(self, count: int) -> bytearray:
        received, had = bytearray(count), 0
        while had < count:
            try:
                part = self._socket.recv_into(memoryview(received)[had:])
            except TimeoutError as error:
                raise NoReply("timeout receiving packet", timed_out=True) from error
            except OSError as error:
                raise _no_reply(error.errno or errno.EIO) from error
            if not part:
                raise _no_reply(errno.EIO)
            had += part
        return received


def _no_reply(number: int) -> NoReply:
    return NoReply(f"error -{number} receiving packet", timed_out=False)


def _connected(names: tuple[str, ...]) -> _socket.socket:
    """A socket that is connected to the first name that has a listener.

    A daemon whose queue of connections is full makes connecting wait, as it does for every client.
    """
    refusal: OSError | None = None
    for name in names:
        candidate = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        try:
            candidate.connect(wire.address(name))
        except OSError as error:
            candidate.close()
            refusal = error
        else:
            return candidate
    raise NotConnected("failed to connect to multipathd") from refusal
