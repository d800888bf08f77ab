"""Parts of replies that take long to make, and stay the same until something is seen, decided or configured otherwise.

Theory of operation. A piece is kept, with what it was made of, among the texts of its states. Clients that ask again
and again should not wait for it to be made anew just because something changed: so whoever makes a new state calls
`prepare`, which makes the pieces of it that were asked for lately.

In: a state. Out: the piece. Pure but for what is kept. It must never make again what nobody asks for.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from controller.protocol.state import State
from observers.breathing import Breathe, without_pause

T = TypeVar("T")

MOST = 32
"""Pieces that are made ahead: who asks for ever other ones has them made when they are asked for."""

LATELY = 2.0
"""Seconds for which somebody who asked is expected to ask again."""


class Piece(Generic[T]):
    """`name`: its own. `of`: all that it is made of; the same if all of that is the very same. `make`: makes it, and
    breathes now and then if that takes long."""

    def __init__(
        self, name: str, of: Callable[[State], tuple[object, ...]], make: Callable[[State, Breathe], T]
    ) -> None:  # fmt: skip
        self.name, self._of, self._make = name, of, make

    def __call__(self, state: State) -> T:
        """It, for a reply."""
        asked = state.kept.asked
        if self not in asked and len(asked) >= MOST:
            return self._make(state, without_pause)
        asked[self] = state.now
        return self.value(state, without_pause)

    def value(self, state: State, breathe: Breathe) -> T:
        """It, for whoever asks later."""
        return state.kept.made(self.name, self._of(state), lambda: self._make(state, breathe))


def prepare(state: State, breathe: Breathe) -> None:
    """Make what was asked for lately, and forget the rest."""
    for piece, asked_at in tuple(state.kept.asked.items()):
        if state.now < asked_at + LATELY:
            breathe()
            piece.value(state, breathe)
        else:
            state.kept.forget(piece)
    breathe()
