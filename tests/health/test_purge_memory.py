"""What is remembered of a path that is disconnected."""

from dataclasses import replace

import pytest

from controller.reconcile import purge_memory
from controller.reconcile.purge_memory import NOT_PURGED, TRIES, ended, started
from observers.snapshot import PathState
from tests.health.paths import NOW, answer, check, stored

GONE = PathState.DISCONNECTED


def test_a_disconnected_path_is_marked_with_the_time_at_which_that_was_first_said() -> None:
    memory = check(check(stored(PathState.UP), GONE, now=NOW), GONE, now=NOW + 5)
    assert memory.purge.disconnected_since == NOW


def test_only_tur_can_tell() -> None:
    said = purge_memory.answered(NOT_PURGED, answer(GONE, checker="directio"), now=NOW)
    assert said.disconnected_since is None


@pytest.mark.parametrize("state", [PathState.DOWN, PathState.UP, PathState.GHOST, PathState.TIMEOUT, PathState.SHAKY])
def test_any_other_word_takes_the_mark_away(state: PathState) -> None:
    memory = check(check(stored(PathState.UP), GONE), state)
    assert memory.purge.disconnected_since is None


@pytest.mark.parametrize("state", [PathState.PENDING, PathState.UNCHECKED, PathState.WILD])
def test_no_answer_leaves_the_mark(state: PathState) -> None:
    memory = check(check(stored(PathState.UP), GONE), state)
    assert memory.purge.disconnected_since == NOW


def test_tries_are_further_and_further_apart() -> None:
    purging, waits = NOT_PURGED, []
    for _ in range(TRIES):
        purging = ended(started(purging), now=NOW)
        waits.append(purging.retry_at - NOW)
    assert waits == [10, 20, 40, 80, 160, 320]
    assert (purging.tries, purging.running) == (TRIES, False)


def test_a_path_that_came_back_is_tried_anew_and_one_that_is_only_down_is_not() -> None:
    tried = replace(check(stored(PathState.UP), GONE), purge=ended(NOT_PURGED, now=NOW))
    assert check(tried, PathState.DOWN).purge.tries == 1
    assert check(tried, PathState.UP).purge == NOT_PURGED


def test_a_deletion_under_way_is_known_until_it_ends() -> None:
    running = replace(stored(PathState.UP), purge=started(NOT_PURGED))
    assert check(running, PathState.UP).purge.running
