"""One device as udev asks about it: who has it, what waits for it, and that nobody else is bothered."""

import errno
from dataclasses import dataclass, field

import pytest

from observers import claim, daemon, runtime_files, usage
from observers.collect import collect
from observers.config_files import Places
from observers.dmtable import DevT
from observers.reading import Reader
from observers.snapshot import DeviceName, Gap, HostFacts, Snapshot, TextFile, Usage, Wwid
from tests.observers.disks import FIBRE, ISCSI, add_disk, add_nvme, add_scsi, multipath
from tests.observers.fake_host import DmMap, FakeHost

SDA = DeviceName("sda")
HEADER = "Num       RefCount Protocol Flags    Type St Inode Path\n"
LISTENING = "0000000000000000: 00000002 00000000 00010000 0001 01 14225 {}\n"
CONNECTED = "0000000000000000: 00000003 00000000 00000000 0001 03 14230 {}\n"


@dataclass
class ClaimHost(FakeHost):
    """A `ClaimReadHost`."""

    times: dict[str, float] = field(default_factory=dict)

    def modified(self, path: str, /) -> float:
        self._enter("modified", path)
        if path not in self.times:
            raise OSError(errno.ENOENT, "not there", path)
        return self.times[path]

    def open_exclusively(self, name: DeviceName, /) -> None:
        raise AssertionError(f"an observer opens {name}")


def known(host: FakeHost, *names: str) -> None:
    """What /sys/class/block and /sys/dev/block have of these disks."""
    for name in names:
        place = host.links[f"/sys/block/{name}"]
        host.links[f"/sys/class/block/{name}"] = place
        host.links[f"/sys/dev/block/{host.files[f'{place}/dev'].decode().strip()}"] = place


def partition(host: FakeHost, number: int, *holders: str) -> str:
    name = f"sda{number}"
    place = f"{ISCSI}/{name}"
    host.files |= {f"{place}/partition": b"%d\n" % number, f"{place}/dev": b"8:%d\n" % number}
    host.directories[f"{place}/holders"] = list(holders)
    host.directories.setdefault(ISCSI, ["holders", "queue", "sdaemon"]).append(name)
    host.links[f"/sys/class/block/{name}"] = place
    return name


def ready() -> ClaimHost:
    host = ClaimHost()
    add_scsi(host)
    known(host, "sda")
    return host


def seen(host: ClaimHost) -> Snapshot:
    return claim.observe(host, SDA, Places())


def used(host: ClaimHost) -> Usage:
    (path,) = seen(host).paths
    assert path.usage is not None
    return path.usage


# ---- the device


def test_the_device_is_all_that_is_looked_at() -> None:
    host = ready()
    add_scsi(host, FIBRE, "65:0")
    add_nvme(host)
    snapshot = seen(host)
    assert [path.name for path in snapshot.paths] == ["sda"]
    assert not [subject for _, subject in host.asked if FIBRE in subject or "nvme0n1" in subject]


def test_no_command_is_sent_to_the_device() -> None:
    host = ready()
    (path,) = seen(host).paths
    assert "scsi_inquire" not in {call for call, _ in host.asked}
    assert (path.page83_device, path.inquiry_device, path.page83_cached is not None) == (None, None, True)
    assert path.udev["ID_SERIAL"] == "350014051ab000001"


def test_no_command_is_sent_to_the_others_either() -> None:
    host = ready()
    add_scsi(host, FIBRE, "65:0")
    assert [path.name for path in claim.others(host, SDA)] == ["sdq"]
    assert "scsi_inquire" not in {call for call, _ in host.asked}


def test_the_configuration_and_the_records_are_seen() -> None:
    host = ready()
    host.files |= {"/etc/multipath.conf": b"defaults {\n}\n", "/etc/multipath/wwids": b"/3600/\n"}
    host.directories["/run/multipath/failed_wwids"] = ["3600b", "3600a"]
    snapshot = seen(host)
    assert snapshot.config_files == (TextFile("/etc/multipath.conf", "defaults {\n}\n"),)
    assert snapshot.wwids == TextFile("/etc/multipath/wwids", "/3600/\n")
    assert snapshot.failed_wwids == ("3600a", "3600b")
    assert snapshot.gaps == (Gap("host", "kernel release", "ENOENT, No such file or directory"),)


def test_a_virtual_device_can_be_no_path() -> None:
    host = ready()
    add_disk(host, "/sys/devices/virtual/block/loop0", "7:0", {})
    assert claim.observe(host, DeviceName("loop0"), Places()).paths == ()


