"""POSIX extended regular expressions, as device entries and blacklist rules use them.

In: an expression, as multipath-tools hands it to regcomp(3) with REG_EXTENDED | REG_NOSUB. Out: a `Pattern` that
answers one question, whether the expression is found anywhere in a text. Pure; must never take more than linear time
for that, since the texts come from devices and the expressions from anybody, and a daemon that looks after the root
disk cannot hang in a match. Python's `re` backtracks and reads some expressions differently (`\\d`, `[[:alpha:]]`,
`a{,3}`, `[[a]`, `(?i)`), so an expression is read here and matched by an automaton (`desired.automaton`).

What glibc adds to the standard is understood (`\\w \\W \\s \\S \\b \\B \\< \\> \\` \\'`, empty alternatives), and what
it rejects is rejected (a repetition of nothing, open brackets, bad ranges, a backslash at the end). Back-references are
rejected, too: no automaton can match them. Texts are compared byte by byte, as in the C locale.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from desired.automaton import (
    EVERYTHING,
    Anchor,
    Automaton,
    Choice,
    Letters,
    Node,
    Repeat,
    Sequence,
    TooLarge,
    build,
    check_size,
)

DEEPEST_NESTING = 60
"""Groups and repetitions inside each other; far more than anyone writes, and far from the interpreter's own limit."""
REPEAT_MAX = 0x7FFF
"""glibc's RE_DUP_MAX."""
LONGEST_CLASS_NAME = 31

_ASCII = [chr(code) for code in range(128)]
_WORD = frozenset(c for c in _ASCII if c.isalnum() or c == "_")
_SPACE = frozenset("\t\n\v\f\r ")
_CLASSES = {
    "alpha": frozenset(c for c in _ASCII if c.isalpha()),
    "digit": frozenset("0123456789"),
    "alnum": frozenset(c for c in _ASCII if c.isalnum()),
    "upper": frozenset(c for c in _ASCII if c.isupper()),
    "lower": frozenset(c for c in _ASCII if c.islower()),
    "space": _SPACE,
    "blank": frozenset("\t "),
    "print": frozenset(c for c in _ASCII if c.isprintable()),
    "graph": frozenset(c for c in _ASCII if c.isprintable() and c != " "),
    "punct": frozenset(c for c in _ASCII if c.isprintable() and not c.isalnum() and c != " "),
    "cntrl": frozenset(c for c in _ASCII if not c.isprintable()),
    "xdigit": frozenset("0123456789abcdefABCDEF"),
}
_ESCAPED_LETTERS = {"w": _WORD, "W": EVERYTHING - _WORD, "s": _SPACE, "S": EVERYTHING - _SPACE}
_ESCAPED_ANCHORS = {
    "b": Anchor.WORD_EDGE,
    "B": Anchor.NO_WORD_EDGE,
    "<": Anchor.WORD_START,
    ">": Anchor.WORD_END,
    "`": Anchor.START,
    "'": Anchor.END,
}


class BadExpression(ValueError):
    """Not an extended regular expression; the message says what is wrong and where."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled expression. `text`: as configured, with the `!` if it has one; `negated`: that `!` inverts it."""

    text: str
    negated: bool
    _found_in: Callable[[str], bool] = field(repr=False, compare=False)

    def matches(self, text: str) -> bool:
        """Whether the expression is found in the text (or, when negated, is not)."""
        return self._found_in(_as_bytes(text)) is not self.negated


@lru_cache(maxsize=4096)
def compile_pattern(text: str) -> Pattern:
    """Compile the expression of a rule: a leading `!` negates it. Raises `BadExpression`."""
    if text.startswith("!"):
        return Pattern(text, negated=True, _found_in=_compile(text[1:]))
    return compile_expression(text)


@lru_cache(maxsize=4096)
def compile_expression(text: str) -> Pattern:
    """Compile an expression in which `!` is a letter like any other (device entries). Raises `BadExpression`."""
    return Pattern(text, negated=False, _found_in=_compile(text))


def _compile(expression: str) -> Callable[[str], bool]:
    tree = _Reader(_as_bytes(expression)).read()
    literal = _literal(tree)
    if literal is not None:
        return lambda text: literal in text
    try:
        check_size(tree)
    except TooLarge as error:
        raise BadExpression(str(error)) from error
    return _Search(tree)


class _Search:
    """Looks for an expression. The automaton is made for the first text: most rules of a large configuration are never
    asked, and thousands of large automata would take seconds and gigabytes."""

    def __init__(self, tree: Node) -> None:
        self._tree = tree
        self._automaton: Automaton | None = None

    def __call__(self, text: str) -> bool:
        """Whether the expression is found in the text."""
        if self._automaton is None:
            self._automaton = Automaton(build(self._tree))
        return self._automaton.found_in(text)


