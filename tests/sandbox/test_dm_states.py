"""Suspend, resume, and the swap of tables, with what waits in the map meanwhile."""

import errno

import pytest

from controller.sandbox.block import Result
from controller.sandbox.errors import WouldBlock
from controller.sandbox.host import SandboxHost
from observers.kernel.dm_ioctl import Command, Flag
from tests.sandbox import dm
from tests.sandbox.test_dm_ioctls import refused

QUEUEING = "1 queue_if_no_path 0 2 1 service-time 0 1 1 8:0 1 service-time 0 1 1 8:64 1"
FAILING = "0 0 2 1 service-time 0 1 1 8:0 1 service-time 0 1 1 8:64 1"


@pytest.fixture
def host() -> SandboxHost:
    host = dm.san(dm.PLAIN)
    dm.start(host, QUEUEING)
    return host


def suspended(host: SandboxHost) -> bool:
    return bool(dm.info(host).flags & Flag.DM_SUSPEND_FLAG)


def all_offline(host: SandboxHost) -> None:
    host.happen("offline", "sda", "sde")


# ---- swapping


def test_a_device_runs_before_it_has_a_table() -> None:
    host = dm.san(dm.PLAIN)
    dm.create(host)
    assert not suspended(host)
    header = dm.resume(host)
    assert not header.flags & Flag.DM_UEVENT_GENERATED_FLAG


def test_a_suspended_device_without_a_table_can_not_be_resumed() -> None:
    host = dm.san(dm.PLAIN)
    dm.create(host)
    dm.suspend(host)
    refused(errno.EINVAL, lambda: dm.resume(host))


def test_resume_makes_the_inactive_table_live(host: SandboxHost) -> None:
    dm.load(host, FAILING)
    assert dm.table(host).startswith("1 queue_if_no_path")
    header = dm.resume(host)
    assert header.flags & Flag.DM_UEVENT_GENERATED_FLAG
    assert dm.table(host).startswith("0 0 2 1")
    assert not dm.info(host).flags & Flag.DM_INACTIVE_PRESENT_FLAG


def test_a_new_table_takes_failed_paths_as_active(host: SandboxHost) -> None:
    dm.message(host, "fail_path 8:0")
    dm.load(host, FAILING)
    dm.resume(host)
    assert "8:0 A 0" in dm.status(host)


def test_the_event_number_survives_a_new_table(host: SandboxHost) -> None:
    dm.message(host, "fail_path 8:0")
    before = dm.info(host).event_nr
    dm.load(host, FAILING)
    dm.resume(host)
    assert dm.info(host).event_nr == before == 1


def test_a_swap_that_fails_leaves_the_map_suspended_with_its_old_table(host: SandboxHost) -> None:
    dm.load(host, FAILING, size=dm.SIZE + 8)
    refused(errno.EINVAL, lambda: dm.resume(host))
    assert suspended(host)
    assert not dm.info(host).flags & Flag.DM_INACTIVE_PRESENT_FLAG
    dm.resume(host)
    assert not suspended(host)
    assert dm.table(host).startswith("1 queue_if_no_path")


def test_another_size_makes_a_uevent_of_its_own() -> None:
    host = dm.san(dm.PLAIN)
    dm.start(host, FAILING, size=1024)
    dm.load(host, FAILING, size=2048)
    dm.resume(host)
    assert [event.properties.get("RESIZE") for event in host.uevents.of("dm-0", "change")[-2:]] == ["1", None]
    assert host.read_file("/sys/block/dm-0/size") == b"2048\n"


def test_read_only_comes_and_goes_with_the_table(host: SandboxHost) -> None:
    dm.load(host, FAILING, flags=Flag.DM_READONLY_FLAG)
    dm.resume(host)
    dm.load(host, FAILING)
    dm.resume(host)
    told = [event.properties["DISK_RO"] for event in host.uevents.of("dm-0") if "DISK_RO" in event.properties]
    assert told == ["1", "0"]
    assert not dm.info(host).flags & Flag.DM_READONLY_FLAG


def test_the_inactive_tables_mode_can_be_asked_for(host: SandboxHost) -> None:
    dm.load(host, FAILING, flags=Flag.DM_READONLY_FLAG)
    flags = Flag.DM_QUERY_INACTIVE_TABLE_FLAG
    assert dm.call(host, Command.DM_DEV_STATUS, name="m", flags=flags)[0].flags & Flag.DM_READONLY_FLAG
    assert not dm.info(host).flags & Flag.DM_READONLY_FLAG


# ---- suspended


def test_suspend_twice_is_suspend_once(host: SandboxHost) -> None:
    dm.suspend(host)
    dm.suspend(host)
    assert suspended(host)


