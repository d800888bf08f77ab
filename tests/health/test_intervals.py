"""When a path is checked again."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.reconcile.health import PathMemory, first, look_now
from desired.care import PathCare
from observers.snapshot import PathState
from tests.health.paths import CARE, NOW, check, stored

UP, DOWN, GHOST = PathState.UP, PathState.DOWN, PathState.GHOST


def intervals(memory: PathMemory, *answers: PathState) -> list[float]:
    found = []
    for said in answers:
        memory = check(memory, said, now=memory.due)
        found.append(memory.interval)
    return found


@pytest.mark.parametrize("good", [UP, GHOST])
def test_the_interval_doubles_while_a_path_stays_good_up_to_the_longest(good: PathState) -> None:
    assert intervals(stored(good), good, good, good, good) == [10.0, 20.0, 20.0, 20.0]


def test_every_change_brings_the_interval_back() -> None:
    assert intervals(stored(UP), UP, DOWN, DOWN, UP, UP, GHOST) == [10.0, 5.0, 5.0, 5.0, 10.0, 5.0]


def test_a_check_without_an_answer_leaves_the_interval() -> None:
    assert intervals(stored(UP), UP, PathState.WILD, PathState.UNCHECKED, UP) == [10.0, 10.0, 10.0, 20.0]


def test_the_first_checks_are_spread_evenly_over_the_interval() -> None:
    due = sorted(first(number, CARE, now=NOW).due - NOW for number in range(1000))
    assert all(0 <= at < 5 for at in due)
    assert max(later - earlier for earlier, later in pairwise(due)) < 3 * 5 / 1000


def test_checks_that_were_all_asked_at_once_are_spread_again_by_the_next() -> None:
    late = [check(look_now(first(number, CARE, now=NOW), now=NOW), DOWN).due for number in range(1000)]
    counts = [sum(int(at * 2) == slot for at in late) for slot in range(int(min(late) * 2), int(max(late) * 2) + 1)]
    assert len(counts) >= 10
    assert max(counts) <= 110


@given(
    number=st.integers(0, 100_000),
    now=st.floats(0, 1e7),
    interval=st.integers(1, 3600),
    longest=st.integers(1, 36000),
    states=st.lists(st.sampled_from(list(PathState)), max_size=6),
)
def test_a_check_is_always_due_later_and_not_much_later_than_the_interval(
    number: int, now: float, interval: int, longest: int, states: list[PathState]
) -> None:
    care = PathCare(polling_interval=interval, max_polling_interval=max(interval, longest))
    memory = first(number, care, now=now)
    assert now <= memory.due < now + interval
    for said in states:
        at = memory.due
        memory = check(memory, said, now=at, care=care)
        assert at < memory.due <= at + 1.5 * memory.interval + 1.0


def test_looking_now_never_puts_a_check_off() -> None:
    memory = stored(UP)
    assert look_now(memory, now=memory.due + 1).due == memory.due
    assert look_now(memory, now=NOW).due == NOW
