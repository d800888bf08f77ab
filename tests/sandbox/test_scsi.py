"""SCSI disks: what a command brings back in each state of disk, link, transport and array."""

import errno

import pytest

from controller.sandbox.errors import WouldBlock
from controller.sandbox.host import SandboxHost
from observers.host import ScsiReply
from observers.identity import page80_serial, target_port_group
from observers.kernel.scsi import (
    decode_sense,
    inquiry,
    inquiry_page,
    parse_inquiry,
    parse_target_port_groups,
    report_luns,
    report_target_port_groups,
)
from observers.snapshot import DeviceName
from tests.sandbox import dm
from tests.sandbox.test_dm_ioctls import refused
from tests.sandbox.test_dm_states import FC

TUR = bytes(6)


@pytest.fixture
def host() -> SandboxHost:
    return dm.san()


def ask(host: SandboxHost, name: str, cdb: bytes = TUR, *, length: int = 4096, timeout: float = 30) -> ScsiReply:
    return host.scsi_inquire(DeviceName(name), cdb, reply_length=length, timeout=timeout)


def sense(reply: ScsiReply) -> str:
    found = decode_sense(reply.sense)
    return f"{found.key:x}/{found.asc:02x}/{found.ascq:02x}" if found else ""


def test_a_healthy_disk_is_ready(host: SandboxHost) -> None:
    assert ask(host, "sda") == ScsiReply(status=0, host_status=0, driver_status=0, sense=b"", data=b"")


def test_inquiry_data(host: SandboxHost) -> None:
    found = parse_inquiry(ask(host, "sda", inquiry()).data)
    assert (found.vendor, found.product, found.revision, found.tpgs) == ("LIO-ORG", "RAMDISK-MCP", "4.0", 3)


def test_no_more_data_than_was_asked_for(host: SandboxHost) -> None:
    assert len(ask(host, "sda", inquiry(length=36), length=36).data) == 36


def test_pages_name_the_unit_and_the_port(host: SandboxHost) -> None:
    assert ask(host, "sda", inquiry_page(0)).data == bytes.fromhex("000000030080 83")
    assert page80_serial(ask(host, "sda", inquiry_page(0x80)).data) == "1ab00000"
    page = ask(host, "sda", inquiry_page(0x83)).data
    assert bytes.fromhex("60014051ab0000000004000800000000") in page
    assert target_port_group(page) == 16
    assert target_port_group(ask(host, "sde", inquiry_page(0x83)).data) == 17


def test_a_page_that_there_is_not(host: SandboxHost) -> None:
    assert sense(ask(host, "sda", inquiry_page(0xC9))) == "5/24/00"


def test_target_port_groups(host: SandboxHost) -> None:
    for extended in (False, True):
        reply = ask(host, "sda", report_target_port_groups(extended=extended))
        groups = parse_target_port_groups(reply.data)
        assert [(group.group, group.state, group.ports) for group in groups] == [(16, 0, (1, 2)), (17, 1, (3, 4))]


def test_an_array_without_alua_does_not_know_the_command() -> None:
    assert sense(ask(dm.san(dm.PLAIN), "sda", report_target_port_groups())) == "5/20/00"


def test_luns_are_reported_with_flat_addresses_from_256(host: SandboxHost) -> None:
    assert ask(host, "sda", report_luns()).data == bytes.fromhex("00000010 00000000 0000000000000000 0001000000000000")
    many = dm.san(dm.PLAIN.replace("lun 0-3", "lun 256").replace("{n}", "1"))
    assert ask(many, "sda", report_luns()).data[8:10] == bytes.fromhex("4100")


# ---- the array changes


def test_an_unmapped_unit(host: SandboxHost) -> None:
    host.happen("unmap", "one:1")
    assert sense(ask(host, "sdb")) == "5/25/00"
    assert sense(ask(host, "sdb", inquiry_page(0x83))) == "5/25/00"
    assert ask(host, "sdb", inquiry()).data[0] == 0x7F
    assert ask(host, "sda", report_luns()).data[:4] == bytes.fromhex("00000008")
    assert ask(host, "sda").status == 0


def test_a_unit_that_is_shown_again_says_so_once() -> None:
    host = dm.san(dm.PLAIN)
    host.happen("unmap", "plain:1")
    host.happen("show", "plain:1")
    assert sense(ask(host, "sdb")) == "6/3f/0e"
    assert ask(host, "sdb").status == 0


