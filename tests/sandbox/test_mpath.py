"""dm-multipath at work: groups, failures, queueing, messages, and what status and table say of them.

The expected texts are those of Debian's kernel 6.1 with scsi_debug and LIO disks.
"""

import errno

import pytest

from controller.sandbox.block import Kind, Result
from controller.sandbox.host import SandboxHost
from observers.dmtable import Sectors, parse_status, parse_table
from tests.sandbox import dm
from tests.sandbox.test_dm_ioctls import refused

PLAIN = "1 queue_if_no_path 0 2 1 service-time 0 1 1 8:0 1 service-time 0 1 1 8:64 1"
ALUA = "1 queue_if_no_path 1 alua 2 1 service-time 0 2 1 8:0 1 8:32 1 service-time 0 2 1 8:64 1 8:96 1"


@pytest.fixture
def plain() -> SandboxHost:
    """Two groups of one path each, no handler; nothing has used the map yet."""
    host = dm.san(dm.PLAIN, "host\n udev off\n")
    dm.start(host, PLAIN)
    return host


@pytest.fixture
def alua() -> SandboxHost:
    """Two groups of two paths, one optimized, with a handler."""
    host = dm.san(more="host\n udev off\n")
    dm.start(host, ALUA, uuid=dm.UUID)
    return host


# ---- what is printed


def test_a_new_table_has_no_current_group_until_it_is_used(plain: SandboxHost) -> None:
    assert dm.status(plain) == "2 1 0 0 2 1 E 0 1 2 8:0 A 0 0 1 E 0 1 2 8:64 A 0 0 1 "


def test_the_first_request_makes_a_group_current(plain: SandboxHost) -> None:
    assert plain.request("m").result is Result.DONE
    assert dm.status(plain) == "2 0 0 0 2 1 A 0 1 2 8:0 A 0 0 1 E 0 1 2 8:64 A 0 0 1 "


def test_with_a_handler_the_group_is_initialized_once(alua: SandboxHost) -> None:
    alua.request("m")
    alua.request("m")
    assert dm.status(alua) == ("2 0 1 0 2 1 A 0 2 2 8:0 A 0 0 1 8:32 A 0 0 1 E 0 2 2 8:64 A 0 0 1 8:96 A 0 0 1 ")


def test_status_and_table_follow_the_grammar_that_observers_read(alua: SandboxHost) -> None:
    status, table = parse_status(Sectors(1), dm.status(alua)), parse_table(Sectors(1), dm.table(alua))
    assert [path.dev for path in status.paths] == list(table.devices) == ["8:0", "8:32", "8:64", "8:96"]


def test_round_robin_has_no_words_in_the_status() -> None:
    host = dm.san(dm.PLAIN)
    dm.start(host, "0 0 1 1 round-robin 0 2 1 8:0 1 8:64 1", uuid="mpath-x")
    assert dm.status(host) == "2 0 0 0 1 1 A 0 2 0 8:0 A 0 8:64 A 0 "


def test_an_initial_group_is_used_first(plain: SandboxHost) -> None:
    dm.start(plain, PLAIN.replace(" 2 1 service", " 2 2 service", 1), name="n", uuid="n")
    assert dm.status(plain, "n").startswith("2 1 0 0 2 2 E")
    plain.request("n")
    assert dm.status(plain, "n") == "2 0 0 0 2 2 E 0 1 2 8:0 A 0 0 1 A 0 1 2 8:64 A 0 0 1 "


# ---- failures


def test_a_path_error_fails_the_path_and_the_request_takes_another(plain: SandboxHost) -> None:
    plain.happen("offline", "sda")
    assert plain.request("m").result is Result.DONE
    assert dm.status(plain) == "2 0 0 0 2 2 E 0 1 2 8:0 F 1 0 1 A 0 1 2 8:64 A 0 0 1 "
    assert dm.info(plain).event_nr == 1


def test_a_failed_path_sends_a_uevent(plain: SandboxHost) -> None:
    plain.happen("offline", "sda")
    plain.request("m")
    (event,) = [event for event in plain.uevents.of("dm-0") if "DM_ACTION" in event.properties]
    assert event.env == (
        ("DM_TARGET", "multipath"),
        ("DM_ACTION", "PATH_FAILED"),
        ("DM_SEQNUM", "1"),
        ("DM_PATH", "8:0"),
        ("DM_NR_VALID_PATHS", "1"),
        ("DM_NAME", "m"),
        ("DM_UUID", "test-m"),
    )


