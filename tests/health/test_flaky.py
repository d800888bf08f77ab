"""Paths that keep failing: san_path_err_*, marginal_path_*, and marginal path groups."""

from dataclasses import replace

import pytest

from controller.reconcile import flaky
from controller.reconcile.flaky import Phase
from controller.reconcile.health import Mark, PathMemory, alone, marked, sampled
from desired.care import ErrorLimits, PathCare, SampleLimits
from desired.values import MarginalPathgroups
from observers.snapshot import PathState
from tests.health.paths import NOW, check, stored

UP, DOWN, DELAYED = PathState.UP, PathState.DOWN, PathState.DELAYED
ERRORS = PathCare(errors=ErrorLimits(threshold=2, forget_rate=3, recovery_time=60))
SAMPLES = PathCare(
    sampling=SampleLimits(double_failed_time=60, sample_time=120, rate_threshold=10, recheck_gap_time=300)
)


def through(memory: PathMemory, *states: PathState, care: PathCare, now: float = NOW, lone: bool = False) -> PathMemory:
    """Checks that are a second apart."""
    for number, state in enumerate(states, 1):
        memory = check(memory, state, now=now + number, care=care, alone=lone)
    return memory


def flapping(times: int) -> list[PathState]:
    return [DOWN, UP] * times


def test_a_path_is_held_back_when_it_came_back_more_often_than_the_threshold() -> None:
    twice = through(stored(UP), *flapping(2), care=ERRORS)
    assert (twice.state, twice.held) == (UP, False)
    often = through(stored(UP), *flapping(3), care=ERRORS)
    assert (often.state, often.held_until) == (DELAYED, NOW + 6 + 60)


def test_a_path_that_is_held_back_is_given_back_after_its_time_and_starts_afresh() -> None:
    held = through(stored(UP), *flapping(3), care=ERRORS)
    assert check(held, UP, now=NOW + 65, care=ERRORS).state is DELAYED
    back = check(held, UP, now=NOW + 66, care=ERRORS)
    assert (back.state, back.errors) == (UP, flaky.NO_ERRORS)


def test_a_path_that_is_held_back_is_checked_when_its_time_is_over() -> None:
    held = through(stored(UP), *flapping(3), care=ERRORS)
    before = check(held, UP, now=NOW + 65, care=ERRORS)
    assert before.due == NOW + 66


def test_the_time_begins_anew_when_a_path_that_is_held_back_turns_bad() -> None:
    held = through(stored(UP), *flapping(3), DOWN, care=ERRORS)
    assert held.state is DOWN
    again = check(held, UP, now=NOW + 50, care=ERRORS)
    assert (again.state, again.held_until) == (DELAYED, NOW + 50 + 60)


def test_the_last_path_of_a_map_is_given_back_early() -> None:
    held = through(stored(UP), *flapping(3), care=ERRORS)
    assert check(held, UP, now=NOW + 7, care=ERRORS, alone=True).state is UP


def test_the_last_path_of_a_map_is_not_held_back_to_begin_with() -> None:
    assert through(stored(UP), *flapping(5), care=ERRORS, lone=True).state is UP


def test_good_checks_make_failures_forgotten_one_by_one() -> None:
    memory = through(stored(UP), *flapping(2), care=ERRORS)
    assert memory.errors.failures == 2
    assert through(memory, UP, UP, UP, care=ERRORS).errors.failures == 2
    assert through(memory, UP, UP, UP, UP, care=ERRORS).errors.failures == 1
    assert through(memory, *[UP] * 8, care=ERRORS).errors.failures == 0
    assert through(memory, *[UP] * 20, care=ERRORS).errors.failures == 0


def test_without_limits_nothing_is_held_back_and_a_hold_ends_when_they_are_switched_off() -> None:
    assert through(stored(UP), *flapping(9), care=PathCare()).state is UP
    held = through(stored(UP), *flapping(3), care=ERRORS)
    assert check(held, UP, now=NOW + 7, care=PathCare()).state is UP


