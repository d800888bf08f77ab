"""SCSI commands to thousands of disks with no thread for any of them: sg nodes kept open, one epoll for all replies.

Theory of operation. Starting a command (a write) may sleep while its SCSI host has no free tag, so the writes are made
by a few threads, of which one host never has more than one. Replies come to the one thread of the loop: epoll says
which nodes have one. A node is opened at a disk's first command and kept, as opening costs more than asking. Whoever
closes a node makes sure that no thread is about to write to it, for the number could be another file's by then.

In: commands under tickets. Out: replies or errors, likewise. It must never wait in the loop's thread, and never have
two commands out on one node.
"""

import errno
import os
import select
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

from controller.runtime.group_queue import GroupQueue, Taken
from controller.runtime.workers import drained, start_threads
from observers.asking import ScsiCommand
from observers.engine import Answered
from observers.host import ReadHost, ScsiReply
from observers.kernel.sg import Command, node, open_node
from observers.snapshot import DeviceName

_MOST_AT_ONCE = 1024
"""Replies that are taken in one go."""

_IN_A_ROW = 32
"""Commands to one host that a thread sends before it looks whether another host has waited for longer."""

_MOST_PREPARED = 2
_LARGEST_PREPARED = 512
"""Of a node: commands that are kept ready, and the bytes of the largest answer to one; the memory of all is locked."""

_GONE = frozenset({errno.ENODEV, errno.ENXIO})
_NO_NODE = frozenset({errno.ENOENT, errno.EACCES, errno.EPERM})


class NoNode(OSError):
    """A disk has no node of its own here: it must be asked in another way."""


class _Job(NamedTuple):
    name: DeviceName
    question: ScsiCommand


class _Node:
    """An open node, and the command that is out on it. `writing`: a thread has the descriptor in its hands."""

    __slots__ = ("command", "descriptor", "doomed", "name", "prepared", "ticket", "writing")

    def __init__(self, name: DeviceName, descriptor: int) -> None:
        self.name, self.descriptor = name, descriptor
        self.command: Command | None = None
        self.prepared: dict[ScsiCommand, Command] = {}
        self.ticket = 0
        self.writing = self.doomed = False

    def prepare(self, question: ScsiCommand) -> Command:
        """The command of a question, the one of the last time where there is one: checks ask the same over and over."""
        known = self.prepared.get(question)
        if known is None:
            known = Command(question.cdb, reply_length=question.reply_length, timeout=question.timeout)
            if len(self.prepared) < _MOST_PREPARED and question.reply_length <= _LARGEST_PREPARED:
                self.prepared[question] = known
        return known


