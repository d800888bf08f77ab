"""md arrays in the daemon, where answers and outcomes come when they come."""

import errno
from collections.abc import Sequence

from actuators.md import apply_md
from actuators.steps import MdStep, ReAddMdMember
from controller.reconcile.md import MdTarget
from controller.runtime.md_keeper import MdKeeper
from controller.sandbox.host import SandboxHost
from observers.asking import ask
from observers.md_member import probe_member

from .worlds import md0, states, world


class Lanes:
    """Keeps questions and steps until they are to be answered."""

    def __init__(self, host: SandboxHost, *, interval: float = 15.0) -> None:
        self.host = host
        self.questions: list[MdTarget] = []
        self.work: list[Sequence[MdStep]] = []
        self.keeper = MdKeeper(host, ask=self.questions.append, do=self.work.append, interval=interval)
        self.keeper.turn(host.monotonic())

    def answer(self) -> None:
        """All questions, as the devices answer now."""
        questions, self.questions[:] = list(self.questions), []
        for target in questions:
            finding = ask(self.host, target.member.name, probe_member(target.array, target.member))
            self.keeper.answered(finding, self.host.monotonic())

    def do(self) -> None:
        """The steps that were handed out."""
        self.keeper.done(apply_md(self.host, self.work.pop(0)), self.host.monotonic())

    def wait(self) -> None:
        """Until the keeper wants to be woken."""
        assert self.keeper.wake_at is not None
        self.host.advance(self.keeper.wake_at - self.host.monotonic())
        self.keeper.turn(self.host.monotonic())

    def event(self) -> None:
        self.keeper.turn(self.host.monotonic())


def failed_later(*names: str) -> Lanes:
    """The keeper has seen a healthy array, then these members fail."""
    lanes = Lanes(world())
    lanes.host.happen("md-fail", "md0", *names)
    lanes.event()
    return lanes


def test_nothing_failed_so_it_asks_for_nothing_and_sleeps() -> None:
    lanes = Lanes(world())
    assert (lanes.questions, lanes.work, lanes.keeper.wake_at) == ([], [], None)


def test_a_failed_member_is_asked_and_given_back() -> None:
    lanes = failed_later("sda")
    assert lanes.questions == []
    lanes.wait()
    lanes.answer()
    (steps,) = lanes.work
    assert [type(step) for step in steps] == [ReAddMdMember]
    lanes.do()
    assert states(lanes.host)["sda"] == "in_sync 0"
    assert (lanes.work, lanes.keeper.wake_at) == ([], None)


def test_a_member_that_does_not_answer_is_not_asked_twice_and_the_loop_does_not_spin() -> None:
    lanes = failed_later("sda")
    for _ in range(5):
        before = lanes.host.monotonic()
        lanes.wait()
        assert lanes.host.monotonic() - before == 15.0
    assert len(lanes.questions) == 1


def test_an_answer_that_comes_while_steps_are_done_is_kept() -> None:
    lanes = failed_later("sda", "sdb")
    lanes.wait()
    first, second = lanes.questions
    for target in (first, second):
        finding = ask(lanes.host, target.member.name, probe_member(target.array, target.member))
        lanes.keeper.answered(finding, lanes.host.monotonic())
        lanes.event()
    assert [step.name for steps in lanes.work for step in steps] == ["sda"]
    lanes.do()
    assert [step.name for steps in lanes.work for step in steps] == ["sdb"]
    lanes.do()
    assert [member.faulty for member in md0(lanes.host).members] == [False] * 3


def test_an_answer_counts_once() -> None:
    lanes = failed_later("sda")
    lanes.wait()
    lanes.answer()
    lanes.do()
    lanes.host.happen("md-fail", "md0", "sda")
    lanes.event()
    assert lanes.work == []


def test_a_refusal_is_waited_out() -> None:
    lanes = failed_later("sda")
    lanes.host.faults.fail_change("/sys/block/md0/md/dev-sda/state", errno.EACCES)
    lanes.wait()
    lanes.answer()
    lanes.do()
    assert (lanes.work, lanes.questions) == ([], [])
    lanes.wait()
    lanes.answer()
    lanes.do()
    assert states(lanes.host)["sda"] == "in_sync 0"


def test_another_interval() -> None:
    lanes = Lanes(world(), interval=2.0)
    lanes.host.happen("md-fail", "md0", "sda")
    lanes.event()
    assert lanes.keeper.wake_at == lanes.host.monotonic() + 2.0


def test_a_spare_that_does_not_get_its_place_is_tried_later() -> None:
    lanes = Lanes(world("now md-fail md0 sda\n"))
    lanes.host.write_attribute("/sys/block/md0/md/dev-sda/state", b"remove")
    lanes.host.write_attribute("/sys/block/md0/md/new_dev", b"8:0")
    lanes.host.faults.fail_change("/sys/block/md0/md/dev-sda/slot", errno.EBUSY)
    lanes.event()
    lanes.do()
    assert lanes.work == []
    lanes.wait()
    lanes.do()
    assert states(lanes.host)["sda"] == "in_sync 0"
