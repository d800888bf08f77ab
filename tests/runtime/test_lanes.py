"""Lanes: one dialogue a device, deadlines, late answers, limits of a group; with an engine that a test answers."""

import errno
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.runtime.lanes import Finished, Lanes, Limits, TimedOut, host_capacity
from observers.asking import Dialogue, Question, Repeat, Repeated, repeated
from observers.snapshot import DeviceName
from tests.observers.fake_host import FakeHost
from tests.runtime.dialogues import GOOD, TUR, ScriptedEngine, tur


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def lanes(engine: ScriptedEngine) -> Lanes:
    return Lanes(engine, capacity=lambda _group: 1000)


def begin(
    lanes: Lanes, name: str, *, times: int = 1, group: str = "host0", now: float = 100.0, deadline: float = 110.0
) -> bool:
    return lanes.start(DeviceName(name), group, tur(times), now=now, deadline=deadline, token=("check", name))


def findings(lanes: Lanes, now: float) -> Mapping[str, object]:
    return {end.key: end.finding for end in lanes.finished(now)}


# ---- dialogues


def test_a_finding_comes_with_its_token_and_the_seconds_it_took(engine: ScriptedEngine, lanes: Lanes) -> None:
    assert begin(lanes, "sda")
    assert lanes.finished(100.5) == []
    engine.answer("sda")
    assert lanes.finished(101.0) == [Finished(key="sda", token=("check", "sda"), finding="0/0", seconds=1.0)]
    assert not lanes.busy("sda")


def test_a_dialogue_asks_again_until_it_is_done(engine: ScriptedEngine, lanes: Lanes) -> None:
    begin(lanes, "sda", times=3)
    for _ in range(2):
        engine.answer("sda")
        assert lanes.finished(100.0) == []
    engine.answer("sda")
    assert findings(lanes, 100.0) == {"sda": "0/0 0/0 0/0"}


def test_a_refusal_is_thrown_into_the_dialogue(engine: ScriptedEngine, lanes: Lanes) -> None:
    begin(lanes, "sda")
    engine.answer("sda", OSError(errno.ENODEV, "gone"))
    assert findings(lanes, 100.0) == {"sda": f"refused {errno.ENODEV}"}


def test_a_busy_lane_refuses_a_second_dialogue_and_asks_nothing(engine: ScriptedEngine, lanes: Lanes) -> None:
    assert begin(lanes, "sda")
    assert not begin(lanes, "sda")
    assert engine.names == ["sda"]
    engine.answer("sda")
    lanes.finished(100.0)
    assert begin(lanes, "sda")


def test_a_dialogue_that_asks_nothing_is_finished_at_once_and_due_at_once(lanes: Lanes) -> None:
    assert begin(lanes, "sda", times=0)
    assert lanes.due() == 0.0
    assert findings(lanes, 100.0) == {"sda": ""}
    assert lanes.due() is None


def broken() -> Dialogue[str]:
    yield TUR
    raise IndexError("a hostile page")


def test_a_broken_dialogue_is_its_own_result_and_no_other_is_hurt(engine: ScriptedEngine, lanes: Lanes) -> None:
    lanes.start(DeviceName("sda"), "host0", broken(), now=100.0, deadline=110.0, token=None)
    begin(lanes, "sdb")
    for name in ("sda", "sdb"):
        engine.answer(name)
    found = findings(lanes, 100.0)
    assert isinstance(found["sda"], IndexError)
    assert found["sdb"] == "0/0"
    assert not lanes.busy("sda")


# ---- deadlines


def test_the_deadline_is_reported_at_once_and_only_once(engine: ScriptedEngine, lanes: Lanes) -> None:
    begin(lanes, "sda", deadline=105.0)
    assert lanes.due() == 105.0
    assert lanes.finished(104.9) == []
    assert findings(lanes, 105.0) == {"sda": TimedOut(asked=True)}
    assert lanes.finished(120.0) == []
    assert lanes.due() is None


