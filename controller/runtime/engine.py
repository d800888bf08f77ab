"""The real engine: each question goes the cheapest way that blocks nobody, and all answers come to one descriptor.

In: questions and calls under tickets, as `observers.engine.Engine` has them. Out: answers. SCSI commands go through sg
nodes; reads of a medium, NVMe and cciss pass-through, and disks without a node, through threads; calls that may block
(deleting a disk, suspending a map) through threads of their own, so that no check can keep them. It must be made before
memory is locked, for it starts its threads at once.
"""

import os
import select
from collections.abc import Callable
from dataclasses import dataclass

from controller.runtime.sg_engine import SgEngine
from controller.runtime.sg_nodes import Job, Nodes, NoNode
from controller.runtime.workers import Workers
from observers.asking import Question, Repeat, ScsiCommand, put
from observers.engine import Answered
from observers.host import ReadHost
from observers.snapshot import DeviceName


@dataclass(frozen=True, slots=True, kw_only=True)
class Threads:
    """How many threads: to send SCSI commands, to ask by calls that wait, to make blocking calls.

    `width`: how many of the askers may be stuck behind one group.
    """

    submitters: int = 4
    askers: int = 8
    callers: int = 4
    width: int = 2


class Doorbell:
    """A descriptor that any thread makes readable."""

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._rang = False

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def ring(self) -> None:
        """Make it readable."""
        os.eventfd_write(self._descriptor, 1)
        self._rang = True  # last: what is not known to have rung stays readable, and is asked about again

    def quiet(self) -> None:
        """Make it unreadable until it rings again, if it may have rung: asking the kernel costs more than looking."""
        if not self._rang:
            return
        self._rang = False
        try:
            os.eventfd_read(self._descriptor)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Close it."""
        os.close(self._descriptor)


class RealEngine:
    """An `Engine` over the running kernel."""

    def __init__(self, host: ReadHost, *, threads: Threads | None = None) -> None:
        self._host = host
        sizes = threads or Threads()
        self._bell = Doorbell()
        self._nodes = Nodes(host)
        self._sg = SgEngine(self._nodes, threads=sizes.submitters, ring=self._bell.ring)
        self._askers = Workers(sizes.askers, name="ask", width=sizes.width, ring=self._bell.ring)
        self._callers = Workers(sizes.callers, name="call", width=sizes.width, ring=self._bell.ring)
        self._scsi: dict[int, Job] = {}
        self._epoll = select.epoll()
        for source in (self._bell, self._nodes):
            self._epoll.register(source, select.EPOLLIN)

    def submit(self, ticket: int, name: DeviceName, group: str, question: Question, /) -> None:
        """See `Engine`."""
        if isinstance(question, ScsiCommand | Repeat):
            job = self._scsi[ticket] = Job(ticket, name, group, question)
            self._sg.submit(job)
        else:
            self._ask(ticket, name, group, question)

    def _ask(self, ticket: int, name: DeviceName, group: str, question: Question) -> None:
        self._askers.run(ticket, group, lambda: put(self._host, name, question))

    def run(self, ticket: int, group: str, function: Callable[[], object], /) -> None:
        """See `Engine`."""
        self._callers.run(ticket, group, function)

    def cancel(self, ticket: int, /) -> bool:
        """See `Engine`."""
        self._scsi.pop(ticket, None)
        return any(part.cancel(ticket) for part in (self._sg, self._askers, self._callers))

    def forget(self, name: DeviceName, /) -> None:
        """See `Engine`. The reply to a command that is out on a node that is closed now never comes."""
        self._nodes.forget(name)
        self._scsi = {ticket: job for ticket, job in self._scsi.items() if job.name != name}

    def completed(self) -> list[Answered]:
        """See `Engine`."""
        self._bell.quiet()
        answers = [*self._askers.completed(), *self._callers.completed()]
        for answered in self._sg.completed():
            job = self._scsi.pop(answered.ticket, None)
            if isinstance(answered.answer, NoNode) and job is not None:
                self._ask(job.ticket, job.name, job.group, job.question)
            else:
                answers.append(answered)
        return answers

    def next_due(self) -> float | None:
        """See `Engine`: devices answer when they like."""
        return None

    def ready(self) -> bool:
        """See `Engine`."""
        return bool(self._epoll.poll(0))

    def fileno(self) -> int:
        """See `Engine`."""
        return self._epoll.fileno()

    def close(self) -> None:
        """See `Engine`. The bell stays, for a thread that is stuck may ring it yet."""
        for part in (self._sg, self._nodes, self._askers, self._callers):
            part.close()
        self._epoll.close()
