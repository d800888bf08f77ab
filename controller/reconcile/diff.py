"""The live map against the desired map: the differences as values, each with old and new.

Theory of operation. The kernel does not give back the words it was given: it fills in defaults, drops what it ignores,
keeps the hardware handler that is attached already, and puts features into its own order. Comparing texts would reload
for ever. So both sides are brought to what the kernel can hold at all (`_canonical_*`) before they are compared. Paths
of a group are a set, and so are groups: which group is used is a matter of failback, not of the table. Only under
`group_by_prio` does the order of the groups that can still be fallen back on count, as priorities are the order there.

Facts of drivers/md: dm-mpath.c (`parse_features`, `parse_hw_handler`, `multipath_status`), dm-ps-*.c. A repeat count
over 1 is read as 1 since Linux 4.6, an attached handler is kept since Linux 4.3; older kernels are not catered for.

In: a map, a desired map. Out: `Diff`. It must never decide what to do about a difference.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from desired.model import DesiredMap
from observers.dmtable import DevT, MultipathTable, TableGroup
from observers.snapshot import Map

PRIORITY_POLICY = "group_by_prio"

HST_DEFAULTS = ("972", "0")
"""historical-service-time without arguments: base weight 0.95 in 10-bit fixed point, no threshold."""

BIO_MODES = frozenset({"bio", "nvme"})
"""Queue modes that are not request based: dm can't change between the two kinds while a map exists."""

Features = tuple[tuple[str, ...], ...]


class What(StrEnum):
    """What differs, in the order in which it is looked at."""

    NAME = "name"
    SIZE = "size"
    READ_ONLY = "access"
    QUEUEING = "queueing"
    HANDLER = "hardware handler"
    FEATURES = "features"
    QUEUE_MODE = "queue mode"
    SELECTOR = "path selector"
    PATH_ARGS = "path arguments"
    GROUPS = "path groups"
    GROUP_ORDER = "order of the path groups"


RELOADING = frozenset(
    {What.READ_ONLY, What.HANDLER, What.FEATURES, What.SELECTOR, What.PATH_ARGS, What.GROUPS, What.GROUP_ORDER}
)
"""Differences that only another table can mend. A resize is one too, but with rules of its own."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as desired."""

    what: What
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.what}: {self.old} -> {self.new}"


@dataclass(frozen=True, slots=True)
class Diff:
    """All differences of a map, in the order of `What`."""

    differences: tuple[Difference, ...] = ()

    def get(self, what: What) -> Difference | None:
        """The difference in one thing, if there is one."""
        return next((each for each in self.differences if each.what is what), None)

    @property
    def reloading(self) -> tuple[Difference, ...]:
        """Those that need another table of the same size."""
        return tuple(each for each in self.differences if each.what in RELOADING)


NO_DIFFERENCE = Diff()


def compare(live: Map, wanted: DesiredMap, table: MultipathTable, *, usable: frozenset[DevT], writable: bool) -> Diff:
    """What separates a map from the desired one; of a device without a table only the name can be compared.

    `table`: the desired table as far as it can be had now. `usable`: the paths that I/O may use. `writable`: whether
    all paths of the map can be written to; a map that was made read-only because of its paths stays so.
    """
    found: list[Difference] = []
    if live.name != wanted.alias.value:
        found.append(Difference(What.NAME, live.name, wanted.alias.value))
    if live.table is None:
        return Diff(tuple(found))
    if live.table.size != table.size:
        found.append(Difference(What.SIZE, f"{live.table.size} sectors", f"{table.size} sectors"))
    if live.read_only != wanted.read_only and (wanted.read_only or writable):
        found.append(Difference(What.READ_ONLY, _access(live.read_only), _access(wanted.read_only)))
    if live.table.queues != table.queues:
        found.append(Difference(What.QUEUEING, _queueing(live.table), _queueing(table)))
    found += _target_differences(live.table, table)
    found += _group_differences(live.table, table, usable=usable, ordered=_order_counts(wanted))
    return Diff(tuple(found)) if found else NO_DIFFERENCE


def _access(read_only: bool) -> str:  # noqa: FBT001 - a value to print, not a switch
    return "read-only" if read_only else "read-write"


def _queueing(table: MultipathTable) -> str:
    return "I/O waits when no path is left" if table.queues else "I/O fails when no path is left"


def _order_counts(wanted: DesiredMap) -> bool:
    policy = wanted.properties.get("path_grouping_policy")
    return policy is not None and policy.value == PRIORITY_POLICY


def _target_differences(old: MultipathTable, new: MultipathTable) -> Iterable[Difference]:
    old_features, old_mode = _canonical_features(old.features)
    new_features, new_mode = _canonical_features(new.features)
    handler = () if old_mode in BIO_MODES else new.hardware_handler[:1]
    if handler and not old.hardware_handler:
        yield Difference(What.HANDLER, "none", " ".join(new.hardware_handler))
    if old_features != new_features:
        yield Difference(What.FEATURES, _feature_text(old_features), _feature_text(new_features))
    if old_mode != new_mode:
        yield Difference(What.QUEUE_MODE, old_mode or "request", new_mode or "request")


@lru_cache(maxsize=256)
def _canonical_features(words: tuple[str, ...]) -> tuple[Features, str]:
    """Features that a reload can change, sorted; and the queue mode, empty when request based.

    Queueing is a message's matter. An attached handler is kept whether or not the table says so.
    """
    rest: list[tuple[str, ...]] = []
    mode, waiting = "", list(words)
    while waiting:
        word = waiting.pop(0).lower()
        if word in ("queue_if_no_path", "retain_attached_hw_handler"):
            continue
        if word == "queue_mode" and waiting:
            mode = waiting.pop(0).lower()
        elif word in ("pg_init_retries", "pg_init_delay_msecs") and waiting:
            rest.append((word, waiting.pop(0)))
        else:
            rest.append((word,))
    return tuple(sorted(rest)), mode if mode in BIO_MODES else ""


