"""A host in dictionaries, for observers: files, links, udev's database, SCSI answers, and a device-mapper of maps.

Strict: a SCSI command that no answer was given for, and a dm command that does not only read, fail the test. A path
that is not there is ENOENT, as in the kernel. `refuse` makes any call fail; `after` runs something once when a path was
read, so that a device can vanish at a chosen moment.
"""

import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar, cast

from observers.dmtable import DevT
from observers.host import Block, ScsiReply
from observers.kernel.dm_ioctl import (
    HEADER_SIZE,
    READING_COMMANDS,
    Command,
    Flag,
    Header,
    ListedDevice,
    Target,
    TargetVersion,
    encode_dev,
    pack,
    pack_devices,
    pack_targets,
    pack_versions,
    unpack,
)
from observers.kernel.nvme import Words
from observers.snapshot import DeviceName

T = TypeVar("T")

GOOD = ScsiReply(status=0, host_status=0, driver_status=0, sense=b"", data=b"")


def good(data: bytes) -> ScsiReply:
    """An answer with data."""
    return replace(GOOD, data=data)


def check_condition(key: int, asc: int, ascq: int) -> ScsiReply:
    """An answer with sense data in the fixed format."""
    sense = bytes([0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, asc, ascq, 0, 0, 0, 0])
    return replace(GOOD, status=2, sense=sense)


def transport_error(host_status: int) -> ScsiReply:
    """What comes back when the command never reached the device."""
    return replace(GOOD, host_status=host_status)


@dataclass
class DmMap:
    """A device of the fake device-mapper. `table` and `status`: targets; empty: no table."""

    name: str
    dev: str
    uuid: str = ""
    table: tuple[Target, ...] = ()
    status: tuple[Target, ...] = ()
    flags: Flag = Flag.DM_ACTIVE_PRESENT_FLAG
    open_count: int = 0
    event: int = 0


