"""Threads for blocking calls, the queue that they take from, and the engine that puts all ways of asking together."""

import errno
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from controller.runtime.engine import Doorbell, RealEngine, Threads
from controller.runtime.group_queue import GroupQueue, Taken
from controller.runtime.lanes import Lanes, TimedOut
from controller.runtime.workers import Workers
from observers.asking import Dialogue, DirectRead, read
from observers.engine import Answered
from observers.host import Block
from observers.snapshot import DeviceName
from tests.observers.fake_host import GOOD as GOOD_REPLY
from tests.observers.fake_host import FakeHost
from tests.runtime.dialogues import tur
from tests.runtime.fake_sg import PATIENCE, readable


class Gate:
    """A call that hangs until it is let go."""

    def __init__(self) -> None:
        self.entered, self._open = threading.Semaphore(0), threading.Event()

    def __call__(self) -> str:
        self.entered.release()
        assert self._open.wait(PATIENCE)
        return "late"

    def wait_entered(self) -> None:
        assert self.entered.acquire(timeout=PATIENCE)

    def let_go(self) -> None:
        self._open.set()


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.let_go()


class Pool:
    """Workers with their bell."""

    def __init__(self, count: int, *, width: int) -> None:
        self.bell = Doorbell()
        self.workers = Workers(count, name="test", width=width, ring=self.bell.ring)

    def answers(self, count: int) -> list[Answered]:
        """As many answers."""
        found: list[Answered] = []
        while len(found) < count:
            assert readable(self.bell.fileno())
            self.bell.quiet()
            found += self.workers.completed()
        return found


@pytest.fixture
def pool() -> Iterator[Callable[[int, int], Pool]]:
    made: list[Pool] = []

    def make(count: int, width: int) -> Pool:
        made.append(Pool(count, width=width))
        return made[-1]

    yield make
    for each in made:
        each.workers.close()


# ---- the queue


def test_jobs_of_one_group_come_in_their_order() -> None:
    queue: GroupQueue[str] = GroupQueue(width=3)
    for ticket, job in enumerate("abc"):
        queue.put("host0", ticket, job)
    assert [taken.job for taken in (queue.take(), queue.take(), queue.take()) if taken] == ["a", "b", "c"]


def test_groups_take_turns_and_a_group_has_no_more_than_its_width() -> None:
    queue: GroupQueue[str] = GroupQueue(width=1)
    for ticket, (group, job) in enumerate([("h0", "a"), ("h0", "b"), ("h1", "c")]):
        queue.put(group, ticket, job)
    assert [taken.job for taken in (queue.take(), queue.take()) if taken] == ["a", "c"]
    queue.done("h0")
    assert (taken := queue.take()) is not None
    assert taken.job == "b"


def test_a_cancelled_job_is_skipped() -> None:
    queue: GroupQueue[str] = GroupQueue(width=1)
    for ticket, (group, job) in enumerate([("h0", "a"), ("h1", "b")]):
        queue.put(group, ticket, job)
    assert queue.cancel(0)
    assert not queue.cancel(0)
    assert (taken := queue.take()) is not None
    assert taken.job == "b"
    assert not queue.cancel(1)


def job_of(taken: Taken[str] | None) -> str:
    return "" if taken is None else taken.job


def test_a_thread_can_go_on_with_its_group_which_stays_as_wide_as_it_may_be() -> None:
    queue: GroupQueue[str] = GroupQueue(width=1)
    for ticket, (group, job) in enumerate([("h0", "a"), ("h0", "b"), ("h1", "c"), ("h0", "d")]):
        queue.put(group, ticket, job)
    assert job_of(queue.take()) == "a"
    assert job_of(queue.following("h0")) == "b"
    assert job_of(queue.take()) == "c"
    assert job_of(queue.following("h0")) == "d"
    assert job_of(queue.following("h0")) == ""
    queue.put("h0", 9, "e")
    assert job_of(queue.take()) == "e"


def test_a_thread_that_goes_on_leaves_no_group_behind_whose_turn_it_is() -> None:
    queue: GroupQueue[str] = GroupQueue(width=2)
    for ticket, (group, job) in enumerate([("h0", "a"), ("h0", "b"), ("h1", "c")]):
        queue.put(group, ticket, job)
    assert job_of(queue.take()) == "a"
    assert job_of(queue.following("h0")) == "b"  # it was another thread's turn, which finds nothing there
    assert job_of(queue.take()) == "c"
    queue.put("h0", 9, "d")
    assert job_of(queue.take()) == "d"


def test_a_closed_queue_gives_nothing() -> None:
    queue: GroupQueue[str] = GroupQueue(width=1)
    queue.put("h0", 1, "a")
    queue.close()
    assert queue.take() is None


# ---- workers


