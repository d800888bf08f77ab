"""Where events go to be read: the journal with fields of their own, or standard error as lines.

In: events. Out: datagrams in the journal's native protocol (systemd.journal-fields(7)), or lines. It must never let the
loop wait: what the journal does not take at once is dropped and counted, and the count is told with the next event that
gets through; lines are written by a thread, and dropped likewise when too many wait for it.
"""

import os
import select
import socket
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from queue import Full, Queue

from controller.runtime.events import Event, Kind, Level
from controller.runtime.workers import start_threads

JOURNAL = "/run/systemd/journal/socket"

_PRIORITY = {Level.ERROR: 3, Level.WARNING: 4, Level.NOTICE: 5, Level.INFO: 6, Level.DEBUG: 7}
"""Levels as syslog(3) priorities."""

_STANDARD_ERROR = 2

_ROOM = 1024
"""Lines that may wait to be written."""

_PATIENCE = 1.0
"""Seconds in which the last lines have to be written at the end."""


def line_of(event: Event) -> str:
    """An event for people: who, what, why."""
    subject = event.path or event.map
    text = f"{subject}: {event.text}" if subject else event.text
    if event.path and event.map:
        text = f"{event.map}: {text}"
    return f"{text} ({event.reason})" if event.reason else text


class ErrorStream:
    """Lines on standard error; `stamped`: with the time of day before each, as `multipathd -d` prints them.
    `verbosity`: the level of what matters least of what is printed; it may be changed.

    A pipe that nobody reads, a terminal that is stopped, a file on a dead disk: each lets whoever writes to it wait,
    and the descriptor is shared with other programs, so it can't be made non-blocking. So a thread writes, and it also
    looks up the time of day, for which the C library looks at a file in /etc. It does without Python's stream, whose
    lock it would take along into the end of the process.
    """

    def __init__(self, verbosity: int, *, stamped: bool, descriptor: int = _STANDARD_ERROR, room: int = _ROOM) -> None:
        self.verbosity, self._stamped, self._descriptor = verbosity, stamped, descriptor
        self._events: Queue[Event | None] = Queue(room)
        self._dropped = 0
        (self._thread,) = start_threads(1, "log", self._write_all)

    def __call__(self, event: Event) -> None:
        """Have it printed, if it matters enough."""
        if event.level > self.verbosity:
            return
        if self._dropped:
            text = f"{self._dropped} messages were lost, as nobody read them from standard error"
            self._dropped = 0 if self._put(_lost(event.at, text)) else self._dropped
        if not self._put(event):
            self._dropped += 1

    def close(self, *, patience: float = _PATIENCE) -> None:
        """No more lines; those that wait are written, if that is possible within so many seconds."""
        with suppress(Full):
            self._events.put_nowait(None)
            self._thread.join(patience)

    def _put(self, event: Event) -> bool:
        try:
            self._events.put_nowait(event)
        except Full:
            return False
        return True

    def _write_all(self) -> None:
        while (event := self._events.get()) is not None:
            stamp = time.strftime("%b %d %H:%M:%S | ", time.localtime(event.at)) if self._stamped else ""
            with suppress(OSError):
                self._write(f"{stamp}{line_of(event)}\n".encode("utf-8", "backslashreplace"))

    def _write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # another program made it so
                select.select([], [self._descriptor], [])


class Journal:
    """The system's journal. `verbosity`: the level of what matters least of what is sent; it may be changed."""

    def __init__(self, verbosity: int, *, identifier: str, address: str = JOURNAL) -> None:
        self.verbosity, self._identifier, self._address = verbosity, identifier, address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.settimeout(0)
        self._dropped = 0

    def __call__(self, event: Event) -> None:
        """Send it, if it matters enough."""
        if event.level > self.verbosity:
            return
        if self._dropped:
            text = f"{self._dropped} messages were lost, as the journal did not take them"
            self._dropped = 0 if self._sent(_lost(event.at, text)) else self._dropped
        if not self._sent(event):
            self._dropped += 1

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()

    def _sent(self, event: Event) -> bool:
        fields = {
            "MESSAGE": line_of(event),
            "PRIORITY": str(_PRIORITY[event.level]),
            "SYSLOG_IDENTIFIER": self._identifier,
            "MPATH_KIND": str(event.kind),
            "MPATH_MAP": event.map,
            "MPATH_WWID": event.wwid,
            "MPATH_PATH": event.path,
            "MPATH_REASON": event.reason,
        }
        try:
            self._socket.sendto(datagram(fields), self._address)
        except OSError:
            return False
        return True


def _lost(at: float, text: str) -> Event:
    return Event(at=at, level=Level.WARNING, kind=Kind.SERVICE, text=text)


def datagram(fields: Mapping[str, str]) -> bytes:
    """Fields in the journal's native protocol, those that are not empty; a value with a line's end gets its length."""
    parts = []
    for name, value in fields.items():
        data = value.encode("utf-8", "backslashreplace")
        if b"\n" in data:
            parts.append(name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n")
        elif data:
            parts.append(name.encode() + b"=" + data + b"\n")
    return b"".join(parts)
