"""Texts that were made before and are the same still.

In: of whom, and all that such a text can be made of. Out: `Texts` to look one up in or put it down. It must never give
a text that would differ if it were made now: so whoever asks names everything that it depends on, and that is compared,
nearly always by identity.
"""

from collections.abc import Callable, Hashable
from operator import is_
from typing import Any, Protocol, TypeVar

from observers.breathing import Breathe, without_pause

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


class Remade(Protocol):
    """What is made again for each state, as long as somebody asks for it: a `Piece`."""

    name: str

    def value(self, state: Any, breathe: Breathe, /) -> object:
        """It, of this state."""


_Made = tuple[tuple[object, ...], object]


class Kept:
    """Of all rows, by their names; and of two states: while one is made, the one before is still shown.

    `asked`: what somebody asked for, and when (monotonic seconds).
    """

    __slots__ = ("_made", "_rows", "_values", "asked")

    def __init__(self) -> None:
        self._rows: dict[str, tuple[tuple[object, ...], Texts]] = {}
        self._made: dict[str, tuple[_Made, ...]] = {}
        self._values: dict[str, object] = {}
        self.asked: dict[Remade, float] = {}

    def made(self, what: str, of: tuple[object, ...], make: Callable[[], T]) -> T:
        """The same value again, if it was made of the very same objects. `make` gives the same kind for one `what`."""
        for known, value in self._made.get(what, ()):
            if all(map(is_, known, of)):
                return value  # type: ignore[return-value]  # of the kind that its maker gives
        made = make()
        self._made[what] = ((of, made), *self._made.get(what, ())[:1])
        return made

    def same(self, what: str, value: T) -> T:
        """The very same object as the last time, if it is equal: then what is made of it is not made again."""
        known = self._values.get(what)
        if known != value:
            known = self._values[what] = value
        return known

    def forget(self, what: Remade) -> None:
        """Nobody asks for it any more."""
        self.asked.pop(what, None)
        self._made.pop(what.name, None)

    def replaced(self, breathe: Breathe = without_pause) -> None:
        """The last state is shown now, and no other one any more: what is left of it goes a little at a time."""
        gone = [each for known in self._made.values() for of, value in known[1:] for each in (*of, value)]
        self._made = {what: known[:1] for what, known in self._made.items()}
        rows = [row for each in gone if isinstance(each, list | tuple) for row in each]
        rows += [row for each in gone if isinstance(each, dict) for row in each.values()]
        gone.clear()
        while rows:
            breathe()
            del rows[-_FEW:]

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
