"""Maps that are kept, rejected, removed, renamed or not understood."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from actuators.steps import (
    FailPath,
    MapRef,
    RemoveMap,
    RenameMap,
    UdevFlags,
)
from desired.model import Origin, OriginKind, Verdict
from observers.dmtable import DevT
from observers.snapshot import Alias, DmDevice, DmUuid, Gap, PathState
from tests.planner.builders import (
    HOST,
    admitted,
    desire,
    dev,
    disk,
    group,
    kinds,
    only,
    planned,
    running,
    snapshot,
    states_of,
    table,
    uuid,
    wanted,
)

BASE = UdevFlags.DISABLE_LIBRARY_FALLBACK | UdevFlags.PRIMARY_SOURCE
DOWN = PathState.DOWN


def test_a_suspended_map_is_left_alone_with_the_command_that_ends_it() -> None:
    want = wanted("a", [0, 1])
    made = only(planned(snapshot(running(wanted("a", [0]), suspended=True)), desire(want)))
    assert (made.steps, made.action) == ((), "held")
    assert "I/O waits" in made.reasons[0]
    assert "dmsetup resume a" in made.reasons[0]


def test_a_map_without_a_readable_status_is_left_alone() -> None:
    live = running(wanted("a", [0]), status=None)
    gaps = [Gap("a", "status", "too old")]
    made = only(planned(snapshot(live, gaps=gaps), desire(wanted("a", [0, 1]))))
    assert made.steps == ()
    assert made.reasons == ("nothing is done to it: its status is not known: status: too old",)


def test_a_map_whose_table_was_not_understood_is_left_alone() -> None:
    live = running(wanted("a", [0]), table=None, status=None)
    gaps = [Gap("a", "table", "two targets")]
    made = only(planned(snapshot(live, gaps=gaps), desire(wanted("a", [0]))))
    assert made.steps == ()
    assert "two targets" in made.reasons[0]


def test_a_map_that_changes_while_it_is_looked_at_is_left_for_the_next_time() -> None:
    live = running(wanted("a", [0]))
    torn = replace(live, status=running(wanted("a", [0, 1])).status)
    assert planned(snapshot(torn), desire(wanted("a", [0, 1]))).steps == ()


@pytest.mark.parametrize("why", ["gap", "no device-mapper"])
def test_nothing_is_done_when_the_maps_could_not_be_read(why: str) -> None:
    snap = snapshot(gaps=[Gap("device-mapper", "list of devices", "Permission denied")] if why == "gap" else [])
    if why == "no device-mapper":
        snap = replace(snap, host=replace(HOST, dm_version=None))
    made = planned(snap, desire(wanted("a", [0]), wwids=frozenset(), bindings="x"))
    assert made.steps == ()
    assert only(made).action == "held"
    assert "device-mapper" in only(made).reasons[0] or "Permission denied" in only(made).reasons[0]


def test_a_rejected_map_is_not_made() -> None:
    made = only(planned(snapshot(), desire(wanted("a", [0], reject="paths of several sizes"))))
    assert (made.steps, made.reasons) == ((), ("not made: paths of several sizes",))


def test_a_rejected_map_keeps_its_table_and_name_but_its_paths_are_looked_after() -> None:
    live = running(wanted("a", [0, 1]), failed=[0])
    want = wanted("a", [0, 1, 2], states={1: DOWN}, alias="b", reject="paths of several sizes")
    made = only(planned(snapshot(live, states={1: DOWN}), desire(want)))
    assert kinds(made.steps) == ["ReinstatePath", "FailPath"]
    assert "its table and name stay as they are: paths of several sizes" in made.reasons


def test_a_path_too_small_for_a_rejected_map_is_not_given_back() -> None:
    live = running(wanted("a", [0, 1]), failed=[0])
    want = wanted("a", [0, 1], reject="paths of several sizes")
    assert planned(snapshot(live, disks=[disk(0, size=8), disk(1)]), desire(want)).steps == ()


def test_a_table_without_a_usable_path_is_not_loaded_over_one_that_has_one() -> None:
    live = running(wanted("a", [0]))
    want = wanted("a", [1], states={1: DOWN})
    made = only(planned(snapshot(live, states={1: DOWN}), desire(want)))
    assert (made.steps, made.action) == ((), "held")
    assert "no path of the new one is usable, while 8:0 (sda) of the old one works" in made.reasons[0]


def test_a_dead_map_may_get_another_table_without_a_usable_path() -> None:
    states = states_of(DOWN, 0, 1)
    live = running(wanted("a", [0, 1]), failed=[0, 1])
    made = only(planned(snapshot(live, states=states), desire(wanted("a", [1], states=states))))
    assert kinds(made.steps) == ["ReloadMap", "FailPath"]


def test_a_path_that_is_another_unit_is_failed_before_it_is_loaded_away() -> None:
    live = running(wanted("a", [0, 1]))
    lie = admitted(1, "b", Verdict.MISMATCH, "the device says 3b")
    made = only(planned(snapshot(live), desire(wanted("a", [0]), admissions=[lie])))
    assert kinds(made.steps) == ["FailPath", "ReloadMap"]
    assert made.steps[0] == FailPath(map=MapRef(uuid("a"), Alias("a")), dev=dev(1), name=disk(1).name)
    assert "fails 8:16 (sdb) at once: the device says 3b" in made.reasons


def test_a_path_that_is_another_unit_is_failed_even_in_a_map_that_is_kept() -> None:
    live = running(wanted("a", [0]))
    lie = admitted(0, "b", Verdict.MISMATCH, "the device says 3b")
    made = only(planned(snapshot(live), desire(admissions=[lie], keep={live.wwid: "somebody uses it"})))
    assert kinds(made.steps) == ["FailPath"]


def test_a_map_that_nobody_wants_and_nobody_has_open_is_removed() -> None:
    made = only(planned(snapshot(running(wanted("a", [0]))), desire()))
    assert made.steps == (RemoveMap(map=MapRef(uuid("a"), Alias("a")), udev=BASE),)
    assert made.action == "remove"


@pytest.mark.parametrize(("failed", "steps"), [([], ["RemoveMap"]), ([0], ["SetQueueing", "RemoveMap"])])
def test_a_map_that_queues_without_a_path_stops_queueing_before_it_is_removed(
    failed: Sequence[int], steps: Sequence[str]
) -> None:
    live = running(wanted("a", [0], shape=table(group(0), features="queue_if_no_path")), failed=failed)
    assert kinds(planned(snapshot(live), desire()).steps) == steps


def test_a_map_in_use_is_not_removed_and_its_user_is_named() -> None:
    live = running(wanted("a", [0]), open_count=1, holders=("dm-3",))
    part = DmDevice(Alias("a-part1"), DmUuid("part1-mpath-3a"), DevT("253:3"))
    made = only(planned(snapshot(live, other_devices=(part,)), desire()))
    assert made.steps == ()
    assert "in use by a-part1 (partition 1 of it" in made.reasons[0]


def test_a_volume_on_top_is_named() -> None:
    live = running(wanted("a", [0]), open_count=1, holders=("dm-3",))
    volume = DmDevice(Alias("vg-data"), DmUuid("LVM-mpath-x"), DevT("253:3"))
    made = only(planned(snapshot(live, other_devices=(volume,)), desire()))
    assert "in use by vg-data (dm-3): it stays" in made.reasons[0]


@pytest.mark.parametrize(
    ("count", "holders", "text"),
    [(2, (), "opened 2 times, by a mount or a program"), (1, ("md0",), "in use by md0")],
)
def test_other_users_of_a_map(count: int, holders: tuple[str, ...], text: str) -> None:
    live = running(wanted("a", [0]), open_count=count, holders=holders)
    assert text in only(planned(snapshot(live), desire())).reasons[0]


def test_a_map_to_keep_is_kept_with_its_reason() -> None:
    live = running(wanted("a", [0]))
    made = only(planned(snapshot(live), desire(keep={live.wwid: "its paths could not be identified"})))
    assert (made.steps, made.reasons) == ((), ("left alone: its paths could not be identified",))


def test_a_rename_keeps_everything_else() -> None:
    want = wanted("a", [0], alias="new", skip_kpartx=True)
    made = only(planned(snapshot(running(wanted("a", [0]))), desire(want)))
    flags = BASE | UdevFlags.NO_KPARTX
    assert made.steps == (RenameMap(map=MapRef(uuid("a"), Alias("a")), new_name=Alias("new"), udev=flags),)
    assert made.reasons == ("name: a -> new",)


def test_a_name_that_a_device_of_others_has_is_not_taken() -> None:
    other = DmDevice(Alias("new"), DmUuid("LVM-x"), DevT("253:9"))
    live = running(wanted("a", [0]))
    made = only(planned(snapshot(live, other_devices=(other,)), desire(wanted("a", [0], alias="new"))))
    assert made.steps == ()
    assert made.reasons == ("the name stays a: new is the name of a device that is not ours",)


def test_a_rename_comes_after_everything_that_keeps_io_going() -> None:
    live = running(wanted("a", [0, 1], [2]), failed=[0], next_group=2)
    want = wanted("a", [0, 1], [2], states={1: DOWN}, alias="new")
    made = only(planned(snapshot(live, states={1: DOWN}), desire(want)))
    assert kinds(made.steps) == ["ReinstatePath", "FailPath", "SwitchGroup", "RenameMap"]
    assert made.action == "paths+switch+rename"


def test_a_map_whose_paths_are_excluded_says_by_which_rule() -> None:
    live = running(wanted("a", [0, 1]))
    rule = Origin(OriginKind.BLACKLIST, "/etc/multipath.conf:3")
    excluded = [
        replace(admitted(n, "a", Verdict.BLACKLISTED, "blacklisted by devnode ^sd"), origin=rule) for n in (0, 1)
    ]
    why = only(planned(snapshot(live), desire(admissions=excluded))).reasons[0]
    assert why == (
        "none of its paths may be used (sda, sdb: blacklisted by devnode ^sd, /etc/multipath.conf:3), "
        "and nobody has it open"
    )


def test_a_map_without_any_path_says_that_none_leads_to_it() -> None:
    live = running(wanted("a", [0]), open_count=1)
    why = only(planned(snapshot(live, disks=[]), desire())).reasons[0]
    assert why.startswith("no path of this host leads to it, but")
