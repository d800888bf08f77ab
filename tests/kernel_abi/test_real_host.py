"""The real host's calls that need no device-mapper and no disk; the others are tried on a kernel in a VM."""

import ctypes
import errno
import os
import stat
import time
from pathlib import Path

import pytest

from observers.host import Host
from observers.kernel import dm_ioctl, reservation, scsi
from observers.kernel.dm_ioctl import Command, Header
from observers.kernel.real_host import RealHost
from observers.snapshot import DeviceName
from tests.kernel_abi.test_scsi import SgIoHdr


@pytest.fixture
def host() -> Host:
    return RealHost()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


# ---- files


def test_file_is_read_whole(host: Host, tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000
    (tmp_path / "file").write_bytes(content)
    assert host.read_file(str(tmp_path / "file")) == content


def test_file_of_proc_without_a_size_is_read(host: Host) -> None:
    assert b"Pid:" in host.read_file("/proc/self/status")


def test_absent_file_is_the_kernels_error(host: Host, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        host.read_file(str(tmp_path / "absent"))


def test_reading_a_directory_leaves_no_file_open(host: Host, tmp_path: Path) -> None:
    before = open_files()
    with pytest.raises(IsADirectoryError):
        host.read_file(str(tmp_path))
    assert open_files() == before


def test_directory_is_listed_in_order(host: Host, tmp_path: Path) -> None:
    for name in ("sdb", "sda", "dm-0"):
        (tmp_path / name).touch()
    assert host.list_directory(str(tmp_path)) == ("dm-0", "sda", "sdb")


def test_links_are_followed_to_the_end(host: Host, tmp_path: Path) -> None:
    (tmp_path / "real").touch()
    (tmp_path / "link").symlink_to("real")
    assert host.real_path(str(tmp_path / "link")) == str((tmp_path / "real").resolve())


def test_link_that_leads_nowhere_has_no_real_path(host: Host, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("absent")
    with pytest.raises(FileNotFoundError):
        host.real_path(str(tmp_path / "link"))


def test_attribute_is_written_in_place(host: Host, tmp_path: Path) -> None:
    attribute = tmp_path / "state"
    attribute.write_bytes(b"running\n")
    inode = attribute.stat().st_ino
    host.write_attribute(str(attribute), b"offline\n")
    assert (attribute.read_bytes(), attribute.stat().st_ino) == (b"offline\n", inode)


def test_attribute_is_never_created(host: Host, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        host.write_attribute(str(tmp_path / "state"), b"1")
    assert not any(tmp_path.iterdir())


def test_attribute_that_refuses_is_the_kernels_error(host: Host) -> None:
    before = open_files()
    with pytest.raises(OSError, match="No space left") as caught:
        host.write_attribute("/dev/full", b"1")
    assert (caught.value.errno, open_files()) == (errno.ENOSPC, before)


# ---- whole files


def test_file_is_replaced_whole(host: Host, tmp_path: Path) -> None:
    target = tmp_path / "bindings"
    target.write_text("a much longer text than the new one")
    host.replace_file(str(target), b"new", mode=0o600)
    assert target.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["bindings"]


def test_who_has_the_old_file_open_still_sees_the_old_text(host: Host, tmp_path: Path) -> None:
    target = tmp_path / "wwids"
    target.write_text("old")
    with target.open() as reader:
        host.replace_file(str(target), b"new", mode=0o600)
        assert reader.read() == "old"


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o666])
def test_file_has_the_mode_whatever_the_umask(host: Host, tmp_path: Path, mode: int) -> None:
    before = os.umask(0o077)
    try:
        host.replace_file(str(tmp_path / "file"), b"", mode=mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


def test_directory_is_made_where_it_is_absent(host: Host, tmp_path: Path) -> None:
    host.replace_file(str(tmp_path / "etc" / "multipath" / "wwids"), b"x", mode=0o600)
    assert (tmp_path / "etc" / "multipath" / "wwids").read_bytes() == b"x"


def test_symbolic_link_stays_one(host: Host, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "bindings").write_text("old")
    (tmp_path / "bindings").symlink_to("var/bindings")
    host.replace_file(str(tmp_path / "bindings"), b"new", mode=0o600)
    assert (tmp_path / "bindings").is_symlink()
    assert (tmp_path / "var" / "bindings").read_bytes() == b"new"


def test_replacing_that_fails_leaves_nothing_behind(host: Host, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    before = open_files()
    with pytest.raises(IsADirectoryError):
        host.replace_file(str(tmp_path / "target"), b"new", mode=0o600)
    assert [entry.name for entry in tmp_path.iterdir()] == ["target"]
    assert open_files() == before


# ---- locks


def test_lock_is_exclusive(host: Host, tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    handle = host.lock(path)
    before = open_files()
    with pytest.raises(BlockingIOError):
        host.lock(path)
    assert open_files() == before
    host.unlock(handle)


def test_lock_can_be_taken_again_after_it_was_given_back(host: Host, tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    host.unlock(host.lock(path))
    host.unlock(host.lock(path))
    assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600


# ---- devices


@pytest.mark.parametrize("command", sorted(set(Command) - dm_ioctl.READING_COMMANDS), ids=lambda c: f"{c.name}")
def test_query_that_would_change_something_is_refused_before_the_kernel_sees_it(command: Command) -> None:
    host = RealHost(dm_control="/nonexistent/control")
    with pytest.raises(PermissionError, match="not one that only reads"):
        host.dm_query(command, dm_ioctl.pack(Header()))


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(dm_ioctl.pack(Header(), size=400)[:350], id="header says more than there is"),
        pytest.param(dm_ioctl.pack(Header()) + bytes(8), id="header says less than there is"),
        pytest.param(b"", id="no header"),
    ],
)
def test_request_that_lies_about_its_size_never_reaches_the_kernel(request_bytes: bytes) -> None:
    host = RealHost(dm_control="/nonexistent/control")
    with pytest.raises(OSError, match="says another size") as caught:
        host.dm_change(Command.DM_DEV_CREATE, request_bytes)
    assert caught.value.errno == errno.EINVAL


def test_absent_control_node_is_named_in_the_error(tmp_path: Path) -> None:
    host = RealHost(dm_control=str(tmp_path / "control"))
    with pytest.raises(FileNotFoundError, match="control"):
        host.dm_query(Command.DM_VERSION, dm_ioctl.pack(Header()))


def test_control_node_is_opened_once_and_kept() -> None:
    host, before = RealHost(dm_control="/dev/null"), open_files()
    for _ in range(3):
        with pytest.raises(OSError, match="ioctl"):
            host.dm_query(Command.DM_VERSION, dm_ioctl.pack(Header()))
    assert open_files() == before + 1
    host.close()
    assert open_files() == before


def test_nothing_is_opened_before_the_first_call() -> None:
    before = open_files()
    RealHost(dm_control="/dev/null").close()
    assert open_files() == before


def test_scsi_command_that_would_change_something_is_refused(host: Host) -> None:
    with pytest.raises(PermissionError, match="not one that only reads"):
        host.scsi_inquire(DeviceName("absent"), bytes.fromhex("2a000000000000000100"), reply_length=0, timeout=1)


def test_scsi_command_to_an_absent_device_is_the_kernels_error(host: Host) -> None:
    with pytest.raises(FileNotFoundError, match="/dev/cciss/c0d0-absent"):
        host.scsi_inquire(DeviceName("cciss!c0d0-absent"), scsi.test_unit_ready(), reply_length=0, timeout=1)


def test_scsi_command_to_what_is_no_disk_is_the_kernels_error(host: Host) -> None:
    before = open_files()
    with pytest.raises(OSError, match="ioctl"):
        host.scsi_inquire(DeviceName("null"), scsi.test_unit_ready(), reply_length=0, timeout=1)
    assert open_files() == before


def test_registration_with_what_is_no_disk_is_the_kernels_error(host: Host) -> None:
    before = open_files()
    with pytest.raises(OSError, match="ioctl"):
        host.scsi_register(DeviceName("null"), reservation.parameters(1, aptpl=False), timeout=1)
    assert open_files() == before


def test_registration_is_sent_as_the_kernel_wants_it(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []

    def answer(_descriptor: int, number: int, buffer: "ctypes.Array[ctypes.c_char]") -> int:
        header = SgIoHdr.from_buffer_copy(buffer)
        assert (number, header.dxfer_direction) == (scsi.SG_IO, -2)
        sent.append(ctypes.string_at(header.cmdp, header.cmd_len))
        sent.append(ctypes.string_at(header.dxferp, header.dxfer_len))
        return 0

    monkeypatch.setattr("observers.kernel.ioctl.ioctl", answer)
    parameters = reservation.parameters(0xABC, aptpl=True)
    assert host.scsi_register(DeviceName("null"), parameters, timeout=1).status == 0
    assert sent == [reservation.REGISTER, parameters]


def test_absent_device_has_no_udev_properties(host: Host) -> None:
    with pytest.raises(OSError, match="No such device") as caught:
        host.udev_properties(DeviceName("absent"))
    assert caught.value.errno == errno.ENODEV


@pytest.mark.parametrize(("size", "whole"), [(4096, True), (512, False)])
def test_a_read_tells_whether_all_came_that_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, host: Host, tmp_path: Path, *, size: int, whole: bool
) -> None:
    (tmp_path / "disk").write_bytes(bytes(size))
    monkeypatch.setattr("observers.kernel.real_host._node", lambda name: str(tmp_path / name))
    monkeypatch.setattr("os.O_DIRECT", 0)
    block = host.direct_read(DeviceName("disk"), length=4096, timeout=60)
    assert (len(block.data), block.whole) == (size, whole)


# ---- clocks and the process


def test_monotonic_clock_goes_on_while_the_host_sleeps(host: Host) -> None:
    before = host.monotonic()
    host.sleep(0.001)
    assert host.monotonic() - before >= 0.001


def test_wall_time_is_seconds_since_1970(host: Host) -> None:
    before = time.time()
    assert before <= host.wall_time() <= before + 3600


def test_effective_user_is_the_one_who_runs_the_tests(host: Host) -> None:
    assert host.effective_user() == os.geteuid()
