"""Threads that ask again what was answered before: what they bring, and that nothing waits for a silent device."""

import errno
import threading
from collections.abc import Iterator

import pytest

from controller.runtime.engine import Doorbell
from controller.runtime.repeating import PATIENCE, Repeating
from controller.runtime.sg_nodes import Job, Nodes
from observers.asking import Repeat, Repeated, ScsiCommand
from observers.engine import Answered
from observers.host import ScsiReply
from observers.kernel.sg import Command
from observers.snapshot import DeviceName
from tests.observers.fake_host import FakeHost
from tests.runtime.dialogues import GOOD, TUR
from tests.runtime.fake_sg import PATIENCE as LIMIT
from tests.runtime.fake_sg import FakeNodes, readable

BUSY = ScsiReply(status=8, host_status=0, driver_status=0, sense=b"", data=b"")
INQUIRY = ScsiCommand(cdb=bytes([0x12, 0, 0, 0, 36, 0]), reply_length=36, timeout=30.0)
TWICE = Repeat(((TUR, GOOD), (INQUIRY, GOOD)))


class Devices:
    """What devices answer. `silent`: those that do not, until they are let go."""

    def __init__(self, nodes: FakeNodes) -> None:
        self._nodes = nodes
        self.says: dict[str, list[ScsiReply | OSError]] = {}
        self.silent: set[str] = set()
        self.asked: list[str] = []
        self.entered, self._let_go = threading.Semaphore(0), threading.Event()

    def ask(self, _command: Command, descriptor: int) -> ScsiReply:
        name = next(each for each, known in self._nodes.descriptors.items() if known == descriptor)
        self.asked.append(name)
        if name in self.silent:
            self.entered.release()
            assert self._let_go.wait(LIMIT)
        answers = self.says.get(name)
        answer = answers.pop(0) if answers else GOOD
        if isinstance(answer, OSError):
            raise answer
        return answer

    def wait_entered(self) -> None:
        """Until a thread waits for a silent device."""
        assert self.entered.acquire(timeout=LIMIT)

    def let_go(self) -> None:
        self._let_go.set()


class Rig:
    """Two threads over fake nodes, and the test's clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.nodes, self.bell = FakeNodes(), Doorbell()
        self.devices = Devices(self.nodes)
        self.open = Nodes(FakeHost(), locate=self.nodes.locate, open_file=self.nodes.open_file)
        self.repeating = Repeating(
            self.open, threads=2, ring=self.bell.ring, clock=lambda: self.now, ask=self.devices.ask
        )  # fmt: skip

    def submit(self, ticket: int, name: str, group: str = "host0") -> bool:
        return self.repeating.submit(Job(ticket, DeviceName(name), group, TWICE))

    def answers(self, count: int) -> list[Answered]:
        """As many answers."""
        found = self.repeating.completed()
        while len(found) < count:
            assert readable(self.bell.fileno())
            self.bell.quiet()
            found += self.repeating.completed()
        return found


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.devices.let_go()
    made.repeating.close()
    for thread in made.repeating.threads:
        thread.join(LIMIT)
    made.open.close()
    made.nodes.close()
    made.bell.close()


def test_all_that_is_answered_as_before_is_one_answer(rig: Rig) -> None:
    rig.submit(7, "sda")
    assert rig.answers(1) == [Answered(7, Repeated(2))]
    assert rig.devices.asked == ["sda", "sda"]
    assert rig.repeating.due() is None


@pytest.mark.parametrize("place", [0, 1])
def test_the_first_other_answer_ends_it(rig: Rig, place: int) -> None:
    rig.devices.says["sda"] = [*[GOOD] * place, BUSY]
    rig.submit(7, "sda")
    assert rig.answers(1) == [Answered(7, Repeated(place, BUSY))]
    assert rig.devices.asked == ["sda"] * (place + 1)


def test_an_error_of_the_kernel_is_the_answer_and_the_node_is_opened_anew_then(rig: Rig) -> None:
    rig.devices.says["sda"] = [OSError(errno.ENODEV, "gone")]
    rig.submit(7, "sda")
    (answered,) = rig.answers(1)
    assert isinstance(answered.answer, OSError)
    assert len(rig.open) == 0
    rig.submit(8, "sda")
    assert rig.answers(1) == [Answered(8, Repeated(2))]
    assert rig.nodes.opened == ["sda", "sda"]


def test_a_host_has_one_thread_and_the_others_of_a_silent_device_are_given_back_in_time(rig: Rig) -> None:
    rig.devices.silent.add("sda")
    rig.submit(1, "sda")
    rig.devices.wait_entered()
    rig.submit(2, "sdb")
    rig.submit(3, "sdx", "host1")
    assert rig.answers(1) == [Answered(3, Repeated(2))]
    assert rig.repeating.due() == rig.now + PATIENCE
    assert rig.repeating.overdue() == []
    rig.now += PATIENCE
    assert [job.ticket for job in rig.repeating.overdue()] == [2]
    assert rig.repeating.due() is None
    assert "sdb" not in rig.devices.asked
    rig.devices.let_go()
    assert rig.answers(1) == [Answered(1, Repeated(2))]


def test_a_host_that_kept_somebody_waiting_gets_no_thread_for_a_while(rig: Rig) -> None:
    rig.devices.silent.add("sda")
    rig.submit(1, "sda")
    rig.devices.wait_entered()
    rig.now += PATIENCE
    assert rig.repeating.overdue() == []
    assert not rig.submit(2, "sdb")
    assert rig.submit(3, "sdx", "host1")
    rig.devices.let_go()
    rig.answers(2)
    rig.now += 60.0
    assert rig.submit(4, "sdb")
    assert rig.answers(1) == [Answered(4, Repeated(2))]


def test_what_no_thread_has_begun_can_be_cancelled(rig: Rig) -> None:
    rig.devices.silent.add("sda")
    rig.submit(1, "sda")
    rig.devices.wait_entered()
    rig.submit(2, "sdb")
    assert rig.repeating.cancel(2)
    assert not rig.repeating.cancel(1)


def test_a_node_that_is_forgotten_while_a_thread_waits_in_it_is_closed_by_that_thread(rig: Rig) -> None:
    rig.devices.silent.add("sda")
    rig.submit(1, "sda")
    rig.devices.wait_entered()
    rig.open.forget(DeviceName("sda"))
    assert len(rig.open) == 0
    rig.devices.let_go()
    assert rig.answers(1) == [Answered(1, Repeated(2))]
    assert rig.nodes.command("sda") == b""  # the end of the node: nothing has it open any more


def test_replies_that_a_thread_waits_for_wake_nobody_else(rig: Rig) -> None:
    rig.submit(1, "sda")
    rig.answers(1)
    rig.nodes.device("sda").send(b"a reply")
    assert rig.open.events() == []
