"""The nouns of everything that is known of a host at one instant.

All values are frozen, slotted and typed. They hold raw facts (bytes of a VPD page as hex, the texts of the
configuration files): what they *mean* under a configuration is for `desired` to say. What could not be read is a
`Gap`, never an exception and never a made-up value. JSON both ways is in `observers.snapshot_json`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

from observers.dmtable import DevT, MultipathStatus, MultipathTable, Sectors

Wwid = NewType("Wwid", str)
"""The name by which paths to one logical unit find each other, e.g. `36001405…`; under 128 characters."""

Alias = NewType("Alias", str)
"""A map's device-mapper name, as under /dev/mapper (unescaped)."""

DmUuid = NewType("DmUuid", str)
"""A device-mapper UUID; a multipath map's is `mpath-` and the WWID."""

DeviceName = NewType("DeviceName", str)
"""A kernel block device name such as `sda` or `nvme0n1`."""

Hex = NewType("Hex", str)
"""Bytes as lower-case hexadecimal digits."""

MPATH_PREFIX = "mpath-"


def map_uuid(wwid: Wwid) -> DmUuid:
    """The UUID of the map that belongs to a WWID."""
    return DmUuid(MPATH_PREFIX + wwid)


def dev_key(dev: DevT) -> tuple[int, int]:
    """A key that sorts device numbers as numbers."""
    major, _, minor = dev.partition(":")
    return int(major), int(minor)


class Bus(StrEnum):
    """The family of a block device's driver; it decides where identity comes from (features of WWID rules)."""

    SCSI = "scsi"
    NVME = "nvme"
    CCW = "ccw"
    CCISS = "cciss"
    UNKNOWN = "undef"


class PathState(StrEnum):
    """What a checker found; the words are those of multipathd's `show status`."""

    WILD = "wild"
    UNCHECKED = "unchecked"
    DOWN = "down"
    UP = "up"
    SHAKY = "shaky"
    GHOST = "ghost"
    PENDING = "pending"
    TIMEOUT = "timeout"
    REMOVED = "removed"
    DELAYED = "delayed"
    DISCONNECTED = "disconnected"

    @property
    def usable(self) -> bool:
        """Whether dm may send I/O there: up, or ghost (a standby path that a group switch makes active)."""
        return self in (PathState.UP, PathState.GHOST)


@dataclass(frozen=True, slots=True)
class Health:
    """A checker's answer about one path: who asked, what it found, and its message (may be empty)."""

    checker: str
    state: PathState
    message: str = ""


@dataclass(frozen=True, slots=True)
class ScsiAddress:
    """Host, channel, target and logical unit number; printed `H:C:T:L`."""

    host: int
    channel: int
    target: int
    lun: int

    def __str__(self) -> str:
        return f"{self.host}:{self.channel}:{self.target}:{self.lun}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alua:
    """Asymmetric access as the kernel's device handler and the device report it (SPC-5 clause 5.18).

    `tpgs`: the TPGS field of the standard INQUIRY (0 none, 1 implicit, 2 explicit, 3 both), None: not read. `group`:
    target port group from VPD page 0x83. `access_state`: sysfs text such as `active/optimized`, empty: not readable.
    `handler`: the kernel's device handler that is attached, such as `alua`; empty: none is.
    `reported_state`, `reported_preferred`: what REPORT TARGET PORT GROUPS said of `group` (clause 6.36: state 0 is
    active/optimized); None: it was not asked, or did not answer.
    """

    tpgs: int | None = None
    group: int | None = None
    access_state: str = ""
    preferred: bool = False
    handler: str = ""
    reported_state: int | None = None
    reported_preferred: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PrioritySeen:
    """What a prioritizer that asks the device said of a path, when it was asked with these arguments.

    `value`: higher is better; None: it could not tell, and `message` says why.
    """

    prioritizer: str
    arguments: str = ""
    value: int | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NvmeIdentity:
    """What an NVMe device answered to Identify when it was asked who it is; None: it was not asked that, or refused.

    `descriptors`: the namespace identification descriptor list. `namespace`: bytes 104 to 127 of the namespace's data,
    its NGUID and EUI-64. `controller`: bytes 0 to 79 of the controller's data, from its vendor to its capabilities.
    """

    descriptors: Hex | None = None
    namespace: Hex | None = None
    controller: Hex | None = None


