"""sysfs and other files: layouts as a real kernel has them, attributes that refuse, disks that come and go."""

import errno

import pytest

from controller.sandbox.host import SandboxHost
from tests.sandbox import dm
from tests.sandbox.test_dm_ioctls import refused
from tests.sandbox.test_dm_states import FC
from tests.sandbox.test_scsi import ISCSI


@pytest.fixture
def host() -> SandboxHost:
    return dm.san()


PLACES = {
    "fc": (FC, "/sys/devices/pci0000:00/0000:00:03.0/host1/rport-1:0-0/target1:0:0/1:0:0:0/block/sda"),
    "iscsi": (ISCSI, "/sys/devices/platform/host3/session300/target3:0:0/3:0:0:0/block/sda"),
    "pseudo": (dm.SAN, "/sys/devices/pseudo_0/adapter0/host0/target0:0:0/0:0:0:0/block/sda"),
    "ata": (
        dm.PLAIN.replace("pseudo", "ata"),
        "/sys/devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda",
    ),
}


@pytest.mark.parametrize("transport", PLACES)
def test_a_disks_place_shows_its_transport(transport: str) -> None:
    text, place = PLACES[transport]
    assert dm.san(text).real_path("/sys/block/sda") == place


def test_all_links_lead_to_the_disk(host: SandboxHost) -> None:
    place = host.real_path("/sys/block/sda")
    device = place.removesuffix("/block/sda")
    assert host.real_path("/sys/class/block/sda") == place
    assert host.real_path("/sys/dev/block/8:0") == place
    assert host.real_path("/sys/block/sda/device") == device
    assert host.real_path("/sys/bus/scsi/devices/0:0:0:0") == device
    assert host.real_path("/sys/class/scsi_device/0:0:0:0/device") == device
    assert host.real_path("/sys/class/scsi_disk/0:0:0:0/device/block/sda/../..") == device
    assert host.list_directory("/sys/block/sda/device/block") == ("sda",)


def test_attributes_have_the_kernels_padding_and_newline(host: SandboxHost) -> None:
    device = "/sys/block/sda/device"
    assert host.read_file(f"{device}/vendor") == b"LIO-ORG \n"
    assert host.read_file(f"{device}/model") == b"RAMDISK-MCP     \n"
    assert host.read_file(f"{device}/rev") == b"4.0 \n"
    assert host.read_file(f"{device}/wwid") == b"naa.60014051ab0000000004000800000000\n"
    assert host.read_file(f"{device}/dh_state") == b"alua\n"
    assert host.read_file(f"{device}/preferred_path") == b"0\n"
    assert host.read_file("/sys/block/sda/size") == b"131072\n"
    assert host.read_file("/sys/block/sda/uevent") == b"MAJOR=8\nMINOR=0\nDEVNAME=sda\nDEVTYPE=disk\nDISKSEQ=1\n"


def test_pages_and_inquiry_data_are_binary(host: SandboxHost) -> None:
    assert host.read_file("/sys/block/sda/device/vpd_pg0") == bytes.fromhex("00000003008083")
    assert host.read_file("/sys/block/sda/device/inquiry")[:6] == bytes.fromhex("000006025b30")


def test_access_state_is_invalid_without_a_handler() -> None:
    host = dm.san(dm.PLAIN)
    assert host.read_file("/sys/block/sda/device/dh_state") == b"detached\n"
    refused(errno.EINVAL, lambda: host.read_file("/sys/block/sda/device/access_state"))
    refused(errno.EINVAL, lambda: host.read_file("/sys/block/sda/device/preferred_path"))


def test_transports_show_their_names() -> None:
    fc, iscsi = dm.san(FC), dm.san(ISCSI)
    assert fc.read_file("/sys/class/fc_remote_ports/rport-1:0-0/node_name") == b"0x5000000000000000\n"
    assert fc.read_file("/sys/class/fc_host/host1/port_name") == b"0x1000000000000001\n"
    assert fc.read_file("/sys/class/fc_transport/target1:0:0/port_name") == b"0x5000000000000001\n"
    assert iscsi.read_file("/sys/class/iscsi_session/session300/targetname") == b"iqn.2001-04.com.example:a\n"
    assert iscsi.read_file("/sys/class/iscsi_connection/connection300:0/address") == b"192.168.1.1\n"
    assert iscsi.read_file("/sys/class/iscsi_connection/connection300:0/port") == b"3260\n"
    assert iscsi.read_file("/sys/class/iscsi_host/host3/initiatorname") == b"iqn.1993-08.org.debian:01:abc\n"
    assert iscsi.read_file("/sys/class/scsi_host/host3/proc_name") == b"iscsi_tcp\n"


