"""Path states against what dm believes: fail, reinstate, or nothing with a reason."""

from dataclasses import replace

import pytest

from controller.reconcile.beliefs import MEANINGS, WISHES
from desired.model import Verdict
from observers.snapshot import Health, PathState
from tests.planner.builders import (
    admitted,
    desire,
    dev,
    disk,
    kinds,
    only,
    planned,
    running,
    snapshot,
    wanted,
)

BAD = ["down", "shaky", "timeout", "removed", "delayed", "disconnected"]
OPEN = ["pending", "unchecked", "wild"]


def steps(state: PathState, *, failed: bool, beside: PathState = PathState.UP, tpgs: int = 3) -> list[str]:
    """What is done about disk 0 beside disk 1."""
    states = {0: state, 1: beside}
    want = wanted("a", [0, 1], states=states)
    disks = [disk(0, state, tpgs=tpgs), disk(1, beside, tpgs=tpgs)]
    made = only(planned(snapshot(running(want, failed=[0] if failed else []), disks=disks), desire(want)))
    return [type(step).__name__ for step in made.steps if getattr(step, "dev", None) == dev(0)]


def test_every_state_has_a_wish_and_words() -> None:
    assert set(WISHES) == set(MEANINGS) == set(PathState)


@pytest.mark.parametrize("state", BAD)
def test_a_bad_path_that_dm_believes_in_is_failed(state: str) -> None:
    assert steps(PathState(state), failed=False) == ["FailPath"]
    assert steps(PathState(state), failed=True) == []


@pytest.mark.parametrize("state", ["up", "ghost"])
def test_a_good_path_that_dm_failed_is_reinstated(state: str) -> None:
    assert steps(PathState(state), failed=True) == ["ReinstatePath"]
    assert steps(PathState(state), failed=False) == []


@pytest.mark.parametrize("state", OPEN)
@pytest.mark.parametrize("failed", [True, False])
def test_a_check_without_an_answer_changes_nothing(state: str, failed: bool) -> None:
    assert steps(PathState(state), failed=failed) == []


@pytest.mark.parametrize(
    ("beside", "tpgs", "comes_back"),
    [
        pytest.param(PathState.DOWN, 1, False, id="implicit only, alone"),
        pytest.param(PathState.GHOST, 1, False, id="implicit only, beside another standby path"),
        pytest.param(PathState.UP, 1, True, id="implicit only, beside a path that is up"),
        pytest.param(PathState.DOWN, 2, True, id="explicit: the host can activate it"),
        pytest.param(PathState.DOWN, 3, True, id="both"),
    ],
)
def test_a_standby_path_comes_back_only_where_it_can_be_used(beside: PathState, tpgs: int, comes_back: bool) -> None:
    assert (steps(PathState.GHOST, failed=True, beside=beside, tpgs=tpgs) == ["ReinstatePath"]) is comes_back


def test_a_path_being_checked_that_was_failed_stays_so_when_its_map_is_reloaded() -> None:
    states = {1: PathState.PENDING}
    live = running(wanted("a", [0, 1]), failed=[1])
    made = only(planned(snapshot(live, states=states), desire(wanted("a", [0, 1, 2], states=states))))
    assert kinds(made.steps) == ["ReloadMap", "FailPath"]
    assert "keeps failed 8:16 (sdb): it is still being checked" in made.reasons


def test_paths_come_back_before_others_are_failed() -> None:
    states = {0: PathState.DOWN}
    live = running(wanted("a", [0, 1]), failed=[1])
    made = only(planned(snapshot(live, states=states), desire(wanted("a", [0, 1], states=states))))
    assert kinds(made.steps) == ["ReinstatePath", "FailPath"]


def test_a_path_whose_device_is_gone_is_failed_while_the_table_can_not_change() -> None:
    live = running(wanted("a", [0, 1]))
    want = wanted("a", [1], states={1: PathState.PENDING})
    made = only(planned(snapshot(live, disks=[disk(1, PathState.PENDING)]), desire(want)))
    assert kinds(made.steps) == ["FailPath"]
    assert "fails 8:0 (gone): its device is gone" in made.reasons


@pytest.mark.parametrize(
    ("health", "device_state", "words"),
    [
        (Health("tur", PathState.DOWN, " reports path is down"), "running", "tur reports path is down"),
        (Health("tur", PathState.DOWN, "tur reports path is down"), "running", "tur reports path is down"),
        (Health("emc_clariion", PathState.DOWN, ": Read error"), "running", "emc_clariion: Read error"),
        (Health("tur", PathState.DOWN), "offline", "sysfs says offline"),
        (Health("tur", PathState.DOWN), "running", "it is down"),
    ],
)
def test_the_reason_for_failing_a_path_is_what_was_said_of_it(health: Health, device_state: str, words: str) -> None:
    states = {0: PathState.DOWN}
    want = wanted("a", [0, 1], states=states)
    path = replace(disk(0), health=health, device_state=device_state)
    made = only(planned(snapshot(running(want), disks=[path, disk(1)]), desire(want)))
    assert made.reasons == (f"fails 8:0 (sda): {words}",)


def test_a_failed_path_is_told_of_even_when_nothing_is_to_do() -> None:
    states = {0: PathState.DOWN}
    want = wanted("a", [0, 1], states=states)
    disks = [disk(0, PathState.DOWN, message="reports path is down"), disk(1)]
    made = only(planned(snapshot(running(want, failed=[0]), disks=disks), desire(want)))
    assert (made.steps, made.reasons) == ((), ("8:0 (sda) stays failed: tur reports path is down",))


@pytest.mark.parametrize(("failed", "believed"), [([], "active"), ([0], "failed")])
def test_a_check_without_an_answer_is_told_with_what_dm_believes(failed: list[int], believed: str) -> None:
    states = {0: PathState.PENDING}
    want = wanted("a", [0, 1], states=states)
    made = only(planned(snapshot(running(want, failed=failed), states=states), desire(want)))
    assert made.reasons == (f"8:0 (sda) stays {believed}: it is still being checked",)


def test_a_failed_path_of_another_unit_is_told_of_while_it_can_not_be_loaded_away() -> None:
    lie = admitted(0, "z", Verdict.MISMATCH, "the device says 3z")
    live = running(wanted("a", [0, 1]), failed=[0])
    want = wanted("a", [1], states={1: PathState.PENDING})
    made = only(planned(snapshot(live, states={1: PathState.PENDING}), desire(want, admissions=[lie])))
    assert made.steps == ()
    assert "8:0 (sda) stays failed: the device says 3z" in made.reasons
