"""Paths into priority groups: which paths stand together, in which order the groups stand, and which is the best.

In: paths with what a policy looks at (priority, serial number, node name, target port group), in the map's order. Out:
groups in table order. Pure; must never leave a path out: a path that is down stays in its group.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from desired.values import GroupingPolicy

UNDEFINED_PRIORITY = -1
"""The priority of a group whose usable paths have none: below every priority that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPath:
    """What grouping must know of a path. `index`: its place among the map's paths. `usable`: up or ghost."""

    index: int
    usable: bool
    priority: int | None
    marginal: bool = False
    serial: str = ""
    node_name: str = ""
    target_port_group: int | None = None


@dataclass(frozen=True, slots=True)
class PathGroup:
    """A group. `priority`: mean of its usable paths' priorities. `enabled`: how many of its paths are usable."""

    paths: tuple[GroupPath, ...]
    priority: int = field(init=False)
    enabled: int = field(init=False)
    marginal: bool = field(init=False)

    def __post_init__(self) -> None:
        usable = [path for path in self.paths if path.usable]
        known = [path.priority for path in usable if path.priority is not None]
        without = UNDEFINED_PRIORITY if usable else 0
        object.__setattr__(self, "priority", sum(known) // len(known) if known else without)
        object.__setattr__(self, "enabled", len(usable))
        object.__setattr__(self, "marginal", all(path.marginal for path in self.paths))

    @property
    def rank(self) -> tuple[bool, int, int]:
        """Sorts the better group first: not marginal, then higher priority, then more usable paths."""
        return self.marginal, -self.priority, -self.enabled


_KEYS: dict[GroupingPolicy, Callable[[GroupPath], Hashable]] = {
    GroupingPolicy.FAILOVER: lambda path: path.index,
    GroupingPolicy.MULTIBUS: lambda _path: None,
    GroupingPolicy.GROUP_BY_SERIAL: lambda path: path.serial,
    GroupingPolicy.GROUP_BY_PRIO: lambda path: path.priority,
    GroupingPolicy.GROUP_BY_NODE_NAME: lambda path: path.node_name,
    GroupingPolicy.GROUP_BY_TPG: lambda path: path.target_port_group,
}


def group_paths(
    policy: GroupingPolicy, paths: Sequence[GroupPath], *, separate_marginal: bool = False
) -> tuple[PathGroup, ...]:
    """The groups in table order, equals in the order of their first paths.

    `separate_marginal` (marginal_pathgroups): marginal paths get groups of their own.
    """
    key = _KEYS[policy]
    groups: dict[Hashable, list[GroupPath]] = {}
    for path in paths:
        groups.setdefault((separate_marginal and path.marginal, key(path)), []).append(path)
    ordered = sorted(groups.values(), key=lambda group: separate_marginal and group[0].marginal)
    return tuple(sorted((PathGroup(tuple(group)) for group in ordered), key=lambda group: group.rank))


class Counted(Protocol):
    """A group of which the usable paths were counted."""

    @property
    def enabled(self) -> int:
        """How many of its paths are usable."""


def best_group(groups: Sequence[Counted]) -> int:
    """The number (from 1) of the group to use first: the first with a usable path, else the first; 0 without groups."""
    if not groups:
        return 0
    return next((number for number, group in enumerate(groups, 1) if group.enabled), 1)


def alternate_adapters(paths: Sequence[int], adapters: Sequence[str], hosts: Sequence[int]) -> list[int]:
    """Reorder a round-robin group so that neighbours in it use different adapters, and different ports of one adapter.

    `adapters` and `hosts` belong to `paths`, one each. Adapters and hosts take turns in the order in which they appear.
    """
    tree: dict[str, dict[int, list[int]]] = {}
    for path, adapter, host in zip(paths, adapters, hosts, strict=True):
        tree.setdefault(adapter, {}).setdefault(host, []).append(path)
    rings = [[list(reversed(queue)) for queue in ports.values()] for ports in tree.values()]
    turns, at = [0] * len(rings), 0
    result: list[int] = []
    while len(result) < len(paths):
        queue = rings[at][turns[at]]
        turns[at] = (turns[at] + 1) % len(rings[at])
        at = (at + 1) % len(rings)
        if queue:
            result.append(queue.pop())
    return result
