"""Whole snapshots to desired maps: tables, names and properties."""

from dataclasses import replace

import pytest

from desired.derive import derive_snapshot
from desired.model import Desired, DesiredMap, OriginKind, Severity
from desired.naming import HEADER
from observers.dmtable import DevT, Sectors, format_table
from observers.errors import ConfigError
from observers.snapshot import (
    Alias,
    Alua,
    Gap,
    Health,
    Path,
    PathState,
    ScsiAddress,
    Snapshot,
    TextFile,
    Wwid,
    map_uuid,
)
from tests.builders import (
    BINDINGS_FILE,
    CONFIG_FILE,
    HARDWARE,
    HOST,
    made_map,
    san_snapshot,
    scsi_path,
    unit_wwid,
)
from tests.nvme_builders import nvme_path

A, B = unit_wwid(1), unit_wwid(2)


def host(*paths: Path, defaults: str = "", sections: str = "", **more: object) -> Snapshot:
    config = f"defaults {{\n\tfind_multipaths off\n{defaults}}}\n{sections}"
    bare = Snapshot(taken_at=0.0, host=HOST, config_files=(TextFile(CONFIG_FILE, config),), paths=paths)
    return replace(bare, **more)  # type: ignore[arg-type]


def derived(snapshot: Snapshot, *, resident: bool = True) -> Desired:
    return derive_snapshot(snapshot, resident=resident)


def the_map(snapshot: Snapshot, *, resident: bool = True) -> DesiredMap:
    (only,) = derived(snapshot, resident=resident).maps
    return only


def table(snapshot: Snapshot, *, resident: bool = True) -> str:
    return format_table(the_map(snapshot, resident=resident).table)


def alua(number: int, wwid: Wwid = A, *, state: str, group: int, **more: object) -> Path:
    made = Alua(tpgs=1, group=group, access_state=state, handler="alua")
    return scsi_path(number, wwid, hardware=HARDWARE[0], alua=replace(made, **more))  # type: ignore[arg-type]


OPTIMIZED = alua(0, state="active/optimized", group=1)
OTHER_PORT = alua(1, state="active/non-optimized", group=2)


def down(path: Path) -> Path:
    return replace(path, health=Health("tur", PathState.DOWN))


def offline(path: Path) -> Path:
    return replace(down(path), device_state="offline", page83_device=None, alua=replace(path.alua, tpgs=None))


def test_plain_disks_become_a_failover_map() -> None:
    made = the_map(host(scsi_path(0, A), scsi_path(1, A)))
    assert format_table(made.table) == "0 0 2 1 service-time 0 1 1 8:0 1 service-time 0 1 1 8:16 1"
    assert (made.wwid, made.alias.value, made.uuid) == (A, Alias(A), map_uuid(A))
    assert [(member.name, member.priority.value) for member in made.members] == [("sda", 1), ("sdb", 1)]


def test_an_alua_array_gets_the_better_group_first() -> None:
    assert table(host(OTHER_PORT, OPTIMIZED)) == (
        "3 pg_init_retries 50 queue_if_no_path 1 alua 2 1 service-time 0 1 1 8:0 1 service-time 0 1 1 8:16 1"
    )


def test_maps_stand_in_the_order_of_their_first_paths_in_sysfs() -> None:
    first, second = replace(scsi_path(0, A), sysfs="/sys/devices/b"), replace(scsi_path(1, B), sysfs="/sys/devices/a")
    assert [each.wwid for each in derived(host(first, second)).maps] == [B, A]


def test_a_path_that_is_down_stays_in_the_table() -> None:
    assert table(host(down(scsi_path(0, A)), scsi_path(1, A))).count("8:") == 2


def test_the_best_group_has_a_usable_path() -> None:
    made = the_map(host(down(scsi_path(0, A)), scsi_path(1, A)))
    assert made.table.groups[made.table.initial_group - 1].paths[0].dev == DevT("8:16")


