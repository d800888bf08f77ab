"""What must not end the daemon, nor let it run hot, nor let it grow: defects, hung jobs, overtaken answers."""

import math
from collections.abc import Callable

import pytest

from controller.runtime.executor import Executor
from controller.runtime.group_queue import GroupQueue
from controller.runtime.lanes import Finished
from controller.runtime.world import World
from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import load_scenario
from observers.snapshot import DeviceName, Path, Wwid
from tests.service.instant import look_at_all
from tests.service.virtual import FILES, Virtual


@pytest.fixture
def daemon() -> Virtual:
    made = Virtual("small")
    made.settled()
    made.live(30)
    return made


def rounds_in(daemon: Virtual, seconds: float) -> int:
    """Rounds of the loop while time passes."""
    clock, count = daemon.host.kernel.clock, 0
    end = clock.now + seconds
    while clock.now < end:
        daemon.service.loop.round(longest=min(30.0, max(0.0, end - clock.now)))
        count += 1
        assert count < 20_000, f"it runs hot: {count} rounds, and {end - clock.now} s are left"
    return count


def defects(daemon: Virtual) -> list[str]:
    return [event.text for event in daemon.events if "a defect of mpathctl" in event.text]


def wwid_of(daemon: Virtual, name: str) -> Wwid:
    live = daemon.map(name)
    assert live is not None
    return live.wwid


# ---- running hot

MOST_ROUNDS = 50
"""A second: ten look at the states of disks, each check has a few."""


def nothing(_daemon: Virtual) -> None:
    """The host as it is."""


def a_path_down(daemon: Virtual) -> None:
    daemon.host.happen("offline", "sdb")


def a_fabric_down(daemon: Virtual) -> None:
    daemon.host.happen("adapter-down", "2")


def a_unit_unmapped(daemon: Virtual) -> None:
    daemon.host.happen("unmap", "ontap:0")


def records_that_cannot_be_written(daemon: Virtual) -> None:
    daemon.host.remove_file("/etc/multipath/wwids")
    for name in ("bindings", "wwids"):
        daemon.host.faults.fail_change(f"/etc/multipath/{name}", 30, count=10**6)
    daemon.host.happen("delete", "sdb")
    daemon.host.happen("scan", "1")


def loads_that_are_refused(daemon: Virtual) -> None:
    daemon.host.faults.fail_ioctl("TABLE_LOAD", 22, count=10**6)
    daemon.host.happen("delete", "sdb")


def messages_that_are_refused(daemon: Virtual) -> None:
    daemon.host.faults.fail_ioctl("TARGET_MSG", 22, count=10**6)
    daemon.host.happen("offline", "sdb")


def a_failed_path_by_command(daemon: Virtual) -> None:
    daemon.ask("fail path sdb")


def a_map_suspended(daemon: Virtual) -> None:
    daemon.ask("suspend map data")


@pytest.mark.parametrize(
    "happens",
    [
        nothing, a_path_down, a_fabric_down, a_unit_unmapped, records_that_cannot_be_written, loads_that_are_refused,
        messages_that_are_refused, a_failed_path_by_command, a_map_suspended,
    ],
    ids=lambda each: each.__name__,
)  # fmt: skip
def test_it_does_not_run_hot(daemon: Virtual, happens: Callable[[Virtual], None]) -> None:
    happens(daemon)
    daemon.live(5)
    assert rounds_in(daemon, 60) <= 60 * MOST_ROUNDS


def test_a_map_that_is_being_worked_on_when_its_time_comes_does_not_make_the_loop_run_hot(daemon: Virtual) -> None:
    reconciler, wwid = daemon.service.reconciler, wwid_of(daemon, "data")
    reconciler.occupy(wwid, "a job that hangs")
    reconciler._undecided.wake[wwid] = daemon.host.monotonic() + 1.0
    assert rounds_in(daemon, 10) <= 10 * MOST_ROUNDS
    reconciler.release(wwid)
    daemon.settled()


# ---- defects


