"""Reads past the caches, NVMe admin commands, and the cciss driver's pass-through: bytes, and what is never sent."""

import errno
import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observers.kernel import cciss, direct_io, ioctl, nvme, real_host
from observers.kernel.nvme import Opcode
from observers.kernel.real_host import RealHost
from observers.kernel.scsi import Room
from observers.snapshot import DeviceName

NOBODY = Room(address=0, size=0)
SIXTY_FOUR_BITS = pytest.mark.skipif(struct.calcsize("P") != 8, reason="the numbers are those of 64-bit kernels")


@SIXTY_FOUR_BITS
@pytest.mark.parametrize(
    ("number", "expected"),
    [
        pytest.param(direct_io.BLKBSZGET, 0x80081270, id="BLKBSZGET"),
        pytest.param(nvme.ADMIN_COMMAND, 0xC0484E41, id="NVME_IOCTL_ADMIN_CMD"),
        pytest.param(nvme.NAMESPACE_ID, 0x4E40, id="NVME_IOCTL_ID"),
        pytest.param(cciss.GET_DRIVE, 0x800C4211, id="CCISS_GETLUNINFO"),
        pytest.param(cciss.PASS_THROUGH, 0xC058420B, id="CCISS_PASSTHRU"),
    ],
)
def test_request_has_the_number_of_the_kernels_headers(number: int, expected: int) -> None:
    assert number == expected


# ---- reads past the caches


@pytest.mark.parametrize(("said", "expected"), [(512, 512), (4096, 4096), (8192, 4096), (0, 4096), (-1, 4096)], ids=str)
def test_block_is_at_most_a_page(said: int, expected: int) -> None:
    assert direct_io.block_size(struct.pack("@i4x", said)) == expected


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeviceName:
    """A file that stands for a device's node."""
    path = tmp_path / "disk"
    path.write_bytes(bytes(range(256)) * 64)
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECT))
    except OSError:
        pytest.skip("the file system of the temporary directory takes no direct reads")
    monkeypatch.setattr(real_host, "_node", lambda _name: str(path))
    return DeviceName("sda")


def test_what_gives_no_block_size_is_read_by_4096_bytes(file: DeviceName) -> None:
    block = RealHost().direct_read(file, length=0, timeout=30)
    assert block.data == bytes(range(256)) * 16
    assert 0 <= block.seconds < 30


def test_as_many_bytes_are_read_as_were_asked_for(file: DeviceName) -> None:
    assert len(RealHost().direct_read(file, length=8192, timeout=30).data) == 8192


def test_answer_that_comes_late_is_none(file: DeviceName) -> None:
    with pytest.raises(OSError, match="the read took") as caught:
        RealHost().direct_read(file, length=0, timeout=-1)
    assert caught.value.errno == errno.ETIMEDOUT


def test_no_file_is_left_open_by_a_read(file: DeviceName) -> None:
    before = len(os.listdir("/proc/self/fd"))
    RealHost().direct_read(file, length=0, timeout=30)
    assert len(os.listdir("/proc/self/fd")) == before


# ---- NVMe


@pytest.mark.parametrize("opcode", [0x02, 0x06], ids=["Get Log Page", "Identify"])
def test_nvme_commands_that_only_read(opcode: int) -> None:
    assert nvme.reads_only(opcode)


@given(st.integers(0, 255).filter(lambda opcode: opcode not in (0x02, 0x06)))
def test_other_nvme_commands_never_reach_the_kernel(opcode: int) -> None:
    with pytest.raises(OSError, match="is not one that only reads") as caught:
        RealHost().nvme_inquire(DeviceName("null"), opcode, namespace=0, words=(0,) * 6, reply_length=16, timeout=1)
    assert caught.value.errno == errno.EPERM


def test_nvme_command_has_the_bytes_of_the_kernels_struct() -> None:
    data = Room(address=0x1122334455667788, size=4096)
    packed = nvme.pack_command(Opcode.IDENTIFY, namespace=7, words=(3, 0, 0, 0, 0, 9), data=data, timeout=1.5)
    assert packed == struct.pack(
        "<BBHIIIQQIIIIIIIIII", 6, 0, 0, 7, 0, 0, 0, data.address, 0, 4096, 3, 0, 0, 0, 0, 9, 1500, 0
    )


