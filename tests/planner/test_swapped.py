"""Maps whose paths turn out to be each other's, all of them: no map could load its own table before another let go."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from actuators.steps import FailPath, MapRef, ReinstatePath, ReloadMap
from controller.reconcile.plan import Memory, Plan
from controller.reconcile.planner import plan
from controller.reconcile.safety import Level, check
from desired.identity import page_names
from desired.model import Desired, DesiredMap
from observers.dmtable import DevT
from observers.snapshot import Hex, Map, Path, PathState, Snapshot, dev_key
from tests.builders import page83
from tests.planner.builders import NOW, desire, dev, devs, disk, running, snapshot, states_of, wanted
from tests.planner.kernel import apply

NAMES = [f"600a09803830447936{number:014x}" for number in range(5)]
"""WWIDs without their first digit, as NAA names (type 3) have it."""
EACH = 2
"""Paths of a map."""


def numbers(place: int) -> list[int]:
    return [place * EACH, place * EACH + 1]


def host(owners: list[int], *, used: int = 0, failed: bool = False) -> tuple[Snapshot, Desired]:
    """Map number n has the paths of place n, and those of place `owners[n]` are its own."""
    live = [
        running(
            wanted(NAMES[at], numbers(at)), number=at, open_count=used, failed=numbers(at) if failed else ()
        )
        for at in range(len(owners))
    ]  # fmt: skip
    wants = [wanted(NAMES[at], numbers(owner)) for at, owner in enumerate(owners)]
    return snapshot(*live, disks=disks(wants)), desire(*wants)


def disks(wants: Sequence[DesiredMap], *, down: Collection[DevT] = ()) -> list[Path]:
    """The disks of maps, which say so themselves."""
    found = [
        replace(disk(dev_key(each)[1] // 16, PathState.DOWN if each in down else PathState.UP),
                page83_device=page83(want.wwid))
        for want in wants for each in want.table.devices
    ]  # fmt: skip
    return sorted(found, key=lambda path: dev_key(path.dev))


def sharing(maps: tuple[Map, ...]) -> list[str]:
    """Paths that take I/O in two maps."""
    active = [path.dev for live in maps if live.status for path in live.status.paths if path.active]
    return [each for each in active if active.count(each) > 1]


def lived(snap: Snapshot, desired: Desired, *, most: int) -> tuple[list[Plan], Snapshot]:
    """Cycles until a plan is empty, each of which keeps the safety rules."""
    made, memory = list[Plan](), Memory()
    for _ in range(most + 1):
        each, memory = plan(snap, desired, memory, NOW)
        if not each.steps:
            return made, snap
        assert not made or made[-1].wake_at == NOW, "it did not say that there is more to do"
        assert [found for found in check(each, snap, desired, memory) if found.level is Level.FATAL] == []
        snap, desired = apply(each, snap, desired)
        assert not sharing(snap.maps)
        made.append(each)
    raise AssertionError(f"no end after {most} cycles: {made[-1]}")


@given(st.permutations(range(4)), st.integers(0, 1), st.booleans())
def test_whoever_has_whose_paths_all_are_right_after_two_cycles(owners: list[int], used: int, failed: bool) -> None:
    snap, desired = host(owners, used=used, failed=failed)
    _, end = lived(snap, desired, most=3)
    for live, owner in zip(end.maps, owners, strict=True):
        assert live.table is not None
        assert live.table.devices == devs(*numbers(owner))
        assert live.status is not None
        assert all(path.active for path in live.status.paths)


def test_the_paths_are_failed_first_as_each_write_there_does_damage() -> None:
    made, _ = lived(*host([1, 0]), most=3)
    assert [{type(step) for step in each.steps} for each in made] == [{FailPath}, {ReloadMap}]
    assert f"fails 8:0 (sda) at once: it leads to 3{NAMES[1]}" in made[0].maps[0].reasons


def test_the_wrong_paths_are_no_reason_to_keep_a_table_whose_own_paths_are_down() -> None:
    want = wanted(NAMES[0], [1], states=states_of(PathState.DOWN, 1))
    other = wanted(NAMES[1], [0])
    snap = snapshot(running(wanted(NAMES[0], [0])), disks=disks([want, other], down=devs(1)))
    made, _ = plan(snap, desire(want, other), Memory(), NOW)
    (steps,) = [each.steps for each in made.maps if each.wwid == want.wwid]
    assert any(isinstance(step, ReloadMap) for step in steps)


def test_another_name_for_the_same_unit_is_no_reason_to_fail_a_path() -> None:
    """Half of the paths have a new name by now; their device has both."""
    old, new = wanted(NAMES[0], [1], states=states_of(PathState.DOWN, 1)), wanted(NAMES[1], [0])
    live = running(wanted(NAMES[0], [0, 1]), open_count=1, failed=[1])
    both = Hex(page83(old.wwid) + page83(new.wwid)[8:])
    length = f"{len(both) // 2 - 4:04x}"
    both = Hex(both[:4] + length + both[8:])
    assert set(page_names(both)) == {old.wwid, new.wwid}
    known = [replace(path, page83_device=both) for path in disks([old, new], down=devs(1))]
    made, _ = plan(snapshot(live, disks=known), desire(old, new), Memory(), NOW)
    assert not any(isinstance(step, FailPath) for step in made.steps)


def test_a_path_of_another_unit_is_not_given_back() -> None:
    snap, desired = host([1, 0], failed=True)
    live = snap.maps[0]
    step = ReinstatePath(map=MapRef(live.uuid, live.name), dev=dev(0), name=snap.paths[0].name)
    made, memory = plan(snap, desired, Memory(), NOW)
    wrong = replace(made, maps=(replace(made.maps[0], steps=(step,)),))
    assert any(found.rule == "reinstate" for found in check(wrong, snap, desired, memory))
