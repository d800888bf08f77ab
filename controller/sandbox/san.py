"""The nouns of a SAN on paper: what a scenario says there is when the host boots, and what happens later.

All values are frozen. They are what `scenario` reads and prints and `kernel` boots from; what then lives and changes is
in `fabric`. Sizes are sectors of 512 bytes, times are seconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from controller.sandbox.nvme_san import NvmeSubsystem
from observers.snapshot import ScsiAddress


class AccessState(StrEnum):
    """Asymmetric access states, as sysfs `access_state` writes them."""

    OPTIMIZED = "active/optimized"
    NON_OPTIMIZED = "active/non-optimized"
    STANDBY = "standby"
    UNAVAILABLE = "unavailable"
    LBA_DEPENDENT = "lba-dependent"
    OFFLINE = "offline"
    TRANSITIONING = "transitioning"

    @property
    def code(self) -> int:
        """The number in REPORT TARGET PORT GROUPS (SPC-5 table 241)."""
        return _STATE_CODES[self]


_STATE_CODES = {
    AccessState.OPTIMIZED: 0x0,
    AccessState.NON_OPTIMIZED: 0x1,
    AccessState.STANDBY: 0x2,
    AccessState.UNAVAILABLE: 0x3,
    AccessState.LBA_DEPENDENT: 0x4,
    AccessState.OFFLINE: 0xE,
    AccessState.TRANSITIONING: 0xF,
}


class Tpgs(IntEnum):
    """The TPGS field of the standard INQUIRY data."""

    NONE = 0
    IMPLICIT = 1
    EXPLICIT = 2
    BOTH = 3


class Transport(StrEnum):
    """How an adapter reaches its targets; it shapes the place of the disks in sysfs."""

    FC = "fc"
    ISCSI = "iscsi"
    SAS = "sas"
    ATA = "ata"
    PSEUDO = "pseudo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A target port group: its number, its state for logical units that have no owner, and its ports."""

    id: int
    state: AccessState
    preferred: bool = False
    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lun:
    """A logical unit. `naa`: 16 or 32 hex digits, empty: it has no NAA name.

    `owner`: the group that is optimized for this unit, whatever state it has for others; the others are then not.
    """

    number: int
    size: int
    naa: str = ""
    serial: str
    owner: int | None = None
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class VendorPage:
    """A VPD page of the vendor's that all logical units have, header and all. `group`: only through that target port
    group; None: through all for which there is no other one of that number."""

    number: int
    data: bytes
    group: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """A storage array. `node`: world wide node name (16 hex digits) or iSCSI name.

    `handler`: the kernel's device handler for arrays that have one of their own (rdac, emc, hp_sw), else empty.
    """

    name: str
    vendor: str
    product: str
    revision: str
    node: str
    tpgs: Tpgs = Tpgs.NONE
    handler: str = ""
    groups: tuple[Group, ...]
    luns: tuple[Lun, ...]
    pages: tuple[VendorPage, ...] = ()

    @property
    def ports(self) -> tuple[str, ...]:
        """All target ports, in order; a port's place from 1 is its relative target port identifier."""
        return tuple(port for group in self.groups for port in group.ports)


@dataclass(frozen=True, slots=True, order=True)
class PortRef:
    """A target port of an array; in scenarios `ARRAY/PORT`."""

    array: str
    port: str

    def __str__(self) -> str:
        return f"{self.array}/{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A host's port. `host`: the SCSI host number; `port`: its name (world wide port name or iSCSI name).

    `sees`: the target ports that it reaches; their places from 0 are the SCSI target numbers.
    """

    host: int
    transport: Transport
    port: str
    sees: tuple[PortRef, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MapSpec:
    """A device-mapper device that exists at boot. Table lines are `START LENGTH TYPE PARAMETERS`.

    In a line a disk's kernel name or H:C:T:L stands for its number. `opened`: how many programs have it open.
    """

    name: str
    uuid: str
    table: tuple[str, ...] = ()
    inactive: tuple[str, ...] = ()
    suspended: bool = False
    read_only: bool = False
    opened: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MdSpec:
    """An md array of level multipath that runs at boot. `members`: disks (their kernel names, or H:C:T:L), in the order
    of their places. `disks`: how many places there are; 0: one for each member."""

    name: str
    metadata: str = "1.2"
    uuid: str = "00000000-0000-0000-0000-000000000001"
    members: tuple[str, ...] = ()
    disks: int = 0


@dataclass(frozen=True, slots=True)
class FileSpec:
    """A file of the host."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens `at` so many seconds after boot (0: before anybody looks). Verbs: see `events`."""

    at: float
    verb: str
    args: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSpec:
    """The host itself. `udev_delay`: seconds that udev needs for one event; `time`: seconds since 1970 at boot."""

    release: str = "6.1.0-44-amd64"
    time: float = 1735689600.0
    user: int = 0
    udev: bool = True
    udev_delay: float = 0.0
    device_mapper: bool = True
    native_nvme: bool = False
    """Whether the kernel itself multipaths NVMe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A whole host with its SAN, and what happens to them."""

    name: str = "unnamed"
    host: HostSpec = HostSpec()
    arrays: tuple[Array, ...] = ()
    adapters: tuple[Adapter, ...] = ()
    maps: tuple[MapSpec, ...] = ()
    md: tuple[MdSpec, ...] = ()
    nvme: tuple[NvmeSubsystem, ...] = ()
    files: tuple[FileSpec, ...] = ()
    events: tuple[Event, ...] = ()

    def array(self, name: str) -> Array:
        """An array by its name (KeyError: there is none)."""
        return next((array for array in self.arrays if array.name == name), None) or _missing(name)


def _missing(name: str) -> Array:
    raise KeyError(name)


def paths_at_boot(scenario: Scenario) -> Iterator[tuple[ScsiAddress, Adapter, PortRef, Lun]]:
    """Every path, in the order in which the kernel finds them: by adapter, target and logical unit number."""
    for adapter in scenario.adapters:
        for target, ref in enumerate(adapter.sees):
            for lun in sorted(scenario.array(ref.array).luns, key=lambda lun: lun.number):
                yield ScsiAddress(adapter.host, 0, target, lun.number), adapter, ref, lun