def test_with_no_path_left_requests_wait_and_no_group_is_current(plain: SandboxHost) -> None:
    plain.happen("offline", "sda", "sde")
    assert plain.request("m").waits
    assert dm.status(plain) == "2 0 0 0 2 1 E 0 1 2 8:0 F 1 0 1 E 0 1 2 8:64 F 1 0 1 "


def test_without_queueing_the_request_fails(plain: SandboxHost) -> None:
    dm.message(plain, "fail_if_no_path")
    plain.happen("offline", "sda", "sde")
    assert plain.request("m").result is Result.PATH_ERROR


def test_an_unmapped_unit_is_a_path_error(plain: SandboxHost) -> None:
    plain.happen("unmap", "plain:0")
    assert plain.request("m").waits
    assert plain.kernel.device_mapper.devices[0].held != []


def test_a_write_that_the_unit_refuses_is_not_the_paths_fault(plain: SandboxHost) -> None:
    plain.happen("protect", "plain:0", "on")
    assert plain.request("m", Kind.WRITE).result is Result.TARGET_ERROR
    assert plain.request("m").result is Result.DONE
    assert "F" not in dm.status(plain)


def test_a_standby_path_is_a_path_error_without_a_handler(alua: SandboxHost) -> None:
    alua.happen("alua", "one:16", "standby")
    dm.start(alua, "0 0 1 1 round-robin 0 1 1 8:0 1", name="n", uuid="n")
    assert alua.request("n").result is Result.PATH_ERROR


def test_a_deleted_path_fails_at_its_next_request_and_stays_in_the_table(plain: SandboxHost) -> None:
    plain.happen("delete", "sda")
    assert "8:0 A 0" in dm.status(plain)
    plain.request("m")
    assert "8:0 F 1" in dm.status(plain)
    assert "8:0 1 1" in dm.table(plain)
    assert plain.list_directory("/sys/block/dm-0/slaves") == ("sda", "sde")


# ---- messages


def test_fail_path_counts_once(plain: SandboxHost) -> None:
    dm.message(plain, "fail_path 8:0")
    dm.message(plain, "fail_path 8:0")
    assert "8:0 F 1" in dm.status(plain)
    assert dm.info(plain).event_nr == 1


def test_reinstate_path_makes_it_active_and_keeps_its_count(plain: SandboxHost) -> None:
    dm.message(plain, "fail_path 8:0")
    dm.message(plain, "reinstate_path 8:0")
    assert "8:0 A 1" in dm.status(plain)
    assert dm.info(plain).event_nr == 2
    assert plain.uevents.of("dm-0")[-1].properties["DM_ACTION"] == "PATH_REINSTATED"


def test_reinstate_path_of_an_active_path_is_nothing(plain: SandboxHost) -> None:
    dm.message(plain, "reinstate_path 8:0")
    assert dm.info(plain).event_nr == 0


def test_the_first_path_back_serves_what_waited(plain: SandboxHost) -> None:
    plain.happen("offline", "sda", "sde")
    request = plain.request("m")
    plain.happen("online", "sde")
    assert request.waits
    dm.message(plain, "reinstate_path 8:64")
    assert request.result is Result.DONE


def test_switch_group_takes_effect_at_the_next_request(plain: SandboxHost) -> None:
    plain.request("m")
    dm.message(plain, "switch_group 2")
    assert dm.status(plain) == "2 0 0 0 2 2 E 0 1 2 8:0 A 0 0 1 E 0 1 2 8:64 A 0 0 1 "
    assert dm.info(plain).event_nr == 1
    plain.request("m")
    assert dm.status(plain) == "2 0 0 0 2 2 E 0 1 2 8:0 A 0 0 1 A 0 1 2 8:64 A 0 0 1 "


def test_a_disabled_group_is_used_last(plain: SandboxHost) -> None:
    dm.message(plain, "disable_group 1")
    assert dm.status(plain) == "2 1 0 0 2 1 D 0 1 2 8:0 A 0 0 1 E 0 1 2 8:64 A 0 0 1 "
    dm.message(plain, "disable_group 2")
    plain.request("m")
    plain.happen("offline", "sde")
    dm.message(plain, "enable_group 1")
    plain.request("m")
    assert dm.status(plain) == "2 0 0 0 2 1 A 0 1 2 8:0 A 0 0 1 D 0 1 2 8:64 A 0 0 1 "


def test_a_disabled_group_is_used_when_no_other_is_left(plain: SandboxHost) -> None:
    plain.request("m")
    dm.message(plain, "disable_group 2")
    plain.happen("offline", "sda")
    assert plain.request("m").result is Result.DONE


def test_switch_group_enables_all_groups(plain: SandboxHost) -> None:
    dm.message(plain, "disable_group 1")
    dm.message(plain, "switch_group 2")
    assert " D " not in dm.status(plain)