def test_a_deleted_disk_is_forgotten_by_the_array_and_the_other_is_not() -> None:
    host = dm.san(dm.PLAIN)
    host.happen("delete", "sde")
    host.happen("resize", "plain:0", "128M")
    assert sense(ask(host, "sda")) == "6/2a/09"
    host.happen("delete", "sda")


def test_another_unit_behind_the_same_number(host: SandboxHost) -> None:
    cached = host.read_file("/sys/block/sda/device/vpd_pg83")
    host.happen("remap", "one:0", "one:1")
    now = ask(host, "sda", inquiry_page(0x83)).data
    assert host.read_file("/sys/block/sda/device/vpd_pg83") == cached != now
    assert bytes.fromhex("60014051ab0000100004000800000000") in now


@pytest.mark.parametrize(
    ("state", "answer"),
    [
        ("standby", "2/04/0b"),
        ("unavailable", "2/04/0c"),
        ("transitioning", "2/04/0a"),
        ("offline", "2/04/12"),
        ("active/non-optimized", ""),
    ],
)
def test_access_states(host: SandboxHost, state: str, answer: str) -> None:
    host.happen("alua", "one:16", state)
    assert sense(ask(host, "sda")) == answer
    assert ask(host, "sda", inquiry()).status == 0
    assert ask(host, "sde").status == 0


def test_a_changed_access_state_is_known_after_the_next_command(host: SandboxHost) -> None:
    host.happen("alua", "one:16", "standby", "one:0")
    attribute = "/sys/block/sdc/device/access_state"
    assert host.read_file(attribute) == b"active/optimized\n"
    ask(host, "sda")
    assert host.read_file(attribute) == b"standby\n"
    assert host.read_file("/sys/block/sdb/device/access_state") == b"active/optimized\n"


def test_without_a_handler_the_unit_attention_is_seen() -> None:
    host = dm.san(dm.PLAIN)
    host.happen("resize", "plain:0", "128M")
    assert sense(ask(host, "sda")) == "6/2a/09"
    assert ask(host, "sda").status == 0
    assert sense(ask(host, "sde")) == "6/2a/09"


def test_inquiry_does_not_clear_a_unit_attention() -> None:
    host = dm.san(dm.PLAIN)
    host.happen("resize", "plain:0", "128M")
    assert ask(host, "sda", inquiry()).status == 0
    assert sense(ask(host, "sda")) == "6/2a/09"


def test_the_kernel_learns_another_size_by_a_rescan_only() -> None:
    host = dm.san(dm.PLAIN)
    host.happen("resize", "plain:0", "128M")
    assert host.read_file("/sys/block/sda/size") == b"131072\n"
    host.write_attribute("/sys/block/sda/device/rescan", b"1\n")
    assert host.read_file("/sys/block/sda/size") == b"262144\n"
    assert host.uevents.of("sda")[-1].properties == {"RESIZE": "1"}


# ---- the disk and its link


@pytest.mark.parametrize("event", [("offline", "sda"), ("delete", "sda")])
def test_a_disk_that_can_not_be_opened(host: SandboxHost, event: tuple[str, str]) -> None:
    host.happen(*event)
    with pytest.raises(OSError):  # noqa: PT011 -- ENXIO or ENOENT
        ask(host, "sda")


def test_an_offline_disk_is_no_such_device_or_address(host: SandboxHost) -> None:
    host.happen("offline", "sda")
    refused(errno.ENXIO, lambda: ask(host, "sda"))


def test_a_disk_that_is_not_there(host: SandboxHost) -> None:
    refused(errno.ENOENT, lambda: ask(host, "sdz"))


def test_a_mapped_device_takes_no_scsi_command(host: SandboxHost) -> None:
    dm.start(host, "0 0 1 1 round-robin 0 1 1 8:0 1")
    refused(errno.ENOTTY, lambda: ask(host, "dm-0"))


def test_a_command_that_writes_is_not_sent(host: SandboxHost) -> None:
    refused(errno.EPERM, lambda: ask(host, "sda", bytes.fromhex("2a000000000000000000")))


def test_only_root_may_send_commands() -> None:
    host = dm.san(more="host\n user 1000\n")
    refused(errno.EACCES, lambda: ask(host, "sda"))


def test_a_link_without_connection(host: SandboxHost) -> None:
    host.happen("link", "no-connect", "sda")
    assert ask(host, "sda").host_status == 0x01
    host.happen("link", "up", "sda")
    assert ask(host, "sda").host_status == 0


