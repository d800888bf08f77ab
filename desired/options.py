"""THE table of keywords: one row per keyword and meaning; parser, precedence, printing and help are derived from it.

A row says in which sections the keyword may stand, what kind of value it takes, from which layers a device or map gets
it (the strongest first), and what holds when nobody says anything. The rows stand in the order in which the
configuration is printed. Data only: to read a value's text see `desired.kinds`, to find who wins `desired.precedence`.
A keyword that means different things in different sections (`wwid`, `device`, `protocol`) has a row for each meaning.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any, Generic, TypeVar

from desired.keyword_kinds import (
    DEV_LOSS,
    FAILBACK,
    FIND_MULTIPATHS_WORDS,
    FLUSH,
    GROUP,
    KEY,
    LONGEST_POLLING,
    MARGINAL_WORDS,
    MAX_FDS_WORDS,
    MODE_BITS,
    NO_PATH_RETRY_WORDS,
    POLICY,
    POLLING,
    UID_ATTRS_PAIRS,
    USER,
    VPD_VENDOR,
)
from desired.kinds import (
    EXPRESSION,
    IGNORED,
    INT_MAX,
    INT_MIN,
    MAP_NAME,
    NO_OR_COUNT,
    PLAIN_NAME,
    RULE,
    TEXT,
    YES_NO,
    Kind,
    counted_words,
    integer,
    off_or,
    one_of,
)
from desired.model import Failback, FailbackMode
from desired.regex import Pattern
from desired.values import (
    AutoResize,
    DevLoss,
    FindMultipaths,
    FlushOnLastDel,
    GroupingPolicy,
    LogCheckerErr,
    MarginalPathgroups,
    Max,
    MaxFds,
    No,
    NoOr,
    NoPathRetry,
    OffOr,
    Protocol,
    ReservationKey,
    RrWeight,
    UidAttrs,
    VpdVendor,
)
from observers.snapshot import Bus

T = TypeVar("T")


class Section(StrEnum):
    """A place in which keywords may stand, named by the path of keywords that leads there."""

    ROOT = ""
    DEFAULTS = "defaults"
    BLACKLIST = "blacklist"
    BLACKLIST_DEVICE = "blacklist/device"
    EXCEPTIONS = "blacklist_exceptions"
    EXCEPTIONS_DEVICE = "blacklist_exceptions/device"
    DEVICES = "devices"
    DEVICE = "devices/device"
    OVERRIDES = "overrides"
    PROTOCOL = "overrides/protocol"
    MULTIPATHS = "multipaths"
    MULTIPATH = "multipaths/multipath"


class Layer(Enum):
    """Where a device or map looks for a value."""

    MULTIPATH = "M"
    """The entry of the map's WWID in `multipaths`."""
    PROTOCOL = "P"
    """The subsection of `overrides` for the path's protocol."""
    OVERRIDES = "O"
    DEVICE = "H"
    """The entries of `devices` and of the built-in table that match, the newest first."""
    DEFAULTS = "D"
    BUILT_IN = "B"


@dataclass(frozen=True, slots=True)
class Inert(Generic[T]):
    """What a keyword without effect here stands at, whatever is configured, and why."""

    value: T
    why: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Option(Generic[T]):
    """One row. `layers`: the strongest first; empty for what is not a property of a device or map (rules, sections).

    `default`: the built-in value (None: without a setting there is none), `bus_defaults` where it depends on the bus.
    `multi`: may stand more than once in a section. `opens`: the keyword begins that section. `brace_expected`: its line
    is checked for the opening brace. `stored_as`: the keyword whose value it sets, when it is a second spelling.
    `ignored`: the built-in value that is used whatever is configured; None: the keyword is in force.
    `inert`: it is read and printed as ever, and nothing here depends on it.
    """

    keyword: str
    sections: tuple[Section, ...]
    kind: Kind[T]
    layers: tuple[Layer, ...] = ()
    default: T | None = None
    bus_defaults: Mapping[Bus, T] = field(default_factory=dict)
    multi: bool = False
    opens: Section | None = None
    brace_expected: bool = False
    stored_as: str = ""
    ignored: str | None = None
    inert: Inert[T] | None = None

    @property
    def key(self) -> str:
        """The keyword under which the value is kept."""
        return self.stored_as or self.keyword

    def write(self, value: T) -> str:
        """The value's text, as one would write it in the configuration (without quotes)."""
        return self.kind.write(value)


