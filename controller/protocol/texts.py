"""Texts that were made before and are the same still.

In: of whom, and all that such a text can be made of. Out: `Texts` to look one up in or put it down. It must never give
a text that would differ if it were made now: so whoever asks names everything that it depends on, and that is compared,
nearly always by identity.
"""

from collections.abc import Callable, Hashable
from typing import TypeVar

R = TypeVar("R")
T = TypeVar("T")

Cells = tuple[tuple[str, ...], tuple[int, ...]]

_FEW = 64


class Texts:
    """Of one row, by what they are. Two are equal only if they are the same object. `cells`: those of a format, with
    the width of each."""

    __slots__ = ("cells", "known")

    def __init__(self) -> None:
        self.known: dict[Hashable, str] = {}
        self.cells: dict[str, Cells] = {}

    def text(self, what: Hashable, make: Callable[[R], str], row: R) -> str:
        """The text, made if it is not known."""
        text = self.known.get(what)
        if text is None:
            text = self.known[what] = make(row)
        return text


class Kept:
    """Of all rows, by their names."""

    __slots__ = ("_made", "_rows")

    def __init__(self) -> None:
        self._rows: dict[str, tuple[tuple[object, ...], Texts]] = {}
        self._made: dict[str, tuple[tuple[object, ...], object]] = {}

    def made(self, what: str, of: tuple[object, ...], make: Callable[[], T]) -> T:
        """The same value again, if it was made of the very same objects. `make` gives the same kind for one `what`."""
        known = self._made.get(what)
        if known is None or any(one is not other for one, other in zip(known[0], of, strict=True)):
            known = self._made[what] = of, make()
        return known[1]  # type: ignore[return-value]  # of the kind that its maker gives

    def make_room(self, count: int) -> None:
        """There are so many rows; when more than twice as many are kept, most of them came and went."""
        if len(self._rows) > 2 * count + _FEW:
            self._rows.clear()

    def texts(self, name: str, essence: tuple[object, ...]) -> Texts:
        """Those of a row. `essence`: all that they depend on."""
        known = self._rows.get(name)
        if known is not None and known[0] == essence:
            return known[1]
        texts = Texts()
        self._rows[name] = essence, texts
        return texts
