"""A queue between one thread that puts and several that take, in which no group can take all the takers.

In: jobs, each under a ticket and of a group (a SCSI host). Out: to each thread that asks, the next job of the next
group in turn that has fewer than `width` threads busy with it. When one host stops answering, as many threads are
stuck behind it and no more. It must never run a job.
"""

from collections import Counter, deque
from collections.abc import Iterator
from threading import Condition, Lock
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Taken(NamedTuple, Generic[T]):
    """A job that was given to a thread, which has to say when it is `done`."""

    group: str
    ticket: int
    job: T


class GroupQueue(Generic[T]):
    """The queue. `width`: the most threads that are busy with one group."""

    def __init__(self, *, width: int) -> None:
        self._width = width
        self._changed = Condition(Lock())
        self._jobs: dict[int, Taken[T]] = {}
        self._waiting: dict[str, deque[int]] = {}
        self._busy: Counter[str] = Counter()
        self._turn: deque[str] = deque()
        self._closed = False

    def put(self, group: str, ticket: int, job: T) -> None:
        """Add a job at the end of its group."""
        with self._changed:
            self._jobs[ticket] = Taken(group, ticket, job)
            tickets = self._waiting.setdefault(group, deque())
            tickets.append(ticket)
            if self._busy.get(group, 0) < self._width and group not in self._turn:
                self._takeable(group)

    def take(self) -> Taken[T] | None:
        """Wait for a job; None: the queue was closed."""
        with self._changed:
            while True:
                if self._closed:
                    return None
                if self._turn:
                    taken = self._next(self._turn.popleft())
                    if taken is not None:
                        return taken
                else:
                    self._changed.wait()

    def _next(self, group: str) -> Taken[T] | None:
        """The next job of a group whose turn it is, with the group back in its place if it may have one more thread."""
        tickets = self._waiting[group]
        taken = self._jobs.pop(tickets.popleft()) if tickets else None
        if taken is not None:
            self._busy[group] += 1
        if not tickets:
            del self._waiting[group]
        elif self._busy[group] < self._width:
            self._takeable(group)
        return taken

    def _takeable(self, group: str) -> None:
        """It is a group's turn: one thread may come. Waking one for every job would cost more than most jobs."""
        self._turn.append(group)
        self._changed.notify()

    def done(self, group: str) -> None:
        """A thread has ended a job of a group."""
        with self._changed:
            self._busy[group] -= 1
            if not self._busy[group]:
                del self._busy[group]
            if group in self._waiting and group not in self._turn:
                self._takeable(group)

    def following(self, group: str) -> Taken[T] | None:
        """A thread has ended a job of a group: the group's next job, which takes no turn and wakes nobody; None: there
        is none, and the thread is done with the group."""
        with self._changed:
            tickets = self._waiting.get(group)
            if tickets and not self._closed:
                taken = self._jobs.pop(tickets.popleft())
                if not tickets and group not in self._turn:
                    del self._waiting[group]
                return taken
        self.done(group)
        return None

    def in_a_row(self, first: Taken[T], most: int) -> Iterator[Taken[T]]:
        """A job and those behind it in its group, so many at most; at the end the thread is done with the group."""
        taken: Taken[T] | None = first
        for _ in range(most - 1):
            if taken is None:
                return
            yield taken
            taken = self.following(first.group)
        if taken is not None:
            yield taken
            self.done(first.group)

    def cancel(self, ticket: int) -> bool:
        """Take a job out again; False: a thread has it already, or had it."""
        with self._changed:
            job = self._jobs.pop(ticket, None)
            if job is None:
                return False
            tickets = self._waiting[job.group]
            tickets.remove(ticket)  # behind a host that never answers, nobody else would ever take it out
            if not tickets and job.group not in self._turn:
                del self._waiting[job.group]
            return True

    def close(self) -> None:
        """Let all takers end."""
        with self._changed:
            self._closed = True
            self._jobs.clear()
            self._changed.notify_all()
