"""The few rules of drivers/md/dm-ioctl.c that the actuators rely on, with a fault at any call.

It knows nothing of multipath: tables are text. `fault` is done at the call with that number (from 0, changes only),
`killed_at` ends the program at a call (from 0, all calls) and at each after it, as SIGKILL would: nothing more is done.
"""

import errno
from dataclasses import dataclass, field
from enum import Enum

from observers.kernel.dm_ioctl import (
    NO_FLAGS,
    Command,
    Flag,
    Header,
    Target,
    pack,
    pack_targets,
    unpack,
    unpack_targets,
    unpack_text,
)

from .scripted import ScriptedHost, Sent


class Killed(BaseException):
    """The program is no more."""


class Swap(Enum):
    """How far a refused resume went: the kernel has three places in `do_resume` where it gives up."""

    BEFORE = "the new table waits in its slot"
    WITHIN = "the new table is destroyed, the device suspended with the old one"
    AFTER = "the device is suspended with the new one, the old one destroyed"


@dataclass(frozen=True)
class Fault:
    """Refuse the change with this number; a resume is refused as `swap` says."""

    call: int
    error: int
    swap: Swap = Swap.BEFORE


@dataclass
class Device:
    """A device as the kernel holds it."""

    name: str
    live: Target | None = None
    inactive: Target | None = None
    suspended: bool = False


@dataclass
class TinyKernel(ScriptedHost):
    """See the module."""

    devices: dict[str, Device] = field(default_factory=dict)
    fault: Fault | None = None
    killed_at: int | None = None
    calls: int = 0
    changes_made: int = 0

    def live(self) -> dict[str, str]:
        """Every device's running table, by name."""
        return {device.name: device.live.params if device.live else "" for device in self.devices.values()}

    def waiting(self) -> dict[str, str]:
        """The tables in the inactive slots, by the name of their device."""
        return {device.name: device.inactive.params for device in self.devices.values() if device.inactive}

    def suspended(self) -> list[str]:
        """The devices that are suspended."""
        return [device.name for device in self.devices.values() if device.suspended]

    def _count(self) -> None:
        self.calls += 1
        if self.killed_at is not None and self.calls > self.killed_at:
            raise Killed

    def semaphore_create(self, key: int, /) -> int:
        self._count()
        return super().semaphore_create(key)

    def semaphore_add(self, semaphore: int, delta: int, /) -> None:
        self._count()
        super().semaphore_add(semaphore, delta)

    def semaphore_wait_zero(self, semaphore: int, /, *, timeout: float) -> bool:
        self._count()
        return super().semaphore_wait_zero(semaphore, timeout=timeout)

    def semaphore_remove(self, semaphore: int, /) -> None:
        self._count()
        super().semaphore_remove(semaphore)

    def read_file(self, path: str, /) -> bytes:
        self._count()
        return super().read_file(path)

    def replace_file(self, path: str, data: bytes, /, *, mode: int) -> None:
        self._count()
        super().replace_file(path, data, mode=mode)

    def open_locked(self, path: str, /, *, mode: int | None) -> int:
        self._count()
        return super().open_locked(path, mode=mode)

    def read_locked(self, handle: int, /) -> bytes:
        self._count()
        return super().read_locked(handle)

    def write_locked(self, handle: int, data: bytes, /, *, offset: int) -> None:
        self._count()
        super().write_locked(handle, data, offset=offset)

    def dm_query(self, command: int, request: bytes, /) -> bytes:
        self._count()
        header, _ = unpack(request)
        device = self._find(header)
        target = device.live if command == Command.DM_TABLE_STATUS else None
        return self._state(header, device, targets=(target,) if target else ())

    def dm_change(self, command: int, request: bytes, /) -> bytes:
        self._count()
        header, payload = unpack(request)
        self.sent.append(Sent(Command(command), header, payload))
        number, self.changes_made = self.changes_made, self.changes_made + 1
        fault = self.fault if self.fault and self.fault.call == number else None
        if fault and (command != Command.DM_DEV_SUSPEND or fault.swap is Swap.BEFORE):
            raise OSError(fault.error, "fault")
        if command == Command.DM_DEV_CREATE:
            return self._create(header)
        device = self._find(header)
        match command:
            case Command.DM_TABLE_LOAD:
                (device.inactive,) = unpack_targets(payload, 1, reply=False)
            case Command.DM_DEV_RENAME:
                return self._rename(header, device, unpack_text(payload))
            case Command.DM_DEV_REMOVE:
                return self._remove(header, device)
            case Command.DM_DEV_SUSPEND:
                return self._resume(header, device, fault)
            case _:
                raise AssertionError(f"no such command here: {command}")
        return self._state(header, device)

    def _find(self, header: Header) -> Device:
        if bool(header.uuid) == bool(header.name):
            raise OSError(errno.EINVAL, "only one of name and UUID")
        for uuid, device in self.devices.items():
            if header.uuid == uuid or header.name == device.name:
                return device
        raise OSError(errno.ENXIO, "no such device")

    def _create(self, header: Header) -> bytes:
        if header.uuid in self.devices or header.name in self.live():
            raise OSError(errno.EBUSY, "name or UUID in use")
        self.devices[header.uuid] = Device(header.name)
        return self._state(header, self.devices[header.uuid])

    def _rename(self, header: Header, device: Device, name: str) -> bytes:
        if name in self.live():
            raise OSError(errno.EBUSY, "name in use")
        device.name = name
        return self._state(header, device, uevent=True)

    def _remove(self, header: Header, device: Device) -> bytes:
        self.devices = {uuid: other for uuid, other in self.devices.items() if other is not device}
        return self._state(header, device, uevent=True)

    def _resume(self, header: Header, device: Device, fault: Fault | None) -> bytes:
        new, device.inactive = device.inactive, None
        if new is not None:
            device.suspended = True
            if fault and fault.swap is Swap.WITHIN:
                raise OSError(fault.error, "fault in the swap")
            device.live = new
        if fault and device.suspended:
            raise OSError(fault.error, "fault after the swap")
        if device.live is None and device.suspended:
            raise OSError(errno.EINVAL, "nothing to resume")
        was, device.suspended = device.suspended, False
        return self._state(header, device, uevent=was)

    def _state(
        self, request: Header, device: Device, *, targets: tuple[Target, ...] = (), uevent: bool = False
    ) -> bytes:
        flags = NO_FLAGS
        for flag, is_so in (
            (Flag.DM_SUSPEND_FLAG, device.suspended),
            (Flag.DM_ACTIVE_PRESENT_FLAG, device.live is not None),
            (Flag.DM_INACTIVE_PRESENT_FLAG, device.inactive is not None),
            (Flag.DM_UEVENT_GENERATED_FLAG, uevent),
        ):
            flags |= flag if is_so else NO_FLAGS
        if uevent:
            self._udev_complete(request.event_nr)
        return pack(Header(name=device.name, flags=flags, target_count=len(targets)), pack_targets(targets, reply=True))
