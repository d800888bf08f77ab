"""SCSI commands, sense data and answers: against SPC-5's layouts and bytes that devices of a real kernel sent."""

import ctypes
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observers.errors import MpathError
from observers.kernel import reservation, scsi
from observers.kernel.scsi import AccessState, Room, ScsiFormatError, Sense, StandardInquiry, TargetPortGroup

LIO_INQUIRY = bytes.fromhex("000006025bb810024c494f2d4f52472052414d4449534b2d4d43502020202020342e3020") + bytes(60)
LIO_GROUPS = bytes.fromhex("0000001800cf0010000000010000000101cf00110002000100000002")
LIO_GROUPS_EXTENDED = bytes.fromhex("000000181000000000cf0010000000010000000101cf001100020001")
SCSI_DEBUG_SENSE = bytes.fromhex("70000500000000" + "0a" + "00000000" + "2400" + "00c00002")


# ---- commands


@pytest.mark.parametrize(
    ("cdb", "text"),
    [
        pytest.param(scsi.test_unit_ready(), "000000000000", id="TEST UNIT READY"),
        pytest.param(scsi.inquiry(length=36), "120000002400", id="INQUIRY, standard data"),
        pytest.param(scsi.inquiry_page(0x83, length=4096), "120183100000", id="INQUIRY, page 0x83"),
        pytest.param(
            scsi.report_target_port_groups(length=512), "a30a00000000000002000000", id="REPORT TARGET PORT GROUPS"
        ),
        pytest.param(
            scsi.report_target_port_groups(length=512, extended=True),
            "a32a00000000000002000000",
            id="with extended header",
        ),
        pytest.param(scsi.report_luns(length=16), "a00000000000000000100000", id="REPORT LUNS"),
        pytest.param(reservation.read_keys(), "5e000000000000200000", id="PERSISTENT RESERVE IN, READ KEYS"),
        pytest.param(
            reservation.read_reservation(), "5e010000000000200000", id="PERSISTENT RESERVE IN, READ RESERVATION"
        ),
        pytest.param(scsi.read_first_block(), "28000000000000000100", id="READ(10) of the first block"),
    ],
)
def test_command_has_the_bytes_of_the_standard(cdb: bytes, text: str) -> None:
    assert cdb.hex() == text
    assert scsi.reads_only(cdb)


@pytest.mark.parametrize(
    "cdb",
    [
        pytest.param(bytes.fromhex("2a000000000000000100"), id="WRITE(10)"),
        pytest.param(reservation.REGISTER, id="PERSISTENT RESERVE OUT"),
        pytest.param(bytes.fromhex("a40a00000000000002000000"), id="SET TARGET PORT GROUPS"),
        pytest.param(bytes.fromhex("a30c00000000000002000000"), id="another MAINTENANCE IN"),
        pytest.param(bytes.fromhex("28000000000100000100"), id="READ(10) of another block"),
        pytest.param(bytes.fromhex("28000000000000000200"), id="READ(10) of more than one block"),
        pytest.param(bytes.fromhex("28080000000000000100"), id="READ(10) past the array's caches"),
        pytest.param(b"", id="no command"),
        pytest.param(bytes(17), id="longer than the kernel takes"),
    ],
)
def test_other_commands_do_not_only_read(cdb: bytes) -> None:
    assert not scsi.reads_only(cdb)


# ---- SG_IO


class SgIoHdr(ctypes.Structure):
    """sg_io_hdr_t, written down from scsi/sg.h: the C layout to compare with."""

    _fields_ = (
        ("interface_id", ctypes.c_int),
        ("dxfer_direction", ctypes.c_int),
        ("cmd_len", ctypes.c_ubyte),
        ("mx_sb_len", ctypes.c_ubyte),
        ("iovec_count", ctypes.c_ushort),
        ("dxfer_len", ctypes.c_uint),
        ("dxferp", ctypes.c_void_p),
        ("cmdp", ctypes.c_void_p),
        ("sbp", ctypes.c_void_p),
        ("timeout", ctypes.c_uint),
        ("flags", ctypes.c_uint),
        ("pack_id", ctypes.c_int),
        ("usr_ptr", ctypes.c_void_p),
        ("status", ctypes.c_ubyte),
        ("masked_status", ctypes.c_ubyte),
        ("msg_status", ctypes.c_ubyte),
        ("sb_len_wr", ctypes.c_ubyte),
        ("host_status", ctypes.c_ushort),
        ("driver_status", ctypes.c_ushort),
        ("resid", ctypes.c_int),
        ("duration", ctypes.c_uint),
        ("info", ctypes.c_uint),
    )


