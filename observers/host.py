"""The interface through which every system call about the host goes, also a clock's. Beside it are only those of what
must not wait (`observers.engine`, sources of events) and those that a process makes for itself alone.

There are two implementations: `observers.kernel.real_host.RealHost`, and `controller.sandbox.host.SandboxHost`, an
in-memory kernel. `ReadHost` can't change anything: whoever is handed only that, as the observers are, is a dry run by
its type. All methods raise `OSError` with the kernel's errno; none retries, none logs, none decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from observers.dmtable import DevT
from observers.snapshot import DeviceName


@dataclass(frozen=True, slots=True, kw_only=True)
class ScsiReply:
    """What an SG_IO call brought back: SAM status, host (transport) and driver status bytes, sense data, and data.

    `status` 0 is GOOD, 2 CHECK CONDITION, 0x18 RESERVATION CONFLICT (SAM-6). `host_status` are the kernel's DID_ codes.
    """

    status: int
    host_status: int
    driver_status: int
    sense: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Held:
    """A block device that is kept open. `dev`: the number of what was opened, whatever its name means by now."""

    handle: int
    dev: DevT


@dataclass(frozen=True, slots=True)
class Block:
    """What a read of a device brought: the bytes, and how long the device took, in seconds. `whole`: as many bytes as
    were to be read."""

    data: bytes
    seconds: float
    whole: bool = True


class ReadHost(Protocol):
    """The part of a host that only reads."""

    def read_file(self, path: str, /) -> bytes:
        """The whole content of a file (also of a sysfs attribute)."""

    def list_directory(self, path: str, /) -> tuple[str, ...]:
        """The names in a directory, sorted."""

    def real_path(self, path: str, /) -> str:
        """The path without symbolic links (ENOENT when it does not exist)."""

    def udev_properties(self, name: DeviceName, /) -> Mapping[str, str]:
        """The udev database's properties of a block device, in udev's order. ENODEV when there is no such device."""

    def scsi_inquire(self, name: DeviceName, cdb: bytes, /, *, reply_length: int, timeout: float) -> ScsiReply:
        """Send a command that reads (or TEST UNIT READY, `reply_length` 0) by SG_IO; `timeout` in seconds.

        Commands other than TEST UNIT READY, INQUIRY, REPORT TARGET PORT GROUPS, REPORT LUNS and PERSISTENT RESERVE IN:
        EPERM.
        """

    def direct_read(self, name: DeviceName, /, *, length: int, timeout: float, offset: int = 0) -> Block:
        """Read the first `length` bytes of a device past every cache (O_DIRECT); 0: one logical block, at most 4,096.

        `offset`: read from this byte on, a multiple of the logical block size. `timeout` in seconds: ETIMEDOUT when the
        answer can be waited for no longer.
        """

    def nvme_inquire(
        self, name: DeviceName, opcode: int, /, *, namespace: int, words: tuple[int, int, int, int, int, int],
        reply_length: int, timeout: float,
    ) -> bytes:  # fmt: skip
        """An NVMe admin command that reads, Identify or Get Log Page (any other: EPERM), and its data.

        `words`: command dwords 10 to 15; `namespace` 0: the one that the device is. EIO: the controller refused it.
        """

    def cciss_ready(self, name: DeviceName, /, *, timeout: float) -> bool:
        """TEST UNIT READY by the cciss driver's pass-through: whether the logical drive answered GOOD."""

    def dm_query(self, command: int, request: bytes, /) -> bytes:
        """A device-mapper ioctl that changes nothing (VERSION, LIST_*, DEV_STATUS, TABLE_STATUS, TABLE_DEPS), by its
        number in linux/dm-ioctl.h; any other: EPERM. Takes and returns the whole buffer, `struct dm_ioctl` first."""

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""

    def wall_time(self) -> float:
        """Seconds since 1970."""

    def sleep(self, seconds: float, /) -> None:
        """Wait."""

    def effective_user(self) -> int:
        """The effective user id."""


