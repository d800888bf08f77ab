"""The device-mapper control node: every ioctl, one method each, on the mapped devices that there are.

In: a command's number and a buffer, `struct dm_ioctl` first. Out: the buffer as the kernel copies it back, or
`OSError`. How buffers are read and written is in `dm_call`. Facts: drivers/md/dm-ioctl.c of Linux 6.1.
"""

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from controller.sandbox.dm_call import Call, copied_back, fitting, received
from controller.sandbox.dm_device import MAJOR, Kernel, MappedDevice, Pairs
from controller.sandbox.dm_table import Line, Table, TargetType
from controller.sandbox.errors import refusal
from controller.sandbox.mpath_target import MULTIPATH
from controller.sandbox.simple_targets import ERROR, LINEAR
from observers.dmtable import DevT
from observers.kernel.dm_ioctl import (
    DM_NAME_LEN,
    DM_UUID_LEN,
    NO_FLAGS,
    Command,
    DmFormatError,
    Flag,
    Header,
    ListedDevice,
    Target,
    TargetVersion,
    decode_dev,
    encode_dev,
    pack_deps,
    pack_devices,
    pack_targets,
    pack_versions,
    unpack_message,
    unpack_targets,
    unpack_text,
)

TYPES: Mapping[str, TargetType] = {kind.name: kind for kind in (MULTIPATH, LINEAR, ERROR)}

_MAX_MINOR = 1 << 20
_EMPTY_LIST = bytes(16)
"""A `dm_name_list` with device number 0: no device."""

_STATE = Flag.DM_SUSPEND_FLAG | Flag.DM_READONLY_FLAG | Flag.DM_ACTIVE_PRESENT_FLAG | Flag.DM_INTERNAL_SUSPEND_FLAG
_RESERVED_NAMES = ("control", ".", "..")