def test_a_map_whose_paths_are_all_down_is_there_all_the_same() -> None:
    made = the_map(host(down(scsi_path(0, A)), down(scsi_path(1, A))))
    assert (made.table.initial_group, any(member.state.usable for member in made.members)) == (1, False)


def test_a_path_without_a_size_is_no_better_than_a_ghost() -> None:
    empty = replace(scsi_path(1, A), size=Sectors(0))
    made = the_map(host(scsi_path(0, A), empty))
    assert {member.name: member.state for member in made.members} == {"sda": PathState.UP, "sdb": PathState.GHOST}
    assert not made.reject


def test_paths_of_several_sizes_reject_the_map_and_name_the_sizes() -> None:
    bigger = replace(scsi_path(1, A), size=Sectors(4096))
    made = the_map(host(scsi_path(0, A), bigger))
    assert made.reject == "paths differ in size (sectors): sda 20971520, sdb 4096"
    assert [member.name for member in made.members] == ["sda"]


def existing(*paths: Path) -> Snapshot:
    """A host with these paths, and with the map that sda and sdb made when they had one size."""
    before = host(scsi_path(0, A), scsi_path(1, A))
    return replace(host(*paths), maps=(made_map(the_map(before), 0),))


@pytest.mark.parametrize("place", ["/sys/devices/0", "/sys/devices/z"], ids=["the first", "the last"])
def test_a_path_of_another_size_stays_out_of_a_map_that_exists_and_keeps_no_other_out(place: str) -> None:
    stray = replace(scsi_path(2, A), size=Sectors(4096), sysfs=place)
    found = derived(existing(scsi_path(0, A), scsi_path(1, A), stray, scsi_path(3, A)))
    (made,) = found.maps
    assert (made.reject, made.table.size) == ("", scsi_path(0, A).size)
    assert [member.name for member in made.members] == ["sda", "sdb", "sdd"]
    said = f"sdc does not join {A}: it has 4096 sectors, the map's paths 20971520"
    assert [message.text for message in found.messages if message.ours] == [said]


def test_a_map_whose_own_paths_differ_in_size_keeps_its_size_and_all_of_them() -> None:
    made = the_map(existing(replace(scsi_path(0, A), size=Sectors(4096)), scsi_path(1, A)))
    assert made.reject == "paths differ in size (sectors): sda 4096, sdb 20971520"
    assert (made.table.size, [member.name for member in made.members]) == (20971520, ["sda", "sdb"])


def test_a_map_whose_own_paths_have_all_grown_is_to_grow() -> None:
    bigger = [replace(scsi_path(number, A), size=Sectors(30000000)) for number in (0, 1)]
    made = the_map(existing(*bigger, scsi_path(2, A)))
    assert (made.reject, made.table.size, len(made.members)) == ("", 30000000, 2)


def test_paths_without_any_size_reject_the_map() -> None:
    assert the_map(host(replace(scsi_path(0, A), size=Sectors(0)))).reject == "no path has a size"


def test_a_read_only_path_makes_a_read_only_map() -> None:
    assert the_map(host(scsi_path(0, A), replace(scsi_path(1, A), read_only=True))).read_only


def test_a_member_knows_where_it_is_and_whether_udev_knows() -> None:
    path = scsi_path(0, A)
    told = replace(path, udev={**path.udev, "DM_MULTIPATH_DEVICE_PATH": "1"})
    (member,) = the_map(host(told)).members
    assert (member.sysfs, member.announced) == (path.sysfs, True)
    assert not the_map(host(path)).members[0].announced


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ("\tno_path_retry queue\n", "1 queue_if_no_path 0 1 1 service-time 0 1 1 8:0 1"),
        ("\tno_path_retry 12\n", "1 queue_if_no_path 0 1 1 service-time 0 1 1 8:0 1"),
        ("\tno_path_retry fail\n", "0 0 1 1 service-time 0 1 1 8:0 1"),
        ('\tfeatures "1 queue_if_no_path"\n', "1 queue_if_no_path 0 1 1 service-time 0 1 1 8:0 1"),
        ('\tfeatures "1 queue_if_no_path"\n\tno_path_retry fail\n', "0 0 1 1 service-time 0 1 1 8:0 1"),
        ('\tpath_selector "historical-service-time 2 1 2"\n', "0 0 1 1 historical-service-time 2 1 2 1 1 8:0 1"),
        ("\trr_min_io_rq 7\n", "0 0 1 1 service-time 0 1 1 8:0 7"),
        ("\trr_min_io 7\n", "0 0 1 1 service-time 0 1 1 8:0 1"),
    ],
)
def test_keywords_shape_the_table(lines: str, wanted: str) -> None:
    assert table(host(scsi_path(0, A), defaults=lines)) == wanted


