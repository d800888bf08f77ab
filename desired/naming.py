"""The names of maps: aliases numbered in the bindings file, and names that others already have.

In: the text of the bindings file, the aliases of the multipaths section, and which device-mapper names are in use.
Out: an alias for each WWID, and the whole text of the bindings file when it must change. Nothing is written here. Must
never give a name twice, and never a name that a device-mapper device of another identity has.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from desired.model import Origin, OriginKind, Resolved
from desired.options import ALIAS_PREFIX, USER_FRIENDLY_NAMES
from desired.precedence import Layers
from observers.breathing import Breathe, breathing, without_pause
from observers.snapshot import Alias, Map, Wwid

HEADER = """\
# Multipath bindings, Version : 1.0
# NOTE: this file is automatically maintained by the multipath program.
# You should not need to edit this file in normal circumstances.
#
# Format:
# alias wwid
#
"""
"""The first lines of the bindings file, byte for byte: multipathd writes the file anew when they differ."""

MAX_WWID = 127
"""Longest WWID in characters; a longer one is not taken from the file."""

LETTERS = 26
MAX_ID = 2**31 - 1
"""Numbers are a C int in every version of the file's other users."""

MAX_LETTERS = 7
"""The letters of `MAX_ID`."""


def format_alias(prefix: str, number: int) -> Alias:
    """`prefix` and the number in letters: 1 is `a`, 26 `z`, 27 `aa`. ValueError when the number is not positive."""
    if number <= 0:
        raise ValueError(f"the number of an alias is {number}, should be at least 1")
    letters = ""
    while number > 0:
        number, letter = divmod(number - 1, LETTERS)
        letters = chr(ord("a") + letter) + letters
    return Alias(prefix + letters)


def scan_alias(alias: str, prefix: str | None) -> int | None:
    """The number in an alias of this prefix; None when it is none. Text after a blank does not count."""
    if prefix is None or not alias.startswith(prefix) or not 0 < len(alias) - len(prefix) <= MAX_LETTERS:
        return None
    letters = alias[len(prefix) :].replace("\t", " ").partition(" ")[0]
    number = 0
    for letter in letters:
        if not "a" <= letter <= "z":
            return None
        number = number * LETTERS + ord(letter) - ord("a") + 1
    return number if number <= MAX_ID else None


def _order(alias: str) -> tuple[int, bytes]:
    """The file's order: by length in bytes, then as C compares strings."""
    name = alias.encode("utf-8", "surrogateescape")
    return len(name), name


@dataclass(frozen=True, slots=True)
class BindingsNote:
    """Something wrong with a line (from 1) of the bindings file."""

    line: int
    text: str


Taken = Callable[[str, Wwid], bool]
"""Whether a name belongs to a device-mapper device other than the map of this WWID."""


@dataclass(slots=True)
class Bindings:
    """The bindings while names are given. `must_write`: the file has a wrong header or lines to drop, or grew.

    Not frozen: giving thousands of names one by one must not copy the table each time. It lives for one derivation.
    """

    aliases: dict[str, Wwid] = field(default_factory=dict)
    wwids: dict[Wwid, Alias] = field(default_factory=dict)
    must_write: bool = False
    notes: list[BindingsNote] = field(default_factory=list)
    _used: dict[str, set[int]] = field(default_factory=dict)
    _next: dict[str, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str | None, configured: Mapping[str, Wwid] | None = None) -> "Bindings":
        """The bindings in `text` (None: no file). `configured`: aliases of the multipaths section, which win."""
        bindings = cls(must_write=text is not None and not text.startswith(HEADER))
        for number, line in enumerate((text or "").split("\n"), 1):
            bindings._read(line, number, configured or {})
        for alias in sorted(bindings.aliases, key=_order):
            bindings.wwids.setdefault(bindings.aliases[alias], Alias(alias))
        return bindings

    def _read(self, line: str, number: int, configured: Mapping[str, Wwid]) -> None:
        words = line.partition("#")[0].partition("\r")[0].replace("\t", " ").split(" ")
        match [word for word in words if word]:
            case []:
                return
            case [alias]:
                self.notes.append(BindingsNote(number, f"alias {alias} has no WWID"))
            case [alias, wwid, *rest]:
                if rest:
                    self.notes.append(BindingsNote(number, f"words after the WWID of {alias} are ignored"))
                if len(wwid) <= MAX_WWID:
                    self._enter(alias, Wwid(wwid), number, configured)

    def _enter(self, alias: str, wwid: Wwid, number: int, configured: Mapping[str, Wwid]) -> None:
        mine, held = configured.get(alias, wwid), self.aliases.get(alias, wwid)
        if mine != wwid:
            self._drop(number, f"alias {alias} of {wwid} belongs to {mine} in the multipaths section")
        elif held != wwid:
            self._drop(number, f"alias {alias} of {wwid} already stands for {held}")
        else:
            self.aliases[alias] = wwid

    def _drop(self, number: int, why: str) -> None:
        self.must_write = True
        self.notes.append(BindingsNote(number, f"{why}: the line is dropped"))

    @property
    def text(self) -> str:
        """The whole file, sorted."""
        return HEADER + "".join(f"{alias} {self.aliases[alias]}\n" for alias in sorted(self.aliases, key=_order))

    def alias_for(self, wwid: Wwid, prefix: str, old: str, taken: Taken, *, read_only: bool = False) -> Alias | None:
        """The alias of `wwid`; None when there is none to be had (the caller then uses the WWID).

        `old`: the name that its map has now (empty: no map), kept when it can be. A new binding is entered here.
        """
        holder = self.aliases.get(old) if old else None
        if holder == wwid:
            return Alias(old)
        bound = self.wwids.get(wwid)
        if bound is not None:
            return None if taken(bound, wwid) else bound
        if read_only:
            return None
        number = scan_alias(old, prefix) if old and holder is None else None
        return self._bind(wwid, prefix, number or self.free_number(prefix, wwid, taken))

    def _bind(self, wwid: Wwid, prefix: str, number: int | None) -> Alias | None:
        if number is None:
            return None
        alias = format_alias(prefix, number)
        if self.aliases.setdefault(alias, wwid) != wwid:
            return None
        self.wwids[wwid] = alias
        for known, used in self._used.items():
            if (id_there := scan_alias(alias, known)) is not None:
                used.add(id_there)
        self.must_write = True
        return alias

    def free_number(self, prefix: str, wwid: Wwid, taken: Taken) -> int | None:
        """The smallest number whose alias is neither bound nor taken; None when none is left."""
        if prefix not in self._used:
            numbers = (scan_alias(alias, prefix) for alias in self.aliases)
            self._used[prefix] = {number for number in numbers if number is not None}
        used, number = self._used[prefix], self._next.get(prefix, 1)
        while number in used:
            number += 1
        self._next[prefix] = number
        while number <= MAX_ID and (number in used or taken(format_alias(prefix, number), wwid)):
            number += 1
        return number if number <= MAX_ID else None


