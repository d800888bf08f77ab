"""How a map and its paths are to be watched over: the nouns for what the configuration says about time and errors.

Everything here is a setting of multipath.conf(5) under its own name, after precedence and after what one keyword
implies for another, with switched-off spelled as None or 0. `desired.care_settings` makes them. Values only; the
defaults are the built-in ones, so that `MapCare()` is what holds when nobody configured anything.
"""

from dataclasses import dataclass, field

from desired.values import FlushOnLastDel, MarginalPathgroups, NoPathRetry


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorLimits:
    """san_path_err_*: a path that came back more than `threshold` times is held back for `recovery_time` seconds.

    `forget_rate`: good checks after which one failure is forgotten.
    """

    threshold: int
    forget_rate: int
    recovery_time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleLimits:
    """marginal_path_*: when a path that failed twice is tried with reads of its own. Times in seconds.

    `double_failed_time`: within which two failures make it suspect. `sample_time`: for how long it is read from.
    `rate_threshold`: failed reads in a thousand that are still borne. `recheck_gap_time`: until it is tried again.
    """

    double_failed_time: int
    sample_time: int
    rate_threshold: int
    recheck_gap_time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PathCare:
    """How one path is checked. Intervals in seconds. `errors`, `sampling`: None where that is switched off.

    `purge`: whether its device may be deleted once the target says that the logical unit is no longer mapped.
    `recheck_wwid`: as configured, for showing; identity is read with every check whatever it says.
    """

    polling_interval: int = 5
    max_polling_interval: int = 20
    errors: ErrorLimits | None = None
    sampling: SampleLimits | None = None
    marginal_groups: MarginalPathgroups = MarginalPathgroups.OFF
    purge: bool = False
    recheck_wwid: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MapCare:
    """How a map is watched over. Times in seconds. `path`: how its paths are.

    `no_path_retry`: count of checks, a mode, or None: the kernel is left as it is. `ghost_delay` 0: off.
    `missing_uev_wait`: how long a new map's table waits for udev.
    """

    path: PathCare = field(default_factory=PathCare)
    no_path_retry: NoPathRetry | None = None
    flush_on_last_del: FlushOnLastDel = FlushOnLastDel.UNUSED
    deferred_remove: bool = False
    ghost_delay: int = 0
    missing_uev_wait: int = 30
    queue_without_daemon: bool = False
