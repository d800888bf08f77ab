"""What the observers of block devices make of sysfs: identity of buses, transports, and attributes that are missing."""

import errno

import pytest

from observers import sysfs
from observers.reading import Reader
from observers.snapshot import Alua, Bus, DeviceName, Gap, Path, ScsiAddress
from tests.observers.disks import DASD, FIBRE, ISCSI, PAGE83, add_disk, add_nvme, add_scsi
from tests.observers.fake_host import FakeHost


def seen(host: FakeHost, name: str) -> tuple[Path | None, list[Gap]]:
    reader = Reader(host, name)
    disk = sysfs.find(reader, DeviceName(name))
    return (sysfs.observe(reader, disk) if disk else None), reader.gaps


def one(host: FakeHost, name: str) -> Path:
    path, gaps = seen(host, name)
    assert path is not None
    assert gaps == []
    return path


def test_iscsi_disk_has_all_its_attributes() -> None:
    host = FakeHost()
    path = one(host, add_scsi(host))
    assert (path.bus, path.protocol, path.target_node_name) == (Bus.SCSI, "scsi:iscsi", "iqn.2026-01.lab:t1")
    assert (path.vendor, path.product, path.revision, path.serial) == ("LIO-ORG", "RAMDISK-MCP", "4.0", "A7")
    assert path.address == ScsiAddress(0, 0, 0, 1)
    assert (path.dev, path.size, path.timeout, path.device_state) == ("8:0", 131072, 30, "running")
    assert path.alua == Alua(group=16, access_state="active/optimized", handler="alua")
    assert path.page83_cached == PAGE83.hex()
    assert path.sysfs == ISCSI


@pytest.mark.parametrize(
    ("place", "protocol"),
    [
        pytest.param("pseudo_0/adapter0/host0/target0:0:0/0:0:0:0/block/sda", "scsi:unspec", id="scsi_debug"),
        pytest.param("pci0/host7/rport-7:0-4/target7:0:2/7:0:2:9/block/sda", "scsi:fcp", id="Fibre Channel"),
        pytest.param("platform/host0/session1/target0:0:0/0:0:0:1/block/sda", "scsi:iscsi", id="iSCSI"),
        pytest.param("pci0/host4/port-4:0/end_device-4:0/target4:0:0/4:0:0:0/block/sda", "scsi:sas", id="SAS, direct"),
        pytest.param(
            "pci0/ata3/host4/port-4:0/expander-4:0/port-4:0:2/end_device-4:0:2/target4:0:2/4:0:2:0/block/sda",
            "scsi:sas",
            id="SAS wins over ATA",
        ),
        pytest.param("pci0/usb1/1-4/1-4.2/1-4.2:1.0/host6/target6:0:0/6:0:0:0/block/sda", "scsi:usb", id="USB"),
        pytest.param("pci0/ata12/host11/target11:0:0/11:0:0:0/block/sda", "scsi:ata", id="ATA"),
        pytest.param("pci0/host20/target20:0:0/20:0:0:0/block/sda", "scsi:unspec", id="SRP, as multipathd has it"),
        pytest.param("pci0/host21/target21:0:0/21:0:0:0/block/sda", "scsi:unspec", id="SPI, as multipathd has it"),
    ],
)
def test_protocol_is_read_off_the_parents(place: str, protocol: str) -> None:
    host = FakeHost()
    for end_device in ("end_device-4:0", "end_device-4:0:2"):
        host.files[f"/sys/class/sas_device/{end_device}/sas_address"] = b"0x500056b36789abff\n"
    assert one(host, add_scsi(host, f"/sys/devices/{place}")).protocol == protocol


@pytest.mark.parametrize(
    ("place", "target"),
    [
        pytest.param(FIBRE, "0x500a098080000001", id="FC node name"),
        pytest.param("/sys/devices/pci0/ata12/host11/target11:0:0/11:0:0:0/block/sda", "ata-12.00", id="ATA port"),
        pytest.param(
            "/sys/devices/pci0/usb1/1-4/1-4:1.0/host6/target6:0:0/6:0:0:0/block/sda", "1-4:1.0", id="USB interface"
        ),
        pytest.param(
            "/sys/devices/pci0/host4/port-4:0/end_device-4:0/target4:0:0/4:0:0:0/block/sda",
            "0x500056b36789abff",
            id="SAS address of the end device",
        ),
    ],
)
def test_target_node_name_follows_the_transport(place: str, target: str) -> None:
    host = FakeHost()
    host.files["/sys/class/sas_device/end_device-4:0/sas_address"] = b"0x500056b36789abff\n"
    assert one(host, add_scsi(host, place)).target_node_name == target


