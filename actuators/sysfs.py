"""Steps on sysfs: have udev look at a device again, set a tunable, delete a device.

In: a host and a step. Out: an `Outcome`. Nothing is kept between calls, so `delete_path`, which may block for minutes,
can be called from any thread. Must never write to a device that is not the one that was meant: numbers are given
again, and directories too.
"""

import errno

from actuators.steps import Changed, DeletePath, Lost, Outcome, Refused, TriggerUevent, Unchanged, WriteTunable
from observers.errors import KernelRefused
from observers.host import Held, Host, ScsiReply
from observers.kernel.scsi import HostStatus, Sense, Status, decode_sense, test_unit_ready

GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ENXIO})

UNMAPPED = (Sense(0x5, 0x25, 0x00),)
"""LOGICAL UNIT NOT SUPPORTED (SPC-5): the array shows no unit under this number. About this command, not deferred."""

UNIT_ATTENTION = 6

ATTENTIONS = 5
"""How many unit attentions may come before the answer to the question; the checker `tur` takes as many."""

PATIENCE = 30.0
"""Seconds for a TEST UNIT READY: the kernel's own timeout of a disk's commands."""


def trigger_uevent(host: Host, step: TriggerUevent) -> Outcome:
    """Write `change` to the device's `uevent` attribute; done twice, udev looks twice."""
    sent = f"write of 'change' to {step.sysfs}/uevent"
    try:
        found = host.read_file(f"{step.sysfs}/dev").decode("ascii", "replace").strip()
        if found != step.dev:
            return Lost(f"{step.sysfs} is now device {found}, not {step.dev} ({step.name})")
        host.write_attribute(f"{step.sysfs}/uevent", b"change")
    except OSError as error:
        number = error.errno or errno.EIO
        if number in GONE:
            return Lost(f"{step.name} ({step.dev}) is gone from {step.sysfs}")
        refused = KernelRefused(number, sent=sent)
        return Refused(number, str(refused), f"see `udevadm info {step.sysfs}`; writing there needs root")
    return Changed()


def write_tunable(host: Host, step: WriteTunable) -> Outcome:
    """Write a value where another one is, and look what became of it."""
    try:
        before = _text(host, step.file)
        if before == step.value:
            return Unchanged()
        if before != step.expected:
            return Lost(f"{step.file} is {before!r} by now, not {step.expected!r}")
        host.write_attribute(step.file, step.value.encode("ascii"))
        kept = _text(host, step.file)
    except OSError as error:
        number = error.errno or errno.EIO
        if number in GONE:
            return Lost(f"{step.file} is gone")
        return Refused(number, str(KernelRefused(number, sent=f"write of {step.value} to {step.file}")), _hint(number))
    if kept == step.value:
        return Changed()
    return Changed(note=f"the kernel made {kept} of it", kept=kept)


_TUNING_HINTS = {
    errno.EBUSY: "the port is away now; it is set when the port is back",
    errno.EACCES: "this kernel or its driver has no way to set it, or this program is not root",
    errno.EINVAL: "the kernel does not allow this value here: it may be beyond the hardware's limit, or not fit to "
    "the port's other timeout",
    errno.EOPNOTSUPP: "the adapter's driver does not support it",
}


def _hint(error: int) -> str:
    return _TUNING_HINTS.get(error, "see `dmesg`")


def _text(host: Host, file: str) -> str:
    return host.read_file(file).decode("ascii", "replace").strip()


def delete_path(host: Host, step: DeletePath) -> Outcome:
    """Have the kernel forget a disk whose logical unit is no longer mapped. It waits for the device, maybe for long.

    The device is held open meanwhile, so that neither its name nor its number can become another's between the last
    look and the write; and the attribute is reached through the disk's own directory, which is there only while this
    disk is.
    """
    try:
        held = host.hold_device(step.name)
    except OSError as error:
        return _unreachable(host, step, error)
    try:
        return _delete_held(host, step, held)
    except OSError as error:
        number = error.errno or errno.EIO
        if number in GONE:
            return Lost(f"{step.name} ({step.dev}) went away while it was looked at")
        return Refused(number, str(KernelRefused(number, sent=f"delete of {step.name} ({step.dev})")), "see `dmesg`")
    finally:
        host.release_device(held)


def _unreachable(host: Host, step: DeletePath, error: OSError) -> Outcome:
    """The device can't be opened: it was deleted already, or nobody knows what it is now."""
    try:
        host.read_file(f"{step.sysfs}/dev")
    except OSError as missing:
        if missing.errno in GONE:
            return Unchanged()
    number = error.errno or errno.EIO
    if number in GONE:
        return Lost(f"{step.name} ({step.dev}) can't be opened, so nobody knows whether it is still unmapped")
    return Refused(number, str(KernelRefused(number, sent=f"open of {step.name}")))


def _delete_held(host: Host, step: DeletePath, held: Held) -> Outcome:
    changed = _other(host, step, held) or _still_there(host, step)
    if changed:
        return Lost(changed)
    host.write_attribute(f"{step.sysfs}/device/delete", b"1")
    return Changed()


def _other(host: Host, step: DeletePath, held: Held) -> str:
    """Why the device that is held is not the one that was meant, or empty."""
    if held.dev != step.dev:
        return f"{step.name} is now device {held.dev}, not {step.dev}"
    place = host.real_path(f"/sys/block/{step.name}")
    if place != step.sysfs:
        return f"{step.name} is now at {place}, not at {step.sysfs}"
    found = _text(host, f"{step.sysfs}/dev")
    return "" if found == step.dev else f"{step.sysfs} is now device {found}, not {step.dev}"


def _still_there(host: Host, step: DeletePath) -> str:
    """Why its logical unit may be mapped again, or empty: asked now, it says 05/25/00."""
    for _ in range(ATTENTIONS):
        reply = host.scsi_inquire(step.name, test_unit_ready(), reply_length=0, timeout=PATIENCE)
        sense = decode_sense(reply.sense) if reply.status == Status.CHECK_CONDITION else None
        if sense is None or sense.key != UNIT_ATTENTION:
            break
    else:
        return f"{step.name} answers with one unit attention after another"
    if reply.host_status == HostStatus.OK and sense in UNMAPPED:
        return ""
    return f"{step.name} no longer says that its logical unit is not mapped: {_answer(reply)}"


def _answer(reply: ScsiReply) -> str:
    sense = decode_sense(reply.sense)
    if sense is not None:
        return sense.text
    return f"status {reply.status:#04x}, host status {reply.host_status:#04x}"
