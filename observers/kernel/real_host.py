"""The real host: every system call of a `Host` is made here, or in `observers.kernel.ioctl` on behalf of this.

In: the calls of `observers.host.Host`. Out: what the kernel answered; a refusal is an `OSError`. Any thread may call.
It must never retry, log or decide; only what could damage memory, or a change where reading was asked for, is refused
before the kernel sees it.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from observers import udev_database
from observers.dmtable import DevT
from observers.host import Block, Held, ScsiReply
from observers.kernel import cciss, direct_io, dm_ioctl, files, ioctl, nvme, reservation, scsi
from observers.snapshot import DeviceName

DM_CONTROL = "/dev/mapper/control"

_READ_CHUNK = 1 << 16  # bytes; also more than any sysfs attribute has
_SAMPLE = 64  # bytes; states are words
_RUNTIME_DIRECTORY_MODE = 0o700  # as multipath-tools makes them
_LOCK_MODE = 0o600
_SEMAPHORE_MODE = 0o600  # as libdevmapper makes them, so that its tools see nothing unusual


class RealHost:
    """A `Host` over the running kernel. `dm_control` is the node of device-mapper, opened at its first use.

    `udev`: who knows a device's properties; None: the database's files are read here, without a library, as a daemon
    and the programs that udev runs for every disk need it.
    """

    def __init__(
        self, *, dm_control: str = DM_CONTROL, udev: Callable[[DeviceName], Mapping[str, str]] | None = None
    ) -> None:
        self._dm_control = dm_control
        self._udev = udev
        self._dm_descriptor: int | None = None
        self._dm_opening = threading.Lock()

    def close(self) -> None:
        """Close the control node; a later call opens it again."""
        with self._dm_opening:
            if self._dm_descriptor is not None:
                os.close(self._dm_descriptor)
            self._dm_descriptor = None

    # ---- files

    def read_file(self, path: str, /) -> bytes:
        """See `ReadHost`."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return b"".join(iter(lambda: os.read(descriptor, _READ_CHUNK), b""))
        finally:
            os.close(descriptor)

    def list_directory(self, path: str, /) -> tuple[str, ...]:
        """See `ReadHost`."""
        return tuple(sorted(os.listdir(path)))

    def real_path(self, path: str, /) -> str:
        """See `ReadHost`."""
        return os.path.realpath(path, strict=True)

    def write_attribute(self, path: str, data: bytes, /) -> None:
        """See `Host`."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            written = os.write(descriptor, data)
        finally:
            os.close(descriptor)
        if written != len(data):
            raise OSError(errno.EIO, f"the kernel took {written} of {len(data)} bytes", path)

    def replace_file(self, path: str, data: bytes, /, *, mode: int) -> None:
        """See `Host`. A symbolic link stays one: the file that it leads to is replaced."""
        files.replace(path, data, mode=mode)

    def open_locked(self, path: str, /, *, mode: int | None) -> int:
        """See `Host`. The handle is a file descriptor."""
        return files.open_locked(path, mode=mode)

    def read_locked(self, handle: int, /) -> bytes:
        """See `Host`."""
        return files.read_locked(handle)

    def write_locked(self, handle: int, data: bytes, /, *, offset: int) -> None:
        """See `Host`."""
        files.write_locked(handle, data, offset=offset)

    def modified(self, path: str, /) -> float:
        """See `ClaimReadHost`."""
        return os.stat(path).st_mtime

    def create_file(self, path: str, /, *, mode: int, modified: float) -> None:
        """See `Host`."""
        os.makedirs(os.path.dirname(path), mode=_RUNTIME_DIRECTORY_MODE, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            os.utime(descriptor, ns=(time.time_ns(), _nanoseconds(modified)))
        finally:
            os.close(descriptor)

    def remove_file(self, path: str, /) -> None:
        """See `Host`."""
        os.unlink(path)

    def lock(self, path: str, /) -> int:
        """See `Host`. The handle is a file descriptor."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _LOCK_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def unlock(self, handle: int, /) -> None:
        """See `Host`."""
        os.close(handle)

    # ---- devices

    def udev_properties(self, name: DeviceName, /) -> Mapping[str, str]:
        """See `ReadHost`."""
        if self._udev is not None:
            return self._udev(name)
        return udev_database.properties(name, self.read_file, self.real_path)

    def scsi_inquire(self, name: DeviceName, cdb: bytes, /, *, reply_length: int, timeout: float) -> ScsiReply:
        """See `ReadHost`. The device is opened for this one command, without waiting for its medium."""
        if not scsi.reads_only(cdb):
            raise OSError(errno.EPERM, f"SCSI command {cdb.hex()} is not one that only reads", name)
        descriptor = os.open(_node(name), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return _sg_io(descriptor, cdb, reply_length=reply_length, timeout=timeout)
        finally:
            os.close(descriptor)

    def direct_read(self, name: DeviceName, /, *, length: int, timeout: float, offset: int = 0) -> Block:
        """See `ReadHost`. Nothing ends a read but the kernel: an answer after `timeout` is dropped, not cut short."""
        descriptor = os.open(_node(name), os.O_RDONLY | os.O_NONBLOCK | os.O_DIRECT | os.O_CLOEXEC)
        try:
            block = _read_directly(descriptor, length or _block_size(descriptor), offset)
        finally:
            os.close(descriptor)
        if block.seconds > timeout:
            raise OSError(errno.ETIMEDOUT, f"the read took {block.seconds:.1f} s", name)
        return block

    def nvme_inquire(
        self, name: DeviceName, opcode: int, /, *, namespace: int, words: nvme.Words, reply_length: int, timeout: float
    ) -> bytes:
        """See `ReadHost`."""
        if not nvme.reads_only(opcode):
            raise OSError(errno.EPERM, f"NVMe admin command {opcode:#04x} is not one that only reads", name)
        descriptor = os.open(_node(name), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not namespace and nvme.wants_namespace(opcode, words):
                namespace = ioctl.ioctl(descriptor, nvme.NAMESPACE_ID, ctypes.create_string_buffer(1))
            data = ctypes.create_string_buffer(reply_length)
            command = nvme.pack_command(opcode, namespace=namespace, words=words, data=_room(data), timeout=timeout)
            status = ioctl.ioctl(descriptor, nvme.ADMIN_COMMAND, ctypes.create_string_buffer(command, len(command)))
        finally:
            os.close(descriptor)
        if status:
            raise OSError(errno.EIO, f"the controller answered NVMe status {status:#06x}", name)
        return data.raw

    def cciss_ready(self, name: DeviceName, /, *, timeout: float) -> bool:
        """See `ReadHost`."""
        descriptor = os.open(_node(name), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            drive = ctypes.create_string_buffer(cciss.DRIVE_SIZE)
            ioctl.ioctl(descriptor, cciss.GET_DRIVE, drive)
            request = cciss.pack_test_unit_ready(cciss.drive_number(drive.raw), timeout=timeout)
            command = ctypes.create_string_buffer(request, len(request))
            ioctl.ioctl(descriptor, cciss.PASS_THROUGH, command)
        finally:
            os.close(descriptor)
        return cciss.is_ready(command.raw)

    def open_exclusively(self, name: DeviceName, /) -> None:
        """See `ClaimReadHost`. Not for writing: closing would then make udev look at the device again."""
        os.close(os.open(_node(name), os.O_RDONLY | os.O_EXCL | os.O_NONBLOCK | os.O_CLOEXEC))

    def hold_device(self, name: DeviceName, /) -> Held:
        """See `Host`. The handle is a file descriptor."""
        descriptor = os.open(_node(name), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            number = os.fstat(descriptor).st_rdev
        except BaseException:
            os.close(descriptor)
            raise
        return Held(descriptor, DevT(f"{os.major(number)}:{os.minor(number)}"))

    def release_device(self, held: Held, /) -> None:
        """See `Host`."""
        os.close(held.handle)

    def scsi_register(self, name: DeviceName, parameters: bytes, /, *, timeout: float) -> ScsiReply:
        """See `Host`."""
        command = ctypes.create_string_buffer(reservation.REGISTER, len(reservation.REGISTER))
        data = ctypes.create_string_buffer(parameters, len(parameters))
        sense = ctypes.create_string_buffer(scsi.SENSE_SIZE)
        request = scsi.pack_sg_io(
            cdb=_room(command), sense=_room(sense), data=_room(data), timeout=timeout, to_device=True
        )
        header = ctypes.create_string_buffer(request, len(request))
        descriptor = os.open(_node(name), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            ioctl.ioctl(descriptor, scsi.SG_IO, header)
        finally:
            os.close(descriptor)
        return scsi.unpack_sg_io(header.raw, sense=sense.raw, data=b"")

    def dm_query(self, command: int, request: bytes, /) -> bytes:
        """See `ReadHost`."""
        if command not in dm_ioctl.READING_COMMANDS:
            raise OSError(errno.EPERM, f"device-mapper command {command} is not one that only reads")
        return self._dm(command, request)

    def dm_change(self, command: int, request: bytes, /) -> bytes:
        """See `Host`."""
        return self._dm(command, request)

    def _dm(self, command: int, request: bytes) -> bytes:
        if not dm_ioctl.has_true_size(request):  # else the kernel could write beyond the buffer
            raise OSError(errno.EINVAL, f"device-mapper request of {len(request)} bytes says another size")
        buffer = ctypes.create_string_buffer(request, len(request))
        ioctl.ioctl(self._dm_control_node(), dm_ioctl.request_number(command), buffer)
        return buffer.raw

    def _dm_control_node(self) -> int:
        with self._dm_opening:
            if self._dm_descriptor is None:
                self._dm_descriptor = os.open(self._dm_control, os.O_RDWR | os.O_CLOEXEC)
            return self._dm_descriptor

    # ---- attributes that are kept open

    def open_attribute(self, path: str, /) -> int:
        """See `WatchHost`. The handle is a file descriptor."""
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def sample_attributes(self, handles: Sequence[int], /) -> list[bytes | int]:
        """See `WatchHost`. Nearly always all can be read, so that is tried in the fewest steps."""
        try:
            return [os.pread(handle, _SAMPLE, 0) for handle in handles]
        except OSError:
            return [_sample(handle) for handle in handles]

    def close_attribute(self, handle: int, /) -> None:
        """See `WatchHost`."""
        os.close(handle)

    # ---- semaphores

    def semaphore_create(self, key: int, /) -> int:
        """See `Host`. The kernel makes sets with value 0, and only who knows the key can have counted in between."""
        semaphore = ioctl.semget(key, 1, ioctl.IPC_CREAT | ioctl.IPC_EXCL | _SEMAPHORE_MODE)
        try:
            self.semaphore_add(semaphore, 1)
        except OSError:
            self.semaphore_remove(semaphore)
            raise
        return semaphore

    def semaphore_add(self, semaphore: int, delta: int, /) -> None:
        """See `Host`."""
        ioctl.semop(semaphore, ioctl.sembuf(0, delta, ioctl.IPC_NOWAIT))

    def semaphore_wait_zero(self, semaphore: int, /, *, timeout: float) -> bool:
        """See `Host`."""
        try:
            ioctl.semtimedop(semaphore, ioctl.sembuf(0, 0, 0), max(0.0, timeout))
        except BlockingIOError:
            return False
        return True

    def semaphore_remove(self, semaphore: int, /) -> None:
        """See `Host`."""
        ioctl.semctl(semaphore, 0, ioctl.IPC_RMID)

    # ---- clocks and the process

    def monotonic(self) -> float:
        """See `ReadHost`."""
        return time.monotonic()

    def wall_time(self) -> float:
        """See `ReadHost`."""
        return time.time()

    def sleep(self, seconds: float, /) -> None:
        """See `ReadHost`."""
        time.sleep(seconds)

    def effective_user(self) -> int:
        """See `ReadHost`."""
        return os.geteuid()


def _node(name: DeviceName) -> str:
    return "/dev/" + name.replace("!", "/")  # the kernel's names have ! where the node's have /


def _sample(descriptor: int) -> bytes | int:
    try:
        return os.pread(descriptor, _SAMPLE, 0)
    except OSError as error:
        return error.errno or errno.EIO


def _nanoseconds(seconds: float) -> int:
    whole = int(seconds)
    return whole * 1_000_000_000 + int((seconds - whole) * 1_000_000_000)


def _block_size(descriptor: int) -> int:
    answer = ctypes.create_string_buffer(direct_io.BLOCK_SIZE_ROOM)
    try:
        ioctl.ioctl(descriptor, direct_io.BLKBSZGET, answer)
    except OSError:
        return direct_io.LARGEST_BLOCK
    return direct_io.block_size(answer.raw)


def _read_directly(descriptor: int, length: int, offset: int) -> Block:
    """The kernel wants a buffer that is aligned as the device's blocks are; a mapping of its own is, to a page."""
    with mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as room:
        begun = time.monotonic()
        count = os.preadv(descriptor, [room], offset)
        seconds = time.monotonic() - begun
        return Block(room[:count], seconds, whole=count == length)


def _sg_io(descriptor: int, cdb: bytes, *, reply_length: int, timeout: float) -> ScsiReply:
    command, sense = ctypes.create_string_buffer(cdb, len(cdb)), ctypes.create_string_buffer(scsi.SENSE_SIZE)
    data = ctypes.create_string_buffer(reply_length)
    request = scsi.pack_sg_io(cdb=_room(command), sense=_room(sense), data=_room(data), timeout=timeout)
    header = ctypes.create_string_buffer(request, len(request))
    ioctl.ioctl(descriptor, scsi.SG_IO, header)
    return scsi.unpack_sg_io(header.raw, sense=sense.raw, data=data.raw)


def _room(buffer: "ctypes.Array[ctypes.c_char]") -> scsi.Room:
    return scsi.Room(address=ctypes.addressof(buffer), size=len(buffer))
