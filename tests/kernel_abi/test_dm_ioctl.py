"""Buffers of device-mapper: against bytes that a kernel sent (Linux 6.1, dm 4.47, x86-64), and round trips.

Offsets are those of linux/dm-ioctl.h: version 0, data_size 12, data_start 16, target_count 20, open_count 24, flags 28,
event_nr 32, padding 36, dev 40, name 48 (128 bytes), uuid 176 (129 bytes), data 305, size 312.
"""

import contextlib
import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observers.dmtable import DevT
from observers.errors import MpathError
from observers.kernel import dm_ioctl
from observers.kernel.dm_ioctl import Command, DmFormatError, Flag, Header, ListedDevice, Target, TargetVersion

little_endian = pytest.mark.skipif(sys.byteorder != "little", reason="the bytes were recorded on x86-64")

LISTED_WITH_UUIDS = bytes.fromhex(
    "00fd000000000000280000006d31000000000000010000006d706174682d7831000000000000000001fd000000000000"
    "000000006e6f757569640000000000000000000002000000"
)
LISTED = bytes.fromhex(
    "00fd000000000000180000006d310000000000000000000001fd000000000000000000006e6f757569640000000000000000000000000000"
)
STATUS = bytes.fromhex(
    "0000000000000000000800000000000000000000300000006c696e6561720000000000000000000000000000000000000008000000000000"
    "000800000000000000000000600000006c696e6561720000000000000000000000"
)
TABLE = bytes.fromhex(
    "0000000000000000000800000000000000000000300000006c696e65617200000000000000000000383a3020300000000008000000000000"
    "000800000000000000000000680000006c696e65617200000000000000000000383a30203430393600"
)
VERSIONS = bytes.fromhex(
    "180000000100000001000000000000007a65726f0000000020000000010000000e000000000000006d756c74697061746800000000000000"
    "000000000100000005000000000000006572726f720000000000000000000000000000000000000000000000000000"
)
REPLY_HEADER = bytes.fromhex(
    "040000002f000000000000009901000038010000020000000000000030000000000000000000000000fd0000000000006d31"
).ljust(176, b"\0") + b"mpath-x1".ljust(136, b"\0")

names = (
    st.binary(min_size=1, max_size=127).filter(lambda b: 0 not in b).map(lambda b: b.decode(errors="surrogateescape"))
)
uuids = st.binary(max_size=128).filter(lambda b: 0 not in b).map(lambda b: b.decode(errors="surrogateescape"))
u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)
triples = st.tuples(u32, u32, u32)
numbers = st.builds(lambda major, minor: DevT(f"{major}:{minor}"), st.integers(0, 4095), st.integers(0, 2**20 - 1))
real_numbers = numbers.filter(lambda dev: dev != "0:0")
headers = st.builds(
    Header,
    version=triples,
    target_count=u32,
    open_count=st.integers(-(2**31), 2**31 - 1),
    flags=u32.map(Flag),
    event_nr=u32,
    dev=u64,
    name=st.just("") | names,
    uuid=uuids,
)
types = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=15)
targets = st.lists(st.builds(Target, u64, u64, types, uuids), max_size=5).map(tuple)
devices = st.lists(st.builds(ListedDevice, names, real_numbers, u32, st.none() | uuids), max_size=6).map(tuple)
old_devices = st.lists(st.builds(ListedDevice, names, real_numbers), max_size=6).map(tuple)


@pytest.mark.parametrize(
    ("command", "number"),
    [
        pytest.param(Command.DM_VERSION, 0xC138FD00, id="the first"),
        pytest.param(Command.DM_TABLE_STATUS, 0xC138FD0C, id="one in the middle"),
        pytest.param(Command.DM_GET_TARGET_VERSION, 0xC138FD11, id="the last"),
    ],
)
def test_request_number_is_iowr_of_the_header(command: Command, number: int) -> None:
    assert dm_ioctl.request_number(command) == number


