"""The order of maps: who lets go of a name or a path comes before who takes it."""

from collections.abc import Sequence

from actuators.steps import CreateMap, Refused, ReloadMap, RenameMap, SetQueueing
from controller.reconcile.memory import after_apply
from controller.reconcile.plan import Memory, Plan
from controller.reconcile.planner import plan
from desired.model import Desired, Verdict
from observers.dmtable import DevT, parse_table
from observers.snapshot import Alias, DmDevice, DmUuid, Map, PathState, Snapshot
from tests.planner.builders import (
    NOW,
    admitted,
    desire,
    devs,
    disk,
    group,
    kinds,
    planned,
    running,
    snapshot,
    states_of,
    table,
    wanted,
)
from tests.planner.kernel import apply


def order(made: Plan) -> list[str]:
    """The maps that have steps, by their WWIDs without the prefix."""
    return [each.wwid.removeprefix("3") for each in made.maps if each.steps]


def cycles(snap: Snapshot, desired: Desired) -> tuple[int, Snapshot]:
    """How often a plan had steps until one had none, and the host then."""
    for count in range(5):
        made, _ = plan(snap, desired, Memory(), NOW)
        if not made.steps:
            return count, snap
        snap, desired = apply(made, snap, desired)
    raise AssertionError("no end of planning")


def loads(made: Plan) -> list[ReloadMap]:
    return [step for step in made.steps if isinstance(step, ReloadMap)]


def names(maps: Sequence[Map]) -> dict[str, str]:
    return {each.wwid.removeprefix("3"): each.name for each in maps}


def test_maps_come_in_the_order_of_the_desired_state_and_removals_last() -> None:
    snap = snapshot(running(wanted("z", [5])))
    made = planned(snap, desire(wanted("b", [0]), wanted("a", [1])))
    assert order(made) == ["b", "a", "z"]


def test_a_removal_comes_first_for_whoever_takes_its_name() -> None:
    snap = snapshot(running(wanted("z", [5], alias="data")))
    made = planned(snap, desire(wanted("b", [0]), wanted("a", [1], alias="data")))
    assert order(made) == ["b", "z", "a"]
    assert cycles(snap, desire(wanted("a", [1], alias="data")))[0] == 1


def test_a_chain_of_renames_is_done_from_its_end() -> None:
    count = 1500
    maps = [wanted(f"m{n}", [n], alias=f"n{n}") for n in range(count)]
    wants = [wanted(f"m{n}", [n], alias=f"n{n + 1}") for n in range(count)]
    snap = snapshot(*(running(want, number=n) for n, want in enumerate(maps)), disks=[disk(n) for n in range(count)])
    made = planned(snap, desire(*wants))
    assert order(made) == [f"m{n}" for n in reversed(range(count))]


def test_a_new_map_waits_for_the_name_that_another_gives_up() -> None:
    snap = snapshot(running(wanted("a", [0], alias="data")))
    made = planned(snap, desire(wanted("b", [1], alias="data"), wanted("a", [0], alias="old")))
    assert [kinds(each.steps) for each in made.maps] == [["RenameMap"], ["CreateMap"]]


def test_exchanged_names_go_by_the_wwid_of_one_map_and_are_right_after_two_cycles() -> None:
    snap = snapshot(running(wanted("a", [0]), number=0), running(wanted("b", [1]), number=1))
    want = desire(wanted("a", [0], alias="b"), wanted("b", [1], alias="a"))
    made = planned(snap, want)
    renames = [(step.map.name, step.new_name) for step in made.steps if isinstance(step, RenameMap)]
    assert renames == [("b", "3b"), ("a", "b")]
    assert made.wake_at == NOW
    count, end = cycles(snap, want)
    assert (count, names(end.maps)) == (2, {"a": "b", "b": "a"})


def test_a_ring_of_three_names_is_right_after_two_cycles() -> None:
    snap = snapshot(*(running(wanted(name, [n]), number=n) for n, name in enumerate("abc")))
    want = desire(wanted("a", [0], alias="b"), wanted("b", [1], alias="c"), wanted("c", [2], alias="a"))
    count, end = cycles(snap, want)
    assert (count, names(end.maps)) == (2, {"a": "b", "b": "c", "c": "a"})


def test_a_name_that_another_map_keeps_is_not_taken() -> None:
    snap = snapshot(running(wanted("a", [0])), running(wanted("b", [1]), number=1))
    made = planned(snap, desire(wanted("a", [0], alias="b"), wanted("b", [1])))
    assert made.steps == ()
    assert made.maps[0].reasons == ("the name stays a: b is the name of the map of 3b, which keeps it",)


