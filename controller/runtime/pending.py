"""Replies that are given later, when it is known what they are.

In: for each reply a function that says it, or None while it can't be known. Out: replies, each once. It must never
wait, nor keep a reply that nobody can be there any more to hear.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass

from actuators.steps import Lost, Outcome, Refused
from controller.protocol.requests import Result

Reply = Callable[[str], None]

_LIMIT = 600.0
"""Seconds after which no client waits for a reply any more: their connections' own limits are much shorter."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    ready: Callable[[], str | None]
    reply: Reply
    until: float


class Pending:
    """All who wait. `clock`: monotonic seconds. `on_defect`: is told of exceptions that nobody foresaw."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._waiting: list[_Waiting] = []
        self.on_defect: Callable[[str, BaseException], None] = lambda _what, _error: None

    def when(self, ready: Callable[[], str | None], reply: Reply) -> None:
        """Reply as soon as `ready` says what."""
        self._waiting.append(_Waiting(ready, reply, self._clock() + _LIMIT))

    def turn(self) -> None:
        """Answer whose time has come."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            text = self._text_of(each)
            if text is None:
                self._waiting.append(each)
            else:
                each.reply(text)

    def _text_of(self, waiting: _Waiting) -> str | None:
        """The reply; a client that has waited for too long has gone, and is not to be kept for ever."""
        try:
            text = waiting.ready()
        except Exception as error:  # noqa: BLE001 - a defect that one reply meets must not keep others waiting
            self.on_defect("a reply", error)
            return Result.FAILED
        return Result.FAILED if text is None and waiting.until <= self._clock() else text


def result_of(outcome: Outcome) -> str:
    """The reply to who had one thing done."""
    match outcome:
        case Refused(errno.EBUSY):
            return Result.BUSY
        case Refused() | Lost():
            return Result.FAILED
        case _:
            return Result.DONE
