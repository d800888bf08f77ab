"""The two polling intervals: how each follows from the other, and which ones multipath-tools does not survive.

In: the settings of `defaults`. Out: the same with both intervals, or why they cannot be used. Pure; must never change
an interval without an origin that says so.
"""

from dataclasses import replace
from typing import cast

from desired.entries import Settings
from desired.model import Origin, OriginKind, Resolved
from desired.options import MAX_POLLING_INTERVAL, POLLING_INTERVAL

RATIO = 4
"""How many times longer than between the first checks it may become between those of a path that is well."""
_LARGEST = 2**32 - 1
"""The intervals are unsigned numbers of 32 bits."""
UNREADABLE = _LARGEST - 1
"""What multipath-tools goes on with when the first value that it is given is no number."""


def with_polling_intervals(defaults: Settings) -> Settings:
    """The settings with both intervals in order, when at least one of them is set."""
    interval, longest = _set(defaults)
    if longest is None and interval is not None:
        limit = interval.value * RATIO if interval.value < _LARGEST // RATIO else _LARGEST
        implied = _implied(limit, f"{RATIO} times polling_interval", interval)
        return {**defaults, MAX_POLLING_INTERVAL.key: implied}
    if longest is not None and interval is None:
        implied = _implied(max(longest.value // RATIO, 1), "a quarter of max_polling_interval", longest)
        return {**defaults, POLLING_INTERVAL.key: implied}
    if longest is not None and interval is not None and interval.value > longest.value:
        implied = replace(_implied(longest.value, "limited by max_polling_interval", longest), replaced=interval)
        return {**defaults, POLLING_INTERVAL.key: implied}
    return defaults


def _set(defaults: Settings) -> "tuple[Resolved[int] | None, Resolved[int] | None]":
    keys = POLLING_INTERVAL.key, MAX_POLLING_INTERVAL.key
    interval, longest = (cast("Resolved[int] | None", defaults.get(key)) for key in keys)
    return interval, longest


def _implied(value: int, why: str, by: Resolved[int]) -> Resolved[object]:
    return Resolved(value, Origin(OriginKind.IMPLIED, by.origin.where, why))


def trouble(defaults: Settings) -> str:
    """Why multipath-tools crashes or hangs on these intervals (both are there, or none); empty: it does not."""
    interval, longest = _set(defaults)
    if interval is None or longest is None:
        return ""
    if interval.value == 0:
        return "an interval of 0 seconds makes multipath-tools divide by zero"
    if not _finishes(interval.value, longest.value):
        return "this interval makes multipath-tools compute without end"
    return ""


def _finishes(interval: int, longest: int) -> bool:
    """Whether the search for a common multiple of all intervals ends: it doubles, in 32 bits, what is too small."""
    multiple = interval
    while longest % interval and multiple:
        doubled = (2 * multiple) & _LARGEST
        if doubled >= longest:
            return True
        multiple = doubled
    return multiple > 0
