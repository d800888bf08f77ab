"""From the text of a configuration file to its tree, following multipath-tools' reading of the language.

In: a `TextFile`. Out: a `ParsedFile`: the tree, every message, and whether something in it makes the file unusable.
Pure; must never raise, whatever the text is.

Reading goes line by line; a line is a keyword with its value, a keyword that begins a section, or `}`. What is wrong
with a line costs that line only: an unknown section's lines are read as if they stood outside of it, and what follows
`{` on its line is dropped. Users know these rules by their messages, so the messages say the same words here.
"""

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from desired.conf.lexer import Line, Token, lines_of, tokenize
from desired.conf.tree import Block, Place, Setting
from desired.model import ConfigMessage, Severity
from desired.options import BRACED, GRAMMAR, Option, Section
from desired.values import Effect, Field, Reading, Surroundings
from observers.snapshot import TextFile

OPEN, CLOSE = "{", "}"


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """A file's tree (its root block) and the messages in the order of the text.

    `refusals`: those of the messages that make a main file unusable; their hint names the keyword and what was
    expected. `told`: deprecated keywords that some file so far was told about; each is mentioned once.
    """

    tree: Block
    messages: tuple[ConfigMessage, ...]
    refusals: tuple[ConfigMessage, ...] = ()
    told: frozenset[str] = frozenset()

    @property
    def fatal(self) -> bool:
        """Whether a main file with this text is refused."""
        return bool(self.refusals)


def parse(
    file: TextFile, *, surroundings: Surroundings | None = None, told: frozenset[str] = frozenset()
) -> ParsedFile:
    """Parse one file. `told`: the deprecated keywords that earlier files were told about."""
    reader = _Reader(file.path, surroundings or Surroundings(), set(told))
    for line in lines_of(file.text):
        tokens = tokenize(line.text)
        if tokens:
            reader.take(line, tokens)
    root = reader.finish()
    return ParsedFile(root, tuple(reader.messages), tuple(reader.refusals), frozenset(reader.told))


@dataclass(slots=True)
class _Frame:
    """A section instance that is still open."""

    section: Section
    keyword: str
    place: Place
    items: list[Setting | Block] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)