_D = (Section.DEFAULTS,)
_DH = (Section.DEFAULTS, Section.DEVICE)
_DM = (Section.DEFAULTS, Section.MULTIPATH)
_DHM = (Section.DEFAULTS, Section.DEVICE, Section.MULTIPATH)
_DHO = (Section.DEFAULTS, Section.DEVICE, Section.OVERRIDES)
_DHOM = (*_DHO, Section.MULTIPATH)
_DHOP = (*_DHO, Section.PROTOCOL)
_H = (Section.DEVICE,)
_M = (Section.MULTIPATH,)
_RULES = (Section.BLACKLIST, Section.EXCEPTIONS)
_DEVICE_RULES = (Section.BLACKLIST_DEVICE, Section.EXCEPTIONS_DEVICE)
_ROOT = (Section.ROOT,)

_ONLY_DEFAULTS = (Layer.DEFAULTS, Layer.BUILT_IN)
_ONLY_DEVICE = (Layer.DEVICE, Layer.BUILT_IN)
_ONLY_MULTIPATH = (Layer.MULTIPATH,)
_FROM_MULTIPATH = (Layer.MULTIPATH, Layer.OVERRIDES, Layer.DEVICE, Layer.DEFAULTS, Layer.BUILT_IN)
_FROM_OVERRIDES = (Layer.OVERRIDES, Layer.DEVICE, Layer.DEFAULTS, Layer.BUILT_IN)
_FROM_PROTOCOL = (Layer.PROTOCOL, *_FROM_OVERRIDES)
_FROM_DEVICE = (Layer.DEVICE, Layer.DEFAULTS, Layer.BUILT_IN)
_MULTIPATH_OR_DEFAULTS = (Layer.MULTIPATH, Layer.DEFAULTS)

_COUNT = integer(0, INT_MAX)
_SECONDS = integer(0, INT_MAX, unit="seconds")
_SET_COUNT = integer(0, INT_MAX, zero_clears=True)
_FEATURES = counted_words(0, example="1 queue_if_no_path")


def _globally(keyword: str, kind: Kind[T], default: T | None = None, *, inert: Inert[T] | None = None) -> Option[T]:
    """A setting of the whole daemon."""
    return Option(keyword=keyword, sections=_D, kind=kind, layers=_ONLY_DEFAULTS, default=default, inert=inert)


def _per_map(keyword: str, kind: Kind[T], default: T | None = None) -> Option[T]:
    """A property that each map may have of its own."""
    return Option(keyword=keyword, sections=_DHOM, kind=kind, layers=_FROM_MULTIPATH, default=default)


def _per_device(keyword: str, kind: Kind[T], default: T | None = None) -> Option[T]:
    """A property of paths by their hardware."""
    return Option(keyword=keyword, sections=_DHO, kind=kind, layers=_FROM_OVERRIDES, default=default)


def _per_transport(keyword: str, kind: Kind[T], default: T | None = None) -> Option[T]:
    """A property of paths by their hardware and by how they are attached."""
    return Option(keyword=keyword, sections=_DHOP, kind=kind, layers=_FROM_PROTOCOL, default=default)


NOTHING = "(not set)"
"""What messages call the built-in value of an ignored keyword that has none."""


def _ignored(keyword: str, instead: str = NOTHING, sections: tuple[Section, ...] = _D) -> Option[str]:
    """A keyword that is accepted and has no effect; `instead`: what holds."""
    return Option(keyword=keyword, sections=sections, kind=IGNORED, ignored=instead)


def _rule(keyword: str) -> Option[Pattern]:
    """A rule of the blacklist and of its exceptions."""
    return Option(keyword=keyword, sections=_RULES, kind=RULE, multi=True)


