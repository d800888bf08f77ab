"""The daemon's sockets: connections, their limits, and who asks. What is asked and answered is not looked into here.

Theory of operation. `protocol.frames.Connection` knows what bytes mean; this module only moves them, without ever
waiting. All sockets are in a selector of their own, which is one descriptor for the loop: so they can also be looked at
by themselves, in the midst of something else (`poll`). A client that does not read, sends half a request or floods is
left with its own full socket. Connections are few enough to go through all of them once a turn for their deadlines.
When all places are taken, whoever has most connections loses the one that has been idle the longest, or one with half
a request, or any; and some places are kept for root: so no user, nor many users with one connection each, can keep the
administrator out, nor one user all others. Users are served by turns, one connection each. Likewise when no
descriptor is left for another connection; if nobody is idle then, nobody is taken for a while, for a listening socket
stays readable until somebody is.

In: listening sockets. Out: `Asked` for each complete request; `reply` takes the answer, now or later.
It must never wait for a client.
"""

import errno
import math
import os
import selectors
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter

from controller.protocol.frames import Connection, Message, Phase, Request
from controller.runtime.turns import Turns

PLACES = 1024
"""Connections at a time; each costs some KiB."""

FOR_ROOT = 64
"""Places that only root gets."""

PATIENCE = 30.0
"""Seconds for a client to read some of its reply: multipathd waits for ever, but then a dead client stays for ever."""

_ACCEPTED_AT_ONCE = 64
"""Connections taken in one turn, so that a flood of them can't keep the loop from its work."""

_LOOKS = 4
"""How often the sockets are looked at in one turn: a client comes, asks, and reads its reply in two parts."""

_LOOK_EVERY = 0.005
"""Seconds after which it is seen who else wants something, while there are some whose turn has not come."""

_NOBODY = -1
"""In the place of a user id: listening sockets, and who has not been taken yet."""

_FAIR = 16
"""Connections that a user may have in any case."""

_BUFFER = 4 << 20
"""Bytes of replies that the kernel keeps for a client of root's: the topology of some thousand paths."""

_SO_SNDBUFFORCE = 32
"""Of asm-generic/socket.h: what of `SO_SNDBUF` is above net.core.wmem_max, for whoever has CAP_NET_ADMIN."""

_SHORT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What accept(2) says when somebody is there and can't be taken."""

_PAUSE = 1.0
"""Seconds until it is tried again."""

_CREDENTIALS = struct.Struct("3i")
"""`struct ucred` of SO_PEERCRED: pid, uid, gid."""

_READ = selectors.EVENT_READ
_WRITE = selectors.EVENT_WRITE


_Handler = tuple[int, int, Callable[[int], None]]
"""Whose a socket is, its number, and who is told what it is ready for."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A complete request: who asks (a number of this server's), with which user id, and the text."""

    client: int
    ticket: int
    uid: int
    text: str


@dataclass(slots=True)
class _Client:
    socket: socket.socket
    uid: int
    connection: Connection
    last: float
    events: int = 0