@dataclass(slots=True)
class Namer:
    """Gives all maps their names at once, so that each can have the name that another one leaves.

    `names`: every device-mapper name that there is, and whose it is (None: not a multipath map). `configured`: aliases
    of the multipaths section. `unreadable`: why the bindings file could not be read (empty: it could); then no alias is
    given anew. Not frozen: the bindings grow. It lives for one derivation.
    """

    bindings: Bindings
    names: Mapping[str, Wwid | None]
    maps: Mapping[Wwid, Map]
    configured: Mapping[Wwid, Resolved[Alias]] = field(default_factory=dict)
    unreadable: str = ""
    _reserved: frozenset[str] = frozenset()
    """Aliases of the multipaths section: no number whose alias is one is given."""
    _asked: frozenset[Wwid] = frozenset()
    """The maps that are to be named: each may leave the name that it has."""

    def assign(
        self, wanted: Mapping[Wwid, Layers], breathe: Breathe = without_pause
    ) -> tuple[dict[Wwid, Resolved[Alias]], dict[Wwid, str]]:
        """The names of these maps, in their order, and why some can't have any.

        Of two that want one name the map that has it keeps it, else the first gets it. The other one keeps the name
        that it has, or is called by its WWID.
        """
        self._reserved = frozenset(alias.value for alias in self.configured.values())
        self._asked = frozenset(wanted)
        given = {wwid: self._wanted(wwid, layers) for wwid, layers in breathing(wanted.items(), breathe)}
        failures: dict[Wwid, str] = {}
        while losers := self._losers(given):
            for wwid, winner in losers.items():
                instead = self._instead(wwid, given[wwid].value, winner)
                if instead is None:
                    failures[wwid] = f"{given.pop(wwid).value} is the name of {winner}, so it can't be named"
                else:
                    given[wwid] = instead
        return given, failures

    def _losers(self, given: Mapping[Wwid, Resolved[Alias]]) -> dict[Wwid, str]:
        """The maps whose name goes to another device, and to whom."""
        winners: dict[str, str] = {}
        for wwid, name in given.items():
            if self._stays(name.value):
                winners[name.value] = self.names[name.value] or "a device that is not a multipath map"
            elif self.names.get(name.value) == wwid:
                winners[name.value] = wwid
            else:
                winners.setdefault(name.value, wwid)
        return {wwid: winners[name.value] for wwid, name in given.items() if winners[name.value] != wwid}

    def _instead(self, wwid: Wwid, alias: Alias, winner: str) -> Resolved[Alias] | None:
        existing, why = self.maps.get(wwid), f"{alias} is the name of {winner}"
        if existing is not None and existing.name != alias:
            return Resolved(existing.name, Origin(OriginKind.EXISTING_MAP, why=why))
        by_wwid = Alias(wwid)
        return None if alias == by_wwid else Resolved(by_wwid, Origin(OriginKind.IMPLIED, why=f"WWID, because {why}"))

    def _stays(self, name: str) -> bool:
        """Whether a name belongs to a device that is not to be named."""
        return name in self.names and self.names[name] not in self._asked

    def _wanted(self, wwid: Wwid, layers: Layers) -> Resolved[Alias]:
        if (alias := self.configured.get(wwid)) is not None:
            return alias
        by_wwid = Resolved(Alias(wwid), Origin(OriginKind.IMPLIED, why="WWID"))
        if not layers.require(USER_FRIENDLY_NAMES).value:
            return by_wwid
        existing = self.maps.get(wwid)
        if self.unreadable and existing is not None:
            why = f"bindings file: {self.unreadable}"
            return Resolved(existing.name, Origin(OriginKind.EXISTING_MAP, why=why))
        return self._bound(wwid, layers.require(ALIAS_PREFIX).value, existing) or by_wwid

    def _bound(self, wwid: Wwid, prefix: str, existing: Map | None) -> Resolved[Alias] | None:
        old = existing.name if existing is not None else ""
        alias = self.bindings.alias_for(wwid, prefix, old, self._taken, read_only=bool(self.unreadable))
        if alias is None:
            return None
        kind = OriginKind.EXISTING_MAP if alias == old else OriginKind.BINDINGS
        return Resolved(alias, Origin(kind))

    def _taken(self, alias: str, wwid: Wwid) -> bool:
        """Whether an alias can't be given to a map. One that the file binds to it already can, if its holder may go."""
        if self.bindings.aliases.get(alias) == wwid:
            return self._stays(alias)
        return alias in self._reserved or self.names.get(alias, wwid) != wwid
