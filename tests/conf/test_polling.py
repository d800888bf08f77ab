"""The two polling intervals: which ones are refused because multipath-tools crashes or hangs on them."""

import pytest

from desired.config import ConfigRefused
from tests.conf.reading import config


def defaults(*lines: str) -> str:
    return "defaults {\n" + "".join(f"\t{line}\n" for line in lines) + "}\n"


def intervals(*files: str) -> tuple[object, object]:
    settings = config(*files).defaults
    return settings["polling_interval"].value, settings["max_polling_interval"].value


@pytest.mark.parametrize(
    "lines",
    [
        ["polling_interval 0"],
        ["polling_interval 0", "max_polling_interval 5"],
        ["polling_interval abc"],
        ["polling_interval -3"],
        ["polling_interval 4294967295"],
        ["polling_interval 1073741823"],
        ["polling_interval 2147483647", "max_polling_interval 4294967295"],
        ["max_polling_interval 4294967295"],
    ],
    ids=lambda lines: ", ".join(lines),
)
def test_intervals_that_crash_or_hang_the_reference_are_refused(lines: list[str]) -> None:
    with pytest.raises(ConfigRefused, match="expected a whole number of seconds from 1") as caught:
        config(defaults(*lines))
    assert caught.value.line == 2
    assert "multipath-tools" in caught.value.because.text


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["polling_interval 0", "polling_interval 5"], (5, 20)),
        (["polling_interval abc", "polling_interval 5"], (5, 20)),
        (["polling_interval 5", "polling_interval abc"], (5, 20)),
        (["polling_interval abc", "max_polling_interval 20"], (20, 20)),
        (["polling_interval 1000000000"], (1_000_000_000, 4_000_000_000)),
        (["polling_interval 1600000000", "max_polling_interval 4000000000"], (1_600_000_000, 4_000_000_000)),
    ],
    ids=lambda value: ", ".join(map(str, value)),
)
def test_intervals_that_the_reference_gets_away_with_are_kept(lines: list[str], found: tuple[int, int]) -> None:
    assert intervals(defaults(*lines)) == found


def test_an_interval_in_a_drop_in_is_refused_as_well() -> None:
    with pytest.raises(ConfigRefused) as caught:
        config("", defaults("polling_interval 0"))
    assert caught.value.file.endswith("0.conf")


def test_a_drop_in_can_repair_the_interval_of_the_main_file() -> None:
    assert intervals(defaults("polling_interval 0"), defaults("polling_interval 7")) == (7, 28)


def test_a_slash_in_the_delimiter_is_refused_only_when_none_was_set() -> None:
    with pytest.raises(ConfigRefused, match="partition_delimiter"):
        config(defaults("partition_delimiter a/b"))
    kept = config(defaults("partition_delimiter -p", "partition_delimiter a/b"))
    assert kept.defaults["partition_delimiter"].value == "-p"