@pytest.mark.parametrize(
    ("opcode", "word", "wanted"),
    [(0x06, 0x00, True), (0x06, 0x03, True), (0x06, 0x01, False), (0x02, 0x0C, True)],
    ids=["namespace", "descriptors", "controller", "log page"],
)
def test_only_the_controllers_data_is_of_no_namespace(opcode: int, word: int, wanted: bool) -> None:
    assert nvme.wants_namespace(opcode, (word, 0, 0, 0, 0, 0)) is wanted


def nvme_kernel(monkeypatch: pytest.MonkeyPatch, *, status: int) -> list[tuple[int, bytes]]:
    """Calls end here: the namespace is 5, and each command ends with `status`."""
    calls: list[tuple[int, bytes]] = []

    def call(_descriptor: int, request: int, buffer: object) -> int:
        calls.append((request, bytes(buffer)))  # type: ignore[call-overload]
        return 5 if request == nvme.NAMESPACE_ID else status

    monkeypatch.setattr(ioctl, "ioctl", call)
    return calls


def test_namespace_is_the_devices_own_unless_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = nvme_kernel(monkeypatch, status=0)
    host, words = RealHost(), (0, 0, 0, 0, 0, 0)
    host.nvme_inquire(DeviceName("null"), 0x06, namespace=0, words=words, reply_length=64, timeout=1)
    host.nvme_inquire(DeviceName("null"), 0x06, namespace=9, words=words, reply_length=64, timeout=1)
    commands = [buffer for request, buffer in calls if request == nvme.ADMIN_COMMAND]
    assert [struct.unpack_from("@I", command, 4)[0] for command in commands] == [5, 9]


def test_status_of_the_controller_is_an_input_output_error(monkeypatch: pytest.MonkeyPatch) -> None:
    nvme_kernel(monkeypatch, status=0x4002)
    with pytest.raises(OSError, match="NVMe status 0x4002") as caught:
        RealHost().nvme_inquire(DeviceName("null"), 0x06, namespace=1, words=(0,) * 6, reply_length=64, timeout=1)
    assert caught.value.errno == errno.EIO


def test_nvme_command_to_what_is_no_namespace_is_the_kernels_error() -> None:
    with pytest.raises(OSError, match="Inappropriate ioctl"):
        RealHost().nvme_inquire(DeviceName("null"), 0x06, namespace=1, words=(0,) * 6, reply_length=64, timeout=1)


# ---- cciss


@SIXTY_FOUR_BITS
def test_cciss_command_has_the_bytes_of_the_kernels_struct() -> None:
    packed = cciss.pack_test_unit_ready(5, timeout=2.2)
    assert packed == bytes.fromhex("05000040 00000000 06 20 0300".replace(" ", "")) + bytes(76)


def test_number_of_the_drive_is_the_first_field() -> None:
    assert cciss.drive_number(struct.pack("@Iii", 0x40000005, 1, 2)) == 0x40000005


@pytest.mark.parametrize(
    ("scsi_status", "command_status", "ready"),
    [(0, 0, True), (2, 1, False), (0, 7, False), (0x18, 0, False)],
    ids=["success", "check condition", "connection lost", "reservation conflict"],
)
def test_drive_is_ready_when_nobody_complains(scsi_status: int, command_status: int, ready: bool) -> None:
    answer = bytearray(cciss.pack_test_unit_ready(1, timeout=1))
    answer[28] = scsi_status
    answer[30:32] = command_status.to_bytes(2, "little")
    assert cciss.is_ready(bytes(answer)) is ready


@pytest.mark.parametrize("read", [cciss.drive_number, cciss.is_ready])
def test_answer_of_another_size_is_refused(read: object) -> None:
    with pytest.raises(cciss.CcissFormatError, match="should be"):
        read(bytes(7))  # type: ignore[operator]


def test_pass_through_is_asked_with_the_drives_number(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def call(_descriptor: int, request: int, buffer: object) -> int:
        if request == cciss.GET_DRIVE:
            buffer[:4] = struct.pack("@I", 5)  # type: ignore[index]
        else:
            seen.append(struct.unpack_from("@I", bytes(buffer))[0])  # type: ignore[call-overload]
        return 0

    monkeypatch.setattr(ioctl, "ioctl", call)
    assert RealHost().cciss_ready(DeviceName("null"), timeout=1)
    assert seen == [5 | 1 << 30]


def test_pass_through_to_another_driver_is_the_kernels_error() -> None:
    with pytest.raises(OSError, match="Inappropriate ioctl"):
        RealHost().cciss_ready(DeviceName("null"), timeout=1)
