"""The sg nodes of all disks, kept open, as opening one costs more than asking.

Theory of operation. A thread borrows a node, writes to it or waits in it, and gives it back. Whoever closes a node
makes sure that no thread has it, for its number could be another file's by then: a borrowed one is closed by the thread
that gives it back. A node is watched by epoll only while a command may be out on it whose reply the loop takes: a
thread that waits for its own reply must wake nobody else.

In: names of disks. Out: nodes. It must never wait with its lock held.
"""

import errno
import os
import select
from collections.abc import Callable
from threading import Lock

from observers.asking import Repeat, ScsiCommand
from observers.host import ReadHost
from observers.kernel.sg import Command, node, open_node
from observers.snapshot import DeviceName

_MOST_AT_ONCE = 1024
"""Replies that are taken in one go."""

_MOST_PREPARED = 3
_LARGEST_PREPARED = 512
"""Of a node: commands that are kept ready, and the bytes of the largest answer to one; the memory of all is locked."""

_NO_NODE = frozenset({errno.ENOENT, errno.EACCES, errno.EPERM})

Locate = Callable[[ReadHost, DeviceName], str]
OpenFile = Callable[[str], int]


class NoNode(OSError):
    """A disk has no node of its own here: it must be asked in another way."""


class Job:
    """A command that is to be sent under a ticket; of a `Repeat`, the one at `place`."""

    __slots__ = ("group", "name", "place", "question", "ticket")

    def __init__(
        self, ticket: int, name: DeviceName, group: str, question: ScsiCommand | Repeat, *, place: int = 0
    ) -> None:
        self.ticket, self.name, self.group, self.question, self.place = ticket, name, group, question, place

    @property
    def command(self) -> ScsiCommand:
        """What is asked now."""
        return self.question.asked[self.place][0] if isinstance(self.question, Repeat) else self.question


class Node:
    """An open node. `job`, `command`: what is out on it whose reply the loop takes; `held`: a thread has the descriptor
    in its hands; `watched`: by epoll; `doomed`: to be closed."""

    __slots__ = ("command", "descriptor", "doomed", "held", "job", "name", "prepared", "watched")

    def __init__(self, name: DeviceName, descriptor: int) -> None:
        self.name, self.descriptor = name, descriptor
        self.command: Command | None = None
        self.prepared: dict[ScsiCommand, Command] = {}
        self.job: Job | None = None
        self.held = self.watched = self.doomed = False

    def prepare(self, question: ScsiCommand) -> Command:
        """The command of a question, the one of the last time where there is one: checks ask the same over and over."""
        known = self.prepared.get(question)
        if known is None:
            known = Command(question.cdb, reply_length=question.reply_length, timeout=question.timeout)
            if len(self.prepared) < _MOST_PREPARED and question.reply_length <= _LARGEST_PREPARED:
                self.prepared[question] = known
        return known


class Nodes:
    """All open nodes. `host`: finds them; `locate`, `open_file`: how one is found and opened. `lock`: held while a
    node's state changes."""

    def __init__(self, host: ReadHost, *, locate: Locate = node, open_file: OpenFile = open_node) -> None:
        self._host, self._locate, self._open_file = host, locate, open_file
        self._epoll = select.epoll()
        self._by_name: dict[DeviceName, Node] = {}
        self._open: dict[int, Node] = {}
        self._closed = False
        self.lock = Lock()

    def fileno(self) -> int:
        """Readable when a reply is there."""
        return self._epoll.fileno()

    def __len__(self) -> int:
        return len(self._open)

    def borrow(self, name: DeviceName, *, watched: bool) -> Node:
        """The node of a disk, opened if need be, for this thread alone until it is given back."""
        with self.lock:
            known = self._by_name.get(name)
            if known is not None:
                return self._lent(known, watched=watched)
        known = Node(name, self._opened(name))
        with self.lock:
            if self._closed:
                os.close(known.descriptor)
                raise OSError(errno.ESHUTDOWN, "the engine was closed", name)
            self._by_name[name] = self._open[known.descriptor] = known
            return self._lent(known, watched=watched)

    def _lent(self, known: Node, *, watched: bool) -> Node:
        known.held = True
        if watched and not known.watched:
            self._epoll.register(known.descriptor, select.EPOLLIN)
        elif known.watched and not watched:
            self._epoll.unregister(known.descriptor)
        known.watched = watched
        return known

    def give_back(self, known: Node, *, usable: bool = True) -> bool:
        """A thread is done with a node. False: it was doomed meanwhile, and is closed now."""
        with self.lock:
            known.held = False
            if known.doomed:
                os.close(known.descriptor)
                return False
            if not usable:
                self.discard(known)
            return True

    def events(self) -> list[tuple[Node, bool]]:
        """The nodes that have a reply, or whose device was removed (True). The lock is held."""
        found = self._epoll.poll(0, _MOST_AT_ONCE)
        nodes = ((self._open.get(descriptor), event) for descriptor, event in found)
        return [(known, bool(event & select.EPOLLHUP)) for known, event in nodes if known is not None]

    def discard(self, known: Node) -> None:
        """Close a node, or leave that to the thread that has it. The lock is held."""
        if self._open.pop(known.descriptor, None) is not None and known.watched:
            self._epoll.unregister(known.descriptor)
        if self._by_name.get(known.name) is known:
            del self._by_name[known.name]
        known.doomed = True
        if not known.held:
            os.close(known.descriptor)

    def forget(self, name: DeviceName) -> None:
        """Close a disk's node. A command on it is left to the kernel."""
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
