"""The automaton behind regular expressions: a yes or no in time linear in the text, whatever the expression.

In: an expression's tree. Out: `Automaton.found_in(text)`. The tree becomes a nondeterministic automaton (Thompson's
construction), and of the deterministic one only those states are made that texts really reach; they are kept for the
next text. Pure; must never go back in a text, and must never hold more than `MOST_STATES` states.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

MOST_NODES = 5_000
"""Of the nondeterministic automaton; an expression that needs more is refused (x{9999} and the like)."""
MOST_STATES = 1_000
"""Of the deterministic automaton; when more are needed the old ones are forgotten and made again."""

MOST_ANSWERS = 4_000
"""Texts whose answer is remembered: names of udev properties and WWIDs come up again for every path."""

EVERYTHING = frozenset(chr(code) for code in range(256))
_WORD_LETTERS = frozenset(c for c in EVERYTHING if c.isascii() and (c.isalnum() or c == "_"))


class TooLarge(ValueError):
    """The expression needs an automaton that is larger than sensible."""


class Anchor(Enum):
    """What must hold between two characters."""

    START = "start"
    END = "end"
    WORD_EDGE = "word edge"
    NO_WORD_EDGE = "no word edge"
    WORD_START = "word start"
    WORD_END = "word end"


@dataclass(frozen=True, slots=True)
class Letters:
    """One character out of a set."""

    letters: frozenset[str]


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other; none: the empty text."""

    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several."""

    branches: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Repeat:
    """At least `low` times, at most `high` times (None: any number)."""

    node: "Node"
    low: int
    high: int | None


Node = Letters | Anchor | Sequence | Choice | Repeat


class _Side(Enum):
    """What stands on one side of a place in the text."""

    NOTHING = "nothing"
    WORD = "word"
    OTHER = "other"


def _holds(anchor: Anchor, before: _Side, after: _Side) -> bool:
    left, right = before is _Side.WORD, after is _Side.WORD
    match anchor:
        case Anchor.START:
            return before is _Side.NOTHING
        case Anchor.END:
            return after is _Side.NOTHING
        case Anchor.WORD_EDGE:
            return left is not right
        case Anchor.NO_WORD_EDGE:
            return left is right
        case Anchor.WORD_START:
            return right and not left
        case Anchor.WORD_END:
            return left and not right


@dataclass(slots=True)
class Machine:
    """A nondeterministic automaton. Node i either takes one of `letters[i]` and goes to its target, or goes to all of
    its targets at once, if its `anchors[i]` holds. Node 0 accepts."""

    letters: list[frozenset[str] | None] = field(default_factory=list)
    anchors: list[Anchor | None] = field(default_factory=list)
    targets: list[tuple[int, ...]] = field(default_factory=list)
    start: int = 0

    def add(
        self, targets: Iterable[int], *, letters: frozenset[str] | None = None, anchor: Anchor | None = None
    ) -> int:
        """Add a node and return its number."""
        self.letters.append(letters)
        self.anchors.append(anchor)
        self.targets.append(tuple(targets))
        return len(self.targets) - 1


def check_size(tree: Node) -> None:
    """Raises `TooLarge` where the machine would have more than `MOST_NODES` nodes. Nothing is built for the answer."""
    if _size(tree) >= MOST_NODES:
        raise TooLarge("the expression is too large")


def _size(node: Node) -> int:
    """How many nodes a subtree needs; the same arithmetic as in `_emit`."""
    match node:
        case Letters() | Anchor():
            return 1
        case Sequence(parts):
            return sum(map(_size, parts))
        case Choice(branches):
            return 1 + sum(map(_size, branches))
        case Repeat(child, low, high):
            once = _size(child)
            return 1 + (low + 1) * once if high is None else (high - low) * (1 + once) + low * once


def build(tree: Node) -> Machine:
    """The machine of an expression. Raises `TooLarge`."""
    check_size(tree)
    machine = Machine()
    accept = machine.add(())
    machine.start = _emit(machine, tree, accept)
    return machine


def _emit(machine: Machine, node: Node, target: int) -> int:
    """Add the nodes of a subtree that ends in `target`; return where it begins."""
    match node:
        case Letters(letters):
            return machine.add((target,), letters=letters)
        case Anchor():
            return machine.add((target,), anchor=node)
        case Sequence(parts):
            for part in reversed(parts):
                target = _emit(machine, part, target)
            return target
        case Choice(branches):
            return machine.add([_emit(machine, branch, target) for branch in branches])
        case Repeat(child, low, high):
            return _emit_repeat(machine, child, low, high, target)


def _emit_repeat(machine: Machine, child: Node, low: int, high: int | None, target: int) -> int:
    if high is None:
        again = machine.add(())
        machine.targets[again] = (_emit(machine, child, again), target)
        target = again
    else:
        after = target
        for _ in range(high - low):
            target = machine.add((_emit(machine, child, target), after))
    for _ in range(low):
        before = _emit(machine, child, target)
        if before == target:  # An empty child, and so is any number of it: ((){9999}){9999} must not count to there.
            break
        target = before
    return target


@dataclass(slots=True, eq=False)
class _State:
    """A state of the deterministic automaton: the nodes it stands for and what was before them."""

    nodes: frozenset[int]
    before: _Side
    moves: "dict[str, _State]" = field(default_factory=dict)
    accepts_at_end: bool | None = None


_FOUND = _State(frozenset(), _Side.OTHER)
"""The expression was found; nothing after it matters."""
_HOPELESS = _State(frozenset(), _Side.OTHER)
"""It cannot be found any more."""


class Automaton:
    """Searches an expression in texts. Makes its states while it goes; that is no part of its meaning."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        word_anchors = set(Anchor) - {Anchor.START, Anchor.END}
        self._words_matter = any(anchor in word_anchors for anchor in machine.anchors)
        inside = (_Side.WORD, _Side.OTHER) if self._words_matter else (_Side.OTHER,)
        start = frozenset({machine.start})
        self._may_begin_later = any(self._leads_on(start, before) for before in inside)
        self._first = _State(start, _Side.NOTHING)
        self._states: dict[tuple[frozenset[int], _Side], _State] = {}
        self._answers: dict[str, bool] = {}

    def found_in(self, text: str) -> bool:
        """Whether the expression matches anywhere in the text (one character per byte)."""
        answer = self._answers.get(text)
        if answer is None:
            if len(self._answers) >= MOST_ANSWERS:
                self._answers.clear()
            answer = self._answers[text] = self._search(text)
        return answer

    def _search(self, text: str) -> bool:
        state = self._first
        for character in text:
            following = state.moves.get(character)
            if following is None:
                following = self._move(state, character)
            if following is _FOUND:
                return True
            if following is _HOPELESS:
                return False
            state = following
        if state.accepts_at_end is None:
            state.accepts_at_end = 0 in self._reach(state.nodes, state.before, _Side.NOTHING)
        return state.accepts_at_end

    def _move(self, state: _State, character: str) -> _State:
        after = _Side.WORD if self._words_matter and character in _WORD_LETTERS else _Side.OTHER
        reached = self._reach(state.nodes, state.before, after)
        if 0 in reached:
            following = _FOUND
        else:
            following = self._state(self._taken(reached, character), after)
        state.moves[character] = following
        return following

    def _taken(self, reached: set[int], character: str) -> frozenset[int]:
        """The nodes after one character; a match may also begin only there."""
        machine = self._machine
        nodes = {machine.start}
        for node in reached:
            letters = machine.letters[node]
            if letters is not None and character in letters:
                nodes.add(machine.targets[node][0])
        return frozenset(nodes)

    def _reach(self, nodes: Iterable[int], before: _Side, after: _Side) -> set[int]:
        """All nodes that can be reached without taking a character."""
        machine = self._machine
        pending, reached = list(nodes), set(nodes)
        while pending:
            node = pending.pop()
            anchor = machine.anchors[node]
            if machine.letters[node] is not None or (anchor is not None and not _holds(anchor, before, after)):
                continue
            for target in machine.targets[node]:
                if target not in reached:
                    reached.add(target)
                    pending.append(target)
        return reached

    def _state(self, nodes: frozenset[int], before: _Side) -> _State:
        key = nodes, before
        state = self._states.get(key)
        if state is None:
            if len(self._states) >= MOST_STATES:
                self._states.clear()
                self._first.moves.clear()
            hope = self._may_begin_later or self._leads_on(nodes, before)
            state = self._states[key] = _State(nodes, before) if hope else _HOPELESS
        return state

    def _leads_on(self, nodes: frozenset[int], before: _Side) -> bool:
        """Whether some text may follow with which a match goes on from these nodes, or is complete."""
        sides = _Side if self._words_matter else (_Side.NOTHING, _Side.OTHER)
        return any(
            node == 0 or self._machine.letters[node] is not None
            for after in sides
            for node in self._reach(nodes, before, after)
        )
