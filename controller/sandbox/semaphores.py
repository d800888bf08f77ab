"""System V semaphores, as many as a host has: sets of one, found by their key or their id.

In: keys and ids. Out: `OSError` as semget(2), semop(2) and semctl(2) fail. Waiting passes virtual time only.
"""

import errno
from dataclasses import dataclass

from controller.sandbox.clock import Clock
from controller.sandbox.errors import refusal

_MOST = 32767


@dataclass(slots=True, eq=False)
class _Set:
    key: int
    value: int = 1


class Semaphores:
    """All sets."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sets: dict[int, _Set] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._sets)

    def create(self, key: int) -> int:
        """A new set, value 1; its id."""
        if any(known.key == key for known in self._sets.values()):
            raise refusal(errno.EEXIST, f"semaphore {key:#x}")
        self._next += 1
        self._sets[self._next] = _Set(key)
        return self._next

    def add(self, semaphore: int, delta: int) -> None:
        """Add to the value, not waiting."""
        found = self._found(semaphore)
        if found.value + delta < 0:
            raise refusal(errno.EAGAIN)
        if found.value + delta > _MOST:
            raise refusal(errno.ERANGE)
        found.value += delta

    def count_down(self, key: int) -> None:
        """Take 1 from the set with a key, if there is one and it is not 0."""
        for known in self._sets.values():
            if known.key == key and known.value:
                known.value -= 1

    def wait_zero(self, semaphore: int, *, timeout: float) -> bool:
        """Wait until the value is 0; False when the time passed first. EIDRM: the set was removed meanwhile."""
        found = self._found(semaphore)
        removed = False

        def done() -> bool:
            nonlocal removed
            removed = semaphore not in self._sets
            return removed or found.value == 0

        reached = self._clock.wait(done, what="waiting for udev", timeout=timeout)
        if removed:
            raise refusal(errno.EIDRM)
        return reached

    def remove(self, semaphore: int) -> None:
        """Remove a set."""
        self._found(semaphore)
        del self._sets[semaphore]

    def _found(self, semaphore: int) -> _Set:
        found = self._sets.get(semaphore)
        if found is None:
            raise refusal(errno.EINVAL, f"no semaphore {semaphore}")
        return found
