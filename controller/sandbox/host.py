"""The sandbox as a `Host`: observers and actuators call it as they call the real one, and can't tell.

In: a scenario (`controller.sandbox.scenario`, or made in code), then the calls of `observers.host.Host`. Out: what a
kernel would answer. All that a test or a demo needs beyond a `Host` is here too: time passing, requests through maps,
events, faults, and counters of the calls. The same calls on the same scenario give the same bytes, always.
"""

import errno
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeVar

from controller.sandbox.block import Io, Kind
from controller.sandbox.boot import boot
from controller.sandbox.disks import Disk
from controller.sandbox.errors import Killed, refusal
from controller.sandbox.fabric import cut
from controller.sandbox.faults import Faults
from controller.sandbox.kept_open import KeepsOpen
from controller.sandbox.kernel import Kernel
from controller.sandbox.locking import Locks
from controller.sandbox.nvme import NamespaceDevice
from controller.sandbox.san import Event, Scenario
from controller.sandbox.uevents import UeventLog
from controller.sandbox.vfs import Attribute, Directory, File, Node
from observers.host import Block, Held, ScsiReply
from observers.kernel import nvme
from observers.kernel.dm_ioctl import READING_COMMANDS, Command, DmFormatError, unpack
from observers.kernel.nvme import Words
from observers.kernel.scsi import reads_only
from observers.snapshot import DeviceName

T = TypeVar("T")

ROOT = 0
SECTOR = 512
_OTHERS_MAY_READ = 0o004