@dataclass
class FakeHost:
    """A `ReadHost`."""

    files: dict[str, bytes] = field(default_factory=dict)
    directories: dict[str, list[str]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    udev: dict[str, Mapping[str, str]] = field(default_factory=dict)
    scsi: dict[tuple[str, bytes], list[ScsiReply | int]] = field(default_factory=dict)
    """Answers by device and the first three bytes of the command, the last one for good; a number is an errno."""
    direct: dict[str, list[Block | int]] = field(default_factory=dict)
    """What a read of a device brings, likewise."""
    nvme: dict[tuple[str, int, int], list[bytes | int]] = field(default_factory=dict)
    """Answers by device, opcode and command dword 10, likewise."""
    cciss: dict[str, list[bool | int]] = field(default_factory=dict)
    dm: list[DmMap] | None = field(default_factory=list)
    """None: the kernel has no device-mapper."""
    dm_version: tuple[int, int, int] = (4, 47, 0)
    lists_uuids: bool = True
    refused: dict[str, int] = field(default_factory=dict)
    after: dict[str, Callable[[], object]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    clock: float = 1000.0
    command_seconds: float = 0.0

    def refuse(self, subject: str, error: int) -> None:
        """Make every call about a path, device or dm command fail."""
        self.refused[subject] = error

    def _enter(self, call: str, subject: str) -> None:
        self.asked.append((call, subject))
        if subject in self.refused:
            raise OSError(self.refused[subject], os.strerror(self.refused[subject]), subject)

    def read_file(self, path: str, /) -> bytes:
        self._enter("read_file", path)
        if path not in self.files:
            raise OSError(errno.ENOENT, "not there", path)
        data = self.files[path]
        self.after.pop(path, lambda: None)()
        return data

    def list_directory(self, path: str, /) -> tuple[str, ...]:
        self._enter("list_directory", path)
        if path not in self.directories:
            raise OSError(errno.ENOENT, "not there", path)
        return tuple(sorted(self.directories[path]))

    def real_path(self, path: str, /) -> str:
        self._enter("real_path", path)
        if path not in self.links:
            raise OSError(errno.ENOENT, "not there", path)
        return self.links[path]

    def udev_properties(self, name: DeviceName, /) -> Mapping[str, str]:
        self._enter("udev_properties", f"udev:{name}")
        if name not in self.udev:
            raise OSError(errno.ENODEV, "not there", name)
        return self.udev[name]

    def scsi_inquire(self, name: DeviceName, cdb: bytes, /, *, reply_length: int, timeout: float) -> ScsiReply:
        self._enter("scsi_inquire", f"scsi:{name}")
        assert timeout > 0
        answer = self._next(name, self.scsi.get((name, cdb[:3])), cdb.hex())
        return replace(answer, data=answer.data[:reply_length])

    def direct_read(self, name: DeviceName, /, *, length: int, timeout: float, offset: int = 0) -> Block:
        self._enter("direct_read", f"direct:{name}")
        assert timeout > 0
        return self._next(name, self.direct.get(name), f"a read of {length} at {offset}")

    def nvme_inquire(
        self, name: DeviceName, opcode: int, /, *, namespace: int, words: Words, reply_length: int, timeout: float
    ) -> bytes:
        self._enter("nvme_inquire", f"nvme:{name}")
        assert timeout > 0
        what = f"NVMe command {opcode:#04x}, {words}, to namespace {namespace}"
        return self._next(name, self.nvme.get((name, opcode, words[0])), what)[:reply_length]

    def cciss_ready(self, name: DeviceName, /, *, timeout: float) -> bool:
        self._enter("cciss_ready", f"cciss:{name}")
        assert timeout > 0
        return bool(self._next(name, self.cciss.get(name), "the pass-through"))

    def _next(self, name: str, answers: "list[T | int] | None", what: str) -> T:
        """The next answer; a number, but not True or False, is an errno."""
        assert answers, f"{name} has no answer to {what}"
        self.clock += self.command_seconds
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, int) and not isinstance(answer, bool):
            raise OSError(answer, os.strerror(answer), name)
        return cast("T", answer)

    def monotonic(self) -> float:
        return self.clock

    def wall_time(self) -> float:
        return 1_700_000_000.0

    def sleep(self, seconds: float, /) -> None:
        raise AssertionError(f"an observer waits for {seconds} s")

    def effective_user(self) -> int:
        return 0

    # ---- device-mapper, as drivers/md/dm-ioctl.c answers

    def dm_query(self, number: int, request: bytes, /) -> bytes:
        command = Command(number)
        assert command in READING_COMMANDS, command
        self._enter("dm_query", command.name)
        if self.dm is None:
            raise OSError(errno.ENOENT, "not there", "/dev/mapper/control")
        header, _ = unpack(request)
        self.after.pop(command.name, lambda: None)()
        answer, payload = self._answer(command, header)
        answer = replace(answer, version=self.dm_version)
        if HEADER_SIZE + len(payload) > len(request):
            answer, payload = replace(answer, flags=answer.flags | Flag.DM_BUFFER_FULL_FLAG), b""
        return pack(answer, payload, size=len(request))

    def _answer(self, command: Command, header: Header) -> tuple[Header, bytes]:
        assert self.dm is not None
        if command is Command.DM_VERSION:
            return Header(), b""
        if command is Command.DM_LIST_VERSIONS:
            return Header(), pack_versions([TargetVersion("linear", (1, 4, 0)), TargetVersion("multipath", (1, 14, 0))])
        if command is Command.DM_LIST_DEVICES:
            uuids = self.lists_uuids and bool(header.flags & Flag.DM_UUID_FLAG)
            return Header(), pack_devices(
                [ListedDevice(item.name, DevT(item.dev), item.event, item.uuid if uuids else None) for item in self.dm]
            )
        return self._one(command, header)

    def _one(self, command: Command, header: Header) -> tuple[Header, bytes]:
        assert self.dm is not None
        found = [item for item in self.dm if (item.uuid == header.uuid and header.uuid) or _number(item) == header.dev]
        if not found:
            raise OSError(errno.ENXIO, "no such device")
        item = found[0]
        if command is Command.DM_TABLE_STATUS:
            assert header.flags & Flag.DM_NOFLUSH_FLAG, "a status without NOFLUSH may block"
        targets = item.table if header.flags & Flag.DM_STATUS_TABLE_FLAG else item.status
        answer = Header(
            name=item.name,
            uuid=item.uuid,
            dev=_number(item),
            flags=item.flags,
            open_count=item.open_count,
            event_nr=item.event,
            target_count=len(targets),
        )
        return answer, pack_targets(targets, reply=True) if command is Command.DM_TABLE_STATUS else b""


def _number(item: DmMap) -> int:
    return encode_dev(DevT(item.dev))
