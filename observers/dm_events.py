"""Events of mapped devices by one poll: which devices to look at, found by their event numbers.

In: the poll of device-mapper's control node, and a `ReadHost` for the list of devices. Out: `DmEvent`s. It is armed
before the list is read, so that an event in between shows in the next poll and none is missed. It must never interpret
a status.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from observers.devicemapper import query
from observers.dmtable import DevT
from observers.host import ReadHost
from observers.kernel.dm_ioctl import Command, Flag, Header, ListedDevice, unpack_devices
from observers.kernel.dm_names import from_kernel
from observers.snapshot import Alias, DmUuid


class Poll(Protocol):
    """What becomes readable at any event."""

    def fileno(self) -> int:
        """Readable when there was an event since the last `arm`."""

    def arm(self) -> None:
        """What happened so far is known."""

    def close(self) -> None:
        """Close it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DmEvent:
    """Look at a mapped device: it is new, had an event, has another name, or is gone (`event_number` None).

    `uuid` None: the kernel's list does not tell (before interface 4.46).
    """

    dev: DevT
    name: Alias
    uuid: DmUuid | None
    event_number: int | None


class DmEvents:
    """Events of all mapped devices."""

    def __init__(self, host: ReadHost, poll: Poll) -> None:
        self._host, self._poll = host, poll
        self._known: Mapping[DevT, ListedDevice] = {}
        self.read()

    def fileno(self) -> int:
        """Readable when `read` would bring something."""
        return self._poll.fileno()

    def read(self) -> list[DmEvent]:
        """What to look at since the last time. `KernelRefused`, `OSError`: the kernel does not tell it."""
        self._poll.arm()
        listed = unpack_devices(query(self._host, Command.DM_LIST_DEVICES, Header(flags=Flag.DM_UUID_FLAG))[1])
        before, self._known = self._known, {device.dev: device for device in listed}
        return changes(before, listed)

    def close(self) -> None:
        """Poll no more."""
        self._poll.close()


def changes(before: Mapping[DevT, ListedDevice], now: Sequence[ListedDevice]) -> list[DmEvent]:
    """What differs between two lists; a device whose event numbers the kernel does not list always may."""
    found = [
        _event(device, device.event_nr)
        for device in now
        if before.get(device.dev) != device or device.event_nr is None  # also another device with the same number
    ]
    still = {device.dev for device in now}
    return [*found, *(_event(device, None) for dev, device in before.items() if dev not in still)]


def _event(device: ListedDevice, number: int | None) -> DmEvent:
    return DmEvent(
        dev=device.dev,
        name=Alias(from_kernel(device.name)),
        uuid=None if device.uuid is None else DmUuid(from_kernel(device.uuid)),
        event_number=number,
    )