def test_a_stuck_question_keeps_its_lane_until_its_late_answer_which_is_dropped(
    engine: ScriptedEngine, lanes: Lanes
) -> None:
    begin(lanes, "sda", deadline=105.0)
    lanes.finished(105.0)
    assert lanes.busy("sda")
    assert lanes.stuck() == {"sda": 100.0}
    assert not begin(lanes, "sda", now=106.0)
    assert engine.names == ["sda"]
    engine.answer("sda")
    assert lanes.finished(130.0) == []
    assert not lanes.busy("sda")
    assert lanes.stuck() == {}


def test_the_next_dialogue_after_a_late_answer_gets_its_own(engine: ScriptedEngine, lanes: Lanes) -> None:
    begin(lanes, "sda", deadline=105.0)
    lanes.finished(105.0)
    engine.answer("sda", OSError(errno.EIO, "late"))
    lanes.finished(106.0)
    assert begin(lanes, "sda", now=106.0, deadline=120.0)
    engine.answer("sda")
    assert findings(lanes, 107.0) == {"sda": "0/0"}


def test_a_dialogue_that_is_late_between_two_questions_asks_no_more(engine: ScriptedEngine, lanes: Lanes) -> None:
    begin(lanes, "sda", times=3, deadline=105.0)
    engine.answer("sda")
    lanes.finished(101.0)
    lanes.finished(105.0)
    engine.answer("sda")
    lanes.finished(106.0)
    assert engine.names == []
    assert not lanes.busy("sda")


def test_no_device_is_blamed_for_time_in_which_nobody_looked(engine: ScriptedEngine, lanes: Lanes) -> None:
    begin(lanes, "sda", times=3, now=100.0, deadline=110.0)
    for now in (150.0, 200.0):
        engine.answer("sda")
        assert lanes.finished(now) == []
    engine.answer("sda")
    assert findings(lanes, 250.0) == {"sda": "0/0 0/0 0/0"}


def test_a_question_that_was_put_late_has_half_of_the_time(engine: ScriptedEngine, lanes: Lanes) -> None:
    begin(lanes, "sda", times=2, now=100.0, deadline=110.0)
    engine.answer("sda")
    assert lanes.finished(109.0) == []
    assert lanes.finished(113.9) == []
    assert lanes.due() == 114.0
    assert findings(lanes, 114.0) == {"sda": TimedOut(asked=True)}


def test_a_question_that_no_thread_has_begun_is_taken_back_and_the_device_was_never_asked(
    engine: ScriptedEngine, lanes: Lanes
) -> None:
    engine.can_cancel = True
    begin(lanes, "sda", deadline=105.0)
    assert findings(lanes, 105.0) == {"sda": TimedOut(asked=False)}
    assert not lanes.busy("sda")


def test_a_stuck_device_does_not_keep_another(engine: ScriptedEngine, lanes: Lanes) -> None:
    begin(lanes, "sda", deadline=101.0)
    lanes.finished(101.0)
    assert begin(lanes, "sdb", now=102.0)
    engine.answer("sdb")
    assert findings(lanes, 102.0) == {"sdb": "0/0"}


# ---- groups


def small(engine: ScriptedEngine, *, fresh: int = 2, capacity: int = 3) -> Lanes:
    return Lanes(engine, capacity=lambda _group: capacity, limits=Limits(fresh=fresh, patience=0.5))


def test_a_group_has_no_more_questions_out_than_its_limit(engine: ScriptedEngine) -> None:
    lanes = small(engine)
    for name in ("sda", "sdb", "sdc", "sdd"):
        assert begin(lanes, name)
    assert engine.names == ["sda", "sdb"]
    engine.answer("sda")
    lanes.finished(100.1)
    assert engine.names == ["sdb", "sdc"]


def test_another_group_is_not_limited_by_it(engine: ScriptedEngine) -> None:
    lanes = small(engine, fresh=1)
    for name, group in (("sda", "host0"), ("sdb", "host0"), ("sdc", "host1")):
        begin(lanes, name, group=group)
    assert engine.names == ["sda", "sdc"]


def test_silent_devices_make_room_for_others_when_patience_ends(engine: ScriptedEngine) -> None:
    lanes = small(engine)
    for name in ("sda", "sdb", "sdc", "sdd"):
        begin(lanes, name)
    assert lanes.due() == 100.5
    lanes.finished(100.5)
    assert engine.names == ["sda", "sdb", "sdc"]


