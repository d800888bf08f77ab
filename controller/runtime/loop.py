"""The loop of the daemon: wait for whatever comes first, hand it to whom it concerns, and let everyone do what is due.

Theory of operation. All waiting is done in one place, by one selector: sockets, events of udev, of device-mapper and of
transports, answers of the lanes, signals. Nothing else waits. A round is: take what is there, then a turn of the
reconciler, then what others wait for. How long to wait is the earliest time that anybody named.

A defect of one part, an exception that nobody foresaw, ends that part's turn and nothing else: it is told, and the loop
goes on. As whatever caused it may still be there to be taken, rounds that follow each other with a defect in each are
made less and less often.

In: a selector and the parts. Out: nothing until it is told to stop. It must never decide.
"""

import selectors
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from controller.runtime.lanes import Finished
from controller.runtime.reconciler import Reconciler

LONGEST_WAIT = 30.0
"""Seconds after which a round is made even if nothing happened."""


class Selector(Protocol):
    """As much of a selector as the loop uses."""

    def register(self, source: Any, events: int, data: Any = None, /) -> Any:
        """Wait for a source from now on; `data` is called with what is ready."""

    def select(self, timeout: float | None = None, /) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready, at the latest after `timeout` seconds."""


_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 1.0
"""Seconds that nothing is done after the second round in a row with a defect, and at most, later."""


@dataclass(frozen=True, slots=True)
class Chore:
    """Something that is done when its time comes. `due`: monotonic seconds, None: not now; `do`: takes the time."""

    due: Callable[[], float | None]
    do: Callable[[float], None]


class Loop:
    """Runs until `stop` is called. `takers`: who is told of what finished in the lanes and is not the reconciler's.
    `clock`: monotonic seconds. `pause`: lets so many seconds pass. `on_defect`: is told of exceptions that nobody
    foresaw."""

    def __init__(
        self, selector: Selector, reconciler: Reconciler, takers: Iterable[Callable[[Finished], None]], *,
        clock: Callable[[], float], on_round: Callable[[float], None], pause: Callable[[float], None],
        on_defect: Callable[[str, BaseException], None],
    ) -> None:  # fmt: skip
        self._selector, self._reconciler, self._takers = selector, reconciler, tuple(takers)
        self._clock, self._on_round = clock, on_round
        self._pause, self._on_defect = pause, on_defect
        self._chores: list[Chore] = []
        self._broken, self._pauses = False, 0.0
        self._stopped = False

    def listen(self, source: object, handle: Callable[[float], None]) -> None:
        """Have `handle` called with the time whenever there is something to read from `source`."""
        self._selector.register(source, selectors.EVENT_READ, lambda _events: handle(self._clock()))

    def add(self, chores: Iterable[Chore]) -> None:
        """Things to do from now on."""
        self._chores += chores

    def stop(self) -> None:
        """End after this round."""
        self._stopped = True

    def run(self) -> None:
        """Until it is stopped."""
        while not self._stopped:
            self.round()

    def round(self, *, longest: float = LONGEST_WAIT) -> None:
        """Wait, and do what is due then."""
        due = [chore.due() for chore in self._chores]
        turn = self._reconciler.wake_at
        first = min((at for at in (*due, turn) if at is not None), default=None)
        timeout = longest if first is None else min(longest, max(0.0, first - self._clock()))
        ready = self._selector.select(timeout)
        for key, events in ready:
            self._guarded("an event", partial(key.data, events))
        now = self._clock()
        quiet = not ready and timeout < longest
        planned = zip(self._chores, due, strict=True)
        done = [self._done_if_due(chore, at if quiet else chore.due(), now) for chore, at in planned]
        if any(done):
            turn = self._reconciler.wake_at
        if not quiet or (turn is not None and turn <= now):
            self._turn(now)
        self._calm_down()

    def _done_if_due(self, chore: Chore, due: float | None, now: float) -> bool:
        if due is None or due > now:
            return False
        self._guarded("something that was due", partial(chore.do, now))
        return True

    def _turn(self, now: float) -> None:
        self._guarded("a turn", partial(self._reconciler.turn, now))
        others, self._reconciler.others = self._reconciler.others, []
        for finished in others:
            for take in self._takers:
                self._guarded(f"what came of {finished.key}", partial(take, finished))
        self._guarded("the end of a round", partial(self._on_round, now))

    def _guarded(self, what: str, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - a defect of one part must not end the service of all others
            self._broken = True
            self._on_defect(what, error)

    def _calm_down(self) -> None:
        """Pause after a round with a defect that followed another one."""
        if self._broken and self._pauses:
            self._pause(self._pauses)
        self._pauses = min(_LONGEST_PAUSE, 2 * self._pauses or _FIRST_PAUSE) if self._broken else 0.0
        self._broken = False
