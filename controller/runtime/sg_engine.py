"""SCSI commands to thousands of disks with no thread for any of them: one epoll for the replies of all sg nodes.

Theory of operation. Starting a command (a write) may sleep while its SCSI host has no free tag, so the writes are made
by a few threads, of which one host never has more than one. Replies come to the one thread of the loop: epoll says
which nodes have one. What costs most is waking, not the commands; so those of a `Repeat` go out together, and what came
of them is compared when the last reply is there.

In: questions under tickets. Out: answers or errors, likewise. It must never wait in the loop's thread, and never send
anything to a node on which something is out.
"""

import errno
from collections import deque
from collections.abc import Callable

from controller.runtime.group_queue import GroupQueue, Taken
from controller.runtime.sg_nodes import Job, Node, Nodes
from controller.runtime.workers import drained, start_threads
from observers.asking import MOST_TOGETHER, Repeat, Repeated
from observers.engine import Answered
from observers.kernel.sg import received

_IN_A_ROW = 32
"""Questions to one host that a thread sends before it looks whether another host has waited for longer."""

_GONE = frozenset({errno.ENODEV, errno.ENXIO})


class SgEngine:
    """`nodes`: what the commands go through. `ring`: called by a thread when it has put an answer down."""

    def __init__(self, nodes: Nodes, *, threads: int, ring: Callable[[], None]) -> None:
        self._nodes, self._ring = nodes, ring
        self._queue: GroupQueue[Job] = GroupQueue(width=1)
        self._refused: deque[Answered] = deque()
        self.threads = start_threads(threads, "submit", self._submit)

    def submit(self, job: Job) -> None:
        """Have a question sent."""
        self._queue.put(job.group, job.ticket, job)

    def cancel(self, ticket: int) -> bool:
        """Drop a question that no thread has begun to send."""
        return self._queue.cancel(ticket)

    def completed(self) -> list[Answered]:
        """The answers and the errors since the last time."""
        answers = drained(self._refused)
        with self._nodes.lock:
            for known, gone in self._nodes.events():
                answered = self._received(known, gone=gone)
                if answered is not None:
                    answers.append(answered)
        return answers

    def close(self) -> None:
        """End the threads that wait."""
        self._queue.close()

    # ---- the loop's thread, with the nodes' lock held

    def _received(self, known: Node, *, gone: bool) -> Answered | None:
        """What came of a node's question; None: not all of it yet."""
        job, error = known.job, _read(known)
        if error is None and gone and not known.complete:
            if known.held:  # a thread is writing: what comes of it, it will say
                self._nodes.discard(known)
                return None
            error = OSError(errno.ENODEV, "the device was removed", known.name)
        if error is not None:
            self._nodes.discard(known)
        elif not known.complete:
            return None
        answer = _answer(known, error)
        known.end()
        return Answered(job.ticket, answer) if job is not None else None

    # ---- the submitting threads

    def _submit(self) -> None:
        while (taken := self._queue.take()) is not None:
            for each in self._queue.in_a_row(taken, _IN_A_ROW):
                self._guarded_send(each)

    def _guarded_send(self, taken: Taken[Job]) -> None:
        try:
            self._send(taken.job)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a command, its thread must outlive it
            self._refused.append(Answered(taken.ticket, error))
            self._ring()

    def _send(self, job: Job) -> None:
        try:
            self._write(job)
        except OSError as error:
            if error.errno not in _GONE:
                raise
            self._write(job)  # the name may be another device's now

    def _write(self, job: Job) -> None:
        known = self._nodes.borrow(job.name)
        try:
            for place, command in enumerate(known.begin(job)):
                command.send(known.descriptor, job.ticket * MOST_TOGETHER + place)
        except Exception as error:
            if not self._nodes.give_back(known, usable=False):
                raise _forgotten(job) from error
            raise
        if not self._nodes.give_back(known) and known.job is job:
            raise _forgotten(job)


def _forgotten(job: Job) -> OSError:
    return OSError(errno.ESTALE, "the device was removed or forgotten", job.name)


def _read(known: Node) -> OSError | None:
    """Take all replies of a node that are there; an error: what ended that."""
    try:
        while known.job is not None and not known.complete:
            known.take(received(known.descriptor))
    except BlockingIOError:
        pass
    except OSError as error:
        return error
    return None


def _answer(known: Node, error: OSError | None) -> object:
    """What came of a node's question, if it came to an end."""
    question = known.job.question if known.job is not None else None
    if not isinstance(question, Repeat):
        return known.replies[0] if error is None and known.replies else error
    for place, (before, reply) in enumerate(zip(question.asked, known.replies, strict=True)):
        if reply is None:
            return Repeated(place, error)
        if reply is not before[1] and reply != before[1]:
            return Repeated(place, reply)
    return Repeated(len(question.asked))
