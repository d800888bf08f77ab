"""When a path is checked next: at its place within the interval, never later than an interval from now."""

from hypothesis import given
from hypothesis import strategies as st

from controller.reconcile.health import BEAT, PathMemory, unchanged
from observers.snapshot import Health, PathState
from tests.health.paths import CARE

WELL = Health("tur", PathState.UP)
PHASES = st.floats(0.0, 1.0, exclude_max=True)
TIMES = st.floats(0.0, 1e7)


def after(phase: float, interval: float, now: float) -> PathMemory:
    """The memory after a check of a path that is well."""
    memory = PathMemory(state=PathState.UP, answer=WELL, interval=interval, phase=phase)
    return unchanged(memory, CARE, now=now)


@given(phase=PHASES, interval=st.sampled_from([1.0, 5.0, 10.0, 20.0]), now=TIMES)
def test_the_next_check_is_at_most_an_interval_away_and_at_a_beat(phase: float, interval: float, now: float) -> None:
    memory = after(phase, interval, now)
    assert now < memory.due <= now + memory.interval
    assert memory.due % BEAT == 0.0


@given(phase=PHASES, now=TIMES, late=st.floats(0.0, 4.0))
def test_checks_that_take_some_time_keep_their_place(phase: float, now: float, late: float) -> None:
    most = float(CARE.max_polling_interval)
    first = after(phase, most, now)
    second = after(phase, most, first.due + late)
    assert second.due == first.due + most