def test_a_defect_in_a_decision_on_one_map_stops_that_map_only(
    daemon: Virtual, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = wwid_of(daemon, "mpatha")
    decider = daemon.service.decider
    some, everything = decider.some, decider.everything

    def broken_some(wwids: frozenset[Wwid], now: float) -> object:
        if bad in wwids:
            raise KeyError("nobody foresaw this")
        return some(wwids, now)

    def broken_everything(now: float, **_others: object) -> object:
        raise KeyError("nor this")

    monkeypatch.setattr(decider, "some", broken_some)
    monkeypatch.setattr(decider, "everything", broken_everything)
    daemon.service.reconciler.look_at_everything()
    daemon.host.happen("offline", "sdb")
    daemon.until(lambda: daemon.active("data")["sdb"] is False)
    daemon.until(lambda: bool(defects(daemon)))
    assert rounds_in(daemon, 30) <= 30 * MOST_ROUNDS
    monkeypatch.setattr(decider, "some", some)
    monkeypatch.setattr(decider, "everything", everything)
    daemon.settled()


def test_a_defect_in_the_choice_of_what_to_ask_one_path_stops_that_path_only(
    daemon: Virtual, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = daemon.service.checks
    probe = checks._questions.probe

    def broken(path: Path) -> object:
        if path.name == "sdd":
            raise ZeroDivisionError
        return probe(path)

    monkeypatch.setattr(checks._questions, "probe", broken)
    daemon.live(30)
    daemon.host.happen("offline", "sdb")
    daemon.until(lambda: daemon.active("data")["sdb"] is False)
    assert any("sdd" in text for text in defects(daemon))
    assert all(active for name, active in daemon.active("data").items() if name != "sdb")
    monkeypatch.setattr(checks._questions, "probe", probe)
    told = len(defects(daemon))
    daemon.live(60)
    assert len(defects(daemon)) == told, "it was asked again, in its time"


def test_a_defect_in_taking_an_answer_is_told_and_the_path_is_asked_again(
    daemon: Virtual, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks, taken = daemon.service.checks, list[str]()
    take = checks.take

    def broken(finished: Finished, *, now: float) -> object:
        if finished.key == "sdd":
            taken.append(finished.key)
            raise IndexError
        return take(finished, now=now)

    monkeypatch.setattr(checks, "take", broken)
    daemon.live(120)
    assert len(taken) >= 2
    assert any("sdd" in text for text in defects(daemon))
    assert set(daemon.active("data").values()) == {True}


def test_a_defect_in_the_reply_to_a_client_is_a_failure_of_that_request(
    daemon: Virtual, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object, **_others: object) -> object:
        raise RuntimeError("no state")

    monkeypatch.setattr(daemon.service.portraitist, "state", broken)
    assert daemon.ask("show paths") == "fail\n"
    assert defects(daemon)


def test_a_source_of_events_with_a_defect_neither_ends_the_loop_nor_makes_it_run_hot(
    daemon: Virtual, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object, **_others: object) -> None:
        raise LookupError("an event that nobody understands")

    monkeypatch.setattr(daemon.service.noticer, "changes", broken)
    assert rounds_in(daemon, 20) <= 20 * MOST_ROUNDS
    told = defects(daemon)
    assert 1 <= len(told) <= 3, "the first time, the 10th and the 100th"
    assert "test_surviving.py" in told[0]


# ---- overtaken answers, jobs that hang


def test_a_path_that_was_to_be_asked_and_is_not_any_more_does_not_keep_the_start_from_its_end(
    daemon: Virtual, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = daemon.service.checks
    checks._expecting.add(DeviceName("sda"))
    monkeypatch.setattr(checks._questions, "probe", lambda _path: None)
    checks.look_now(DeviceName("sda"), now=daemon.host.monotonic())
    daemon.until(lambda: "sda" not in checks._expecting)


def test_what_happens_to_a_path_while_it_is_asked_makes_it_asked_again_at_once(daemon: Virtual) -> None:
    daemon.host.happen("link", "silent", "sdb")
    daemon.service.checks.look_now(DeviceName("sdb"), now=daemon.host.monotonic())
    daemon.until(lambda: daemon.service.lanes.busy("sdb"))
    daemon.service.checks.look_now(DeviceName("sdb"), now=daemon.host.monotonic())
    daemon.live(0.2)
    assert "sdb" in daemon.service.checks._again
    daemon.host.happen("link", "up", "sdb")
    daemon.until(lambda: "sdb" not in daemon.service.checks._again, within=60)


def test_a_configuration_that_cannot_be_read_does_not_keep_the_next_from_being_read(
    daemon: Virtual, monkeypatch: pytest.MonkeyPatch
) -> None:
    lanes, calls = daemon.service.lanes, list[Callable[[], object]]()
    run = lanes._engine.run
    monkeypatch.setattr(lanes._engine, "run", lambda _ticket, _group, call: calls.append(call))
    daemon.service.reconfigure()
    daemon.live(40)
    assert any("could not be read" in event.text for event in daemon.events)
    monkeypatch.setattr(lanes._engine, "run", run)
    daemon.service.reconfigure()
    daemon.until(lambda: any(event.text == "read again and in force" for event in daemon.events))


def test_two_requests_about_one_map_are_done_one_after_the_other(
    daemon: Virtual, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, calls = daemon.service.lanes._engine, list[Callable[[], None]]()
    run = engine.run
    monkeypatch.setattr(
        engine, "run", lambda ticket, group, call: calls.append(lambda: run(ticket, group, call))
    )  # fmt: skip
    replies: list[str] = []
    executor: Executor = daemon.service.executor
    live = daemon.map("data")
    assert live is not None
    for _ in range(2):
        executor._flush(live, replies.append, daemon.host.monotonic())
    daemon.live(1)
    assert len(calls) == 1
    calls.pop()()
    daemon.until(lambda: len(replies) == 1)
    daemon.until(lambda: len(calls) == 1)


# ---- growth


def test_jobs_that_were_cancelled_leave_nothing_behind() -> None:
    queue: GroupQueue[str] = GroupQueue(width=1)
    queue.put("host1", 1, "the one that hangs")
    assert queue.take() is not None
    for ticket in range(2, 1000):
        queue.put("host1", ticket, "a check")
        assert queue.cancel(ticket)
    assert not any(queue._waiting.values())
    assert not queue._jobs
    queue.done("host1")
    queue.put("host1", 1000, "the next")
    taken = queue.take()
    assert taken is not None
    assert taken.ticket == 1000


def test_a_job_without_an_end_is_not_among_the_deadlines(daemon: Virtual) -> None:
    service = daemon.service
    service.executor.call("a job", lambda: None, lambda _: None, limit=math.inf)
    assert not [at for at, _, _ in service.lanes._deadlines if at == math.inf]


def test_maps_that_are_gone_leave_nothing_behind(daemon: Virtual) -> None:
    wwid = wwid_of(daemon, "data")
    for name in list(daemon.active("data")):
        daemon.host.happen("delete", name)
    daemon.until(lambda: daemon.map("data") is None, within=60)
    daemon.live(60)
    service = daemon.service
    assert wwid not in service.teller._said
    assert wwid not in service.reconciler._undecided.wake
    assert not service.reconciler._doing._repeats._counts.get(wwid)
    checks = service.checks
    present = set(service.world.names)
    questions = checks._questions
    kept_of_questions = (questions._recollections, questions._probes, questions._strangers)
    for kept in (*kept_of_questions, checks._judge._judged, checks._devs):
        assert set(kept) <= present


def test_a_number_that_a_name_had_before_is_nobodys() -> None:
    host = SandboxHost(load_scenario("small"))
    world = World(host, FILES)
    look_at_all(world)
    name = DeviceName("sdb")
    before = world.path(name)
    assert before is not None
    host.happen("delete", "sdb")
    host.happen("delete", "sda")
    host.happen("scan", "1")
    host.happen("scan", "2")
    look_at_all(world)
    for other in world.names:
        path = world.path(other)
        assert path is not None
        assert world.name_of(path.dev) == other
    assert len(world._by_number) == len(world.names)


def test_an_order_about_a_device_does_not_outlive_it(daemon: Virtual) -> None:
    daemon.ask("del path sdb")
    daemon.ask("fail path sdd")
    for name in ("sdb", "sdd"):
        daemon.host.happen("delete", name)
    daemon.until(lambda: not {"sdb", "sdd"} & {str(name) for name in daemon.service.world.names})
    orders = daemon.service.decider.orders
    assert not orders.removed_paths
    assert not orders.failed_paths
    daemon.host.happen("scan", "1", "2")
    daemon.until(lambda: len(daemon.active("data")) == 4 and all(daemon.active("data").values()), within=60)
