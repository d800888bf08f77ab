"""What is asked of a running device, and what comes of answers that are errors, or short."""

import errno
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observers import asking, inquiry
from observers.dmtable import DevT, Sectors
from observers.host import ScsiReply
from observers.snapshot import Alua, Bus, DeviceName, Gap, Hex, Path
from tests.observers.disks import (
    ASK_80,
    ASK_83,
    ASK_GROUPS,
    GROUPS,
    INQUIRY,
    PAGE80,
    PAGE83,
    STANDARD,
    add_scsi,
)
from tests.observers.fake_host import FakeHost, check_condition, good, transport_error

PATH = Path(name=DeviceName("sda"), dev=DevT("8:0"), size=Sectors(8), bus=Bus.SCSI, serial="A7", timeout=7)


def ask(host: FakeHost, path: Path = PATH) -> tuple[Path, list[Gap]]:
    told = asking.ask(host, path.name, inquiry.identify(path))
    return told.path, list(told.gaps)


def ready() -> FakeHost:
    host = FakeHost()
    add_scsi(host)
    return host


def test_device_says_who_it_is_and_how_it_can_be_reached() -> None:
    path, gaps = ask(ready())
    assert gaps == []
    assert path.inquiry_device == INQUIRY[: 5 + INQUIRY[4]].hex()
    assert path.page83_device == PAGE83.hex()
    assert path.alua == Alua(tpgs=3, group=16, reported_state=0, reported_preferred=False)


def test_group_of_the_page_decides_which_report_is_the_paths() -> None:
    host = ready()
    host.scsi["sda", ASK_83] = [good(PAGE83[:-1] + b"\x11")]
    alua = ask(host)[0].alua
    assert (alua.group, alua.reported_state, alua.reported_preferred) == (17, 1, True)


def test_bytes_that_were_moved_beyond_the_page_are_not_kept() -> None:
    host = ready()
    host.scsi["sda", ASK_83] = [good(PAGE83 + bytes(2000))]
    assert ask(host)[0].page83_device == PAGE83.hex()


def test_device_without_alua_is_not_asked_for_groups() -> None:
    host = ready()
    host.scsi["sda", STANDARD] = [good(INQUIRY[:5] + b"\0" + INQUIRY[6:])]
    del host.scsi["sda", ASK_GROUPS]
    path, gaps = ask(host)
    assert (path.alua.tpgs, path.alua.reported_state, gaps) == (0, None, [])


def test_inquiry_data_of_no_logical_unit_says_nothing_of_port_groups() -> None:
    host = ready()
    host.scsi["sda", STANDARD] = [good(b"\x7f" + INQUIRY[1:5] + b"\0" + INQUIRY[6:])]
    path, gaps = ask(host)
    assert (path.inquiry_device or "")[:2] == "7f"
    assert (path.alua.tpgs, path.page83_device, gaps) == (None, None, [])


def test_group_that_is_not_reported_is_a_gap() -> None:
    host = ready()
    host.scsi["sda", ASK_83] = [good(PAGE83[:-1] + b"\x63")]
    path, gaps = ask(host)
    assert path.alua.reported_state is None
    assert gaps == [
        Gap(
            "sda",
            "REPORT TARGET PORT GROUPS",
            "group 99 of VPD page 0x83 is not among those reported: 16, 17",
        )
    ]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(
            check_condition(5, 0x24, 0),
            "sent 120183100000; the device answered status 0x02, illegal request: invalid field in CDB (5/24/00)",
            id="refused by the device",
        ),
        pytest.param(
            transport_error(1), "sent 120183100000; the transport answered DID_NO_CONNECT", id="lost on the way"
        ),
        pytest.param(good(PAGE83[:10]), "VPD page 0x83 has 10 bytes, 24 were expected by its header", id="cut off"),
        pytest.param(good(b""), "VPD page 0x83 has 0 bytes, at least 4 were expected", id="nothing"),
        pytest.param(errno.ENXIO, "ENXIO, No such device or address", id="device gone"),
    ],
)
def test_page_that_did_not_come_is_a_gap_with_what_was_sent_and_came_back(answer: ScsiReply | int, reason: str) -> None:
    host = ready()
    host.scsi["sda", ASK_83] = [answer]
    path, gaps = ask(host)
    assert path.page83_device is None
    assert gaps == [Gap("sda", "VPD page 0x83", reason)]
    assert path.inquiry_device is not None