def test_a_path_in_a_group_for_marginal_paths_keeps_its_state_and_gets_a_mark() -> None:
    care = replace(ERRORS, marginal_groups=MarginalPathgroups.ON)
    held = through(stored(UP), *flapping(3), care=care)
    assert (held.state, held.marginal) == (UP, True)
    back = check(held, UP, now=NOW + 66, care=care)
    assert (back.state, back.marginal) == (UP, False)


@pytest.mark.parametrize(("gap", "phase"), [(60, Phase.SAMPLING), (61, Phase.COUNTING)])
def test_two_failures_in_a_short_time_have_a_path_sampled_once_it_answers(gap: int, phase: Phase) -> None:
    memory = check(stored(UP), DOWN, now=NOW, care=SAMPLES)
    memory = check(memory, UP, now=NOW + 1, care=SAMPLES)
    assert (memory.state, memory.sample.phase) == (UP, Phase.COUNTING)
    memory = check(memory, DOWN, now=NOW + gap, care=SAMPLES)
    memory = check(memory, UP, now=NOW + gap + 1, care=SAMPLES)
    assert memory.sample.phase is phase
    assert memory.sampling is (phase is Phase.SAMPLING)
    assert memory.state is (DELAYED if phase is Phase.SAMPLING else UP)


def sampling() -> PathMemory:
    memory = through(stored(UP), *flapping(2), care=SAMPLES)
    assert memory.held_until == NOW + 4 + 120
    return memory


@pytest.mark.parametrize(
    ("reads", "failed", "state"),
    [(500, 10, UP), (500, 11, DELAYED), (1000, 20, UP), pytest.param(1000, 21, DELAYED, id="half a read too many")],
)
def test_the_rate_of_failed_reads_decides_at_the_end_of_the_sample(reads: int, failed: int, state: PathState) -> None:
    memory = sampled(sampling(), SAMPLES, reads=reads, failed=failed, alone=False, now=NOW + 60)
    assert memory.sampling
    memory = sampled(memory, SAMPLES, reads=reads, failed=0, alone=False, now=NOW + 124)
    assert (memory.sampling, memory.due) == (False, min(NOW + 124, memory.due))
    assert check(memory, UP, now=NOW + 125, care=SAMPLES).state is state


def test_a_path_that_failed_its_sample_is_sampled_again_after_the_gap() -> None:
    memory = sampled(sampling(), SAMPLES, reads=100, failed=50, alone=False, now=NOW + 124)
    assert memory.held_until == NOW + 124 + 300
    assert not check(memory, UP, now=NOW + 423, care=SAMPLES).sampling
    assert check(memory, UP, now=NOW + 424, care=SAMPLES).sampling


def test_a_sample_ends_also_when_no_read_came_back() -> None:
    memory = check(sampling(), UP, now=NOW + 124, care=SAMPLES)
    assert (memory.state, memory.held) == (UP, False)


def test_a_path_that_is_sampled_is_given_back_when_it_is_the_last() -> None:
    assert check(sampling(), UP, now=NOW + 9, care=SAMPLES, alone=True).state is UP
    spoiled = sampled(sampling(), SAMPLES, reads=9, failed=9, alone=True, now=NOW + 124)
    assert not spoiled.held


def test_reads_that_come_back_when_nobody_samples_do_nothing() -> None:
    memory = stored(UP)
    assert sampled(memory, SAMPLES, reads=5, failed=5, alone=False, now=NOW) == memory
    assert sampled(memory, PathCare(), reads=5, failed=5, alone=False, now=NOW) is memory


def test_a_mark_by_command_goes_only_by_command_and_takes_every_mark_with_it() -> None:
    memory = marked(marked(stored(UP), Mark.COMMAND, marginal=True), Mark.FABRIC, marginal=True)
    assert check(memory, UP).marginal
    assert marked(memory, Mark.FABRIC, marginal=False).marginal
    assert not marked(memory, Mark.COMMAND, marginal=False).marginal


def test_a_path_is_alone_when_no_other_is_usable() -> None:
    assert alone([])
    assert alone([stored(DOWN), stored(PathState.SHAKY)])
    assert not alone([stored(DOWN), stored(PathState.GHOST)])
