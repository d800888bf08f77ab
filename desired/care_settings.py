"""From the configuration to how maps and paths are watched over.

In: the layers for a device and its map, and what other decisions made of them (error accounting, no_path_retry after
the features string was looked at). Out: `MapCare` and `PathCare`. Pure; must never know of a path's state.
"""

from collections.abc import Mapping
from typing import Any

from desired import options
from desired.accounting import error_accounting
from desired.care import ErrorLimits, MapCare, PathCare, SampleLimits
from desired.model import Resolved
from desired.precedence import Layers
from desired.values import NoPathRetry, RetryMode

Accounting = Mapping[str, Resolved[Any]]


def path_care(layers: Layers, accounting: Accounting | None = None) -> PathCare:
    """How the paths are checked to which these layers apply. For a path of no map: `global_settings(config)`.

    `accounting`: `error_accounting` of the layers, if it is at hand.
    """
    values = error_accounting(layers) if accounting is None else accounting
    interval = max(1, layers.require(options.POLLING_INTERVAL).value)
    return PathCare(
        polling_interval=interval,
        max_polling_interval=max(interval, layers.require(options.MAX_POLLING_INTERVAL).value),
        errors=_errors(values),
        sampling=_sampling(values),
        marginal_groups=layers.require(options.MARGINAL_PATHGROUPS).value,
        purge=layers.require(options.PURGE_DISCONNECTED).value,
        recheck_wwid=layers.require(options.RECHECK_WWID).value,
    )


def map_care(layers: Layers, accounting: Accounting, no_path_retry: Resolved[Any] | None) -> MapCare:
    """How a map is watched over. `no_path_retry`: after it was brought into line with the features, as text."""
    ghost = layers.require(options.GHOST_DELAY).value
    return MapCare(
        path=path_care(layers, accounting),
        no_path_retry=_retry(str(no_path_retry.value)) if no_path_retry else None,
        flush_on_last_del=layers.require(options.FLUSH_ON_LAST_DEL).value,
        deferred_remove=layers.require(options.DEFERRED_REMOVE).value,
        ghost_delay=ghost if isinstance(ghost, int) else 0,
        missing_uev_wait=layers.require(options.MISSING_UEV_WAIT_TIMEOUT).value,
        queue_without_daemon=layers.require(options.QUEUE_WITHOUT_DAEMON).value,
    )


def _retry(text: str) -> NoPathRetry:
    return int(text) if text.isdigit() else RetryMode(text)


def _counts(values: Accounting, *keywords: str) -> tuple[int, ...] | None:
    """The values of keywords that work only together; None when one of them is off."""
    found = [each.value for keyword in keywords if (each := values.get(keyword)) and isinstance(each.value, int)]
    return tuple(found) if len(found) == len(keywords) else None


def _errors(values: Accounting) -> ErrorLimits | None:
    counts = _counts(
        values, "san_path_err_threshold", "san_path_err_forget_rate", "san_path_err_recovery_time"
    )  # fmt: skip
    if counts is None:
        return None
    threshold, forget_rate, recovery_time = counts
    return ErrorLimits(threshold=threshold, forget_rate=forget_rate, recovery_time=recovery_time)


def _sampling(values: Accounting) -> SampleLimits | None:
    counts = _counts(
        values, "marginal_path_double_failed_time", "marginal_path_err_sample_time",
        "marginal_path_err_rate_threshold", "marginal_path_err_recheck_gap_time",
    )  # fmt: skip
    if counts is None:
        return None
    double, sample, rate, gap = counts
    return SampleLimits(double_failed_time=double, sample_time=sample, rate_threshold=rate, recheck_gap_time=gap)
