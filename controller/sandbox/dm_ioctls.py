"""The device-mapper control node: ioctls with raw buffers on the outside, mapped devices on the inside.

In: a command's number and a buffer, `struct dm_ioctl` first. Out: the buffer as the kernel copies it back, or `OSError`.
The kernel copies back only `data_size` bytes, and says DM_BUFFER_FULL_FLAG where there is no room. Facts:
drivers/md/dm-ioctl.c of Linux 6.1 (interface 4.47).
"""

import errno
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from controller.sandbox.dm_device import Kernel, MappedDevice, Pairs
from controller.sandbox.dm_table import Line, Table, TargetType
from controller.sandbox.errors import WouldBlock, refusal
from controller.sandbox.mpath_target import MULTIPATH
from controller.sandbox.simple_targets import ERROR, LINEAR
from observers.dmtable import DevT
from observers.kernel.dm_ioctl import (
    DM_NAME_LEN,
    DM_UUID_LEN,
    HEADER_SIZE,
    MINIMUM_SIZE,
    Command,
    DmFormatError,
    Flag,
    Header,
    ListedDevice,
    Target,
    TargetVersion,
    decode_dev,
    encode_dev,
    pack,
    pack_deps,
    pack_devices,
    pack_targets,
    pack_text,
    pack_versions,
    unpack,
    unpack_message,
    unpack_targets,
    unpack_text,
)

VERSION = (4, 47, 0)
TYPES: Mapping[str, TargetType] = {kind.name: kind for kind in (MULTIPATH, LINEAR, ERROR)}

_SPEC_SIZE = 40
_MAX_MINOR = 1 << 20
_DATA_SIZE = struct.Struct("=I")
_DATA_SIZE_AT = 12
_EMPTY_LIST = bytes(16)
"""A `dm_name_list` with device number 0: no device."""

_CLEARED = (
    Flag.DM_BUFFER_FULL_FLAG | Flag.DM_UEVENT_GENERATED_FLAG | Flag.DM_SECURE_DATA_FLAG | Flag.DM_DATA_OUT_FLAG
)
_STATE = (
    Flag.DM_SUSPEND_FLAG | Flag.DM_READONLY_FLAG | Flag.DM_ACTIVE_PRESENT_FLAG | Flag.DM_INTERNAL_SUSPEND_FLAG
)
_NAMES_IGNORED = (
    Command.DM_REMOVE_ALL,
    Command.DM_LIST_DEVICES,
    Command.DM_LIST_VERSIONS,
)
_RESERVED_NAMES = ("control", ".", "..")


@dataclass(slots=True)
class _Call:
    """One ioctl: what was sent, and what is copied back. `payload` None: nothing beyond the header is."""

    header: Header
    data: bytes
    room: int
    payload: bytes | None = None

    def answer(self, payload: bytes) -> None:
        """Copy a payload back if there is room for it, else the flag that says so."""
        if len(payload) > self.room:
            self.header = replace(self.header, flags=self.header.flags | Flag.DM_BUFFER_FULL_FLAG)
        else:
            self.payload = payload

    def flag(self, *, on: Flag = Flag(0), off: Flag = Flag(0)) -> None:
        self.header = replace(self.header, flags=(self.header.flags & ~off) | on)

    @property
    def cookie(self) -> Pairs:
        """What the uevent says of the cookie; nothing when none was sent."""
        return (("DM_COOKIE", str(self.header.event_nr)),) if self.header.event_nr else ()


