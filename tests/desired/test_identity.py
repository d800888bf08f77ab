"""WWIDs, and whether the device confirms them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired.identity import Finding, Standing, examine, wwid_of
from observers.snapshot import Bus, Hex, NvmeIdentity, Path, Wwid
from tests.builders import designator, page83, scsi_path, unit_wwid
from tests.nvme_builders import nvme_identity, nvme_path
from tests.observers.nvme_answers import EUI64, NGUID, UUID

MINE, OTHER = unit_wwid(1), unit_wwid(2)
SCSI = scsi_path(0, MINE)
NVME = nvme_path(0)
UUID_NAME = NVME.wwid_attribute
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
    assert wwid_of(replace(NVME, udev={}), "ID_WWN") == (Wwid(UUID_NAME), "sysfs wwid")


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


def named(name: str, identity: NvmeIdentity | None, *, attribute: str = "ID_WWN") -> Finding:
    """What the namespace says when udev and sysfs call it by a name."""
    path = replace(NVME, wwid_attribute=name, udev={"ID_WWN": name}, nvme_identity=identity)
    return examine(path, Wwid(name), attribute)


EUI64_NAME, NGUID_NAME = f"eui.{EUI64}", f"eui.{NGUID}"
MADE_UP_NAME = f"nvme.1b36-{b'LAB00000001'.hex()}-{b'Linux'.hex()}-00000001"


@pytest.mark.parametrize("name", [UUID_NAME, NGUID_NAME, EUI64_NAME, MADE_UP_NAME])
@pytest.mark.parametrize("attribute", ["ID_WWN", ""])
def test_a_namespace_is_confirmed_by_any_of_its_names(name: str, attribute: str) -> None:
    assert named(name, nvme_identity(), attribute=attribute).standing is Standing.CONFIRMED


def test_a_namespace_that_was_not_asked_is_not_confirmed() -> None:
    assert named(UUID_NAME, None).standing is Standing.UNREAD


OTHER_UUID, OTHER_NGUID = "6b1d0000000040008000000000000002", "6b1d00000000400080000000000000a2"


@pytest.mark.parametrize(
    ("name", "identity", "said"),
    [
        (UUID_NAME, nvme_identity(uuid=OTHER_UUID), "uuid.6b1d0000-0000-4000-8000-000000000002"),
        (NGUID_NAME, nvme_identity(nguid=OTHER_NGUID), f"eui.{OTHER_NGUID}"),
        (NGUID_NAME, nvme_identity(uuid="", nguid=""), EUI64_NAME),
        (EUI64_NAME, nvme_identity(uuid="", eui64=""), NGUID_NAME),
        (UUID_NAME, nvme_identity(uuid=""), NGUID_NAME),
        (MADE_UP_NAME, nvme_identity(model="Other"), MADE_UP_NAME.replace(b"Linux".hex(), b"Other".hex())),
        (UUID_NAME, NvmeIdentity(descriptors=Hex("")), "that it has no name"),
    ],
)
def test_a_namespace_that_names_itself_otherwise_contradicts(name: str, identity: NvmeIdentity, said: str) -> None:
    finding = named(name, identity)
    assert (finding.standing, finding.reason) == (
        Standing.CONTRADICTED,
        f"udev says {name}, the namespace says {said}",
    )


@pytest.mark.parametrize(
    ("name", "identity"),
    [
        (UUID_NAME, replace(nvme_identity(), descriptors=None)),
        (NGUID_NAME, replace(nvme_identity(nguid=""), namespace=None)),
        (NGUID_NAME, replace(nvme_identity(nguid=""), descriptors=None)),
        (MADE_UP_NAME, replace(nvme_identity(), controller=None)),
        (UUID_NAME, NvmeIdentity(descriptors=Hex("0310"))),
    ],
)
def test_a_name_that_the_namespace_was_not_asked_for_is_neither(name: str, identity: NvmeIdentity) -> None:
    assert named(name, identity).standing is Standing.UNREAD


def test_a_namespace_that_udev_and_sysfs_name_differently_contradicts() -> None:
    assert standing(NVME, NGUID_NAME, "ID_WWN") is Standing.CONTRADICTED


def test_a_namespace_with_a_name_of_ones_own_is_confirmed_while_it_is_who_it_was() -> None:
    assert standing(NVME, "site7", "ID_SITE") is Standing.CONFIRMED
    other = replace(NVME, nvme_identity=nvme_identity(uuid=OTHER_UUID))
    assert standing(other, "site7", "ID_SITE") is Standing.CONTRADICTED
    assert standing(replace(NVME, wwid_attribute=""), "site7", "ID_SITE") is Standing.UNREAD


@given(part=st.none() | st.binary(max_size=90), which=st.sampled_from(["descriptors", "namespace", "controller"]))
def test_garbage_confirms_nothing_and_raises_nothing(part: bytes | None, which: str) -> None:
    identity = NvmeIdentity(**{which: None if part is None else Hex(part.hex())})
    assert named(UUID_NAME, identity).standing is not Standing.CONFIRMED or (part and bytes.fromhex(UUID) in part)


def test_a_dasd_is_who_udev_says() -> None:
    assert standing(DASD, "IBM.75.1f.a0", "ID_UID") is Standing.CONFIRMED