def test_commands_are_numbered_without_a_gap() -> None:
    assert [int(command) for command in Command] == list(range(18))


@pytest.mark.parametrize(
    "command", ["DM_VERSION", "DM_LIST_DEVICES", "DM_DEV_STATUS", "DM_TABLE_DEPS", "DM_TABLE_STATUS"]
)
def test_reading_commands_are_the_ones_that_an_observer_needs(command: str) -> None:
    assert Command[command] in dm_ioctl.READING_COMMANDS


@pytest.mark.parametrize(
    "command",
    sorted(set(Command) - {Command(number) for number in (0, 2, 7, 11, 12, 13)}),
    ids=lambda command: f"{command.name} does not only read",
)
def test_other_commands_do_not_only_read(command: Command) -> None:
    assert command not in dm_ioctl.READING_COMMANDS


# ---- device numbers


@pytest.mark.parametrize(
    ("dev", "number"),
    [
        pytest.param("8:16", 0x810, id="small"),
        pytest.param("253:0", 0xFD00, id="device-mapper"),
        pytest.param("253:300", 0x10FD2C, id="minor over 255 goes above the major"),
        pytest.param("4095:1048575", 0xFFFFFFFF, id="largest"),
        pytest.param("0:0", 0, id="none"),
    ],
)
def test_device_numbers_have_the_kernels_encoding(dev: str, number: int) -> None:
    assert (dm_ioctl.encode_dev(DevT(dev)), dm_ioctl.decode_dev(number)) == (number, dev)


@pytest.mark.parametrize("text", ["", "8", "8:", "8:-1", "a:b", "4096:0", "0:1048576", "8:16:1"])
def test_what_is_no_device_number_is_refused(text: str) -> None:
    with pytest.raises(DmFormatError, match="not a device number"):
        dm_ioctl.encode_dev(DevT(text))


@given(numbers)
def test_device_numbers_survive_the_round_trip(dev: DevT) -> None:
    assert dm_ioctl.decode_dev(dm_ioctl.encode_dev(dev)) == dev


# ---- header


def test_header_fields_lie_where_the_kernel_looks_for_them() -> None:
    header = Header(target_count=1, open_count=-2, flags=Flag.DM_NOFLUSH_FLAG, event_nr=3, dev=4, name="map", uuid="u")
    buffer = dm_ioctl.pack(header, b"payload", size=400)
    assert struct.unpack_from("=3IIIIiIIIQ", buffer) == (4, 0, 0, 400, 312, 1, -2, 0x800, 3, 0, 4)
    assert (buffer[48:52], buffer[176:178], buffer[305:319]) == (b"map\0", b"u\0", bytes(7) + b"payload")


@little_endian
def test_header_of_a_kernels_reply_is_understood() -> None:
    header, payload = dm_ioctl.unpack(REPLY_HEADER + TABLE + bytes(615))
    assert (header.version, header.name, header.uuid, header.target_count) == ((4, 47, 0), "m1", "mpath-x1", 2)
    assert header.flags == Flag.DM_ACTIVE_PRESENT_FLAG | Flag.DM_STATUS_TABLE_FLAG
    assert dm_ioctl.decode_dev(header.dev) == "253:0"
    assert payload == TABLE


def test_reply_without_payload_says_less_than_where_a_payload_would_start() -> None:
    buffer = bytearray(dm_ioctl.pack(Header(name="m")))
    struct.pack_into("=I", buffer, 12, 305)
    assert dm_ioctl.unpack(bytes(buffer)) == (Header(data_size=305, name="m"), b"")


def test_buffer_has_the_size_that_was_asked_for() -> None:
    buffer = dm_ioctl.pack(Header(), b"abc", size=1000)
    assert (len(buffer), dm_ioctl.has_true_size(buffer), buffer[315:]) == (1000, True, bytes(685))