def test_a_partition_can_be_no_path() -> None:
    host = ready()
    name = partition(host, 1)
    assert claim.observe(host, DeviceName(name), Places()).paths == ()


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("sda", "sda"),
        ("sda1", "sda1"),
        ("8:0", "sda"),
        ("sdz", None),
        ("8:99", None),
        ("", None),
        ("..", None),
        ("../../etc", None),
    ],
)
def test_a_device_is_found_by_its_name_or_number(written: str, found: str | None) -> None:
    host = ready()
    partition(host, 1)
    assert claim.find(host, written) == found


# ---- maps


def test_the_map_on_top_is_seen_in_sysfs_and_in_device_mapper() -> None:
    host = ready()
    host.dm = [multipath(), DmMap("plain", "253:9")]
    host.directories[f"{ISCSI}/holders"] = ["dm-0"]
    host.files["/sys/block/dm-0/dm/uuid"] = b"mpath-3mpatha\n"
    snapshot = seen(host)
    assert snapshot.paths[0].usage == Usage(maps=(Wwid("3mpatha"),), uses=("dm-0 is on top of sda",))
    assert [each.wwid for each in snapshot.maps] == ["3mpatha"]


def test_a_map_on_top_counts_also_when_device_mapper_can_not_be_asked() -> None:
    host = ready()
    host.dm = None
    host.directories[f"{ISCSI}/holders"] = ["dm-0"]
    host.files["/sys/block/dm-0/dm/uuid"] = b"mpath-3mpatha\n"
    assert used(host).maps == ("3mpatha",)


@pytest.mark.parametrize("uuid", [b"LVM-abc\n", b"\n", None])
def test_another_device_on_top_is_a_use_and_no_map(uuid: bytes | None) -> None:
    host = ready()
    host.directories[f"{ISCSI}/holders"] = ["dm-0", "md0"]
    if uuid is not None:
        host.files["/sys/block/dm-0/dm/uuid"] = uuid
    assert used(host) == Usage(uses=("dm-0 is on top of sda", "md0 is on top of sda"))


def test_the_map_of_a_wwid_is_found_by_its_uuid_alone() -> None:
    host = ready()
    host.dm = [multipath(), multipath("mpathb", "253:1")]
    snapshot = claim.with_map(host, seen(host), Wwid("3mpathb"))
    assert [(each.name, each.table is not None) for each in snapshot.maps] == [("mpathb", True)]
    assert "DM_LIST_DEVICES" not in {subject for _, subject in host.asked}
    assert claim.with_map(host, snapshot, Wwid("3mpathb")) is snapshot


def test_no_map_of_a_wwid_is_no_gap() -> None:
    host = ready()
    before = seen(host)
    assert claim.with_map(host, before, Wwid("3none")) == before


def test_device_mapper_that_refuses_is_a_gap() -> None:
    host = ready()
    before = seen(host)
    host.refuse("DM_DEV_STATUS", errno.EIO)
    (gap,) = set(claim.with_map(host, before, Wwid("3none")).gaps) - set(before.gaps)
    assert (gap.subject, gap.what) == ("device-mapper", "map mpath-3none")


# ---- uses


def mounted(host: ClaimHost, *lines: str) -> tuple[str, ...]:
    host.files[usage.MOUNTS] = "".join(f"{line}\n" for line in lines).encode()
    return used(host).uses


ROOT = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/mapper/root rw"


def test_mounts_of_others_are_none_of_the_devices() -> None:
    assert mounted(ready(), ROOT, "23 22 0:21 / /proc rw shared:2 - proc proc rw", "") == ()


def test_a_mounted_disk() -> None:
    assert mounted(ready(), ROOT, r"30 22 8:0 / /mnt/a\040b rw - xfs /dev/sda rw") == ("sda is mounted on /mnt/a b",)


def test_a_mounted_partition() -> None:
    host = ready()
    partition(host, 1)
    partition(host, 2)
    assert mounted(host, "30 22 8:2 / /boot rw - ext4 /dev/sda2 rw") == ("sda2 is mounted on /boot",)


def test_a_file_system_over_several_devices_is_known_by_its_source() -> None:
    host = ready()
    partition(host, 2)
    assert mounted(host, "30 22 0:40 / /home rw shared:9 master:1 - btrfs /dev/sda2 rw") == (
        "sda2 is mounted on /home",
    )


