"""What each letter prints, for each thing that a path, a group or a map may be."""

from dataclasses import replace
from typing import Any

import pytest

from controller.protocol.rows import map_rows, path_rows
from controller.protocol.state import Action, Counters, InitState, State
from controller.protocol.wildcards import GROUP, GROUPS, MAP, MAPS, NO_DEVICE, PATH, PATHS, bar, size_text
from desired.model import Failback, FailbackMode, Origin, OriginKind, Resolved
from observers.dmtable import DevT, GroupState, Sectors
from observers.snapshot import Alua, Attribute, Bus, PathState, ScsiAddress
from tests.protocol.worlds import (
    ARRAY,
    NOW,
    said,
    with_health,
    with_line,
    with_map,
    with_map_line,
    with_path,
    without_maps,
    world,
)


def of_path(state: State, letter: str, name: str = "sda") -> str:
    (row,) = (row for row in path_rows(state) if row.path is not None and row.path.name == name)
    return PATH[letter].text(row)


def of_map(state: State, letter: str) -> str:
    (row,) = (row for row in map_rows(state, path_rows(state)) if row.map.wwid == ARRAY)
    return MAP[letter].text(row)


def of_group(state: State, letter: str, number: int = 0) -> str:
    (row,) = (row for row in map_rows(state, path_rows(state)) if row.map.wwid == ARRAY)
    return GROUP[letter].text(row.groups[number])


def test_there_are_28_letters_for_paths_25_for_maps_and_4_for_groups() -> None:
    assert [len({each.letter for each in known}) for known in (PATHS, MAPS, GROUPS)] == [28, 25, 4]
    assert [len(known) for known in (PATHS, MAPS, GROUPS)] == [28, 25, 4]


@pytest.mark.parametrize(
    ("sectors", "text"),
    [
        (0, "0.0K"), (1, "0.0K"), (2, "1.0K"), (19, "9.0K"), (20, "10K"), (2046, "1023K"), (2048, "1.0M"),
        (20_971_520, "10G"), (2_097_152, "1.0G"), (3_145_728, "1.5G"), (2**31, "1.0T"), (2**41, "1.0P"),
        (2**51 + 2**41, "1025P"),
    ],
)  # fmt: skip
def test_sizes_have_one_decimal_under_ten_and_no_unit_above_p(sectors: int, text: str) -> None:
    assert size_text(Sectors(sectors)) == text


@pytest.mark.parametrize(
    ("current", "total", "text"),
    [(6, 8, "XXXXXXX... 6/8"), (8, 8, "XXXXXXXXXX 8/8"), (0, 20, ".......... 0/20"), (0, 0, " 0/0"),
     (11, 10, "XXXXXXXXXX 11/10"), (1, 20, ".......... 1/20"), (2, 20, "X......... 2/20")],
)  # fmt: skip
def test_a_bar_has_ten_signs(current: int, total: int, text: str) -> None:
    assert bar(current, total) == text


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (PathState.UP, "ready"), (PathState.DOWN, "faulty"), (PathState.SHAKY, "shaky"), (PathState.GHOST, "ghost"),
        (PathState.PENDING, "i/o pending"), (PathState.TIMEOUT, "i/o timeout"), (PathState.DELAYED, "delayed"),
        (PathState.DISCONNECTED, "disconnected"), (PathState.WILD, "undef"), (PathState.UNCHECKED, "undef"),
        (PathState.REMOVED, "undef"),
    ],
)  # fmt: skip
def test_checker_states_have_their_words(state: PathState, text: str) -> None:
    assert of_path(with_health(world(), "sda", state), "T") == text


ORPHAN = {"T": "undef", "t": "undef", "o": "unknown", "C": "orphan", "m": "[orphan]"}


@pytest.mark.parametrize(("letter", "text"), ORPHAN.items())
def test_a_path_in_no_map_is_an_orphan(letter: str, text: str) -> None:
    assert of_path(world(), letter, "sdi") == text
    assert of_path(without_maps(world()), letter) == text


def test_a_path_that_waits_for_its_device_to_come_online_says_so() -> None:
    assert of_path(with_line(world(), "sdi", awaits_online=True), "m", "sdi") == "[offline]"


@pytest.mark.parametrize(
    ("bus", "word", "text"),
    [
        (Bus.SCSI, "running", "running"), (Bus.SCSI, "blocked", "running"), (Bus.SCSI, "quiesce", "running"),
        (Bus.SCSI, "offline", "offline"), (Bus.SCSI, "transport-offline", "offline"), (Bus.SCSI, "", "running"),
        (Bus.NVME, "live", "running"), (Bus.NVME, "dead", "offline"), (Bus.CCW, "whatever", "running"),
    ],
)  # fmt: skip
def test_a_device_is_offline_by_the_word_of_sysfs(bus: Bus, word: str, text: str) -> None:
    assert of_path(with_path(world(), "sda", bus=bus, device_state=word), "o") == text