class SgEngine:
    """`host`: finds the nodes. `ring`: called by a thread when it has put an answer down. `locate`, `open_file`: how a
    node is found and opened."""

    def __init__(
        self,
        host: ReadHost,
        *,
        threads: int,
        ring: Callable[[], None],
        locate: Callable[[ReadHost, DeviceName], str] = node,
        open_file: Callable[[str], int] = open_node,
    ) -> None:
        self._host, self._ring, self._locate, self._open_file = host, ring, locate, open_file
        self._epoll = select.epoll()
        self._queue: GroupQueue[_Job] = GroupQueue(width=1)
        self._lock = Lock()
        self._nodes: dict[DeviceName, _Node] = {}
        self._open: dict[int, _Node] = {}
        self._refused: deque[Answered] = deque()
        self._closed = False
        self.threads = start_threads(threads, "submit", self._submit)

    def fileno(self) -> int:
        """Readable when a reply is there."""
        return self._epoll.fileno()

    @property
    def open_nodes(self) -> int:
        """How many nodes are open."""
        return len(self._open)

    def submit(self, ticket: int, name: DeviceName, group: str, question: ScsiCommand) -> None:
        """Have a command sent."""
        self._queue.put(group, ticket, _Job(name, question))

    def cancel(self, ticket: int) -> bool:
        """Drop a command that no thread has begun to send."""
        return self._queue.cancel(ticket)

    def forget(self, name: DeviceName) -> None:
        """Close a disk's node. A command on it is left to the kernel."""
        with self._lock:
            known = self._nodes.get(name)
            if known is not None:
                self._discard(known)

    def completed(self) -> list[Answered]:
        """The replies and the errors since the last time."""
        answers = drained(self._refused)
        for descriptor, event in self._epoll.poll(0, _MOST_AT_ONCE):
            answered = self._received(descriptor, gone=bool(event & select.EPOLLHUP))
            if answered is not None:
                answers.append(answered)
        return answers

    def close(self) -> None:
        """Close all nodes and end the threads that wait."""
        self._queue.close()
        with self._lock:
            self._closed = True
            for known in list(self._open.values()):
                self._discard(known)
            self._epoll.close()

    # ---- the loop's thread

    def _received(self, descriptor: int, *, gone: bool) -> Answered | None:
        with self._lock:
            known = self._open.get(descriptor)
            if known is None:  # forgotten since epoll looked
                return None
            ticket, answer = known.ticket, _reply(known, gone=gone)
            if answer is None and gone:  # a thread is writing: what comes of the command, it will say
                self._discard(known)
            if answer is None:
                return None
            known.command, known.ticket = None, 0
            if isinstance(answer, OSError):
                self._discard(known)
        return Answered(ticket, answer) if ticket else None

    def _discard(self, known: _Node) -> None:
        """Close a node, or leave that to the thread that is writing to it. The lock is held."""
        if self._open.pop(known.descriptor, None) is not None:
            self._epoll.unregister(known.descriptor)
        if self._nodes.get(known.name) is known:
            del self._nodes[known.name]
        known.doomed = True
        if not known.writing:
            os.close(known.descriptor)

    # ---- the submitting threads

    def _submit(self) -> None:
        while (taken := self._queue.take()) is not None:
            self._send_all(taken)

    def _send_all(self, first: Taken[_Job]) -> None:
        """A command and those behind it to the same host, within reason."""
        taken: Taken[_Job] | None = first
        for _ in range(_IN_A_ROW):
            if taken is None:
                return
            self._guarded_send(taken)
            taken = self._queue.following(first.group)
        if taken is not None:
            self._guarded_send(taken)
            self._queue.done(first.group)

    def _guarded_send(self, taken: Taken[_Job]) -> None:
        try:
            self._send(taken)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a command, its thread must outlive it
            self._refused.append(Answered(taken.ticket, error))
            self._ring()

    def _send(self, taken: Taken[_Job]) -> None:
        name, question = taken.job
        try:
            self._write(self._node(name), question, taken.ticket)
        except OSError as error:
            if error.errno not in _GONE:
                raise
            self._write(self._node(name), question, taken.ticket)  # the name may be another device's now

    def _node(self, name: DeviceName) -> _Node:
        """The node of a disk, opened if need be, for this thread to write to."""
        with self._lock:
            known = self._nodes.get(name)
            if known is not None:
                known.writing = True
                return known
        known = _Node(name, self._opened(name))
        known.writing = True
        with self._lock:
            if self._closed:
                os.close(known.descriptor)
                raise OSError(errno.ESHUTDOWN, "the engine was closed", name)
            self._nodes[name] = self._open[known.descriptor] = known
            self._epoll.register(known.descriptor, select.EPOLLIN)
        return known

    def _opened(self, name: DeviceName) -> int:
        try:
            return self._open_file(self._locate(self._host, name))
        except OSError as error:
            if error.errno in _NO_NODE:
                raise NoNode(error.errno, "no usable SCSI generic node", name) from error
            raise

    def _write(self, known: _Node, question: ScsiCommand, ticket: int) -> None:
        error: OSError | None = None
        try:
            command = known.prepare(question)
            known.command, known.ticket = command, ticket
            command.send(known.descriptor, ticket)
        except OSError as refused:
            error = refused
        with self._lock:
            known.writing = False
            unanswered = known.ticket == ticket
            if known.doomed:
                os.close(known.descriptor)
                error = OSError(errno.ESTALE, "the device was removed or forgotten", known.name) if unanswered else None
            elif error is not None:
                known.command, known.ticket = None, 0
                self._discard(known)
        if error is not None:
            raise error


def _reply(known: _Node, *, gone: bool) -> ScsiReply | OSError | None:
    """What the node of a command says; None: nothing yet, or nothing that is certain while a thread writes to it."""
    try:
        if known.command is not None:
            return known.command.receive(known.descriptor)
    except BlockingIOError:
        pass
    except OSError as error:
        return error
    return OSError(errno.ENODEV, "the device was removed", known.name) if gone and not known.writing else None
