"""Disks to put into a `FakeHost`, with the values that a Linux 6.1 kernel gave for scsi_debug, LIO and NVMe disks."""

from collections.abc import Mapping

from observers.kernel.dm_ioctl import Target
from tests.observers import nvme_answers
from tests.observers.fake_host import DmMap, FakeHost, good

PAGE80 = bytes.fromhex("00800004") + b"  A7"
PAGE83 = bytes.fromhex("00830014 01030008 50014051ab000001 01950004 00000010")
"""An NAA 5 designator of the unit, and target port group 16."""

INQUIRY = bytes.fromhex("000006025bb81002") + b"LIO-ORG " + b"RAMDISK-MCP     " + b"4.0 " + bytes(60)
"""LIO's: TPGS 3."""

GROUPS = bytes.fromhex("0000001800cf0010000000010000000181cf00110002000100000002")
"""Group 16 active/optimized, 17 active/non-optimized and preferred."""

TUR = b"\0\0\0"
STANDARD = b"\x12\0\0"
ASK_80 = b"\x12\x01\x80"
ASK_83 = b"\x12\x01\x83"
ASK_GROUPS = b"\xa3\x0a\0"

ISCSI = "/sys/devices/platform/host0/session1/target0:0:0/0:0:0:1/block/sda"
FIBRE = "/sys/devices/pci0000:00/0000:00:02.0/host7/rport-7:0-4/target7:0:2/7:0:2:9/block/sdq"
FABRICS = "/sys/devices/virtual/nvme-fabrics/ctl/nvme0/nvme0n1"
DASD = "/sys/devices/css0/0.0.0004/0.0.4711/block/dasda"


def add_disk(host: FakeHost, sysfs: str, dev: str, attributes: Mapping[str, str | bytes]) -> str:
    """A block device; attributes are relative to its directory. Returns its name."""
    name = sysfs.rpartition("/")[2]
    host.directories.setdefault("/sys/block", []).append(name)
    host.directories[f"{sysfs}/holders"] = []
    host.links[f"/sys/block/{name}"] = sysfs
    common = {"dev": f"{dev}\n", "size": "131072\n", "ro": "0\n", "hidden": "0\n", "diskseq": "9\n"}
    for key, value in {**common, **attributes}.items():
        host.files[f"{sysfs}/{key}"] = value.encode() if isinstance(value, str) else value
    host.udev[name] = {"DEVNAME": f"/dev/{name}", "ID_SERIAL": "350014051ab000001"}
    return name


SCSI: Mapping[str, str | bytes] = {
    "device/state": "running\n",
    "device/vendor": "LIO-ORG \n",
    "device/model": "RAMDISK-MCP     \n",
    "device/rev": "4.0 \n",
    "device/timeout": "30\n",
    "device/access_state": "active/optimized\n",
    "device/preferred_path": "0\n",
    "device/dh_state": "alua\n",
    "device/vpd_pg80": PAGE80,
    "device/vpd_pg83": PAGE83,
}


def add_scsi(host: FakeHost, sysfs: str = ISCSI, dev: str = "8:0", **changes: str | bytes | None) -> str:
    """A SCSI disk that answers everything. `changes`: attributes of the device itself, None: without it."""
    attributes = dict(SCSI)
    for key, value in changes.items():
        attributes.pop(f"device/{key}", None)
        if value is not None:
            attributes[f"device/{key}"] = value
    name = add_disk(host, sysfs, dev, attributes)
    host.files["/sys/class/iscsi_session/session1/targetname"] = b"iqn.2026-01.lab:t1\n"
    host.files["/sys/class/fc_remote_ports/rport-7:0-4/node_name"] = b"0x500a098080000001\n"
    host.scsi[name, TUR] = [good(b"")]
    host.scsi[name, STANDARD] = [good(INQUIRY)]
    host.scsi[name, ASK_83] = [good(PAGE83)]
    host.scsi[name, ASK_GROUPS] = [good(GROUPS)]
    return name


def add_nvme(host: FakeHost, **changes: str) -> str:
    """A namespace behind NVMe over TCP, without native multipath, that says who it is."""
    host.nvme["nvme0n1", 0x06, 0x03] = [nvme_answers.descriptors()]
    host.nvme["nvme0n1", 0x06, 0x00] = [nvme_answers.namespace()]
    host.nvme["nvme0n1", 0x06, 0x01] = [nvme_answers.controller(ana=False)]
    attributes = {
        "nsid": "3\n",
        "wwid": "uuid.6b1d0000-0000-4000-8000-000000000001\n",
        "device/cntlid": "2\n",
        "device/model": "Linux                                   \n",
        "device/serial": "LAB00000001         \n",
        "device/firmware_rev": "6.1.0-56\n",
        "device/state": "live\n",
        "device/transport": "tcp\n",
    }
    return add_disk(host, FABRICS, "259:0", {**attributes, **{f"device/{key}": text for key, text in changes.items()}})


TABLE = "1 queue_if_no_path 1 alua 2 1 service-time 0 1 2 8:0 1 1 service-time 0 1 2 8:16 1 1 "
STATUS = "2 0 1 0 2 1 A 0 1 2 8:0 A 0 0 1 E 0 1 2 8:16 F 3 0 1 "


def multipath(name: str = "mpatha", dev: str = "253:0", *, table: str = TABLE, status: str = STATUS) -> DmMap:
    """A multipath map, with its texts as the kernel writes them."""
    return DmMap(
        name,
        dev,
        f"mpath-3{name}",
        table=(Target(0, 131072, "multipath", table),),
        status=(Target(0, 131072, "multipath", status),),
    )