CHANGED: list[tuple[str, dict[str, Any], str]] = [
    ("i", {"address": None}, "#:#:#:#"),
    ("L", {"address": None}, "0xffffffffffffffff"),
    ("L", {"address": ScsiAddress(0, 0, 0, 0x1234_5678_9ABC)}, "0x9abc567812340000"),
    ("s", {"vendor": "", "revision": ""}, "##,LUN C-Mode,##"),
    ("N", {"host_node_name": ""}, "[unknown]"),
    ("R", {"protocol": "scsi:iscsi"}, "[undef]"),
    ("r", {"target_port_name": ""}, "[unknown]"),
    ("n", {"target_node_name": ""}, "[undef]"),
    ("a", {"protocol": "scsi:usb"}, "[undef]"),
    ("a", {"sysfs": "/sys/devices/pci0000:00/0000:00:1c.4/0000:05:00.1/host3/x/block/sda"}, "0000:00:1c.4"),
    ("a", {"sysfs": "/sys/devices/css0/host3/x/block/sda"}, "[undef]"),
    ("A", {"alua": Alua()}, "[undef]"),
    ("A", {"alua": Alua(group=0x1F)}, "0x001f"),
    ("M", {"marginal": True}, "marginal"),
    ("P", {"protocol": "nvme:tcp"}, "nvme:tcp"),
    ("z", {"serial": "S 1"}, "S 1"),
    ("k", {"tunables": (Attribute("/x/timeout", "1"), Attribute("/x/queue/max_sectors_kb", "512"))}, "512"),
]


@pytest.mark.parametrize(("letter", "changes", "text"), CHANGED)
def test_what_a_disk_is_is_shown(letter: str, changes: dict[str, Any], text: str) -> None:
    assert of_path(with_path(world(), "sda", **changes), letter) == text


KNOWN: list[tuple[str, dict[str, Any], str]] = [
    ("p", {"priority": None}, "-1"),
    ("p", {"priority": 130}, "130"),
    ("c", {"checker": ""}, "(null)"),
    ("c", {"checker": "emc_clariion"}, "emc_clariion"),
    ("C", {"check_due": NOW + 0.1, "check_interval": 5}, "XX........ 1/5"),
    ("C", {"check_due": NOW - 3, "check_interval": 5}, ".......... 0/5"),
    ("C", {"check_due": None, "check_interval": 0}, " 0/0"),
    ("I", {"init": InitState.MISSING_UDEV}, "udev-missing"),
    ("a", {"adapter": "192.0.2.7"}, "192.0.2.7"),
    ("g", {"vendor_page": "volume 7"}, "volume 7"),
    ("g", {}, "[undef]"),
    ("k", {}, "n/a"),
    ("G", {}, "--"),
    ("D", {}, "8:0"),
    ("d", {}, "sda"),
    ("w", {}, ARRAY),
    ("m", {}, "data"),
    ("S", {}, "10G"),
]


@pytest.mark.parametrize(("letter", "changes", "text"), KNOWN)
def test_what_the_loop_knows_of_a_path_is_shown(letter: str, changes: dict[str, Any], text: str) -> None:
    assert of_path(with_line(world(), "sda", **changes), letter) == text


def test_dm_believes_in_a_path_or_not() -> None:
    assert of_path(world(), "t") == "active"
    assert of_path(with_map(world(), ARRAY, status=None), "t") == "undef"


def test_failures_are_those_that_dm_counted_since_it_loaded_the_table() -> None:
    (array,) = (live for live in world().snapshot.maps if live.wwid == ARRAY)
    assert array.status is not None
    first, *others = array.status.groups
    failed = replace(first, paths=tuple(replace(path, fail_count=3) for path in first.paths))
    status = replace(array.status, groups=(failed, *others))
    assert of_path(with_map(world(), ARRAY, status=status), "0", "sda") == "3"
    assert of_path(world(), "0") == of_path(with_line(world(), "sdi", failures=7), "0", "sdi") == "0"


def test_a_path_whose_device_is_gone_still_has_a_row_in_its_map() -> None:
    state = world()
    without = replace(state, snapshot=replace(state.snapshot, paths=state.snapshot.paths[1:]))
    (row,) = (row for row in map_rows(without, path_rows(without)) if row.map.wwid == ARRAY)
    gone = row.groups[0].paths[0]
    assert [PATH[letter].text(gone) for letter in "idDtoT"] == ["#:#:#:#", "-", "#:#", "active", "unknown", "undef"]
    assert all(isinstance(each.text(gone), str) for each in PATHS)
    assert of_map(without, "N") == "3"