def test_names_and_numbers_of_many_disks() -> None:
    host = dm.san(
        dm.PLAIN.replace("lun 0-3", "lun 0-299").replace("{n}", "{nnn}").replace("00000000000{", "000000000{")
    )
    found = {name: host.read_file(f"/sys/block/{name}/dev") for name in ("sdp", "sdq", "sdz", "sdaa", "sdiv", "sdiw")}
    assert found == {
        "sdp": b"8:240\n",
        "sdq": b"65:0\n",
        "sdz": b"65:144\n",
        "sdaa": b"65:160\n",
        "sdiv": b"135:240\n",
        "sdiw": b"8:256\n",
    }


# ---- mapped devices


def test_a_mapped_device_is_in_sysfs_from_its_first_table_on(host: SandboxHost) -> None:
    dm.create(host)
    refused(errno.ENOENT, lambda: host.real_path("/sys/block/dm-0"))
    dm.load(host, "0 0 1 1 round-robin 0 2 1 8:0 1 8:32 1")
    assert host.real_path("/sys/block/dm-0") == "/sys/devices/virtual/block/dm-0"
    assert host.read_file("/sys/block/dm-0/dm/name") == b"m\n"
    assert host.read_file("/sys/block/dm-0/dm/uuid") == b"test-m\n"
    assert host.read_file("/sys/block/dm-0/size") == b"0\n"
    assert host.list_directory("/sys/block/dm-0/slaves") == ("sda", "sdc")
    dm.resume(host)
    assert host.read_file("/sys/block/dm-0/size") == b"131072\n"
    dm.suspend(host)
    assert host.read_file("/sys/block/dm-0/dm/suspended") == b"1\n"
    dm.remove(host)
    refused(errno.ENOENT, lambda: host.real_path("/sys/block/dm-0"))
    assert "dm-0" not in host.list_directory("/sys/block")


# ---- writing


@pytest.mark.parametrize(
    ("data", "error"), [(b"running", errno.EINVAL), (b"deleted\n", errno.EINVAL), (b"offline", errno.EINVAL)]
)
def test_state_takes_two_words_with_their_newline(host: SandboxHost, data: bytes, error: int) -> None:
    refused(error, lambda: host.write_attribute("/sys/block/sda/device/state", data))


def test_state_offline_and_running(host: SandboxHost) -> None:
    host.write_attribute("/sys/block/sda/device/state", b"offline\n")
    assert host.read_file("/sys/block/sda/device/state") == b"offline\n"
    host.write_attribute("/sys/block/sda/device/state", b"running\n")
    assert host.read_file("/sys/block/sda/device/state") == b"running\n"


def test_state_of_a_blocked_disk_can_not_be_set() -> None:
    host = dm.san(FC)
    host.happen("adapter-down", "1")
    refused(errno.EINVAL, lambda: host.write_attribute("/sys/block/sda/device/state", b"running\n"))


def test_delete_and_scan(host: SandboxHost) -> None:
    host.write_attribute("/sys/block/sda/device/delete", b"1")
    assert "sda" not in host.list_directory("/sys/block")
    host.write_attribute("/sys/class/scsi_host/host0/scan", b"0 0 0\n")
    assert host.real_path("/sys/block/sda").endswith("/0:0:0:0/block/sda")
    assert host.read_file("/sys/block/sda/diskseq") == b"9\n"


def test_a_disk_that_a_map_holds_keeps_its_name_when_it_is_deleted(host: SandboxHost) -> None:
    dm.start(host, "0 0 1 1 round-robin 0 1 1 8:0 1")
    host.happen("delete", "sda")
    host.happen("scan", "0")
    assert "sda" not in host.list_directory("/sys/block")
    assert host.read_file("/sys/block/sdi/dev") == b"8:128\n"
    dm.remove(host)
    host.happen("delete", "sdi")
    host.happen("scan", "0")
    assert "sda" in host.list_directory("/sys/block")


@pytest.mark.parametrize("data", [b"0 0", b"0 0 0 0", b"a b c", b"", b"0 -1 0"])
def test_scan_takes_three_numbers_or_dashes(host: SandboxHost, data: bytes) -> None:
    refused(errno.EINVAL, lambda: host.write_attribute("/sys/class/scsi_host/host0/scan", data))


