"""The targets among the readers of what the kernel, drivers and devices send; see `targets`, which has the others."""

import contextlib
import errno
import uuid
from collections.abc import Callable

from desired.reservations import recorded, rewritten
from desired.values import ReservationKey
from observers import identity, identity_3par, mdstat, udev_database
from observers.dmtable import Sectors
from observers.errors import ProtocolError
from observers.host import ScsiReply
from observers.kernel import cciss, direct_io, dm_ioctl, md_superblock, nvme_data, reservation, scsi, transport_event
from observers.kernel import uevent as uevents
from observers.kernel.scsi import ScsiFormatError
from observers.snapshot import Hex, Wwid
from tests.builders import page83, san_snapshot, unit_wwid
from tests.fuzz.target import SPLIT, Target, bounded, words_of
from tests.observers import nvme_answers

_HOST = san_snapshot(1, 2)


def md(data: bytes) -> None:
    """A superblock of md, of each version; and the text of /proc/mdstat."""
    for version in md_superblock.VERSIONS:
        with bounded(f"md_superblock.unpack {version}"), contextlib.suppress(md_superblock.MdFormatError):
            assert len(md_superblock.unpack(data, version).uuid) == _UUID_LENGTH
    with bounded("mdstat.parse"):
        for array in mdstat.parse(data.decode("utf-8", "surrogateescape")).arrays:
            assert array.name


def reservations(data: bytes) -> None:
    """What a device says of persistent reservations, and the file of keys."""
    for read in (reservation.decode_keys, reservation.decode_holder, reservation.decode_parameters):
        with bounded(f"reservation.{read.__name__}"), contextlib.suppress(ScsiFormatError):
            read(data)
    text = data.decode("utf-8", "surrogateescape")
    with bounded("reservations.recorded"):
        before = recorded(text)
        after = recorded(rewritten(text, _UNIT, _KEY))
        assert after == {**before, _UNIT: _KEY}
        assert recorded(rewritten(text, _UNIT, None)) == {wwid: key for wwid, key in before.items() if wwid != _UNIT}


_UNIT, _KEY = Wwid("3600a"), ReservationKey(0xABC, aptpl=True)
_UUID_LENGTH = 36
_SUPERBLOCKS = tuple(
    md_superblock.Superblock(version=version, uuid=str(uuid.UUID(int=1)), level=-4, disks=3)
    for version in md_superblock.VERSIONS
)


def pages(data: bytes) -> None:
    """Read VPD pages 0x80 and 0x83."""
    readers: tuple[Callable[[bytes], object], ...] = (
        identity.page83_wwid,
        identity.page83_wwids,
        identity.target_port_group,
        identity.page80_serial,
    )
    for reader in readers:
        with contextlib.suppress(ProtocolError), bounded("identity"):
            reader(data)


def dm_buffers(data: bytes) -> None:
    """Read what device-mapper sends. The first byte is a count, and chooses between request and reply."""
    count, payload = data[0] if data else 0, data[1:]
    readers: tuple[Callable[[bytes], object], ...] = (
        dm_ioctl.unpack,
        lambda buffer: dm_ioctl.unpack_targets(buffer, count >> 1, reply=bool(count & 1)),
        dm_ioctl.unpack_devices,
        dm_ioctl.unpack_versions,
        dm_ioctl.unpack_deps,
        dm_ioctl.unpack_message,
        dm_ioctl.unpack_text,
    )
    for reader in readers:
        with contextlib.suppress(ProtocolError), bounded("dm_ioctl"):
            reader(payload)


def scsi_replies(data: bytes) -> None:
    """What a device says of itself, of its ports, and of what went wrong."""
    readers: tuple[Callable[[bytes], object], ...] = (
        scsi.decode_sense,
        scsi.parse_inquiry,
        scsi.parse_target_port_groups,
        lambda buffer: scsi.unpack_sg_io(buffer[: scsi.SG_IO_HDR_SIZE], sense=buffer[:32], data=buffer),
        lambda buffer: scsi.failure_text(ScsiReply(status=2, host_status=0, driver_status=0, sense=buffer, data=b"")),
        lambda buffer: identity_3par.volume_name(Hex(buffer.hex())),
    )
    for reader in readers:
        with contextlib.suppress(ProtocolError), bounded("scsi"):
            reader(data)
    if len(data) >= _INT:
        assert 0 < direct_io.block_size(data) <= direct_io.LARGEST_BLOCK