def _as_bytes(text: str) -> str:
    """The text with one character per byte."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape" if _escaped(text) else "surrogatepass").decode("latin-1")


def _escaped(text: str) -> bool:
    """Whether all lone surrogates in the text stand for undecodable bytes."""
    return all(not 0xD800 <= ord(c) <= 0xDFFF or 0xDC80 <= ord(c) <= 0xDCFF for c in text)


def _literal(tree: Node) -> str | None:
    """The text that an expression without any operator looks for."""
    parts = tree.parts if isinstance(tree, Sequence) else (tree,)
    letters = [next(iter(p.letters)) for p in parts if isinstance(p, Letters) and len(p.letters) == 1]
    return "".join(letters) if len(letters) == len(parts) else None


class _Reader:
    """Reads one expression; its methods follow the grammar of POSIX.1-2017, clause 9.4."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def read(self) -> Node:
        """The tree of the whole expression."""
        return self._alternatives(closing="")

    def peek(self) -> str:
        """The next character; empty at the end."""
        return self.text[self.at : self.at + 1]

    def take(self) -> str:
        """The next character, which then is behind us; empty at the end."""
        character = self.peek()
        self.at += 1
        return character

    def wrong(self, what: str) -> BadExpression:
        """The error to raise about the place that was reached."""
        return BadExpression(f"{what} (at character {self.at + 1})")

    def _enter(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST_NESTING:
            raise self.wrong("groups or repetitions are nested too deeply")

    def _alternatives(self, *, closing: str) -> Node:
        branches = [self._branch(closing)]
        while self.peek() == "|":
            self.at += 1
            branches.append(self._branch(closing))
        return branches[0] if len(branches) == 1 else Choice(tuple(branches))

    def _branch(self, closing: str) -> Node:
        parts: list[Node] = []
        while self.peek() and self.peek() != "|" and self.peek() != closing:
            parts.append(self._piece())
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _piece(self) -> Node:
        depth = self.depth
        node = self._atom()
        if isinstance(node, Anchor):
            return node
        while self.peek() in ("*", "+", "?", "{"):
            self._enter()
            node = self._repeated(node)
        self.depth = depth
        return node

    def _atom(self) -> Node:
        character = self.take()
        if character == "(":
            return self._group()
        if character == "[":
            return _Bracket(self).read()
        if character == "\\":
            return self._escape()
        if character in "^$":
            return Anchor.START if character == "^" else Anchor.END
        if character in "*+?{":
            self.at -= 1
            raise self.wrong(f"nothing before {character} that it could repeat")
        return Letters(EVERYTHING if character == "." else frozenset(character))

    def _group(self) -> Node:
        start = self.at
        self._enter()
        node = self._alternatives(closing=")")
        if self.take() != ")":
            self.at = start - 1
            raise self.wrong("( is not closed")
        self.depth -= 1
        # A group around nothing but an anchor can be repeated; a bare anchor can not.
        return Sequence((node,)) if isinstance(node, Anchor) else node

    def _escape(self) -> Node:
        character = self.take()
        if not character:
            raise self.wrong("a backslash at the end")
        if character in "123456789":
            raise self.wrong("back-references are not supported")
        if character in _ESCAPED_ANCHORS:
            return _ESCAPED_ANCHORS[character]
        return Letters(_ESCAPED_LETTERS.get(character, frozenset(character)))

    def _repeated(self, node: Node) -> Node:
        operator = self.take()
        if operator == "{":
            return self._interval(node)
        low = 1 if operator == "+" else 0
        return Repeat(node, low, 1 if operator == "?" else None)

    def _interval(self, node: Node) -> Node:
        low = self._number()
        high = low
        if self.peek() == ",":
            self.at += 1
            high = self._number()
            low = 0 if low is None else low
        if low is None or self.take() != "}":
            raise self.wrong("{ needs numbers and } after it")
        if high is not None and low > high:
            raise self.wrong("the numbers in {} are the wrong way round")
        if max(low, high or 0) > REPEAT_MAX:
            raise self.wrong(f"no more than {REPEAT_MAX} repetitions")
        return Repeat(node, low, high)

    def _number(self) -> int | None:
        start = self.at
        while self.peek() and self.peek() in "0123456789":
            self.at += 1
        return int(self.text[start : self.at][:9]) if self.at > start else None


class _Bracket:
    """Reads one bracket expression, whose `[` was just taken."""

    def __init__(self, reader: _Reader) -> None:
        self.reader = reader
        self.start = reader.at - 1

    def read(self) -> Letters:
        """The set of characters; what follows is the character after `]`."""
        inverted = self._next_is("^")
        letters = self._member(first=True)
        while not self._next_is("]"):
            letters |= self._member(first=False)
        return Letters(EVERYTHING - letters if inverted else letters)

    def _next_is(self, text: str) -> bool:
        if not self.reader.text.startswith(text, self.reader.at):
            return False
        self.reader.at += len(text)
        return True

    def _member(self, *, first: bool) -> frozenset[str]:
        reader = self.reader
        if not first and reader.peek() == "-" and reader.text[reader.at + 1 : reader.at + 2] != "]":
            raise reader.wrong("- stands where only a range could begin")
        low, is_class = self._element()
        rest = reader.text[reader.at : reader.at + 2]
        if not rest.startswith("-") or rest == "-]":
            return low
        reader.at += 1
        high, ends_in_class = self._element()
        if is_class or ends_in_class:
            raise reader.wrong("a class of characters cannot begin or end a range")
        return self._range(min(low), min(high))

    def _range(self, low: str, high: str) -> frozenset[str]:
        if low > high:
            raise self.reader.wrong(f"the range {low}-{high} is the wrong way round")
        return frozenset(chr(code) for code in range(ord(low), ord(high) + 1))

    def _element(self) -> tuple[frozenset[str], bool]:
        """One character or one [: :], [= =] or [. .]; and whether it is a class."""
        for mark in ":=.":
            if self._next_is("[" + mark):
                return self._named(mark), mark != "."
        character = self.reader.take()
        if not character:
            self._unclosed()
        return frozenset(character), False

    def _named(self, mark: str) -> frozenset[str]:
        reader = self.reader
        end = reader.text.find(mark + "]", reader.at)
        if end < 0 or end - reader.at > LONGEST_CLASS_NAME:
            self._unclosed()
        name = reader.text[reader.at : end]
        reader.at = end + 2
        if mark == ":" and name in _CLASSES:
            return _CLASSES[name]
        if mark != ":" and len(name) == 1:
            return frozenset(name)
        raise reader.wrong(f"there are no characters named {name}")

    def _unclosed(self) -> None:
        self.reader.at = self.start
        raise self.reader.wrong("[ is not closed")