def with_failback(state: State, failback: Failback) -> State:
    resolved = Resolved(failback, Origin(OriginKind.BUILT_IN))
    maps = tuple(replace(each, failback=resolved) for each in state.desired.maps)
    return replace(state, desired=replace(state.desired, maps=maps))


@pytest.mark.parametrize(
    ("failback", "text"),
    [
        (Failback(FailbackMode.MANUAL), "manual"),
        (Failback(FailbackMode.IMMEDIATE), "immediate"),
        (Failback(FailbackMode.FOLLOWOVER), "followover"),
        (Failback(FailbackMode.DELAYED, 30), "deferred:30"),
        (Failback(FailbackMode.DELAYED, 0), "immediate"),
    ],
)
def test_failback_is_a_word_or_a_delay(failback: Failback, text: str) -> None:
    assert of_map(with_failback(world(), failback), "F") == text


def test_failback_that_is_coming_is_a_bar() -> None:
    assert of_map(with_map_line(world(), ARRAY, failback_due=NOW + 3.5), "F") == "XXXX...... 4/10"


def with_retry(state: State, value: str | None) -> State:
    maps = []
    for each in state.desired.maps:
        properties = {key: one for key, one in each.properties.items() if key != "no_path_retry"}
        if value is not None:
            properties["no_path_retry"] = Resolved(value, Origin(OriginKind.BUILT_IN))
        maps.append(replace(each, properties=properties))
    return replace(state, desired=replace(state.desired, maps=tuple(maps)))


def all_down(state: State) -> State:
    for name in ("sda", "sdb", "sdc", "sdd"):
        state = with_health(state, name, PathState.DOWN)
    return state


@pytest.mark.parametrize(
    ("value", "text"), [("queue", "on"), ("fail", "off"), ("0", "off"), (None, "-"), ("7", "7 chk")]
)
def test_queueing_is_what_no_path_retry_says(value: str | None, text: str) -> None:
    assert of_map(with_retry(world(), value), "Q") == text


def test_queueing_counts_seconds_while_no_path_works_and_is_then_off() -> None:
    state = all_down(world())
    assert of_map(with_map_line(state, ARRAY, queueing_ends=NOW + 58.5), "Q") == "59 sec"
    assert of_map(with_map_line(state, ARRAY, queueing_ends=NOW), "Q") == "off"


def test_queueing_that_an_operator_disabled_is_off() -> None:
    assert of_map(with_map_line(world(), ARRAY, queueing_disabled=True), "Q") == "off"


def test_a_map_that_nobody_wants_has_no_settings() -> None:
    state = replace(world(), desired=replace(world().desired, maps=()))
    assert [of_map(state, letter) for letter in "FQ"] == ["undef", "-"]


COUNTERS = Counters(path_faults=1, group_switches=2, loads=3, queue_seconds=4, queue_timeouts=5, failures=6)
MAP_CASES: list[tuple[str, dict[str, Any], str]] = [
    ("n", {}, "data"), ("w", {}, ARRAY), ("d", {}, "dm-3"), ("N", {}, "4"), ("S", {}, "10G"), ("h", {}, "1 alua"),
    ("f", {}, "3 pg_init_retries 50 queue_if_no_path"), ("s", {}, "NETAPP,LUN C-Mode"), ("v", {}, "NETAPP"),
    ("p", {}, "LUN C-Mode"), ("e", {}, "9000"), ("G", {}, "--"), ("g", {}, "[undef]"), ("k", {}, "n/a"), ("A", {}, ""),
    ("A", {"action": Action.SWITCH}, "switchpg"), ("A", {"action": Action.RESIZE}, ""),
    ("0", {"counters": COUNTERS}, "1"), ("1", {"counters": COUNTERS}, "2"), ("2", {"counters": COUNTERS}, "3"),
    ("3", {"counters": COUNTERS}, "4"), ("4", {"counters": COUNTERS}, "5"), ("x", {"counters": COUNTERS}, "6"),
]  # fmt: skip


@pytest.mark.parametrize(("letter", "changes", "text"), MAP_CASES)
def test_what_is_known_of_a_map_is_shown(letter: str, changes: dict[str, Any], text: str) -> None:
    assert of_map(with_map_line(world(), ARRAY, **changes), letter) == text


def test_a_map_has_its_states() -> None:
    assert [of_map(world(), letter) for letter in "rt"] == ["rw", "active"]
    assert [of_map(with_map(world(), ARRAY, read_only=True, suspended=True), letter) for letter in "rt"] == [
        "ro", "suspend",
    ]  # fmt: skip