class DeviceMapper:
    """All mapped devices, and the ioctls on them."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._by_minor: dict[int, MappedDevice] = {}
        self._by_name: dict[str, MappedDevice] = {}
        self._by_uuid: dict[str, MappedDevice] = {}
        self._handlers: Mapping[int, Callable[[Call], None]] = {
            Command.DM_VERSION: self._version,
            Command.DM_REMOVE_ALL: self._remove_all,
            Command.DM_LIST_DEVICES: self._list_devices,
            Command.DM_DEV_CREATE: self._create,
            Command.DM_DEV_REMOVE: self._remove_command,
            Command.DM_DEV_RENAME: self._rename,
            Command.DM_DEV_SUSPEND: self._suspend_command,
            Command.DM_DEV_STATUS: self._dev_status,
            Command.DM_DEV_WAIT: self._dev_wait,
            Command.DM_TABLE_LOAD: self._load,
            Command.DM_TABLE_CLEAR: self._clear,
            Command.DM_TABLE_DEPS: self._table_deps,
            Command.DM_TABLE_STATUS: self._table_status,
            Command.DM_LIST_VERSIONS: self._list_versions,
            Command.DM_TARGET_MSG: self._message,
            Command.DM_DEV_SET_GEOMETRY: self._geometry,
            Command.DM_DEV_ARM_POLL: self._arm_poll,
            Command.DM_GET_TARGET_VERSION: self._target_version,
        }

    @property
    def devices(self) -> list[MappedDevice]:
        """All mapped devices, the oldest first."""
        return list(self._by_minor.values())

    def find(self, *, name: str = "", uuid: str = "", dev: DevT | None = None) -> MappedDevice | None:
        """A device by its name, its UUID or its number."""
        if uuid:
            return self._by_uuid.get(uuid)
        if name:
            return self._by_name.get(name)
        major, _, minor = (dev or "").partition(":")
        return self._by_minor.get(int(minor)) if major == str(MAJOR) else None

    # ---- dispatch

    def ioctl(self, command: int, request: bytes) -> bytes:
        """Do an ioctl."""
        call = received(command, request)
        handler = self._handlers.get(command)
        if handler is None:
            raise refusal(errno.ENOTTY, f"device-mapper command {command}")
        try:
            handler(call)
        except DmFormatError as error:
            raise refusal(errno.EINVAL, str(error)) from error
        return copied_back(call, request)

    def _found(self, call: Call) -> MappedDevice:
        """The device that a header names: by UUID alone, name alone, or number alone."""
        header = call.header
        given = [bool(header.uuid), bool(header.name), bool(header.dev)]
        device = None
        if sum(given) == 1:
            dev = decode_dev(header.dev) if header.dev else None
            device = self.find(name=header.name, uuid=header.uuid, dev=dev)
        if device is None:
            raise refusal(errno.ENXIO, header.uuid or header.name or "device")
        call.header = replace(header, name=device.label, uuid=device.uuid)
        inactive = Flag.DM_INACTIVE_PRESENT_FLAG
        call.flag(on=inactive if device.inactive else NO_FLAGS, off=inactive)
        return device

    def _report(self, call: Call, device: MappedDevice) -> None:
        """`__dev_status`: the state of a device into the header."""
        asked_inactive = bool(call.header.flags & Flag.DM_QUERY_INACTIVE_TABLE_FLAG)
        shown = device.inactive if asked_inactive else device.live
        on = Flag.DM_SUSPEND_FLAG if device.suspended else NO_FLAGS
        on |= Flag.DM_DEFERRED_REMOVE if device.deferred_remove else NO_FLAGS
        on |= Flag.DM_ACTIVE_PRESENT_FLAG if device.live is not None else NO_FLAGS
        if shown is not None and not (shown.write if asked_inactive else not device.read_only):
            on |= Flag.DM_READONLY_FLAG
        call.flag(on=on, off=_STATE)
        call.header = replace(
            call.header,
            dev=encode_dev(device.dev),
            open_count=device.open_count,
            event_nr=device.event_number,
            target_count=len(shown.targets) if shown is not None else 0,
        )

    def _table_asked(self, call: Call, device: MappedDevice) -> Table | None:
        return device.inactive if call.header.flags & Flag.DM_QUERY_INACTIVE_TABLE_FLAG else device.live

    # ---- commands that read

    def _version(self, _call: Call) -> None:
        """The version is in every reply."""

    def _list_devices(self, call: Call) -> None:
        header = call.header
        with_uuid = bool(header.flags & Flag.DM_UUID_FLAG)
        listed = [
            ListedDevice(device.label, device.dev, device.event_number, device.uuid if with_uuid else None)
            for device in sorted(self.devices, key=lambda device: device.label.encode("utf-8", "surrogateescape"))
            if device.label.startswith(header.name) and device.uuid.startswith(header.uuid)
        ]
        call.answer(pack_devices(listed) or _EMPTY_LIST)

    def _list_versions(self, call: Call) -> None:
        self._versions(call, list(TYPES.values()))

    def _target_version(self, call: Call) -> None:
        kind = TYPES.get(call.header.name)
        if kind is None:
            raise refusal(errno.EINVAL, f"no target type {call.header.name!r}")
        self._versions(call, [kind])

    def _versions(self, call: Call, kinds: Sequence[TargetType]) -> None:
        needed = sum(16 + len(kind.name) + 1 + 7 for kind in kinds)
        packed = pack_versions([TargetVersion(kind.name, kind.version) for kind in kinds])
        call.answer(packed.ljust(needed, b"\0"))

    def _dev_status(self, call: Call) -> None:
        self._report(call, self._found(call))

    def _dev_wait(self, call: Call) -> None:
        device, seen = self._found(call), call.header.event_nr
        self._kernel.clock.wait(lambda: device.event_number != seen, what=f"DM_DEV_WAIT for {device.label}")
        self._table_status_of(call, device)

    def _arm_poll(self, _call: Call) -> None:
        """A sandbox has no poll(): who waits does so on its clock."""

    def _table_deps(self, call: Call) -> None:
        device = self._found(call)
        self._report(call, device)
        table = self._table_asked(call, device)
        if table is not None:
            call.answer(pack_deps([below.dev for below in table.devices]))

    def _table_status(self, call: Call) -> None:
        self._table_status_of(call, self._found(call))

    def _table_status_of(self, call: Call, device: MappedDevice) -> None:
        self._report(call, device)
        table = self._table_asked(call, device)
        if table is None:
            return
        as_table = bool(call.header.flags & Flag.DM_STATUS_TABLE_FLAG)
        targets = [
            Target(each.start, each.length, kind.name, each.params() if as_table else each.status())
            for each, kind in zip(table.targets, table.types, strict=True)
        ]
        shown = fitting(targets, call.room)
        if len(shown) < len(targets):
            call.flag(on=Flag.DM_BUFFER_FULL_FLAG)
        if shown:
            call.payload = pack_targets(shown, reply=True)
        call.header = replace(call.header, target_count=len(targets))

    # ---- commands that change

    def _remove_all(self, _call: Call) -> None:
        for device in [device for device in self.devices if not device.open_count]:
            self._remove(device, ())

    def _create(self, call: Call) -> None:
        header = call.header
        _check_name(header.name)
        minor = self._free_minor(header)
        if self.find(name=header.name) or (header.uuid and self.find(uuid=header.uuid)):
            raise refusal(errno.EBUSY, header.name)
        device = MappedDevice(self._kernel, TYPES, minor)
        device.label, device.uuid = header.name, header.uuid
        device.on_last_close = self._closed
        self._by_minor[minor] = self._by_name[device.label] = device
        if device.uuid:
            self._by_uuid[device.uuid] = device
        call.flag(off=Flag.DM_INACTIVE_PRESENT_FLAG)
        self._report(call, device)

    def _free_minor(self, header: Header) -> int:
        used = self._by_minor
        if not header.flags & Flag.DM_PERSISTENT_DEV_FLAG:
            return next(minor for minor in range(_MAX_MINOR) if minor not in used)
        wanted = int(decode_dev(header.dev).partition(":")[2])
        if wanted in used:
            raise refusal(errno.EBUSY, f"minor {wanted}")
        return wanted

    def _closed(self, device: MappedDevice) -> None:
        if device.deferred_remove and device.minor in self._by_minor:
            self._remove(device, ())

    def _remove_command(self, call: Call) -> None:
        device = self._found(call)
        if device.open_count:
            if not call.header.flags & Flag.DM_DEFERRED_REMOVE:
                raise refusal(errno.EBUSY, device.label)
            device.deferred_remove = True
            return
        call.flag(off=Flag.DM_DEFERRED_REMOVE)
        if self._remove(device, call.cookie):
            call.flag(on=Flag.DM_UEVENT_GENERATED_FLAG)

    def _remove(self, device: MappedDevice, cookie: Pairs) -> bool:
        del self._by_minor[device.minor], self._by_name[device.label]
        self._by_uuid.pop(device.uuid, None)
        if device.live is not None:
            device.event()
        made = device.registered
        if made:
            self._kernel.emit("remove", device.devpath, cookie)
        device.destroy()
        if made:
            self._kernel.emit("remove", device.devpath)
        return made

    def _rename(self, call: Call) -> None:
        """By name only, as in the kernel. The uevent is made even while the device is suspended."""
        by_uuid = bool(call.header.flags & Flag.DM_UUID_FLAG)
        new = unpack_text(call.data)
        if not new or len(new.encode("utf-8", "surrogateescape")) >= (DM_UUID_LEN if by_uuid else DM_NAME_LEN):
            raise refusal(errno.EINVAL, "invalid new name or uuid string")
        if not by_uuid:
            _check_name(new)
        if self.find(uuid=new) if by_uuid else self.find(name=new):
            raise refusal(errno.EBUSY, new)
        device = self.find(name=call.header.name) if call.header.name else None
        if device is None:
            raise refusal(errno.ENXIO, call.header.name)
        if by_uuid and device.uuid:
            raise refusal(errno.EINVAL, "uuid is already set")
        if by_uuid:
            device.uuid, self._by_uuid[new] = new, device
        else:
            del self._by_name[device.label]
            device.label, self._by_name[new] = new, device
        if device.live is not None:
            device.event()
        if device.registered:
            self._kernel.emit("change", device.devpath, call.cookie)
            call.flag(on=Flag.DM_UEVENT_GENERATED_FLAG)
        self._report(call, device)

    def _suspend_command(self, call: Call) -> None:
        device = self._found(call)
        noflush = bool(call.header.flags & Flag.DM_NOFLUSH_FLAG)
        if call.header.flags & Flag.DM_SUSPEND_FLAG:
            device.suspend(noflush=noflush)
        else:
            call.flag(off=Flag.DM_INACTIVE_PRESENT_FLAG)
            if device.resume(noflush=noflush, cookie=call.cookie):
                call.flag(on=Flag.DM_UEVENT_GENERATED_FLAG)
        self._report(call, device)

    def _load(self, call: Call) -> None:
        device = self._found(call)
        targets = unpack_targets(call.data, call.header.target_count, reply=False)
        lines = [Line(target.start, target.length, target.type, target.params) for target in targets]
        device.load(lines, write=not call.header.flags & Flag.DM_READONLY_FLAG)
        call.flag(on=Flag.DM_INACTIVE_PRESENT_FLAG)
        self._report(call, device)

    def _clear(self, call: Call) -> None:
        device = self._found(call)
        device.clear()
        call.flag(off=Flag.DM_INACTIVE_PRESENT_FLAG)
        self._report(call, device)

    def _message(self, call: Call) -> None:
        device = self._found(call)
        sector, text = unpack_message(call.data)
        words = text.split()
        if not words:
            raise refusal(errno.EINVAL, "empty message received")
        if words[0].startswith("@"):
            self._core_message(device, words)
        elif device.live is None:
            raise refusal(errno.EINVAL, "the device has no table")
        else:
            target = device.live.find_target(sector)
            if target is None:
                raise refusal(errno.EINVAL, "target message sector outside device")
            if device.suspended and device.live.types[0] is MULTIPATH:
                raise refusal(errno.EBUSY, f"{device.label} is suspended")
            target.message(words)
        self._report(call, device)

    def _core_message(self, device: MappedDevice, words: Sequence[str]) -> None:
        if [word.lower() for word in words] != ["@cancel_deferred_remove"]:
            raise refusal(errno.EINVAL, f"unsupported message sent to DM core: {' '.join(words)}")
        device.deferred_remove = False

    def _geometry(self, call: Call) -> None:
        self._found(call)
        words = unpack_text(call.data).split()
        if len(words) != 4 or not all(word.isdigit() for word in words):
            raise refusal(errno.EINVAL, "unable to interpret geometry settings")


def _check_name(name: str) -> None:
    if "/" in name or name in _RESERVED_NAMES:
        raise refusal(errno.EINVAL, f"invalid device name {name!r}")
