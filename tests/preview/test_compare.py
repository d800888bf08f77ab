"""What a candidate changes, as values: properties, tables, steps and their causes, disks, names, settings, messages."""

from dataclasses import replace

import pytest

from actuators.steps import (
    CreateMap,
    FailPath,
    MapRef,
    ReinstatePath,
    ReloadMap,
    RemoveMap,
    RenameMap,
    SetQueueing,
    Step,
    WriteBindings,
)
from controller.reconcile.preview import Cause, Fate, MapPreview, Preview, ValueChange, trace, under
from desired.config import ConfigRefused
from desired.model import OriginKind, Verdict
from desired.naming import HEADER
from observers.dmtable import DevT, Sectors
from observers.snapshot import Alias, DeviceName, Gap, TextFile, Wwid, map_uuid
from tests.builders import BINDINGS_FILE, CONFIG_FILE, scsi_path, unit_wwid
from tests.preview.hosts import (
    CANDIDATE,
    PRESENT,
    A,
    B,
    C,
    blacklist,
    entry,
    map_of,
    previewed,
    settled,
    with_a_path_down,
    with_defaults,
)

D = unit_wwid(9)


def changed(preview: Preview) -> list[Wwid]:
    return [each.wwid for each in preview.changed]


def value(each: MapPreview, keyword: str) -> ValueChange:
    (found,) = (change for change in each.values if change.keyword == keyword)
    return found


def kinds(each: MapPreview, cause: Cause) -> list[type[Step]]:
    return [type(step.step) for step in each.steps if step.cause is cause]


def setting(preview: Preview, keyword: str) -> ValueChange | None:
    return next((each for each in preview.settings if each.keyword == keyword), None)


def test_the_same_text_in_another_file_changes_nothing() -> None:
    preview = previewed(settled(), PRESENT)
    assert (preview.changes, preview.changed, len(preview.unchanged)) == (False, (), 3)


def test_other_lines_and_comments_change_nothing() -> None:
    assert not previewed(settled(), "# moved\n\n" + PRESENT).changes


def test_a_value_that_is_only_said_elsewhere_is_no_change() -> None:
    preview = previewed(settled(), with_defaults("path_grouping_policy failover", sections=entry(C, "failback manual")))
    assert not preview.changes


def test_a_changed_property_has_both_values_with_both_origins() -> None:
    found = value(map_of(previewed(settled(), with_defaults("failback immediate")), C), "failback")
    assert found.old is not None
    assert found.new is not None
    assert (found.old.value, found.old.origin.kind) == ("manual", OriginKind.BUILT_IN)
    assert (found.new.value, found.new.origin.where) == ("immediate", f"{CANDIDATE}:3")


def test_the_present_origin_names_the_present_file() -> None:
    snapshot = settled(with_defaults("failback 5"))
    found = value(map_of(previewed(snapshot, PRESENT), C), "failback")
    assert found.old is not None
    assert found.old.origin.where == f"{CONFIG_FILE}:3"


def test_a_property_that_was_not_set_has_no_old_value() -> None:
    found = value(map_of(previewed(settled(), with_defaults("no_path_retry 4")), C), "no_path_retry")
    assert found.old is None


def test_only_the_map_of_the_entry_changes() -> None:
    assert changed(previewed(settled(), with_defaults(sections=entry(C, "no_path_retry queue")))) == [C]


def test_the_table_has_both_lines_and_the_parts_that_differ() -> None:
    each = map_of(previewed(settled(), with_defaults(sections=entry(C, "path_grouping_policy multibus"))), C)
    assert each.table is not None
    assert each.table.before == "0 20971520 multipath 0 0 2 1 service-time 0 1 1 8:64 1 service-time 0 1 1 8:80 1"
    assert each.table.after == "0 20971520 multipath 0 0 1 1 service-time 0 2 1 8:64 1 8:80 1"
    assert [(part.what, part.old, part.new) for part in each.table.parts] == [("path groups", "sde | sdf", "sde sdf")]


@pytest.mark.parametrize(
    ("line", "part", "old", "new"),
    [
        ('features "1 queue_if_no_path"', "features", "none", "queue_if_no_path"),
        ('path_selector "round-robin 0"', "path selector", "service-time", "round-robin"),
        ("rr_min_io_rq 7", "path arguments", "1", "7"),
    ],
)
def test_each_part_of_a_table_is_pointed_out(line: str, part: str, old: str, new: str) -> None:
    each = map_of(previewed(settled(), with_defaults(sections=entry(C, line))), C)
    assert each.table is not None
    assert [(found.what, found.old, found.new) for found in each.table.parts] == [(part, old, new)]