def test_a_bio_based_target_has_its_own_repeat_count() -> None:
    snapshot = host(scsi_path(0, A), defaults="\trr_min_io 7\n", host=replace(HOST, multipath_target=(1, 0, 5)))
    assert table(snapshot).endswith("8:0 7")


def test_priorities_multiply_the_repeat_count() -> None:
    assert table(host(OPTIMIZED, defaults="\trr_weight priorities\n\trr_min_io_rq 2\n")).endswith("8:0 100")


def test_without_a_daemon_nothing_queues_and_the_origin_says_why() -> None:
    made = the_map(host(OPTIMIZED), resident=False)
    assert not made.table.queues
    retry = made.properties["no_path_retry"]
    assert (retry.value, "no daemon watches over the map" in retry.origin.why) == ("queue", True)


@pytest.mark.parametrize("queues", [True, False], ids=["that queues", "that does not queue"])
def test_without_a_daemon_a_loaded_map_stays_as_it_is(*, queues: bool) -> None:
    """The daemon may just be between its stop and its start; when it leaves for good it ends the queueing itself."""
    before = host(OPTIMIZED)
    wanted = the_map(before, resident=queues)
    assert wanted.table.queues is queues
    loaded = replace(before, maps=(made_map(wanted, 0),))
    assert the_map(loaded, resident=False).table.queues is queues


def test_queueing_that_nobody_configured_stays_as_somebody_made_it() -> None:
    before = host(scsi_path(0, A))
    wanted = the_map(before)
    assert not wanted.table.queues
    asked = replace(wanted, table=replace(wanted.table, features=("queue_if_no_path",)))
    assert the_map(replace(before, maps=(made_map(asked, 0),))).table.queues


def test_without_a_daemon_queueing_can_be_asked_for() -> None:
    assert the_map(host(OPTIMIZED, defaults="\tqueue_without_daemon yes\n"), resident=False).table.queues


def test_with_a_daemon_the_origin_is_the_array_in_the_hardware_table() -> None:
    retry = the_map(host(OPTIMIZED)).properties["no_path_retry"]
    assert (retry.value, retry.origin.kind) == ("queue", OriginKind.HARDWARE_TABLE)


def test_alua_is_used_unasked_where_all_paths_have_target_port_groups() -> None:
    made = the_map(host(*(scsi_path(number, A, alua=Alua(tpgs=3, group=number)) for number in (0, 1))))
    assert made.table.hardware_handler == ("alua",)
    assert made.properties["hardware_handler"].origin.kind is OriginKind.AUTODETECTED


def test_one_path_without_target_port_groups_takes_alua_from_all() -> None:
    assert the_map(host(OPTIMIZED, scsi_path(1, A))).table.hardware_handler == ()


def test_a_handler_that_the_kernel_attached_is_kept() -> None:
    path = scsi_path(0, A, alua=Alua(tpgs=0, handler="rdac"))
    assert the_map(host(path)).table.hardware_handler == ("rdac",)


def test_an_old_kernel_is_told_to_keep_its_handler() -> None:
    snapshot = host(scsi_path(0, A), host=replace(HOST, kernel_release="4.2.0"))
    assert the_map(snapshot).table.features == ("retain_attached_hw_handler",)


def test_an_old_target_can_not_keep_its_handler() -> None:
    path = scsi_path(0, A, alua=Alua(tpgs=0, handler="rdac"))
    assert the_map(host(path, host=replace(HOST, multipath_target=(1, 4, 0)))).table.hardware_handler == ()


