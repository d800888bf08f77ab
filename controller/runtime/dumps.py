"""The flight recorder on its way into a file below /run, since /var may be on the very disk that is dead.

In: word that somebody wants it. Out: the file's name, when a worker has written it. Whoever asks while one is being
written is told of that one. It must never wait, nor keep more than `FILES` files.
"""

import time
from collections.abc import Callable
from typing import Protocol

from controller.protocol.requests import Result
from controller.runtime.events import Kind, Level
from controller.runtime.lanes import Finished
from controller.runtime.recorder import Entry, Recorder
from controller.runtime.recording import lines
from controller.runtime.telling import Teller
from observers.host import Host

DIRECTORY = "/run/mpathctl"
FILES = 8
MODE = 0o600
"""Configuration and WWIDs are nobody's business but root's."""

LIMIT = 60.0
"""Seconds after which a file is not waited for any more."""

_PREFIX, _SUFFIX = "recorder-", ".jsonl"


class Caller(Protocol):
    """Has a worker make a call."""

    def call(
        self, key: str, function: Callable[[], object], then: Callable[[Finished], None], *, limit: float
    ) -> None:  # fmt: skip
        """See `Executor.call`."""


class Dumps:
    """Writes what a recorder kept."""

    def __init__(self, host: Host, caller: Caller, recorder: Recorder, teller: Teller) -> None:
        self._host, self._caller, self._recorder, self._teller = host, caller, recorder, teller
        self._replies: list[Callable[[str], None]] = []
        self._count = 0

    def dump(self, reply: Callable[[str], None]) -> None:
        """Begin to write a file; `reply` gets its name and a newline, or how it failed."""
        self._replies.append(reply)
        if len(self._replies) > 1:
            return
        entries, at = self._recorder.entries, self._host.wall_time()
        self._count += 1
        self._caller.call(
            f"recorder {self._count}", lambda: write(self._host, entries, at=at), self._written, limit=LIMIT
        )

    def _written(self, finished: Finished) -> None:
        found = finished.finding
        if isinstance(found, str):
            text = f"{found}\n"
            self._teller.say(Level.NOTICE, Kind.SERVICE, f"the flight recorder is in {found}")
        else:
            why = found.strerror if isinstance(found, OSError) and found.strerror else type(found).__name__
            text = f"{Result.FAILED}{DIRECTORY}: {why}\n"
            self._teller.say(Level.ERROR, Kind.SERVICE, f"the flight recorder could not be written: {why}")
        replies, self._replies = self._replies, []
        for reply in replies:
            reply(text)


def write(host: Host, entries: tuple[Entry, ...], *, at: float) -> str:
    """Write a file and remove the oldest ones; its name. OSError: it could not be written."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(at))
    file = f"{DIRECTORY}/{_PREFIX}{stamp}.{int(at % 1 * 1000):03d}Z{_SUFFIX}"
    text = "".join(f"{line}\n" for line in lines(entries, at=at))
    host.replace_file(file, text.encode("ascii"), mode=MODE)
    written = [name for name in host.list_directory(DIRECTORY) if name.startswith(_PREFIX) and name.endswith(_SUFFIX)]
    for name in sorted(written)[:-FILES]:
        host.remove_file(f"{DIRECTORY}/{name}")
    return file