def test_a_reload_is_the_candidates_doing() -> None:
    each = map_of(previewed(settled(), with_defaults(sections=entry(C, "path_grouping_policy multibus"))), C)
    assert kinds(each, Cause.CHANGE) == [ReloadMap]
    assert each.reasons == ("path groups: 8:64 | 8:80 -> 8:64 8:80",)


def test_queueing_alone_is_a_message() -> None:
    each = map_of(previewed(settled(), with_defaults(sections=entry(C, "no_path_retry queue"))), C)
    assert kinds(each, Cause.CHANGE) == [SetQueueing]


def test_a_property_of_the_daemon_alone_needs_no_step() -> None:
    each = map_of(previewed(settled(), with_defaults(sections=entry(C, "failback 77"))), C)
    assert (each.changed, each.steps, each.table) == (True, (), None)


def test_priorities_of_paths_that_change_alike_are_one_change() -> None:
    hardware = 'overrides {\n\tprio weightedpath\n\tprio_args "devname sd[ef] 7"\n}\n'
    found = value(map_of(previewed(settled(), with_defaults(sections=hardware)), C), "priority")
    assert found.paths == ("sde", "sdf")
    assert (found.old and found.old.value, found.new and found.new.value) == ("1", "7")


def test_a_step_that_is_due_already_is_no_change() -> None:
    preview = previewed(with_a_path_down(), PRESENT)
    assert not preview.changes
    assert [kinds(map_of(preview, wwid), Cause.DUE) for wwid in (A, B, C)] == [[], [], [FailPath]]


def test_what_is_due_already_is_told_apart_from_what_the_candidate_causes() -> None:
    each = map_of(previewed(with_a_path_down(), with_defaults(sections=entry(C, "alias db"))), C)
    assert (kinds(each, Cause.DUE), kinds(each, Cause.CHANGE)) == ([FailPath], [RenameMap])


def test_a_step_that_is_due_and_would_not_be_done_is_told() -> None:
    each = map_of(previewed(with_a_path_down(), with_defaults(sections=blacklist("devnode ^sdf$"))), C)
    assert (kinds(each, Cause.CHANGE), kinds(each, Cause.DROPPED), each.due) == ([ReloadMap], [FailPath], ())


def test_where_the_table_differs_by_a_setting_of_the_host_the_property_says_why() -> None:
    snapshot = settled()
    unwatched = replace(snapshot, maps=(), host=replace(snapshot.host, daemon=None))
    found = value(map_of(previewed(unwatched, with_defaults("queue_without_daemon yes")), A), "no_path_retry")
    assert not found.differs
    assert found.old is not None
    assert "queue_without_daemon is no" in found.old.origin.why


def test_another_reason_for_the_same_table_is_no_change() -> None:
    snapshot = settled()
    unwatched = replace(snapshot, host=replace(snapshot.host, daemon=None))
    assert previewed(unwatched, with_defaults("queue_without_daemon yes")).changed == ()


def test_a_step_that_is_due_in_another_form_has_both_forms() -> None:
    snapshot = replace(settled(), maps=())
    each = map_of(previewed(snapshot, with_defaults(sections=entry(C, "path_grouping_policy multibus"))), C)
    (step,) = (step for step in each.steps if isinstance(step.step, CreateMap))
    assert step.cause is Cause.ALTERED
    assert isinstance(step.instead_of, CreateMap)
    assert step.instead_of.table.startswith("0 0 2 ")


def test_a_path_that_is_failed_instead_of_reinstated_is_no_other_form_of_it() -> None:
    ref = MapRef(map_uuid(A), Alias("a"))
    back, gone = (kind(map=ref, dev=DevT("8:0"), name=DeviceName("sda")) for kind in (ReinstatePath, FailPath))
    assert [(each.step, each.cause) for each in trace((back,), (gone,))] == [
        (gone, Cause.CHANGE),
        (back, Cause.DROPPED),
    ]


def test_the_same_step_on_two_paths_is_two_steps() -> None:
    ref = MapRef(map_uuid(A), Alias("a"))
    one, two = (FailPath(map=ref, dev=DevT(dev), name=DeviceName(dev)) for dev in ("8:0", "8:16"))
    assert [each.cause for each in trace((one,), (one, two))] == [Cause.DUE, Cause.CHANGE]


