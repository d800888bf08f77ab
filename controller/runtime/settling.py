"""Paths with the states that count, each the very same value again as long as nothing of it is otherwise.

In: a path as last seen. Out: what `Checks.settle` makes of it. A path whose last answer is not what counts is a copy of
itself, and thousands of them are looked at again and again: to make the copies, and to compare them with those from
before, would be most of what it costs when a fabric is down. One value is kept for each name that a path had, and names
are used again.
"""

from operator import is_
from typing import NamedTuple

from controller.runtime.deciding import Decider
from controller.runtime.world import Settle
from observers.snapshot import DeviceName, Path


class _Kept(NamedTuple):
    """What came of a path, and of what."""

    of: tuple[object, ...]
    settled: Path | None


class Settling:
    """`settle`: does it. It depends on nothing but the path, what is remembered of it, and the orders."""

    def __init__(self, settle: Settle, decider: Decider) -> None:
        self._settle, self._decider = settle, decider
        self._kept: dict[DeviceName, _Kept] = {}

    def __call__(self, path: Path) -> Path | None:
        """The path as it counts; None: it is to be left out."""
        memory = self._decider.path_memory(path.dev)
        seen = (memory.answer, memory.state, memory.marginal) if memory is not None else (None, None, None)
        of = (path, *seen, self._decider.orders)
        known = self._kept.get(path.name)
        if known is not None and all(map(is_, known.of, of)):
            return known.settled
        settled = self._settle(path)
        if known is not None and known.settled == settled:
            settled = known.settled
        self._kept[path.name] = _Kept(of, settled)
        return settled
