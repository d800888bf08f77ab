"""What could not be read is not taken for absent: a gap never makes a step."""

from dataclasses import replace

import pytest

from controller.reconcile.plan import MapPlan
from observers.snapshot import Gap, PathState, Snapshot
from tests.planner.builders import HOST, desire, disk, kinds, only, planned, running, snapshot, wanted

NO_PERMISSION = "no permission (EACCES, Permission denied); run as root"


def alone(snap: Snapshot) -> MapPlan:
    return only(planned(snap, desire(wanted("a", [0]))))


def test_a_device_mapper_that_may_not_be_asked_is_not_called_absent() -> None:
    snap = snapshot(gaps=[Gap("device-mapper", "version", NO_PERMISSION)], host=replace(HOST, dm_version=None))
    assert alone(snap).reasons == (f"the maps of this host could not be read: version: {NO_PERMISSION}",)


def test_a_device_mapper_that_is_absent_is_called_so() -> None:
    assert "modprobe dm_multipath" in alone(snapshot(host=replace(HOST, dm_version=None))).reasons[0]


def test_unknown_target_versions_stop_nothing() -> None:
    assert alone(snapshot(gaps=[Gap("device-mapper", "target versions", "EINVAL")])).action == "create"


def test_the_name_of_a_device_whose_uuid_is_not_known_is_not_taken() -> None:
    made = alone(snapshot(gaps=[Gap("device-mapper", "UUID of a", "EINVAL")]))
    assert "the name a is taken: it is named by its WWID" in made.reasons


def test_a_map_that_exists_but_could_not_be_read_is_not_made_again() -> None:
    made = alone(snapshot(gaps=[Gap("a", "table and status", "EINVAL")]))
    assert (made.steps, made.reasons) == (
        (),
        ("not made: a map of that name could not be read: table and status: EINVAL",),
    )


def test_udev_is_not_asked_to_look_when_its_database_could_not_be_read() -> None:
    live = running(wanted("a", [0]), udev={})
    assert alone(snapshot(live, gaps=[Gap("a", "udev properties", "EIO")])).steps == ()


def test_a_device_without_a_table_is_finished_though_udev_knows_nothing_of_it() -> None:
    live = running(wanted("a", [0]), table=None, status=None)
    assert kinds(alone(snapshot(live, gaps=[Gap("a", "udev properties", "EIO")])).steps) == ["ReloadMap"]


def test_a_table_and_a_status_of_other_groups_are_of_two_instants() -> None:
    torn = replace(running(wanted("a", [0], [1])), status=running(wanted("a", [0, 1])).status)
    made = only(planned(snapshot(torn), desire(wanted("a", [0, 1]))))
    assert "it is being changed right now" in made.reasons[0]


VANISHED = Gap("sdz", "device", "it vanished, or another took its name, while it was read")


@pytest.mark.parametrize(("gaps", "steps"), [([], ["ReloadMap"]), ([VANISHED], [])], ids=["gone", "not seen"])
def test_a_path_that_may_only_not_have_been_seen_is_neither_failed_nor_dropped(
    gaps: list[Gap], steps: list[str]
) -> None:
    live = running(wanted("a", [0, 1]))
    made = only(planned(snapshot(live, disks=[disk(0)], gaps=gaps), desire(wanted("a", [0]))))
    assert kinds(made.steps) == steps
    if gaps:
        assert made.action == "held"
        assert "8:16 (not seen) would go, and may be there all the same: sdz: device" in made.reasons[0]


@pytest.mark.parametrize(("gaps", "steps"), [([], ["FailPath"]), ([VANISHED], [])], ids=["gone", "not seen"])
def test_a_path_that_is_gone_is_failed_only_when_all_disks_were_seen(gaps: list[Gap], steps: list[str]) -> None:
    live = running(wanted("a", [0, 1]))
    want = wanted("a", [0], states={0: PathState.PENDING})
    made = only(planned(snapshot(live, disks=[disk(0, PathState.PENDING)], gaps=gaps), desire(want)))
    assert kinds(made.steps) == steps
