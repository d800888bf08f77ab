"""The keywords that keep a flaky path out: marginal_path_* goes before san_path_err_*, that before delay_*_checks.

In: the configuration's layers. Out: the values in force, each with its origin. Pure; it counts no errors itself.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from desired import options
from desired.model import Origin, OriginKind, Resolved
from desired.precedence import Layers
from desired.values import MarginalPathgroups, No, NoOr


def _implied(why: str) -> Origin:
    return Origin(OriginKind.IMPLIED, why=why)


_MARGINAL = (
    options.MARGINAL_PATH_ERR_SAMPLE_TIME,
    options.MARGINAL_PATH_ERR_RATE_THRESHOLD,
    options.MARGINAL_PATH_ERR_RECHECK_GAP_TIME,
    options.MARGINAL_PATH_DOUBLE_FAILED_TIME,
)
_SAN = (options.SAN_PATH_ERR_THRESHOLD, options.SAN_PATH_ERR_FORGET_RATE, options.SAN_PATH_ERR_RECOVERY_TIME)

_LEAST_SAMPLE_TIME = 120
"""Seconds over which I/O errors are sampled at least."""


def error_accounting(layers: Layers) -> dict[str, Resolved[Any]]:
    """The values in force, by keyword."""
    by_fabric = layers.require(options.MARGINAL_PATHGROUPS).value is MarginalPathgroups.FPIN
    off: Resolved[NoOr] = Resolved(No.NO, _implied("marginal_pathgroups fpin"))
    marginal = {each.keyword: off if by_fabric else layers.require(each) for each in _MARGINAL}
    sample = marginal["marginal_path_err_sample_time"]
    if isinstance(sample.value, int) and 0 < sample.value < _LEAST_SAMPLE_TIME:
        why = f"{sample.value} raised to the least"
        marginal["marginal_path_err_sample_time"] = Resolved(_LEAST_SAMPLE_TIME, replace(sample.origin, why=why))
    if not by_fabric and all(isinstance(each.value, int) for each in marginal.values()):
        off = Resolved(No.NO, _implied("marginal_path_* keywords"))
        return marginal | {each.keyword: off for each in _SAN}
    san = {each.keyword: off if by_fabric else layers.require(each) for each in _SAN}
    return marginal | (san | _delays(layers, san))


def _delays(layers: Layers, san: Mapping[str, Resolved[NoOr]]) -> dict[str, Resolved[Any]]:
    """What the two deprecated keywords amount to; nothing when any of those that replaced them is set."""
    watch, wait = (layers.require(each) for each in (options.DELAY_WATCH_CHECKS, options.DELAY_WAIT_CHECKS))
    if any(isinstance(each.value, int) for each in san.values()):
        return {}
    result: dict[str, Resolved[Any]] = {}
    if isinstance(wait.value, int):
        seconds = wait.value * layers.require(options.MAX_POLLING_INTERVAL).value
        result["san_path_err_recovery_time"] = Resolved(seconds, _implied("delay_wait_checks"))
        result["san_path_err_threshold"] = Resolved(1, _implied("delay_wait_checks"))
    if isinstance(watch.value, int):
        result["san_path_err_forget_rate"] = Resolved(watch.value, _implied("delay_watch_checks"))
        result["san_path_err_threshold"] = Resolved(1, _implied("delay_watch_checks"))
    return result