def test_a_map_is_named_after_the_first_path_that_says_what_it_is() -> None:
    state = with_path(
        with_path(world(), "sda", vendor="", revision=""), "sdc", vendor="OTHER", product="", revision="2"
    )
    assert [of_map(state, letter) for letter in "svpe"] == ["NETAPP,LUN C-Mode", "OTHER", "LUN C-Mode", "2"]


def test_a_map_without_a_table_has_nothing_in_it() -> None:
    state = with_map(world(), ARRAY, table=None, status=None)
    assert [of_map(state, letter) for letter in "NSfhsvpeg"] == [
        "0", "0.0K", "0", "0", "##,##", "##", "##", "##", "[undef]",
    ]  # fmt: skip
    assert "data (" in said(state, "show topology")


def test_only_usable_paths_count() -> None:
    state = with_health(with_health(world(), "sda", PathState.GHOST), "sdb", PathState.PENDING)
    assert of_map(state, "N") == "3"


@pytest.mark.parametrize(
    ("states", "priorities", "text"),
    [
        ((PathState.UP, PathState.UP), (50, 11), "30"),
        ((PathState.UP, PathState.DOWN), (50, 11), "50"),
        ((PathState.UP, PathState.GHOST), (None, 11), "11"),
        ((PathState.UP, PathState.UP), (None, None), "-1"),
        ((PathState.DOWN, PathState.SHAKY), (50, 50), "0"),
    ],
)
def test_a_groups_priority_is_the_mean_of_its_usable_paths(
    states: tuple[PathState, PathState], priorities: tuple[int | None, int | None], text: str
) -> None:
    state = world()
    for name, health, priority in zip(("sda", "sdc"), states, priorities, strict=True):
        state = with_line(with_health(state, name, health), name, priority=priority)
    assert of_group(state, "p") == text


def test_a_group_is_marginal_when_all_its_paths_are() -> None:
    one = with_path(world(), "sda", marginal=True)
    assert of_group(one, "M") == "normal"
    assert of_group(with_path(one, "sdc", marginal=True), "M") == "marginal"


@pytest.mark.parametrize(
    ("letter", "word"),
    [(GroupState.ACTIVE, "active"), (GroupState.ENABLED, "enabled"), (GroupState.DISABLED, "disabled")],
)
def test_group_states_have_their_words(letter: GroupState, word: str) -> None:
    (live,) = (each for each in world().snapshot.maps if each.wwid == ARRAY)
    assert live.status is not None
    status = replace(live.status, groups=tuple(replace(each, state=letter) for each in live.status.groups))
    assert of_group(with_map(world(), ARRAY, status=status), "t") == word


def test_a_group_has_its_selector_and_no_state_without_a_status() -> None:
    assert of_group(world(), "s") == "service-time 0"
    assert of_group(with_map(world(), ARRAY, status=None), "t") == "undef"


def test_a_map_is_known_by_the_minor_number_of_its_device() -> None:
    assert of_map(with_map(world(), ARRAY, dev=DevT("254:1037")), "d") == "dm-1037"


def test_all_letters_are_listed_with_their_titles() -> None:
    lines = said(world(), "show wildcards").splitlines()
    assert lines[0] == "multipath format wildcards:"
    assert lines[1] == "%n  name"
    assert lines[26] == ""
    assert lines[27:29] == ["path format wildcards:", "%w  uuid"]
    assert len(lines) == 56


@pytest.mark.parametrize(
    ("kibibytes", "text"),
    [(2**30 - 1, "1.0T"), (2**30 - 64, "1024G"), (10 * 2**30 - 1, "10T"), (2**20 - 1, "1024M"), (10 * 2**20, "10G")],
)
def test_sizes_are_computed_with_single_precision(kibibytes: int, text: str) -> None:
    assert size_text(Sectors(2 * kibibytes)) == text


def test_the_limit_of_a_maps_request_queue_is_shown() -> None:
    assert of_map(with_map(world(), ARRAY, max_sectors_kb=1024), "k") == "1024"


def test_a_map_that_is_still_to_be_made_has_no_device_and_no_states() -> None:
    state = with_map(world(), ARRAY, dev=NO_DEVICE, status=None)
    assert [of_map(state, letter) for letter in "drt"] == ["undef"] * 3
    assert of_group(state, "t") == "undef"


def test_a_path_of_no_map_has_no_checker() -> None:
    assert of_path(with_line(world(), "sdi", checker="tur"), "c", "sdi") == "(null)"


def test_a_check_that_takes_longer_than_the_time_between_two_is_due_in_that_time() -> None:
    assert of_path(with_line(world(), "sda", check_due=NOW + 31, check_interval=20), "C") == "XXXXXXXXXX 20/20"
