"""Whose turn it is: owners one after another, and those of one owner in the order in which they came.

In: who wants something, of which owner. Out: one at a time. Whoever has a thousand that want something waits for them;
others wait for one of them at most.
"""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """A queue for each owner that has somebody waiting. Each who waits has a number, and is in it once."""

    def __init__(self) -> None:
        self._queues: dict[int, deque[int]] = {}
        self._owners: deque[int] = deque()
        self._waiting: dict[int, T] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, owner: int, number: int, what: T) -> None:
        """Somebody wants something; who waits already keeps the place, and wants this now."""
        if number not in self._waiting:
            self._queue(owner).append(number)
        self._waiting[number] = what

    def _queue(self, owner: int) -> deque[int]:
        queue = self._queues.get(owner)
        if queue is None:
            queue = self._queues[owner] = deque()
            self._owners.append(owner)
        return queue

    def take(self) -> T:
        """What the next one wants. There must be one."""
        owner = self._owners.popleft()
        queue = self._queues[owner]
        number = queue.popleft()
        if queue:
            self._owners.append(owner)
        else:
            del self._queues[owner]
        return self._waiting.pop(number)