def test_nvme_over_tcp_queues_bios() -> None:
    assert the_map(host(nvme_path(0))).table.features == ("queue_mode", "bio")
    assert the_map(host(nvme_path(0, transport="rdma"))).table.features == ()


def test_namespaces_are_grouped_by_their_ana_states() -> None:
    paths = [nvme_path(number, priority=priority) for number, priority in enumerate((50, 10, 50))]
    made = the_map(host(*paths))
    assert [[path.dev for path in group.paths] for group in made.table.groups] == [
        [paths[0].dev, paths[2].dev],
        [paths[1].dev],
    ]
    assert made.properties["prio"].value == "ana"
    assert "the controller reports ANA" in str(made.properties["prio"].origin)


def test_a_controller_without_ana_has_the_priority_that_is_configured() -> None:
    made = the_map(host(nvme_path(0, ana=False)))
    assert (made.properties["prio"].value, made.members[0].priority.value) == ("const", 1)


def test_ana_is_not_asked_for_where_it_is_not_to_be_detected() -> None:
    made = the_map(host(nvme_path(0), defaults="\tdetect_prio no\n"))
    assert made.properties["prio"].value == "const"


def test_a_map_that_exists_keeps_its_queue_mode() -> None:
    before = host(scsi_path(0, A))
    after = host(scsi_path(0, A), defaults='\tfeatures "2 queue_mode bio"\n', maps=(made_map(the_map(before), 0),))
    assert the_map(after).table.features == ()


def test_the_multipaths_section_sets_name_owner_and_mode() -> None:
    entry = (
        f"multipaths {{\n\tmultipath {{\n\t\twwid {A}\n\t\talias db\n\t\tmode 0640\n\t\tuid 7\n\t\tgid 9\n\t}}\n}}\n"
    )
    made = the_map(host(scsi_path(0, A), sections=entry))
    assert (made.alias.value, made.mode, made.uid, made.gid) == ("db", 0o640, 7, 9)
    assert made.alias.origin.where == f"{CONFIG_FILE}:7"


def test_a_new_alias_is_entered_into_the_bindings() -> None:
    found = derived(host(scsi_path(0, A), defaults="\tuser_friendly_names yes\n"))
    assert found.maps[0].alias.value == "mpatha"
    assert found.bindings == f"{HEADER}mpatha {A}\n"


def test_bindings_that_are_complete_are_left_as_they_are() -> None:
    there = TextFile(BINDINGS_FILE, f"{HEADER}mpathq {A}\n")
    found = derived(host(scsi_path(0, A), defaults="\tuser_friendly_names yes\n", bindings=there))
    assert (found.maps[0].alias.value, found.bindings) == ("mpathq", None)


def test_a_bad_line_of_the_bindings_is_told_with_file_and_line() -> None:
    there = TextFile(BINDINGS_FILE, f"{HEADER}mpathq\n")
    (message,) = derived(host(scsi_path(0, A), bindings=there)).messages
    assert (message.severity, message.file, message.line) == (Severity.WARNING, BINDINGS_FILE, 8)


def test_bindings_that_can_not_be_read_are_not_written() -> None:
    gap = Gap("/etc/multipath/bindings", "text", "EIO, Input/output error")
    found = derived(host(scsi_path(0, A), defaults="\tuser_friendly_names yes\n", gaps=(gap,)))
    assert (found.maps[0].alias.value, found.bindings) == (Alias(A), None)


def test_round_robin_alternates_between_adapters() -> None:
    def behind(number: int, slot: str) -> Path:
        path = scsi_path(number, A, address=ScsiAddress(number, 0, 0, 1))
        return replace(
            path, sysfs=f"/sys/devices/pci0000:00/{slot}/0000:0{number}:00.0/host{number}/x/block/{path.name}"
        )

    paths = [behind(0, "0000:00:01.0"), behind(1, "0000:00:01.0"), behind(2, "0000:00:02.0"), behind(3, "0000:00:02.0")]
    lines = '\tpath_grouping_policy multibus\n\tpath_selector "round-robin 0"\n'
    assert table(host(*paths, defaults=lines)).endswith("4 1 8:0 1 8:32 1 8:16 1 8:48 1")


