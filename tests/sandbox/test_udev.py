"""udev: its database for disks and maps, what it reads, and the cookies that it counts down.

Properties are compared with those of Debian 12 (udev 252, sg3-utils, multipath-tools 0.9.4) for the same disks.
"""

import errno

import pytest

from controller.sandbox.block import Result
from controller.sandbox.host import SandboxHost
from observers.kernel.dm_ioctl import Flag
from observers.snapshot import DeviceName
from tests.sandbox import dm
from tests.sandbox.test_dm_ioctls import refused

KEY = 0x0D4D0001
COOKIE = 0x0060_0001
ALUA = "1 queue_if_no_path 1 alua 2 1 service-time 0 2 1 8:0 1 8:32 1 service-time 0 2 1 8:64 1 8:96 1"


@pytest.fixture
def host() -> SandboxHost:
    return dm.san()


def properties(host: SandboxHost, name: str) -> dict[str, str]:
    return dict(host.udev_properties(DeviceName(name)))


def test_a_disks_properties(host: SandboxHost) -> None:
    assert properties(host, "sda") == {
        "DEVPATH": "/devices/pseudo_0/adapter0/host0/target0:0:0/0:0:0:0/block/sda",
        "DEVNAME": "/dev/sda",
        "DEVTYPE": "disk",
        "DISKSEQ": "1",
        "MAJOR": "8",
        "MINOR": "0",
        "SUBSYSTEM": "block",
        "USEC_INITIALIZED": "100000000",
        "SCSI_TPGS": "3",
        "SCSI_TYPE": "disk",
        "SCSI_VENDOR": "LIO-ORG",
        "SCSI_VENDOR_ENC": "LIO-ORG\\x20",
        "SCSI_MODEL": "RAMDISK-MCP",
        "SCSI_MODEL_ENC": "RAMDISK-MCP\\x20\\x20\\x20\\x20\\x20",
        "SCSI_REVISION": "4.0",
        "ID_SCSI": "1",
        "ID_SCSI_INQUIRY": "1",
        "SCSI_IDENT_SERIAL": "1ab00000",
        "SCSI_IDENT_LUN_NAA_REGEXT": "60014051ab0000000004000800000000",
        "SCSI_IDENT_LUN_T10": "LIO-ORG_RAMDISK-MCP_1ab00000",
        "SCSI_IDENT_PORT_RELATIVE": "1",
        "SCSI_IDENT_PORT_TARGET_PORT_GROUP": "0x10",
        "SCSI_IDENT_TARGET_NAME": "naa.6001405000000001",
        "ID_VENDOR": "LIO-ORG",
        "ID_VENDOR_ENC": "LIO-ORG\\x20",
        "ID_MODEL": "RAMDISK-MCP",
        "ID_MODEL_ENC": "RAMDISK-MCP\\x20\\x20\\x20\\x20\\x20",
        "ID_REVISION": "4.0",
        "ID_TYPE": "disk",
        "ID_TARGET_PORT": "10",
        "ID_WWN_WITH_EXTENSION": "0x60014051ab0000000004000800000000",
        "ID_WWN": "0x60014051ab000000",
        "ID_BUS": "scsi",
        "ID_SERIAL": "360014051ab0000000004000800000000",
        "ID_SERIAL_SHORT": "60014051ab0000000004000800000000",
        "ID_SCSI_SERIAL": "1ab00000",
        "DM_MULTIPATH_DEVICE_PATH": "0",
    }


def test_a_locally_assigned_name_is_no_serial() -> None:
    host = dm.san(dm.PLAIN.replace("naa 5", "naa 3"))
    assert properties(host, "sda")["ID_SERIAL"] == "1PLAIN_DISK_s0"
    assert properties(host, "sda")["ID_WWN"] == "0x3000000000000000"


def test_a_unit_without_naa_has_its_t10_name() -> None:
    host = dm.san(dm.PLAIN.replace("naa 500000000000000{n}", ""))
    found = properties(host, "sda")
    assert found["ID_SERIAL"] == "1PLAIN_DISK_s0"
    assert "ID_WWN" not in found


