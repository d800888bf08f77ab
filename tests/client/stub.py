"""A daemon's socket with answers from a table: each connection has its thread, each request its answer."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

HEADER = struct.Struct("@N")
Answer = Callable[[str], str | bytes | None]
"""The reply to a command: text for a whole reply, bytes as they are, None: the connection ends."""

_NUMBERS = count()


def frame(text: str) -> bytes:
    data = text.encode("utf-8", "surrogateescape") + b"\0"
    return HEADER.pack(len(data)) + data


class Stub:
    """`requests`: the bodies that came, as they came. `name`: of the socket, as clients write it."""

    def __init__(self, name: str, answer: Answer) -> None:
        self.name, self.requests = name, list[bytes]()
        self._answer = answer
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind("\0" + name[1:] if name.startswith("@") else name)
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            while len(header := stream.read(HEADER.size)) == HEADER.size:
                body = stream.read(HEADER.unpack(header)[0])
                self.requests.append(body)
                reply = self._answer(body.partition(b"\0")[0].decode("utf-8", "surrogateescape").strip())
                if reply is None:
                    return
                with suppress(BrokenPipeError, ConnectionResetError):  # a client may go before it has read all
                    connection.sendall(frame(reply) if isinstance(reply, str) else reply)


@contextmanager
def stub(answer: Answer, *, directory: Path | None = None) -> Iterator[Stub]:
    """A stub on an abstract socket, or on a path below `directory`."""
    name = f"@mpathctl-test-{id(answer):x}-{next(_NUMBERS)}" if directory is None else str(directory / "socket")
    server = Stub(name, answer)
    try:
        yield server
    finally:
        server.close()