def test_what_a_call_returns_or_raises_is_its_answer(pool: Callable[[int, int], Pool]) -> None:
    rig = pool(2, 2)
    rig.workers.run(1, "g", lambda: "done")
    rig.workers.run(2, "g", lambda: 1 // 0)
    found = {known.ticket: known.answer for known in rig.answers(2)}
    assert found[1] == "done"
    assert isinstance(found[2], ZeroDivisionError)


def test_a_thread_outlives_a_call_that_raises(pool: Callable[[int, int], Pool]) -> None:
    rig = pool(1, 1)
    rig.workers.run(1, "g", lambda: 1 // 0)
    rig.workers.run(2, "g", lambda: "done")
    assert rig.answers(2)[1] == Answered(2, "done")


def test_calls_that_hang_in_one_group_leave_threads_for_others(pool: Callable[[int, int], Pool], gate: Gate) -> None:
    rig = pool(3, 2)
    for ticket in (1, 2, 3):
        rig.workers.run(ticket, "stuck", gate)
    gate.wait_entered()
    gate.wait_entered()
    rig.workers.run(4, "other", lambda: "done")
    assert rig.answers(1) == [Answered(4, "done")]
    assert rig.workers.cancel(3)


def test_threads_have_small_stacks_and_their_number_never_changes(pool: Callable[[int, int], Pool]) -> None:
    before = set(threading.enumerate())
    size = threading.stack_size()
    rig = pool(3, 3)
    for ticket in range(100):
        rig.workers.run(ticket, str(ticket), lambda: None)
    rig.answers(100)
    assert set(threading.enumerate()) - before == set(rig.workers.threads)
    assert len(rig.workers.threads) == 3
    assert threading.stack_size() == size
    assert all(thread.daemon for thread in rig.workers.threads)


# ---- the engine, with lanes


class SlowHost(FakeHost):
    """Reads of the medium hang until a gate is opened."""

    def __init__(self, gate: Gate) -> None:
        super().__init__(scsi={("sda", bytes(3)): [GOOD_REPLY]})
        self._gate = gate

    def direct_read(self, name: DeviceName, /, *, length: int, timeout: float, offset: int = 0) -> Block:
        if name == "slow":
            self._gate()
        return Block(bytes(length), 0.0)


@pytest.fixture
def real(gate: Gate) -> Iterator[RealEngine]:
    engine = RealEngine(SlowHost(gate), threads=Threads(submitters=1, askers=2, callers=1, width=1))
    yield engine
    engine.close()


def reading() -> Dialogue[int]:
    block = yield from read(DirectRead(length=512, timeout=5.0))
    return len(block.data)


def outcomes(lanes: Lanes, now: float, count: int) -> dict[str, object]:
    """As many results."""
    found: dict[str, object] = {}
    while len(found) < count:
        assert readable(lanes.fileno())
        found |= {end.key: end.finding for end in lanes.finished(now)}
    return found


def test_a_scsi_disk_without_a_node_is_asked_by_a_thread(real: RealEngine) -> None:
    lanes = Lanes(real, capacity=lambda _group: 10)
    lanes.start(DeviceName("sda"), "host0", tur(2), now=1.0, deadline=9.0, token=None)
    assert outcomes(lanes, 1.0, 1) == {"sda": "0/0 0/0"}


def test_a_read_that_hangs_is_late_alone(real: RealEngine, gate: Gate) -> None:
    lanes = Lanes(real, capacity=lambda _group: 10)
    lanes.start(DeviceName("slow"), "host0", reading(), now=1.0, deadline=2.0, token=None)
    gate.wait_entered()
    lanes.start(DeviceName("quick"), "host1", reading(), now=1.0, deadline=2.0, token=None)
    assert outcomes(lanes, 1.0, 1) == {"quick": 512}
    assert {end.key: end.finding for end in lanes.finished(2.0)} == {"slow": TimedOut(asked=True)}
    gate.let_go()
    while lanes.busy("slow"):
        assert readable(lanes.fileno())
        assert lanes.finished(3.0) == []


def test_a_read_that_waits_behind_one_that_hangs_was_never_asked(real: RealEngine, gate: Gate) -> None:
    lanes = Lanes(real, capacity=lambda _group: 10)
    lanes.start(DeviceName("slow"), "host0", reading(), now=1.0, deadline=9.0, token=None)
    gate.wait_entered()
    lanes.start(DeviceName("behind"), "host0", reading(), now=1.0, deadline=2.0, token=None)
    assert {end.key: end.finding for end in lanes.finished(2.0)} == {"behind": TimedOut(asked=False)}


def test_calls_have_threads_of_their_own(real: RealEngine, gate: Gate) -> None:
    lanes = Lanes(real, capacity=lambda _group: 10)
    lanes.call("delete", "host0", gate, now=1.0, deadline=99.0, token=None)
    gate.wait_entered()
    lanes.start(DeviceName("sdb"), "host0", reading(), now=1.0, deadline=9.0, token=None)
    assert outcomes(lanes, 1.0, 1) == {"sdb": 512}
    gate.let_go()
    assert outcomes(lanes, 1.0, 1) == {"delete": "late"}


def test_an_error_of_the_kernel_reaches_the_dialogue(real: RealEngine) -> None:
    lanes = Lanes(real, capacity=lambda _group: 10)

    def vanish() -> None:
        raise OSError(errno.ENODEV, "gone")

    lanes.call("delete", "host0", vanish, now=1.0, deadline=9.0, token=None)
    (found,) = outcomes(lanes, 1.0, 1).values()
    assert isinstance(found, OSError)
    assert found.errno == errno.ENODEV


def test_an_engine_is_ready_when_an_answer_is_there(real: RealEngine) -> None:
    assert not real.ready()
    real.run(1, "g", lambda: 1)
    assert readable(real.fileno())
    assert real.ready()
    assert real.completed() == [Answered(1, 1)]
    latest = time.monotonic() + PATIENCE
    while real.ready() and time.monotonic() < latest:  # the thread that rang may not have got so far as to know it
        assert real.completed() == []
    assert not real.ready()
    assert real.next_due() is None