def _request(*, data: int = 96, timeout: float = 5) -> SgIoHdr:
    packed = scsi.pack_sg_io(
        cdb=Room(address=1000, size=6),
        sense=Room(address=2000, size=64),
        data=Room(address=3000, size=data),
        timeout=timeout,
    )
    return SgIoHdr.from_buffer_copy(packed)


def test_header_has_the_size_of_the_c_struct() -> None:
    assert ctypes.sizeof(SgIoHdr) == scsi.SG_IO_HDR_SIZE


def test_header_of_a_command_that_reads() -> None:
    header = _request()
    assert (header.interface_id, header.dxfer_direction, header.dxfer_len, header.dxferp) == (ord("S"), -3, 96, 3000)
    assert (header.cmd_len, header.cmdp, header.mx_sb_len, header.sbp) == (6, 1000, 64, 2000)
    assert (header.iovec_count, header.flags) == (0, 0)


def test_header_of_a_command_that_sends_data() -> None:
    room = Room(address=3000, size=24)
    packed = scsi.pack_sg_io(cdb=room, sense=room, data=room, timeout=5, to_device=True)
    header = SgIoHdr.from_buffer_copy(packed)
    assert (header.dxfer_direction, header.dxfer_len, header.dxferp) == (-2, 24, 3000)


def test_header_of_a_command_without_data() -> None:
    header = _request(data=0)
    assert (header.dxfer_direction, header.dxfer_len, header.dxferp) == (-1, 0, None)


@pytest.mark.parametrize(
    ("seconds", "milliseconds"),
    [
        pytest.param(2.5, 2500, id="milliseconds"),
        pytest.param(0, 1, id="zero would be the driver's own timeout"),
        pytest.param(1e9, 2**32 - 2, id="the largest number would be no timeout at all"),
    ],
)
def test_timeout_is_always_one(seconds: float, milliseconds: int) -> None:
    assert _request(timeout=seconds).timeout == milliseconds


def _answer(**fields: int) -> bytes:
    return bytes(SgIoHdr(**fields))


def test_answer_is_cut_to_what_was_moved() -> None:
    reply = scsi.unpack_sg_io(_answer(resid=4, sb_len_wr=2, status=2), sense=b"sense", data=b"0123456789")
    assert (reply.status, reply.sense, reply.data) == (2, b"se", b"012345")


def test_answer_says_what_the_transport_said() -> None:
    reply = scsi.unpack_sg_io(_answer(host_status=0x0E, driver_status=8), sense=b"", data=b"")
    assert (reply.status, reply.host_status, reply.driver_status) == (0, 0x0E, 8)


@pytest.mark.parametrize(
    ("residual", "left"), [pytest.param(99, b"", id="over all"), pytest.param(-1, b"abc", id="negative")]
)
def test_residual_that_cannot_be_is_not_believed(residual: int, left: bytes) -> None:
    assert scsi.unpack_sg_io(_answer(resid=residual), sense=b"", data=b"abc").data == left


def test_header_of_another_size_is_refused() -> None:
    with pytest.raises(ScsiFormatError, match="sg_io_hdr has 10 bytes"):
        scsi.unpack_sg_io(bytes(10), sense=b"", data=b"")


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (1, "DID_NO_CONNECT"),
        (0x0F, "DID_TRANSPORT_FAILFAST"),
        (0x14, "DID_TRANSPORT_MARGINAL"),
        (0x77, "host status 0x77"),
    ],
)
def test_host_status_has_the_kernels_name(number: int, name: str) -> None:
    assert scsi.host_status_name(number) == name


# ---- sense


@pytest.mark.parametrize(
    ("data", "sense"),
    [
        pytest.param(SCSI_DEBUG_SENSE, Sense(5, 0x24, 0), id="fixed, as scsi_debug sent it"),
        pytest.param(b"\xf0" + SCSI_DEBUG_SENSE[1:], Sense(5, 0x24, 0), id="fixed, with the VALID bit"),
        pytest.param(b"\x71" + SCSI_DEBUG_SENSE[1:], Sense(5, 0x24, 0, deferred=True), id="fixed, deferred"),
        pytest.param(bytes.fromhex("7202040c00000000"), Sense(2, 4, 0x0C), id="descriptor"),
        pytest.param(bytes.fromhex("7306290700000000"), Sense(6, 0x29, 7, deferred=True), id="descriptor, deferred"),
        pytest.param(bytes.fromhex("7000e2"), Sense(2), id="fixed, cut off after the key and its flags"),
        pytest.param(
            bytes.fromhex("70000200000000" + "04" + "00000000" + "0403"),
            Sense(2),
            id="fixed, length ends before the code",
        ),
        pytest.param(bytes.fromhex("7205"), Sense(5), id="descriptor, cut off after the key"),
    ],
)
def test_sense_is_decoded(data: bytes, sense: Sense) -> None:
    assert scsi.decode_sense(data) == sense


