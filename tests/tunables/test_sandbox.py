"""Attributes of ports, sessions, adapters and disks: the sandbox takes and refuses what the kernel does."""

import errno

import pytest

from controller.sandbox.host import SandboxHost
from controller.sandbox.san import Transport
from observers.snapshot import DeviceName
from tests.sandbox import dm
from tests.sandbox.test_dm_ioctls import refused
from tests.tunables import hosts

RPORT = "/sys/class/fc_remote_ports/rport-1:0-0"


@pytest.fixture
def fc() -> SandboxHost:
    return hosts.host()


def value(host: SandboxHost, file: str) -> str:
    return host.read_file(file).decode().strip()


def test_io_must_fail_before_the_port_is_lost(fc: SandboxHost) -> None:
    refused(errno.EINVAL, lambda: fc.write_attribute(f"{RPORT}/fast_io_fail_tmo", b"60"))
    fc.write_attribute(f"{RPORT}/dev_loss_tmo", b"61")
    fc.write_attribute(f"{RPORT}/fast_io_fail_tmo", b"60")
    assert value(fc, f"{RPORT}/fast_io_fail_tmo") == "60"


def test_without_failing_early_no_port_is_waited_for_longer_than_600_s(fc: SandboxHost) -> None:
    fc.write_attribute(f"{RPORT}/fast_io_fail_tmo", b"off")
    assert value(fc, f"{RPORT}/fast_io_fail_tmo") == "off"
    fc.write_attribute(f"{RPORT}/dev_loss_tmo", b"600")
    refused(errno.EINVAL, lambda: fc.write_attribute(f"{RPORT}/dev_loss_tmo", b"601"))


def test_a_port_that_is_waited_for_for_ever(fc: SandboxHost) -> None:
    fc.write_attribute(f"{RPORT}/dev_loss_tmo", b"4294967295")
    assert value(fc, f"{RPORT}/dev_loss_tmo") == "4294967295"
    refused(errno.EINVAL, lambda: fc.write_attribute(f"{RPORT}/dev_loss_tmo", b"4294967296"))


def test_a_port_that_is_away_takes_nothing(fc: SandboxHost) -> None:
    fc.happen("adapter-down", "1")
    for name in ("fast_io_fail_tmo", "dev_loss_tmo"):
        refused(errno.EBUSY, lambda name=name: fc.write_attribute(f"{RPORT}/{name}", b"3"))  # type: ignore[misc]


def test_a_port_whose_io_does_not_fail_early_fails_when_it_is_lost(fc: SandboxHost) -> None:
    fc.write_attribute(f"{RPORT}/fast_io_fail_tmo", b"off")
    fc.happen("adapter-down", "1")
    fc.advance(59)
    assert value(fc, "/sys/block/sda/device/state") == "blocked"
    fc.advance(1)
    assert "sda" not in fc.list_directory("/sys/block")


def test_a_session_can_switch_its_recovery_off() -> None:
    host = hosts.host(Transport.ISCSI)
    session = f"/sys/class/iscsi_session/{host.list_directory('/sys/class/iscsi_session')[0]}"
    host.write_attribute(f"{session}/recovery_tmo", b"7")
    assert value(host, f"{session}/recovery_tmo") == "7"
    host.write_attribute(f"{session}/recovery_tmo", b"off")
    host.happen("adapter-down", "1")
    host.advance(1000)
    assert value(host, "/sys/block/sda/device/state") == "blocked"
    refused(errno.EBUSY, lambda: host.write_attribute(f"{session}/recovery_tmo", b"7"))


def test_a_sas_end_device_can_only_be_read() -> None:
    host = hosts.host(Transport.SAS)
    file = "/sys/class/sas_end_device/end_device-1:0/I_T_nexus_loss_timeout"
    assert value(host, file) == "2000"
    refused(errno.EACCES, lambda: host.write_attribute(file, b"60"))


@pytest.mark.parametrize(
    ("file", "good", "bad"),
    [
        ("/sys/class/scsi_host/host1/eh_deadline", ["off", "0", "30"], ["-1", "soon"]),
        ("/sys/block/sda/device/scsi_disk/1:0:0:1/max_retries", ["-1", "0", "5"], ["-2", "6", ""]),
        ("/sys/block/sda/queue/max_sectors_kb", ["4", "512", "32767"], ["0", "3", "32768"]),
    ],
    ids=["eh_deadline", "max_retries", "max_sectors_kb"],
)
def test_what_is_taken_and_what_is_not(fc: SandboxHost, file: str, good: list[str], bad: list[str]) -> None:
    for text in good:
        fc.write_attribute(file, text.encode())
        assert value(fc, file) == text
    for text in bad:
        refused(errno.EINVAL, lambda text=text: fc.write_attribute(file, text.encode()))  # type: ignore[misc]


def test_a_driver_with_error_handling_of_its_own_has_no_deadline() -> None:
    host = hosts.host(Transport.ATA)
    refused(errno.EINVAL, lambda: host.write_attribute("/sys/class/scsi_host/host1/eh_deadline", b"30"))


def test_a_change_that_shall_fail_fails_that_often(fc: SandboxHost) -> None:
    fc.faults.fail_change(f"{RPORT}/dev_loss_tmo", errno.EIO)
    refused(errno.EIO, lambda: fc.write_attribute(f"{RPORT}/dev_loss_tmo", b"70"))
    fc.write_attribute(f"{RPORT}/dev_loss_tmo", b"70")


def test_files_are_removed_once(fc: SandboxHost) -> None:
    fc.create_file("/run/multipath/x/y", mode=0o600, modified=0.0)
    fc.remove_file("/run/multipath/x/y")
    refused(errno.ENOENT, lambda: fc.remove_file("/run/multipath/x/y"))
    refused(errno.EPERM, lambda: fc.remove_file("/sys/block/sda/size"))
    refused(errno.EISDIR, lambda: fc.remove_file("/run/multipath/x"))


def test_a_disk_that_is_held_keeps_its_name_when_it_is_deleted() -> None:
    host = dm.san()
    held = host.hold_device(DeviceName("sda"))
    again = "/sys/class/scsi_host/host0/scan"
    host.happen("delete", "sda")
    host.write_attribute(again, b"- - -")
    assert "sda" not in host.list_directory("/sys/block")
    host.happen("delete", host.list_directory("/sys/block")[-1])
    host.release_device(held)
    host.write_attribute(again, b"- - -")
    assert "sda" in host.list_directory("/sys/block")
    refused(errno.EBADF, lambda: host.release_device(held))


def test_a_process_that_is_killed_holds_nothing_any_more() -> None:
    host = dm.san()
    held = host.hold_device(DeviceName("sda"))
    host.restart()
    refused(errno.EBADF, lambda: host.release_device(held))
