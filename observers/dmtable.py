"""dm-multipath table and status lines <-> values, both directions in one place.

In: the text that DM_TABLE_STATUS returns for a multipath target, or that DM_TABLE_LOAD takes. Out: frozen values, and
the same text again: `parse_table(format_table(t)) == t`. Pure; must never guess: a line that does not follow the
grammar raises `TableSyntax` with the word at fault.

The grammar is the kernel's (drivers/md/dm-mpath.c, `multipath_ctr` and `multipath_status`):

    table:  NF FEATURE{NF} NH HANDLER{NH} NGROUPS INITIAL { SELECTOR NS ARG{NS} NPATHS NARGS { DEV ARG{NARGS} } }
    status: NI INFO{NI}    NH INFO{NH}    NGROUPS NEXT    { STATE NS ARG{NS} NPATHS NARGS { DEV A|F FAILS ARG{NARGS} } }
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from observers.errors import MpathError

DevT = NewType("DevT", str)
"""A block device number as text, `MAJOR:MINOR` in decimal, as sysfs and dm tables write it."""

Sectors = NewType("Sectors", int)
"""A size in sectors of 512 bytes, whatever the device's own block size is."""


_NUMBER = re.compile(r"[0-9]{1,20}")
"""As many digits as 64 bits have; of thousands Python would refuse to make a number."""

DEV_T = re.compile(r"[0-9]{1,10}:[0-9]{1,10}")
"""What a `DevT` looks like; the kernel prints two numbers of at most 32 bits."""


class TableSyntax(MpathError):
    """A table or status line does not follow dm-multipath's grammar."""