def uevent(data: bytes) -> None:
    """A datagram of either group; what was read is written as one that is read the same."""
    packers = {uevents.Sender.KERNEL: uevents.pack_kernel, uevents.Sender.UDEV: uevents.pack_udev}
    for sender, pack in packers.items():
        with bounded(f"uevent.parse {sender.name}"):
            found = uevents.parse(data, sender)
        if found is not None:
            assert found.name
            assert uevents.parse(pack(found.properties), sender) == found


def transport(data: bytes) -> None:
    """A datagram of iSCSI and of Fibre Channel hosts."""
    for parse in (transport_event.parse_iscsi, transport_event.parse_fc):
        with bounded(parse.__name__):
            assert all(event.kind for event in parse(data))


def nvme_answer(data: bytes) -> None:
    """Each kind of answer to Identify, and the ANA log."""
    readers: tuple[Callable[[bytes], object], ...] = (
        nvme_data.supports_ana,
        nvme_data.ana_capabilities,
        nvme_data.controller_name,
        nvme_data.ana_group,
        nvme_data.names_of_namespace,
        nvme_data.parse_ana_log,
    )
    for reader in readers:
        with contextlib.suppress(nvme_data.NvmeFormatError), bounded(f"nvme_data.{reader.__name__}"):
            reader(data)
    with contextlib.suppress(nvme_data.NvmeFormatError), bounded("nvme_data.descriptors"):
        names = nvme_data.names_of_descriptors(data)
        assert nvme_data.names_of_descriptors(nvme_data.descriptors_in_use(data)) == names


def cciss_answer(data: bytes) -> None:
    """What the driver wrote into its two structs."""
    with contextlib.suppress(cciss.CcissFormatError):
        assert cciss.pack_test_unit_ready(cciss.drive_number(data[: cciss.DRIVE_SIZE]), timeout=1.0)
    with contextlib.suppress(cciss.CcissFormatError):
        cciss.is_ready(data[: cciss.COMMAND_SIZE])


def udev_record(data: bytes) -> None:
    """The kernel's lines of a device, and those of udev's database."""
    event, _, database = data.partition(SPLIT)

    def read(path: str) -> bytes:
        return event if path.endswith("/uevent") else database

    with bounded("udev_database.properties"):
        try:
            found = udev_database.properties("sda", read, lambda _: "/sys/devices/x/block/sda")
        except OSError as error:
            if error.errno != errno.EILSEQ:
                raise
        else:
            assert all(isinstance(value, str) for value in found.values())


_INT = 4

_DEVICES = (dm_ioctl.ListedDevice("a", _HOST.paths[0].dev, 1, "u"), dm_ioctl.ListedDevice("b", _HOST.paths[1].dev))
_TARGETS = (dm_ioctl.Target(0, 8, "multipath", "0 0 0 0"), dm_ioctl.Target(8, 8, "error", ""))
_DESIGNATORS = bytes.fromhex(page83(unit_wwid(1), group=1))

_EVENT = {"ACTION": "change", "DEVPATH": "/devices/x/block/sda", "SUBSYSTEM": "block", "SEQNUM": "7", "DEVNAME": "sda"}
_SENSE = bytes((0x70, 0, 2, 0, 0, 0, 0, 10, 0, 0, 0, 0, 4, 2, 0, 0, 0, 0))
_UDEV = (
    b"MAJOR=8\nMINOR=0\nDEVNAME=sda\nDEVTYPE=disk\n" + SPLIT + b"S:disk/by-id/x\nI:12\nE:ID_SERIAL=x\nG:systemd\n"
    b"Q:systemd\nV:1\n"
)

