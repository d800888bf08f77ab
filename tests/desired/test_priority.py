"""Priorities from the facts of a snapshot."""

from dataclasses import replace

import pytest

from desired.priority import PRIORITIZERS, NotAvailable, priority
from observers.snapshot import Alua, Health, Path, PathState, PrioritySeen, ScsiAddress
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
        ("devname sda 5x", 5),
        ("nosuch .* 9", 0),
        ("wwn ^[[]undef[]]:[[]undef[]]:0x500a0980 6", 6),
        ("devname ( 3 sda 4", 4),
        ("devname sda", 0),
        ("", 0),
    ],
)
def test_the_first_expression_that_matches_gives_the_weight(arguments: str, value: int | None) -> None:
    assert priority(PATH, "weightedpath", arguments) == value


def test_port_names_are_those_of_host_and_target_node_before_port() -> None:
    path = replace(PATH, host_node_name="0x1", host_port_name="0x2", target_node_name="0x3", target_port_name="0x4")
    assert priority(path, "weightedpath", "wwn ^0x1:0x2:0x3:0x4$ 8") == 8


def test_there_are_fourteen() -> None:
    names = "const random sysfs alua ana emc rdac hp_sw hds ontap datacore iet weightedpath path_latency"
    assert set(PRIORITIZERS) == set(names.split())


@pytest.mark.parametrize("prioritizer", ["ana", "datacore", "emc", "hds", "hp_sw", "ontap", "path_latency", "rdac"])
class TestPrioritizersThatAskTheDevice:
    def test_what_it_said_is_the_priority(self, prioritizer: str) -> None:
        seen = PrioritySeen(prioritizer=prioritizer, arguments="a b", value=7)
        assert priority(replace(PATH, priority_seen=seen), prioritizer, "a b") == 7

    def test_one_that_could_not_tell_is_taken_at_its_word(self, prioritizer: str) -> None:
        seen = PrioritySeen(prioritizer=prioritizer, value=None, message="no answer")
        assert priority(replace(PATH, priority_seen=seen), prioritizer, "") is None

    def test_a_path_that_was_not_asked_has_none(self, prioritizer: str) -> None:
        with pytest.raises(NotAvailable, match=f"prioritizer {prioritizer} must ask the device"):
            priority(PATH, prioritizer, "")

    def test_what_was_said_to_other_arguments_does_not_count(self, prioritizer: str) -> None:
        seen = PrioritySeen(prioritizer=prioritizer, arguments="before", value=7)
        with pytest.raises(NotAvailable):
            priority(replace(PATH, priority_seen=seen), prioritizer, "now")

    def test_a_path_that_is_down_and_was_never_asked_can_not_tell(self, prioritizer: str) -> None:
        assert priority(replace(PATH, health=Health("tur", PathState.DOWN)), prioritizer, "") is None


def test_an_unknown_prioritizer_is_named() -> None:
    with pytest.raises(NotAvailable, match="there is no prioritizer nosuch"):
        priority(PATH, "nosuch", "")


def test_random_says_from_one_to_ten_and_the_same_the_next_time() -> None:
    paths = [scsi_path(number, unit_wwid(1)) for number in range(200)]
    first = [priority(path, "random", "") for path in paths]
    assert set(first) == set(range(1, 11))
    assert [priority(path, "random", "") for path in paths] == first


BY_PATH = "/dev/disk/by-path/ip-10.20.30.4:3260-iscsi-iqn.2003-01.org.example:t1-lun-0"


@pytest.mark.parametrize(
    ("arguments", "links", "value"),
    [
        pytest.param("preferredip=10.20.30.4", BY_PATH, 20, id="the preferred portal"),
        pytest.param("preferredip=10.20.30.4", f"/dev/disk/by-id/x {BY_PATH}", 20, id="among other links"),
        pytest.param("preferredip=10.20.30.4:3260", BY_PATH, 20, id="with its port"),
        pytest.param("preferredip=10.20.30.41", BY_PATH, 10, id="an address that begins alike"),
        pytest.param("preferredip=10.20.30.5", BY_PATH, 10, id="another portal"),
        pytest.param("preferredip=10.20.30.4", "/dev/disk/by-id/ip-10.20.30.4", 10, id="not a link by path"),
        pytest.param("preferredip=10.20.30.4", "", 10, id="no links"),
        pytest.param("preferredip=1.2.3.4", BY_PATH.replace("10.20.30.4", "1.2.3.4"), 0, id="too short for it"),
        pytest.param("10.20.30.4", BY_PATH, 0, id="no keyword"),
        pytest.param("", BY_PATH, 0, id="no arguments"),
    ],
)
def test_iet_prefers_a_portal(arguments: str, links: str, value: int) -> None:
    assert priority(replace(PATH, udev={"DEVLINKS": links}), "iet", arguments) == value