def test_a_silent_link_takes_the_whole_timeout(host: SandboxHost) -> None:
    host.happen("link", "silent", "sda")
    before = host.monotonic()
    assert ask(host, "sda", timeout=7).host_status == 0x03
    assert host.monotonic() - before == 7


# ---- transports


def test_fibre_channel_blocks_then_fails_then_removes() -> None:
    host = dm.san(FC)
    host.happen("port-down", "a/5000000000000001")
    state = "/sys/block/sda/device/state"
    port = "/sys/class/fc_remote_ports/rport-1:0-0/port_state"
    assert (host.read_file(state), host.read_file(port)) == (b"blocked\n", b"Blocked\n")
    host.advance(5)
    assert host.read_file(state) == b"transport-offline\n"
    refused(errno.ENXIO, lambda: ask(host, "sda"))
    host.advance(55)
    refused(errno.ENOENT, lambda: host.read_file(state))
    refused(errno.ENOENT, lambda: host.read_file(port))
    assert [event.action for event in host.uevents.of("sda")] == ["add", "remove"]


def test_fibre_channel_finds_again_what_it_had_removed() -> None:
    host = dm.san(FC)
    host.happen("port-down", "a/5000000000000001")
    host.advance(60)
    assert host.list_directory("/sys/block") == ()
    host.happen("port-up", "a/5000000000000001")
    assert host.list_directory("/sys/block") == ("sda", "sdb")
    assert host.read_file("/sys/class/fc_remote_ports/rport-1:0-0/port_state") == b"Online\n"


def test_a_port_that_is_back_in_time_changes_nothing() -> None:
    host = dm.san(FC)
    host.happen("adapter-down", "1")
    host.advance(6)
    host.happen("adapter-up", "1")
    host.advance(100)
    assert host.read_file("/sys/block/sda/device/state") == b"running\n"


def test_the_transports_timers_can_be_set() -> None:
    host = dm.san(FC)
    rport = "/sys/class/fc_remote_ports/rport-1:0-0"
    host.write_attribute(f"{rport}/fast_io_fail_tmo", b"20")
    host.write_attribute(f"{rport}/dev_loss_tmo", b"600")
    refused(errno.EINVAL, lambda: host.write_attribute(f"{rport}/dev_loss_tmo", b"soon"))
    host.happen("adapter-down", "1")
    host.advance(19)
    assert host.read_file("/sys/block/sda/device/state") == b"blocked\n"
    host.advance(1)
    assert host.read_file("/sys/block/sda/device/state") == b"transport-offline\n"


def test_a_command_to_a_blocked_disk_waits_for_the_transport() -> None:
    host = dm.san(FC)
    host.happen("adapter-down", "1")
    before = host.monotonic()
    assert ask(host, "sda").host_status == 0x01
    assert host.monotonic() - before == 5


ISCSI = """
array a
    vendor V
    product P
    revision 1
    node iqn.2001-04.com.example:a
    group 0 active/optimized 192.168.1.1:3260,1
    lun 0 size 64M naa 5000000000000000 serial s
adapter 3 iscsi iqn.1993-08.org.debian:01:abc
    sees a 192.168.1.1:3260,1
"""


def test_an_iscsi_session_recovers_or_not() -> None:
    host = dm.san(ISCSI)
    session = "/sys/class/iscsi_session/session300"
    host.happen("adapter-down", "3")
    assert host.read_file(f"{session}/state") == b"FAILED\n"
    host.advance(119)
    assert host.read_file("/sys/block/sda/device/state") == b"blocked\n"
    host.advance(1)
    assert host.read_file("/sys/block/sda/device/state") == b"transport-offline\n"
    host.happen("adapter-up", "3")
    assert host.read_file("/sys/block/sda/device/state") == b"running\n"
    assert host.read_file(f"{session}/state") == b"LOGGED_IN\n"


def test_other_transports_only_lose_the_connection(host: SandboxHost) -> None:
    host.happen("adapter-down", "0")
    assert host.read_file("/sys/block/sda/device/state") == b"running\n"
    assert ask(host, "sda").host_status == 0x01


def test_a_call_that_nothing_can_wake_says_so(host: SandboxHost) -> None:
    with pytest.raises(WouldBlock, match="never return"):
        host.kernel.clock.wait(lambda: False, what="this")
