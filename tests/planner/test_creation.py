"""Maps that are not there yet, and the records that come before them."""

import pytest

from actuators.steps import (
    CreateMap,
    FailPath,
    MapRef,
    Ownership,
    RememberWwid,
    TriggerUevent,
    UdevFlags,
    WriteBindings,
)
from observers.snapshot import Alias, Gap, PathState, TextFile
from tests.planner.builders import (
    SIZE,
    desire,
    dev,
    disk,
    kinds,
    only,
    planned,
    running,
    snapshot,
    states_of,
    uuid,
    wanted,
)

BASE = UdevFlags.DISABLE_LIBRARY_FALLBACK | UdevFlags.PRIMARY_SOURCE
DOWN = PathState.DOWN


def test_a_new_map_is_made_with_its_whole_table() -> None:
    want = wanted("a", [0, 1], [2, 3], mode=0o660, uid=0, gid=6)
    made = only(planned(snapshot(), desire(want)))
    assert made.steps == (
        CreateMap(
            map=MapRef(uuid("a"), Alias("a")),
            size=SIZE,
            table="0 0 2 1 service-time 0 2 1 8:0 1 8:16 1 service-time 0 2 1 8:32 1 8:48 1",
            read_only=False,
            ownership=Ownership(0o660, 0, 6),
            udev=BASE,
        ),
    )
    assert (made.action, made.reasons) == ("create", ("a new map: 4 paths, 2 groups",))


def test_a_map_as_desired_gets_no_step_and_says_so() -> None:
    want = wanted("a", [0, 1], [2, 3])
    made = planned(snapshot(running(want)), desire(want))
    assert made.steps == ()
    assert (only(made).action, only(made).reasons) == ("nothing", ("as desired: 4 paths, 2 groups",))


@pytest.mark.parametrize(
    ("states", "skip_kpartx", "flags"),
    [
        pytest.param({}, False, 0x60, id="normal"),
        pytest.param({}, True, 0x260, id="skip kpartx"),
        pytest.param(states_of(DOWN, 0, 1), False, 0x460, id="all down"),
        pytest.param({0: DOWN, 1: PathState.GHOST}, False, 0x60, id="a standby path is a path"),
        pytest.param({0: DOWN, 1: PathState.PENDING}, False, 0x60, id="a path being checked is one"),
    ],
)
def test_udev_flags_of_a_new_map(states: dict[int, PathState], skip_kpartx: bool, flags: int) -> None:
    want = wanted("a", [0, 1], states=states, skip_kpartx=skip_kpartx)
    step = planned(snapshot(states=states), desire(want)).maps[0].steps[0]
    assert isinstance(step, CreateMap)
    assert step.udev == flags


def test_bad_members_of_a_new_map_are_failed_after_it_is_made() -> None:
    want = wanted("a", [0, 1], states={1: DOWN})
    made = only(planned(snapshot(states={1: DOWN}), desire(want)))
    assert kinds(made.steps) == ["CreateMap", "FailPath"]
    assert made.steps[1] == FailPath(map=MapRef(uuid("a"), Alias("a")), dev=dev(1), name=disk(1).name)


def test_paths_that_udev_does_not_know_as_paths_are_announced_after_the_map_is_made() -> None:
    want = wanted("a", [0, 1], announced=False)
    steps = only(planned(snapshot(), desire(want))).steps
    assert kinds(steps) == ["CreateMap", "TriggerUevent", "TriggerUevent"]
    assert steps[1] == TriggerUevent(name=disk(0).name, dev=dev(0), sysfs="/sys/block/sda")


def test_a_new_map_is_remembered_first_and_the_bindings_are_written() -> None:
    want = wanted("a", [0])
    snap = snapshot(bindings=TextFile("/state/bindings", "old\n"), wwids=TextFile("/state/wwids", ""))
    made = planned(snap, desire(want, wwids=frozenset(), bindings="a 3a\n"))
    assert made.records == (
        WriteBindings(file="/state/bindings", text="a 3a\n", expected="old\n"),
        RememberWwid(file="/state/wwids", wwid=want.wwid),
    )
    assert made.steps[:2] == made.records


def test_records_that_are_absent_go_to_their_usual_places() -> None:
    made = planned(snapshot(), desire(wanted("a", [0]), wwids=frozenset(), bindings="x\n"))
    assert made.records == (
        WriteBindings(file="/etc/multipath/bindings", text="x\n", expected=None),
        RememberWwid(file="/etc/multipath/wwids", wwid=wanted("a", [0]).wwid),
    )


def test_a_map_that_exists_is_remembered_too_if_it_was_not() -> None:
    want = wanted("a", [0])
    assert kinds(planned(snapshot(running(want)), desire(want, wwids=frozenset())).records) == ["RememberWwid"]


@pytest.mark.parametrize("file", ["/etc/multipath/wwids", "/etc/multipath/bindings"])
def test_a_file_that_could_not_be_read_is_not_written(file: str) -> None:
    gaps = [Gap(file, "text", "Permission denied")]
    made = planned(snapshot(gaps=gaps), desire(wanted("a", [0]), wwids=frozenset(), bindings="x\n"))
    assert file not in [getattr(record, "file", "") for record in made.records]
    assert len(made.records) == 1


def test_bindings_that_are_as_desired_are_not_written() -> None:
    snap = snapshot(running(wanted("a", [0])), bindings=TextFile("/b", "same\n"))
    assert planned(snap, desire(wanted("a", [0]), bindings="same\n")).records == ()
