"""Path checkers: one module each, listed in `CHECKERS`; and `probe`, which finds out a path's health with one of them.

In: a `ReadHost` and a path's facts. Out: a `Health`. Nothing is shared between two probes, so that many paths can be
probed at once. A checker must never change anything on the device.
"""

from dataclasses import replace
from typing import NamedTuple, Protocol

from observers.checkers import none, sysfs_state, tur
from observers.host import ReadHost
from observers.snapshot import Bus, Health, Path, PathState

DEFAULT_TIMEOUT = 30
"""Seconds for one check of a device whose own command timeout is not known (`checker_timeout`, multipath.conf(5))."""

SYSFS = "sysfs"
"""Whom a health is from when the kernel's own state of the device has already decided it."""


class Check(Protocol):
    """What a checker does."""

    def __call__(self, host: ReadHost, path: Path, /, *, timeout: float) -> Health:
        """The health of a path that is up in sysfs; `timeout` in seconds."""


class Checker(NamedTuple):
    """A checker: its name in multipath.conf(5) (`path_checker`), and the buses for whose paths it is the default."""

    name: str
    check: Check
    default_for: frozenset[Bus] = frozenset()


CHECKERS = (
    Checker(tur.NAME, tur.check, frozenset({Bus.SCSI})),
    Checker(none.NAME, none.check, frozenset({Bus.NVME})),
)
"""All there are. A new one is a module and a row here."""


def probe(host: ReadHost, path: Path) -> Health:
    """The health of a path: sysfs first, then the checker of its bus; unchecked where no checker is for its bus."""
    known = sysfs_state.state(host, path)
    if known is not PathState.UP:
        return Health(SYSFS, known)
    checker = next((checker for checker in CHECKERS if path.bus in checker.default_for), None)
    if checker is None:
        return Health(none.NAME, PathState.UNCHECKED)
    health = checker.check(host, path, timeout=path.timeout or DEFAULT_TIMEOUT)
    if health.state is PathState.UP and path.size == 0:
        return replace(health, state=PathState.GHOST)  # answers, but has nowhere to send I/O to
    return health