class ClaimReadHost(ReadHost, Protocol):
    """What it takes beyond that to answer udev's question whether a device is a path; nothing else is handed one."""

    def modified(self, path: str, /) -> float:
        """When a file was modified, in seconds since 1970."""

    def open_exclusively(self, name: DeviceName, /) -> None:
        """Open a block device for nobody else to have (O_EXCL, read only), and close it. EBUSY: somebody has it."""


class WatchHost(ReadHost, Protocol):
    """What it takes to watch attributes of sysfs: descriptors that are kept open, as reading is all that then costs."""

    def open_attribute(self, path: str, /) -> int:
        """Open an attribute for reading; returns a handle."""

    def sample_attributes(self, handles: Sequence[int], /) -> list[bytes | int]:
        """The first 64 bytes of each attribute as it is now; an errno where it can't be read (ENODEV: its object is
        gone, also when another one is in its place)."""

    def close_attribute(self, handle: int, /) -> None:
        """Close it."""


class Host(ReadHost, Protocol):
    """A host that can be changed. Only actuators and the runtime are handed one."""

    def dm_change(self, command: int, request: bytes, /) -> bytes:
        """Any device-mapper ioctl. Takes and returns the whole buffer."""

    def write_attribute(self, path: str, data: bytes, /) -> None:
        """One write to an existing sysfs attribute; never creates a file."""

    def replace_file(self, path: str, data: bytes, /, *, mode: int) -> None:
        """Write a file as a whole: temporary file beside it, fsync, rename, fsync of the directory (made if absent)."""

    def open_locked(self, path: str, /, *, mode: int | None) -> int:
        """Open a file and lock the whole of it for writing, as multipath-tools does (fcntl(2)), without waiting.

        Returns a handle of the very file that the path names. BlockingIOError: somebody else has it locked, or puts
        another in its place. `mode`: have an empty one made where there is none; None: ENOENT then.
        """

    def read_locked(self, handle: int, /) -> bytes:
        """The whole content of a file that is locked."""

    def write_locked(self, handle: int, data: bytes, /, *, offset: int) -> None:
        """Write there from a byte on, at its end at most, and bring it to the disk; the file is never cut. What could
        not all be written does not make it longer."""

    def create_file(self, path: str, /, *, mode: int, modified: float) -> None:
        """Make an empty file whose time of modification is `modified`, in a directory that is made if absent. EEXIST:
        it is there already, and stays as it is."""

    def remove_file(self, path: str, /) -> None:
        """Remove a file (ENOENT: there is none)."""

    def hold_device(self, name: DeviceName, /) -> Held:
        """Open a block device, not waiting for its medium. While it is held the kernel gives its name and its number
        to no other device, also after it was deleted. ENOENT, ENXIO: it is gone or offline."""

    def release_device(self, held: Held, /) -> None:
        """Close it."""

    def scsi_register(self, name: DeviceName, parameters: bytes, /, *, timeout: float) -> ScsiReply:
        """PERSISTENT RESERVE OUT with the service action REGISTER AND IGNORE EXISTING KEY, and these 24 bytes: change
        under which key the target knows this path. No other service action can be sent. `timeout` in seconds."""

    def semaphore_create(self, key: int, /) -> int:
        """A new System V semaphore set of one, value 1, mode 0600; returns its id. EEXIST when the key is in use."""

    def semaphore_add(self, semaphore: int, delta: int, /) -> None:
        """Add to the value, not waiting (EAGAIN when it would fall under 0)."""

    def semaphore_wait_zero(self, semaphore: int, /, *, timeout: float) -> bool:
        """Wait until the value is 0; False when `timeout` seconds passed first."""

    def semaphore_remove(self, semaphore: int, /) -> None:
        """Remove the set."""

    def lock(self, path: str, /) -> int:
        """Take an exclusive flock on a file, made if absent, without waiting (EWOULDBLOCK); returns a handle."""

    def unlock(self, handle: int, /) -> None:
        """Give a lock back, also that of `open_locked`."""


class ClaimHost(ClaimReadHost, Host, Protocol):
    """The host that udev's question is asked of: it also keeps a record of waiting."""
