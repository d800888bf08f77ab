"""The priority of a path: what a prioritizer says of it, from the facts of the snapshot alone.

In: a `Path`, the prioritizer's name and arguments. Out: a number (higher is better), None when the prioritizer can't
tell now, or `NotAvailable` when it would have to ask the device in a way in which nobody asked for this snapshot. Pure:
two derivations from one snapshot give one result, and what a device was asked is in the snapshot (`priority_seen`).
"""

import re
from collections.abc import Callable, Mapping

from desired.weights import weight
from observers.errors import MpathError
from observers.prioritizers import ASKING
from observers.snapshot import Path, dev_key

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
    """A prioritizer that does not exist, or lacks the facts that it needs."""


def _const(_path: Path, _arguments: str) -> int | None:
    return CONSTANT


_MOST_RANDOM = 10
_KNUTH = 2_654_435_761
_WORD = 1 << 32


def _random(path: Path, _arguments: str) -> int | None:
    """From 1 to 10, by the device's number: multipath-tools rolls the dice again at every call, but a table that is
    another one whenever somebody looks could never be the one that is loaded."""
    major, minor = dev_key(path.dev)
    scattered = ((major << 20 | minor) * _KNUTH % _WORD) >> 16
    return 1 + scattered % _MOST_RANDOM


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


_PREFERRED_IP = re.compile(r"preferredip=\s*(\S+)")
_ADDRESS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_SHORTEST_IP = 8
_BY_PATH = "/dev/disk/by-path/"
_AT_PREFERRED, _ELSEWHERE, _BAD_ARGUMENTS = 20, 10, 0


def _iet(path: Path, arguments: str) -> int | None:
    """By the portal's address, which udev writes into the names of links to the disk (`ip-10.0.0.1:3260-iscsi-...`)."""
    match = _PREFERRED_IP.match(arguments)
    if match is None or len(match[1]) < _SHORTEST_IP:
        return _BAD_ARGUMENTS
    links = (link for link in path.udev.get("DEVLINKS", "").split() if link.startswith(_BY_PATH))
    addresses = (found[0] for link in links if (found := _ADDRESS.search(link)))
    return _AT_PREFERRED if any(_is_address(match[1], each) for each in addresses) else _ELSEWHERE


def _is_address(preferred: str, address: str) -> bool:
    """Whether they are one; after the preferred one a port may follow, but not another digit."""
    return preferred.startswith(address) and not preferred[len(address) :][:1].isdigit()


def _seen(name: str) -> Callable[[Path, str], int | None]:
    """A prioritizer that asks the device: what it said when it was asked with these arguments."""

    def prioritizer(path: Path, arguments: str) -> int | None:
        seen = path.priority_seen
        if seen is not None and (seen.prioritizer, seen.arguments) == (name, arguments):
            return seen.value
        if path.health.state.usable:
            raise NotAvailable(f"prioritizer {name} must ask the device, and it was not asked")
        return None

    return prioritizer


PRIORITIZERS: Mapping[str, Callable[[Path, str], int | None]] = {
    "const": _const,
    "random": _random,
    "sysfs": _sysfs,
    "alua": _alua,
    "weightedpath": weight,
    "iet": _iet,
    **{name: _seen(name) for name in sorted(ASKING)},
}
"""All there are, by their names in multipath.conf(5)."""


def priority(path: Path, prioritizer: str, arguments: str) -> int | None:
    """The priority; None when the prioritizer can't tell now. `NotAvailable` when it can't ever from this snapshot."""
    known = PRIORITIZERS.get(prioritizer)
    if known is None:
        raise NotAvailable(f"there is no prioritizer {prioritizer}")
    return known(path, arguments)
