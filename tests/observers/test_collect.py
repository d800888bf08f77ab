"""A whole snapshot: everything together, devices that vanish or change hands in between, and hosts that refuse."""

import errno

import pytest

from observers.collect import collect, complete, observe_path, survey, unasked
from observers.host import Block
from observers.probe import Probe, by_bus
from observers.snapshot import (
    Daemon,
    DeviceName,
    Gap,
    Health,
    HostFacts,
    Path,
    PathState,
    Snapshot,
    TextFile,
)
from tests.observers.disks import (
    ASK_80,
    ASK_83,
    FIBRE,
    ISCSI,
    PAGE80,
    STANDARD,
    TUR,
    add_disk,
    add_nvme,
    add_scsi,
    multipath,
)
from tests.observers.fake_host import FakeHost, check_condition, good, transport_error

READ = b"\x28\0\0"
UP = Health("tur", PathState.UP, " reports path is up")


def ready() -> FakeHost:
    """An iSCSI disk, an FC disk, a namespace, a dm device over the first, a configuration, and multipathd."""
    host = FakeHost(dm=[multipath()])
    add_scsi(host, FIBRE, "65:0")
    add_scsi(host)
    add_nvme(host)
    add_disk(host, "/sys/devices/virtual/block/dm-0", "253:0", {})
    host.directories["/sys/block/dm-0/holders"] = []
    host.directories[f"{ISCSI}/holders"] = ["dm-0"]
    host.links["/run/udev/control"] = "/run/udev/control"
    for name in ("sda", "sdq"):
        host.scsi[name, ASK_80] = [good(PAGE80)]
    host.files |= {
        "/etc/multipath.conf": b"defaults {\n}\n",
        "/proc/sys/kernel/osrelease": b"6.1.0-56-amd64\n",
        "/run/multipathd.pid": b"447\n",
        "/proc/447/comm": b"multipathd\n",
    }
    return host


def names(snapshot: Snapshot) -> list[str]:
    return [path.name for path in snapshot.paths]


def test_healthy_host_is_known_without_a_gap() -> None:
    snapshot = collect(ready())
    assert snapshot.gaps == ()
    assert snapshot.taken_at == 1_700_000_000.0
    assert names(snapshot) == ["sda", "sdq", "nvme0n1"]
    assert [path.health.state for path in snapshot.paths] == [PathState.UP] * 3
    assert snapshot.paths[0].health == UP
    assert snapshot.paths[0].udev["DEVNAME"] == "/dev/sda"
    assert [path.holders for path in snapshot.paths] == [("dm-0",), (), ()]
    assert [found.name for found in snapshot.maps] == ["mpatha"]
    assert snapshot.config_files == (TextFile("/etc/multipath.conf", "defaults {\n}\n"),)
    assert snapshot.host == HostFacts(
        kernel_release="6.1.0-56-amd64",
        dm_version=(4, 47, 0),
        multipath_target=(1, 14, 0),
        udev_running=True,
        daemon=Daemon(pid=447, name="multipathd"),
    )


def test_observing_twice_gives_the_same() -> None:
    host = ready()
    assert collect(host) == collect(host)


def test_files_elsewhere() -> None:
    host = FakeHost(files={"/tmp/m.conf": b"a", "/tmp/d/x.conf": b"b", "/tmp/s/wwids": b"c"})
    host.directories["/tmp/d"] = ["x.conf"]
    snapshot = collect(host, config_path="/tmp/m.conf", config_dir="/tmp/d", state_dir="/tmp/s")
    assert [file.text for file in snapshot.config_files] == ["a", "b"]
    assert snapshot.wwids == TextFile("/tmp/s/wwids", "c")


def remove(host: FakeHost, sysfs: str) -> None:
    """What the kernel does when a disk is deleted."""
    name = sysfs.rpartition("/")[2]
    host.links.pop(f"/sys/block/{name}", None)
    host.udev.pop(name, None)
    for path in [path for path in host.files if path.startswith(f"{sysfs}/")]:
        del host.files[path]
    host.directories.pop(f"{sysfs}/holders", None)
    for key in [key for key in host.scsi if key[0] == name]:
        host.scsi[key] = [errno.ENXIO]


