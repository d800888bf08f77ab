"""Priorities from the facts of a snapshot."""

from dataclasses import replace

import pytest

from desired.priority import NotAvailable, priority
from observers.snapshot import Alua, Health, Path, PathState, ScsiAddress
from tests.builders import scsi_path, unit_wwid

PATH = scsi_path(0, unit_wwid(1), address=ScsiAddress(2, 0, 1, 7))


def with_alua(state: str = "", *, preferred: bool = False, reported: int | None = None) -> Path:
    alua = Alua(tpgs=1, access_state=state, preferred=preferred, reported_state=reported, reported_preferred=preferred)
    return replace(PATH, alua=alua)


def test_const_says_one() -> None:
    assert priority(PATH, "const", "") == 1


STATES = [
    ("active/optimized", 50),
    ("active/non-optimized", 10),
    ("lba-dependent", 5),
    ("standby", 1),
    ("unavailable", 0),
    ("transitioning", 0),
]


@pytest.mark.parametrize(("state", "value"), STATES)
def test_the_access_state_decides(state: str, value: int) -> None:
    assert priority(with_alua(state), "sysfs", "") == value
    assert priority(with_alua(state), "alua", "") == value


@pytest.mark.parametrize(("reported", "value"), [(0, 50), (1, 10), (2, 1), (3, 0), (4, 5), (14, 0), (15, 0)])
def test_what_the_device_reported_goes_before_sysfs(reported: int, value: int) -> None:
    assert priority(with_alua("lba-dependent", reported=reported), "alua", "") == value


@pytest.mark.parametrize("prioritizer", ["sysfs", "alua"])
@pytest.mark.parametrize(
    ("state", "arguments", "value"),
    [
        ("active/optimized", "", 50),
        ("active/optimized", "exclusive_pref_bit", 130),
        ("active/optimized", "x\texclusive_pref_bit", 130),
        ("active/optimized", "exclusive_pref_bits", 50),
        ("active/non-optimized", "", 90),
        ("standby", "exclusive_pref_bit", 81),
    ],
)
def test_the_preferred_bit_lifts_paths_that_are_not_optimized(
    prioritizer: str, state: str, arguments: str, value: int
) -> None:
    assert priority(with_alua(state, preferred=True), prioritizer, arguments) == value


def test_sysfs_can_not_tell_without_an_access_state() -> None:
    assert priority(PATH, "sysfs", "") is None


def test_alua_can_not_tell_of_a_path_that_is_down() -> None:
    assert priority(replace(PATH, health=Health("tur", PathState.DOWN)), "alua", "") is None


def test_alua_is_not_available_for_a_path_that_was_not_asked() -> None:
    with pytest.raises(NotAvailable, match="REPORT TARGET PORT GROUPS"):
        priority(PATH, "alua", "")


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ("hbtl 1:.:.:. 5 2:.:.:. 9", 9),
        ("hbtl 2:0:1:7 4", 4),
        ("hbtl 3:.* 4", 0),
        ("devname sd[a-c] 7 sda 8", 7),
        ("serial 1$ 3", 3),
        ("devname sda -1", None),
        ("devname sda x", 0),
        ("devname ( 3 sda 4", 4),
        ("devname sda", 0),
        ("", 0),
    ],
)
def test_the_first_expression_that_matches_gives_the_weight(arguments: str, value: int | None) -> None:
    assert priority(PATH, "weightedpath", arguments) == value


@pytest.mark.parametrize("prioritizer", ["emc", "rdac", "ana", "random", "nosuch"])
def test_prioritizers_that_must_ask_the_device_are_not_available(prioritizer: str) -> None:
    with pytest.raises(NotAvailable, match=f"prioritizer {prioritizer} is not available"):
        priority(PATH, prioritizer, "")


def test_weighing_by_port_names_is_not_available() -> None:
    with pytest.raises(NotAvailable, match="weightedpath by wwn"):
        priority(PATH, "weightedpath", "wwn .* 1")