class DeviceMapper:
    """All mapped devices, and the ioctls on them."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.devices: list[MappedDevice] = []

    def find(self, *, name: str = "", uuid: str = "", dev: DevT | None = None) -> MappedDevice | None:
        """A device by one of its names."""
        if uuid:
            return next((device for device in self.devices if device.uuid == uuid), None)
        if name:
            return next((device for device in self.devices if device.label == name), None)
        return next((device for device in self.devices if device.dev == dev), None)

    # ---- dispatch

    def ioctl(self, command: int, request: bytes) -> bytes:
        """Do an ioctl."""
        call = self._received(command, request)
        handler = _HANDLERS.get(command)
        if handler is None:
            raise refusal(errno.ENOTTY, f"device-mapper command {command}")
        try:
            handler(self, call)
        except DmFormatError as error:
            raise refusal(errno.EINVAL, str(error)) from error
        return _copied_back(call, request)

    def _received(self, command: int, request: bytes) -> _Call:
        try:
            header, data = unpack(request)
        except DmFormatError as error:
            raise refusal(errno.EINVAL, str(error)) from error
        if header.version[0] != VERSION[0] or header.version[1] > VERSION[1]:
            raise refusal(errno.EINVAL, f"ioctl interface mismatch: user {header.version}")
        header = replace(header, version=VERSION, flags=header.flags & ~_CLEARED)
        if command == Command.DM_DEV_CREATE and not header.name:
            raise refusal(errno.EINVAL, "name not supplied when creating device")
        if command not in (*_NAMES_IGNORED, Command.DM_DEV_CREATE, Command.DM_VERSION) and header.uuid and header.name:
            raise refusal(errno.EINVAL, "only supply one of name or uuid")
        return _Call(header, data, room=max(0, header.data_size - HEADER_SIZE))

    def _found(self, call: _Call) -> MappedDevice:
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
        call.flag(on=inactive if device.inactive else Flag(0), off=inactive)
        return device

    def _report(self, call: _Call, device: MappedDevice) -> None:
        """`__dev_status`: the state of a device into the header."""
        asked_inactive = bool(call.header.flags & Flag.DM_QUERY_INACTIVE_TABLE_FLAG)
        shown = device.inactive if asked_inactive else device.live
        on = Flag.DM_SUSPEND_FLAG if device.suspended else Flag(0)
        on |= Flag.DM_DEFERRED_REMOVE if device.deferred_remove else Flag(0)
        on |= Flag.DM_ACTIVE_PRESENT_FLAG if device.live is not None else Flag(0)
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

    def _table_asked(self, call: _Call, device: MappedDevice) -> Table | None:
        return device.inactive if call.header.flags & Flag.DM_QUERY_INACTIVE_TABLE_FLAG else device.live

    # ---- commands that read

    def _version(self, _call: _Call) -> None:
        """The version is in every reply."""

    def _list_devices(self, call: _Call) -> None:
        header = call.header
        with_uuid = bool(header.flags & Flag.DM_UUID_FLAG)
        listed = [
            ListedDevice(device.label, device.dev, device.event_number, device.uuid if with_uuid else None)
            for device in sorted(self.devices, key=lambda device: device.label.encode("utf-8", "surrogateescape"))
            if device.label.startswith(header.name) and device.uuid.startswith(header.uuid)
        ]
        call.answer(pack_devices(listed) or _EMPTY_LIST)

    def _list_versions(self, call: _Call) -> None:
        self._versions(call, list(TYPES.values()))

    def _target_version(self, call: _Call) -> None:
        kind = TYPES.get(call.header.name)
        if kind is None:
            raise refusal(errno.EINVAL, f"no target type {call.header.name!r}")
        self._versions(call, [kind])

    def _versions(self, call: _Call, kinds: Sequence[TargetType]) -> None:
        needed = sum(16 + len(kind.name) + 1 + 7 for kind in kinds)
        packed = pack_versions([TargetVersion(kind.name, kind.version) for kind in kinds])
        call.answer(packed.ljust(needed, b"\0"))

    def _dev_status(self, call: _Call) -> None:
        self._report(call, self._found(call))

    def _dev_wait(self, call: _Call) -> None:
        device, seen = self._found(call), call.header.event_nr
        self._kernel.clock.wait(lambda: device.event_number != seen, what=f"DM_DEV_WAIT for {device.label}")
        self._table_status_of(call, device)

    def _arm_poll(self, _call: _Call) -> None:
        """A sandbox has no poll(): who waits does so on its clock."""

    def _table_deps(self, call: _Call) -> None:
        device = self._found(call)
        self._report(call, device)
        table = self._table_asked(call, device)
        if table is not None:
            call.answer(pack_deps([below.dev for below in table.devices]))

    def _table_status(self, call: _Call) -> None:
        self._table_status_of(call, self._found(call))

    def _table_status_of(self, call: _Call, device: MappedDevice) -> None:
        self._report(call, device)
        table = self._table_asked(call, device)
        if table is None:
            return
        as_table = bool(call.header.flags & Flag.DM_STATUS_TABLE_FLAG)
        targets = [
            Target(each.start, each.length, kind.name, each.params() if as_table else each.status())
            for each, kind in zip(table.targets, table.types, strict=True)
        ]
        fitting = _fitting(targets, call.room)
        if len(fitting) < len(targets):
            call.flag(on=Flag.DM_BUFFER_FULL_FLAG)
        if fitting:
            call.payload = pack_targets(fitting, reply=True)
        call.header = replace(call.header, target_count=len(targets))

    # ---- commands that change

    def _remove_all(self, _call: _Call) -> None:
        for device in [device for device in self.devices if not device.open_count]:
            self._remove(device, ())

    def _create(self, call: _Call) -> None:
        header = call.header
        _check_name(header.name)
        minor = self._free_minor(header)
        if self.find(name=header.name) or (header.uuid and self.find(uuid=header.uuid)):
            raise refusal(errno.EBUSY, header.name)
        device = MappedDevice(self._kernel, TYPES, minor)
        device.label, device.uuid = header.name, header.uuid
        device.on_last_close = self._closed
        self.devices.append(device)
        call.flag(off=Flag.DM_INACTIVE_PRESENT_FLAG)
        self._report(call, device)

    def _free_minor(self, header: Header) -> int:
        used = {device.minor for device in self.devices}
        if not header.flags & Flag.DM_PERSISTENT_DEV_FLAG:
            return next(minor for minor in range(_MAX_MINOR) if minor not in used)
        wanted = int(decode_dev(header.dev).partition(":")[2])
        if wanted in used:
            raise refusal(errno.EBUSY, f"minor {wanted}")
        return wanted

    def _closed(self, device: MappedDevice) -> None:
        if device.deferred_remove and device in self.devices:
            self._remove(device, ())

    def _remove_command(self, call: _Call) -> None:
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
        self.devices.remove(device)
        if device.live is not None:
            device.event()
        made = device.registered
        if made:
            self._kernel.emit("remove", device.devpath, cookie)
        device.destroy()
        if made:
            self._kernel.emit("remove", device.devpath)
        return made

    def _rename(self, call: _Call) -> None:
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
            device.uuid = new
        else:
            device.label = new
        if device.live is not None:
            device.event()
        if device.registered:
            self._kernel.emit("change", device.devpath, call.cookie)
            call.flag(on=Flag.DM_UEVENT_GENERATED_FLAG)
        self._report(call, device)

    def _suspend_command(self, call: _Call) -> None:
        device = self._found(call)
        noflush = bool(call.header.flags & Flag.DM_NOFLUSH_FLAG)
        if call.header.flags & Flag.DM_SUSPEND_FLAG:
            device.suspend(noflush=noflush)
        else:
            call.flag(off=Flag.DM_INACTIVE_PRESENT_FLAG)
            if device.resume(noflush=noflush, cookie=call.cookie):
                call.flag(on=Flag.DM_UEVENT_GENERATED_FLAG)
        self._report(call, device)

    def _load(self, call: _Call) -> None:
        device = self._found(call)
        targets = unpack_targets(call.data, call.header.target_count, reply=False)
        lines = [Line(target.start, target.length, target.type, target.params) for target in targets]
        device.load(lines, write=not call.header.flags & Flag.DM_READONLY_FLAG)
        call.flag(on=Flag.DM_INACTIVE_PRESENT_FLAG)
        self._report(call, device)

    def _clear(self, call: _Call) -> None:
        device = self._found(call)
        device.clear()
        call.flag(off=Flag.DM_INACTIVE_PRESENT_FLAG)
        self._report(call, device)

    def _message(self, call: _Call) -> None:
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
        if not device.deferred_remove:
            raise refusal(errno.EINVAL, f"no removal of {device.label} is deferred")
        device.deferred_remove = False

    def _geometry(self, call: _Call) -> None:
        self._found(call)
        words = unpack_text(call.data).split()
        if len(words) != 4 or not all(word.isdigit() for word in words):
            raise refusal(errno.EINVAL, "unable to interpret geometry settings")


_HANDLERS: Mapping[int, Callable[[DeviceMapper, _Call], None]] = {
    Command.DM_VERSION: DeviceMapper._version,
    Command.DM_REMOVE_ALL: DeviceMapper._remove_all,
    Command.DM_LIST_DEVICES: DeviceMapper._list_devices,
    Command.DM_DEV_CREATE: DeviceMapper._create,
    Command.DM_DEV_REMOVE: DeviceMapper._remove_command,
    Command.DM_DEV_RENAME: DeviceMapper._rename,
    Command.DM_DEV_SUSPEND: DeviceMapper._suspend_command,
    Command.DM_DEV_STATUS: DeviceMapper._dev_status,
    Command.DM_DEV_WAIT: DeviceMapper._dev_wait,
    Command.DM_TABLE_LOAD: DeviceMapper._load,
    Command.DM_TABLE_CLEAR: DeviceMapper._clear,
    Command.DM_TABLE_DEPS: DeviceMapper._table_deps,
    Command.DM_TABLE_STATUS: DeviceMapper._table_status,
    Command.DM_LIST_VERSIONS: DeviceMapper._list_versions,
    Command.DM_TARGET_MSG: DeviceMapper._message,
    Command.DM_DEV_SET_GEOMETRY: DeviceMapper._geometry,
    Command.DM_DEV_ARM_POLL: DeviceMapper._arm_poll,
    Command.DM_GET_TARGET_VERSION: DeviceMapper._target_version,
}


def _check_name(name: str) -> None:
    if "/" in name or name in _RESERVED_NAMES:
        raise refusal(errno.EINVAL, f"invalid device name {name!r}")


def _fitting(targets: Sequence[Target], room: int) -> list[Target]:
    """The targets that the kernel has room for; a text that just fits counts as cut off, as it can't tell."""
    fitting: list[Target] = []
    at = 0
    for target in targets:
        end = at + _SPEC_SIZE + len(target.params.encode("utf-8", "surrogateescape")) + 1
        if end >= room:
            break
        at = end + 7 & ~7
        fitting.append(target)
        if at > room:
            break
    return fitting


def _copied_back(call: _Call, request: bytes) -> bytes:
    """The caller's buffer after the call: `data_size` bytes of it are new."""
    size = MINIMUM_SIZE if call.payload is None else HEADER_SIZE + len(call.payload)
    reply = bytearray(pack(call.header, call.payload or b""))
    _DATA_SIZE.pack_into(reply, _DATA_SIZE_AT, size)
    return bytes(reply[:size]) + request[size:]