def test_a_path_of_a_map_is_one_after_udev_looked_again(host: SandboxHost) -> None:
    dm.start(host, ALUA, uuid=dm.UUID)
    assert properties(host, "sda")["DM_MULTIPATH_DEVICE_PATH"] == "0"
    host.write_attribute("/sys/block/sda/uevent", b"change")
    found = properties(host, "sda")
    assert (found["DM_MULTIPATH_DEVICE_PATH"], found["ID_FS_TYPE"], found["SYSTEMD_READY"]) == (
        "1",
        "mpath_member",
        "0",
    )


def test_a_remembered_wwid_makes_a_path() -> None:
    text = "file /etc/multipath/wwids <<END\n/360014051ab0000000004000800000000/\nEND\n"
    host = dm.san(more=text)
    assert [properties(host, name)["DM_MULTIPATH_DEVICE_PATH"] for name in ("sda", "sdb")] == ["1", "0"]


def test_properties_are_those_of_the_cached_pages(host: SandboxHost) -> None:
    host.happen("remap", "one:0", "one:1")
    host.write_attribute("/sys/block/sda/uevent", b"change")
    assert properties(host, "sda")["ID_SERIAL"].endswith("0000000004000800000000")
    host.happen("rescan", "sda")
    host.write_attribute("/sys/block/sda/uevent", b"change")
    assert properties(host, "sda")["ID_SERIAL"].endswith("0000100004000800000000")


def test_no_such_device(host: SandboxHost) -> None:
    refused(errno.ENODEV, lambda: properties(host, "sdz"))
    dm.create(host)
    refused(errno.ENODEV, lambda: properties(host, "dm-0"))


# ---- maps


def test_a_maps_properties(host: SandboxHost) -> None:
    dm.create(host, "m", dm.UUID)
    dm.load(host, ALUA)
    assert "DM_NAME" not in properties(host, "dm-0")
    dm.resume(host, cookie=0x60 << 16)
    found = properties(host, "dm-0")
    assert {name: value for name, value in found.items() if name.startswith(("DM_", "MPATH_"))} == {
        "DM_UDEV_DISABLE_LIBRARY_FALLBACK_FLAG": "1",
        "DM_UDEV_PRIMARY_SOURCE_FLAG": "1",
        "DM_ACTIVATION": "1",
        "DM_NAME": "m",
        "DM_UUID": dm.UUID,
        "DM_SUSPENDED": "0",
        "DM_UDEV_RULES": "1",
        "DM_UDEV_RULES_VSN": "2",
        "MPATH_SBIN_PATH": "/sbin",
        "MPATH_DEVICE_READY": "1",
        "DM_TYPE": "scsi",
        "DM_WWN": "0x60014051ab0000000004000800000000",
        "DM_SERIAL": "360014051ab0000000004000800000000",
    }


def test_udev_reads_a_map_that_is_ready(host: SandboxHost) -> None:
    dm.start(host, ALUA, uuid=dm.UUID)
    assert dm.status(host).startswith("2 0 1 0 2 1 A")


def test_udev_does_not_read_a_map_that_was_only_reloaded(host: SandboxHost) -> None:
    dm.start(host, ALUA, uuid=dm.UUID)
    dm.load(host, ALUA)
    dm.resume(host, cookie=0x0160 << 16)
    assert dm.status(host).startswith("2 1 0 0 2 1 E")
    assert properties(host, "dm-0")["DM_SUBSYSTEM_UDEV_FLAG0"] == "1"
    assert properties(host, "dm-0")["DM_ACTIVATION"] == "0"


def test_a_map_that_was_made_without_a_usable_path_is_not_ready(host: SandboxHost) -> None:
    dm.create(host, "m", dm.UUID)
    dm.load(host, ALUA)
    dm.resume(host, cookie=0x0460 << 16)
    found = properties(host, "dm-0")
    assert (found["MPATH_DEVICE_READY"], found["DM_UDEV_DISABLE_OTHER_RULES_FLAG"]) == ("0", "1")


def test_a_map_is_not_ready_while_all_its_paths_are_failed(host: SandboxHost) -> None:
    dm.start(host, ALUA, uuid=dm.UUID)
    for dev in ("8:0", "8:32", "8:64", "8:96"):
        dm.message(host, f"fail_path {dev}")
    assert properties(host, "dm-0")["MPATH_DEVICE_READY"] == "0"
    dm.message(host, "reinstate_path 8:0")
    assert properties(host, "dm-0")["MPATH_DEVICE_READY"] == "1"


def test_the_name_follows_a_rename(host: SandboxHost) -> None:
    dm.start(host, ALUA, uuid=dm.UUID)
    dm.rename(host, "n")
    assert properties(host, "dm-0")["DM_NAME"] == "n"


