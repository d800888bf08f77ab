"""A word for what takes long: say now and then that this would be a good moment for somebody else.

In: nothing. Out: nothing. Whoever is called with a `Breathe` calls it between two pieces of its work, where nothing of
its own is half done; what that leads to, if anything, is the caller's business, and changes nothing that is looked at
meanwhile. A value of this kind must never be kept in one that is compared or remembered.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

Breathe = Callable[[], None]


def without_pause() -> None:
    """For all who have the processor to themselves."""


def breathing(items: Iterable[T], breathe: Breathe) -> Iterator[T]:
    """The same items, with a breath before each."""
    for item in items:
        breathe()
        yield item
