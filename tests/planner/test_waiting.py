"""How long a map's I/O waits for a path: no_path_retry, commands, and what is told and counted meanwhile."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actuators.steps import MapRef, SetQueueing
from controller.reconcile import waiting
from controller.reconcile.plan import Memory
from controller.reconcile.planner import plan
from controller.reconcile.tending import at_exit, disable_queueing, restore_queueing
from controller.reconcile.waiting import MapMemory
from desired.care import MapCare, PathCare
from desired.values import NoPathRetry, RetryMode
from observers.snapshot import Alias, PathState, Wwid
from tests.planner.builders import NOW, desire, group, kinds, only, running, snapshot, table, uuid, wanted
from tests.planner.resident import Host, caring, retry

UP, DOWN = PathState.UP, PathState.DOWN
QUEUE = "queue_if_no_path"
A = MapRef(uuid("a"), Alias("a"))


def host(care: MapCare, *, features: str = QUEUE, open_count: int = 1) -> Host:
    """A map of two paths that runs as desired."""
    want = caring(wanted("a", [0, 1], shape=table(group(0, 1), features=features)), care)
    return Host(snapshot(running(want, open_count=open_count), disks=2), desire(want))


def both(state: PathState) -> dict[str, PathState]:
    return {"sda": state, "sdb": state}


def test_a_map_queues_for_its_time_after_the_last_path_and_then_fails() -> None:
    it = host(retry(4))
    assert it.cycle().wake_at is None
    it.state(**both(DOWN))
    made = it.at(10)
    assert kinds(made.steps) == ["FailPath", "FailPath"]
    assert made.wake_at == NOW + 10 + 4 * 5 + 1
    assert "no path works: queueing 21 s more, then I/O fails (no_path_retry 4)" in only(made).reasons
    assert it.at(30).steps == ()
    assert it.queues()
    made = it.at(31)
    assert made.steps == (SetQueueing(map=A, queue=False),)
    assert (
        "no path works, and the time to wait for one is over: I/O fails until a path works again" in only(made).reasons
    )
    assert it.at(99).steps == ()


def test_a_path_that_comes_back_in_time_stops_the_clock() -> None:
    it = host(retry(4))
    it.state(**both(DOWN))
    it.at(0)
    it.state(sda=UP)
    assert kinds(it.at(10).steps) == ["ReinstatePath"]
    assert it.at(100).steps == ()
    assert it.queues()
    assert (it.known().deadline, it.known().counters.q_timeouts, it.known().counters.failures) == (None, 1, 0)
    assert it.known().counters.queue_time == 10


def test_a_path_that_comes_back_late_brings_queueing_back_before_it_is_used() -> None:
    it = host(retry(1))
    it.state(**both(DOWN))
    it.at(0)
    it.at(6)
    assert not it.queues()
    it.state(sdb=UP)
    made = it.at(60)
    assert kinds(made.steps) == ["SetQueueing", "ReinstatePath"]
    assert it.queues()
    assert it.at(61).steps == ()


def test_what_is_counted_is_what_multipathd_counts() -> None:
    it = host(retry(1))
    it.state(**both(DOWN))
    it.at(0)
    assert waiting.queue_time(it.known(), now=NOW + 4) == 4
    it.at(6)
    it.at(50)
    counters = it.known().counters
    assert (counters.failures, counters.q_timeouts, counters.queue_time, counters.path_faults) == (1, 1, 6, 2)
    assert waiting.queue_time(it.known(), now=NOW + 99) == 6
    assert waiting.reset(it.known()).counters == waiting.Counters()


def test_a_clock_that_has_run_out_does_not_run_again_while_no_path_is_there() -> None:
    it = host(retry(1))
    it.state(**both(DOWN))
    for at in (0, 6, 7, 30, 300):
        it.at(at)
    assert it.known().counters.q_timeouts == 1
    assert not it.queues()


@pytest.mark.parametrize(
    ("mode", "features", "words"),
    [
        (RetryMode.QUEUE, QUEUE, "no path works: I/O waits until one does (no_path_retry queue)"),
        (RetryMode.FAIL, "", "no path works: I/O fails (no_path_retry fail)"),
    ],
)
def test_without_a_count_there_is_no_clock(mode: RetryMode, features: str, words: str) -> None:
    it = host(MapCare(no_path_retry=mode), features=features)
    it.state(**both(DOWN))
    made = it.at(0)
    assert words in only(made).reasons
    assert made.wake_at is None
    assert it.at(1e6).steps == ()


def test_a_path_whose_check_is_not_over_holds_the_clock_back_as_long_as_dm_believes_in_it() -> None:
    it = host(retry(1))
    it.state(sda=DOWN, sdb=PathState.PENDING)
    assert it.at(0).wake_at is None
    assert it.known().deadline is None


def test_a_standby_path_that_can_not_be_activated_is_no_path() -> None:
    it = host(retry(1))
    disks = tuple(replace(path, alua=replace(path.alua, tpgs=1)) for path in it.snapshot.paths)
    it.snapshot = replace(it.snapshot, paths=disks)
    it.state(**both(DOWN))
    it.at(0)
    it.state(**both(PathState.GHOST))
    assert kinds(it.at(6).steps) == ["SetQueueing"]


def test_without_a_resident_nothing_has_a_deadline() -> None:
    it = host(retry(1))
    it.state(**both(DOWN))
    made, memory = plan(it.snapshot, it.desired, Memory(), NOW)
    assert made.wake_at is None
    assert memory.maps == {}
    assert not any("queueing" in reason for reason in only(made).reasons)


def test_an_operator_ends_queueing_until_it_is_restored() -> None:
    it = host(MapCare(no_path_retry=RetryMode.QUEUE))
    it.cycle()
    it.memory = disable_queueing(it.memory, [Wwid("3a")], now=it.now)
    made = it.at(1)
    assert made.steps == (SetQueueing(map=A, queue=False),)
    assert any("switched off by command" in reason for reason in only(made).reasons)
    it.state(**both(DOWN))
    it.at(2)
    it.state(**both(UP))
    assert kinds(it.at(3).steps) == ["ReinstatePath", "ReinstatePath"]
    it.memory = restore_queueing(it.memory, [Wwid("3a"), Wwid("3unknown")])
    assert it.at(4).steps == (SetQueueing(map=A, queue=True),)


def test_an_operator_stops_the_clock_too_and_restoring_starts_it_anew() -> None:
    it = host(retry(4))
    it.state(**both(DOWN))
    it.at(0)
    it.memory = disable_queueing(it.memory, [Wwid("3a")], now=NOW + 5)
    assert it.at(5).wake_at is None
    it.memory = restore_queueing(it.memory, [Wwid("3a")])
    assert it.at(6).wake_at == NOW + 6 + 21
    assert it.queues()
    assert kinds(it.at(27).steps) == ["SetQueueing"]


def test_an_operator_counts_as_one_failure_of_the_map_however_often_he_says_it() -> None:
    memory = waiting.disabled(waiting.disabled(MapMemory(pathless_since=NOW - 9), now=NOW), now=NOW)
    assert memory.counters.failures == 1


def test_queueing_that_is_switched_off_while_a_path_works_is_no_failure() -> None:
    assert waiting.disabled(MapMemory(), now=NOW).counters.failures == 0


def test_a_map_that_nobody_desires_any_more_ends_its_queueing_all_the_same() -> None:
    it = host(retry(1))
    it.cycle()
    it.snapshot = replace(it.snapshot, paths=())
    it.desired = desire(wwids=it.desired.wwids)
    assert it.at(1).wake_at == NOW + 7
    made = it.at(7)
    assert SetQueueing(map=A, queue=False) in made.steps
    assert not it.queues()


def test_a_map_that_is_kept_ends_its_queueing_all_the_same() -> None:
    it = host(retry(1))
    it.cycle()
    it.state(**both(DOWN))
    it.desired = desire(wwids=it.desired.wwids, keep={Wwid("3a"): "one of its paths could not be asked"})
    it.at(1)
    made = it.at(7)
    assert made.steps[-1] == SetQueueing(map=A, queue=False)


def test_a_table_that_is_loaded_after_the_time_does_not_queue() -> None:
    it = host(retry(1))
    it.state(**both(DOWN))
    it.at(0)
    it.at(6)
    want = it.desired.maps[0]
    it.desired = desire(replace(want, table=replace(want.table, hardware_handler=("alua",))))
    it.state(**both(DOWN))
    made = it.at(7)
    assert kinds(made.steps)[0] == "ReloadMap"
    assert not it.queues()


@pytest.mark.parametrize(
    ("care", "memory", "word"),
    [
        (MapCare(), MapMemory(), "undefined"),
        (MapCare(no_path_retry=RetryMode.FAIL), MapMemory(), "fail"),
        (MapCare(no_path_retry=RetryMode.QUEUE), MapMemory(), "queue"),
        (retry(3), MapMemory(), "retry"),
        (retry(3), MapMemory(expired=True), "expired"),
        (retry(3), MapMemory(disabled=True), "disabled"),
    ],
)
def test_what_becomes_of_io_has_a_word(care: MapCare, memory: MapMemory, word: str) -> None:
    assert waiting.queueing(replace(memory, care=care)) == word


ROUNDING = 1e-6
"""Seconds: sums of floating-point numbers differ in their last digits."""

RETRIES: list[NoPathRetry | None] = [None, RetryMode.FAIL, RetryMode.QUEUE, 1, 7]


@given(
    care=st.sampled_from(RETRIES),
    interval=st.integers(1, 60),
    history=st.lists(st.tuples(st.floats(0.1, 100), st.booleans()), min_size=1, max_size=20),
)
def test_a_clock_is_always_in_the_future_or_over_and_queueing_ends(
    care: NoPathRetry | None, interval: int, history: list[tuple[float, bool]]
) -> None:
    caring = MapCare(no_path_retry=care, path=PathCare(polling_interval=interval))
    memory, now, dead_for = MapMemory(), NOW, 0.0
    for wait, working in history:
        now += wait
        dead_for = 0.0 if working or memory.pathless_since is None else now - memory.pathless_since
        memory = waiting.tend(memory, caring, working=working, queues=True, now=now)
        left = waiting.remaining(memory, now=now)
        assert left is None or 0 < left <= (care if isinstance(care, int) else 0) * interval + 1 + ROUNDING
        if isinstance(care, int) and dead_for >= care * interval + 1 + ROUNDING:
            assert memory.silenced
        assert not (working and memory.silenced)
        assert memory == waiting.tend(memory, caring, working=working, queues=True, now=now)


@pytest.mark.parametrize(
    ("care", "force", "ends"),
    [
        (MapCare(no_path_retry=RetryMode.QUEUE), False, True),
        (MapCare(no_path_retry=RetryMode.QUEUE, queue_without_daemon=True), False, False),
        (MapCare(no_path_retry=RetryMode.QUEUE), True, False),
    ],
)
def test_at_exit_maps_stop_queueing_unless_that_is_wanted(care: MapCare, force: bool, ends: bool) -> None:
    it = host(care)
    it.cycle()
    memory = replace(it.memory, force_queueing=force)
    assert at_exit(it.snapshot, it.desired, memory) == ((SetQueueing(map=A, queue=False),) if ends else ())


def test_at_exit_a_map_that_nobody_desires_any_more_goes_by_how_it_was_watched_over() -> None:
    it = host(MapCare(queue_without_daemon=True))
    it.cycle()
    assert at_exit(it.snapshot, desire(), it.memory) == ()
    assert kinds(at_exit(it.snapshot, desire(), Memory())) == ["SetQueueing"]


def test_at_exit_maps_that_do_not_queue_or_take_no_message_are_left_alone() -> None:
    plain, stopped = host(MapCare(), features=""), host(MapCare())
    stopped.snapshot = replace(stopped.snapshot, maps=(replace(stopped.snapshot.maps[0], suspended=True),))
    assert at_exit(plain.snapshot, plain.desired, plain.memory) == ()
    assert at_exit(stopped.snapshot, stopped.desired, stopped.memory) == ()


@pytest.mark.parametrize("care", RETRIES, ids=str)
def test_seconds_for_which_io_waits_are_counted_by_what_the_table_says(care: NoPathRetry | None) -> None:
    caring, memory = MapCare(no_path_retry=care), MapMemory()
    for at, working, queues in ((0, True, True), (10, False, True), (25, False, False), (40, False, True)):
        memory = waiting.tend(memory, caring, working=working, queues=queues, now=NOW + at)
    assert waiting.queued_time(memory, now=NOW + 44) == 15 + 4
    memory = waiting.reset(waiting.tend(memory, caring, working=True, queues=True, now=NOW + 50))
    assert waiting.queued_time(memory, now=NOW + 99) == 15 + 10
