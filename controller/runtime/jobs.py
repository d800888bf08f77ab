"""Work in progress: what workers do for the reconciler, and what of it takes too long.

In: work that may block. Out: calls in the lanes, each of which ends with a `Performed`; a word on those that are late.
A job is never stopped, as nobody knows what it has done. It must never decide what to do.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from controller.runtime.applying import Outcomes, Work, do
from controller.runtime.cycle import Files
from controller.runtime.lanes import Lanes
from controller.runtime.telling import Teller
from observers import config_files
from observers.breathing import Breathe, without_pause
from observers.config_files import Places, Texts
from observers.host import Host

LATE = 60.0
"""Seconds after which a worker's job is told to be late; it is not stopped, and its maps stay busy."""

RECORDS = "records"
"""The group of those jobs in the lanes that write files: one after the other."""


@dataclass(frozen=True, slots=True)
class Performed:
    """What a worker brings back: outcomes, and the texts of the records if it may have changed them."""

    outcomes: Outcomes
    texts: Texts | None


class Jobs:
    """All that is under way."""

    def __init__(self, host: Host, files: Files, *, lanes: Lanes, teller: Teller) -> None:
        self._host, self._lanes, self._teller = host, lanes, teller
        self._places = Places(files.config, files.config_dir, files.state_dir)
        self._count = 0
        self._working: list[Work] = []
        self._late_at: deque[tuple[float, Work]] = deque()

    def do(self, work: Work, *, udev_running: bool, breathe: Breathe = without_pause) -> Outcomes:
        """Do it here and now, with a breath after each step."""
        return do(self._host, work, udev_running=udev_running, on_outcome=lambda _step, _outcome: breathe())

    def begin(self, work: Work, *, udev_running: bool, now: float) -> str:
        """Have a worker do it; the key of its lane."""
        self._count += 1
        key = f"job {self._count}"
        self._working.append(work)
        self._late_at.append((now + LATE, work))
        call = self._performing(work, udev_running=udev_running)
        self._lanes.call(key, RECORDS if work.plan.records else key, call, now=now, deadline=math.inf, token=work)
        return key

    def _performing(self, work: Work, *, udev_running: bool) -> Callable[[], Performed]:
        def perform() -> Performed:
            outcomes = self.do(work, udev_running=udev_running)
            return Performed(outcomes, config_files.observe(self._host, self._places) if work.plan.records else None)

        return perform

    @property
    def recording(self) -> bool:
        """Whether records are being written."""
        return any(work.plan.records for work in self._working)

    def ended(self, work: Work) -> None:
        """Its worker is done with it."""
        self._working.remove(work)

    def tell_late(self, now: float) -> None:
        """Say which jobs should have been done long ago; they go on, and their maps wait for them."""
        while self._late_at and self._late_at[0][0] <= now:
            _, work = self._late_at.popleft()
            if work in self._working:
                self._teller.late(work, LATE)