def test_a_new_map_whose_name_is_kept_is_called_by_its_wwid() -> None:
    snap = snapshot(running(wanted("a", [0])))
    made = planned(snap, desire(wanted("b", [1], alias="a"), wanted("a", [0])))
    step = made.steps[0]
    assert isinstance(step, CreateMap)
    assert step.map.name == "3b"
    assert "the name a is taken: it is named by its WWID" in made.maps[0].reasons


def test_two_new_maps_do_not_get_one_name() -> None:
    made = planned(snapshot(), desire(wanted("a", [0], alias="x"), wanted("b", [1], alias="x")))
    assert [step.map.name for step in made.steps if isinstance(step, CreateMap)] == ["x", "3b"]


def test_a_path_leaves_its_old_map_before_it_enters_the_new_one() -> None:
    snap = snapshot(running(wanted("a", [0, 1])), running(wanted("b", [2]), number=1))
    made = planned(snap, desire(wanted("b", [1, 2]), wanted("a", [0])))
    assert order(made) == ["a", "b"]


def test_exchanged_paths_are_right_after_two_cycles() -> None:
    snap = snapshot(running(wanted("a", [0, 1])), running(wanted("b", [2, 3]), number=1))
    want = desire(wanted("a", [0, 2]), wanted("b", [1, 3]))
    made = planned(snap, want)
    loads = [step.table for step in made.steps if isinstance(step, ReloadMap)]
    assert loads == ["0 0 1 1 service-time 0 1 1 8:48 1", "0 0 1 1 service-time 0 2 1 8:0 1 8:32 1"]
    assert "8:16 (sdb) joins when the map that has it has let go of it" in made.maps[0].reasons
    count, end = cycles(snap, want)
    assert count == 2
    assert [each.table.devices for each in end.maps if each.table] == [devs(0, 2), devs(1, 3)]


def test_a_path_that_its_old_map_can_not_let_go_of_does_not_enter_another() -> None:
    held = running(wanted("a", [0]), open_count=1)
    made = planned(snapshot(held), desire(wanted("b", [0, 1])))
    step = made.steps[0]
    assert isinstance(step, CreateMap)
    assert step.table == "0 0 1 1 service-time 0 1 1 8:16 1"


def test_a_map_all_of_whose_paths_are_in_another_is_not_made() -> None:
    made = planned(snapshot(running(wanted("a", [0]), open_count=1)), desire(wanted("b", [0])))
    assert made.steps == ()
    assert made.maps[0].reasons == ("not made: its paths are still in other maps (8:0 (sda))",)


def test_io_is_made_to_wait_before_the_last_path_is_failed() -> None:
    states = {0: PathState.DOWN}
    want = wanted("a", [0], states=states, shape=table(group(0), features="queue_if_no_path"))
    made = planned(snapshot(running(wanted("a", [0])), states=states), desire(want))
    assert kinds(made.steps) == ["SetQueueing", "FailPath"]
    assert isinstance(made.steps[0], SetQueueing)


def foreign(name: str) -> DmDevice:
    return DmDevice(Alias(name), DmUuid("LVM-x"), DevT("253:99"))


def test_names_in_a_ring_stay_when_there_is_no_name_to_go_to_meanwhile() -> None:
    snap = snapshot(
        running(wanted("a", [0]), number=0), running(wanted("b", [1]), number=1), other_devices=(foreign("3b"),)
    )
    made = planned(snap, desire(wanted("a", [0], alias="b"), wanted("b", [1], alias="a")))
    assert made.steps == ()
    assert made.maps[1].reasons == (
        "the name stays b: maps exchange their names, and 3b, its name for the time being, is taken",
    )


def test_a_new_map_without_any_free_name_is_not_made() -> None:
    snap = snapshot(running(wanted("b", [1], alias="3a")), other_devices=(foreign("a"),))
    made = planned(snap, desire(wanted("a", [0]), wanted("b", [1], alias="3a")))
    assert made.maps[0].reasons == ("not made: the name a is taken, and its WWID is too",)
    made = planned(snapshot(other_devices=(foreign("3a"),)), desire(wanted("a", [0], alias="3a")))
    assert made.maps[0].reasons == ("not made: the name 3a is taken",)