@dataclass(frozen=True, slots=True)
class TablePath:
    """A path in a table: its number and its selector arguments (for service-time: repeat count)."""

    dev: DevT
    args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableGroup:
    """A priority group: the path selector, its own arguments, and its paths in order."""

    selector: str
    selector_args: tuple[str, ...]
    paths: tuple[TablePath, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MultipathTable:
    """A whole multipath target. `initial_group` counts from 1; 0 only with no group (as the kernel writes it)."""

    size: Sectors
    features: tuple[str, ...] = ()
    hardware_handler: tuple[str, ...] = ()
    initial_group: int
    groups: tuple[TableGroup, ...]

    @property
    def devices(self) -> tuple[DevT, ...]:
        """The numbers of all paths, in table order."""
        return tuple(path.dev for group in self.groups for path in group.paths)

    @property
    def queues(self) -> bool:
        """Whether I/O waits when no path is left (feature `queue_if_no_path`)."""
        return "queue_if_no_path" in self.features


class GroupState(StrEnum):
    """A group's letter in the status line: in use, may be used, or disabled (`bypassed`)."""

    ACTIVE = "A"
    ENABLED = "E"
    DISABLED = "D"


@dataclass(frozen=True, slots=True)
class PathStatus:
    """What the kernel says of one path: usable or failed, how often it failed, and the selector's figures."""

    dev: DevT
    active: bool
    fail_count: int
    args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """What the kernel says of one group."""

    state: GroupState
    args: tuple[str, ...]
    paths: tuple[PathStatus, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MultipathStatus:
    """A whole status line. `info`: queued bios and pg_init count; `next_group` counts from 1 (0: there is none)."""

    size: Sectors
    info: tuple[str, ...]
    handler_info: tuple[str, ...]
    next_group: int
    groups: tuple[GroupStatus, ...]

    @property
    def paths(self) -> tuple[PathStatus, ...]:
        """All paths, in table order."""
        return tuple(path for group in self.groups for path in group.paths)


class _Words:
    """The words of one line, taken from left to right."""

    def __init__(self, text: str) -> None:
        self._text, self._words, self._at = text, text.split(), 0

    def take(self, what: str) -> str:
        if self._at == len(self._words):
            raise TableSyntax(f"line ends where {what} should stand: {self._text!r}")
        self._at += 1
        return self._words[self._at - 1]

    def number(self, what: str) -> int:
        word = self.take(what)
        if not _NUMBER.fullmatch(word):
            raise TableSyntax(f"word {self._at} is {word!r}, should be {what}: {self._text!r}")
        return int(word)

    def counted(self, what: str) -> tuple[str, ...]:
        return self.several(self.number(f"the count of {what}"), what)

    def several(self, count: int, what: str) -> tuple[str, ...]:
        return tuple(self.take(what) for _ in range(count))

    def device(self) -> DevT:
        word = self.take("a device number")
        if not DEV_T.fullmatch(word):
            raise TableSyntax(f"word {self._at} is {word!r}, should be MAJOR:MINOR: {self._text!r}")
        return DevT(word)

    def end(self) -> None:
        if self._at != len(self._words):
            raise TableSyntax(f"words after the end, from {self._words[self._at]!r}: {self._text!r}")


def parse_table(size: Sectors, params: str) -> MultipathTable:
    """The value of a table line's parameters (all after the word `multipath`)."""
    words = _Words(params)
    features, handler = words.counted("features"), words.counted("hardware handler words")
    count, initial = words.number("the number of groups"), words.number("the initial group")
    groups = tuple(_table_group(words) for _ in range(count))
    words.end()
    return MultipathTable(size=size, features=features, hardware_handler=handler, initial_group=initial, groups=groups)


def _table_group(words: _Words) -> TableGroup:
    selector, args = words.take("a path selector"), words.counted("selector arguments")
    paths, per_path = words.number("the number of paths"), words.number("the number of path arguments")
    members = tuple(TablePath(words.device(), words.several(per_path, "a path argument")) for _ in range(paths))
    return TableGroup(selector, args, members)


def format_table(table: MultipathTable) -> str:
    """The parameters to load for `table`; every path of a group must have the same number of arguments."""
    words = [*_counted(table.features), *_counted(table.hardware_handler), len(table.groups), table.initial_group]
    for group in table.groups:
        per_path = {len(path.args) for path in group.paths} or {0}
        if len(per_path) != 1:
            raise TableSyntax(f"paths of one group have {sorted(per_path)} arguments")
        words += [group.selector, *_counted(group.selector_args), len(group.paths), per_path.pop()]
        for path in group.paths:
            words += [path.dev, *path.args]
    return " ".join(map(str, words))


def parse_status(size: Sectors, params: str) -> MultipathStatus:
    """The value of a status line's parameters (all after the word `multipath`)."""
    words = _Words(params)
    info, handler = words.counted("status words"), words.counted("hardware handler status words")
    count, following = words.number("the number of groups"), words.number("the next group")
    groups = tuple(_status_group(words) for _ in range(count))
    words.end()
    return MultipathStatus(size=size, info=info, handler_info=handler, next_group=following, groups=groups)


def _status_group(words: _Words) -> GroupStatus:
    letter = words.take("a group state")
    if letter not in set(GroupState):
        raise TableSyntax(f"a group's state is {letter!r}, should be A, E or D")
    args = words.counted("selector status words")
    paths, per_path = words.number("the number of paths"), words.number("the number of path status words")
    members = tuple(_path_status(words, per_path) for _ in range(paths))
    return GroupStatus(GroupState(letter), args, members)


def _path_status(words: _Words, per_path: int) -> PathStatus:
    dev, letter = words.device(), words.take("a path state")
    if letter not in ("A", "F"):
        raise TableSyntax(f"the state of path {dev} is {letter!r}, should be A or F")
    fails = words.number("a failure count")
    return PathStatus(dev, letter == "A", fails, words.several(per_path, "a path status word"))


def format_status(status: MultipathStatus) -> str:
    """The text of a status, as the kernel writes it (without its trailing blank)."""
    words = [*_counted(status.info), *_counted(status.handler_info), len(status.groups), status.next_group]
    for group in status.groups:
        per_path = {len(path.args) for path in group.paths} or {0}
        words += [group.state, *_counted(group.args), len(group.paths), max(per_path)]
        for path in group.paths:
            words += [path.dev, "A" if path.active else "F", path.fail_count, *path.args]
    return " ".join(map(str, words))


def _counted(items: tuple[str, ...]) -> list[str | int]:
    return [len(items), *items]
