"""The letters of formats: 25 for maps, 28 for paths, 4 for path groups, each with its title and what it prints.

In: a row. Out: a short text. Pure; every letter has a text for every row, also for a path whose device is gone. Words
are those that monitoring programs look for, so none may change.
"""

import re
import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

from controller.protocol.rows import GroupRow, MapRow, PathRow
from controller.protocol.state import Action
from desired.model import FailbackMode
from observers.dmtable import DevT, GroupState, Sectors, TableGroup
from observers.snapshot import Bus, Path, PathState, dev_key

R = TypeVar("R")

UNDEF = "undef"
NO_TEXT = "[undef]"
NOT_READ = "[unknown]"
NO_WORD = "##"
FOREIGN = "--"
NOT_AVAILABLE = "n/a"
BAR = 10
"""Signs of a progress bar."""


class Wildcard(NamedTuple, Generic[R]):
    """A letter, the title of its column, and its text. `at`: the text when there are so many seconds until the next
    check, for what changes as time passes; None: it does not."""

    letter: str
    title: str
    text: Callable[[R], str]
    at: Callable[[R, int], str] | None = None


_SINGLE = struct.Struct("f")


def size_text(sectors: Sectors) -> str:
    """A size in the unit in which it is under 1024 (but none above P); with one decimal if under 10.

    multipathd computes with single precision: a size just below a limit is at it.
    """
    (amount,) = _SINGLE.unpack(_SINGLE.pack(sectors // 2))
    for unit in "KMGT":
        if amount < 1024:
            return _amount(amount, unit)
        amount /= 1024
    return _amount(amount, "P")


def _amount(amount: float, unit: str) -> str:
    return f"{amount:.1f}{unit}" if amount < 10 else f"{amount:.0f}{unit}"


@lru_cache(maxsize=1024)
def bar(current: int, total: int) -> str:
    """A progress bar and its figures; without a total only these."""
    full = max(0, min(BAR, BAR * current // total)) if total > 0 else 0
    signs = "X" * full + "." * (BAR - full) if total > 0 else ""
    return f"{signs} {current}/{total}"


CHECKED = {
    PathState.UP: "ready",
    PathState.DOWN: "faulty",
    PathState.SHAKY: "shaky",
    PathState.GHOST: "ghost",
    PathState.PENDING: "i/o pending",
    PathState.TIMEOUT: "i/o timeout",
    PathState.DELAYED: "delayed",
    PathState.DISCONNECTED: "disconnected",
}
"""How `%T` calls a state; all others are `undef`."""

_WORKING_STATES = {Bus.SCSI: ("running", "blocked", "quiesce"), Bus.NVME: ("live", "new", "deleting")}
"""Beginnings of the sysfs state of a device that is not offline; other buses have no state."""


def _hctl(row: PathRow) -> str:
    return str(row.path.address) if row.path is not None and row.path.address is not None else "#:#:#:#"


def _name(row: PathRow) -> str:
    return row.path.name if row.path is not None else "-"


def _number(row: PathRow) -> str:
    return row.dev if row.path is not None else "#:#"


def _believed(row: PathRow) -> str:
    return UNDEF if row.active is None else "active" if row.active else "failed"


def _online(row: PathRow) -> str:
    if row.map is None or row.path is None:
        return "unknown"
    words = _WORKING_STATES.get(row.path.bus)
    state = row.path.device_state
    return "offline" if words is not None and state and not state.startswith(words) else "running"


def _checked(row: PathRow) -> str:
    if row.map is None or row.path is None:
        return UNDEF
    return CHECKED.get(row.path.health.state, UNDEF)


def _hardware(row: PathRow) -> str:
    path = row.path
    words = (path.vendor, path.product, path.revision) if path is not None else ("", "", "")
    return ",".join(word or NO_WORD for word in words)


def _next_check(row: PathRow, tick: int) -> str:
    """A check that is due or under way may have more time than there is between two."""
    return "orphan" if row.map is None else bar(min(tick, row.line.check_interval), row.line.check_interval)


def _checker(row: PathRow) -> str:
    """A path has one only for as long as it is in a map."""
    return row.line.checker if row.map is not None and row.line.checker else "(null)"


def _priority(row: PathRow) -> str:
    return "-1" if row.line.priority is None else str(row.line.priority)


def _alias(row: PathRow) -> str:
    if row.map is not None:
        return row.map.name
    return "[offline]" if row.line.awaits_online else "[orphan]"


def _fibre_channel(row: PathRow, name: Callable[[Path], str]) -> str:
    """A name that only Fibre Channel has."""
    if row.path is None or row.path.protocol != "scsi:fcp":
        return NO_TEXT
    return name(row.path) or NOT_READ


_HBA_PROTOCOLS = frozenset({"scsi:fcp", "scsi:sas", "scsi:srp"})
_SLOT = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7](?=/)")


def _adapter(row: PathRow) -> str:
    """The PCI slot of the port that the host adapter is plugged into; its own address where it is in no port."""
    if row.line.adapter or row.path is None or row.path.protocol not in _HBA_PROTOCOLS:
        return row.line.adapter or NO_TEXT
    return _slot(row.path.sysfs.partition("/host")[0] + "/")


@lru_cache(maxsize=256)
def _slot(directory: str) -> str:
    slots = _SLOT.findall(directory)
    return slots[-2:][0] if slots else NO_TEXT


def _lun(row: PathRow) -> str:
    """The logical unit number as SCSI writes it: the four 16-bit words of the number, the lowest first."""
    if row.path is None or row.path.address is None:
        return "0x" + "f" * 16
    return _lun_hex(row.path.address.lun)


@lru_cache(maxsize=4096)
def _lun_hex(lun: int) -> str:
    return "0x" + "".join(f"{lun >> shift & 0xFFFF:04x}" for shift in (0, 16, 32, 48))


def _port_group(row: PathRow) -> str:
    group = row.path.alua.group if row.path is not None else None
    return NO_TEXT if group is None else f"0x{group:04x}"


def _max_sectors(row: PathRow) -> str:
    """Of its request queue, in KiB."""
    tunables = row.path.tunables if row.path is not None else ()
    return next((each.value for each in tunables if each.file.endswith("/queue/max_sectors_kb")), NOT_AVAILABLE)


PATHS: tuple[Wildcard[PathRow], ...] = (
    Wildcard("w", "uuid", lambda row: row.wwid),
    Wildcard("i", "hcil", _hctl),
    Wildcard("d", "dev", _name),
    Wildcard("D", "dev_t", _number),
    Wildcard("t", "dm_st", _believed),
    Wildcard("o", "dev_st", _online),
    Wildcard("T", "chk_st", _checked),
    Wildcard("s", "vend/prod/rev", _hardware),
    Wildcard("c", "checker", _checker),
    Wildcard("C", "next_check", lambda row: _next_check(row, row.tick), at=_next_check),
    Wildcard("p", "pri", _priority),
    Wildcard("S", "size", lambda row: size_text(row.path.size if row.path is not None else Sectors(0))),
    Wildcard("z", "serial", lambda row: row.path.serial if row.path is not None else ""),
    Wildcard("M", "marginal_st", lambda row: "marginal" if row.marginal else "normal"),
    Wildcard("m", "multipath", _alias),
    Wildcard("N", "host WWNN", lambda row: _fibre_channel(row, lambda path: path.host_node_name)),
    Wildcard("n", "target WWNN", lambda row: (row.path.target_node_name if row.path is not None else "") or NO_TEXT),
    Wildcard("R", "host WWPN", lambda row: _fibre_channel(row, lambda path: path.host_port_name)),
    Wildcard("r", "target WWPN", lambda row: _fibre_channel(row, lambda path: path.target_port_name)),
    Wildcard("a", "host adapter", _adapter),
    Wildcard("G", "foreign", lambda _: FOREIGN),
    Wildcard("g", "vpd page data", lambda row: row.line.vendor_page or NO_TEXT),
    Wildcard("0", "failures", lambda row: str(row.failures)),
    Wildcard("P", "protocol", lambda row: row.path.protocol if row.path is not None else UNDEF),
    Wildcard("I", "init_st", lambda row: row.line.init),
    Wildcard("L", "LUN hex", _lun),
    Wildcard("A", "TPG", _port_group),
    Wildcard("k", "max_sectors_kb", _max_sectors),
)


def _failback(row: MapRow) -> str:
    if row.wanted is None:
        return UNDEF
    failback = row.wanted.failback.value
    if failback.mode is not FailbackMode.DELAYED:
        return failback.mode
    if not failback.delay:
        return FailbackMode.IMMEDIATE
    return bar(row.failback_tick, failback.delay) if row.failback_tick else f"deferred:{failback.delay}"


def _no_path_retry(row: MapRow) -> str:
    """The keyword's value in force; empty: it is not set."""
    if row.line.queueing_disabled:
        return "fail"
    resolved = row.wanted.properties.get("no_path_retry") if row.wanted is not None else None
    return resolved.value if resolved is not None else ""


def _queueing(row: MapRow) -> str:
    match _no_path_retry(row):
        case "":
            return "-"
        case "fail" | "0":
            return "off"
        case "queue":
            return "on"
        case retries:
            if row.queueing_tick:
                return f"{row.queueing_tick} sec"
            return f"{retries} chk" if row.usable else "off"


def _first(row: MapRow, word: Callable[[PathRow], str], otherwise: str) -> str:
    """What the first path that has it says."""
    return next(filter(None, map(word, row.paths)), otherwise)


def _vendor_and_product(row: PathRow) -> str:
    path = row.path
    return f"{path.vendor},{path.product}" if path is not None and path.vendor and path.product else ""


def counted(words: tuple[str, ...]) -> str:
    """Words with their count before them, as tables have them."""
    return " ".join((str(len(words)), *words))


def _size(row: MapRow) -> str:
    return size_text(row.map.table.size if row.map.table is not None else Sectors(0))


def _features(row: MapRow) -> str:
    return counted(row.map.table.features if row.map.table is not None else ())


def _handler(row: MapRow) -> str:
    return counted(row.map.table.hardware_handler if row.map.table is not None else ())


def _map_max_sectors(row: MapRow) -> str:
    return NOT_AVAILABLE if row.map.max_sectors_kb is None else str(row.map.max_sectors_kb)


def kernel_name(row: MapRow) -> str:
    """The map's name under /sys/block."""
    return f"dm-{dev_key(row.map.dev)[1]}"


NO_DEVICE = DevT("0:0")
"""The number of a map that is still to be made."""


def _if_made(word: Callable[[MapRow], str]) -> Callable[[MapRow], str]:
    """What only a map that exists can say."""
    return lambda row: UNDEF if row.map.dev == NO_DEVICE else word(row)


def _action(row: MapRow) -> str:
    return "" if row.line.action is Action.RESIZE else row.line.action


MAPS: tuple[Wildcard[MapRow], ...] = (
    Wildcard("n", "name", lambda row: row.map.name),
    Wildcard("w", "uuid", lambda row: row.map.wwid),
    Wildcard("d", "sysfs", _if_made(kernel_name)),
    Wildcard("F", "failback", _failback),
    Wildcard("Q", "queueing", _queueing),
    Wildcard("N", "paths", lambda row: str(row.usable)),
    Wildcard("r", "write_prot", _if_made(lambda row: "ro" if row.map.read_only else "rw")),
    Wildcard("t", "dm-st", _if_made(lambda row: "suspend" if row.map.suspended else "active")),
    Wildcard("S", "size", _size),
    Wildcard("f", "features", _features),
    Wildcard("x", "failures", lambda row: str(row.line.counters.failures)),
    Wildcard("h", "hwhandler", _handler),
    Wildcard("A", "action", _action),
    Wildcard("0", "path_faults", lambda row: str(row.line.counters.path_faults)),
    Wildcard("1", "switch_grp", lambda row: str(row.line.counters.group_switches)),
    Wildcard("2", "map_loads", lambda row: str(row.line.counters.loads)),
    Wildcard("3", "total_q_time", lambda row: str(row.line.counters.queue_seconds)),
    Wildcard("4", "q_timeouts", lambda row: str(row.line.counters.queue_timeouts)),
    Wildcard("s", "vend/prod", lambda row: _first(row, _vendor_and_product, f"{NO_WORD},{NO_WORD}")),
    Wildcard("v", "vend", lambda row: _first(row, lambda each: each.path.vendor if each.path else "", NO_WORD)),
    Wildcard("p", "prod", lambda row: _first(row, lambda each: each.path.product if each.path else "", NO_WORD)),
    Wildcard("e", "rev", lambda row: _first(row, lambda each: each.path.revision if each.path else "", NO_WORD)),
    Wildcard("G", "foreign", lambda _: FOREIGN),
    Wildcard("g", "vpd page data", lambda row: _first(row, lambda each: each.line.vendor_page, NO_TEXT)),
    Wildcard("k", "max_sectors_kb", _map_max_sectors),
)

_GROUP_STATES = {GroupState.ACTIVE: "active", GroupState.ENABLED: "enabled", GroupState.DISABLED: "disabled"}


def _selector(group: TableGroup) -> str:
    return " ".join((group.selector, counted(group.selector_args)))


GROUPS: tuple[Wildcard[GroupRow], ...] = (
    Wildcard("s", "selector", lambda row: _selector(row.table)),
    Wildcard("p", "pri", lambda row: str(row.priority)),
    Wildcard("t", "dm_st", lambda row: _GROUP_STATES[row.status.state] if row.status is not None else UNDEF),
    Wildcard("M", "marginal_st", lambda row: "marginal" if row.marginal else "normal"),
)
"""Only for topologies and JSON: no command takes them."""


def by_letter(wildcards: tuple[Wildcard[R], ...]) -> Mapping[str, Wildcard[R]]:
    """The wildcards, to be looked up."""
    return {each.letter: each for each in wildcards}


PATH = by_letter(PATHS)
MAP = by_letter(MAPS)
GROUP = by_letter(GROUPS)


def _listed(title: str, wildcards: tuple[Wildcard[R], ...]) -> str:
    return f"{title}:\n" + "".join(f"%{each.letter}  {each.title}\n" for each in wildcards)


LIST = _listed("multipath format wildcards", MAPS) + "\n" + _listed("path format wildcards", PATHS)
"""The reply to `show wildcards`."""