@pytest.mark.parametrize(
    "data",
    [pytest.param(b"", id="none"), pytest.param(bytes(18), id="zeros"), pytest.param(b"\x7f" * 18, id="vendor's")],
)
def test_what_is_no_sense_data_is_none(data: bytes) -> None:
    assert scsi.decode_sense(data) is None


@pytest.mark.parametrize(
    ("sense", "text"),
    [
        (Sense(5, 0x25), "illegal request: logical unit not supported (5/25/00)"),
        (Sense(2, 4, 0x0B), "not ready: logical unit not accessible, target port in standby state (2/04/0b)"),
        (Sense(6, 0x99, 1), "unit attention (6/99/01)"),
        (Sense(0xB, 0, 0, deferred=True), "aborted command (b/00/00, deferred)"),
    ],
)
def test_sense_has_words_and_numbers(sense: Sense, text: str) -> None:
    assert sense.text == text


@given(st.binary(max_size=40))
def test_no_sense_data_breaks_the_decoder(data: bytes) -> None:
    sense = scsi.decode_sense(data)
    assert sense is None or 0 <= sense.key <= 15


# ---- standard INQUIRY


def test_inquiry_of_a_device_is_understood() -> None:
    assert scsi.parse_inquiry(LIO_INQUIRY) == StandardInquiry(
        qualifier=0, device_type=0, version=6, tpgs=3, vendor="LIO-ORG", product="RAMDISK-MCP", revision="4.0"
    )


def test_inquiry_of_an_absent_unit_says_so() -> None:
    inquiry = scsi.parse_inquiry(b"\x3f" + LIO_INQUIRY[1:])
    assert (inquiry.qualifier, inquiry.device_type) == (1, 0x1F)


def test_inquiry_that_is_short_is_refused() -> None:
    with pytest.raises(ScsiFormatError, match="35 bytes, at least 36"):
        scsi.parse_inquiry(LIO_INQUIRY[:35])


# ---- target port groups


def test_groups_of_a_device_are_understood() -> None:
    assert scsi.parse_target_port_groups(LIO_GROUPS) == (
        TargetPortGroup(group=16, state=AccessState.OPTIMIZED, supported=0xCF, ports=(1,)),
        TargetPortGroup(group=17, state=AccessState.NON_OPTIMIZED, supported=0xCF, ports=(2,)),
    )


def test_groups_after_an_extended_header_are_understood_although_the_length_is_too_small() -> None:
    assert scsi.parse_target_port_groups(LIO_GROUPS_EXTENDED) == (
        TargetPortGroup(group=16, state=AccessState.OPTIMIZED, supported=0xCF, ports=(1,)),
        TargetPortGroup(group=17, state=AccessState.NON_OPTIMIZED, supported=0xCF, ports=()),
    )


def test_preferred_bit_is_not_part_of_the_state() -> None:
    (group,) = scsi.parse_target_port_groups(bytes.fromhex("00000008" + "8fcf000100000000"))
    assert (group.preferred, group.state) == (True, AccessState.TRANSITIONING)


def test_room_after_the_groups_is_not_part_of_the_answer() -> None:
    assert scsi.parse_target_port_groups(LIO_GROUPS + bytes(100)) == scsi.parse_target_port_groups(LIO_GROUPS)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "0 bytes, at least 4", id="nothing"),
        pytest.param(LIO_GROUPS[:20], "20 bytes, 28 were expected", id="shorter than it says"),
        pytest.param(
            struct.pack(">I", 16) + LIO_GROUPS[4:20], "a descriptor at 16 is cut off at 20", id="half a group"
        ),
    ],
)
def test_groups_that_are_short_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(ScsiFormatError, match=message):
        scsi.parse_target_port_groups(data)


@given(st.binary(max_size=80))
def test_no_bytes_make_anything_but_groups_or_an_error_of_ours(data: bytes) -> None:
    try:
        groups = scsi.parse_target_port_groups(data)
    except MpathError:
        return
    assert all(0 <= group.state <= 15 for group in groups)


def test_states_have_the_words_of_sysfs() -> None:
    assert scsi.ACCESS_STATE_TEXT[AccessState.NON_OPTIMIZED] == "active/non-optimized"
    assert set(scsi.ACCESS_STATE_TEXT) == set(AccessState)
