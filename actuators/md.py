"""Steps on md arrays of level multipath: have md use a member again.

In: a host and a step. Out: an `Outcome`. Every step looks first whether the array, the member and its number are still
those that were meant, and writes nothing when they are not. Must never decide, and never touch an array of another
level.

`re-add` (Linux 3.10) is one write after which the member has a place again. `remove` and `new_dev` are for a member
that never had one. HOT_ADD_DISK is not needed: `new_dev` takes every version of the superblock, the ioctl only 0.90.
"""

import errno
from collections.abc import Callable, Sequence
from typing import assert_never

from actuators.steps import (
    AddMdMember,
    Changed,
    Lost,
    MdRef,
    MdStep,
    Outcome,
    ReAddMdMember,
    Refused,
    RemoveMdMember,
    Unchanged,
)
from observers.errors import KernelRefused
from observers.host import Host

GONE = frozenset({errno.ENOENT, errno.ENODEV})
"""What was to be read or written is not there any more."""

LEVEL = "multipath"
_FAULTY = "faulty"
_NO_SLOT = "none"

_LEAVES_WITHIN, _PAUSE = 5.0, 0.01
"""Seconds for which a member that leaves is waited for, and between two looks."""

_HINTS = {
    errno.EINVAL: "md did not take its superblock for one of this array; see `dmesg`",
    errno.EBUSY: "md is not done with it, or something else has it open; see `dmesg`",
    errno.ENXIO: "the device can't be opened",
    errno.EACCES: "writing there needs root",
}


def apply_md(
    host: Host, steps: Sequence[MdStep], *, on_outcome: Callable[[MdStep, Outcome], None] | None = None
) -> tuple[tuple[MdStep, Outcome], ...]:
    """Do steps in order; a refusal or a lost precondition ends those of the same member, and no other's."""
    outcomes: list[tuple[MdStep, Outcome]] = []
    stopped: set[tuple[MdRef, str]] = set()
    for step in steps:
        if (step.array, step.dev) in stopped:
            continue
        outcome = apply_one(host, step)
        outcomes.append((step, outcome))
        if on_outcome is not None:
            on_outcome(step, outcome)
        if isinstance(outcome, Refused | Lost):
            stopped.add((step.array, step.dev))
    return tuple(outcomes)


def apply_one(host: Host, step: MdStep) -> Outcome:
    """Do one step."""
    try:
        return _another_array(host, step.array) or _act(host, step)
    except KernelRefused as error:
        return Refused(error.errno, str(error), error.hint)
    except OSError as error:
        number = error.errno or errno.EIO
        if number in GONE:
            return Lost(f"{step.name} ({step.dev}) is no member of {step.array.name} any more, or gone")
        return _refused(number, f"look at {step.name} in {step.array.name}")


def _act(host: Host, step: MdStep) -> Outcome:
    match step:
        case ReAddMdMember():
            return re_add_member(host, step)
        case RemoveMdMember():
            return remove_member(host, step)
        case AddMdMember():
            return add_member(host, step)
        case _:
            assert_never(step)


def re_add_member(host: Host, step: ReAddMdMember) -> Outcome:
    """Write `re-add` to a faulty member."""
    moved = _another_device(host, step)
    if moved:
        return moved
    if _FAULTY not in _state(host, step):
        return Unchanged()
    _write(host, f"{_member(step)}/state", b"re-add")
    return Changed()


def remove_member(host: Host, step: RemoveMdMember) -> Outcome:
    """Write `remove` to a faulty member."""
    if step.name not in _members(host, step.array):
        return Unchanged()
    moved = _another_device(host, step)
    if moved:
        return moved
    if _FAULTY not in _state(host, step):
        return Lost(f"{step.name} is not faulty any more")
    _write(host, f"{_member(step)}/state", b"remove")
    return Changed()


def add_member(host: Host, step: AddMdMember) -> Outcome:
    """Write the number to `new_dev`, then the place to the new member's `slot`. Each is left out where it is so."""
    _wait_until_left(host, step)
    if step.name not in _members(host, step.array):
        found = _text(host, f"/sys/class/block/{step.name}/dev")
        if found != step.dev:
            return Lost(f"{step.name} is now device {found}, not {step.dev}")
        _write(host, f"/sys/block/{step.array.name}/md/new_dev", step.dev.encode("ascii"))
        _take_place(host, step)
        return Changed()
    moved = _another_device(host, step)
    if moved:
        return moved
    if _FAULTY in _state(host, step):
        return Lost(f"{step.name} is faulty again")
    return Changed() if _take_place(host, step) else Unchanged()


def _wait_until_left(host: Host, step: AddMdMember) -> None:
    """A member that was just removed leaves sysfs a moment later (md does that by delayed work), its link to the device
    before its directory."""
    latest = host.monotonic() + _LEAVES_WITHIN
    while _leaves(host, step) and host.monotonic() < latest:
        host.sleep(_PAUSE)


def _leaves(host: Host, step: AddMdMember) -> bool:
    if step.name not in _members(host, step.array):
        return False
    try:
        _text(host, f"{_member(step)}/block/dev")
    except OSError as error:
        return error.errno in GONE
    return False


def _take_place(host: Host, step: AddMdMember) -> bool:
    """Give the new member its place; False when it is to have none, or has one, as md itself gives it to a spare."""
    file = f"{_member(step)}/slot"
    if step.slot is None or _text(host, file) != _NO_SLOT:
        return False
    try:
        host.write_attribute(file, str(step.slot).encode("ascii"))
    except OSError as error:
        if _text(host, file) != _NO_SLOT:
            return False
        raise KernelRefused(error.errno or errno.EIO, sent=f"write of {step.slot} to {file}") from error
    return True


def _another_array(host: Host, array: MdRef) -> Lost | None:
    """That this is another array than was meant, or none."""
    place = f"/sys/block/{array.name}/md"
    level, uuid = _text(host, f"{place}/level"), _text(host, f"{place}/uuid")
    if level != LEVEL:
        return Lost(f"{array.name} is an array of level {level or 'none'} now")
    return None if uuid == array.uuid else Lost(f"{array.name} is the array {uuid or 'without a UUID'} now")


def _another_device(host: Host, step: MdStep) -> Lost | None:
    """That the member of this name is another device than was meant."""
    found = _text(host, f"{_member(step)}/block/dev")
    return None if found == step.dev else Lost(f"{step.name} is now device {found}, not {step.dev}")


def _member(step: MdStep) -> str:
    return f"/sys/block/{step.array.name}/md/dev-{step.name}"


def _members(host: Host, array: MdRef) -> frozenset[str]:
    names = host.list_directory(f"/sys/block/{array.name}/md")
    return frozenset(name.removeprefix("dev-") for name in names if name.startswith("dev-"))


def _state(host: Host, step: MdStep) -> list[str]:
    return _text(host, f"{_member(step)}/state").split(",")


def _text(host: Host, file: str) -> str:
    return host.read_file(file).decode("ascii", "replace").strip()


def _write(host: Host, file: str, data: bytes) -> None:
    try:
        host.write_attribute(file, data)
    except OSError as error:
        number = error.errno or errno.EIO
        if number in GONE:
            raise
        sent = f"write of {data.decode('ascii')} to {file}"
        raise KernelRefused(number, sent=sent, hint=_HINTS.get(number, "see `dmesg`")) from error


def _refused(number: int, sent: str) -> Refused:
    refused = KernelRefused(number, sent=sent, hint=_HINTS.get(number, "see `dmesg`"))
    return Refused(number, str(refused), refused.hint)
