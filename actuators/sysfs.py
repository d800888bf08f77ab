"""Steps on sysfs: have udev look at a device again.

In: a host and a step. Out: an `Outcome`. Must never write to a device that is not the one that was meant: numbers are
given again, and directories too.
"""

import errno

from actuators.steps import Changed, Lost, Outcome, Refused, TriggerUevent
from observers.errors import KernelRefused
from observers.host import Host

GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ENXIO})


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
