"""Attributes of sysfs that a process keeps open: they outlive neither their object nor the process.

In: a `Tree`, and paths. Out: handles and bytes. A file that was removed stays removed for who had it open, also when
another object has put one in its place since.
"""

import errno
from collections.abc import Callable, Sequence
from itertools import count

from controller.sandbox.errors import refusal
from controller.sandbox.vfs import Attribute, Tree


class KeepsOpen:
    """The part of a host that is `WatchHost`. `begin`: told the kind of each call first."""

    def __init__(self, tree: Tree, begin: Callable[[str], None]) -> None:
        self._tree, self._begin = tree, begin
        self._open: dict[int, tuple[str, int]] = {}
        self._numbers = count(1)

    def open_attribute(self, path: str, /) -> int:
        """See `WatchHost`."""
        self._begin("open_attribute")
        place, node = self._tree.lookup(path)
        if not isinstance(node, Attribute) or node.read is None:
            raise refusal(errno.EACCES, path)
        handle = next(self._numbers)
        self._open[handle] = (place, len(self._tree.removed))
        return handle

    def sample_attributes(self, handles: Sequence[int], /) -> list[bytes | int]:
        """See `WatchHost`."""
        self._begin("sample_attributes")
        return [self._sample(handle) for handle in handles]

    def close_attribute(self, handle: int, /) -> None:
        """See `WatchHost`."""
        self._begin("close_attribute")
        if self._open.pop(handle, None) is None:
            raise refusal(errno.EBADF)

    def close_attributes(self) -> None:
        """The process has ended."""
        self._open.clear()

    def _sample(self, handle: int) -> bytes | int:
        known = self._open.get(handle)
        if known is None:
            return errno.EBADF
        place, since = known
        if any(f"{place}/".startswith(f"{gone}/") for gone in self._tree.removed[since:]):
            return errno.ENODEV
        node = self._tree.find(place)
        return node.read() if isinstance(node, Attribute) and node.read is not None else errno.ENODEV