def test_but_the_host_is_never_given_more_than_it_holds(engine: ScriptedEngine) -> None:
    lanes = small(engine)
    for name in ("sda", "sdb", "sdc", "sdd"):
        begin(lanes, name)
    for now in (100.5, 101.0, 102.0, 109.0):
        lanes.finished(now)
    assert engine.names == ["sda", "sdb", "sdc"]


def test_who_never_had_a_turn_before_its_deadline_was_not_asked(engine: ScriptedEngine) -> None:
    lanes = small(engine, fresh=1, capacity=1)
    begin(lanes, "sda")
    begin(lanes, "sdb", deadline=103.0)
    assert findings(lanes, 103.0) == {"sdb": TimedOut(asked=False)}
    engine.answer("sda")
    lanes.finished(104.0)
    assert engine.names == []


def test_a_dialogue_that_was_begun_goes_on_before_others_begin(engine: ScriptedEngine) -> None:
    lanes = small(engine, fresh=1)
    begin(lanes, "sda", times=2)
    begin(lanes, "sdb")
    engine.answer("sda")
    lanes.finished(100.1)
    assert engine.names == ["sda"]


def test_a_thousand_silent_devices_keep_three_thousand_others_for_less_than_a_tick(engine: ScriptedEngine) -> None:
    lanes = Lanes(engine, capacity=lambda _group: 4096)
    silent = {f"sd{number}" for number in range(0, 4000, 4)}
    for number in range(4000):
        begin(lanes, f"sd{number}", group=f"host{number % 16 // 4}", deadline=130.0)
    found: dict[str, object] = {}
    for tick in range(5):
        for _ in range(1000):
            answerable = [name for name in engine.names if name not in silent]
            if not answerable:
                break
            for name in answerable:
                engine.answer(name)
            found |= findings(lanes, 100.0 + tick / 4)
        found |= findings(lanes, 100.0 + (tick + 1) / 4 - 0.001)
    assert len(found) == 3000


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["start", "answer", "tick"])), max_size=200))
def test_whatever_happens_a_device_has_one_question_out_and_each_start_one_end(
    steps: list[tuple[int, str]],
) -> None:
    engine = ScriptedEngine()
    lanes = small(engine, fresh=2, capacity=4)
    now, begun, ended = 100.0, 0, 0
    for number, step in steps:
        name = f"sd{number}"
        if step == "start":
            begun += begin(lanes, name, times=2, group=f"host{number % 2}", now=now, deadline=now + 3)
        elif step == "answer" and name in engine.names:
            engine.answer(name)
        else:
            now += number / 4
        ended += len(lanes.finished(now))
        assert len(set(engine.names)) == len(engine.names)
        for group in ("host0", "host1"):
            assert sum(1 for _, known, _ in engine.asked.values() if known == group) <= 4
    ended += len(lanes.finished(now + 10))
    assert ended == begun


# ---- forgetting, calls, ending


def test_a_forgotten_device_is_free_at_once_and_its_old_answer_reaches_nobody(
    engine: ScriptedEngine, lanes: Lanes
) -> None:
    begin(lanes, "sda")
    lanes.forget("sda")
    assert engine.forgotten == ["sda"]
    assert begin(lanes, "sda", now=101.0)
    engine.answer("sda", OSError(errno.EIO, "of the old one"))
    assert lanes.finished(101.0) == []
    engine.answer("sda")
    assert findings(lanes, 102.0) == {"sda": "0/0"}


def test_a_forgotten_device_gives_its_place_in_the_group_back(engine: ScriptedEngine) -> None:
    lanes = small(engine, fresh=1, capacity=1)
    begin(lanes, "sda")
    begin(lanes, "sdb")
    lanes.forget("sda")
    lanes.finished(100.0)
    assert "sdb" in engine.names


def test_a_call_reports_what_it_returned(engine: ScriptedEngine, lanes: Lanes) -> None:
    assert lanes.call("delete sda", "host0", lambda: 7, now=100.0, deadline=110.0, token=7)
    assert not lanes.call("delete sda", "host0", lambda: 8, now=100.0, deadline=110.0, token=7)
    engine.finish_call(next(iter(engine.called)))
    assert [(end.finding, end.token) for end in lanes.finished(101.0)] == [(7, 7)]


