"""Properties of planning by a resident, over random hosts and an hour of random path states."""

from dataclasses import replace

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from controller.reconcile.health import PathMemory
from controller.reconcile.plan import Memory, Plan
from controller.reconcile.planner import plan
from controller.reconcile.safety import Level, check
from desired.care import ErrorLimits, MapCare, PathCare
from desired.values import FlushOnLastDel, NoPathRetry, RetryMode
from observers.snapshot import PathState
from tests.health.paths import NOW, reading
from tests.health.paths import check as checked
from tests.planner.builders import desire, dev, group, running, snapshot, table, wanted
from tests.planner.hosts import DISKS, Drawn, hosts
from tests.planner.kernel import apply
from tests.planner.resident import Host, caring

many = settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
"""Not shrunk: a host that is drawn is so large that making it smaller takes minutes."""

RETRIES: list[NoPathRetry | None] = [None, RetryMode.FAIL, RetryMode.QUEUE, 1, 4]
CARES = st.builds(
    MapCare,
    path=st.builds(PathCare, purge=st.booleans()),
    no_path_retry=st.sampled_from(RETRIES),
    flush_on_last_del=st.sampled_from(list(FlushOnLastDel)),
    deferred_remove=st.booleans(),
    ghost_delay=st.sampled_from([0, 40]),
    missing_uev_wait=st.sampled_from([0, 30]),
)


@st.composite
def watched(draw: st.DrawFn) -> tuple[Drawn, Memory]:
    """A host, how its maps are watched over, and what is known of its paths."""
    drawn = draw(hosts())
    desired = replace(drawn.desired, maps=tuple(caring(each, draw(CARES)) for each in drawn.desired.maps))
    paths = {dev(n): draw(memories()) for n in range(DISKS) if draw(st.booleans())}
    return Drawn(drawn.snapshot, desired), Memory(resident=True, paths=paths)


@st.composite
def memories(draw: st.DrawFn) -> PathMemory:
    """A path after some checks."""
    memory = PathMemory(since=NOW)
    for state in draw(st.lists(st.sampled_from(list(PathState)), max_size=4)):
        sure = reading(memory) if draw(st.booleans()) else None
        memory = checked(memory, state, now=NOW, reading=sure)
    return memory


@many
@given(watched())
def test_whoever_waits_says_until_when_and_that_is_not_over(given: tuple[Drawn, Memory]) -> None:
    drawn, memory = given
    snap, desired, now = drawn.snapshot, drawn.desired, NOW
    made = Plan()
    for _ in range(6):
        made, memory = plan(snap, desired, memory, now)
        assert [each for each in check(made, snap, desired, memory) if each.level is Level.FATAL] == []
        snap, desired = apply(made, snap, desired)
    assert made.steps == ()
    assert made.wake_at is None or made.wake_at > now
    stopped = {live.wwid for live in snap.maps if live.suspended}
    clocks = [each for wwid, each in memory.maps.items() if each.in_recovery and wwid not in stopped]
    assert made.wake_at is not None or all(each.expired for each in clocks)


@many
@given(watched(), st.floats(1, 3600))
def test_when_it_is_woken_it_has_something_to_do_and_then_waits_on(given: tuple[Drawn, Memory], later: float) -> None:
    drawn, memory = given
    snap, desired, now, end = drawn.snapshot, drawn.desired, NOW, NOW + later
    for _ in range(60):
        made, memory = plan(snap, desired, memory, now)
        snap, desired = apply(made, snap, desired)
        if made.steps:
            continue
        if made.wake_at is None or made.wake_at > end:
            break
        assert made.wake_at > now
        now = made.wake_at
    else:
        raise AssertionError("it never comes to rest")


@many
@given(watched())
def test_planning_is_a_function_of_the_memory_too(given: tuple[Drawn, Memory]) -> None:
    drawn, memory = given
    assert plan(drawn.snapshot, drawn.desired, memory, NOW) == plan(drawn.snapshot, drawn.desired, memory, NOW)


FLAKY = PathCare(errors=ErrorLimits(threshold=1, forget_rate=2, recovery_time=60))
STATES = st.sampled_from([PathState.UP, PathState.UP, PathState.DOWN, PathState.GHOST, PathState.PENDING])


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(STATES, STATES, st.integers(1, 30)), min_size=1, max_size=15), st.integers(1, 5))
def test_no_map_queues_beyond_its_time(history: list[tuple[PathState, PathState, int]], count: int) -> None:
    want = wanted("a", [0, 1], shape=table(group(0, 1), features="queue_if_no_path"))
    care = MapCare(no_path_retry=count, path=FLAKY)
    it = Host(snapshot(running(want, open_count=1), disks=2), desire(caring(want, care)))
    memories = [PathMemory(since=NOW), PathMemory(since=NOW)]
    dead_since: float | None = None
    for *states, wait in history:
        for number, state in enumerate(states):
            memories[number] = checked(memories[number], state, now=it.now, care=FLAKY)
            it.remember(number, memories[number])
        it.state(sda=memories[0].state, sdb=memories[1].state)
        until = it.now + wait
        while it.now < until:
            made = it.cycle()
            dead_since = None if _alive(it) else dead_since if dead_since is not None else it.now
            if dead_since is not None and it.now >= dead_since + count * 5 + 1:
                assert not it.queues()
            assert made.steps or made.wake_at is None or made.wake_at > it.now
            it.now = min(until, made.wake_at or until) if not made.steps else it.now


def _alive(it: Host) -> bool:
    """Whether dm has a path that it uses."""
    (live,) = it.snapshot.maps
    return live.status is not None and any(path.active for path in live.status.paths)