@pytest.mark.parametrize("attribute", ["hidden", "diskseq", "dev", "size", "device/vendor", "device/state"])
def test_disk_that_vanishes_while_it_is_read_is_one_gap(attribute: str) -> None:
    host = ready()
    host.after[f"{ISCSI}/{attribute}"] = lambda: remove(host, ISCSI)
    snapshot = collect(host)
    assert names(snapshot) == ["sdq", "nvme0n1"]
    assert {gap.subject for gap in snapshot.gaps} == {"sda"}
    assert len(snapshot.gaps) == 1


def test_disk_that_vanishes_after_it_was_listed_is_a_gap() -> None:
    host = ready()
    del host.links["/sys/block/sda"]
    assert collect(host).gaps == (Gap("sda", "sysfs directory", "ENOENT, No such file or directory"),)


def test_disk_whose_name_changes_hands_is_read_anew() -> None:
    host = ready()

    def replaced() -> None:
        host.files[f"{ISCSI}/diskseq"] = b"10\n"
        host.files[f"{ISCSI}/device/vendor"] = b"NEWCOMER\n"

    host.after[f"{ISCSI}/device/vendor"] = replaced
    snapshot = collect(host)
    assert snapshot.paths[0].vendor == "NEWCOMER"
    assert snapshot.gaps == ()


def test_disk_that_never_settles_is_left_out_with_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    host = ready()
    counter = iter(range(100))
    read = host.read_file
    monkeypatch.setattr(
        host, "read_file", lambda path: b"%d" % next(counter) if path == f"{ISCSI}/diskseq" else read(path)
    )
    snapshot = collect(host)
    assert "sda" not in names(snapshot)
    assert snapshot.gaps == (Gap("sda", "device", "it vanished, or another took its name, while it was read"),)


def test_kernel_that_does_not_count_disks_is_enough() -> None:
    host = ready()
    del host.files[f"{ISCSI}/diskseq"]
    assert "sda" in names(collect(host))


def test_offline_disk_is_sent_nothing() -> None:
    host = ready()
    host.files[f"{ISCSI}/device/state"] = b"offline\n"
    snapshot = collect(host)
    path = snapshot.paths[0]
    assert (path.health, path.page83_device, path.inquiry_device) == (Health("sysfs", PathState.DOWN), None, None)
    assert path.page83_cached is not None
    assert ("scsi_inquire", "scsi:sda") not in host.asked
    assert snapshot.gaps == ()


def test_standby_path_still_says_who_it_is() -> None:
    host = ready()
    host.scsi["sda", TUR] = [check_condition(2, 4, 0x0B)]
    path = collect(host).paths[0]
    assert path.health.state is PathState.GHOST
    assert path.page83_device is not None


def test_dead_path_stays_with_a_gap_for_its_identity() -> None:
    host = ready()
    for command in (TUR, STANDARD, ASK_83):
        host.scsi["sda", command] = [transport_error(1)]
    snapshot = collect(host)
    assert snapshot.paths[0].health.state is PathState.DOWN
    assert snapshot.paths[0].page83_device is None
    assert [(gap.subject, gap.what) for gap in snapshot.gaps] == [("sda", "INQUIRY")]


def test_disk_unknown_to_udev_stays_with_a_gap() -> None:
    host = ready()
    del host.udev["sda"]
    snapshot = collect(host)
    assert snapshot.paths[0].udev == {}
    assert snapshot.gaps == (Gap("sda", "udev properties", "ENODEV, No such device"),)


def test_dasd_is_read_from() -> None:
    host = FakeHost(direct={"dasda": [Block(bytes(4096), 0.001)]})
    add_disk(host, "/sys/devices/css0/0.0.0004/0.0.4711/block/dasda", "94:0", {"device/devtype": "3390/0c"})
    path, gaps = observe_path(host, DeviceName("dasda"))
    assert path is not None
    assert path.health == Health("directio", PathState.UP, " reports path is up")
    assert gaps == ()