@dataclass(frozen=True, slots=True)
class Attribute:
    """A sysfs attribute: its file below /sys/devices, and its text without the newline."""

    file: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Who has a device, for when udev asks whether it is a path.

    `maps`: WWIDs of the multipath maps on top of it, as sysfs has them. `uses`: everything, in words, that uses the
    device or one of its partitions. `wait_until`: when udev's wait for a second path ends, or ended, in seconds since
    1970; None: it never began.
    """

    maps: tuple[Wwid, ...] = ()
    uses: tuple[str, ...] = ()
    wait_until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """One block device that might be a path.

    `udev`: its properties in udev's order. `page83_cached`: VPD page 0x83 as sysfs holds it, read by the kernel when it
    scanned the device; `page83_device`: the same page read from the device for this snapshot (None: it was not
    answered, see the gaps). `inquiry_device`: the standard INQUIRY data, likewise. `device_state`: sysfs
    `device/state`, e.g. `running`; empty where the bus has none. `holders`: names of the block devices on top.
    """

    name: DeviceName
    dev: DevT
    size: Sectors
    bus: Bus
    protocol: str = "undef"
    address: ScsiAddress | None = None
    vendor: str = ""
    product: str = ""
    revision: str = ""
    serial: str = ""
    target_node_name: str = ""
    target_port_name: str = ""
    """World wide port name, as sysfs writes it; like the two below of Fibre Channel only."""
    host_node_name: str = ""
    host_port_name: str = ""
    read_only: bool = False
    device_state: str = ""
    health: Health = Health("none", PathState.UNCHECKED)
    alua: Alua = field(default_factory=Alua)
    page83_cached: Hex | None = None
    page83_device: Hex | None = None
    inquiry_device: Hex | None = None
    wwid_attribute: str = ""
    """sysfs `wwid` of an NVMe namespace, `uid` of a DASD; empty for other buses."""
    timeout: int | None = None
    """sysfs `device/timeout`, seconds."""
    udev: Mapping[str, str] = field(default_factory=dict)
    holders: tuple[DeviceName, ...] = ()
    sysfs: str = ""
    """The device's directory under /sys/devices, without symbolic links; it ends with the kernel name."""
    tunables: tuple[Attribute, ...] = ()
    """The attributes that say how patient the kernel is with it, of the disk, of its port and of its adapter."""
    usage: Usage | None = None
    """None: nobody looked; only the observation of a single device does."""
    marginal: bool = False
    """Whether it was found, or said, to be unreliable. Nothing on a host shows it: a daemon knows it from before."""
    priority_seen: PrioritySeen | None = None
    """None: no prioritizer asked the device."""
    nvme_identity: NvmeIdentity | None = None
    """None: not an NVMe namespace, or it was not asked who it is."""
    vendor_pages: Mapping[str, Hex] = field(default_factory=dict)
    """VPD pages of the vendor's that the device was asked for, by number in hexadecimal (`c9`); empty: it has no such
    page. One that it was not asked for, or about which it gave no answer, is not in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """A device-mapper device whose UUID begins with `mpath-`.

    `table`: the live table, None when there is none (a device just created) or when it is not one multipath target.
    `inactive_table`: a table was loaded and not resumed. `deferred_remove`: the kernel removes it when it is closed for
    the last time. `holders`: names of the block devices on top of it. `max_sectors_kb`: of its request queue, None: not
    known.
    """

    name: Alias
    uuid: DmUuid
    dev: DevT
    table: MultipathTable | None
    status: MultipathStatus | None
    suspended: bool = False
    read_only: bool = False
    inactive_table: bool = False
    deferred_remove: bool = False
    event_number: int = 0
    open_count: int = 0
    holders: tuple[DeviceName, ...] = ()
    max_sectors_kb: int | None = None
    udev: Mapping[str, str] = field(default_factory=dict)

    @property
    def wwid(self) -> Wwid:
        """The WWID in the UUID."""
        return Wwid(self.uuid.removeprefix(MPATH_PREFIX))


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignPath:
    """A path of a map that somebody else multipaths, `head`. `state`: of the NVMe controller, such as `live`.

    `ana_state`: such as `optimized`, empty: the controller does not report it. `adapter`: the PCI device of the
    controller, empty: it is none. `dev` is `0:0` for devices that the kernel hides.
    """

    name: DeviceName
    dev: DevT
    head: DeviceName
    wwid: str = ""
    size: Sectors
    state: str = ""
    ana_state: str = ""
    product: str = ""
    revision: str = ""
    serial: str = ""
    transport: str = ""
    address: str = ""
    adapter: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignMap:
    """A multipathed device that is not device-mapper's: an NVMe namespace that the kernel itself multipaths.

    `library`: whose it is, `nvme`. `subsystem`: the NVMe qualified name. `namespace`: its number.
    """

    library: str
    name: DeviceName
    dev: DevT
    wwid: str
    subsystem: str
    namespace: int
    size: Sectors
    read_only: bool = False
    product: str = ""
    revision: str = ""
    paths: tuple[ForeignPath, ...] = ()


@dataclass(frozen=True, slots=True)
class DmDevice:
    """A device-mapper device that is not ours: only its names and number matter, so that ours do not collide."""

    name: Alias
    uuid: DmUuid
    dev: DevT


@dataclass(frozen=True, slots=True, kw_only=True)
class MdMember:
    """A device of an md array: what `/sys/block/mdN/md/dev-NAME` says of it.

    `dev`: None when the device is gone from the host, though md still holds it. `size`: of the whole device. `state`:
    the kernel's words, such as `in_sync`, `faulty`, `spare`. `slot`: its place in the array, None: it has none.
    `errors`: read errors that the kernel counted.
    """

    name: DeviceName
    dev: DevT | None
    size: Sectors
    state: tuple[str, ...] = ()
    slot: int | None = None
    errors: int = 0

    @property
    def faulty(self) -> bool:
        """Whether md uses it no more because I/O on it failed, or somebody said so."""
        return "faulty" in self.state


@dataclass(frozen=True, slots=True, kw_only=True)
class MdArray:
    """An md array (software RAID) of any level.

    `state`: `md/array_state`, such as `clean` or `read-auto`. `level`: `multipath`, `raid1`, ...; empty: none yet.
    `uuid`: as the kernel prints it, in groups of 8, 4, 4, 4 and 12 digits; empty: it has none, or the kernel does not
    say. `metadata`: `0.90`, `1.0`, `1.1`, `1.2`, `none`, or `external:...`. `disks`: how many members it should have.
    """

    name: DeviceName
    dev: DevT
    level: str
    state: str
    uuid: str
    metadata: str
    disks: int
    size: Sectors
    members: tuple[MdMember, ...] = ()


@dataclass(frozen=True, slots=True)
class TextFile:
    """The text of a file at the instant of the snapshot (UTF-8, other bytes as lone surrogates)."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the host: user id and primary group id."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A multipath daemon that runs on the host (the holder of its pidfile or socket)."""

    pid: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What the kernel and the running system are. Versions as tuples; None: not there (no device-mapper, no target).

    `daemon_reachable`: somebody listens on the daemon's socket: the daemon itself, or systemd, which would start it.
    """

    kernel_release: str
    dm_version: tuple[int, int, int] | None
    multipath_target: tuple[int, int, int] | None
    native_nvme_multipath: bool = False
    udev_running: bool = False
    daemon: Daemon | None = None
    daemon_reachable: bool = False
    md_personalities: tuple[str, ...] | None = None
    """What the md driver can do now (`/proc/mdstat`), loaded modules only; None: the driver is not there."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that could not be read: of what (`sda`, `device-mapper`, a file), which part, and why."""

    subject: str
    what: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that is known of the host at one instant. `taken_at`: seconds since 1970 by the host's clock.

    `config_files`: the main file first (absent from the tuple when it does not exist), then the drop-ins in the order
    in which they are read. `main_config` is the main file's path, also when there is none. Paths are in the order of
    their device numbers, maps in that of theirs. `failed_wwids`: of maps that the kernel once refused to make.
    `accounts`: the users whose names are words of the configuration, by name.
    """

    taken_at: float
    host: HostFacts
    main_config: str = "/etc/multipath.conf"
    config_files: tuple[TextFile, ...] = ()
    bindings: TextFile | None = None
    wwids: TextFile | None = None
    prkeys: TextFile | None = None
    """The keys of persistent reservations, by WWID."""
    paths: tuple[Path, ...] = ()
    maps: tuple[Map, ...] = ()
    other_devices: tuple[DmDevice, ...] = ()
    failed_wwids: tuple[Wwid, ...] = ()
    accounts: Mapping[str, Account] = field(default_factory=dict)
    foreign_maps: tuple[ForeignMap, ...] = ()
    """Whatever `enable_foreign` says: that only decides on showing them."""
    md_arrays: tuple[MdArray, ...] = ()
    gaps: tuple[Gap, ...] = ()