def test_sas_disk_with_an_address_of_its_own_uses_that() -> None:
    host = FakeHost()
    place = "/sys/devices/pci0/host4/port-4:0/end_device-4:0/target4:0:0/4:0:0:0/block/sda"
    assert one(host, add_scsi(host, place, sas_address="0x5000c50012345678\n")).target_node_name == "0x5000c50012345678"


def test_unreadable_target_name_is_a_gap_and_the_path_stays() -> None:
    host = FakeHost()
    name = add_scsi(host, FIBRE)
    del host.files["/sys/class/fc_remote_ports/rport-7:0-4/node_name"]
    path, gaps = seen(host, name)
    assert path is not None
    assert path.protocol == "scsi:fcp"
    assert gaps == [Gap("sdq", "target node name", "ENOENT, No such file or directory")]


def test_lun_above_32_bits_keeps_its_number() -> None:
    host = FakeHost()
    place = "/sys/devices/pci0/host7/target7:0:2/7:0:2:4611686018427387905/block/sdb"
    assert one(host, add_scsi(host, place)).address == ScsiAddress(7, 0, 2, 4611686018427387905)


def test_disk_without_device_handler_has_no_access_state() -> None:
    host = FakeHost()
    name = add_scsi(host, access_state=None, preferred_path=None, dh_state="detached\n")
    assert one(host, name).alua == Alua(group=16)


def test_einval_of_an_attribute_without_handler_is_no_gap() -> None:
    host = FakeHost()
    name = add_scsi(host)
    host.refuse(f"{ISCSI}/device/access_state", errno.EINVAL)
    assert one(host, name).alua.access_state == ""


def test_preferred_path_is_seen() -> None:
    host = FakeHost()
    assert one(host, add_scsi(host, preferred_path="1\n")).alua.preferred


def test_disk_without_vpd_pages_in_sysfs_is_no_gap() -> None:
    host = FakeHost()
    path = one(host, add_scsi(host, vpd_pg83=None, vpd_pg80=None))
    assert (path.page83_cached, path.serial, path.alua.group) == (None, "", None)


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        pytest.param(bytes(3), "VPD page 0x83 has 3 bytes, at least 4 were expected", id="no header"),
        pytest.param(bytes.fromhex("008300700103"), "VPD page 0x83 has 6 bytes, 116 were expected", id="cut off"),
        pytest.param(bytes.fromhex("00800000"), "VPD page 0x83 was expected, the device sent", id="other page"),
    ],
)
def test_short_page_is_a_gap_and_not_kept(page: bytes, reason: str) -> None:
    host = FakeHost()
    path, gaps = seen(host, add_scsi(host, vpd_pg83=page))
    assert path is not None
    assert path.page83_cached is None
    assert [(gap.subject, gap.what) for gap in gaps] == [("sda", "VPD page 0x83 (sysfs)")]
    assert gaps[0].reason.startswith(reason)


def test_bytes_beyond_the_end_of_a_page_are_not_kept() -> None:
    host = FakeHost()
    whole = one(host, add_scsi(host)).page83_cached
    host = FakeHost()
    assert one(host, add_scsi(host, vpd_pg83=PAGE83 + bytes(9))).page83_cached == whole == PAGE83.hex()


def test_unreadable_attribute_is_a_gap_that_says_so() -> None:
    host = FakeHost()
    name = add_scsi(host)
    host.refuse(f"{ISCSI}/device/vpd_pg83", errno.EACCES)
    path, gaps = seen(host, name)
    assert path is not None
    assert gaps == [Gap("sda", "VPD page 0x83 (sysfs)", "no permission (EACCES, Permission denied); run as root")]


