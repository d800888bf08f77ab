"""The table of the path state machine: every stored state with every answer."""

import pytest

from controller.reconcile.health import ROWS, SOON, Again, advance, first, follow, kernel_failed, settled
from observers.snapshot import Health, PathState
from tests.builders import scsi_path, unit_wwid
from tests.health.paths import CARE, NOW, answer, check, stored

UP, GHOST, DOWN, SHAKY = PathState.UP, PathState.GHOST, PathState.DOWN, PathState.SHAKY
PENDING, WILD, UNCHECKED = PathState.PENDING, PathState.WILD, PathState.UNCHECKED
DELAYED = PathState.DELAYED

SAYS: dict[PathState, PathState] = {
    UP: UP,
    GHOST: GHOST,
    DOWN: DOWN,
    SHAKY: SHAKY,
    PathState.TIMEOUT: PathState.TIMEOUT,
    PathState.REMOVED: DOWN,
    PathState.DISCONNECTED: DOWN,
}
"""What is stored after a conclusive answer, whatever was stored before."""

SILENT = [PENDING, UNCHECKED, WILD, DELAYED]
KNOWN = [UP, GHOST, DOWN, SHAKY, DELAYED, PENDING]


def test_every_answer_has_a_row() -> None:
    assert set(ROWS) == set(PathState)


@pytest.mark.parametrize("before", list(PathState))
@pytest.mark.parametrize("said", list(SAYS))
def test_a_conclusive_answer_is_stored_whatever_was_before(before: PathState, said: PathState) -> None:
    assert follow(before, said) is SAYS[said]


@pytest.mark.parametrize("before", KNOWN)
@pytest.mark.parametrize("said", SILENT)
def test_an_answer_that_is_none_keeps_what_was_stored(before: PathState, said: PathState) -> None:
    assert follow(before, said) is before


@pytest.mark.parametrize("before", [UNCHECKED, WILD])
@pytest.mark.parametrize("said", SILENT)
def test_where_nothing_is_known_the_first_answer_is_stored(before: PathState, said: PathState) -> None:
    assert follow(before, said) is said


@pytest.mark.parametrize("before", [UP, GHOST, DOWN, SHAKY])
@pytest.mark.parametrize("said", list(PathState))
def test_a_check_stores_what_the_table_says(before: PathState, said: PathState) -> None:
    after = check(stored(before), said, now=NOW + 5)
    assert after.state is follow(before, said)
    changed = after.state is not before
    assert (after.previous, after.since) == ((before, NOW + 5) if changed else (UNCHECKED, NOW))


@pytest.mark.parametrize("said", [PathState.REMOVED, PathState.DISCONNECTED])
def test_an_event_that_counts_as_down_keeps_its_message(said: PathState) -> None:
    memory = advance(stored(UP), answer(said, " says why"), CARE, now=NOW + 5)
    assert settled(scsi_path(0, unit_wwid(0)), memory).health == Health("tur", DOWN, " says why")


def test_a_check_that_still_runs_is_asked_after_in_a_second() -> None:
    memory = stored(UP)
    after = check(memory, PENDING, now=NOW + 5)
    assert after.due == NOW + 5 + SOON
    assert after.interval == memory.interval
    assert [said for said, row in ROWS.items() if row.again is Again.SOON] == [PENDING]


@pytest.mark.parametrize(("size", "state"), [(0, GHOST), (8, UP)])
def test_a_device_without_a_size_is_a_standby_path_however_well_it_answers(size: int, state: PathState) -> None:
    assert check(stored(DOWN), UP, size=size).state is state


def test_the_planner_gets_the_stored_state_and_the_mark() -> None:
    path = scsi_path(0, unit_wwid(0), state=UP)
    assert settled(path, None) is path
    seen = settled(path, check(stored(DOWN), PENDING))
    assert (seen.health.state, seen.marginal) == (DOWN, False)


def test_turning_bad_is_counted_and_staying_bad_is_not() -> None:
    memory = stored(UP)
    for said, failures in ((DOWN, 1), (DOWN, 1), (SHAKY, 1), (UP, 1), (PENDING, 1), (PathState.TIMEOUT, 2)):
        memory = check(memory, said)
        assert memory.failures == failures


def test_a_path_that_the_kernel_failed_is_remembered_as_such_until_a_check_sees_it_down() -> None:
    memory = kernel_failed(stored(UP), CARE, now=NOW)
    for said, by_kernel in ((PENDING, True), (UP, True), (GHOST, True), (DOWN, False), (UP, False)):
        memory = check(memory, said)
        assert memory.by_kernel is by_kernel
    assert not kernel_failed(stored(DOWN), CARE, now=NOW).by_kernel


def test_a_path_that_was_never_checked_knows_nothing() -> None:
    memory = first(3, CARE, now=NOW)
    assert (memory.state, memory.identity_due, memory.held, memory.marginal) == (UNCHECKED, True, False, False)