def test_size_smaller_than_the_payload_does_not_cut_it() -> None:
    assert dm_ioctl.unpack(dm_ioctl.pack(Header(), b"abcdef", size=10))[1] == b"abcdef"


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(dm_ioctl.pack(Header())[:311], id="shorter than a header"),
        pytest.param(dm_ioctl.pack(Header(), size=400)[:399], id="one byte short"),
        pytest.param(dm_ioctl.pack(Header(), size=400) + b"x", id="one byte long"),
    ],
)
def test_request_of_another_size_than_it_says_is_noticed(request_bytes: bytes) -> None:
    assert not dm_ioctl.has_true_size(request_bytes)


def test_name_that_leaves_no_room_for_its_nul_is_refused() -> None:
    with pytest.raises(DmFormatError, match="device name of 128 bytes, at most 127"):
        dm_ioctl.pack(Header(name="n" * 128))


def test_name_is_measured_in_bytes() -> None:
    with pytest.raises(DmFormatError, match="device name of 130 bytes"):
        dm_ioctl.pack(Header(name="é" * 65))


def test_text_with_a_nul_is_refused() -> None:
    with pytest.raises(DmFormatError, match="NUL"):
        dm_ioctl.pack(Header(name="a\0b"))


def test_number_that_does_not_fit_is_refused() -> None:
    with pytest.raises(DmFormatError, match="does not fit"):
        dm_ioctl.pack(Header(event_nr=2**32))


def _with(offset: int, number: int) -> bytes:
    buffer = bytearray(dm_ioctl.pack(Header(name="m"), b"abcd"))
    struct.pack_into("=I", buffer, offset, number)
    return bytes(buffer)


def _with_name(name: bytes) -> bytes:
    buffer = dm_ioctl.pack(Header())
    return buffer[:48] + name + buffer[48 + len(name) :]


@pytest.mark.parametrize(
    ("buffer", "message"),
    [
        pytest.param(b"", "0 bytes", id="nothing"),
        pytest.param(bytes(304), "304 bytes, a header has 305", id="one byte short"),
        pytest.param(_with(12, 317), "data_size 317", id="says that it is longer than it is"),
        pytest.param(_with(12, 304), "data_size 304", id="says that it is shorter than its header"),
        pytest.param(_with(16, 304), "data_start 304", id="payload inside the header"),
        pytest.param(_with(16, 5000), "data_start 5000", id="payload outside"),
        pytest.param(_with_name(b"x" * 128), "device name at 0 has no end", id="name without end"),
    ],
)
def test_header_that_is_short_or_lies_is_refused(buffer: bytes, message: str) -> None:
    with pytest.raises(DmFormatError, match=message):
        dm_ioctl.unpack(buffer)


@given(headers, st.binary(max_size=64))
def test_header_and_payload_survive_the_round_trip(header: Header, payload: bytes) -> None:
    found, brought = dm_ioctl.unpack(dm_ioctl.pack(header, payload))
    assert brought == payload
    assert dm_ioctl.pack(found, payload) == dm_ioctl.pack(header, payload)
    assert (found.name, found.uuid, found.flags, found.dev) == (header.name, header.uuid, header.flags, header.dev)


# ---- targets


@little_endian
@pytest.mark.parametrize(
    ("payload", "params"),
    [pytest.param(TABLE, ("8:0 0", "8:0 4096"), id="table"), pytest.param(STATUS, ("", ""), id="status")],
)
def test_targets_of_a_kernels_reply_are_understood(payload: bytes, params: tuple[str, str]) -> None:
    found = dm_ioctl.unpack_targets(payload, 2, reply=True)
    assert found == (Target(0, 2048, "linear", params[0]), Target(2048, 2048, "linear", params[1]))


@little_endian
@pytest.mark.parametrize("payload", [pytest.param(TABLE, id="table"), pytest.param(STATUS, id="status")])
def test_reply_is_packed_as_the_kernel_does_it(payload: bytes) -> None:
    assert dm_ioctl.pack_targets(dm_ioctl.unpack_targets(payload, 2, reply=True), reply=True) == payload


