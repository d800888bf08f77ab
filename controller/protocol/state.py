"""What replies are made of: the daemon's world at one instant, as one value.

The loop makes a `State` after each cycle and puts `now` into it for each request (`dataclasses.replace`); so a reply
never waits for a disk, a cycle, or a lock. What the rooms to the left know is taken from their own values (`Snapshot`,
`Desired`, `Config`); what only the daemon's loop knows of a path or a map is a `PathLine` or a `MapLine`, and where the
loop knows nothing yet, `path_line` and `MapLine()` stand for it. Values only.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from controller.protocol.texts import Kept
from desired.config import Config
from desired.model import Desired
from desired.values import Surroundings
from observers.dmtable import DevT
from observers.snapshot import DeviceName, Path, Snapshot, Wwid


class DaemonState(StrEnum):
    """The words of `show daemon`. Clients take any but RUNNING and IDLE for a daemon that is down."""

    INIT = "init"
    STARTUP = "startup"
    CONFIGURE = "configure"
    IDLE = "idle"
    RUNNING = "running"
    SHUTDOWN = "shutdown"


class InitState(StrEnum):
    """How far the daemon is with a new path (wildcard `%I`)."""

    NEW = "new"
    FAILED = "failed"
    MISSING_UDEV = "udev-missing"
    REQUESTED_UDEV = "udev-requested"
    OK = "ok"
    REMOVED = "removed"
    PARTIAL = "partial"


class Reservation(StrEnum):
    """What `getprstatus` and `getprhold` answer."""

    UNSET = "unset"
    SET = "set"
    UNKNOWN = "unknown"


class Action(StrEnum):
    """What the daemon did last with a map, where it is shown (`%A`, topology); other actions have no word."""

    NONE = ""
    REJECT = "reject"
    RENAME = "rename"
    RELOAD = "reload"
    CREATE = "create"
    RESIZE = "resize"
    """Without a word of its own, but not without its place before the name."""
    SWITCH = "switchpg"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathLine:
    """A path as the loop knows it. Its state and whether it is marginal are in the snapshot's `Path`.

    `priority`: None undefined. `checker`: the name of its checker, empty when none was chosen yet. `check_due`:
    monotonic seconds; None: no check is planned. `check_interval`: seconds from the last check to the next.
    `failures`: how often it failed. `awaits_online`: it was offline when it came and is added as soon as it is not.
    `adapter`: where its host adapter is, such as its IP address; empty: see its place in sysfs. `vendor_page`: text out
    of a vendor's VPD page; empty: there is none.
    """

    priority: int | None = None
    checker: str = ""
    check_due: float | None = None
    check_interval: int = 0
    failures: int = 0
    init: InitState = InitState.OK
    awaits_online: bool = False
    adapter: str = ""
    vendor_page: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What `reset maps stats` sets to zero. `queue_seconds`: how long a clock ran that would have ended queueing."""

    path_faults: int = 0
    group_switches: int = 0
    loads: int = 0
    queue_seconds: int = 0
    queue_timeouts: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MapLine:
    """A map as the loop knows it.

    `failback_due`: when I/O goes back to the best group, None: it need not, or not by the clock. `queueing_ends`: when
    queueing without a path ends, None: that clock does not run. `queued_since`: since when I/O waits for want of a
    path, None: it does not; `queued`: for how many seconds it did before, whatever was to end it. Instants are
    monotonic seconds. `queueing_disabled`: by an operator, until it is restored. `reservation_key`: 0 none; `aptpl`:
    with "activate persist through power loss".
    """

    action: Action = Action.NONE
    failback_due: float | None = None
    queueing_ends: float | None = None
    queueing_disabled: bool = False
    queued: float = 0.0
    queued_since: float | None = None
    counters: Counters = field(default_factory=Counters)
    reservation_key: int = 0
    aptpl: bool = False
    reserved: Reservation = Reservation.UNSET
    held: Reservation = Reservation.UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonLine:
    """The daemon itself. `reconfigures`: a reconfigure waits its turn. `busy`: uevents wait to be looked at."""

    pid: int
    state: DaemonState = DaemonState.IDLE
    reconfigures: bool = False
    busy: bool = False
    cycles: int = 0


@dataclass(frozen=True, slots=True)
class OtherDevice:
    """A block device that can be no path of ours. `foreign`: a map of the kernel's own NVMe multipathing."""

    name: DeviceName
    hidden: bool = False
    foreign: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The world. `now`: monotonic seconds. `observed_at`: when the snapshot was taken, by the same clock.

    `config`: the configuration in force. `others`: the block devices that are not in the snapshot, neither as paths
    nor as maps of anybody's. `nr_open`: the kernel's limit of open files. `due`: when a
    path's next check is due, if that is known better than by its line. `kept`: what replies wrote before, of this state
    or of an earlier one.
    """

    snapshot: Snapshot
    desired: Desired
    config: Config
    daemon: DaemonLine
    now: float
    observed_at: float
    paths: Mapping[DeviceName, PathLine] = field(default_factory=dict)
    maps: Mapping[Wwid, MapLine] = field(default_factory=dict)
    others: tuple[OtherDevice, ...] = ()
    due: Callable[[DevT], float | None] | None = None
    kept: Kept = field(default_factory=Kept, compare=False, repr=False)
    nr_open: int = Surroundings().nr_open


NO_MAP_LINE = MapLine()


def path_line(path: Path, *, priority: int | None = None) -> PathLine:
    """What can be said of a path of which the loop says nothing: a program without a daemon asks, or it is new."""
    return PathLine(priority=priority, checker=path.health.checker)