def _section(keyword: str, inside: Section, opens: Section, *, multi: bool = False) -> Option[str]:
    """A keyword that begins a section. `protocol` and `overrides` are not checked for their brace, as ever."""
    checked = keyword not in ("protocol", "overrides")
    return Option(keyword=keyword, sections=(inside,), kind=TEXT, opens=opens, multi=multi, brace_expected=checked)


VERBOSITY = _globally("verbosity", integer(0, 4), 2)
POLLING_INTERVAL = _globally("polling_interval", POLLING, 5)
"""Seconds; loading completes this and the next from each other when only one is set."""
MAX_POLLING_INTERVAL = _globally("max_polling_interval", LONGEST_POLLING, 20)
REASSIGN_MAPS = _globally(
    "reassign_maps",
    YES_NO,
    default=False,
    inert=Inert(value=False, why="devices of others are put onto a map only by the command 'reset map'"),
)
MULTIPATH_DIR = _ignored("multipath_dir", "/lib64/multipath")
PATH_SELECTOR = _per_map("path_selector", counted_words(1, example="service-time 0"), "service-time 0")
PATH_GROUPING_POLICY = _per_map("path_grouping_policy", POLICY, GroupingPolicy.FAILOVER)
UID_ATTRS: Option[UidAttrs] = _globally("uid_attrs", UID_ATTRS_PAIRS)
UID_ATTRIBUTE = Option(
    keyword="uid_attribute",
    sections=_DHO,
    kind=TEXT,
    layers=_FROM_OVERRIDES,
    default="ID_SERIAL",
    bus_defaults={Bus.NVME: "ID_WWN", Bus.CCW: "ID_UID"},
)
GETUID_CALLOUT = _ignored("getuid_callout", sections=_DHO)
PRIO = _per_map("prio", TEXT, "const")
PRIO_ARGS = _per_map("prio_args", TEXT, "")
FEATURES = _per_map("features", _FEATURES, "0")
PATH_CHECKER = _per_device("path_checker", TEXT, "tur")
CHECKER = Option(keyword="checker", sections=_DHO, kind=TEXT, stored_as="path_checker")
ALIAS_PREFIX = _per_device("alias_prefix", PLAIN_NAME, "mpath")
FAILBACK_OPTION: Option[Failback] = _per_map("failback", FAILBACK, Failback(FailbackMode.MANUAL))
RR_MIN_IO = _per_map("rr_min_io", _SET_COUNT, 1000)
RR_MIN_IO_RQ = _per_map("rr_min_io_rq", _SET_COUNT, 1)
MAX_FDS: Option[MaxFds] = _globally("max_fds", MAX_FDS_WORDS, Max.MAX)
RR_WEIGHT = _per_map("rr_weight", one_of(RrWeight), RrWeight.UNIFORM)
NO_PATH_RETRY: Option[NoPathRetry] = _per_map("no_path_retry", NO_PATH_RETRY_WORDS)
QUEUE_WITHOUT_DAEMON = _globally("queue_without_daemon", YES_NO, default=False)
CHECKER_TIMEOUT = _globally("checker_timeout", integer(0, INT_MAX, zero_clears=True, unit="seconds"))
ALLOW_USB_DEVICES = _globally("allow_usb_devices", YES_NO, default=False)
PG_TIMEOUT = _ignored("pg_timeout", sections=_DHM)
FLUSH_ON_LAST_DEL = _per_map("flush_on_last_del", FLUSH, FlushOnLastDel.UNUSED)
USER_FRIENDLY_NAMES = _per_map("user_friendly_names", YES_NO, default=False)
MODE = Option(keyword="mode", sections=_DM, kind=MODE_BITS, layers=_MULTIPATH_OR_DEFAULTS)
UID = Option(keyword="uid", sections=_DM, kind=USER, layers=_MULTIPATH_OR_DEFAULTS)
GID = Option(keyword="gid", sections=_DM, kind=GROUP, layers=_MULTIPATH_OR_DEFAULTS)
FAST_IO_FAIL_TMO: Option[OffOr] = _per_transport("fast_io_fail_tmo", off_or(1, INT_MAX, unit="seconds"), 5)
DEV_LOSS_TMO: Option[DevLoss] = _per_transport("dev_loss_tmo", DEV_LOSS)
EH_DEADLINE: Option[OffOr] = _per_transport("eh_deadline", off_or(1, INT_MAX, unit="seconds"))
MAX_RETRIES: Option[OffOr] = _globally("max_retries", off_or(1, 5, unit="retries"))
BINDINGS_FILE = _ignored("bindings_file", "/etc/multipath/bindings")
WWIDS_FILE = _ignored("wwids_file", "/etc/multipath/wwids")
PRKEYS_FILE = _ignored("prkeys_file", "/etc/multipath/prkeys")
LOG_CHECKER_ERR = _globally(
    "log_checker_err",
    one_of(LogCheckerErr),
    LogCheckerErr.ALWAYS,
    inert=Inert(LogCheckerErr.ONCE, "of a path that stays down only what is new is told"),
)
RESERVATION_KEY: Option[ReservationKey] = Option(
    keyword="reservation_key", sections=_DM, kind=KEY, layers=_MULTIPATH_OR_DEFAULTS
)
ALL_TG_PT = _per_device("all_tg_pt", YES_NO, default=False)
RETAIN_ATTACHED_HW_HANDLER = _per_device("retain_attached_hw_handler", YES_NO, default=True)
DETECT_PRIO = _per_device("detect_prio", YES_NO, default=True)
DETECT_CHECKER = _per_device("detect_checker", YES_NO, default=True)
DETECT_PGPOLICY = _per_device("detect_pgpolicy", YES_NO, default=True)
DETECT_PGPOLICY_USE_TPG = _per_device("detect_pgpolicy_use_tpg", YES_NO, default=False)
FORCE_SYNC = _globally(
    "force_sync",
    YES_NO,
    default=False,
    inert=Inert(value=False, why="no check waits for another one, and how many are out at a time is limited anyway"),
)
STRICT_TIMING = _globally(
    "strict_timing",
    YES_NO,
    default=False,
    inert=Inert(value=False, why="there are no rounds of checks: each path has a time of its own"),
)
DEFERRED_REMOVE = _per_map("deferred_remove", YES_NO, default=False)
PARTITION_DELIMITER = _globally("partition_delimiter", PLAIN_NAME)
CONFIG_DIR = _ignored("config_dir", "/etc/multipath/conf.d")
DELAY_WATCH_CHECKS: Option[NoOr] = _per_map("delay_watch_checks", NO_OR_COUNT, No.NO)
DELAY_WAIT_CHECKS: Option[NoOr] = _per_map("delay_wait_checks", NO_OR_COUNT, No.NO)
SAN_PATH_ERR_THRESHOLD: Option[NoOr] = _per_map("san_path_err_threshold", NO_OR_COUNT, No.NO)
SAN_PATH_ERR_FORGET_RATE: Option[NoOr] = _per_map("san_path_err_forget_rate", NO_OR_COUNT, No.NO)
SAN_PATH_ERR_RECOVERY_TIME: Option[NoOr] = _per_map("san_path_err_recovery_time", NO_OR_COUNT, No.NO)
MARGINAL_PATH_ERR_SAMPLE_TIME: Option[NoOr] = _per_map("marginal_path_err_sample_time", NO_OR_COUNT, No.NO)
MARGINAL_PATH_ERR_RATE_THRESHOLD: Option[NoOr] = _per_map("marginal_path_err_rate_threshold", NO_OR_COUNT, No.NO)
MARGINAL_PATH_ERR_RECHECK_GAP_TIME: Option[NoOr] = _per_map("marginal_path_err_recheck_gap_time", NO_OR_COUNT, No.NO)
MARGINAL_PATH_DOUBLE_FAILED_TIME: Option[NoOr] = _per_map("marginal_path_double_failed_time", NO_OR_COUNT, No.NO)
FIND_MULTIPATHS = _globally("find_multipaths", FIND_MULTIPATHS_WORDS, FindMultipaths.STRICT)
UXSOCK_TIMEOUT = _globally("uxsock_timeout", integer(4000, INT_MAX, unit="milliseconds"), 4000)
RETRIGGER_TRIES = _globally("retrigger_tries", _COUNT, 3)
RETRIGGER_DELAY = _globally("retrigger_delay", _SECONDS, 10)
MISSING_UEV_WAIT_TIMEOUT = _globally("missing_uev_wait_timeout", _SECONDS, 30)
SKIP_KPARTX = _per_map("skip_kpartx", YES_NO, default=False)
PURGE_DISCONNECTED = _per_map("purge_disconnected", YES_NO, default=False)
DISABLE_CHANGED_WWIDS = _ignored("disable_changed_wwids", "yes")
REMOVE_RETRIES = _globally("remove_retries", _COUNT, 0)
MAX_SECTORS_KB = _per_map("max_sectors_kb", _SET_COUNT)
GHOST_DELAY: Option[NoOr] = _per_map("ghost_delay", NO_OR_COUNT, No.NO)
AUTO_RESIZE = _globally("auto_resize", one_of(AutoResize), AutoResize.NEVER)
FIND_MULTIPATHS_TIMEOUT = _globally(
    "find_multipaths_timeout", integer(INT_MIN, INT_MAX, zero_clears=True, unit="seconds"), -10
)
"""Seconds; negative: that long only for hardware that the table knows."""
ENABLE_FOREIGN = _globally("enable_foreign", EXPRESSION, "NONE")
MARGINAL_PATHGROUPS = _globally("marginal_pathgroups", MARGINAL_WORDS, MarginalPathgroups.OFF)
RECHECK_WWID = _per_device("recheck_wwid", YES_NO, default=False)