class Server:
    """All connections. `on_asked` is called for each request; it answers by `reply`, then or later."""

    def __init__(
        self,
        listeners: Iterable[socket.socket],
        *,
        timeout: float,
        clock: Callable[[], float],
        on_asked: Callable[[Asked], None],
        places: int = PLACES,
    ) -> None:
        self._selector, self._clock, self._on_asked = selectors.EpollSelector(), clock, on_asked
        self._turns: Turns[tuple[Callable[[int], None], int]] = Turns()
        """Sockets with something to read or room to write, whose turn has not come, by the users that they are of."""
        self._look_at = 0.0
        """When (monotonic seconds) all sockets are looked at again though somebody's turn has not come."""
        self.timeout = timeout
        self._places = places
        self._clients: dict[int, _Client] = {}
        self._next = 0
        self._listeners = tuple(listeners)
        self._resume_at: float | None = None
        """When (monotonic seconds) connections are taken again; None: they are."""
        for listener in self._listeners:
            listener.setblocking(False)  # noqa: FBT003 -- the method takes it so
        self._listen()

    def __len__(self) -> int:
        return len(self._clients)

    # ---- whose turn it is

    def fileno(self) -> int:
        """A descriptor that is readable when a client wants something."""
        return self._selector.fileno()

    def poll(self, *, until: float = math.inf) -> None:
        """Serve those who want something now, one at least and others as long as it is not `until`: the rest comes
        first the next time. Whoever has come with a request need not wait for that. It does not wait."""
        for _ in range(_LOOKS):
            if not self._turns or self._clock() >= self._look_at:
                self._look()
            if not self._turns:
                return
            while self._turns:
                serve, events = self._turns.take()
                serve(events)
                now = self._clock()
                if now >= until:
                    return
                if now >= self._look_at:
                    self._look()

    def _look(self) -> None:
        for key, events in self._selector.select(0):
            owner, number, serve = key.data
            self._turns.add(owner, number, (serve, events))
        self._look_at = self._clock() + _LOOK_EVERY

    # ---- coming

    def _listen(self) -> None:
        self._resume_at = None
        for number, listener in enumerate(self._listeners, 1):
            self._selector.register(listener, _READ, (_NOBODY, -number, self._accepter(listener)))

    def _pause(self) -> None:
        if self._resume_at is None:
            for listener in self._listeners:
                self._selector.unregister(listener)
        self._resume_at = self._clock() + _PAUSE

    def _accepter(self, listener: socket.socket) -> Callable[[int], None]:
        return lambda _: self._accept(listener)

    def _accept(self, listener: socket.socket) -> None:
        for number in range(_ACCEPTED_AT_ONCE):
            try:
                arrived, _address = listener.accept()
            except OSError as error:
                if error.errno not in _SHORT or number:  # nobody is left; the kernel needs a descriptor to say so
                    return
                if not (self._ended_idle() or self._ended_greedy(_NOBODY)):
                    self._pause()
                    return
            else:
                self._admit(arrived)

    def _admit(self, arrived: socket.socket) -> None:
        arrived.setblocking(False)  # noqa: FBT003 -- the method takes it so
        try:
            uid = _CREDENTIALS.unpack(arrived.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))[1]
        except OSError:
            arrived.close()
            return
        if not self._room_for(uid):
            arrived.close()
            return
        self._next += 1
        number = self._next
        if uid == 0:
            with suppress(OSError):
                arrived.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _BUFFER)
        connection = Connection(timeout=self.timeout, patience=PATIENCE)
        self._clients[number] = _Client(arrived, uid, connection, self._clock(), _READ)
        self._selector.register(arrived, _READ, self._handler(number))

    def _room_for(self, uid: int) -> bool:
        """Whether there is a place, or one can be made."""
        limit = self._places if uid == 0 else self._places - FOR_ROOT
        return len(self._clients) < limit or self._ended_idle() or self._ended_greedy(uid)

    def _ended_idle(self) -> bool:
        """End an idle connection of whoever has most connections; whether there was one."""
        counts = Counter(client.uid for client in self._clients.values())
        idle = [(number, each) for number, each in self._clients.items() if each.connection.phase is Phase.LENGTH]
        if not idle:
            return False
        number, _ = max(idle, key=lambda item: (counts[item[1].uid], -item[1].last))
        self._end(number)
        return True

    def _ended_greedy(self, uid: int) -> bool:
        """End a connection of another user than root who has more than a fair part of them, and more than this one;
        half a request first, then the one that was quiet the longest. Whether there was one."""
        counts = Counter(client.uid for client in self._clients.values() if client.uid != 0)
        greedy, most = max(counts.items(), key=itemgetter(1), default=(uid, 0))
        if greedy == uid or most <= max(counts[uid], _FAIR):
            return False
        theirs = [(number, each) for number, each in self._clients.items() if each.uid == greedy]
        number, _ = min(theirs, key=lambda item: (item[1].connection.phase is not Phase.TEXT, item[1].last))
        self._end(number)
        return True

    # ---- talking

    def _ready(self, number: int, events: int) -> None:
        if events & _WRITE:
            self._write(number)
        if events & _READ:
            self._read(number)

    def _read(self, number: int) -> None:
        client = self._clients.get(number)
        if client is None or not client.connection.wants:
            return
        try:
            data = client.socket.recv(client.connection.wants)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        client.last = self._clock()
        self._ask(number, client.connection.receive(data, now=client.last))
        self._settle(number)

    def _ask(self, number: int, request: Request | None) -> None:
        client = self._clients.get(number)
        if request is not None and client is not None:
            self._on_asked(Asked(number, request.ticket, client.uid, request.text))

    def reply(self, asked: Asked, reply: str | Message, *, last: bool = False) -> None:
        """The answer to a request; nothing happens when its client has gone or it came too late."""
        client = self._clients.get(asked.client)
        if client is not None and client.connection.answer(asked.ticket, reply, now=self._clock(), last=last):
            self._write(asked.client)

    def _write(self, number: int) -> None:
        client = self._clients.get(number)
        if client is None:
            return
        while rest := client.connection.to_send:
            try:
                count = client.socket.send(rest, socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError:
                self._end(number)
                return
            self._ask(number, client.connection.sent(count, now=self._clock()))
        self._settle(number)

    def _settle(self, number: int) -> None:
        """Wait for what the connection wants next, or end it."""
        client = self._clients.get(number)
        if client is None:
            return
        if client.connection.phase is Phase.CLOSED:
            self._end(number)
            return
        events = (_READ if client.connection.wants else 0) | (_WRITE if client.connection.to_send else 0)
        if events == client.events:
            return
        data = self._handler(number)
        if not events:
            self._selector.unregister(client.socket)
        elif not client.events:
            self._selector.register(client.socket, events, data)
        else:
            self._selector.modify(client.socket, events, data)
        client.events = events

    def _handler(self, number: int) -> _Handler:
        return self._clients[number].uid, number, lambda events: self._ready(number, events)

    # ---- going

    @property
    def wake_at(self) -> float | None:
        """When a request or a client has to be given up next, or connections are taken again."""
        if not self._clients:
            return self._resume_at
        times = [client.connection.deadline for client in self._clients.values()]
        return min((each for each in (*times, self._resume_at) if each is not None), default=None)

    def expire(self, now: float) -> None:
        """Give up what is due, and take connections again."""
        if self._resume_at is not None and self._resume_at <= now:
            self._listen()
        for number, client in tuple(self._clients.items()):
            if client.connection.deadline is not None and client.connection.deadline <= now:
                client.connection.expire(now=now)
                self._write(number)

    def _end(self, number: int) -> None:
        client = self._clients.pop(number)
        if client.events:
            self._selector.unregister(client.socket)
        client.socket.close()

    def close(self) -> None:
        """End all connections and stop listening."""
        for number in tuple(self._clients):
            with suppress(OSError):
                self._end(number)
        for listener in self._listeners:
            listener.close()
        self._selector.close()


def listen(name: str, *, mode: int = 0o666, backlog: int = 128) -> socket.socket:
    """A listening socket under a path, or an abstract name that begins with `@`."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        if name.startswith("@"):
            listener.bind("\0" + name[1:])
        else:
            _bind_path(listener, name, mode)
        listener.listen(backlog)
    except BaseException:
        listener.close()
        raise
    return listener


def _bind_path(listener: socket.socket, path: str, mode: int) -> None:
    """In the place of a socket file that was left there: the lock of the pidfile says that nobody listens on it."""
    with suppress(FileNotFoundError):
        os.unlink(path)
    listener.bind(path)
    os.chmod(path, mode)
