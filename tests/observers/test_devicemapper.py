"""What the observer makes of device-mapper's answers: maps, other devices, growth of buffers, tables it can't read."""

import errno

import pytest

from observers.devicemapper import Observed, observe
from observers.dmtable import DevT
from observers.kernel.dm_ioctl import Command, Flag, Header, Target
from observers.snapshot import Alias, DmDevice, DmUuid, Gap, Map
from tests.observers.disks import multipath
from tests.observers.fake_host import DmMap, FakeHost


def ready(*maps: DmMap) -> FakeHost:
    host = FakeHost(dm=list(maps))
    for item in maps:
        node = f"dm-{item.dev.partition(':')[2]}"
        host.directories[f"/sys/block/{node}/holders"] = []
        host.udev[node] = {"DM_NAME": item.name}
    return host


def only_map(seen: Observed) -> Map:
    assert len(seen.maps) == 1
    return seen.maps[0]


def test_versions_of_interface_and_target() -> None:
    seen = observe(ready())
    assert (seen.version, seen.multipath_target, seen.gaps) == ((4, 47, 0), (1, 14, 0), ())


def test_map_with_table_status_and_all_around_it() -> None:
    item = multipath()
    item.open_count, item.event = 2, 17
    host = ready(item)
    host.directories["/sys/block/dm-0/holders"] = ["dm-5", "dm-4"]
    host.files["/sys/block/dm-0/queue/max_sectors_kb"] = b"1280\n"
    seen = observe(host)
    found = only_map(seen)
    assert seen.gaps == ()
    assert (found.name, found.uuid, found.dev, found.wwid) == ("mpatha", "mpath-3mpatha", "253:0", "3mpatha")
    assert found.table is not None
    assert found.table.devices == ("8:0", "8:16")
    assert found.table.size == 131072
    assert found.status is not None
    assert [(path.active, path.fail_count) for path in found.status.paths] == [(True, 0), (False, 3)]
    assert (found.open_count, found.event_number, found.holders) == (2, 17, ("dm-4", "dm-5"))
    assert (found.udev, found.max_sectors_kb) == ({"DM_NAME": "mpatha"}, 1280)


@pytest.mark.parametrize(
    ("flag", "field"),
    [
        (Flag.DM_SUSPEND_FLAG, "suspended"),
        (Flag.DM_READONLY_FLAG, "read_only"),
        (Flag.DM_INACTIVE_PRESENT_FLAG, "inactive_table"),
        (Flag.DM_DEFERRED_REMOVE, "deferred_remove"),
    ],
)
def test_flags(flag: Flag, field: str) -> None:
    item = multipath()
    assert not getattr(only_map(observe(ready(item))), field)
    item.flags |= flag
    assert getattr(only_map(observe(ready(item))), field)


def test_other_devices_are_only_names_and_are_not_asked() -> None:
    host = ready(DmMap("vg-root", "253:1", "LVM-abc"), DmMap("plain", "253:0"))
    seen = observe(host)
    assert seen.maps == ()
    assert seen.other_devices == (
        DmDevice(Alias("plain"), DmUuid(""), DevT("253:0")),
        DmDevice(Alias("vg-root"), DmUuid("LVM-abc"), DevT("253:1")),
    )
    assert ("dm_query", "DM_TABLE_STATUS") not in host.asked


def test_partition_of_a_map_is_another_device() -> None:
    seen = observe(ready(DmMap("mpatha-part1", "253:3", "part1-mpath-3mpatha")))
    assert (seen.maps, len(seen.other_devices)) == ((), 1)


def test_maps_are_in_the_order_of_their_numbers() -> None:
    seen = observe(ready(multipath("a", "253:10"), multipath("b", "253:9")))
    assert [found.dev for found in seen.maps] == ["253:9", "253:10"]


def test_kernel_that_lists_no_uuids_is_asked_device_by_device() -> None:
    host = ready(multipath(), DmMap("plain", "253:7"))
    host.lists_uuids = False
    seen = observe(host)
    assert only_map(seen).uuid == "mpath-3mpatha"
    assert [device.name for device in seen.other_devices] == ["plain"]
    assert host.asked.count(("dm_query", "DM_DEV_STATUS")) == 2


def test_device_that_vanished_before_its_uuid_was_asked_is_no_gap() -> None:
    host = ready(multipath())
    host.lists_uuids = False
    host.refuse("DM_DEV_STATUS", errno.ENXIO)
    seen = observe(host)
    assert (seen.maps, seen.other_devices, seen.gaps) == ((), (), ())


def test_names_are_unescaped() -> None:
    item = DmMap("my\\x20disk", "253:0", "mpath-3\\x2fa", multipath().table, multipath().status)
    found = only_map(observe(ready(item)))
    assert (found.name, found.uuid) == ("my disk", "mpath-3/a")


def test_buffer_grows_until_a_long_list_fits() -> None:
    host = ready(*(DmMap(f"device-{number:04}", f"253:{number}", f"LVM-{'x' * 60}") for number in range(1000)))
    seen = observe(host)
    assert len(seen.other_devices) == 1000
    assert host.asked.count(("dm_query", "DM_LIST_DEVICES")) > 2


def test_answer_that_never_fits_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    full = (Header(flags=Flag.DM_BUFFER_FULL_FLAG), b"")
    host = ready()
    answer = host._answer
    monkeypatch.setattr(
        host, "_answer", lambda command, header: full if command is Command.DM_LIST_DEVICES else answer(command, header)
    )
    (gap,) = observe(host).gaps
    assert (gap.subject, gap.what) == ("device-mapper", "list of devices")
    assert gap.reason == "DM_LIST_DEVICES: EMSGSIZE, Message too long (the answer does not fit into 16777216 bytes)"