def test_queueing_is_a_message_and_shows_in_the_table(plain: SandboxHost) -> None:
    dm.message(plain, "fail_if_no_path")
    assert dm.table(plain).startswith("0 0 2 1")
    dm.message(plain, "queue_if_no_path")
    assert dm.table(plain).startswith("1 queue_if_no_path 0 2 1")
    assert dm.info(plain).event_nr == 0


def test_fail_if_no_path_fails_what_waits(plain: SandboxHost) -> None:
    plain.happen("offline", "sda", "sde")
    request = plain.request("m")
    dm.message(plain, "fail_if_no_path")
    assert request.result is Result.PATH_ERROR


def test_messages_are_not_case_sensitive(plain: SandboxHost) -> None:
    dm.message(plain, "FAIL_PATH 8:0")
    assert "8:0 F 1" in dm.status(plain)


MESSAGES = {
    "bogus": errno.EINVAL,
    "bogus x": errno.EINVAL,
    "fail_path": errno.EINVAL,
    "fail_path 8:0 8:64": errno.EINVAL,
    "queue_if_no_path 1": errno.EINVAL,
    "switch_group": errno.EINVAL,
    "switch_group 0": errno.EINVAL,
    "switch_group 3": errno.EINVAL,
    "switch_group -1": errno.EINVAL,
    "switch_group 1x": errno.EINVAL,
    "disable_group 3": errno.EINVAL,
    "enable_group x": errno.EINVAL,
    "fail_path 8:16": errno.EINVAL,
    "fail_path 99:1": errno.ENXIO,
    "reinstate_path 99:1": errno.ENXIO,
    "fail_path sda": errno.ENODEV,
}


@pytest.mark.parametrize("text", MESSAGES)
def test_messages_that_are_refused(plain: SandboxHost, text: str) -> None:
    refused(MESSAGES[text], lambda: dm.message(plain, text))
    assert dm.info(plain).event_nr == 0


def test_a_target_without_messages(plain: SandboxHost) -> None:
    dm.create(plain, "lv", "lv")
    dm.load(plain, "8:16 0", name="lv", kind="linear")
    dm.resume(plain, "lv")
    refused(errno.EINVAL, lambda: dm.message(plain, "fail_path 8:16", name="lv"))


# ---- handlers


def test_using_a_group_of_an_explicit_array_makes_it_optimized(alua: SandboxHost) -> None:
    dm.message(alua, "switch_group 2")
    alua.request("m")
    states = [alua.read_file(f"/sys/block/{name}/device/access_state") for name in ("sda", "sdc", "sde", "sdg")]
    assert states == [b"active/non-optimized\n"] * 2 + [b"active/optimized\n"] * 2


def test_paths_that_can_not_be_activated_are_failed(alua: SandboxHost) -> None:
    alua.happen("offline", "sda")
    alua.request("m")
    assert dm.status(alua).startswith("2 0 1 0 2 1 A 0 2 2 8:0 F 1 0 1 8:32 A 0 0 1 E")


def test_a_group_whose_paths_can_not_be_activated_is_left(alua: SandboxHost) -> None:
    alua.happen("offline", "sda", "sdc")
    assert alua.request("m").result is Result.DONE
    assert dm.status(alua).startswith("2 0 1 0 2 2 E 0 2 2 8:0 F 1 0 1 8:32 F 1 0 1 A")


def test_a_path_that_comes_back_into_the_current_group_is_activated(alua: SandboxHost) -> None:
    alua.request("m")
    dm.message(alua, "fail_path 8:0")
    alua.happen("offline", "sda")
    dm.message(alua, "reinstate_path 8:0")
    assert "8:0 F 2" in dm.status(alua)


# ---- on top of a map


def test_requests_go_down_through_what_stands_on_a_map(plain: SandboxHost) -> None:
    dm.create(plain, "lv", "LVM-x")
    dm.load(plain, "253:0 0", name="lv", kind="linear")
    dm.resume(plain, "lv")
    plain.happen("offline", "sda", "sde")
    request = plain.request("lv")
    assert request.waits
    plain.happen("online", "sda")
    dm.message(plain, "reinstate_path 8:0")
    assert request.result is Result.DONE
    assert dm.info(plain).open_count == 1
    assert plain.list_directory("/sys/block/dm-0/holders") == ("dm-1",)


def test_an_error_target_fails_every_request(plain: SandboxHost) -> None:
    dm.create(plain, "e", "e")
    dm.load(plain, "", name="e", kind="error")
    dm.resume(plain, "e")
    assert plain.request("e").result is Result.PATH_ERROR