DEVNODE = _rule("devnode")
WWID_RULE = _rule("wwid")
PROPERTY = _rule("property")
PROTOCOL_RULE = _rule("protocol")
VENDOR_RULE = Option(keyword="vendor", sections=_DEVICE_RULES, kind=RULE)
PRODUCT_RULE = Option(keyword="product", sections=_DEVICE_RULES, kind=RULE)

VENDOR = Option(keyword="vendor", sections=_H, kind=EXPRESSION)
PRODUCT = Option(keyword="product", sections=_H, kind=EXPRESSION)
REVISION = Option(keyword="revision", sections=_H, kind=EXPRESSION)
PRODUCT_BLACKLIST = Option(keyword="product_blacklist", sections=_H, kind=EXPRESSION)
HARDWARE_HANDLER = Option(
    keyword="hardware_handler",
    sections=_H,
    kind=counted_words(0, example="1 alua"),
    layers=_FROM_DEVICE,
    default="0",
)
VPD_VENDOR_OPTION: Option[VpdVendor] = Option(
    keyword="vpd_vendor", sections=_H, kind=VPD_VENDOR, layers=_ONLY_DEVICE, default=VpdVendor.UNDEF
)

TYPE: Option[Protocol] = Option(keyword="type", sections=(Section.PROTOCOL,), kind=one_of(Protocol))
WWID = Option(keyword="wwid", sections=_M, kind=TEXT)
ALIAS = Option(keyword="alias", sections=_M, kind=MAP_NAME, layers=_ONLY_MULTIPATH)