def test_a_call_that_is_late_is_reported_and_its_end_frees_its_lane(engine: ScriptedEngine, lanes: Lanes) -> None:
    lanes.call("suspend", "maps", lambda: None, now=100.0, deadline=101.0, token=None)
    assert findings(lanes, 101.0) == {"suspend": TimedOut(asked=True)}
    assert lanes.busy("suspend")
    engine.finish_call(next(iter(engine.called)))
    assert lanes.finished(102.0) == []
    assert not lanes.busy("suspend")


def closing(log: list[str]) -> Dialogue[str]:
    try:
        yield TUR
    finally:
        log.append("closed")
    return ""


@pytest.mark.parametrize("how", ["deadline", "forget", "close", "refused"])
def test_a_dialogue_that_gets_no_answer_is_closed(engine: ScriptedEngine, lanes: Lanes, how: str) -> None:
    log: list[str] = []
    if how == "refused":
        begin(lanes, "sda")
    lanes.start(DeviceName("sda"), "host0", (dialogue := closing(log)), now=100.0, deadline=101.0, token=None)
    match how:
        case "deadline":
            lanes.finished(101.0)
        case "forget":
            lanes.forget("sda")
        case "close":
            lanes.close()
    with pytest.raises(StopIteration):
        next(dialogue)
    assert log == ([] if how == "refused" else ["closed"])


def test_a_groups_capacity_is_three_quarters_of_what_its_host_can_queue() -> None:
    host = FakeHost(
        files={"/sys/class/scsi_host/host3/can_queue": b"192\n", "/sys/class/scsi_host/host4/can_queue": b"x"}
    )
    capacity = host_capacity(host)
    assert [capacity(group) for group in ("host3", "host4", "nvme0")] == [144, 256, 256]


def test_idle_groups_are_forgotten_when_there_are_very_many(engine: ScriptedEngine) -> None:
    asked: list[str] = []

    def capacity(group: str) -> int:
        asked.append(group)
        return 10

    lanes = Lanes(engine, capacity=capacity)
    for number in [*range(1100), 0]:
        lanes.start(DeviceName("sda"), f"host{number}", question_free(), now=100.0, deadline=101.0, token=None)
        lanes.finished(100.0)
        begin(lanes, "sdb", group=f"host{number}")
        if "sdb" in engine.names:
            engine.answer("sdb", GOOD)
        lanes.finished(100.0)
    assert asked.count("host0") == 2


def question_free() -> Dialogue[str]:
    questions: list[Question] = []
    yield from questions
    return ""


def asking_again(commands: int) -> Dialogue[Repeated]:
    return (yield from repeated(Repeat(((TUR, GOOD),) * commands)))


def test_commands_that_go_out_together_count_as_many(engine: ScriptedEngine) -> None:
    lanes = small(engine, fresh=4, capacity=6)
    for name in ("sda", "sdb", "sdc"):
        lanes.start(DeviceName(name), "host0", asking_again(3), now=100.0, deadline=110.0, token=None)
    assert engine.names == ["sda", "sdb"]
    lanes.finished(100.6)  # both are slow now, but the host holds no more
    assert engine.names == ["sda", "sdb"]
    engine.answer("sda", Repeated(3))
    assert findings(lanes, 100.7) == {"sda": Repeated(3)}
    assert engine.names == ["sdb", "sdc"]
    for name in ("sdb", "sdc"):
        engine.answer(name, Repeated(3))
    assert set(findings(lanes, 100.8)) == {"sdb", "sdc"}


def test_others_get_a_moment_between_two_answers_and_between_two_that_are_late(
    engine: ScriptedEngine, lanes: Lanes
) -> None:
    moments: list[None] = []
    lanes.breathe = lambda: moments.append(None)
    for name in ("sda", "sdb", "sdc", "sdd"):
        begin(lanes, name)
    for name in ("sda", "sdb"):
        engine.answer(name)
    lanes.finished(101.0)
    assert len(moments) == 2
    lanes.finished(110.0)
    assert len(moments) == 2 + 4  # deadlines of those that have answered are passed over then
