"""Where events go to be read: the journal with fields of their own, or standard error as lines.

In: events. Out: datagrams in the journal's native protocol (systemd.journal-fields(7)), or lines. It must never wait:
what the journal does not take at once is dropped and counted, and the count is told with the next event that gets
through.
"""

import socket
import struct
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TextIO

from controller.runtime.events import Event, Kind, Level

JOURNAL = "/run/systemd/journal/socket"

_PRIORITY = {Level.ERROR: 3, Level.WARNING: 4, Level.NOTICE: 5, Level.INFO: 6, Level.DEBUG: 7}
"""Levels as syslog(3) priorities."""


def line_of(event: Event) -> str:
    """An event for people: who, what, why."""
    subject = event.path or event.map
    text = f"{subject}: {event.text}" if subject else event.text
    if event.path and event.map:
        text = f"{event.map}: {text}"
    return f"{text} ({event.reason})" if event.reason else text


class ErrorStream:
    """Lines on standard error; `stamped`: with the time of day before each, as `multipathd -d` prints them."""

    def __init__(self, verbosity: int, *, stamped: bool, stream: TextIO | None = None) -> None:
        self._verbosity, self._stamped, self._stream = verbosity, stamped, stream or sys.stderr

    def __call__(self, event: Event) -> None:
        """Print it, if it matters enough."""
        if event.level > self._verbosity:
            return
        stamp = time.strftime("%b %d %H:%M:%S | ", time.localtime(event.at)) if self._stamped else ""
        with suppress(OSError, ValueError):
            self._stream.write(f"{stamp}{line_of(event)}\n")
            self._stream.flush()


class Journal:
    """The system's journal."""

    def __init__(self, verbosity: int, *, identifier: str, address: str = JOURNAL) -> None:
        self._verbosity, self._identifier, self._address = verbosity, identifier, address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.settimeout(0)
        self._dropped = 0

    def __call__(self, event: Event) -> None:
        """Send it, if it matters enough."""
        if event.level > self._verbosity:
            return
        if self._dropped:
            text = f"{self._dropped} messages were lost, as the journal did not take them"
            lost = Event(at=event.at, level=Level.WARNING, kind=Kind.SERVICE, text=text)
            self._dropped = 0 if self._sent(lost) else self._dropped
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