def test_short_inquiry_data_is_a_gap() -> None:
    host = ready()
    host.scsi["sda", STANDARD] = [good(INQUIRY[:20])]
    path, gaps = ask(host)
    assert path == PATH
    assert gaps == [Gap("sda", "INQUIRY", "standard INQUIRY data has 20 bytes, at least 36 were expected")]


def test_device_that_does_not_answer_is_asked_once() -> None:
    host = ready()
    host.scsi["sda", STANDARD] = [transport_error(3)]
    assert ask(host)[1] == [Gap("sda", "INQUIRY", "sent 120000006000; the transport answered DID_TIME_OUT")]
    assert len(host.asked) == 1


def test_permission_missing_is_said_with_what_to_do() -> None:
    host = ready()
    host.refuse("scsi:sda", errno.EACCES)
    assert ask(host)[1] == [Gap("sda", "INQUIRY", "no permission (EACCES, Permission denied); run as root")]


def test_target_port_groups_cut_off_are_a_gap() -> None:
    host = ready()
    host.scsi["sda", ASK_GROUPS] = [good(GROUPS[:-4])]
    path, gaps = ask(host)
    assert path.alua.reported_state is None
    assert [gap.what for gap in gaps] == ["REPORT TARGET PORT GROUPS"]


def test_serial_number_that_sysfs_lacks_is_asked_for() -> None:
    host = ready()
    host.scsi["sda", ASK_80] = [good(PAGE80)]
    path = Path(name=PATH.name, dev=PATH.dev, size=PATH.size, bus=PATH.bus)
    assert ask(host, path)[0].serial == "A7"


def test_device_without_serial_number_page_is_no_gap() -> None:
    host = ready()
    host.scsi["sda", ASK_80] = [check_condition(5, 0x24, 0)]
    path, gaps = ask(host, Path(name=PATH.name, dev=PATH.dev, size=PATH.size, bus=PATH.bus))
    assert (path.serial, gaps) == ("", [])


# ---- unit attentions


def test_unit_attentions_are_asked_past() -> None:
    host = ready()
    attention = check_condition(6, 0x2A, 0x06)
    host.scsi["sda", ASK_GROUPS] = [attention, attention, good(GROUPS)]
    path, gaps = ask(host)
    assert (path.alua.reported_state, gaps) == (0, [])


def test_unit_attentions_without_an_end_are_a_gap() -> None:
    host = ready()
    host.scsi["sda", ASK_GROUPS] = [check_condition(6, 0x2A, 0x06)]
    path, gaps = ask(host)
    assert path.alua.reported_state is None
    assert [gap.what for gap in gaps] == ["REPORT TARGET PORT GROUPS"]
    assert host.asked.count(("scsi_inquire", "scsi:sda")) == 2 + 5


# ---- pages of the vendor's

ASK_C9 = b"\x12\x01\xc9"
ASK_LIST = b"\x12\x01\x00"
PAGE_C9 = bytes.fromhex("00c90008") + b"vac1\1\0\0\0"


def told_of_c9(host: FakeHost, **how: tuple[int, ...]) -> tuple[dict[str, str], tuple[Gap, ...]]:
    told = asking.ask(host, PATH.name, inquiry.identify(PATH, **how))
    return dict(told.path.vendor_pages), told.gaps