# ---- cookies


def test_a_cookie_is_counted_down_when_udev_is_done(host: SandboxHost) -> None:
    semaphore = host.semaphore_create(KEY)
    dm.create(host, "m", dm.UUID)
    dm.load(host, ALUA)
    dm.resume(host, cookie=COOKIE)
    assert host.semaphore_wait_zero(semaphore, timeout=10)
    assert host.uevents.of("dm-0")[1].properties == {"DM_COOKIE": str(COOKIE)}


def test_a_cookie_is_counted_down_for_a_removal_too(host: SandboxHost) -> None:
    dm.start(host, ALUA, uuid=dm.UUID)
    semaphore = host.semaphore_create(KEY)
    dm.remove(host, cookie=COOKIE)
    assert host.semaphore_wait_zero(semaphore, timeout=10)


def test_without_udev_nobody_counts_down() -> None:
    host = dm.san(more="host\n udev off\n")
    semaphore = host.semaphore_create(KEY)
    dm.create(host)
    dm.load(host, ALUA)
    dm.resume(host, cookie=COOKIE)
    before = host.monotonic()
    assert not host.semaphore_wait_zero(semaphore, timeout=10)
    assert host.monotonic() - before == 10


def test_a_slow_udev_takes_its_time_for_each_event() -> None:
    host = dm.san(more="host\n udev-delay 1s\n")
    host.advance(60)
    semaphore = host.semaphore_create(KEY)
    dm.create(host, "m", dm.UUID)
    dm.load(host, ALUA)
    dm.resume(host, cookie=COOKIE)
    assert not host.semaphore_wait_zero(semaphore, timeout=1.5)
    assert host.semaphore_wait_zero(semaphore, timeout=1)
    assert properties(host, "dm-0")["DM_NAME"] == "m"


def test_udev_hangs_on_a_map_that_is_not_multipaths_and_queues(host: SandboxHost) -> None:
    host.happen("offline", "sdc", "sde", "sdg")
    dm.create(host)
    dm.load(host, "1 queue_if_no_path 0 1 1 service-time 0 1 1 8:0 1")
    host.happen("offline", "sda")
    semaphore = host.semaphore_create(KEY)
    dm.resume(host, cookie=COOKIE)
    assert not host.semaphore_wait_zero(semaphore, timeout=10)
    host.happen("online", "sda")
    dm.message(host, "reinstate_path 8:0")
    assert host.semaphore_wait_zero(semaphore, timeout=10)


def test_a_program_that_reads_a_dead_map_that_does_not_queue_gets_an_error(host: SandboxHost) -> None:
    dm.start(host, "0 0 1 1 service-time 0 1 1 8:0 1")
    host.happen("offline", "sda")
    assert host.request("m").result is Result.PATH_ERROR


# ---- semaphores


def test_semaphores(host: SandboxHost) -> None:
    semaphore = host.semaphore_create(KEY)
    refused(errno.EEXIST, lambda: host.semaphore_create(KEY))
    host.semaphore_add(semaphore, 2)
    host.semaphore_add(semaphore, -3)
    refused(errno.EAGAIN, lambda: host.semaphore_add(semaphore, -1))
    assert host.semaphore_wait_zero(semaphore, timeout=0)
    host.semaphore_remove(semaphore)
    refused(errno.EINVAL, lambda: host.semaphore_remove(semaphore))
    refused(errno.EINVAL, lambda: host.semaphore_add(semaphore, 1))
    host.semaphore_create(KEY)


def test_a_semaphore_that_is_removed_while_somebody_waits(host: SandboxHost) -> None:
    semaphore = host.semaphore_create(KEY)
    host.kernel.clock.after(3, lambda: host.semaphore_remove(semaphore))
    refused(errno.EIDRM, lambda: host.semaphore_wait_zero(semaphore, timeout=10))


def test_the_uevent_flag_says_whether_somebody_will_count_down(host: SandboxHost) -> None:
    dm.create(host, "m", dm.UUID)
    assert not dm.resume(host, cookie=COOKIE).flags & Flag.DM_UEVENT_GENERATED_FLAG
    dm.load(host, ALUA)
    assert dm.resume(host, cookie=COOKIE).flags & Flag.DM_UEVENT_GENERATED_FLAG
