"""How a map and its paths are watched over, from the configuration."""

import pytest

from desired.care import ErrorLimits, MapCare, PathCare, SampleLimits
from desired.care_settings import path_care
from desired.config import load_config
from desired.derive import derive_snapshot
from desired.precedence import global_settings
from desired.values import FlushOnLastDel, MarginalPathgroups, NoPathRetry, RetryMode, Surroundings
from observers.snapshot import TextFile
from tests.builders import CONFIG_FILE, san_snapshot

GREEDY = "find_multipaths greedy"


def care(*lines: str) -> MapCare:
    """Of a map with these lines in its defaults section; its hardware has no entry in the built-in table."""
    text = "\n".join(["defaults {", GREEDY, *lines, "}"]) + "\n"
    maps = derive_snapshot(san_snapshot(3, 2, config=text), resident=True).maps
    return maps[2].care


def test_without_a_setting_the_built_in_values_hold() -> None:
    assert care() == MapCare()


@pytest.mark.parametrize(
    ("line", "retry"),
    [
        ("no_path_retry fail", RetryMode.FAIL),
        ("no_path_retry queue", RetryMode.QUEUE),
        ("no_path_retry 7", 7),
        ('features "1 queue_if_no_path"', RetryMode.QUEUE),
    ],
)
def test_no_path_retry(line: str, retry: NoPathRetry) -> None:
    assert care(line).no_path_retry == retry


def test_what_a_map_is_to_do() -> None:
    lines = ["flush_on_last_del always", "deferred_remove yes", "ghost_delay 40", "missing_uev_wait_timeout 12"]
    assert care(*lines, "queue_without_daemon yes") == MapCare(
        flush_on_last_del=FlushOnLastDel.ALWAYS, deferred_remove=True, ghost_delay=40, missing_uev_wait=12,
        queue_without_daemon=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "intervals"),
    [
        (["polling_interval 3"], (3, 12)),
        (["max_polling_interval 40"], (10, 40)),
        (["polling_interval 9", "max_polling_interval 8"], (8, 8)),
    ],
)
def test_intervals(lines: list[str], intervals: tuple[int, int]) -> None:
    path = care(*lines).path
    assert (path.polling_interval, path.max_polling_interval) == intervals


SAN = ["san_path_err_threshold 5", "san_path_err_forget_rate 6", "san_path_err_recovery_time 7"]
MARGINAL = [
    "marginal_path_double_failed_time 60",
    "marginal_path_err_sample_time 130",
    "marginal_path_err_rate_threshold 10",
    "marginal_path_err_recheck_gap_time 300",
]


def test_errors_are_accounted_only_with_all_three_settings() -> None:
    assert care(*SAN).path.errors == ErrorLimits(threshold=5, forget_rate=6, recovery_time=7)
    for line in SAN:
        assert care(*(each for each in SAN if each != line)).path.errors is None


def test_the_deprecated_delays_amount_to_error_accounting() -> None:
    path = care("delay_watch_checks 4", "delay_wait_checks 2").path
    assert path.errors == ErrorLimits(threshold=1, forget_rate=4, recovery_time=40)


def test_paths_are_sampled_only_with_all_four_settings_and_then_instead() -> None:
    path = care(*MARGINAL, *SAN).path
    expected = SampleLimits(double_failed_time=60, sample_time=130, rate_threshold=10, recheck_gap_time=300)
    assert (path.sampling, path.errors) == (expected, None)
    for line in MARGINAL:
        assert care(*(each for each in MARGINAL if each != line)).path.sampling is None


def test_other_settings_of_paths() -> None:
    path = care("marginal_pathgroups on", "purge_disconnected yes", "recheck_wwid yes").path
    assert path == PathCare(marginal_groups=MarginalPathgroups.ON, purge=True, recheck_wwid=True)


def test_a_path_of_no_map_is_cared_for_as_the_defaults_say() -> None:
    files = (TextFile(CONFIG_FILE, "defaults {\npolling_interval 2\n}\n"),)
    config = load_config(files, main=CONFIG_FILE, surroundings=Surroundings())
    assert path_care(global_settings(config)) == PathCare(polling_interval=2, max_polling_interval=8)