def test_device_that_is_not_to_be_asked_is_sent_nothing() -> None:
    host = ready()
    path, gaps = observe_path(host, DeviceName("sda"), unasked)
    assert path is not None
    assert (path.health.state, path.page83_device, gaps) == (PathState.UNCHECKED, None, ())
    assert path.udev["DEVNAME"] == "/dev/sda"
    assert ("scsi_inquire", "scsi:sda") not in host.asked


def test_what_the_device_said_of_itself_decides_who_checks_it() -> None:
    host = ready()
    host.scsi["sda", READ] = [good(bytes(512))]

    def probing(path: Path) -> Probe:
        return Probe(checker="readsector0" if path.page83_device else "tur", checker_timeout=5)

    path, _ = observe_path(host, DeviceName("sda"), probing)
    assert path is not None
    assert path.health == Health("readsector0", PathState.UP, " reports path is up")


def test_snapshot_in_two_steps_is_the_same() -> None:
    host = ready()
    surveyed = survey(host)
    assert surveyed.paths == ()
    assert [text.path for text in surveyed.config_files] == ["/etc/multipath.conf"]
    assert ("scsi_inquire", "scsi:sda") not in host.asked
    assert complete(host, surveyed, by_bus) == collect(ready())


def test_host_without_device_mapper() -> None:
    host = ready()
    host.dm = None
    snapshot = collect(host)
    assert snapshot.host.dm_version is None
    assert snapshot.maps == ()
    (gap,) = snapshot.gaps
    assert gap.subject == "device-mapper"
    assert "no device-mapper in the kernel" in gap.reason


def test_user_without_permission_still_gets_what_all_may_read() -> None:
    host = ready()
    host.refuse("DM_VERSION", errno.EACCES)
    for name in ("sda", "sdq"):
        host.refuse(f"scsi:{name}", errno.EACCES)
    snapshot = collect(host)
    assert names(snapshot) == ["sda", "sdq", "nvme0n1"]
    assert snapshot.paths[0].health.state is PathState.UNCHECKED
    assert [(gap.subject, gap.what) for gap in snapshot.gaps] == [
        ("device-mapper", "version"),
        ("sda", "INQUIRY"),
        ("sdq", "INQUIRY"),
    ]
    assert all("run as root" in gap.reason for gap in snapshot.gaps)


def test_host_that_refuses_everything_is_all_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    host = ready()

    def refuse(_call: str, subject: str) -> None:
        raise OSError(errno.EIO, "broken", subject)

    monkeypatch.setattr(host, "_enter", refuse)
    snapshot = collect(host)
    assert (snapshot.paths, snapshot.maps, snapshot.config_files) == ((), (), ())
    assert {gap.subject for gap in snapshot.gaps} == {
        "device-mapper",
        "host",
        "md",
        "/etc/multipath.conf",
        "/etc/multipath/conf.d",
        "/etc/multipath/bindings",
        "/etc/multipath/wwids",
        "/etc/multipath/prkeys",
    }


@pytest.mark.parametrize("number", range(0, 160, 3))
def test_one_refusal_anywhere_costs_one_thing_and_is_told(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    host = ready()
    enter, calls = host._enter, iter(range(10_000))

    def refuse_one(call: str, subject: str) -> None:
        if next(calls) == number:
            raise OSError(errno.EIO, "broken", subject)
        enter(call, subject)

    monkeypatch.setattr(host, "_enter", refuse_one)
    snapshot = collect(host)
    told = {gap.subject for gap in snapshot.gaps}
    if "list of block devices" not in {gap.what for gap in snapshot.gaps}:
        assert {"sda", "sdq", "nvme0n1"} - set(names(snapshot)) <= told
    assert snapshot.maps or told & {"device-mapper", "mpatha"}
    assert snapshot.config_files or "/etc/multipath.conf" in told
    assert len(told) <= 1