def test_size_that_is_no_number_is_a_gap_and_counts_as_unknown() -> None:
    host = FakeHost()
    name = add_scsi(host)
    host.files[f"{ISCSI}/size"] = b"many\n"
    path, gaps = seen(host, name)
    assert path is not None
    assert path.size == 0
    assert gaps == [Gap("sda", "size", f"{ISCSI}/size holds 'many', which is not a number")]


def test_disk_whose_number_cannot_be_read_is_left_out_with_a_gap() -> None:
    host = FakeHost()
    name = add_scsi(host)
    host.files[f"{ISCSI}/dev"] = b"\n"
    path, gaps = seen(host, name)
    assert path is None
    assert gaps[0].what == "device number"


def test_read_only_and_holders() -> None:
    host = FakeHost()
    name = add_scsi(host)
    host.files[f"{ISCSI}/ro"] = b"1\n"
    host.directories[f"{ISCSI}/holders"] = ["dm-3", "dm-1"]
    path = one(host, name)
    assert path.read_only
    assert path.holders == ("dm-1", "dm-3")


@pytest.mark.parametrize(
    "place",
    [
        pytest.param("/sys/devices/virtual/block/dm-0", id="device-mapper"),
        pytest.param("/sys/devices/virtual/block/loop3", id="loop"),
        pytest.param("/sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1", id="head of native NVMe multipath"),
    ],
)
def test_virtual_device_can_be_no_path(place: str) -> None:
    host = FakeHost()
    assert seen(host, add_disk(host, place, "253:0", {})) == (None, [])


def test_hidden_path_of_native_nvme_multipath_is_left_out() -> None:
    host = FakeHost()
    place = "/sys/devices/pci0/nvme/nvme0/nvme0c0n1"
    assert seen(host, add_disk(host, place, "0:0", {"hidden": "1\n"})) == (None, [])


def test_nvme_namespace_is_described_by_its_controller() -> None:
    host = FakeHost()
    path = one(host, add_nvme(host))
    assert (path.bus, path.protocol, path.vendor) == (Bus.NVME, "nvme:tcp", "NVME")
    assert (path.product, path.serial, path.revision) == ("Linux", "LAB00000001", "6.1.0-56")
    assert path.wwid_attribute == "uuid.6b1d0000-0000-4000-8000-000000000001"
    assert path.address == ScsiAddress(0, 2, 1, 3)
    assert path.device_state == "live"


def test_unheard_of_nvme_transport_is_unspecified() -> None:
    host = FakeHost()
    assert one(host, add_nvme(host, transport="pigeon\n")).protocol == "nvme:unspec"


@pytest.mark.parametrize(
    ("kind", "product"),
    [
        pytest.param("3390/0c\n", "S/390 DASD ECKD", id="ECKD"),
        pytest.param("9336/10\n", "S/390 DASD FBA", id="fixed block"),
    ],
)
def test_dasd_is_ibms_whatever_made_it(kind: str, product: str) -> None:
    host = FakeHost()
    name = add_disk(host, DASD, "94:0", {"device/devtype": kind, "device/uid": "IBM.75000000092461.4711.11\n"})
    path = one(host, name)
    assert (path.bus, path.protocol, path.vendor, path.product) == (Bus.CCW, "ccw", "IBM", product)
    assert path.address == ScsiAddress(0, 0, 0x4711, 0)
    assert path.wwid_attribute == "IBM.75000000092461.4711.11"


def test_smart_array_volume_is_on_the_cciss_bus() -> None:
    host = FakeHost()
    place = "/sys/devices/pci0/cciss0/c0d2/block/cciss!c0d2"
    attributes = {"device/vendor": "HP      \n", "device/model": "LOGICAL VOLUME  \n", "device/rev": "6.64\n"}
    path = one(host, add_disk(host, place, "104:32", attributes))
    assert (path.bus, path.protocol, path.address) == (Bus.CCISS, "cciss", ScsiAddress(0, 0, 2, 0))
    assert (path.vendor, path.product, path.revision) == ("HP", "LOGICAL VOLUME", "6.64")


def test_disk_of_another_driver_is_seen_with_an_unknown_bus() -> None:
    host = FakeHost()
    path = one(host, add_disk(host, "/sys/devices/pci0/virtio0/block/vda", "254:0", {}))
    assert (path.bus, path.protocol, path.vendor) == (Bus.UNKNOWN, "undef", "")