def test_table_that_does_not_parse_is_a_gap_with_the_words() -> None:
    seen = observe(ready(multipath(table="1 queue_if_no_path nonsense")))
    found = only_map(seen)
    assert found.table is None
    assert found.status is not None
    assert [(gap.subject, gap.what) for gap in seen.gaps] == [("mpatha", "table")]
    assert "nonsense" in seen.gaps[0].reason


def test_status_that_does_not_parse_is_a_gap() -> None:
    seen = observe(ready(multipath(status="2 0 1 0 1 1 X")))
    assert only_map(seen).status is None
    assert [(gap.subject, gap.what) for gap in seen.gaps] == [("mpatha", "status")]


def test_map_with_a_table_of_another_target_is_a_gap() -> None:
    item = multipath()
    item.table = item.status = (Target(0, 8, "error", ""), Target(8, 8, "linear", "8:0 0"))
    seen = observe(ready(item))
    assert (only_map(seen).table, only_map(seen).status) == (None, None)
    assert seen.gaps == (
        Gap("mpatha", "table", "not one multipath target but 2: error linear"),
        Gap("mpatha", "status", "not one multipath target but 2: error linear"),
    )


def test_device_that_was_just_created_has_no_table_and_no_gap() -> None:
    item = DmMap("mpatha", "253:0", "mpath-3a", flags=Flag(0))
    seen = observe(ready(item))
    assert only_map(seen).table is None
    assert seen.gaps == ()


def test_device_that_never_had_a_table_is_unknown_to_udev_and_sysfs_which_is_no_gap() -> None:
    """Since Linux 5.15 the block device appears with the first table; a create that was killed leaves such a thing."""
    seen = observe(FakeHost(dm=[DmMap("mpatha", "253:0", "mpath-3a", flags=Flag(0))]))
    assert (only_map(seen).table, only_map(seen).holders, dict(only_map(seen).udev)) == (None, (), {})
    assert seen.gaps == ()


def test_map_that_vanishes_after_it_was_listed_is_a_gap() -> None:
    host = ready(multipath())
    assert host.dm is not None
    host.after["DM_TABLE_STATUS"] = host.dm.clear
    seen = observe(host)
    assert seen.maps == ()
    assert seen.gaps == (
        Gap("mpatha", "table and status", "DM_TABLE_STATUS mpath-3mpatha: ENXIO, No such device or address"),
    )


def test_reload_between_table_and_status_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    item = multipath()
    item.status = (Target(0, 131072, "multipath", "2 0 1 0 1 1 A 0 1 2 8:0 A 0 0 1 "),)
    host = ready(item)
    answer = host._one

    def reload_after_the_first_table(command: Command, header: Header) -> tuple[Header, bytes]:
        given = answer(command, header)
        if header.flags & Flag.DM_STATUS_TABLE_FLAG:
            item.status = multipath().status
        return given

    monkeypatch.setattr(host, "_one", reload_after_the_first_table)
    seen = observe(host)
    found = only_map(seen)
    assert found.status is not None
    assert [path.dev for path in found.status.paths] == ["8:0", "8:16"]
    assert seen.gaps == ()


def test_table_and_status_that_never_agree_are_a_gap() -> None:
    seen = observe(ready(multipath(status="2 0 1 0 1 1 A 0 1 2 8:0 A 0 0 1 ")))
    assert seen.gaps == (
        Gap("mpatha", "table and status", "they differed in each of 3 readings: the map is being reloaded"),
    )


def test_udev_database_without_the_map_is_a_gap_and_the_map_stays() -> None:
    host = ready(multipath())
    del host.udev["dm-0"]
    seen = observe(host)
    assert only_map(seen).udev == {}
    assert seen.gaps == (Gap("mpatha", "udev properties", "ENODEV, No such device"),)


def test_kernel_without_device_mapper() -> None:
    host = FakeHost(dm=None)
    assert observe(host) == Observed(
        gaps=(
            Gap(
                "device-mapper",
                "version",
                "DM_VERSION: ENOENT, No such file or directory: "
                "no device-mapper in the kernel; load it with: modprobe dm-multipath",
            ),
        )
    )


@pytest.mark.parametrize(("error", "name"), [(errno.EACCES, "EACCES"), (errno.EPERM, "EPERM")])
def test_no_permission(error: int, name: str) -> None:
    host = ready(multipath())
    host.refuse("DM_VERSION", error)
    seen = observe(host)
    assert seen.version is None
    (gap,) = seen.gaps
    assert gap.subject == "device-mapper"
    assert name in gap.reason
    assert gap.reason.endswith("no permission to use device-mapper; run as root")


def test_interface_of_another_major_version_is_refused() -> None:
    host = ready()
    host.dm_version = (5, 0, 0)
    seen = observe(host)
    assert seen.version is None
    assert seen.gaps[0].reason == "the kernel's device-mapper interface is 5.x, this program speaks 4.x"


def test_list_that_is_refused_is_a_gap_about_device_mapper() -> None:
    host = ready(multipath())
    host.refuse("DM_LIST_DEVICES", errno.ENOMEM)
    seen = observe(host)
    assert seen.version == (4, 47, 0)
    assert seen.gaps == (Gap("device-mapper", "list of devices", "DM_LIST_DEVICES: ENOMEM, Cannot allocate memory"),)


def test_buffer_that_lies_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    host = ready(multipath())
    monkeypatch.setattr(host, "_one", lambda *_: (Header(target_count=3), b""))
    seen = observe(host)
    assert seen.maps == ()
    assert [gap.subject for gap in seen.gaps] == ["mpatha"]
