"""Threads that make blocking calls, started once and never more: a fixed number, with small stacks.

In: calls, each under a ticket and of a group. Out: what each returned, or its error, and a ring of the bell. A call
that never returns keeps its thread; of one group not more than `width` calls run at the same time, so that it keeps no
more. A thread must never start another, import, or let an error out.
"""

import threading
from collections import deque
from collections.abc import Callable

from controller.runtime.group_queue import GroupQueue
from observers.engine import Answered

STACK_SIZE = 128 * 1024
"""Bytes. Locked memory holds whole stacks: with the usual 8 MiB a dozen threads would lock 100 MiB. Python's own calls
need none of it; reading and parsing a whole configuration took 12 KiB."""

Call = Callable[[], object]


def start_threads(count: int, name: str, run: Callable[[], None]) -> tuple[threading.Thread, ...]:
    """Threads that do not keep the process from ending."""
    before = threading.stack_size(STACK_SIZE)
    try:
        threads = tuple(threading.Thread(target=run, name=f"{name}-{number}", daemon=True) for number in range(count))
        for thread in threads:
            thread.start()
    finally:
        threading.stack_size(before)
    return threads


def outcome(call: Call) -> object:
    """What a call returned or the error that it raised."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - whatever a call raises is its answer; a thread must outlive it
        return error


class Workers:
    """`ring`: called by a thread when it has put an answer down."""

    def __init__(self, count: int, *, name: str, width: int, ring: Callable[[], None]) -> None:
        self._queue: GroupQueue[Call] = GroupQueue(width=width)
        self._answers: deque[Answered] = deque()
        self._ring = ring
        self.threads = start_threads(count, name, self._work)

    def run(self, ticket: int, group: str, call: Call) -> None:
        """Have a call made."""
        self._queue.put(group, ticket, call)

    def cancel(self, ticket: int) -> bool:
        """Drop a call that no thread has begun."""
        return self._queue.cancel(ticket)

    def completed(self) -> list[Answered]:
        """The answers since the last time."""
        return drained(self._answers)

    def close(self) -> None:
        """End the threads that wait; those in a call end with it."""
        self._queue.close()

    def _work(self) -> None:
        while (taken := self._queue.take()) is not None:
            answer = outcome(taken.job)
            self._queue.done(taken.group)
            self._answers.append(Answered(taken.ticket, answer))
            self._ring()


def drained(answers: deque[Answered]) -> list[Answered]:
    """Take all that is there now; others may go on adding."""
    return [answers.popleft() for _ in range(len(answers))]
