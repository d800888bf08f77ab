"""Questions that were answered before, asked again by threads that wait for the answers.

Theory of operation. Nearly all that a daemon ever asks was asked before and is answered as before. For that, the
cheapest way is a thread that waits: it asks one device after the other, and the loop hears of many at once. But a
device that is silent keeps its thread. So a host never has more than one, and what no thread has come to within
`PATIENCE` is given back, to be asked in the way that keeps nobody; for a while so is everything of that host.

In: `Repeat`s under tickets. Out: what came of them, and those that are to be asked otherwise. It must never keep the
loop waiting, nor a device that answers for longer than `PATIENCE`.
"""

from collections import deque
from collections.abc import Callable
from functools import partial

from controller.runtime.group_queue import GroupQueue
from controller.runtime.sg_engine import IN_A_ROW
from controller.runtime.sg_nodes import Job, Nodes
from controller.runtime.workers import drained, outcome, start_threads
from observers.asking import Repeat, Repeated
from observers.engine import Answered
from observers.host import ScsiReply
from observers.kernel.sg import Command

PATIENCE = 0.25
"""Seconds for which a question waits for a thread."""

_AGAIN_AFTER = 10.0
"""Seconds after which a host that kept a question waiting gets a thread again."""


class Repeating:
    """`ring`: called by a thread when the loop is to take answers. `clock`: monotonic seconds. `ask`: sends a command
    and waits for the reply."""

    def __init__(
        self, nodes: Nodes, *, threads: int, ring: Callable[[], None], clock: Callable[[], float],
        ask: Callable[[Command, int], ScsiReply] = Command.ask,
    ) -> None:  # fmt: skip
        self._nodes, self._ring, self._clock, self._ask = nodes, ring, clock, ask
        self._queue: GroupQueue[Job] = GroupQueue(width=1)
        self._answers: deque[Answered] = deque()
        self._given: dict[int, tuple[float, Job]] = {}
        self._slow: dict[str, float] = {}
        self.threads = start_threads(threads, "repeat", self._work)

    def submit(self, job: Job) -> bool:
        """Have a `Repeat` asked. False: its host is slow now; it is to be asked otherwise."""
        now = self._clock()
        if self._slow and self._slow.get(job.group, now) > now:
            return False
        self._given[job.ticket] = now, job
        self._queue.put(job.group, job.ticket, job)
        return True

    def cancel(self, ticket: int) -> bool:
        """Drop a question that no thread has begun."""
        self._given.pop(ticket, None)
        return self._queue.cancel(ticket)

    def completed(self) -> list[Answered]:
        """What came of questions since the last time: a `Repeated`, or the error of a call."""
        answers = drained(self._answers)
        for answered in answers:
            self._given.pop(answered.ticket, None)
        return answers

    def due(self) -> float | None:
        """When `completed` and `overdue` should be called even if the bell is silent."""
        return next(iter(self._given.values()))[0] + PATIENCE if self._given else None

    def overdue(self) -> list[Job]:
        """Those to which no thread came in time: they are to be asked otherwise."""
        now, late = self._clock(), []
        while self._given and (first := next(iter(self._given.values())))[0] + PATIENCE <= now:
            job = first[1]
            del self._given[job.ticket]
            self._slow = {group: until for group, until in self._slow.items() if until > now}
            self._slow[job.group] = now + _AGAIN_AFTER
            if self._queue.cancel(job.ticket):
                late.append(job)
        return late

    def close(self) -> None:
        """End the threads that wait for something to do."""
        self._queue.close()

    # ---- the threads

    def _work(self) -> None:
        while (taken := self._queue.take()) is not None:
            for each in self._queue.in_a_row(taken, IN_A_ROW):
                answer = outcome(partial(self._repeated, each.job))
                self._answers.append(Answered(each.ticket, answer))
                if not (isinstance(answer, Repeated) and answer.other is None):
                    self._ring()
            self._ring()

    def _repeated(self, job: Job) -> Repeated:
        asked = job.question.asked if isinstance(job.question, Repeat) else ()
        known = self._nodes.borrow(job.name, watched=False)
        found = Repeated(len(asked))
        try:
            for place, (question, before) in enumerate(asked):
                reply = self._ask(known.prepare(question), known.descriptor)
                if reply is not before and reply != before:
                    found = Repeated(place, reply)
                    break
        except Exception:
            self._nodes.give_back(known, usable=False)
            raise
        self._nodes.give_back(known)
        return found
