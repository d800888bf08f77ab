"""Commands by sg nodes: what is written, and which replies are theirs."""

import ctypes
import errno
import os
import socket
import stat
import struct
from collections.abc import Iterator

import pytest

from observers.kernel import scsi
from observers.kernel.netlink import NETLINK_KOBJECT_UEVENT, NetlinkSocket
from observers.kernel.sg import LARGEST_REPLY, Buffers, Command, identity, node, received, with_identity
from observers.snapshot import DeviceName
from tests.observers.fake_host import FakeHost
from tests.runtime.fake_sg import reply_to


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, device = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, device:
        yield ours, device


def tur() -> Command:
    return Command(Buffers(), scsi.test_unit_ready(), reply_length=0, timeout=30.0)


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
    assert command.reply(received(ours.fileno())).status == 2


def test_a_reply_of_another_command_is_told_from_its_own(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, device = ends
    command = tur()
    command.send(ours.fileno(), 6)
    header = device.recv(4096)
    assert command.is_replied_to_by(reply_to(header))
    assert not command.is_replied_to_by(reply_to(with_identity(header, 5)))


def test_what_is_no_header_is_refused(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, device = ends
    device.send(b"short")
    with pytest.raises(OSError, match="no header") as refused:
        received(ours.fileno())
    assert refused.value.errno == errno.EBADMSG


def test_a_ticket_of_any_size_fits_and_a_command_is_sent_again(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, device = ends
    command = tur()
    for ticket, status in ((2**40, 2), (2**40 + 1, 0), (3, 8)):
        command.send(ours.fileno(), ticket)
        device.send(reply_to(device.recv(4096), status=status))
        assert command.reply(received(ours.fileno())).status == status


def test_data_come_with_a_good_status_too(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, device = ends
    command = Command(Buffers(), scsi.inquiry(), reply_length=96, timeout=1.0)
    command.send(ours.fileno(), 1)
    device.send(reply_to(device.recv(4096)))
    assert command.reply(received(ours.fileno())).data == bytes(96)


def test_a_reply_that_is_the_same_again_is_the_same_object_and_any_other_is_not() -> None:
    command = Command(Buffers(), scsi.inquiry(), reply_length=96, timeout=30.0)
    header = sent(command)
    address = struct.unpack_from("=Q", header, 16)[0]  # dxferp
    first = command.reply(filled(header, address, b"a"))
    assert command.reply(filled(header, address, b"a")) is first
    for data, status in ((b"b", 0), (b"bc", 0), (b"b", 0), (b"b", 2), (b"b", 0)):
        reply = command.reply(filled(header, address, data, status=status))
        assert (reply.data, reply.status) == (data, status)


def test_what_one_disk_answered_is_not_taken_for_another_ones() -> None:
    buffers = Buffers()
    first, second = (Command(buffers, scsi.inquiry(), reply_length=96, timeout=30.0) for _ in range(2))
    headers = [sent(each) for each in (first, second)]
    address = struct.unpack_from("=Q", headers[0], 16)[0]
    of_first = first.reply(filled(headers[0], address, b"one"))
    of_second = second.reply(filled(headers[1], address, b"two"))
    assert (of_first.data, of_second.data) == (b"one", b"two")
    assert first.reply(filled(headers[0], address, b"one")) is of_first
    assert second.reply(filled(headers[1], address, b"one")).data == b"one"


def test_what_a_driver_leaves_unwritten_is_nothing_that_another_disk_answered() -> None:
    buffers = Buffers()
    first, second = (Command(buffers, scsi.inquiry(), reply_length=96, timeout=30.0) for _ in range(2))
    headers = [sent(each) for each in (first, second)]
    first.reply(filled(headers[0], struct.unpack_from("=Q", headers[0], 16)[0], b"one"))
    assert second.reply(reply_to(headers[1])).data == bytes(96)


def test_a_reply_that_there_is_no_room_for_is_refused() -> None:
    buffers = Buffers()
    buffers.header(scsi.report_luns(length=LARGEST_REPLY), reply_length=LARGEST_REPLY, timeout=1.0)
    with pytest.raises(OSError, match="wants a reply of 65537 bytes") as refused:
        buffers.header(scsi.report_luns(length=LARGEST_REPLY + 1), reply_length=LARGEST_REPLY + 1, timeout=1.0)
    assert refused.value.errno == errno.EINVAL


def test_headers_of_any_number_of_timeouts_can_be_had() -> None:
    buffers = Buffers()
    made = [buffers.header(bytes(6), reply_length=0, timeout=number) for number in range(1, 1000)]
    assert len(set(made)) == 999
    assert buffers.header(bytes(6), reply_length=0, timeout=1) == made[0]


def sent(command: Command) -> bytes:
    """The header of a command."""
    ours, device = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, device:
        command.send(ours.fileno(), 1)
        return device.recv(4096)


def filled(header: bytes, address: int, data: bytes, *, status: int = 0) -> bytes:
    """The reply, with this much of the 96 bytes of memory written as the kernel would."""
    ctypes.memmove(address, data, len(data))
    return reply_to(header, status=status, left=96 - len(data))


def test_what_does_not_only_read_is_refused() -> None:
    with pytest.raises(OSError, match="not one that only reads"):
        Command(Buffers(), bytes([0x2A, *bytes(9)]), reply_length=0, timeout=1.0)


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
