"""What commands ask the daemon to do, and the words for how it ended.

A command that changes something, or that asks for what only the loop has, becomes one of these values; the loop does it
in its own time and answers with a `Result`, or for those that derive from `Question` with a text. Values only: paths
and maps are already found, so that a request can't mean another device than the one that its sender saw.
"""

from dataclasses import dataclass
from enum import StrEnum

from observers.dmtable import DevT
from observers.snapshot import Alias, DeviceName, Wwid


class Result(StrEnum):
    """How a request ended; the value is the whole reply."""

    DONE = "ok\n"
    FAILED = "fail\n"
    NOT_FOUND = "fail\ndevice not found\n"
    BUSY = "fail\nmap or partition in use\n"
    BLACKLISTED = "blacklisted\n"
    """`add path`, `add map`: a rule keeps the device out."""
    DELAYED = "delayed\n"
    """`del path`: as soon as the map may be loaded: its creation is complete, or it is resumed."""
    REMOVED_WITH_ERROR = "map reload error. removed\n"
    """`del path`: the path is forgotten, but its map could not be loaded without it yet."""


@dataclass(frozen=True, slots=True)
class Request:
    """Something to do."""


@dataclass(frozen=True, slots=True)
class Question(Request):
    """Something to say: the answer is a text."""


@dataclass(frozen=True, slots=True)
class PathRequest(Request):
    """About one path. `map`: the WWID of the map that it is in, None for a path in no map."""

    path: DeviceName
    dev: DevT
    map: Wwid | None


@dataclass(frozen=True, slots=True)
class MapRequest(Request):
    """About one map."""

    map: Wwid
    alias: Alias


@dataclass(frozen=True, slots=True)
class AddPath(Request):
    """Look at a device and make it a path. FAILED: there is none; BLACKLISTED: a rule is against it."""

    name: DeviceName


@dataclass(frozen=True, slots=True)
class DelPath(PathRequest):
    """Take a path out of its map and forget it until it is added again."""


@dataclass(frozen=True, slots=True)
class FailPath(PathRequest):
    """Fail a path in dm, and check it no more until it is reinstated."""


@dataclass(frozen=True, slots=True)
class ReinstatePath(PathRequest):
    """Reinstate a path in dm, and check it again."""


@dataclass(frozen=True, slots=True)
class SetMarginal(PathRequest):
    """Put a path into a marginal group."""


@dataclass(frozen=True, slots=True)
class UnsetMarginal(PathRequest):
    """Take a path out of its marginal group."""


@dataclass(frozen=True, slots=True)
class AddMap(Request):
    """Make the map of this WWID out of the paths that there are."""

    map: Wwid


@dataclass(frozen=True, slots=True)
class DelMap(MapRequest):
    """Remove a map, with its partitions. BUSY: somebody uses it. It stays away until it is added, or reconfigured."""


@dataclass(frozen=True, slots=True)
class DelMaps(Request):
    """Remove all maps that nobody uses. BUSY: some stayed."""


@dataclass(frozen=True, slots=True)
class Switch(MapRequest):
    """Use another path group. `group`: from 1; whether there is such a group is for the kernel to say."""

    group: int


@dataclass(frozen=True, slots=True)
class Reconfigure(Request):
    """Read the configuration again. `everything`: reload every map, not only those that differ."""

    everything: bool = False


@dataclass(frozen=True, slots=True)
class SuspendMap(MapRequest):
    """Suspend a map."""


@dataclass(frozen=True, slots=True)
class ResumeMap(MapRequest):
    """Resume a map."""


@dataclass(frozen=True, slots=True)
class ResizeMap(MapRequest):
    """Give a map the size of its paths. DONE also when it has it; FAILED when they differ."""


@dataclass(frozen=True, slots=True)
class ReloadMap(MapRequest):
    """Load a map's table again, whether or not it differs."""


@dataclass(frozen=True, slots=True)
class ResetMap(MapRequest):
    """Let the devices on top of a map's paths use the map instead."""


@dataclass(frozen=True, slots=True)
class ResetStats(Request):
    """Set counters to zero. `map`: None for all."""

    map: Wwid | None = None


@dataclass(frozen=True, slots=True)
class DisableQueueing(Request):
    """Stop queueing until it is restored. `map`: None for all."""

    map: Wwid | None = None


@dataclass(frozen=True, slots=True)
class RestoreQueueing(Request):
    """Queue again as configured. `map`: None for all."""

    map: Wwid | None = None


@dataclass(frozen=True, slots=True)
class ForceQueueing(Request):
    """Whether maps go on queueing when the daemon ends, whatever is configured."""

    forced: bool


@dataclass(frozen=True, slots=True)
class Quit(Request):
    """End the connection, after `ok`."""


@dataclass(frozen=True, slots=True)
class Shutdown(Request):
    """End the daemon, after `ok`."""


@dataclass(frozen=True, slots=True)
class SetReserved(MapRequest):
    """Register the map's key through its active paths. `paths`: through these, which are registered; None: all.

    DONE even when it came to nothing; `getprstatus` says whether it did.
    """

    paths: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class UnsetReserved(MapRequest):
    """Forget that the map's key is registered, and that it is held."""


@dataclass(frozen=True, slots=True)
class SetKey(MapRequest):
    """Record a map's reservation key in the file of keys. `aptpl`: with "activate persist through power loss"."""

    key: int
    aptpl: bool = False


@dataclass(frozen=True, slots=True)
class UnsetKey(MapRequest):
    """Take a map's reservation key out of the file of keys."""


@dataclass(frozen=True, slots=True)
class SetHeld(MapRequest):
    """Remember that a reservation is held through a map, or that none is."""

    held: bool


@dataclass(frozen=True, slots=True)
class UnsetMarginals(MapRequest):
    """Take all paths of a map out of marginal groups."""


@dataclass(frozen=True, slots=True)
class ShowMetrics(Question):
    """Metrics, in the OpenMetrics text format."""


@dataclass(frozen=True, slots=True)
class ShowEvents(Question):
    """What was seen, decided and done, as JSON lines. `since`: those after this number; 0: all that are kept."""

    since: int = 0


@dataclass(frozen=True, slots=True)
class ShowMd(Question):
    """The md multipath arrays and their paths."""


@dataclass(frozen=True, slots=True)
class DumpRecorder(Question):
    """Write the flight recorder; the answer is where it is."""