DEVICE_TARGETS = {
    "pages": Target(pages, (b"\x00\x83\x00\x14", b"\x00\x80\x00\x04", b"naa.", b"eui.", b"iqn."), (_DESIGNATORS,)),
    "dm_buffers": Target(
        dm_buffers,
        (b"\x38\x01\x00\x00", b"\x00\x00\x00\x00", b"multipath\x00"),
        (
            b"\x00" + dm_ioctl.pack(dm_ioctl.Header(name="m"), b"x"),
            b"\x05" + dm_ioctl.pack_targets(_TARGETS, reply=True),
            b"\x04" + dm_ioctl.pack_targets(_TARGETS, reply=False),
            b"\x00" + dm_ioctl.pack_devices(_DEVICES),
            b"\x00" + dm_ioctl.pack_versions((dm_ioctl.TargetVersion("multipath", (1, 14, 0)),)),
            b"\x00" + dm_ioctl.pack_deps([path.dev for path in _HOST.paths]),
            b"\x00" + dm_ioctl.pack_message("fail_path 8:0"),
        ),
    ),
    "md": Target(
        md,
        (b"\xfc\x4e\x2b\xa9", b"Personalities : [multipath] \n", b"md0 : active raid1 ", b"a[0](F) "),
        (
            *(md_superblock.pack(block, member_sectors=Sectors(4096)) for block in _SUPERBLOCKS),
            b"Personalities : [raid1] \nmd1 : active (read-only) raid1 sdb[1](W)(S) sda[0]\nunused devices: <none>\n",
        ),
    ),
    "reservations": Target(
        reservations,
        (b"0x0000000000000abc 3600a\n", b"0X", b"#x", b" 3600b\n", b"\x00\x00\x00\x10"),
        (
            reservation.encode_keys((1, 2), generation=3),
            reservation.encode_holder(5, 5, generation=1),
            rewritten(None, _UNIT, _KEY).encode(),
        ),
    ),
    "scsi_replies": Target(
        scsi_replies,
        (b"\x70\x00\x05", b"\x72\x06\x29\x00", b"\x00\x00\x00\x0c", b"NETAPP  ", b"\xff" * 8),
        (_SENSE, bytes(36), bytes(scsi.SG_IO_HDR_SIZE), bytes((0, 0, 0, 12, 1, 15, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1))),
    ),
    "uevent": Target(
        uevent,
        words_of("ACTION=add\0", "DEVPATH=/a\0", "DEVPATH=/\0", "SEQNUM=\u00b2\0", "=\0", "@/", "\0", "libudev\0"),
        (uevents.pack_kernel(_EVENT), uevents.pack_udev(_EVENT)),
    ),
    "transport": Target(
        transport,
        (b"\x10\x00\x00\x00", b"\x11\x00", b"\x66\x00\x00\x00", b"\xa1\xb2", b"\xff\xff\xff\xff", b"\x00" * 16),
        (
            transport_event.pack_iscsi(102, (1, 2, 3)),
            transport_event.pack_fc(3, 0x3) + transport_event.pack_fc(3, 0x99999),
        ),
    ),
    "nvme_answer": Target(
        nvme_answer,
        (b"\x01\x08\x00\x00", b"\x02\x10\x00\x00", b"\x03\x10\x00\x00", b"\xff\xff", b"\x00" * 64),
        (
            nvme_answers.controller(),
            nvme_answers.namespace(),
            nvme_answers.descriptors(),
            nvme_answers.ana_log([(1, 1, (1, 2)), (2, 0xF, ())]),
        ),
    ),
    "cciss_answer": Target(
        cciss_answer,
        (b"\x01\x00\x00\x40", b"\xff\xff\xff\xff", b"\x02"),
        (bytes(cciss.DRIVE_SIZE), cciss.pack_test_unit_ready(1, timeout=30.0)),
    ),
    "udev_record": Target(
        udev_record,
        words_of("E:", "S:", "I:", "G:", "Q:", "=", "\n", "MAJOR=", "DEVNAME=/dev/", "\u00e9", "\0", SPLIT.decode()),
        (_UDEV,),
    ),
}