class SandboxHost(KeepsOpen):
    """A `Host` over an in-memory kernel.

    `writes`: how many calls that change something were made, by kind (`DM_TABLE_LOAD`, `write_attribute` ...). `reads`:
    the same of those that do not. `faults`: what shall go wrong.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._stage = boot(scenario)
        self.kernel: Kernel = self._stage.kernel
        self.faults: Faults = self._stage.faults
        self.writes: Counter[str] = Counter()
        self.reads: Counter[str] = Counter()
        self._dead = False
        self._locks = Locks(self.kernel, self.faults)
        self._held: dict[int, Disk] = {}
        self._handles = 0
        super().__init__(self.kernel.tree, self._reading)

    # ---- beyond a Host

    def advance(self, seconds: float) -> None:
        """Let time pass, and everything happen that becomes due."""
        self.kernel.clock.advance(seconds)

    def happen(self, verb: str, *args: str) -> None:
        """Make an event happen now; verbs and words as in scenarios."""
        self._stage.play(Event(0.0, verb, args))

    def restart(self) -> None:
        """Begin another process on the same kernel, after one was killed (`Faults.kill_at`) or instead of it."""
        self._dead = False
        self._close_all()
        self.faults.kill_at(0)

    def request(self, name: str, kind: Kind = Kind.READ) -> Io:
        """Send a request through a map (by its name) or to a disk; its `result` is None while it waits."""
        io = Io(kind)
        (self.kernel.path(name) or self._stage.map(name)).submit(io)
        return io

    @property
    def requests(self) -> list[Io]:
        """The requests that the scenario's `io` events sent."""
        return self._stage.requests

    @property
    def lost_requests(self) -> list[Io]:
        """Requests that waited in a map and failed because it was suspended with a flush: writes may be lost so."""
        return [io for device in self.kernel.device_mapper.devices for io in device.failed_by_suspend]

    @property
    def uevents(self) -> UeventLog:
        """All uevents of block devices since boot."""
        return self.kernel.uevents

    def _close_all(self) -> None:
        self._locks.give_all_back()
        self.close_attributes()
        for disk in self._held.values():
            disk.let_go()
        self._held.clear()

    # ---- calls

    def _alive(self) -> None:
        """A killed process makes no more calls, not even in a `finally`."""
        if self._dead:
            raise Killed

    def _reading(self, kind: str) -> None:
        self._alive()
        self.reads[kind] += 1

    def _writing(self, kind: str, call: Callable[[], T]) -> T:
        """Make a writing call: counted, refused to others than root, and where the process may be killed."""
        self._alive()
        self.writes[kind] += 1
        try:
            self.faults.before_write()
            if self.effective_user() != ROOT:
                raise refusal(errno.EACCES, kind)
            result = call()
            self.faults.after_write()
        except Killed:
            self._dead = True
            self._close_all()  # as the kernel does for a dead process
            raise
        return result

    # ---- files

    def read_file(self, path: str, /) -> bytes:
        """See `ReadHost`."""
        self._reading("read_file")
        place, node = self.kernel.tree.lookup(path)
        self.faults.before_read(path, place)
        return self._content(path, node)

    def _content(self, path: str, node: Node) -> bytes:
        match node:
            case File(data, mode):
                if self.effective_user() != ROOT and not mode & _OTHERS_MAY_READ:
                    raise refusal(errno.EACCES, path)
                return data
            case Attribute(read):
                if read is None:
                    raise refusal(errno.EACCES, path)
                return read()
            case Directory():
                raise refusal(errno.EISDIR, path)
            case _:
                raise refusal(errno.ENXIO, path)

    def list_directory(self, path: str, /) -> tuple[str, ...]:
        """See `ReadHost`."""
        self._reading("list_directory")
        place, node = self.kernel.tree.lookup(path)
        self.faults.before_read(path, place)
        if not isinstance(node, Directory):
            raise refusal(errno.ENOTDIR, path)
        names = tuple(sorted(node.names()))
        self.faults.after_listing(path)
        return names

    def real_path(self, path: str, /) -> str:
        """See `ReadHost`."""
        self._reading("real_path")
        return self.kernel.tree.lookup(path)[0]

    def write_attribute(self, path: str, data: bytes, /) -> None:
        """See `Host`."""
        self._writing("write_attribute", lambda: self._write(path, data))

    def _write(self, path: str, data: bytes) -> None:
        self.faults.before_change(path)
        _, node = self.kernel.tree.lookup(path)
        if isinstance(node, Directory):
            raise refusal(errno.EISDIR, path)
        if not isinstance(node, Attribute) or node.write is None:
            raise refusal(errno.EACCES, path)
        node.write(data)

    def replace_file(self, path: str, data: bytes, /, *, mode: int) -> None:
        """See `Host`."""
        self._writing("replace_file", lambda: self._replace(path, data, mode=mode))

    def _replace(self, path: str, data: bytes, *, mode: int) -> None:
        self.faults.before_change(path)
        self.kernel.replace_file(path, data, mode=mode)

    def open_locked(self, path: str, /, *, mode: int | None) -> int:
        """See `Host`. A writing call only where the file is made."""
        if mode is not None and self.kernel.tree.find(path) is None:
            return self._writing("open_locked", lambda: self._locks.make(path, mode))
        self._reading("open_locked")
        return self._locks.open(path)

    def read_locked(self, handle: int, /) -> bytes:
        """See `Host`."""
        self._reading("read_locked")
        return self._locks.read(handle)

    def write_locked(self, handle: int, data: bytes, /, *, offset: int) -> None:
        """See `Host`."""
        self._writing("write_locked", lambda: self._locks.write(handle, data, offset=offset))

    def modified(self, path: str, /) -> float:
        """See `ClaimReadHost`."""
        self._reading("modified")
        place, node = self.kernel.tree.lookup(path)
        self.faults.before_read(path, place)
        return node.modified if isinstance(node, File) else self.kernel.scenario.host.time

    def create_file(self, path: str, /, *, mode: int, modified: float) -> None:
        """See `Host`."""
        self._writing("create_file", lambda: self._create(path, mode=mode, modified=modified))

    def _create(self, path: str, *, mode: int, modified: float) -> None:
        self.faults.before_change(path)
        self.kernel.create_file(path, mode=mode, modified=modified)

    def remove_file(self, path: str, /) -> None:
        """See `Host`."""
        self._writing("remove_file", lambda: self._remove(path))

    def _remove(self, path: str) -> None:
        self.faults.before_change(path)
        self.kernel.remove_file(path)

    def lock(self, path: str, /) -> int:
        """See `Host`. A lock file is nothing that anybody would miss, so this is no writing call."""
        return self._locks.flock(path)

    def unlock(self, handle: int, /) -> None:
        """See `Host`."""
        self._alive()
        self._locks.give_back(handle)

    # ---- devices

    def udev_properties(self, name: DeviceName, /) -> Mapping[str, str]:
        """See `ReadHost`."""
        self._reading("udev_properties")
        if (found := self.kernel.udev.properties(name)) is None:
            raise refusal(errno.ENODEV, name)
        return found

    def scsi_inquire(self, name: DeviceName, cdb: bytes, /, *, reply_length: int, timeout: float) -> ScsiReply:
        """See `ReadHost`."""
        self._reading("scsi_inquire")
        if not reads_only(cdb):
            raise refusal(errno.EPERM, f"SCSI command {cdb.hex()}")
        return cut(self._opened(name).execute(cdb, timeout=timeout), reply_length)

    def direct_read(self, name: DeviceName, /, *, length: int, timeout: float, offset: int = 0) -> Block:
        """See `ReadHost`."""
        self._reading("direct_read")
        if (namespace := self._namespace(name)) is not None:
            return Block(namespace.read(length or SECTOR), 0.0)
        disk, begun = self._opened(name), self.kernel.clock.now
        return Block(disk.read(length or SECTOR, timeout=timeout, offset=offset), self.kernel.clock.now - begun)

    def nvme_inquire(
        self, name: DeviceName, opcode: int, /, *, namespace: int, words: Words, reply_length: int, timeout: float
    ) -> bytes:
        """See `ReadHost`. A SCSI disk knows no such call."""
        self._reading("nvme_inquire")
        if not nvme.reads_only(opcode):
            raise refusal(errno.EPERM, f"NVMe admin command {opcode:#04x}")
        if (device := self._namespace(name)) is not None:
            return device.admin(opcode, words)[:reply_length]
        self._opened(name)
        raise refusal(errno.ENOTTY, f"/dev/{name}: {namespace}, {words}, {reply_length}, {timeout}")

    def cciss_ready(self, name: DeviceName, /, *, timeout: float) -> bool:
        """See `ReadHost`. No disk of a sandbox is behind such a driver."""
        self._reading("cciss_ready")
        self._opened(name)
        raise refusal(errno.ENOTTY, f"/dev/{name}: {timeout}")

    def _namespace(self, name: DeviceName) -> NamespaceDevice | None:
        """The NVMe namespace, if it is one, as root opens it for reading."""
        found = self.kernel.namespace(name)
        if found is not None and self.effective_user() != ROOT:
            raise refusal(errno.EACCES, f"/dev/{name}")
        return found

    def _opened(self, name: DeviceName) -> Disk:
        """The disk, as root opens it for reading."""
        disk = self.kernel.disk(name)
        if disk is None:
            other = self.kernel.mapped_device(name) or self.kernel.namespace(name)
            raise refusal(errno.ENOENT if other is None else errno.ENOTTY, f"/dev/{name}")
        if self.effective_user() != ROOT:
            raise refusal(errno.EACCES, f"/dev/{name}")
        disk.check_open()
        return disk

    def scsi_register(self, name: DeviceName, parameters: bytes, /, *, timeout: float) -> ScsiReply:
        """See `Host`."""
        return self._writing("scsi_register", lambda: self._opened(name).register(parameters, timeout=timeout))

    def open_exclusively(self, name: DeviceName, /) -> None:
        """See `ClaimReadHost`."""
        self._reading("open_exclusively")
        if (disk := self.kernel.path(name)) is None:
            raise refusal(errno.ENOENT, f"/dev/{name}")
        if self.effective_user() != ROOT:
            raise refusal(errno.EACCES, f"/dev/{name}")
        if disk.holders:
            raise refusal(errno.EBUSY, f"/dev/{name}")

    def hold_device(self, name: DeviceName, /) -> Held:
        """See `Host`."""
        self._reading("hold_device")
        disk = self._opened(name)
        disk.hold()
        self._handles += 1
        self._held[self._handles] = disk
        return Held(self._handles, disk.dev)

    def release_device(self, held: Held, /) -> None:
        """See `Host`."""
        self._alive()
        disk = self._held.pop(held.handle, None)
        if disk is None:
            raise refusal(errno.EBADF)
        disk.let_go()

    def dm_query(self, command: int, request: bytes, /) -> bytes:
        """See `ReadHost`."""
        self._reading("dm_query")
        if command not in READING_COMMANDS:
            raise refusal(errno.EPERM, f"device-mapper command {command}")
        return self._dm(command, request)

    def dm_change(self, command: int, request: bytes, /) -> bytes:
        """See `Host`. A command that only reads is counted as one."""
        if command in READING_COMMANDS:
            return self.dm_query(command, request)
        return self._writing(_command_name(command), lambda: self._dm(command, request))

    def _dm(self, command: int, request: bytes) -> bytes:
        if self.effective_user() != ROOT:
            raise refusal(errno.EACCES, "/dev/mapper/control")
        if not self.kernel.scenario.host.device_mapper:
            raise refusal(errno.ENOENT, "/dev/mapper/control")
        self.faults.before_ioctl(_command_name(command), self._map_named(request))
        return self.kernel.device_mapper.ioctl(command, request)

    def _map_named(self, request: bytes) -> str:
        """The name of the map that a request is about, however it names it."""
        try:
            header, _ = unpack(request)
        except DmFormatError:
            return ""
        device = self.kernel.device_mapper.find(uuid=header.uuid) if header.uuid else None
        return device.label if device is not None else header.name

    # ---- semaphores

    def semaphore_create(self, key: int, /) -> int:
        """See `Host`."""
        return self._writing("semaphore_create", lambda: self.kernel.semaphores.create(key))

    def semaphore_add(self, semaphore: int, delta: int, /) -> None:
        """See `Host`."""
        self._writing("semaphore_add", lambda: self.kernel.semaphores.add(semaphore, delta))

    def semaphore_wait_zero(self, semaphore: int, /, *, timeout: float) -> bool:
        """See `Host`."""
        return self.kernel.semaphores.wait_zero(semaphore, timeout=timeout)

    def semaphore_remove(self, semaphore: int, /) -> None:
        """See `Host`."""
        self._writing("semaphore_remove", lambda: self.kernel.semaphores.remove(semaphore))

    # ---- clocks and the process

    def monotonic(self) -> float:
        """See `ReadHost`."""
        return self.kernel.clock.now

    def wall_time(self) -> float:
        """See `ReadHost`."""
        return self.kernel.clock.wall

    def sleep(self, seconds: float, /) -> None:
        """See `ReadHost`."""
        self.kernel.clock.advance(seconds)

    def effective_user(self) -> int:
        """See `ReadHost`."""
        return self.kernel.scenario.host.user


def _command_name(command: int) -> str:
    return Command(command).name if command in set(Command) else f"dm command {command}"