class _Reader:
    """The state while a file is read: the open sections and what was said so far."""

    def __init__(self, path: str, surroundings: Surroundings, told: set[str]) -> None:
        self.path = path
        self.surroundings = surroundings
        self.told = told
        self.messages: list[ConfigMessage] = []
        self.refusals: list[ConfigMessage] = []
        self.line = Line(1, 0, "", 1)
        self.open = [_Frame(Section.ROOT, "", Place(path, 1, 1))]

    def take(self, line: Line, tokens: tuple[Token, ...]) -> None:
        """Read one line that has tokens."""
        self.line = line
        if not self._well_formed(tokens):
            return
        keyword = tokens[0]
        if keyword.text == CLOSE and not keyword.quote:
            self._close(keyword)
            return
        option = None if keyword.quote else GRAMMAR[self.open[-1].section].get(keyword.text)
        if option is None:
            self._unknown(keyword)
        else:
            self._known(option, tokens)

    def finish(self) -> Block:
        """Close what is still open and return the root."""
        if len(self.open) > 1:
            last = self.open[-1]
            self._say(
                f"missing '{CLOSE}' at end of {self.path}",
                hint=f"{last.keyword} begins in line {last.place.line} and is not closed",
            )
        while len(self.open) > 1:
            self._pop()
        root = self.open[0]
        return Block(root.section, root.place, tuple(root.items))

    def _known(self, option: Option[Any], tokens: tuple[Token, ...]) -> None:
        frame = self.open[-1]
        if option.keyword in frame.seen and not option.multi:
            self._say(f"{self._here}, duplicate keyword: {option.keyword}", at=tokens[0], hint="the last one counts")
        frame.seen.add(option.keyword)
        if option.opens is not None:
            self.open.append(_Frame(option.opens, option.keyword, self._place(tokens[0])))
        elif option.ignored is not None:
            self._deprecated(option, tokens[0])
        else:
            self._read(option, tokens)

    def _read(self, option: Option[Any], tokens: tuple[Token, ...]) -> None:
        value = _value(tokens)
        at = Field(option.keyword, value.text, self.path, self.line.counted, self.surroundings)
        reading = option.kind.read(at)
        self._tell(option, value, reading)
        self._tell_inert(option, value, reading)
        if reading.effect is Effect.REFUSE:
            text = f"{self._here}, parsing failed: {self.line.text}"
            self._say(text, at=value, severity=Severity.ERROR, hint=f"{option.keyword}: {reading.hint}")
            self.refusals.append(self.messages[-1])
        self.open[-1].items.append(Setting(option, value.text, self._place(tokens[0]), reading.effect, reading.value))

    def _tell(self, option: Option[Any], value: Token, reading: Reading[Any]) -> None:
        """Say what there is to say about a value: each line of a complaint is a message."""
        severity = Severity.WARNING if reading.effect in (Effect.SET, Effect.CLEAR) else Severity.ERROR
        for text in filter(None, reading.complaint.split("\n")):
            self._say(text, at=value, severity=severity, hint=reading.hint)
        if reading.hint and not reading.complaint and reading.effect is not Effect.REFUSE:
            text = f'{self._here}, {option.keyword} "{value.text}" {_outcome(option, value, reading)}'
            self._say(text, at=value, severity=severity, hint=reading.hint, ours=True)

    def _tell_inert(self, option: Option[Any], value: Token, reading: Reading[Any]) -> None:
        """Say that nothing here depends on the keyword, to who set it to something else than it stands at."""
        inert = option.inert
        if inert is not None and reading.effect is Effect.SET and reading.value != inert.value:
            text = f'{self._here}, {option.keyword} "{value.text}" has no effect here'
            self._say(text, at=value, hint=f"it is as with {option.write(inert.value)}: {inert.why}", ours=True)

    def _deprecated(self, option: Option[Any], keyword: Token) -> None:
        if option.keyword in self.told:
            return
        self.told.add(option.keyword)
        text = f'{self._here}: ignoring deprecated option "{option.keyword}", using built-in value: "{option.ignored}"'
        self._say(text, at=keyword, hint="the line has no effect and can be removed")

    def _close(self, brace: Token) -> None:
        if len(self.open) > 1:
            self._pop()
            return
        self._say(f"unmatched '{CLOSE}' at {self._line}", at=brace, hint="no section is open here")
        self._unknown(brace)

    def _pop(self) -> None:
        frame = self.open.pop()
        self.open[-1].items.append(Block(frame.section, frame.place, tuple(frame.items)))

    def _unknown(self, keyword: Token) -> None:
        frame = self.open[-1]
        inside = f" in the {frame.keyword} section" if frame.keyword else ""
        hint = "" if keyword.text == CLOSE else nearest(keyword.shown, frame.section)
        text = f"{self._here}, invalid keyword{inside}: {keyword.shown}"
        self._say(text, at=keyword, severity=Severity.ERROR, hint=hint)

    def _well_formed(self, tokens: tuple[Token, ...]) -> bool:
        """Say what is wrong with the form of a line; return whether there is still something to read in it."""
        keyword = tokens[0]
        if not keyword.quote and keyword.text == OPEN:
            text = f"invalid keyword '{OPEN}' on {self._line}"
            self._say(
                text, at=keyword, severity=Severity.ERROR, hint="'{' belongs on the line of the section's keyword"
            )
            return False
        if not keyword.quote and keyword.text == CLOSE:
            self._extra(tokens, after=1)
            return True
        if not keyword.quote and keyword.text in BRACED:
            self._check_brace(tokens)
            return True
        if len(tokens) == 1:
            text = f"missing value for option '{keyword.shown}' on {self._line}"
            self._say(text, at=keyword, severity=Severity.ERROR, hint=self._expected(keyword))
            return False
        return self._check_value(tokens)

    def _check_value(self, tokens: tuple[Token, ...]) -> bool:
        if not tokens[1].quote:
            self._extra(tokens, after=2)
        elif len(tokens) == 2:
            self._unclosed(tokens[1])
        elif tokens[2].quote:
            self._extra(tokens, after=3)
        elif len(tokens) == 3:
            self._unclosed(tokens[1])
        elif tokens[3].quote:
            self._extra(tokens, after=4)
        else:
            # The line begins with an empty text in quotes, so what follows is not where a value should be.
            text = f"parsing error starting with '{tokens[3].shown}' on {self._line}"
            self._say(text, at=tokens[3], severity=Severity.ERROR, hint="a line begins with a keyword")
            return False
        return True

    def _check_brace(self, tokens: tuple[Token, ...]) -> None:
        if len(tokens) == 1:
            self._say(f"missing '{OPEN}' on {self._line}", at=tokens[0], hint="the section is read anyway")
        elif tokens[1].shown != OPEN:
            text = f"expecting '{OPEN}' on {self._line}. found '{tokens[1].shown}'"
            self._say(text, at=tokens[1], hint="the section is read anyway")
        else:
            self._extra(tokens, after=2, hint="a section's content begins on the line after '{'")

    def _extra(
        self, tokens: tuple[Token, ...], *, after: int, hint: str = "put a value of several words in quotes"
    ) -> None:
        if len(tokens) > after:
            token = tokens[after]
            self._say(f"ignoring extra data starting with '{token.shown}' on {self._line}", at=token, hint=hint)

    def _unclosed(self, quote: Token) -> None:
        self._say(f"missing closing quotes on {self._line}", at=quote, hint="the text ends with the line")

    def _expected(self, keyword: Token) -> str:
        option = GRAMMAR[self.open[-1].section].get(keyword.text)
        return f"expected {option.kind.expected}" if option else nearest(keyword.shown, self.open[-1].section)

    @property
    def _here(self) -> str:
        return f"{self.path} line {self.line.counted}"

    @property
    def _line(self) -> str:
        return f"line {self.line.counted} of {self.path}"

    def _place(self, token: Token) -> Place:
        return Place(self.path, self.line.number, self.line.offset + token.start + 1)

    def _say(
        self,
        text: str,
        *,
        at: Token | None = None,
        severity: Severity = Severity.WARNING,
        hint: str = "",
        ours: bool = False,
    ) -> None:
        column = self._place(at).column if at else 0
        line = self.line.number
        self.messages.append(
            ConfigMessage(severity=severity, file=self.path, line=line, column=column, text=text, hint=hint, ours=ours)
        )


def _outcome(option: Option[Any], value: Token, reading: Reading[Any]) -> str:
    """What comes of a value that may not be what was meant."""
    if reading.effect is not Effect.SET:
        return "has no effect"
    understood = option.write(reading.value)
    return "is doubtful" if understood == value.text else f"is read as {understood}"


def _value(tokens: tuple[Token, ...]) -> Token:
    """The token that holds the value: the one after the keyword, or what the quotes enclose."""
    first = tokens[1]
    if not first.quote:
        return first
    if len(tokens) > 2 and not tokens[2].quote:
        return tokens[2]
    return Token("", first.start)


def nearest(keyword: str, section: Section) -> str:
    """What was probably meant by a keyword that the section does not have."""
    close = get_close_matches(keyword, GRAMMAR[section], n=1, cutoff=0.75)
    if close:
        return f"did you mean {close[0]}?"
    homes = [str(home) or "top level" for home, rows in GRAMMAR.items() if keyword in rows]
    return f"it belongs to {', '.join(homes)}" if homes else ""