@pytest.mark.parametrize(("data", "found"), [(b"- - -", True), (b"0 0 -", True), (b"0 1 -", False), (b"1 0 0", False)])
def test_scan_looks_only_where_it_is_told(host: SandboxHost, data: bytes, found: bool) -> None:
    host.happen("delete", "sda")
    host.write_attribute("/sys/class/scsi_host/host0/scan", data)
    assert ("sda" in host.list_directory("/sys/block")) is found


def test_uevent_takes_actions_that_the_kernel_knows(host: SandboxHost) -> None:
    refused(errno.EINVAL, lambda: host.write_attribute("/sys/block/sda/uevent", b"foo"))
    refused(errno.EINVAL, lambda: host.write_attribute("/sys/block/sda/uevent", b""))
    host.write_attribute("/sys/block/sda/uevent", b"change\n")
    event = host.uevents.of("sda")[-1]
    assert (event.action, event.properties) == ("change", {"SYNTH_UUID": "0"})
    dm.start(host, "0 0 1 1 round-robin 0 1 1 8:0 1")
    host.write_attribute("/sys/block/dm-0/uevent", b"change")
    assert host.uevents.of("dm-0")[-1].properties == {"SYNTH_UUID": "0"}


def test_numbers_that_can_be_set(host: SandboxHost) -> None:
    for path in ("device/timeout", "device/eh_timeout", "device/queue_depth", "queue/max_sectors_kb"):
        host.write_attribute(f"/sys/block/sda/{path}", b"64\n")
        assert host.read_file(f"/sys/block/sda/{path}") == b"64\n"
        refused(errno.EINVAL, lambda path=path: host.write_attribute(f"/sys/block/sda/{path}", b"much"))  # type: ignore[misc]


def test_what_can_not_be_written(host: SandboxHost) -> None:
    refused(errno.EACCES, lambda: host.write_attribute("/sys/block/sda/size", b"0"))
    refused(errno.ENOENT, lambda: host.write_attribute("/sys/block/sda/nosuch", b"0"))
    refused(errno.EISDIR, lambda: host.write_attribute("/sys/block/sda", b"0"))


def test_what_can_not_be_read(host: SandboxHost) -> None:
    refused(errno.EACCES, lambda: host.read_file("/sys/block/sda/device/delete"))
    refused(errno.EISDIR, lambda: host.read_file("/sys/block"))
    refused(errno.ENOENT, lambda: host.read_file("/nosuch/x"))
    refused(errno.ENOENT, lambda: host.read_file("sda"))
    refused(errno.ENOTDIR, lambda: host.read_file("/proc/sys/kernel/osrelease/x"))
    refused(errno.ENOTDIR, lambda: host.list_directory("/proc/sys/kernel/osrelease"))
    refused(errno.ENXIO, lambda: host.read_file("/run/udev/control"))


def test_only_root_writes() -> None:
    host = dm.san(more="host\n user 1000\nfile /etc/multipath/wwids <<END\nEND\n")
    refused(errno.EACCES, lambda: host.write_attribute("/sys/block/sda/uevent", b"change"))
    refused(errno.EACCES, lambda: host.replace_file("/etc/x", b"", mode=0o600))
    refused(errno.EACCES, lambda: host.lock("/run/x"))
    assert host.read_file("/sys/block/sda/size") == b"131072\n"


# ---- files


def test_files_are_replaced_and_directories_made(host: SandboxHost) -> None:
    refused(errno.ENOENT, lambda: host.read_file("/etc/multipath/wwids"))
    host.replace_file("/etc/multipath/wwids", b"text", mode=0o600)
    assert host.read_file("/etc/multipath/wwids") == b"text"
    assert host.list_directory("/etc/multipath") == ("wwids",)
    refused(errno.EISDIR, lambda: host.replace_file("/etc/multipath", b"", mode=0o600))
    refused(errno.ENOTDIR, lambda: host.replace_file("/etc/multipath/wwids/x", b"", mode=0o600))


def test_the_release_and_udevs_socket(host: SandboxHost) -> None:
    assert host.read_file("/proc/sys/kernel/osrelease") == b"6.1.0-44-amd64\n"
    assert host.real_path("/run/udev/control") == "/run/udev/control"
    host.happen("udev", "off")
    refused(errno.ENOENT, lambda: host.real_path("/run/udev/control"))


def test_locks_are_exclusive(host: SandboxHost) -> None:
    handle = host.lock("/run/x.lock")
    refused(errno.EWOULDBLOCK, lambda: host.lock("/run/x.lock"))
    other = host.lock("/run/y.lock")
    host.unlock(handle)
    host.unlock(host.lock("/run/x.lock"))
    host.unlock(other)
    refused(errno.EBADF, lambda: host.unlock(other))
