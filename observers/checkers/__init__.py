"""Path checkers: one module each, listed in `CHECKERS`; and who asks them.

In: a path's facts, and which checker applies. Out: a dialogue that ends with a `Checked`. Nothing is shared between two
checks, so that many can be under way at once. A checker must never change anything on the device.

The kernel's own word goes first (`sysfs_health`), as a path that is not up in sysfs is sent no command. Which checker
applies, and how long it may take, is the configuration's to say; without one it is the one of the path's bus.
"""

from dataclasses import dataclass
from typing import NamedTuple

from observers.asking import Dialogue
from observers.checkers import (
    cciss_tur,
    directio,
    emc_clariion,
    hp_sw,
    none,
    rdac,
    readsector0,
    sysfs_state,
    tur,
)
from observers.checkers.judging import DOWN, NOTHING, Check, Recollection, Task
from observers.host import ReadHost
from observers.kernel.scsi import Sense
from observers.snapshot import Bus, Health, Path, PathState

__all__ = [
    "CHECKERS",
    "NOTHING",
    "Checked",
    "Recollection",
    "Task",
    "check",
    "default_checker",
    "late",
    "pending",
    "sysfs_health",
]

DEFAULT_TIMEOUT = 30
"""Seconds for one check of a device whose own command timeout is not known (`checker_timeout`, multipath.conf(5))."""

SYSFS = "sysfs"
"""Whom a health is from when the kernel's own state of the device has already decided it."""


class Checker(NamedTuple):
    """A checker: its name in multipath.conf(5) (`path_checker`), the buses for whose paths it is used where no
    configuration says otherwise, and its message while a check is under way."""

    name: str
    check: Check
    default_for: frozenset[Bus] = frozenset()
    running: str = ""


CHECKERS = (
    Checker(tur.NAME, tur.check, frozenset({Bus.SCSI}), tur.RUNNING),
    Checker(directio.NAME, directio.check, frozenset({Bus.CCW}), directio.RUNNING),
    Checker(readsector0.NAME, readsector0.check),
    Checker(rdac.NAME, rdac.check),
    Checker(emc_clariion.NAME, emc_clariion.check),
    Checker(hp_sw.NAME, hp_sw.check),
    Checker(cciss_tur.NAME, cciss_tur.check, frozenset({Bus.CCISS})),
    Checker(none.NAME, none.check, frozenset({Bus.NVME})),
)
"""All there are. A new one is a module and a row here."""

_BY_NAME = {checker.name: checker for checker in CHECKERS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a check found. `recollection`: to be handed to the next check of the path. `attentions`: unit attentions
    (SPC-5 clause 4.4) that the device had for us; it tells each of them once."""

    health: Health
    recollection: Recollection = NOTHING
    attentions: tuple[Sense, ...] = ()


def sysfs_health(host: ReadHost, path: Path) -> Health | None:
    """The health of a path that is not up in sysfs; None: only a checker can tell."""
    known = sysfs_state.state(host, path)
    return None if known is PathState.UP else Health(SYSFS, known)


def default_checker(bus: Bus) -> str:
    """The checker of a bus where no configuration says otherwise; empty: there is none."""
    return next((checker.name for checker in CHECKERS if bus in checker.default_for), "")


def pending(name: str) -> Health:
    """The health of a path whose check has not ended."""
    return Health(name, PathState.PENDING, _BY_NAME[name].running if name in _BY_NAME else "")


def late(name: str) -> Health:
    """The health of a path whose device did not answer in time: only `tur` has a state of its own for that."""
    answer = tur.TIMED_OUT if name == tur.NAME else DOWN
    return Health(name, answer.state, answer.message)


def check(path: Path, name: str, task: Task) -> Dialogue[Checked]:
    """The dialogue of the checker of that name with a path that is up in sysfs. No such checker: unchecked."""
    checker = _BY_NAME.get(name)
    if checker is None:
        why = f": there is no checker of that name, only {', '.join(_BY_NAME)}" if name else ""
        return Checked(health=Health(name or none.NAME, PathState.UNCHECKED, why), recollection=task.recollection)
    found = yield from checker.check(task)
    state = found.state
    if state is PathState.UP and path.size == 0:
        state = PathState.GHOST  # it answers, but has nowhere to send I/O to
    kept = task.recollection if found.recollection is None else found.recollection
    return Checked(health=Health(name, state, found.message), recollection=kept, attentions=found.attentions)
