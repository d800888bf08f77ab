"""The wire format of multipathd's socket, without the socket: what bytes mean, and what may be sent when.

In: the bytes of each read, and the time. Out: requests, replies, bytes to write, and when to come back. Pure and light:
clients import nothing but this. Time is monotonic seconds.

Theory of operation. A message is its length (a native `size_t`), then a text with a NUL at its end, which the length
counts. A request may leave the NUL out, is 1 to 512 bytes long, and its length must come in one read: whatever else
comes is no client of ours, and the connection ends. The text may come in pieces. Requests are answered in order, one at
a time; more of them may already be on their way.

`Phase` has the states of the server's side and `_NEXT` everything that may happen in each:

    LENGTH  --length-->    TEXT     the clock of `uxsock_timeout` starts
    LENGTH  --bad-->       CLOSED   short, zero, too long, or the client has gone
    TEXT    --text-->      WORKING
    TEXT    --bad-->       CLOSED   the client has gone
    TEXT    --late-->      REPLYING  the reply is `fail`, `timeout`; what still comes is taken for a length
    WORKING --answer-->    REPLYING  the clock stops
    WORKING --late-->      REPLYING  an answer after that is dropped
    REPLYING --sent-->     LENGTH, or CLOSED after the last reply
    REPLYING --late-->     CLOSED   the client does not read (multipathd waits for ever)

While a reply is due nothing is read (`wants` is 0), so a client that floods fills its own socket, not our memory.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from observers.errors import ProtocolError

LONGEST_REQUEST = 512
"""Bytes, the NUL counted."""
LONGEST_REPLY = 32 * 1024 * 1024
"""Bytes; clients refuse a reply of this length or more."""
TIMED_OUT = "fail\ntimeout\n"

_LENGTH = struct.Struct("@N")
LENGTH_BYTES = _LENGTH.size


def encode_text(text: str) -> bytes:
    """The bytes that a text was read from, whatever they were."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def decode_text(data: bytes) -> str:
    """The text in a message: what is before the first NUL."""
    return data.partition(b"\0")[0].decode("utf-8", "surrogateescape")


class Message:
    """A whole message of either side. A long reply is made one ahead, as that copies it three times. `parts`: its text.

    What is behind a NUL in the text would not be read: it is left out. `data`: with the length, and a NUL at the end.
    """

    __slots__ = ("data",)

    def __init__(self, parts: Sequence[bytes]) -> None:
        data = b"".join((_LENGTH.pack(sum(map(len, parts)) + 1), *parts, b"\0"))
        end = data.index(b"\0", LENGTH_BYTES) + 1
        self.data = data if end == len(data) else _LENGTH.pack(end - LENGTH_BYTES) + data[LENGTH_BYTES:end]

    @property
    def text(self) -> str:
        """The text in it."""
        return decode_text(self.data[LENGTH_BYTES:])


def encode_message(text: str) -> bytes:
    """A message with this text."""
    return Message((encode_text(text),)).data


def encode_request(text: str) -> bytes:
    """A client's message. `ProtocolError` when multipathd would end the connection instead of answering."""
    message = encode_message(text)
    if len(message) - LENGTH_BYTES > LONGEST_REQUEST:
        raise ProtocolError(f"a command of {len(message) - LENGTH_BYTES} bytes, the most is {LONGEST_REQUEST}")
    return message


class ReplyReader:
    """The client's side: replies out of whatever bytes come, in pieces of any size.

    `limit`: the length from which a reply is refused, for what answers need not be a multipathd.
    """

    def __init__(self, *, limit: int = LONGEST_REPLY) -> None:
        self._limit = limit
        self._bytes = bytearray()

    @property
    def wants(self) -> int:
        """How many bytes are missing to the end of the length, or of the reply; never 0."""
        return self._end() - len(self._bytes)

    def _end(self) -> int:
        return LENGTH_BYTES + self._length() if len(self._bytes) >= LENGTH_BYTES else LENGTH_BYTES

    def _length(self) -> int:
        (length,) = _LENGTH.unpack_from(self._bytes)
        if not 0 < length < self._limit:
            raise ProtocolError(f"multipathd sent the length {length}, should be 1 to {self._limit - 1}")
        return int(length)

    def receive(self, data: bytes) -> list[str]:
        """The replies that are complete now. `ProtocolError`: a length that can't be, or no data: the daemon left."""
        if not data:
            raise ProtocolError("multipathd closed the connection before its reply was complete")
        self._bytes += data
        replies = []
        while len(self._bytes) >= LENGTH_BYTES and len(self._bytes) >= (end := self._end()):
            replies.append(decode_text(bytes(self._bytes[LENGTH_BYTES:end])))
            del self._bytes[:end]
        return replies


class Phase(Enum):
    """What a connection does."""

    LENGTH = auto()
    TEXT = auto()
    WORKING = auto()
    REPLYING = auto()
    CLOSED = auto()


class _Event(Enum):
    LENGTH = auto()
    TEXT = auto()
    ANSWER = auto()
    SENT = auto()
    LAST_SENT = auto()
    LATE = auto()
    BAD = auto()


