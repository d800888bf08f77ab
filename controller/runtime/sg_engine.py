"""SCSI commands to thousands of disks with no thread for any of them: one epoll for the replies of all sg nodes.

Theory of operation. Starting a command (a write) may sleep while its SCSI host has no free tag, so the writes are made
by a few threads, of which one host never has more than one. Replies come to the one thread of the loop: epoll says
which nodes have one. The commands of a `Repeat` are sent one after the other, as long as each is answered as before.

In: commands under tickets. Out: replies or errors, likewise. It must never wait in the loop's thread, and never have
two commands out on one node.
"""

import errno
from collections import deque
from collections.abc import Callable

from controller.runtime.group_queue import GroupQueue, Taken
from controller.runtime.sg_nodes import Job, Node, Nodes
from controller.runtime.workers import drained, start_threads
from observers.asking import Repeat, Repeated
from observers.engine import Answered
from observers.host import ScsiReply

IN_A_ROW = 32
"""Commands to one host that a thread sends before it looks whether another host has waited for longer."""

_GONE = frozenset({errno.ENODEV, errno.ENXIO})


class SgEngine:
    """`nodes`: what the commands go through. `ring`: called by a thread when it has put an answer down."""

    def __init__(self, nodes: Nodes, *, threads: int, ring: Callable[[], None]) -> None:
        self._nodes, self._ring = nodes, ring
        self._queue: GroupQueue[Job] = GroupQueue(width=1)
        self._refused: deque[Answered] = deque()
        self.threads = start_threads(threads, "submit", self._submit)

    def submit(self, job: Job) -> None:
        """Have a command sent."""
        self._queue.put(job.group, job.ticket, job)

    def cancel(self, ticket: int) -> bool:
        """Drop a command that no thread has begun to send."""
        return self._queue.cancel(ticket)

    def completed(self) -> list[Answered]:
        """The replies and the errors since the last time."""
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
        job, answer = known.job, _reply(known, gone=gone)
        if answer is None and gone:  # a thread is writing: what comes of the command, it will say
            self._nodes.discard(known)
        if answer is None:
            return None
        known.command = known.job = None
        if isinstance(answer, OSError):
            self._nodes.discard(known)
        return self._result(job, answer) if job is not None else None

    def _result(self, job: Job, answer: ScsiReply | OSError) -> Answered | None:
        """What came of a ticket; None: its next command is on its way."""
        question, place = job.question, job.place
        if not isinstance(question, Repeat):
            return Answered(job.ticket, answer)
        if isinstance(answer, OSError) or answer != question.asked[place][1]:
            return Answered(job.ticket, Repeated(place, answer))
        if place + 1 == len(question.asked):
            return Answered(job.ticket, Repeated(place + 1))
        self.submit(Job(job.ticket, job.name, job.group, question, place=place + 1))
        return None

    # ---- the submitting threads

    def _submit(self) -> None:
        while (taken := self._queue.take()) is not None:
            for each in self._queue.in_a_row(taken, IN_A_ROW):
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
        known = self._nodes.borrow(job.name, watched=True)
        try:
            command = known.prepare(job.command)
            known.command, known.job = command, job
            command.send(known.descriptor, job.ticket)
        except Exception as error:
            with self._nodes.lock:
                known.command = known.job = None
            if not self._nodes.give_back(known, usable=False):
                raise _forgotten(job) from error
            raise
        if not self._nodes.give_back(known) and known.job is job:
            raise _forgotten(job)


def _forgotten(job: Job) -> OSError:
    return OSError(errno.ESTALE, "the device was removed or forgotten", job.name)


def _reply(known: Node, *, gone: bool) -> ScsiReply | OSError | None:
    """What the node of a command says; None: nothing yet, or nothing that is certain while a thread writes to it."""
    try:
        if known.command is not None:
            return known.command.receive(known.descriptor)
    except BlockingIOError:
        pass
    except OSError as error:
        return error
    return OSError(errno.ENODEV, "the device was removed", known.name) if gone and not known.held else None