def test_a_name_and_a_path_that_maps_wait_for_in_a_ring_are_right_after_two_cycles() -> None:
    snap = snapshot(running(wanted("a", [0, 1]), number=0), running(wanted("b", [2]), number=1))
    b, a = wanted("b", [1, 2], alias="c"), wanted("a", [0], alias="b")
    made = planned(snap, desire(b, a))
    assert made.wake_at == NOW
    assert "the name stays a: b is free after this plan" in made.maps[0].reasons
    made = planned(snap, desire(a, b))
    assert made.wake_at == NOW
    for want in (desire(a, b), desire(b, a)):
        count, end = cycles(snap, want)
        assert (count, names(end.maps)) == (2, {"a": "b", "b": "c"})


def test_in_a_ring_of_names_and_paths_a_map_gets_its_paths_and_another_waits_for_its_name() -> None:
    states = states_of(PathState.WILD, 0, 1)
    bare = running(wanted("a", [0, 1], alias="c"), table=None, status=None)
    snap = snapshot(bare, running(wanted("b", [1]), number=1), states=states)
    a, b = wanted("a", [0, 1], states=states), wanted("b", [2], alias="c")
    for want in (desire(a, b), desire(b, a)):
        made = planned(snap, want)
        assert devs(0, 1) in [parse_table(step.size, step.table).devices for step in loads(made)]
        _, end = cycles(snap, want)
        assert names(end.maps) == {"a": "a", "b": "c"}


def test_in_a_ring_of_paths_the_map_that_keeps_a_usable_path_waits() -> None:
    states = {0: PathState.WILD, 1: PathState.WILD, 3: PathState.DELAYED}
    snap = snapshot(running(wanted("a", [3])), running(wanted("b", [1]), number=1), states=states)
    a, b = wanted("a", [0, 1], states=states), wanted("b", [2, 3], states=states)
    for want in (desire(a, b), desire(b, a)):
        count, end = cycles(snap, want)
        assert count == 2
        assert [each.table.devices for each in end.maps if each.table] == [devs(0, 1), devs(2, 3)]


def test_a_ring_of_paths_with_a_new_map_beside_it_is_opened_where_a_usable_path_is_left() -> None:
    states = {4: PathState.WILD}
    snap = snapshot(running(wanted("b", [0])), running(wanted("c", [1, 2]), number=1), states=states)
    new, b, c = wanted("a", [1]), wanted("b", [2, 3]), wanted("c", [0, 4], states=states)
    for want in (desire(new, b, c), desire(new, c, b), desire(c, b, new)):
        made = planned(snap, want)
        assert (sorted(order(made)), made.wake_at) == (["a", "b", "c"], NOW)
        count, end = cycles(snap, want)
        assert count == 2
        assert {each.table.devices for each in end.maps if each.table} == {devs(1), devs(2, 3), devs(0, 4)}


def test_a_map_that_waits_for_a_path_of_another_says_so() -> None:
    snap = snapshot(running(wanted("a", [0])), running(wanted("b", [1]), number=1, open_count=1))
    made = planned(snap, desire(wanted("a", [0, 1])))
    assert (made.steps, made.maps[0].action) == ((), "held")
    assert made.maps[0].reasons == ("8:16 (sdb) joins when the map that has it has let go of it",)


def test_a_path_of_a_kept_map_is_not_free_because_it_is_failed_there() -> None:
    live = running(wanted("b", [1]))
    want = desire(wanted("a", [0, 1]), keep={live.wwid: "kept"}, admissions=[admitted(1, "a", Verdict.MISMATCH)])
    made = planned(snapshot(live), want)
    assert [kinds(each.steps)[0] for each in made.maps] == ["CreateMap", "FailPath"]
    assert isinstance(made.maps[0].steps[0], CreateMap)
    assert "8:16" not in made.maps[0].steps[0].table


def test_a_name_is_not_free_while_the_removal_of_its_map_is_held_back() -> None:
    snap, want = snapshot(running(wanted("b", [1], alias="a"))), desire(wanted("a", [0]))
    made, memory = plan(snap, want, Memory(), NOW)
    memory = after_apply(memory, made, [(made.maps[0].steps[0], Refused(16, "busy"))], NOW)
    created = [step.map.name for step in planned(snap, want, memory).steps if isinstance(step, CreateMap)]
    assert created == ["3a"]


def test_a_map_in_a_ring_may_go_to_its_wwid_when_a_removal_frees_that_name() -> None:
    snap = snapshot(
        running(wanted("a", [0]), number=0),
        running(wanted("b", [1]), number=1),
        running(wanted("z", [2], alias="3b"), number=2),
    )
    want = desire(wanted("a", [0], alias="b"), wanted("b", [1], alias="a"))
    assert order(planned(snap, want)) == ["z", "b", "a"]
    count, end = cycles(snap, want)
    assert (count, names(end.maps)) == (2, {"a": "b", "b": "a"})
