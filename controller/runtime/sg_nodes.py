"""The sg nodes of all disks, kept open, as opening one costs more than asking.

Theory of operation. A thread borrows a node, writes to it, and gives it back. Whoever closes a node makes sure that no
thread has it, for its number could be another file's by then: a borrowed one is closed by whoever gives it back.

In: names of disks. Out: nodes, and which have a reply. It must never wait with its lock held.
"""

import errno
import os
import select
from collections.abc import Callable
from threading import Lock

from observers.asking import Repeat, ScsiCommand
from observers.host import ReadHost, ScsiReply
from observers.kernel.sg import Buffers, Command, node, open_node
from observers.snapshot import DeviceName

_MOST_AT_ONCE = 1024
"""Replies that are taken in one go."""

_MOST_PREPARED = 3
"""Commands that are kept ready for a node, each with its last reply."""

_NO_NODE = frozenset({errno.ENOENT, errno.EACCES, errno.EPERM})


class NoNode(OSError):
    """A disk has no node of its own here: it must be asked in another way."""


class Job:
    """What is to be asked of a disk under a ticket."""

    __slots__ = ("group", "name", "question", "ticket")

    def __init__(self, ticket: int, name: DeviceName, group: str, question: ScsiCommand | Repeat) -> None:
        self.ticket, self.name, self.group, self.question = ticket, name, group, question


class Node:
    """An open node. `job`: what is out on it, as `commands`; `replies`: to each of them, if it came; `held`: a thread
    has the descriptor in its hands; `doomed`: to be closed."""

    __slots__ = (
        "_buffers", "_prepared", "_sequence", "commands", "descriptor", "doomed", "held", "job", "name", "replies",
    )  # fmt: skip

    def __init__(self, name: DeviceName, descriptor: int, buffers: Buffers) -> None:
        self.name, self.descriptor, self._buffers = name, descriptor, buffers
        self.job: Job | None = None
        self.commands: tuple[Command, ...] = ()
        self.replies: list[ScsiReply | None] = []
        self.held = self.doomed = False
        self._prepared: dict[ScsiCommand, Command] = {}
        self._sequence: tuple[Repeat, tuple[Command, ...]] | None = None

    def begin(self, job: Job) -> tuple[Command, ...]:
        """What is to be sent for a job, which is out from now on."""
        question = job.question
        self.commands = (self._prepare(question),) if isinstance(question, ScsiCommand) else self._all_of(question)
        self.replies = [None] * len(self.commands)
        self.job = job
        return self.commands

    @property
    def complete(self) -> bool:
        """Whether all that is out was replied to."""
        return bool(self.replies) and None not in self.replies

    def take(self, header: bytes) -> None:
        """A reply has come. EBADMSG: it is to nothing that is out."""
        for place, command in enumerate(self.commands):
            if command.is_replied_to_by(header):
                self.replies[place] = command.reply(header)
                return
        raise OSError(errno.EBADMSG, "the reply is not to this command", self.name)

    def end(self) -> None:
        """Nothing is out any more."""
        self.job, self.commands, self.replies = None, (), []

    def _prepare(self, question: ScsiCommand) -> Command:
        """The command of a question, the one of the last time where there is one: checks ask the same over and over."""
        known = self._prepared.get(question)
        if known is None:
            known = self._made(question)
            if len(self._prepared) < _MOST_PREPARED:
                self._prepared[question] = known
        return known

    def _all_of(self, repeat: Repeat) -> tuple[Command, ...]:
        """Those of a `Repeat`; as all are out together, each has an identity of its own."""
        if self._sequence is None or self._sequence[0] is not repeat:
            commands: list[Command] = []
            for question, _ in repeat.asked:
                command = self._prepare(question)
                commands.append(self._made(question) if command in commands else command)
            self._sequence = repeat, tuple(commands)
        return self._sequence[1]

    def _made(self, question: ScsiCommand) -> Command:
        return Command(self._buffers, question.cdb, reply_length=question.reply_length, timeout=question.timeout)


class Nodes:
    """All open nodes. `host`: finds them; `locate`, `open_file`: how one is found and opened. `lock`: held while a
    node's state changes."""

    def __init__(
        self,
        host: ReadHost,
        *,
        locate: Callable[[ReadHost, DeviceName], str] = node,
        open_file: Callable[[str], int] = open_node,
    ) -> None:
        self._host, self._locate, self._open_file = host, locate, open_file
        self._epoll, self._buffers = select.epoll(), Buffers()
        self._by_name: dict[DeviceName, Node] = {}
        self._open: dict[int, Node] = {}
        self._closed = False
        self.lock = Lock()

    def fileno(self) -> int:
        """Readable when a reply is there."""
        return self._epoll.fileno()

    def __len__(self) -> int:
        return len(self._open)

    def borrow(self, name: DeviceName) -> Node:
        """The node of a disk, opened if need be, for this thread to write to until it is given back."""
        with self.lock:
            known = self._by_name.get(name)
            if known is not None:
                known.held = True
                return known
        known = Node(name, self._opened(name), self._buffers)
        known.held = True
        with self.lock:
            if self._closed:
                os.close(known.descriptor)
                raise OSError(errno.ESHUTDOWN, "the engine was closed", name)
            self._by_name[name] = self._open[known.descriptor] = known
            self._epoll.register(known.descriptor, select.EPOLLIN)
        return known

    def give_back(self, known: Node, *, usable: bool = True) -> bool:
        """A thread is done with a node. False: it was doomed meanwhile, and is closed now."""
        with self.lock:
            known.held = False
            if known.doomed:
                os.close(known.descriptor)
                return False
            if not usable:
                known.end()
                self.discard(known)
            return True

    def events(self) -> list[tuple[Node, bool]]:
        """The nodes that have a reply, or whose device was removed (True). The lock is held."""
        found = self._epoll.poll(0, _MOST_AT_ONCE)
        nodes = ((self._open.get(descriptor), event) for descriptor, event in found)
        return [(known, bool(event & select.EPOLLHUP)) for known, event in nodes if known is not None]

    def discard(self, known: Node) -> None:
        """Close a node, or leave that to the thread that has it. The lock is held."""
        if self._open.pop(known.descriptor, None) is not None:
            self._epoll.unregister(known.descriptor)
        if self._by_name.get(known.name) is known:
            del self._by_name[known.name]
        known.doomed = True
        if not known.held:
            os.close(known.descriptor)

    def forget(self, name: DeviceName) -> None:
        """Close a disk's node. What is out on it is left to the kernel."""
        with self.lock:
            known = self._by_name.get(name)
            if known is not None:
                self.discard(known)

    def close(self) -> None:
        """Close all nodes."""
        with self.lock:
            self._closed = True
            for known in list(self._open.values()):
                self.discard(known)
            self._epoll.close()

    def _opened(self, name: DeviceName) -> int:
        try:
            return self._open_file(self._locate(self._host, name))
        except OSError as error:
            if error.errno in _NO_NODE:
                raise NoNode(error.errno, "no usable SCSI generic node", name) from error
            raise
