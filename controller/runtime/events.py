"""What the daemon saw, decided and did, as values; and those who want to hear of it.

In: events from all parts of the daemon. Out: each event to every listener, in order. The last ones are kept for whoever
comes late. It must never wait for a listener, nor fail because of one.
"""

import json
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum, StrEnum

KEPT = 4096
"""Events that are remembered: about what a fabric of 1,000 paths says when it goes and comes back."""


class Level(IntEnum):
    """How much it matters; `verbosity` of multipath.conf(5) is the highest level that is logged."""

    ERROR = 0
    WARNING = 1
    NOTICE = 2
    INFO = 3
    DEBUG = 4


class Kind(StrEnum):
    """What an event is about."""

    SEEN = "seen"
    """Something of the host is not as it was."""
    DECIDED = "decided"
    """A map's plan, with its reasons."""
    DONE = "done"
    """A step and what came of it."""
    CONFIGURATION = "configuration"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened. `at`: seconds since 1970. `map`, `path`: names, empty where it is about none."""

    at: float
    level: Level
    kind: Kind
    text: str
    map: str = ""
    wwid: str = ""
    path: str = ""
    reason: str = ""

    def to_json(self) -> str:
        """One line of JSON, without a line's end; what is empty is left out."""
        fields: dict[str, object] = {"at": round(self.at, 6), "level": self.level.name.lower(), "kind": str(self.kind)}
        texts = {"map": self.map, "wwid": self.wwid, "path": self.path, "text": self.text, "reason": self.reason}
        fields |= {name: text for name, text in texts.items() if text}
        return json.dumps(fields, ensure_ascii=False).encode("utf-8", "backslashreplace").decode("utf-8")


Listener = Callable[[Event], None]


class Bulletin:
    """Hands events on, and keeps the last of them. `count`: how many there were at all."""

    def __init__(self, kept: int = KEPT) -> None:
        self._last: deque[Event] = deque(maxlen=kept)
        self._listeners: list[Listener] = []
        self.count = 0

    def listen(self, listener: Listener) -> None:
        """From now on."""
        self._listeners.append(listener)

    def leave(self, listener: Listener) -> None:
        """No more."""
        self._listeners.remove(listener)

    def tell(self, event: Event) -> None:
        """It happened."""
        self.count += 1
        self._last.append(event)
        for listener in tuple(self._listeners):
            with suppress(Exception):
                listener(event)

    def __iter__(self) -> Iterator[Event]:
        return iter(tuple(self._last))
