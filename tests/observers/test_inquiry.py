"""What is asked of a running device, and what comes of answers that are errors, or short."""

import errno

import pytest

from observers import inquiry
from observers.dmtable import DevT, Sectors
from observers.host import ScsiReply
from observers.reading import Reader
from observers.snapshot import Alua, Bus, DeviceName, Gap, Path
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
    reader = Reader(host, "sda")
    return inquiry.ask(reader, path), reader.gaps


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
