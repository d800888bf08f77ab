"""Commands by sg nodes: what is written, and which replies are theirs."""

import ctypes
import errno
import fcntl
import os
import socket
import stat
import struct
from collections.abc import Iterator

import pytest

from observers.host import ScsiReply
from observers.kernel import scsi
from observers.kernel.netlink import NETLINK_KOBJECT_UEVENT, NetlinkSocket
from observers.kernel.sg import Command, identity, node, with_identity
from observers.snapshot import DeviceName
from tests.observers.fake_host import FakeHost
from tests.runtime.fake_sg import reply_to


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, device = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, device:
        yield ours, device


def tur() -> Command:
    return Command(scsi.test_unit_ready(), reply_length=0, timeout=30.0)


def test_the_identity_is_the_only_thing_that_is_added_to_the_header() -> None:
    header = scsi.pack_sg_io(
        cdb=scsi.Room(address=1, size=6),
        sense=scsi.Room(address=2, size=96),
        data=scsi.Room(address=3, size=7),
        timeout=1,
    )
    marked = with_identity(header, 0x01020304)
    assert identity(header) == 0
    assert identity(marked) == 0x01020304
    assert with_identity(marked, 0) == header


def test_a_header_goes_out_and_a_reply_comes_back(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, device = ends
    command = tur()
    command.send(ours.fileno(), 5)
    header = device.recv(4096)
    assert len(header) == scsi.SG_IO_HDR_SIZE
    assert identity(header) == 5
    device.send(reply_to(header, status=2))
    assert command.receive(ours.fileno()).status == 2


def test_a_reply_of_another_command_is_refused(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, device = ends
    command = tur()
    command.send(ours.fileno(), 6)
    header = device.recv(4096)
    device.send(reply_to(with_identity(header, 5)))
    with pytest.raises(OSError, match="not to this command") as refused:
        command.receive(ours.fileno())
    assert refused.value.errno == errno.EBADMSG


def test_a_ticket_of_any_size_fits_and_a_command_is_sent_again(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, device = ends
    command = tur()
    for ticket, status in ((2**40, 2), (2**40 + 1, 0), (3, 8)):
        command.send(ours.fileno(), ticket)
        device.send(reply_to(device.recv(4096), status=status))
        assert command.receive(ours.fileno()).status == status


def test_data_come_with_a_good_status_too(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, device = ends
    command = Command(scsi.inquiry(), reply_length=96, timeout=1.0)
    command.send(ours.fileno(), 1)
    device.send(reply_to(device.recv(4096)))
    assert command.receive(ours.fileno()).data == bytes(96)


class Device:
    """Stands in for SG_IO: says so many bytes, and how many of the room were left."""

    def __init__(self, data: bytes, *, status: int = 0) -> None:
        self.data, self.status = data, status
        self.calls: list[tuple[int, int]] = []

    def ioctl(self, descriptor: int, request: int, header: bytearray) -> int:
        self.calls.append((descriptor, request))
        room, address = struct.unpack_from("=IQ", header, 12)  # dxfer_len, dxferp
        if room:
            ctypes.memmove(address, self.data, min(room, len(self.data)))
        header[:] = reply_to(bytes(header), status=self.status, left=max(0, room - len(self.data)))
        return 0


def test_a_command_that_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device(b"eight bytes"[:8])
    monkeypatch.setattr(fcntl, "ioctl", device.ioctl)
    command = Command(scsi.inquiry(), reply_length=96, timeout=30.0)
    assert command.ask(17) == ScsiReply(status=0, host_status=0, driver_status=0, sense=b"", data=b"eight by")
    assert device.calls == [(17, scsi.SG_IO)]


def test_a_reply_that_is_the_same_again_is_the_same_object_and_any_other_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = Device(b"a")
    monkeypatch.setattr(fcntl, "ioctl", device.ioctl)
    command = Command(scsi.inquiry(), reply_length=96, timeout=30.0)
    first = command.ask(3)
    assert command.ask(3) is first
    device.data = b"b"
    assert command.ask(3).data == b"b"
    device.data = b"bc"
    assert command.ask(3).data == b"bc"
    device.data = b"b"
    assert command.ask(3).data == b"b"  # though the memory still says "bc"
    device.status = 2
    assert command.ask(3).status == 2
    device.status = 0
    assert command.ask(3).status == 0


def test_what_does_not_only_read_is_refused() -> None:
    with pytest.raises(OSError, match="not one that only reads"):
        Command(bytes([0x2A, *bytes(9)]), reply_length=0, timeout=1.0)


def test_the_node_of_a_disk() -> None:
    host = FakeHost(
        directories={"/sys/block/sda/device/scsi_generic": ["sg3"], "/sys/block/sdb/device/scsi_generic": []}
    )
    assert node(host, DeviceName("sda")) == "/dev/sg3"
    for name in ("sdb", "sdc"):
        with pytest.raises(FileNotFoundError):
            node(host, DeviceName(name))


def test_a_netlink_socket_listens_without_waiting() -> None:
    try:
        listening = NetlinkSocket(NETLINK_KOBJECT_UEVENT, 0)
    except OSError as error:
        pytest.skip(f"no netlink here: {error}")
    assert stat.S_ISSOCK(os.fstat(listening.fileno()).st_mode)
    assert listening.receive() is None
    listening.close()
    assert listening.fileno() == -1