SECTIONS: tuple[Option[str], ...] = (
    _section("defaults", Section.ROOT, Section.DEFAULTS),
    _section("blacklist", Section.ROOT, Section.BLACKLIST),
    _section("device", Section.BLACKLIST, Section.BLACKLIST_DEVICE, multi=True),
    _section("blacklist_exceptions", Section.ROOT, Section.EXCEPTIONS),
    _section("device", Section.EXCEPTIONS, Section.EXCEPTIONS_DEVICE, multi=True),
    _section("devices", Section.ROOT, Section.DEVICES),
    _section("device", Section.DEVICES, Section.DEVICE, multi=True),
    _section("overrides", Section.ROOT, Section.OVERRIDES),
    _section("protocol", Section.OVERRIDES, Section.PROTOCOL, multi=True),
    _section("multipaths", Section.ROOT, Section.MULTIPATHS),
    _section("multipath", Section.MULTIPATHS, Section.MULTIPATH, multi=True),
)

OPTIONS: tuple[Option[Any], ...] = (
    VERBOSITY, POLLING_INTERVAL, MAX_POLLING_INTERVAL, REASSIGN_MAPS, MULTIPATH_DIR, PATH_SELECTOR,
    PATH_GROUPING_POLICY, UID_ATTRS, UID_ATTRIBUTE, GETUID_CALLOUT, PRIO, PRIO_ARGS, FEATURES, PATH_CHECKER, CHECKER,
    ALIAS_PREFIX, FAILBACK_OPTION, RR_MIN_IO, RR_MIN_IO_RQ, MAX_FDS, RR_WEIGHT, NO_PATH_RETRY, QUEUE_WITHOUT_DAEMON,
    CHECKER_TIMEOUT, ALLOW_USB_DEVICES, PG_TIMEOUT, FLUSH_ON_LAST_DEL, USER_FRIENDLY_NAMES, MODE, UID, GID,
    FAST_IO_FAIL_TMO, DEV_LOSS_TMO, EH_DEADLINE, MAX_RETRIES, BINDINGS_FILE, WWIDS_FILE, PRKEYS_FILE, LOG_CHECKER_ERR,
    RESERVATION_KEY, ALL_TG_PT, RETAIN_ATTACHED_HW_HANDLER, DETECT_PRIO, DETECT_CHECKER, DETECT_PGPOLICY,
    DETECT_PGPOLICY_USE_TPG, FORCE_SYNC, STRICT_TIMING, DEFERRED_REMOVE, PARTITION_DELIMITER, CONFIG_DIR,
    DELAY_WATCH_CHECKS, DELAY_WAIT_CHECKS, SAN_PATH_ERR_THRESHOLD, SAN_PATH_ERR_FORGET_RATE, SAN_PATH_ERR_RECOVERY_TIME,
    MARGINAL_PATH_ERR_SAMPLE_TIME, MARGINAL_PATH_ERR_RATE_THRESHOLD, MARGINAL_PATH_ERR_RECHECK_GAP_TIME,
    MARGINAL_PATH_DOUBLE_FAILED_TIME, FIND_MULTIPATHS, UXSOCK_TIMEOUT, RETRIGGER_TRIES, RETRIGGER_DELAY,
    MISSING_UEV_WAIT_TIMEOUT, SKIP_KPARTX, PURGE_DISCONNECTED, DISABLE_CHANGED_WWIDS, REMOVE_RETRIES, MAX_SECTORS_KB,
    GHOST_DELAY, AUTO_RESIZE, FIND_MULTIPATHS_TIMEOUT, ENABLE_FOREIGN, MARGINAL_PATHGROUPS, RECHECK_WWID,
    DEVNODE, WWID_RULE, PROPERTY, PROTOCOL_RULE, VENDOR_RULE, PRODUCT_RULE,
    VENDOR, PRODUCT, REVISION, PRODUCT_BLACKLIST, HARDWARE_HANDLER, VPD_VENDOR_OPTION,
    TYPE, WWID, ALIAS, *SECTIONS,
)  # fmt: skip


def _grammar() -> dict[Section, dict[str, Option[Any]]]:
    grammar: dict[Section, dict[str, Option[Any]]] = {section: {} for section in Section}
    for option in OPTIONS:
        for section in option.sections:
            grammar[section][option.keyword] = option
    return grammar


GRAMMAR: Mapping[Section, Mapping[str, Option[Any]]] = _grammar()
"""For each section its keywords, in the order of the table."""

BRACED = frozenset(option.keyword for option in SECTIONS if option.brace_expected)
"""Keywords whose line is checked for the opening brace, in whatever section they stand."""
