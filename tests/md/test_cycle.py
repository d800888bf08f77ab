"""From a failure to its end, on the in-memory kernel."""

import errno
import re
from contextlib import suppress

import pytest

from actuators.md import apply_md
from actuators.steps import AddMdMember, Changed, MdStep, Outcome, ReAddMdMember, Refused, RemoveMdMember
from controller.reconcile.md import INTERVAL, MdMemory, after_md
from controller.runtime.md_cycle import MdDecision, decide_md, reconcile_md
from controller.sandbox.block import Result
from controller.sandbox.errors import Killed
from controller.sandbox.host import SandboxHost
from observers.kernel.md_superblock import VERSIONS
from observers.snapshot import Snapshot

from .worlds import md0, seen, states, world

SDA_FAILS = "now offline sda\nnow md-io md0 read\n"


class Daemon:
    """What a resident program does, with the sandbox's clock: ask, plan, do, remember; `cycle` at any time."""

    def __init__(self, host: SandboxHost) -> None:
        self.host, self.memory = host, MdMemory()
        self.done: list[tuple[MdStep, Outcome]] = []
        self.wake_at: float | None = None

    def cycle(self) -> MdDecision:
        snapshot = seen(self.host)
        decision = decide_md(self.host, snapshot, self.memory, self.host.monotonic())
        outcomes = apply_md(self.host, decision.plan.steps)
        self.done += outcomes
        self.memory = after_md(decision.memory, snapshot, outcomes, self.host.monotonic())
        self.wake_at = decision.plan.wake_at
        return decision

    def sleep(self) -> None:
        """Until the plan wants to be woken."""
        assert self.wake_at is not None
        self.host.advance(self.wake_at - self.host.monotonic())


def once(host: SandboxHost) -> tuple[list[MdStep], list[Outcome]]:
    outcomes = reconcile_md(host, seen(host), on_decision=lambda _: None, on_outcome=lambda *_: None)
    return [step for step, _ in outcomes], [outcome for _, outcome in outcomes]


def working(host: SandboxHost) -> int:
    return sum(1 for member in md0(host).members if member.slot is not None and not member.faulty)


@pytest.mark.parametrize("metadata", VERSIONS)
def test_a_path_that_came_back_is_given_back(metadata: str) -> None:
    host = world(SDA_FAILS, metadata=metadata)
    assert once(host) == ([], [])
    host.happen("online", "sda")
    steps, outcomes = once(host)
    assert ([type(step) for step in steps], outcomes) == ([ReAddMdMember], [Changed()])
    assert working(host) == 3
    assert once(host) == ([], [])


def test_a_path_that_never_had_a_place_is_removed_and_added() -> None:
    host = world()
    host.write_attribute("/sys/block/md0/md/new_dev", b"8:48")
    host.happen("md-fail", "md0", "sdd")
    steps, outcomes = once(host)
    assert [type(step) for step in steps] == [ReAddMdMember, RemoveMdMember, AddMdMember]
    assert [getattr(outcome, "error", 0) for outcome in outcomes] == [errno.EBUSY, 0, 0]
    assert states(host)["sdd"] == "spare None"


def test_a_path_that_came_back_as_another_disk_is_left_alone() -> None:
    host = world(SDA_FAILS)
    host.kernel.arrays["debug"].units[0].medium.clear()
    host.happen("online", "sda")
    assert once(host) == ([], [])
    assert states(host)["sda"] == "faulty None"


def test_the_daemon_asks_every_15_seconds_until_the_path_is_back() -> None:
    host = world()
    daemon = Daemon(host)
    daemon.cycle()
    assert daemon.wake_at is None
    host.happen("offline", "sda")
    host.happen("md-io", "md0", "read")
    failed_at, reads = host.monotonic(), []
    daemon.cycle()
    for _ in range(3):
        before = host.reads["direct_read"]
        daemon.sleep()
        daemon.cycle()
        reads.append((host.monotonic() - failed_at, host.reads["direct_read"] - before))
    assert reads == [(INTERVAL, 1), (2 * INTERVAL, 1), (3 * INTERVAL, 1)]
    host.happen("online", "sda")
    daemon.cycle()
    assert working(host) == 2, "not before it is due"
    daemon.sleep()
    daemon.cycle()
    assert (working(host), daemon.done) == (3, [(daemon.done[0][0], Changed())])
    daemon.cycle()
    assert daemon.wake_at is None


def test_a_path_that_reads_well_and_fails_all_writes_is_tried_once_an_interval() -> None:
    host = world()
    daemon = Daemon(host)
    daemon.cycle()
    for _ in range(3):
        host.happen("md-fail", "md0", "sda")
        daemon.cycle()
        assert working(host) == 2
        daemon.sleep()
        daemon.cycle()
        assert working(host) == 3
    assert len(daemon.done) == 3
    assert host.monotonic() >= 3 * INTERVAL


def test_what_is_removed_and_refused_is_asked_until_it_can_be_added() -> None:
    host = world()
    host.write_attribute("/sys/block/md0/md/new_dev", b"8:48")
    host.happen("md-fail", "md0", "sdd")
    daemon = Daemon(host)
    host.faults.fail_change("/sys/block/md0/md/new_dev", errno.EBUSY)
    while "sdd" not in states(host) or not any(isinstance(step, AddMdMember) for step, _ in daemon.done):
        daemon.cycle()
        daemon.sleep()
    kinds = [(type(step).__name__, isinstance(outcome, Refused)) for step, outcome in daemon.done]
    assert kinds == [
        ("ReAddMdMember", True),
        ("RemoveMdMember", False),
        ("AddMdMember", True),
        ("AddMdMember", False),
    ]
    assert states(host)["sdd"] == "spare None"


@pytest.mark.parametrize("call", [1, 2, 3])
def test_killed_at_any_write_the_next_start_ends_where_the_first_would_have(call: int) -> None:
    host = world("now md-fail md0 sda sdb\n")
    host.faults.kill_at(call)
    with suppress(Killed):
        once(host)
    host.restart()
    once(host)
    assert working(host) == 3


def test_killed_between_adding_a_member_and_its_place_the_next_start_gives_it_the_place() -> None:
    host = world()
    host.happen("md-fail", "md0", "sda")
    host.write_attribute("/sys/block/md0/md/dev-sda/state", b"remove")
    host.write_attribute("/sys/block/md0/md/new_dev", b"8:0")
    assert [type(step) for step in once(host)[0]] == [AddMdMember]
    assert working(host) == 3


def test_without_a_host_nobody_is_asked_and_nothing_planned() -> None:
    host = world(SDA_FAILS)
    host.happen("online", "sda")
    decision = decide_md(None, seen(host), MdMemory(), 0.0)
    assert (decision.pending, host.reads["direct_read"]) == (False, 0)
    assert "sda has failed" in decision.plan.arrays[0].reasons[0]


def test_a_host_without_md_arrays() -> None:
    decision = decide_md(None, Snapshot(taken_at=0.0, host=seen(world()).host), MdMemory(), 0.0)
    assert decision.plan.arrays == ()


def test_a_last_path_stays_and_io_that_found_another_path_ends_well() -> None:
    host = world("now offline sda sdb\nnow md-io md0 read\n")
    assert [io.result for io in host.requests] == [Result.DONE]
    assert re.search(r"\[3/1\] \[__U\]", host.read_file("/proc/mdstat").decode())