def test_a_blacklisted_map_is_removed_and_its_disks_name_the_rule() -> None:
    preview = previewed(settled(), with_defaults(sections=blacklist(f"wwid {C}")))
    each = map_of(preview, C)
    assert (each.fate, kinds(each, Cause.CHANGE)) == (Fate.DROPPED, [RemoveMap])
    assert each.table is not None
    assert each.table.after is None
    assert [(disk.name, disk.claimed) for disk in preview.disks] == [("sde", (True, False)), ("sdf", (True, False))]
    assert preview.disks[0].after.origin.where == f"{CANDIDATE}:5"


def test_a_map_in_use_that_nothing_asks_for_stays_and_says_so() -> None:
    snapshot = settled()
    used = replace(snapshot, maps=tuple(replace(each, open_count=1) for each in snapshot.maps))
    each = map_of(previewed(used, with_defaults(sections=blacklist(f"wwid {C}"))), C)
    assert (each.fate, each.caused, each.held) == (Fate.DROPPED, (), True)
    assert "in use" in each.reasons[0]


def test_a_disk_that_is_let_in_makes_a_new_map() -> None:
    base = settled(with_defaults(sections=blacklist("devnode ^sdg$")))
    extra = scsi_path(6, D)
    preview = previewed(replace(base, paths=(*base.paths, extra)), PRESENT)
    each = map_of(preview, D)
    assert (each.fate, each.exists, CreateMap in kinds(each, Cause.CHANGE)) == (Fate.ADDED, False, True)
    (disk,) = preview.disks
    assert (disk.before.verdict, disk.after.verdict) == (Verdict.BLACKLISTED, Verdict.ADMITTED)
    assert [type(record.step).__name__ for record in preview.records] == ["RememberWwid"]


def test_a_new_alias_renames() -> None:
    each = map_of(previewed(settled(), with_defaults(sections=entry(C, "alias db"))), C)
    assert (each.name, kinds(each, Cause.CHANGE)) == (Alias(C), [RenameMap])
    assert value(each, "alias").new is not None
    assert [change.keyword for change in each.values] == ["alias"]


def test_a_map_that_can_not_be_as_the_candidate_says_says_why() -> None:
    base = settled()
    config = TextFile(CONFIG_FILE, with_defaults(sections=blacklist("devnode ^sdf$")))
    paths = tuple(replace(path, size=Sectors(4096)) if path.name == "sdf" else path for path in base.paths)
    each = map_of(previewed(replace(base, config_files=(config,), paths=paths), PRESENT), C)
    assert (each.changed, each.caused) == (True, ())
    assert "paths differ in size" in each.reasons[0]
    assert value(each, "rejected").old is None


def test_new_bindings_are_listed_with_the_record_that_writes_them() -> None:
    preview = previewed(settled(), with_defaults("user_friendly_names yes"))
    assert [(each.alias, each.wwid, each.added) for each in preview.bindings] == [
        ("mpatha", B, True),
        ("mpathb", C, True),
    ]
    assert [(type(each.step), each.cause) for each in preview.records] == [(WriteBindings, Cause.CHANGE)]


def test_bindings_that_are_kept_are_no_change() -> None:
    there = TextFile(BINDINGS_FILE, f"{HEADER}mpathq {D}\n")
    assert previewed(replace(settled(), bindings=there), PRESENT).bindings == ()


def test_a_setting_of_the_daemon_is_listed_and_touches_no_map() -> None:
    preview = previewed(settled(), with_defaults("polling_interval 9"))
    found = setting(preview, "polling_interval")
    assert found is not None
    assert (found.old and found.old.value, found.new and found.new.value, found.everywhere) == ("5", "9", True)
    assert (preview.changed, preview.changes) == ((), True)


def test_a_default_that_every_map_overrides_is_listed_as_such() -> None:
    snapshot = settled(with_defaults(sections="overrides {\n\tfailback 3\n}\n"))
    text = with_defaults("failback immediate", sections="overrides {\n\tfailback 3\n}\n")
    found = setting(previewed(snapshot, text), "failback")
    assert found is not None
    assert not found.everywhere


def test_a_default_that_a_map_takes_is_not_listed_again() -> None:
    assert setting(previewed(settled(), with_defaults("failback immediate")), "failback") is None