def test_page_of_the_vendor_is_kept_without_what_follows_it() -> None:
    host = ready()
    host.scsi["sda", ASK_C9] = [good(PAGE_C9 + bytes(100))]
    assert told_of_c9(host, pages=(0xC9,)) == ({"c9": PAGE_C9.hex()}, ())


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(check_condition(5, 0x24, 0), id="refused"),
        pytest.param(good(b"\0\x83\0\0"), id="another page"),
        pytest.param(good(b""), id="nothing"),
    ],
)
def test_page_that_the_device_does_not_have_is_empty(answer: ScsiReply) -> None:
    host = ready()
    host.scsi["sda", ASK_C9] = [answer]
    assert told_of_c9(host, pages=(0xC9,)) == ({"c9": ""}, ())


@pytest.mark.parametrize("answer", [transport_error(1), errno.EIO], ids=["lost on the way", "refused by the kernel"])
def test_page_about_which_there_was_no_answer_is_not_known(answer: ScsiReply | int) -> None:
    host = ready()
    host.scsi["sda", ASK_C9] = [answer]
    assert told_of_c9(host, pages=(0xC9,)) == ({}, ())


def test_page_that_is_not_listed_is_not_asked_for() -> None:
    host = ready()
    host.scsi["sda", ASK_LIST] = [good(bytes.fromhex("00000003008083") + b"\xc9")]
    assert told_of_c9(host, if_listed=(0xC9,)) == ({"c9": ""}, ())


def test_page_that_is_listed_is_asked_for() -> None:
    host = ready()
    host.scsi["sda", ASK_LIST] = [good(bytes.fromhex("000000040080c983"))]
    host.scsi["sda", ASK_C9] = [good(PAGE_C9)]
    assert told_of_c9(host, if_listed=(0xC9,)) == ({"c9": PAGE_C9.hex()}, ())


def test_list_of_pages_that_was_not_answered_says_nothing() -> None:
    host = ready()
    host.scsi["sda", ASK_LIST] = [transport_error(1)]
    assert told_of_c9(host, if_listed=(0xC9,)) == ({}, ())


# ---- identity alone


def verify(host: FakeHost, path: Path = PATH) -> tuple[Path, tuple[Gap, ...]]:
    told = asking.ask(host, path.name, inquiry.verify(path))
    return told.path, told.gaps


def test_one_command_is_enough_to_know_who_it_is() -> None:
    host = ready()
    path, gaps = verify(host)
    assert (path.page83_device, path.alua.group, gaps) == (PAGE83.hex(), 16, ())
    assert len(host.asked) == 1


def test_an_identity_that_was_not_answered_is_not_the_one_from_before() -> None:
    host = ready()
    host.scsi["sda", ASK_83] = [transport_error(1)]
    path, gaps = verify(host, replace(PATH, page83_device=Hex(PAGE83.hex())))
    assert path.page83_device is None
    assert [gap.what for gap in gaps] == ["VPD page 0x83"]


@pytest.mark.parametrize("first", [0x20, 0x7F, 0x1F], ids=["not connected", "does not exist", "no device type"])
def test_page_that_is_not_of_a_logical_unit_names_none(first: int) -> None:
    host = ready()
    host.scsi["sda", ASK_83] = [good(bytes([first]) + PAGE83[1:])]
    path, gaps = verify(host)
    assert path.page83_device is None
    assert (path.inquiry_device or "")[:2] == f"{first:02x}"
    assert gaps == (Gap("sda", "VPD page 0x83", f"no logical unit is there: the page's first byte is {first:#04x}"),)


# ---- whatever comes


@given(st.lists(st.tuples(st.binary(max_size=300), st.binary(max_size=40), st.sampled_from([0, 2, 8]))))
def test_no_answer_makes_it_raise(answers: list[tuple[bytes, bytes, int]]) -> None:
    replies = iter(answers)

    def answer(_question: asking.Question) -> ScsiReply:
        data, sense, status = next(replies, (b"", b"", 0))
        return ScsiReply(status=status, host_status=0, driver_status=0, sense=sense, data=data)

    for dialogue in (inquiry.identify(PATH, pages=(0xC0,), if_listed=(0xC9,)), inquiry.verify(PATH)):
        told = asking.converse(dialogue, answer)
        assert told.path.name == "sda"
