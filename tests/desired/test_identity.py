"""WWIDs, and whether the device confirms them."""

from dataclasses import replace

import pytest

from desired.identity import Standing, examine, wwid_of
from observers.snapshot import Bus, Hex, Path, Wwid
from tests.builders import designator, page83, scsi_path, unit_wwid

MINE, OTHER = unit_wwid(1), unit_wwid(2)
SCSI = scsi_path(0, MINE)
NVME = replace(
    SCSI, bus=Bus.NVME, page83_cached=None, page83_device=None, wwid_attribute="eui.01", udev={"ID_WWN": "eui.01"}
)
DASD = replace(SCSI, bus=Bus.CCW, page83_cached=None, page83_device=None, udev={"ID_UID": "IBM.75.1f.a0"})


def t10_page(name: bytes) -> Hex:
    data = designator(2, 0, 1, name)
    return Hex((bytes([0, 0x83]) + len(data).to_bytes(2, "big") + data).hex())


def standing(path: Path, wwid: str = MINE, attribute: str = "ID_SERIAL") -> Standing:
    return examine(path, Wwid(wwid), attribute).standing


def test_the_wwid_is_the_udev_property() -> None:
    assert wwid_of(SCSI, "ID_SERIAL") == (MINE, "udev property ID_SERIAL")


def test_blanks_at_the_end_do_not_belong_to_it() -> None:
    assert wwid_of(replace(SCSI, udev={"ID_SERIAL": "1ACME_7  "}), "ID_SERIAL")[0] == Wwid("1ACME_7")


@pytest.mark.parametrize("attribute", ["ID_SERIAL", ""])
def test_the_page_that_the_kernel_read_stands_in_for_the_default_property(attribute: str) -> None:
    path = replace(SCSI, udev={}, page83_device=None)
    assert wwid_of(path, attribute) == (MINE, "VPD page 0x83 in sysfs")


def test_the_page_of_the_device_stands_in_last() -> None:
    assert wwid_of(replace(SCSI, udev={}, page83_cached=None), "ID_SERIAL") == (MINE, "VPD page 0x83")


def test_nothing_stands_in_for_a_property_of_ones_own_choice() -> None:
    assert wwid_of(SCSI, "ID_SITE") == (Wwid(""), "udev property ID_SITE is missing")


def test_a_page_that_is_cut_off_stands_in_for_nothing() -> None:
    path = replace(SCSI, udev={}, page83_cached=Hex("00830010"), page83_device=None)
    assert wwid_of(path, "ID_SERIAL")[0] == Wwid("")


def test_an_nvme_namespace_has_its_own_attribute() -> None:
    assert wwid_of(replace(NVME, udev={}), "ID_WWN") == (Wwid("eui.01"), "sysfs wwid")


def test_a_dasd_has_the_first_four_parts_of_its_unique_id() -> None:
    path = replace(DASD, udev={}, wwid_attribute="IBM.750000000DK731.1f01.a0.00000001")
    assert wwid_of(path, "ID_UID") == (Wwid("IBM.750000000DK731.1f01.a0"), "sysfs uid")


def test_an_overlong_nvme_name_loses_its_zero_bytes() -> None:
    serial, model = "3163653363666438366239656630386200", "4c696e7578" + "00" * 35
    name = f"nvme.0000-{serial}-{model}-00000002"
    assert wwid_of(replace(NVME, udev={"ID_WWN": name}), "ID_WWN")[0] == Wwid(
        f"nvme.0000-{serial[:-2]}-4c696e7578-00000002"
    )


def test_another_overlong_name_is_cut() -> None:
    assert wwid_of(replace(SCSI, udev={"ID_SERIAL": "x" * 200}), "ID_SERIAL")[0] == Wwid("x" * 127)


def test_a_page_with_the_wwid_confirms() -> None:
    assert standing(SCSI) is Standing.CONFIRMED


def test_a_page_that_the_kernel_once_read_confirms_nothing() -> None:
    assert standing(replace(SCSI, page83_device=None)) is Standing.UNREAD


def test_a_page_with_another_name_contradicts_and_both_are_named() -> None:
    finding = examine(replace(SCSI, page83_device=page83(OTHER)), MINE, "ID_SERIAL")
    assert finding.standing is Standing.CONTRADICTED
    assert finding.reason == f"udev says {MINE}, the device says {OTHER}"


def test_a_page_with_another_name_contradicts_also_when_the_kernel_read_it_again() -> None:
    path = replace(SCSI, page83_device=page83(OTHER), page83_cached=page83(OTHER))
    assert standing(path) is Standing.CONTRADICTED


def test_a_page_that_is_cut_off_is_no_answer() -> None:
    assert standing(replace(SCSI, page83_device=Hex(SCSI.page83_device[:20] if SCSI.page83_device else ""))) is (
        Standing.UNREAD
    )


@pytest.mark.parametrize(("wwid", "attribute"), [("SACME_Disk_77", "ID_SERIAL"), ("0x6001405000000000", "ID_WWN")])
def test_a_name_that_no_page_spells_is_confirmed_while_the_page_does_not_change(wwid: str, attribute: str) -> None:
    assert standing(SCSI, wwid, attribute) is Standing.CONFIRMED
    assert standing(replace(SCSI, page83_device=page83(OTHER)), wwid, attribute) is Standing.CONTRADICTED
    assert standing(replace(SCSI, page83_cached=None), wwid, attribute) is Standing.UNREAD


def test_a_t10_name_that_udev_spells_its_own_way_is_confirmed_while_the_page_does_not_change() -> None:
    page = t10_page(b"ACME    Disk 7")
    path = replace(SCSI, page83_cached=page, page83_device=page)
    assert standing(path, "1ACME_Disk_7") is Standing.CONFIRMED
    assert standing(path, "1ACME~Disk~7") is Standing.CONFIRMED


@pytest.mark.parametrize(
    ("inquiry", "words"),
    [
        ("2000", "is not connected"),
        ("3f00", "is not connected"),
        ("7f00", "does not exist"),
        ("1f00", "device type 31"),
    ],
)
def test_inquiry_data_of_no_unit_contradict(inquiry: str, words: str) -> None:
    finding = examine(replace(SCSI, inquiry_device=Hex(inquiry)), MINE, "ID_SERIAL")
    assert (finding.standing, words in finding.reason) == (Standing.CONTRADICTED, True)


def test_inquiry_data_of_a_disk_do_not_contradict() -> None:
    assert standing(replace(SCSI, inquiry_device=Hex("0000"))) is Standing.CONFIRMED


def test_an_nvme_namespace_is_who_sysfs_says() -> None:
    assert standing(NVME, "eui.01", "ID_WWN") is Standing.CONFIRMED
    assert standing(NVME, "eui.02", "ID_WWN") is Standing.CONTRADICTED
    assert standing(replace(NVME, wwid_attribute=""), "eui.01", "ID_WWN") is Standing.UNREAD


def test_a_dasd_is_who_udev_says() -> None:
    assert standing(DASD, "IBM.75.1f.a0", "ID_UID") is Standing.CONFIRMED