def test_group_by_tpg_needs_priorities_from_target_port_groups() -> None:
    made = the_map(host(scsi_path(0, A), scsi_path(1, A), defaults="\tpath_grouping_policy group_by_tpg\n"))
    policy = made.properties["path_grouping_policy"]
    assert (policy.value, policy.origin.kind) == ("failover", OriginKind.IMPLIED)


def test_a_prioritizer_that_is_not_available_is_replaced_and_told_once() -> None:
    device = 'devices {\n\tdevice {\n\t\tvendor ACME\n\t\tproduct ".*"\n\t\tprio emc\n\t}\n}\n'
    found = derived(host(scsi_path(0, A), scsi_path(1, A), sections=device))
    assert {member.priority.value for member in found.maps[0].members} == {1}
    assert (
        "prioritizer emc must ask the device, and it was not asked; const used"
        in found.maps[0].members[0].priority.origin.why
    )
    assert [(each.file, each.line) for each in found.messages] == [(CONFIG_FILE, 8)]


def test_paths_keep_their_order_in_a_table_that_is_loaded() -> None:
    one, two = scsi_path(0, A), scsi_path(1, A)
    loaded = made_map(the_map(host(replace(two, sysfs="/sys/devices/a"), replace(one, sysfs="/sys/devices/b"))), 0)
    assert table(host(one, two, maps=(loaded,))) == format_table(loaded.table) if loaded.table else False


def test_a_path_that_can_not_be_asked_while_it_is_down_keeps_its_groups_priority() -> None:
    asked = "overrides {\n\tdetect_prio no\n\tprio alua\n\tpath_grouping_policy group_by_prio\n}\n"
    paths = [alua(number, state="", group=1, reported_state=0) for number in (0, 1)]
    before = host(*paths, sections=asked)
    lost = replace(offline(paths[1]), alua=replace(paths[1].alua, reported_state=None))
    after = host(paths[0], lost, sections=asked, maps=(made_map(the_map(before), 0),))
    assert table(after) == table(before)
    assert the_map(after).members[1].priority.origin.kind is OriginKind.EXISTING_MAP


def test_paths_that_go_offline_change_nothing_in_the_table() -> None:
    before = host(OPTIMIZED, OTHER_PORT)
    loaded = made_map(the_map(before), 0)
    after = host(offline(OPTIMIZED), offline(OTHER_PORT), maps=(loaded,))
    made = the_map(after)
    assert (made.table.hardware_handler, made.table.features) == (
        ("alua",),
        ("pg_init_retries", "50", "queue_if_no_path"),
    )
    assert {path.dev for path in made.table.groups[0].paths} == {OPTIMIZED.dev}


def test_what_was_made_as_derived_derives_the_same_again() -> None:
    snapshot = san_snapshot(12, 4, existing=1.0)
    found = derived(snapshot)
    assert [each.table for each in found.maps] == [each.table for each in snapshot.maps]
    assert [each.alias.value for each in found.maps] == [each.name for each in snapshot.maps]
    assert found.bindings is None


def test_the_main_file_is_the_one_that_the_snapshot_names() -> None:
    elsewhere = "/tmp/preview.conf"
    text = "defaults {\n\tfind_multipaths off\n\treservation_key nonsense\n}\n"
    snapshot = host(scsi_path(0, A), config_files=(TextFile(elsewhere, text),), main_config=elsewhere)
    with pytest.raises(ConfigError, match=elsewhere):
        derived(snapshot)


def test_a_map_is_described_by_every_keyword() -> None:
    made = the_map(host(OPTIMIZED, OTHER_PORT))
    assert {"path_selector", "prio", "path_checker", "uid_attribute", "features", "failback", "dev_loss_tmo"} <= set(
        made.properties
    )
    assert all(isinstance(value.value, str) for value in made.properties.values())
