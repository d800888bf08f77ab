"""The nouns of what should be: for every map the complete table to load, with an origin behind every value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from desired.care import MapCare
from desired.values import ReservationKey
from observers.dmtable import DevT, MultipathTable
from observers.snapshot import Alias, DeviceName, DmUuid, PathState, Wwid, map_uuid

T_co = TypeVar("T_co", covariant=True)


class OriginKind(StrEnum):
    """The layers that a value can come from, the strongest first."""

    COMMAND_LINE = "command line"
    AUTODETECTED = "storage device autodetected"
    KERNEL = "kernel"
    MULTIPATHS = "multipaths section"
    OVERRIDES = "overrides section"
    PROTOCOL = "overrides protocol section"
    DEVICES = "devices section"
    HARDWARE_TABLE = "built-in hardware table"
    DEFAULTS = "defaults section"
    BLACKLIST = "blacklist section"
    EXCEPTIONS = "blacklist_exceptions section"
    BUILT_IN = "built-in default"
    BINDINGS = "bindings file"
    EXISTING_MAP = "existing map"
    IMPLIED = "implied"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from. `where`: `FILE:LINE`, or the hardware table entry with its expressions; `why`: what
    was seen (autodetection) or which keyword implied it; both may be empty."""

    kind: OriginKind
    where: str = ""
    why: str = ""

    def __str__(self) -> str:
        detail = ", ".join(part for part in (self.where, self.why) if part)
        return f"{self.kind} ({detail})" if detail else str(self.kind)


@dataclass(frozen=True, slots=True)
class Resolved(Generic[T_co]):
    """A value and the origin that won. `replaced`: the value that it took the place of within its own layer (a line
    above it, an earlier file), for explaining; two values are the same whatever they replaced."""

    value: T_co
    origin: Origin
    replaced: "Resolved[T_co] | None" = field(default=None, compare=False, repr=False)


class FailbackMode(StrEnum):
    """When I/O goes back to the best group."""

    MANUAL = "manual"
    IMMEDIATE = "immediate"
    FOLLOWOVER = "followover"
    DELAYED = "delayed"


@dataclass(frozen=True, slots=True)
class Failback:
    """`delay`: seconds, for DELAYED only."""

    mode: FailbackMode
    delay: int = 0

    def __str__(self) -> str:
        return str(self.delay) if self.mode is FailbackMode.DELAYED else str(self.mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A path of a desired map, with what put it where it is in the table."""

    name: DeviceName
    dev: DevT
    state: PathState
    priority: Resolved[int | None]
    """None: the prioritizer could not tell."""
    sysfs: str
    """The device's directory under /sys."""
    announced: bool
    """Whether udev already calls it a multipath path (DM_MULTIPATH_DEVICE_PATH=1)."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """A sysfs attribute of a path, its port or its adapter, and what should be in it."""

    file: str
    wanted: Resolved[str]

    @property
    def name(self) -> str:
        """The attribute's own name, such as `dev_loss_tmo`."""
        return self.file.rpartition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredMap:
    """One map as it should be.

    `table` is complete: size, features (with `queue_if_no_path` exactly when I/O should queue), handler, groups in
    order, and the best group as the initial one. `members` are its paths in table order. `properties` holds every other
    resolved value by keyword, as printed text, for explaining. `mismatched_sizes`: why the map must not be touched
    (paths of several sizes), else empty.
    """

    wwid: Wwid
    alias: Resolved[Alias]
    table: MultipathTable
    members: tuple[Member, ...]
    failback: Resolved[Failback]
    read_only: bool = False
    skip_kpartx: bool = False
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    reject: str = ""
    properties: Mapping[str, Resolved[str]]
    care: MapCare = field(default_factory=MapCare)
    """How it is to be watched over."""
    tunings: tuple[Tuning, ...] = ()
    """What the attributes of its paths should be, each file once."""
    reservation_key: ReservationKey | None = None
    """Under which key its paths are registered for persistent reservations, if they are."""

    @property
    def uuid(self) -> DmUuid:
        """The UUID of the map's device."""
        return map_uuid(self.wwid)


class Verdict(StrEnum):
    """What becomes of a block device."""

    ADMITTED = "admitted"
    BLACKLISTED = "blacklisted"
    WAITING = "waiting"
    """It may become a path later (find_multipaths: no second path yet)."""
    UNVERIFIED = "unverified"
    """It would enter a map, but its identity was not read from the device."""
    MISMATCH = "mismatch"
    """The device says that it is another logical unit than udev and the map believe."""
    NO_WWID = "no wwid"
    NOT_A_DISK = "not a disk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """The verdict on one block device, in words that name the rule; `wwid` is empty when none is known.

    `priority`: of a disk that waits for a second path, None: not known; of paths of maps see `Member`.
    """

    name: DeviceName
    dev: DevT
    wwid: Wwid
    verdict: Verdict
    reason: str
    origin: Origin
    priority: int | None = None


class Severity(StrEnum):
    """How bad a message about the configuration is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigMessage:
    """Something to tell about the configuration text. `line`, `column` count from 1; 0: the file as a whole. `ours`:
    multipath-tools says nothing of it, so it is left out where exactly its words are expected."""

    severity: Severity
    file: str
    line: int
    column: int = 0
    text: str
    hint: str = ""
    ours: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What should be on the host: maps in the order of their first path, and the files that should record them.

    `bindings`: the whole text that the bindings file should have; None: as it is. `wwids`: WWIDs that the wwids file
    holds now. `keep`: existing maps that must be left alone although no admitted path leads to them, with the reason.
    """

    maps: tuple[DesiredMap, ...]
    admissions: tuple[Admission, ...] = ()
    bindings: str | None = None
    wwids: frozenset[Wwid] = frozenset()
    keep: Mapping[Wwid, str]
    messages: tuple[ConfigMessage, ...] = ()