def test_requests_wait_while_a_map_is_suspended(host: SandboxHost) -> None:
    dm.suspend(host)
    request = host.request("m")
    assert request.waits
    dm.resume(host)
    assert request.result is Result.DONE


def test_a_suspended_map_takes_no_message(host: SandboxHost) -> None:
    dm.suspend(host)
    refused(errno.EBUSY, lambda: dm.message(host, "fail_path 8:0"))
    refused(errno.EBUSY, lambda: dm.message(host, "queue_if_no_path"))


def test_a_suspended_map_can_be_renamed(host: SandboxHost) -> None:
    dm.suspend(host)
    dm.rename(host, "n")
    assert dm.info(host, "n").flags & Flag.DM_SUSPEND_FLAG


def test_queueing_is_off_during_a_suspend_that_flushes_and_back_after_it(host: SandboxHost) -> None:
    dm.suspend(host)
    assert dm.table(host).startswith("0 0 2 1")
    dm.resume(host)
    assert dm.table(host).startswith("1 queue_if_no_path")


def test_queueing_stays_on_during_a_suspend_without_flush(host: SandboxHost) -> None:
    dm.suspend(host, flags=Flag.DM_NOFLUSH_FLAG)
    assert dm.table(host).startswith("1 queue_if_no_path")


# ---- with requests that wait


def test_a_suspend_that_flushes_fails_what_waits_for_a_path(host: SandboxHost) -> None:
    all_offline(host)
    request = host.request("m")
    assert request.waits
    dm.suspend(host)
    assert request.result is Result.PATH_ERROR
    assert host.lost_requests == [request]


def test_a_suspend_without_flush_keeps_what_waits_for_a_path(host: SandboxHost) -> None:
    all_offline(host)
    request = host.request("m")
    dm.suspend(host, flags=Flag.DM_NOFLUSH_FLAG)
    dm.resume(host)
    assert request.waits
    assert host.lost_requests == []


def test_a_new_table_serves_what_waited(host: SandboxHost) -> None:
    all_offline(host)
    request = host.request("m")
    host.happen("online", "sde")
    dm.load(host, FAILING)
    dm.resume(host, flags=Flag.DM_NOFLUSH_FLAG)
    assert request.result is Result.DONE
    assert "8:0 F 1" in dm.status(host)


def test_a_new_table_without_queueing_fails_what_waited_when_no_path_works(host: SandboxHost) -> None:
    all_offline(host)
    request = host.request("m")
    dm.load(host, FAILING)
    dm.resume(host, flags=Flag.DM_NOFLUSH_FLAG)
    assert request.result is Result.PATH_ERROR
    assert "8:0 F 1" in dm.status(host)
    assert "8:64 F 1" in dm.status(host)


def test_removal_fails_what_still_waits(host: SandboxHost) -> None:
    all_offline(host)
    request = host.request("m")
    dm.remove(host)
    assert request.result is Result.PATH_ERROR


def test_a_suspend_that_would_sleep_for_ever_says_so(host: SandboxHost) -> None:
    host.happen("link", "silent", "sda")
    request = host.request("m")
    with pytest.raises(WouldBlock, match="suspend of m"):
        dm.suspend(host, flags=Flag.DM_NOFLUSH_FLAG)
    assert request.waits


FC = """
array a
    vendor V
    product P
    revision 1
    node 5000000000000000
    group 0 active/optimized 5000000000000001
    lun 0 size 64M naa 5000000000000000 serial s
adapter 1 fc 1000000000000001
    sees a 5000000000000001
adapter 2 fc 1000000000000002
    sees a 5000000000000001
"""


def test_a_suspend_waits_until_the_transport_gives_up_a_blocked_path() -> None:
    host = dm.san(FC)
    dm.start(host, "1 queue_if_no_path 0 1 1 round-robin 0 2 1 8:0 1 8:16 1")
    host.happen("adapter-down", "2")  # udev has read by adapter 1, so the next request takes the other
    request = host.request("m")
    assert request.waits
    before = host.monotonic()
    dm.suspend(host, flags=Flag.DM_NOFLUSH_FLAG)
    assert host.monotonic() - before == 5
    dm.resume(host)
    assert request.result is Result.DONE


def test_waiting_for_an_event(host: SandboxHost) -> None:
    with pytest.raises(WouldBlock):
        dm.call(host, Command.DM_DEV_WAIT, name="m", cookie=0)
    dm.message(host, "fail_path 8:0")
    assert dm.call(host, Command.DM_DEV_WAIT, name="m", cookie=0)[0].event_nr == 1
