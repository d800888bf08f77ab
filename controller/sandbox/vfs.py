"""A tree of files: folders, files, links, and attributes that are computed when somebody reads them.

In: paths. Out: nodes, or `OSError` as path resolution in a kernel gives it (ENOENT, ENOTDIR, ELOOP). It knows nothing
of what the files mean.
"""

import errno
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from controller.sandbox.errors import refusal

_MOST_LINKS = 40


@dataclass(frozen=True, slots=True)
class Attribute:
    """A file as sysfs has them: `read` None can't be read, `write` None can't be written (EACCES, also for root)."""

    read: Callable[[], bytes] | None = None
    write: Callable[[bytes], None] | None = None


@dataclass(slots=True)
class File:
    """A regular file."""

    data: bytes
    mode: int = 0o644
    modified: float = 0.0
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Socket:
    """A socket: it is there, but can't be opened."""


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link; `target` is absolute."""

    target: str


class Directory(ABC):
    """A directory."""

    @abstractmethod
    def names(self) -> Iterable[str]:
        """The names in it, in any order."""

    @abstractmethod
    def child(self, name: str) -> "Node | None":
        """What has that name."""


Node = Attribute | File | Socket | Link | Directory


class Folder(Directory):
    """A directory that holds what was put in."""

    def __init__(self) -> None:
        self.children: dict[str, Node] = {}

    def names(self) -> Iterable[str]:
        """See `Directory`."""
        return self.children

    def child(self, name: str) -> Node | None:
        """See `Directory`."""
        return self.children.get(name)


class View(Directory):
    """A directory whose content is made when it is looked at; `make` returns all of it."""

    def __init__(self, make: Callable[[], Mapping[str, Callable[[], Node]]]) -> None:
        self._make = make

    def names(self) -> Iterable[str]:
        """See `Directory`."""
        return self._make()

    def child(self, name: str) -> Node | None:
        """See `Directory`."""
        node = self._make().get(name)
        return node() if node is not None else None


T = TypeVar("T")


class Listing(Directory, Generic[T]):
    """A directory of one object, by a table that all objects of its kind share."""

    __slots__ = ("_subject", "_table")

    def __init__(self, table: "Mapping[str, Callable[[T], Node]]", subject: T) -> None:
        self._table, self._subject = table, subject

    def names(self) -> Iterable[str]:
        """See `Directory`."""
        return self._table

    def child(self, name: str) -> Node | None:
        """See `Directory`."""
        row = self._table.get(name)
        return None if row is None else row(self._subject)


class Tree:
    """All files of a host, from the root on."""

    def __init__(self) -> None:
        self.root = Folder()
        self._places: dict[str, tuple[str, Directory]] = {}
        self.removed: list[str] = []
        """Paths, in the order in which nodes were removed: who has a file open, has it no longer."""

    def put(self, path: str, node: Node) -> None:
        """Put a node at a path; folders on the way are made."""
        folder, names = self.root, _split(path)
        for name in names[:-1]:
            below = folder.children.get(name)
            if below is None:
                below = folder.children[name] = Folder()
            if not isinstance(below, Folder):
                raise refusal(errno.ENOTDIR, path)
            folder = below
        folder.children[names[-1]] = node
        self._places.clear()

    def remove(self, path: str) -> None:
        """Remove a node; nothing where there is none."""
        parent, _, name = path.rpartition("/")
        folder = self.find(parent or "/")
        if isinstance(folder, Folder):
            folder.children.pop(name, None)
            self.removed.append(path)
        self._places.clear()

    def find(self, path: str) -> Node | None:
        """A node by its path, links followed; None where there is none."""
        try:
            return self.lookup(path)[1]
        except OSError:
            return None

    def lookup(self, path: str) -> tuple[str, Node]:
        """The real path of a node, and the node, which is never a link."""
        if not path.startswith("/"):
            raise refusal(errno.ENOENT, path)
        head, _, last = path.rstrip("/").rpartition("/")
        return self._walk(_split(last), *self._directory(head), path=path) if last else ("/", self.root)

    def _directory(self, path: str) -> tuple[str, Directory]:
        """A directory by its path; remembered until something is put or removed, as most look-ups are in few places."""
        known = self._places.get(path)
        if known is None:
            place, node = self._walk(_split(path), "", self.root, path=path)
            if not isinstance(node, Directory):
                raise refusal(errno.ENOTDIR, path)
            known = self._places[path] = (place, node)
        return known

    def _walk(self, names: list[str], place: str, node: Directory, *, path: str) -> tuple[str, Node]:
        left, here, links = list(reversed(names)), [*_split(place)], 0
        current: Node = node
        while left:
            name = left.pop()
            if not isinstance(current, Directory):
                raise refusal(errno.ENOTDIR, path)
            if name == "..":
                here = here[:-1]
                current = self._at(here)
                continue
            following = current.child(name)
            if following is None:
                raise refusal(errno.ENOENT, path)
            if isinstance(following, Link):
                links += 1
                if links > _MOST_LINKS:
                    raise refusal(errno.ELOOP, path)
                left += reversed(_split(following.target))
                here, current = [], self.root
            else:
                here.append(name)
                current = following
        return "/" + "/".join(here), current

    def _at(self, names: list[str]) -> Node:
        node: Node = self.root
        for name in names:
            below = node.child(name) if isinstance(node, Directory) else None
            if below is None:
                raise refusal(errno.ENOENT, "/".join(names))
            node = below
        return node


def _split(path: str) -> list[str]:
    return [name for name in path.split("/") if name and name != "."]
