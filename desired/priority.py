"""The priority of a path: what a prioritizer says of it, from the facts of the snapshot alone.

In: a `Path`, the prioritizer's name and arguments. Out: a number (higher is better), None when the prioritizer can't
tell now, or `NotAvailable` when it would have to ask the device in a way in which nobody asked for this snapshot. Pure:
two derivations from one snapshot give one result, so `random` is not available either.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import pairwise

from desired.regex import BadExpression, Pattern, compile_expression
from observers.errors import MpathError
from observers.snapshot import Path

CONSTANT = 1
"""What `const` says of every path."""

_BY_ACCESS_STATE = {"active/optimized": 50, "active/non-optimized": 10, "lba-dependent": 5, "standby": 1}
"""sysfs `access_state` to priority; every other state (unavailable, offline, transitioning) is 0."""

_BY_REPORTED_STATE = {0: 50, 1: 10, 2: 1, 4: 5}
"""Asymmetric access state of REPORT TARGET PORT GROUPS (SPC-5 clause 6.36) to priority, likewise."""

_OPTIMIZED = 50
_PREFERRED_BONUS = 80
_EXCLUSIVE = "exclusive_pref_bit"


class NotAvailable(MpathError):
    """A prioritizer that does not exist in this version, or lacks the facts that it needs."""


def _const(_path: Path, _arguments: str) -> int | None:
    return CONSTANT


def _with_preference(value: int, arguments: str, *, preferred: bool) -> int:
    exclusive = _EXCLUSIVE in arguments.replace("\t", " ").split(" ")
    return value + _PREFERRED_BONUS if preferred and (value != _OPTIMIZED or exclusive) else value


def _sysfs(path: Path, arguments: str) -> int | None:
    state = path.alua.access_state
    if not state:
        return None
    found = (value for name, value in _BY_ACCESS_STATE.items() if state.startswith(name))
    return _with_preference(next(found, 0), arguments, preferred=path.alua.preferred)


def _alua(path: Path, arguments: str) -> int | None:
    """What the device reported; without a report what the kernel's handler keeps in sysfs, also from reports."""
    if path.alua.reported_state is not None:
        value = _BY_REPORTED_STATE.get(path.alua.reported_state, 0)
        return _with_preference(value, arguments, preferred=path.alua.reported_preferred)
    if path.alua.access_state:
        return _sysfs(path, arguments)
    if path.health.state.usable:
        raise NotAvailable("no answer to REPORT TARGET PORT GROUPS was read, and sysfs has no access_state")
    return None


_DEFAULT_WEIGHT = 0

_NAMES: Mapping[str, Callable[[Path], str]] = {
    "hbtl": lambda path: str(path.address or ""),
    "devname": lambda path: path.name,
    "serial": lambda path: path.serial,
}
"""What the expressions of `weightedpath` are matched with."""


def _weightedpath(path: Path, arguments: str) -> int | None:
    words = arguments.split()
    if not words:
        return _DEFAULT_WEIGHT
    if words[0] not in _NAMES:
        raise NotAvailable(f"weightedpath by {words[0]} is not available in this version")
    name = _NAMES[words[0]](path)
    rules = list(pairwise(words[1:]))[::2]
    weight = next((_weight(weight) for expression, weight in rules if _matches(expression, name)), _DEFAULT_WEIGHT)
    return weight if weight >= 0 else None


def _weight(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return _DEFAULT_WEIGHT


def _matches(expression: str, name: str) -> bool:
    pattern = _compiled(expression)
    return pattern is not None and pattern.matches(name)


@lru_cache(maxsize=256)
def _compiled(expression: str) -> Pattern | None:
    try:
        return compile_expression(expression)
    except BadExpression:
        return None


PRIORITIZERS: Mapping[str, Callable[[Path, str], int | None]] = {
    "const": _const,
    "sysfs": _sysfs,
    "alua": _alua,
    "weightedpath": _weightedpath,
}


def priority(path: Path, prioritizer: str, arguments: str) -> int | None:
    """The priority; None when the prioritizer can't tell now. `NotAvailable` when it can't ever from this snapshot."""
    known = PRIORITIZERS.get(prioritizer)
    if known is None:
        raise NotAvailable(f"prioritizer {prioritizer} is not available in this version")
    return known(path, arguments)