def test_a_source_may_be_a_link() -> None:
    host = ready()
    host.links["/dev/disk/by-id/x"] = "/dev/sda"
    assert mounted(host, "30 22 0:40 / /home rw - btrfs /dev/disk/by-id/x rw") == ("sda is mounted on /home",)


def test_lines_of_mounts_that_make_no_sense_are_none() -> None:
    assert mounted(ready(), "", "30", "30 22 8:0", " - ", "30 22 0:9 / /x rw - btrfs") == ()


def test_swap() -> None:
    host = ready()
    partition(host, 3)
    host.files[usage.SWAPS] = (
        b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
        b"/swapfile                               file\t\t1048572\t\t0\t\t-3\n"
        b"/dev/sda3                               partition\t1048572\t\t0\t\t-2\n"
    )
    assert used(host).uses == ("sda3 is used as swap",)


def test_a_device_on_top_of_a_partition() -> None:
    host = ready()
    partition(host, 1, "md127")
    assert used(host).uses == ("md127 is on top of sda1",)


def test_a_directory_without_the_attribute_is_no_partition() -> None:
    host = ready()
    host.directories[ISCSI] = ["sdaemon"]
    host.directories[f"{ISCSI}/sdaemon/holders"] = ["md1"]
    assert used(host).uses == ()


@pytest.mark.parametrize("file", [usage.MOUNTS, usage.SWAPS])
def test_uses_that_can_not_be_read_are_a_gap(file: str) -> None:
    host = ready()
    host.files[file] = b""
    host.refuse(file, errno.EIO)
    assert [gap.reason for gap in seen(host).gaps if gap.subject == "sda"] == ["EIO, Input/output error"]


# ---- files under /run


def test_the_end_of_the_wait_is_the_time_of_its_file() -> None:
    host = ready()
    assert used(host).wait_until is None
    host.times[runtime_files.wait_file(DevT("8:0"))] = 1234.5
    assert used(host).wait_until == 1234.5


def test_wait_files_are_where_udevs_rules_remove_them() -> None:
    assert runtime_files.wait_file(DevT("8:48")) == "/run/multipath/find_multipaths/8:48"


def test_failed_wwids_that_can_not_be_read_are_a_gap() -> None:
    host = FakeHost()
    host.refuse(runtime_files.FAILED_WWIDS, errno.EACCES)
    reader = Reader(host, "host")
    assert runtime_files.failed_wwids(reader) == ()
    assert reader.gaps == [Gap("host", "failed WWIDs", "no permission (EACCES, Permission denied); run as root")]


def test_a_whole_snapshot_has_the_failed_wwids_too() -> None:
    host = ready()
    host.directories[runtime_files.FAILED_WWIDS] = ["3600a"]
    host.scsi[SDA, b"\x12\x01\x80"] = [errno.ENOTTY]
    assert collect(host).failed_wwids == ("3600a",)


# ---- the daemon's socket


def reachable(text: str, *, socket: str | None = None) -> bool:
    host = FakeHost(files={daemon.PROC_UNIX: text.encode()})
    return daemon.reachable(Reader(host, "host"), socket=socket)


@pytest.mark.parametrize("name", ["/run/multipathd.socket", "@/org/kernel/linux/storage/multipathd"])
def test_a_daemon_that_listens_is_reachable(name: str) -> None:
    assert reachable(HEADER + CONNECTED.format("/run/x") + LISTENING.format(name))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param(HEADER, id="no socket"),
        pytest.param(HEADER + CONNECTED.format("/run/multipathd.socket"), id="only connections"),
        pytest.param(HEADER + LISTENING.format("/run/multipathd.socket.old"), id="another name"),
        pytest.param(HEADER + CONNECTED.format("").rstrip() + "\n", id="a socket without a name"),
    ],
)
def test_nobody_listens(text: str) -> None:
    assert not reachable(text)


def test_a_socket_by_another_name_takes_the_place_of_both() -> None:
    text = HEADER + LISTENING.format("/run/multipathd.socket")
    assert not reachable(text, socket="/run/mine")
    assert reachable(text + LISTENING.format("/run/mine"), socket="/run/mine")


def test_what_cannot_be_read_is_not_reachable() -> None:
    reader = Reader(FakeHost(), "host")
    assert not daemon.reachable(reader)
    assert reader.gaps == []


def test_the_socket_is_among_the_facts_of_the_host() -> None:
    host = ready()
    host.files[daemon.PROC_UNIX] = (HEADER + LISTENING.format("/run/multipathd.socket")).encode()
    facts: HostFacts = seen(host).host
    assert facts.daemon_reachable
