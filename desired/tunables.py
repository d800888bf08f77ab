"""What the sysfs attributes of a map's paths should be: the transport's timeouts, error handling, request size.

Theory of operation. The transport's two timeouts hang together. fast_io_fail_tmo says after how many seconds a port
that is away fails its I/O, dev_loss_tmo after how many its disks are removed. A map that waits for paths
(no_path_retry) must not lose them meanwhile, so a shorter dev_loss_tmo is raised to that time. fast_io_fail_tmo has to
be the shorter of the two, or is off. And without it the kernel lets nobody wait longer than 600 s for a port.

A port and an adapter are shared by maps, which may want different things of them. Then the map that waits longest
decides about dev_loss_tmo, and the one that waits shortest about the rest (`settle`).

In: layers of settings, observed attributes. Out: `Tuning` values with origins. Pure; it must never look at what a value
is now but to know that the attribute is there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from desired import options
from desired.model import DesiredMap, Origin, OriginKind, Resolved, Tuning
from desired.options import Option
from desired.precedence import Layers
from desired.values import Infinity, Off, RetryMode
from observers.snapshot import Bus, Path

FOREVER = 2**32 - 1
"""dev_loss_tmo for a port that is waited for without end, the largest 32-bit number."""
WITHOUT_FAST_FAIL = 600
"""Seconds, the longest dev_loss_tmo without fast_io_fail_tmo: SCSI_DEVICE_BLOCK_MAX_TIMEOUT of the kernel."""
_MARGIN = 5
"""Seconds on top of the time that a map waits: one check interval as it is built in."""
_MINUTE = 60
"""For each minute of waiting one second more, as the checks come a little late."""

_FC, _ISCSI, _SAS = "scsi:fcp", "scsi:iscsi", "scsi:sas"
_OFF = "off"
_NO_RETRIES = "-1"
"""How sysfs writes `off` of max_retries."""

_DEV_LOSS = frozenset({"dev_loss_tmo", "I_T_nexus_loss_timeout"})
"""The files of whose values the largest is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is wanted of the paths that are alike, by the names of the files."""

    values: Mapping[str, Resolved[str]]


def wishes(layers: Layers, protocol: str, bus: Bus, *, no_path_retry: str, max_sectors: Resolved[int] | None) -> Wishes:
    """For paths with these layers in a map that waits so (`no_path_retry`: in force, empty: nobody says)."""
    found: dict[str, Resolved[str]] = {}
    if max_sectors is not None:
        found["max_sectors_kb"] = Resolved(str(max_sectors.value), max_sectors.origin)
    if bus is not Bus.SCSI:
        return Wishes(values=found)
    found |= _written(layers, "eh_deadline", options.EH_DEADLINE, off=_OFF)
    found |= _written(layers, "max_retries", options.MAX_RETRIES, off=_NO_RETRIES)
    if protocol in (_FC, _ISCSI, _SAS):
        found |= _timeouts(layers, protocol, no_path_retry)
    return Wishes(values=found)


def _written(layers: Layers, name: str, option: Option[Any], *, off: str) -> dict[str, Resolved[str]]:
    resolved = layers.lookup(option)
    if resolved is None:
        return {}
    return {name: Resolved(off if resolved.value is Off.OFF else str(resolved.value), resolved.origin)}


def _timeouts(layers: Layers, protocol: str, no_path_retry: str) -> dict[str, Resolved[str]]:
    loss = _long_enough(_dev_loss(layers), no_path_retry, layers.require(options.POLLING_INTERVAL).value)
    fail = _short_enough(layers.require(options.FAST_IO_FAIL_TMO), loss)
    if protocol == _SAS:
        return {"I_T_nexus_loss_timeout": _text(loss)} if loss is not None else {}
    if protocol == _ISCSI:  # a session's recovery has no off, and 0 seconds mean that it never fails
        return {"recovery_tmo": _text(fail)} if fail.value not in (Off.OFF, 0) else {}
    loss = _allowed(loss, fail, no_path_retry)
    return {"fast_io_fail_tmo": _text(fail)} | ({"dev_loss_tmo": _text(loss)} if loss is not None else {})


def _text(resolved: Resolved[Any]) -> Resolved[str]:
    over = resolved.replaced
    return Resolved(str(resolved.value), resolved.origin, _text(over) if over is not None else None)


def _dev_loss(layers: Layers) -> Resolved[int] | None:
    resolved = layers.lookup(options.DEV_LOSS_TMO)
    if resolved is None:
        return None
    return Resolved(FOREVER if resolved.value is Infinity.INFINITY else int(resolved.value), resolved.origin)


def _implied(value: int, why: str, over: Resolved[int] | None) -> Resolved[int]:
    where = over.origin.where if over is not None else ""
    return Resolved(value, Origin(OriginKind.IMPLIED, where, why), over)


def longest_wait(no_path_retry: str, interval: int) -> int:
    """Seconds for which a map waits for a path, with a margin; 0: it does not. `interval`: between checks, seconds."""
    if no_path_retry == RetryMode.QUEUE:
        return FOREVER
    if not no_path_retry.isdigit():
        return 0
    seconds = int(no_path_retry) * interval
    return min(FOREVER, seconds + seconds // _MINUTE + _MARGIN) if seconds else 0


def _long_enough(loss: Resolved[int] | None, no_path_retry: str, interval: int) -> Resolved[int] | None:
    least = longest_wait(no_path_retry, interval)
    if least == 0 or (loss is not None and loss.value >= least):
        return loss
    return _implied(least, f"no_path_retry {no_path_retry} waits as long for a path", loss)


def _short_enough(fail: Resolved[Any], loss: Resolved[int] | None) -> Resolved[Any]:
    if loss is None or fail.value is Off.OFF or fail.value < loss.value:
        return fail
    why = f"fast_io_fail_tmo {fail.value} is not shorter than dev_loss_tmo {loss.value}"
    return Resolved(Off.OFF, Origin(OriginKind.IMPLIED, fail.origin.where, why), fail)


def _allowed(loss: Resolved[int] | None, fail: Resolved[Any], no_path_retry: str) -> Resolved[int] | None:
    """A port is waited for longer only while its I/O fails early. 0 seconds are early enough for the kernel; all the
    same multipath-tools lets only a map without end wait longer then."""
    early = fail.value is not Off.OFF and (fail.value > 0 or no_path_retry == RetryMode.QUEUE)
    if loss is None or early or loss.value <= WITHOUT_FAST_FAIL:
        return loss
    return _implied(WITHOUT_FAST_FAIL, f"without fast_io_fail_tmo it can't be over {WITHOUT_FAST_FAIL}", loss)


def tunings(path: Path, wanted: Wishes) -> tuple[Tuning, ...]:
    """What is wanted of the attributes that a path has, in their order."""
    named = ((attribute.file, attribute.file.rpartition("/")[2]) for attribute in path.tunables)
    return tuple(Tuning(file, wanted.values[name]) for file, name in named if name in wanted.values)


def settle(maps: Sequence[DesiredMap]) -> tuple[DesiredMap, ...]:
    """The maps, agreed on what they share."""
    agreed: dict[str, Tuning] = {}
    torn: set[str] = set()
    for each in _all(maps):
        other = agreed.setdefault(each.file, each)
        if other.wanted.value != each.wanted.value:
            torn.add(each.file)
            agreed[each.file] = _stronger(other, each)
    return tuple(_agreed(each, agreed, torn) for each in maps) if torn else tuple(maps)


def _all(maps: Iterable[DesiredMap]) -> Iterable[Tuning]:
    return (tuning for each in maps if not each.reject for tuning in each.tunings)


def _stronger(one: Tuning, other: Tuning) -> Tuning:
    """Which of two wishes counts. What is off, or can't be compared, gives way."""
    numbers = [(int(each.wanted.value), each) for each in (one, other) if each.wanted.value.isdigit()]
    if len(numbers) < 2:
        return numbers[0][1] if numbers else one
    pick = max if one.file.rpartition("/")[2] in _DEV_LOSS else min
    return pick(numbers, key=_number)[1]


def _number(pair: tuple[int, Tuning]) -> int:
    return pair[0]


def _agreed(each: DesiredMap, agreed: Mapping[str, Tuning], torn: set[str]) -> DesiredMap:
    if torn.isdisjoint(tuning.file for tuning in each.tunings):
        return each
    return replace(each, tunings=tuple(_of_all(tuning, agreed[tuning.file].wanted) for tuning in each.tunings
                                       if tuning.file in agreed))  # fmt: skip


def _of_all(own: Tuning, wanted: Resolved[str]) -> Tuning:
    if own.wanted.value == wanted.value:
        return own
    why = f"another map over the same port or adapter needs it: {wanted.origin}"
    return Tuning(own.file, Resolved(wanted.value, Origin(OriginKind.IMPLIED, why=why), own.wanted))