def test_a_default_that_no_map_takes_is_listed_although_an_entry_sets_the_same_keyword() -> None:
    overrides = "overrides {\n\tno_path_retry 3\n}\n"
    snapshot = settled(with_defaults(sections=overrides))
    text = with_defaults("no_path_retry 8", sections=overrides + entry(C, "no_path_retry 6"))
    preview = previewed(snapshot, text)
    assert value(map_of(preview, C), "no_path_retry").new is not None
    assert setting(preview, "no_path_retry") is not None


def test_only_new_messages_are_told_wherever_the_old_ones_stand() -> None:
    snapshot = settled(with_defaults("bogus 1"))
    preview = previewed(snapshot, "# one more line\n" + with_defaults("bogus 1", "worse 2"))
    assert [("worse" in each.text, each.file, each.line) for each in preview.messages] == [(True, CANDIDATE, 5)]
    assert preview.settled == ()


def test_the_same_message_once_more_is_new() -> None:
    preview = previewed(settled(with_defaults("bogus 1")), with_defaults("bogus 1", "bogus 1"))
    assert len(preview.messages) == 1


def test_a_message_that_is_gone_is_told() -> None:
    preview = previewed(settled(with_defaults("bogus 1")), PRESENT)
    assert [each.file for each in preview.settled] == [CONFIG_FILE]
    assert not preview.changes


def test_drop_ins_stay_unless_others_are_named() -> None:
    drop_in = TextFile("/etc/multipath/conf.d/a.conf", "defaults {\n\tfailback immediate\n}\n")
    snapshot = settled()
    snapshot = replace(snapshot, config_files=(*snapshot.config_files, drop_in))
    assert not previewed(snapshot, PRESENT).changes
    assert C in changed(previewed(snapshot, PRESENT, drop_ins=()))


def test_a_drop_in_still_stands_above_the_candidate() -> None:
    drop_in = TextFile("/etc/multipath/conf.d/a.conf", "defaults {\n\tfailback immediate\n}\n")
    snapshot = settled()
    snapshot = replace(snapshot, config_files=(*snapshot.config_files, drop_in))
    assert not changed(previewed(snapshot, with_defaults("failback 9")))


def test_a_candidate_for_a_host_without_a_main_file() -> None:
    bare = replace(settled(), config_files=())
    preview = previewed(bare, with_defaults("failback 9"))
    assert (preview.present, C in changed(preview)) == (CONFIG_FILE, True)


def test_what_could_not_be_read_of_the_main_file_does_not_count_against_the_candidate() -> None:
    gaps = (Gap(CONFIG_FILE, "text", "EIO"), Gap("sda", "health", "EIO"))
    replaced = under(replace(settled(), gaps=gaps), TextFile(CANDIDATE, PRESENT))
    assert [gap.subject for gap in replaced.gaps] == ["sda"]


def test_what_could_not_be_read_of_drop_ins_counts_until_they_are_replaced() -> None:
    gaps = (Gap("/etc/multipath/conf.d", "list of files", "EIO"), Gap(BINDINGS_FILE, "text", "EIO"))
    snapshot = replace(settled(), gaps=gaps)
    assert under(snapshot, TextFile(CANDIDATE, PRESENT)).gaps == gaps
    assert under(snapshot, TextFile(CANDIDATE, PRESENT), drop_ins=()).gaps == gaps[1:]


def test_a_candidate_that_a_daemon_would_not_start_with_is_refused() -> None:
    with pytest.raises(ConfigRefused) as caught:
        previewed(settled(), with_defaults(sections=blacklist('devnode "["')))
    assert (caught.value.file, caught.value.line) == (CANDIDATE, 5)


def test_without_a_usable_present_configuration_the_maps_as_they_are_are_compared() -> None:
    snapshot = settled()
    broken = replace(snapshot, config_files=(TextFile(CONFIG_FILE, blacklist('devnode "["')),))
    preview = previewed(broken, with_defaults(sections=entry(C, "alias db")))
    assert (preview.compared, changed(preview)) == (False, [C])
    assert [type(step) for step in map_of(preview, C).caused] == [RenameMap]


def test_the_order_is_that_of_the_maps_and_the_same_each_time() -> None:
    text = with_defaults("failback 9", sections=blacklist(f"wwid {A}"))
    first, second = (previewed(settled(), text) for _ in range(2))
    assert [each.wwid for each in first.maps] == [B, C, A]
    assert first == second


def test_bindings_that_are_due_already_are_no_change() -> None:
    text = with_defaults("user_friendly_names yes")
    preview = previewed(settled(text), text)
    assert [each.cause for each in preview.records] == [Cause.DUE]
    assert not preview.changes
