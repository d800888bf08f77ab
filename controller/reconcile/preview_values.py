"""What differs between two desired forms of a map, and between two configurations: values with both origins.

In: two desired maps, or two configurations. Out: changes. Values are compared, never origins: the same value from
another place is no change. Only where the table differs, a value that has another effect now is told too. It must never
decide what follows from a change.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from desired.config import Config
from desired.model import DesiredMap, Origin, OriginKind, Resolved
from desired.options import OPTIONS, Layer, Option, Section
from observers.dmtable import DevT, MultipathTable, TableGroup, TablePath, format_table
from observers.snapshot import DeviceName, dev_key

ALIAS = "alias"
PRIORITY = "priority"
REJECTED = "rejected"
"""The name under which a map that can't be as desired is told."""

_IMPLIED, _BUILT_IN = Origin(OriginKind.IMPLIED), Origin(OriginKind.BUILT_IN)


@dataclass(frozen=True, slots=True)
class ValueChange:
    """A property with its old and new value and their origins; None: it is not set there.

    `paths`: those of which it is a property (empty: of the map, or of the whole host). `everywhere`: a setting of the
    daemon as a whole; False for a property of maps and paths.
    """

    keyword: str
    old: Resolved[str] | None
    new: Resolved[str] | None
    paths: tuple[DeviceName, ...] = ()
    everywhere: bool = False

    @property
    def differs(self) -> bool:
        """Whether the value is another one. If not, only the reason is, and that is why the table differs."""
        return (self.old.value if self.old else None) != (self.new.value if self.new else None)


@dataclass(frozen=True, slots=True)
class PartChange:
    """A part of a table that differs, in words; paths by their kernel names, groups divided by `|`."""

    what: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class TableChange:
    """A map's table line as `dmsetup table` shows it (None: no such map is wanted), and the parts that differ."""

    before: str | None
    after: str | None
    parts: tuple[PartChange, ...] = ()


def value_changes(old: DesiredMap, new: DesiredMap) -> tuple[ValueChange, ...]:
    """The properties of a map that have another value; the name first, priorities of paths last."""
    had, has = _properties(old), _properties(new)
    keywords = dict.fromkeys([*has, *had])
    changes = [ValueChange(keyword, had.get(keyword), has.get(keyword)) for keyword in keywords]
    found = [each for each in changes if each.differs or (old.table != new.table and _reasoned_otherwise(each))]
    return (*found, *_priorities(old, new))


def _reasoned_otherwise(change: ValueChange) -> bool:
    """Whether the same value of the same layer has other effects than before, as its origin says."""
    old, new = change.old, change.new
    return (
        old is not None and new is not None and old.origin.kind is new.origin.kind and old.origin.why != new.origin.why
    )


def _properties(wanted: DesiredMap) -> dict[str, Resolved[str]]:
    rejected = {REJECTED: Resolved(wanted.reject, _IMPLIED)} if wanted.reject else {}
    return {ALIAS: Resolved(str(wanted.alias.value), wanted.alias.origin), **rejected, **wanted.properties}


def _priorities(old: DesiredMap, new: DesiredMap) -> Iterable[ValueChange]:
    """Paths whose priority changes in the same way are told together."""
    had = {member.dev: member.priority for member in old.members}
    alike: dict[tuple[Resolved[int | None], Resolved[int | None]], list[DeviceName]] = {}
    for member in new.members:
        before = had.get(member.dev)
        if before is not None and before.value != member.priority.value:
            alike.setdefault((before, member.priority), []).append(member.name)
    for (before, after), names in alike.items():
        yield ValueChange(PRIORITY, _priority(before), _priority(after), tuple(names))


def _priority(value: Resolved[int | None]) -> Resolved[str]:
    return Resolved("unknown" if value.value is None else str(value.value), value.origin)


def setting_changes(before: Config, after: Config) -> Iterable[ValueChange]:
    """The settings of the defaults section, built-in defaults included, that have another value."""
    for option in OPTIONS:
        if Section.DEFAULTS in option.sections and option.ignored is None and option.key == option.keyword:
            everywhere = option.layers[:1] == (Layer.DEFAULTS,)
            change = ValueChange(option.keyword, _text(before, option), _text(after, option), everywhere=everywhere)
            if change.differs:
                yield change


def _text(config: Config, option: Option[Any]) -> Resolved[str] | None:
    found = config.defaults.get(option.key)
    if found is not None:
        return Resolved(option.write(found.value), found.origin)
    return Resolved(option.write(option.default), _BUILT_IN) if option.default is not None else None


def table_change(
    old: DesiredMap | None, new: DesiredMap | None, names: Mapping[DevT, DeviceName]
) -> TableChange | None:  # fmt: skip
    """The desired table before and after, and where they differ; None: they do not."""
    before, after = (_line(each.table) if each else None for each in (old, new))
    if before == after:
        return None
    parts = _parts(old.table, new.table, names) if old and new else ()
    return TableChange(before, after, tuple(parts))


def _line(table: MultipathTable) -> str:
    return f"0 {table.size} multipath {format_table(table)}"


def _parts(old: MultipathTable, new: MultipathTable, names: Mapping[DevT, DeviceName]) -> Iterable[PartChange]:
    for what, text in _PARTS:
        had, has = text(old, names), text(new, names)
        # With other groups, the one to begin with is another as a matter of course.
        if had != has and not (what == _FIRST and _groups(old, names) != _groups(new, names)):
            yield PartChange(what, had, has)


Names = Mapping[DevT, DeviceName]


def _size(table: MultipathTable, _names: Names) -> str:
    return f"{table.size} sectors"


def _features(table: MultipathTable, _names: Names) -> str:
    return " ".join(table.features) or "none"


def _handler(table: MultipathTable, _names: Names) -> str:
    return " ".join(table.hardware_handler) or "none"


def _selectors(table: MultipathTable, _names: Names) -> str:
    texts = [" ".join((group.selector, *group.selector_args)) for group in table.groups]
    return " | ".join(texts if len(set(texts)) > 1 else texts[:1]) or "none"


def _groups(table: MultipathTable, names: Names) -> str:
    return " | ".join(_group(group, names) for group in table.groups) or "none"


def _group(group: TableGroup, names: Names) -> str:
    return " ".join(names.get(path.dev, path.dev) for path in group.paths)


def _arguments(table: MultipathTable, names: Names) -> str:
    paths = sorted((path for group in table.groups for path in group.paths), key=_number)
    if len({path.args for path in paths}) > 1:
        return ", ".join(" ".join((names.get(path.dev, path.dev), *path.args)) for path in paths)
    return " ".join(paths[0].args) if paths else "none"


def _number(path: TablePath) -> tuple[int, int]:
    return dev_key(path.dev)


def _first(table: MultipathTable, names: Names) -> str:
    return _group(table.groups[table.initial_group - 1], names) if table.initial_group else "none"


_FIRST = "group to begin with"
_PARTS: tuple[tuple[str, Callable[[MultipathTable, Names], str]], ...] = (
    ("size", _size),
    ("features", _features),
    ("hardware handler", _handler),
    ("path selector", _selectors),
    ("path groups", _groups),
    ("path arguments", _arguments),
    (_FIRST, _first),
)
"""The parts of a table in the order of its line, and each in words."""