def test_next_counts_from_the_target_itself_in_a_request() -> None:
    two = (Target(0, 8, "linear", "8:0 0"), Target(8, 8, "zero", ""))
    payload = dm_ioctl.pack_targets(two, reply=False)
    assert [struct.unpack_from("=I", payload, at)[0] for at in (20, 48 + 20)] == [48, 48]
    assert payload[40:48] == b"8:0 0\0\0\0"


def test_next_counts_from_the_first_target_in_a_reply() -> None:
    two = (Target(0, 8, "linear", "8:0 0"), Target(8, 8, "zero", ""))
    payload = dm_ioctl.pack_targets(two, reply=True)
    assert [struct.unpack_from("=I", payload, at)[0] for at in (20, 48 + 20)] == [48, 96]


def test_target_type_longer_than_its_field_is_refused() -> None:
    with pytest.raises(DmFormatError, match="target type of 16 bytes"):
        dm_ioctl.pack_targets([Target(0, 1, "t" * 16, "")], reply=False)


def _next(payload: bytes, number: int) -> bytes:
    return payload[:20] + struct.pack("=I", number) + payload[24:]


TWO = dm_ioctl.pack_targets([Target(0, 8, "linear", "8:0 0"), Target(8, 8, "zero", "")], reply=True)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        pytest.param(b"", "needs 40 bytes, 0", id="nothing"),
        pytest.param(TWO[:45], "no end", id="parameters without their end"),
        pytest.param(TWO[:60], "at 48 needs 40 bytes, 12", id="second target cut off"),
        pytest.param(_next(TWO, 0), "lies inside", id="next is the target itself"),
        pytest.param(_next(TWO, 44), "lies inside", id="next is inside the parameters"),
        pytest.param(_next(TWO, 2**32 - 8), "needs 40 bytes, 0", id="next is far outside"),
    ],
)
def test_targets_that_are_short_or_lie_are_refused(payload: bytes, message: str) -> None:
    with pytest.raises(DmFormatError, match=message):
        dm_ioctl.unpack_targets(payload, 2, reply=True)


@given(targets, st.booleans())
def test_targets_survive_the_round_trip(several: tuple[Target, ...], reply: bool) -> None:
    payload = dm_ioctl.pack_targets(several, reply=reply)
    assert dm_ioctl.unpack_targets(payload, len(several), reply=reply) == several


# ---- device list


@little_endian
@pytest.mark.parametrize(
    ("payload", "uuids"),
    [
        pytest.param(LISTED_WITH_UUIDS, ("mpath-x1", ""), id="with UUIDs"),
        pytest.param(LISTED, (None, None), id="UUIDs not asked for"),
    ],
)
def test_devices_of_a_kernels_reply_are_understood(payload: bytes, uuids: tuple[str | None, str | None]) -> None:
    found = dm_ioctl.unpack_devices(payload)
    first, second = DevT("253:0"), DevT("253:1")
    assert found == (ListedDevice("m1", first, 0, uuids[0]), ListedDevice("nouuid", second, 0, uuids[1]))
    assert dm_ioctl.pack_devices(found) == payload


def test_list_without_devices_is_empty() -> None:
    assert dm_ioctl.unpack_devices(b"") == ()


def test_device_number_zero_says_that_there_is_no_device() -> None:
    assert dm_ioctl.unpack_devices(bytes(64)) == ()


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        pytest.param(LISTED[:11], "needs 12 bytes", id="shorter than an entry"),
        pytest.param(LISTED[:8] + struct.pack("=I", 4) + LISTED[12:], "next 4 bytes on", id="next inside the entry"),
        pytest.param(LISTED[:8] + struct.pack("=I", 4000) + LISTED[12:], "next 4000 bytes on", id="next outside"),
        pytest.param(LISTED[:14], "next 24 bytes on, of 14", id="cut off"),
        pytest.param(LISTED[24:38], "no end", id="name without its end"),
        pytest.param(
            LISTED_WITH_UUIDS[:8] + bytes(4) + LISTED_WITH_UUIDS[12:28], "UUID at 24 has no end", id="UUID cut off"
        ),
    ],
)
def test_device_list_that_is_short_or_lies_is_refused(payload: bytes, message: str) -> None:
    with pytest.raises(DmFormatError, match=message):
        dm_ioctl.unpack_devices(payload)