def _feature_text(features: Features) -> str:
    return " ".join(word for feature in features for word in feature) or "none"


def _group_differences(
    old: MultipathTable, new: MultipathTable, *, usable: frozenset[DevT], ordered: bool
) -> Iterable[Difference]:
    have = {group_key(group): group for group in old.groups}
    want = {group_key(group): group for group in new.groups}
    if have.keys() != want.keys():
        yield Difference(What.GROUPS, _groups_text(old.groups), _groups_text(new.groups))
        return
    yield from _first(_selector_differences(have, want))
    yield from _first(_argument_differences(have, want))
    if ordered:
        yield from _order_differences(old, new, usable)


def _first(found: Iterable[Difference]) -> Iterable[Difference]:
    """One example is enough to know why."""
    for each in found:
        yield each
        return


def group_key(group: TableGroup) -> frozenset[DevT]:
    """What a group is: its paths, in whatever order."""
    return frozenset([path.dev for path in group.paths])


def _groups_text(groups: tuple[TableGroup, ...]) -> str:
    return " | ".join(" ".join(path.dev for path in group.paths) for group in groups) or "none"


def _selector_differences(
    have: Mapping[frozenset[DevT], TableGroup], want: Mapping[frozenset[DevT], TableGroup]
) -> Iterable[Difference]:
    for key, new in want.items():
        old = have[key]
        if (old.selector, _group_args(old.selector, old.selector_args)) != (
            new.selector,
            _group_args(new.selector, new.selector_args),
        ):
            yield Difference(What.SELECTOR, _selector_text(old), _selector_text(new))


def _selector_text(group: TableGroup) -> str:
    return " ".join((group.selector, *group.selector_args))


def _argument_differences(
    have: Mapping[frozenset[DevT], TableGroup], want: Mapping[frozenset[DevT], TableGroup]
) -> Iterable[Difference]:
    """Both as the new selector would take them: what only its change makes of them is told with the selector."""
    for key, new in want.items():
        had = {path.dev: path.args for path in have[key].paths}
        for path in new.paths:
            if _path_args(new.selector, had[path.dev]) != _path_args(new.selector, path.args):
                yield Difference(What.PATH_ARGS, _path_text(path.dev, had[path.dev]), _path_text(path.dev, path.args))


def _path_text(dev: DevT, args: tuple[str, ...]) -> str:
    return " ".join((dev, *args))


@lru_cache(maxsize=256)
def _group_args(selector: str, args: tuple[str, ...]) -> tuple[str, ...]:
    """A selector's own arguments as the kernel gives them back."""
    return (*args, *HST_DEFAULTS[len(args) :]) if selector == "historical-service-time" else args


@lru_cache(maxsize=1024)
def _path_args(selector: str, args: tuple[str, ...]) -> tuple[str, ...]:
    """A path's selector arguments as the kernel gives them back."""
    repeat = "0" if args[:1] == ("0",) else "1"
    match selector:
        case "round-robin" | "queue-length":
            return (repeat,)
        case "service-time":
            return (repeat, *(args[1:] or ("1",)))
        case "historical-service-time":
            return ()
        case "io-affinity":
            return tuple(arg.replace(",", "").lstrip("0") for arg in args)
    return args


def _order_differences(old: MultipathTable, new: MultipathTable, usable: frozenset[DevT]) -> Iterable[Difference]:
    best = group_key(new.groups[new.initial_group - 1]) if new.initial_group else frozenset()
    had, wants = ([g for g in table.groups if _falls_back(group_key(g), best, usable)] for table in (old, new))
    if [group_key(group) for group in had] != [group_key(group) for group in wants]:
        yield Difference(What.GROUP_ORDER, _groups_text(tuple(had)), _groups_text(tuple(wants)))


def _falls_back(key: frozenset[DevT], best: frozenset[DevT], usable: frozenset[DevT]) -> bool:
    """Whether the kernel would try this group when the best one fails. A dead group's place does not matter."""
    return key != best and not key.isdisjoint(usable)


def keep_queue_mode(live: MultipathTable, wanted: MultipathTable) -> MultipathTable:
    """The desired table with the queue mode that the map was made with: the kernel refuses another one."""
    old, new = _canonical_features(live.features)[1], _canonical_features(wanted.features)[1]
    if old == new:
        return wanted
    words = list(wanted.features)
    while "queue_mode" in words:
        at = words.index("queue_mode")
        del words[at : at + 2]
    return replace(wanted, features=(*(("queue_mode", old) if old else ()), *words))


def without(table: MultipathTable, devs: frozenset[DevT]) -> MultipathTable:
    """The table without some paths; a group that is left empty goes too, and the initial group stays the same one."""
    if devs.isdisjoint(table.devices):
        return table
    best = table.groups[table.initial_group - 1] if table.initial_group else None
    thinner = ((group, tuple(path for path in group.paths if path.dev not in devs)) for group in table.groups)
    kept = [(group, replace(group, paths=paths)) for group, paths in thinner if paths]
    initial = next((number for number, (group, _) in enumerate(kept, 1) if group is best), min(1, len(kept)))
    return replace(table, groups=tuple(group for _, group in kept), initial_group=initial)
