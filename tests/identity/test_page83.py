"""From VPD pages to WWIDs: pages that devices of a real kernel sent, and pages made for one rule each."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observers import identity
from observers.errors import MpathError
from observers.identity import PageError

LIO = bytes.fromhex(
    "008300a90103001060014051ab0000000004000800000000020100394c494f2d4f52472052414d4449534b2d4d43503a3161623030303030"
    "2d303030302d343030302d383030302d30303030303030303030303000619400040000000161950004000000100106000400000000639800"
    "206e61612e363030313430353030303030303030312c742c30783030303100000063a800186e61612e363030313430353030303030303030"
    "3100000000"
)
LIO_SERIAL = bytes.fromhex("0080002531616230303030302d303030302d343030302d383030302d30303030303030303030303000")

NAA6 = bytes.fromhex("60014051ab0000000004000800000000")
NAA5 = bytes.fromhex("5001405123456789")
NAA2 = bytes.fromhex("2001405123456789")
NAA3 = bytes.fromhex("33333330000007d0")
EUI = bytes.fromhex("0001405123456789")
T10 = b"Linux   scsi_debug      2000            "


def designator(kind: int, data: bytes, *, code_set: int = 1, association: int = 0) -> bytes:
    return bytes([code_set, association << 4 | kind, 0, len(data)]) + data


def page83(*designators: bytes) -> bytes:
    body = b"".join(designators)
    return b"\x00\x83" + len(body).to_bytes(2, "big") + body


def page80(serial: bytes) -> bytes:
    return b"\x00\x80" + len(serial).to_bytes(2, "big") + serial


# ---- which designator


RANKED = (
    pytest.param(designator(3, NAA6), "360014051ab0000000004000800000000", id="NAA 6"),
    pytest.param(designator(3, NAA5), "35001405123456789", id="NAA 5"),
    pytest.param(designator(3, NAA2), "32001405123456789", id="NAA 2"),
    pytest.param(designator(2, EUI), "20001405123456789", id="EUI-64"),
    pytest.param(designator(8, b"naa.600140512345\0\0", code_set=3), "3600140512345", id="name string"),
    pytest.param(designator(1, T10, code_set=2), "1Linux_scsi_debug_2000", id="T10"),
    pytest.param(designator(3, NAA3), "333333330000007d0", id="NAA 3"),
)


@pytest.mark.parametrize(("better", "wwid"), RANKED)
def test_wwid_of_each_kind(better: bytes, wwid: str) -> None:
    assert identity.page83_wwid(page83(better)) == wwid


@pytest.mark.parametrize("worse", range(1, len(RANKED)))
def test_better_kind_is_taken_wherever_it_stands(worse: int) -> None:
    better, wwid = RANKED[worse - 1].values
    other = RANKED[worse].values[0]
    assert isinstance(better, bytes)
    assert isinstance(other, bytes)
    assert identity.page83_wwid(page83(better, other)) == identity.page83_wwid(page83(other, better)) == wwid


def test_first_of_two_of_a_kind_is_taken() -> None:
    second = bytes.fromhex("60014051ab0000000004000800000001")
    assert identity.page83_wwid(page83(designator(3, NAA6), designator(3, second))) == "3" + NAA6.hex()


@pytest.mark.parametrize("association", [1, 2, 3])
def test_designators_of_ports_and_targets_are_no_identity(association: int) -> None:
    assert identity.page83_wwid(page83(designator(3, NAA6, association=association))) is None


@pytest.mark.parametrize(
    "useless",
    [
        pytest.param(b"", id="no designator"),
        pytest.param(designator(3, NAA6[:8]), id="NAA 6 of eight bytes"),
        pytest.param(designator(3, NAA5 + bytes(8)), id="NAA 5 of sixteen bytes"),
        pytest.param(designator(3, b"\x40" + NAA5[1:]), id="NAA 4"),
        pytest.param(designator(3, b""), id="NAA without data"),
        pytest.param(designator(2, EUI[:7]), id="EUI-64 of seven bytes"),
        pytest.param(designator(8, b"foo.123\0", code_set=3), id="name string with another prefix"),
        pytest.param(designator(1, b"LINUX", code_set=2), id="T10 shorter than a vendor"),
        pytest.param(designator(0, b"serial12", code_set=2), id="vendor specific"),
        pytest.param(designator(10, b"\x10\x00" + bytes(16)), id="UUID"),
    ],
)
def test_designator_of_no_use_gives_no_wwid(useless: bytes) -> None:
    assert identity.page83_wwid(page83(useless)) is None


def test_designator_of_no_use_does_not_hide_the_next() -> None:
    assert identity.page83_wwid(page83(designator(3, b""), designator(2, EUI))) == "20001405123456789"


# ---- spelling


@pytest.mark.parametrize(
    ("name", "wwid"),
    [
        pytest.param(b"naa.6001405ABCDEF\0", "36001405abcdef", id="naa. becomes 3, in lower case"),
        pytest.param(b"eui.0001405ABCDEF\0\0\0", "20001405abcdef", id="eui. becomes 2, in lower case"),
        pytest.param(b"iqn.2003-01.org.Linux:X", "82003-01.org.Linux:X", id="iqn. becomes 8, as it is"),
    ],
)
def test_name_string_loses_its_prefix(name: bytes, wwid: str) -> None:
    assert identity.page83_wwid(page83(designator(8, name, code_set=3))) == wwid


@pytest.mark.parametrize(
    ("data", "wwid"),
    [
        pytest.param(b"HP      LOGICAL  VOLUME", "1HP_LOGICAL_VOLUME", id="runs of blanks become one"),
        pytest.param(b"NETAPP  LUN   ", "1NETAPP_LUN", id="blanks at the end are dropped"),
        pytest.param(b"        serial", "1_serial", id="a vendor of blanks"),
        pytest.param(b"Vendor  ab/c\0\0", "1Vendor_ab/c", id="zeros at the end are dropped"),
    ],
)
def test_blanks_in_a_t10_identifier(data: bytes, wwid: str) -> None:
    assert identity.page83_wwid(page83(designator(1, data, code_set=2))) == wwid


def test_long_wwid_is_cut_to_what_device_mapper_can_hold() -> None:
    wwid = identity.page83_wwid(page83(designator(8, b"iqn." + b"x" * 200, code_set=3)))
    assert wwid == "8" + "x" * 126


def test_hexadecimal_is_cut_between_bytes() -> None:
    assert identity.page83_wwid(page83(designator(3, NAA5)), size=17) == "3" + NAA5.hex()[:14]


# ---- all the names


def test_all_names_of_a_device_the_best_first() -> None:
    assert identity.page83_wwids(LIO) == (
        "360014051ab0000000004000800000000",
        "1LIO-ORG_RAMDISK-MCP:1ab00000-0000-4000-8000-000000000000",
    )


@pytest.mark.parametrize(
    ("found", "spelling"),
    [
        pytest.param(designator(8, b"naa.6001405ABC\0", code_set=3), "8naa.6001405ABC", id="sg3-utils keep the prefix"),
        pytest.param(designator(1, b"Vendor  a/b (c)", code_set=2), r"1Vendor_a\x2fb_\x28c\x29", id="sg3-utils escape"),
        pytest.param(designator(1, b"Vendor  a/b (c)", code_set=2), "1Vendor_a_b__c_", id="scsi_id replaces"),
        pytest.param(designator(1, b"Vendor\1\2x"), "156656e646f72010278", id="T10 that is not text, in hexadecimal"),
        pytest.param(designator(3, b"\x40" + NAA5[1:]), "34001405123456789", id="NAA of a reserved kind"),
        pytest.param(designator(2, EUI[:7]), "200014051234567", id="EUI of an odd length"),
    ],
)
def test_spellings_of_udev_are_among_the_names(found: bytes, spelling: str) -> None:
    assert spelling in identity.page83_wwids(page83(designator(3, NAA6), found))[1:]


def test_spellings_of_udev_come_after_the_names_that_multipath_uses() -> None:
    name, plain = designator(8, b"naa.6001405abc\0", code_set=3), designator(3, NAA3)
    assert identity.page83_wwids(page83(plain, name)) == ("36001405abc", "3" + NAA3.hex(), "8naa.6001405abc")


def test_names_of_ports_are_not_among_them() -> None:
    assert identity.page83_wwids(page83(designator(3, NAA6), designator(3, NAA5, association=1))) == ("3" + NAA6.hex(),)


def test_page_without_a_name_has_none() -> None:
    assert identity.page83_wwids(page83()) == ()


# ---- pages that are short or wrong


@pytest.mark.parametrize("read", [identity.page83_wwid, identity.page83_wwids, identity.target_port_group])
@pytest.mark.parametrize(
    ("page", "message"),
    [
        pytest.param(b"", "page 0x83 has 0 bytes, at least 4 were expected", id="nothing"),
        pytest.param(LIO[:100], "has 100 bytes, 173 were expected", id="cut off"),
        pytest.param(LIO_SERIAL, "page 0x83 was expected, the device sent page 0x80", id="another page"),
    ],
)
def test_page_that_is_short_says_what_was_expected(read: object, page: bytes, message: str) -> None:
    assert callable(read)
    with pytest.raises(PageError, match=re.escape(message)):
        read(page)


def test_designator_over_the_end_is_an_error_where_nothing_else_is_there() -> None:
    page = page83(designator(3, NAA6)[:-3])
    with pytest.raises(PageError, match="designator at byte 4 needs 3 more bytes"):
        identity.page83_wwid(page)


def test_designator_over_the_end_does_not_take_away_those_before() -> None:
    assert identity.page83_wwid(page83(designator(2, EUI), designator(3, NAA6)[:-3])) == "20001405123456789"


def test_bytes_after_the_page_are_not_part_of_it() -> None:
    assert identity.page83_wwid(page83(designator(2, EUI)) + designator(3, NAA6)) == "20001405123456789"


@given(st.binary(max_size=120).map(lambda body: page83(body)) | st.binary(max_size=60))
def test_no_bytes_make_anything_but_names_or_an_error_of_ours(page: bytes) -> None:
    try:
        best, names = identity.page83_wwid(page), identity.page83_wwids(page)
    except MpathError:
        return
    assert best is None or names[0] == best
    assert all(len(name) < identity.WWID_SIZE for name in names)


# ---- target port group and serial number


def test_target_port_group_of_a_device() -> None:
    assert identity.target_port_group(LIO) == 0x10


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(b"", id="none"),
        pytest.param(designator(5, b"\0\0\0\1", association=0), id="of the logical unit"),
        pytest.param(designator(5, b"\0\1", association=1), id="too short"),
        pytest.param(designator(4, b"\0\0\0\1", association=1), id="relative port"),
    ],
)
def test_what_is_no_target_port_group(found: bytes) -> None:
    assert identity.target_port_group(page83(found)) is None


def test_serial_number_of_a_device() -> None:
    assert identity.page80_serial(LIO_SERIAL) == "1ab00000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("data", "serial"),
    [
        pytest.param(b"   2000 1 ", "2000 1", id="blanks around it"),
        pytest.param(b"        ", "", id="only blanks"),
        pytest.param(b"", "", id="empty"),
        pytest.param(b"2000\0\0garbage", "2000", id="zeros after it"),
        pytest.param(b"\xff2000", "\udcff2000", id="a byte that is no text"),
    ],
)
def test_serial_number_is_without_blanks(data: bytes, serial: str) -> None:
    assert identity.page80_serial(page80(data)) == serial


def test_serial_page_that_is_cut_off_says_what_was_expected() -> None:
    with pytest.raises(PageError, match="page 0x80 has 20 bytes, 41 were expected"):
        identity.page80_serial(LIO_SERIAL[:20])