_NEXT: Mapping[tuple[Phase, _Event], Phase] = {
    (Phase.LENGTH, _Event.LENGTH): Phase.TEXT,
    (Phase.LENGTH, _Event.BAD): Phase.CLOSED,
    (Phase.TEXT, _Event.TEXT): Phase.WORKING,
    (Phase.TEXT, _Event.BAD): Phase.CLOSED,
    (Phase.TEXT, _Event.LATE): Phase.REPLYING,
    (Phase.WORKING, _Event.ANSWER): Phase.REPLYING,
    (Phase.WORKING, _Event.LATE): Phase.REPLYING,
    (Phase.WORKING, _Event.BAD): Phase.CLOSED,
    (Phase.REPLYING, _Event.SENT): Phase.LENGTH,
    (Phase.REPLYING, _Event.LAST_SENT): Phase.CLOSED,
    (Phase.REPLYING, _Event.LATE): Phase.CLOSED,
    (Phase.REPLYING, _Event.BAD): Phase.CLOSED,
}


@dataclass(frozen=True, slots=True)
class Request:
    """A complete request: its text, and the number under which the answer must come back."""

    ticket: int
    text: str


class Connection:
    """The server's side of one connection.

    `timeout`: seconds from the length of a request to its reply (`uxsock_timeout`). `patience`: seconds for a client to
    read some of a reply, None for ever.
    """

    def __init__(self, *, timeout: float, patience: float | None = None) -> None:
        self._timeout, self._patience = timeout, patience
        self._phase = Phase.LENGTH
        self._ticket = 0
        self._length = 0
        self._text = bytearray()
        self._ahead = b""
        self._reply = memoryview(b"")
        self._last = False
        self._deadline: float | None = None
        self.trouble = ""
        """Why the connection was closed, in words; empty while it is open or when it ended as it should."""

    @property
    def phase(self) -> Phase:
        """What the connection does."""
        return self._phase

    @property
    def wants(self) -> int:
        """How many bytes to read at most now; 0: none, as an answer is due or all is over."""
        if self._phase is Phase.LENGTH:
            return LENGTH_BYTES
        return self._length - len(self._text) if self._phase is Phase.TEXT else 0

    @property
    def deadline(self) -> float | None:
        """When `expire` should be called; None: there is nothing to wait for."""
        return self._deadline

    def receive(self, data: bytes, *, now: float) -> Request | None:
        """Take what one read gave; nothing means that the client has gone. More than `wants` is kept for later."""
        if self._phase is Phase.CLOSED:
            return None
        if not data:
            self._close("" if self._phase is Phase.LENGTH else "the client left in the middle of a request")
            return None
        if self.wants == 0 or self._ahead:
            self._ahead += data
            return self._take_ahead(now)
        return self._take(data, now=now)

    def _take_ahead(self, now: float) -> Request | None:
        """What was read too early, if it is time for it. Where its reads began is forgotten: a length may be in two."""
        if self.wants == 0 or len(self._ahead) < LENGTH_BYTES:
            return None
        data, self._ahead = self._ahead, b""
        return self._take(data, now=now)

    def _take(self, data: bytes, *, now: float) -> Request | None:
        if self._phase is Phase.LENGTH:
            data = self._take_length(data, now=now)
        missing = self._length - len(self._text)
        if self._phase is not Phase.TEXT:
            return None
        self._text += data[:missing]
        self._ahead += data[missing:]
        if len(self._text) < self._length:
            return None
        self._move(_Event.TEXT)
        self._ticket += 1
        return Request(self._ticket, decode_text(bytes(self._text)))

    def _take_length(self, data: bytes, *, now: float) -> bytes:
        """Take a request's length; what is behind it is given back."""
        if len(data) < LENGTH_BYTES:
            self._close(f"the length of a request came in pieces (the first has {len(data)} bytes)")
            return b""
        (length,) = _LENGTH.unpack_from(data)
        if not 0 < length <= LONGEST_REQUEST:
            self._close(f"a request of {length} bytes, should be 1 to {LONGEST_REQUEST}")
            return b""
        self._length, self._text = length, bytearray()
        self._deadline = now + self._timeout
        self._move(_Event.LENGTH)
        return data[LENGTH_BYTES:]

    def answer(self, ticket: int, reply: str | Message, *, now: float, last: bool = False) -> bool:
        """Send a reply; with `last` the connection ends after it. False: nobody waits for it any more."""
        if self._phase is not Phase.WORKING or ticket != self._ticket:
            return False
        self._begin(_Event.ANSWER, reply, now=now)
        self._last = last
        return True

    def _begin(self, event: _Event, reply: str | Message, *, now: float) -> None:
        self._reply = memoryview(reply.data if isinstance(reply, Message) else encode_message(reply))
        self._deadline = None if self._patience is None else now + self._patience
        self._move(event)

    @property
    def to_send(self) -> memoryview:
        """What is left of the reply; empty when there is nothing to write."""
        return self._reply if self._phase is Phase.REPLYING else memoryview(b"")

    def sent(self, count: int, *, now: float) -> Request | None:
        """So many bytes of `to_send` were written. A request that came too early may be there now."""
        if self._phase is not Phase.REPLYING:
            return None
        self._reply = self._reply[count:]
        if self._reply:
            if self._patience is not None and count:
                self._deadline = now + self._patience
            return None
        self._deadline = None
        self._move(_Event.LAST_SENT if self._last else _Event.SENT)
        return self._take_ahead(now)

    def expire(self, *, now: float) -> None:
        """Do what is due at this time: give up a request, or a client that does not read."""
        if self._deadline is None or now < self._deadline:
            return
        if self._phase is Phase.REPLYING:
            self._deadline, self.trouble = None, "the client does not read its reply"
            self._move(_Event.LATE)
        else:
            self._begin(_Event.LATE, TIMED_OUT, now=now)

    def _close(self, trouble: str) -> None:
        self._deadline, self.trouble = None, trouble
        self._move(_Event.BAD)

    def _move(self, event: _Event) -> None:
        self._phase = _NEXT[self._phase, event]