@given(devices | old_devices)
def test_device_lists_survive_the_round_trip(several: tuple[ListedDevice, ...]) -> None:
    assert dm_ioctl.unpack_devices(dm_ioctl.pack_devices(several)) == several


# ---- versions, dependencies, messages, texts


@little_endian
def test_versions_of_a_kernels_reply_are_understood() -> None:
    assert dm_ioctl.unpack_versions(VERSIONS) == (
        TargetVersion("zero", (1, 1, 0)),
        TargetVersion("multipath", (1, 14, 0)),
        TargetVersion("error", (1, 5, 0)),
    )


@given(st.lists(st.builds(TargetVersion, types, triples), max_size=5).map(tuple))
def test_versions_survive_the_round_trip(several: tuple[TargetVersion, ...]) -> None:
    assert dm_ioctl.unpack_versions(dm_ioctl.pack_versions(several)) == several


@little_endian
def test_dependencies_of_a_kernels_reply_are_understood() -> None:
    payload = bytes.fromhex("01000000000000000008000000000000")
    assert dm_ioctl.unpack_deps(payload) == ("8:0",)


def test_device_without_a_table_has_no_dependencies() -> None:
    assert dm_ioctl.unpack_deps(b"") == ()


def test_more_dependencies_than_there_are_bytes_are_refused() -> None:
    with pytest.raises(DmFormatError, match="3 devices in 24 bytes"):
        dm_ioctl.unpack_deps(struct.pack("=II2Q", 3, 0, 8, 16))


@given(st.lists(numbers, max_size=5).map(tuple))
def test_dependencies_survive_the_round_trip(several: tuple[DevT, ...]) -> None:
    assert dm_ioctl.unpack_deps(dm_ioctl.pack_deps(several)) == several


def test_message_is_a_sector_and_a_text() -> None:
    assert dm_ioctl.pack_message("fail_path 8:0", sector=1) == struct.pack("=Q", 1) + b"fail_path 8:0\0"


@given(uuids, u64)
def test_messages_survive_the_round_trip(message: str, sector: int) -> None:
    assert dm_ioctl.unpack_message(dm_ioctl.pack_message(message, sector=sector)) == (sector, message)


@pytest.mark.parametrize(
    "payload", [pytest.param(bytes(7), id="no sector"), pytest.param(bytes(8) + b"text", id="text without its end")]
)
def test_message_that_is_short_is_refused(payload: bytes) -> None:
    with pytest.raises(DmFormatError, match="message"):
        dm_ioctl.unpack_message(payload)


@given(uuids)
def test_texts_survive_the_round_trip(text: str) -> None:
    assert dm_ioctl.unpack_text(dm_ioctl.pack_text(text)) == text


# ---- whatever comes


@given(st.binary(max_size=400), st.integers(0, 4), st.booleans())
def test_no_bytes_make_anything_but_a_value_or_an_error_of_ours(data: bytes, count: int, reply: bool) -> None:
    for unpack in (
        dm_ioctl.unpack,
        lambda payload: dm_ioctl.unpack_targets(payload, count, reply=reply),
        dm_ioctl.unpack_devices,
        dm_ioctl.unpack_versions,
        dm_ioctl.unpack_deps,
        dm_ioctl.unpack_message,
        dm_ioctl.unpack_text,
    ):
        with contextlib.suppress(MpathError):
            unpack(data)
