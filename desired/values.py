"""The nouns of configuration values: enumerations, small frozen values, and what reading a value's text can lead to.

Each word is spelled as in multipath.conf, so `str(value)` is what one would write there. Values only: how text becomes
one of them is in `desired.kinds`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Generic, TypeVar

from observers.snapshot import Account as Account

T = TypeVar("T")


ROOT: Mapping[str, Account] = {"root": Account(0, 0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the meaning of the text depends on besides the text.

    `accounts`: users by name, for `uid` and `gid` (as in multipath-tools `gid` takes a *user* name and means that
    user's primary group); a name that is not in it is an invalid value. Without a user database it holds only root, who
    is 0 everywhere. `nr_open`: the kernel's limit of open files, which caps `max_fds`. `native_nvme`: the kernel joins
    NVMe paths itself, so the default rules leave NVMe devices out.
    """

    accounts: Mapping[str, Account] = field(default_factory=lambda: ROOT)
    nr_open: int = 1_048_576
    native_nvme: bool = False


class Off(StrEnum):
    """Switched off, in keywords that otherwise take seconds or counts."""

    OFF = "off"


class No(StrEnum):
    """Switched off, in the keywords of error accounting and ghost_delay."""

    NO = "no"


class Infinity(StrEnum):
    """No limit of time."""

    INFINITY = "infinity"


class Max(StrEnum):
    """As much as the system allows."""

    MAX = "max"


class RetryMode(StrEnum):
    """What no_path_retry says besides a count of checks."""

    FAIL = "fail"
    QUEUE = "queue"


class GroupingPolicy(StrEnum):
    """How paths are put into groups, in the order in which the words are compared."""

    FAILOVER = "failover"
    MULTIBUS = "multibus"
    GROUP_BY_SERIAL = "group_by_serial"
    GROUP_BY_PRIO = "group_by_prio"
    GROUP_BY_NODE_NAME = "group_by_node_name"
    GROUP_BY_TPG = "group_by_tpg"


class RrWeight(StrEnum):
    """Whether a path's priority multiplies its repeat count."""

    UNIFORM = "uniform"
    PRIORITIES = "priorities"


class FlushOnLastDel(StrEnum):
    """When a queueing map is flushed after its last path went."""

    NEVER = "never"
    ALWAYS = "always"
    UNUSED = "unused"


class FindMultipaths(StrEnum):
    """Which devices count as multipath devices before a second path is seen."""

    OFF = "off"
    ON = "on"
    STRICT = "strict"
    GREEDY = "greedy"
    SMART = "smart"


class LogCheckerErr(StrEnum):
    """How often a failing check is logged."""

    ONCE = "once"
    ALWAYS = "always"


class AutoResize(StrEnum):
    """Whether maps follow a size change of their paths."""

    NEVER = "never"
    GROW_ONLY = "grow_only"
    GROW_SHRINK = "grow_shrink"


class MarginalPathgroups(StrEnum):
    """Whether marginal paths get groups of their own, and who decides that they are marginal."""

    OFF = "off"
    ON = "on"
    FPIN = "fpin"


class VpdVendor(StrEnum):
    """A vendor's VPD page that is read for display."""

    UNDEF = "undef"
    HP3PAR = "hp3par"


class Protocol(StrEnum):
    """How a path's device is attached; the names that `protocol` rules and overrides use."""

    UNDEF = "undef"
    SCSI_FCP = "scsi:fcp"
    SCSI_SPI = "scsi:spi"
    SCSI_SSA = "scsi:ssa"
    SCSI_SBP = "scsi:sbp"
    SCSI_SRP = "scsi:srp"
    SCSI_ISCSI = "scsi:iscsi"
    SCSI_SAS = "scsi:sas"
    SCSI_ADT = "scsi:adt"
    SCSI_ATA = "scsi:ata"
    SCSI_USB = "scsi:usb"
    SCSI_UNSPEC = "scsi:unspec"
    CCW = "ccw"
    CCISS = "cciss"
    NVME_PCIE = "nvme:pcie"
    NVME_RDMA = "nvme:rdma"
    NVME_FC = "nvme:fc"
    NVME_TCP = "nvme:tcp"
    NVME_LOOP = "nvme:loop"
    NVME_APPLE = "nvme:apple-nvme"
    NVME_UNSPEC = "nvme:unspec"


NoPathRetry = int | RetryMode
"""Count of checks, at least 1, or a mode."""
OffOr = int | Off
NoOr = int | No
DevLoss = int | Infinity
MaxFds = int | Max
UidAttrs = tuple[tuple[str, str], ...]
"""Pairs of a device name's beginning and a udev property; the first pair that fits counts."""


@dataclass(frozen=True, slots=True)
class ReservationKey:
    """A SCSI persistent reservation key; `key` None: it is in the prkeys file. `aptpl`: activate persist through power
    loss."""

    key: int | None
    aptpl: bool = False

    def __str__(self) -> str:
        if self.key is None:
            return "file"
        return f"{self.key:#x}:aptpl" if self.aptpl else f"{self.key:#x}"


@dataclass(frozen=True, slots=True)
class Field:
    """One keyword with its value text, as it stands in a file."""

    keyword: str
    text: str
    file: str
    line: int
    surroundings: Surroundings

    @property
    def place(self) -> str:
        """The place in the words of multipath-tools."""
        return f"{self.file} line {self.line}"


class Effect(Enum):
    """What a reading does to the keyword."""

    SET = "set"
    CLEAR = "clear"
    """The value means "not set": an earlier one of the same section goes."""
    KEEP = "keep"
    """The value is not usable: an earlier one stays."""
    REFUSE = "refuse"
    """The whole file is refused (when it is the main file)."""


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """The outcome of reading a field. `complaint` may come with any effect; empty: nothing to tell."""

    effect: Effect
    value: T | None = None
    complaint: str = ""
    hint: str = ""
