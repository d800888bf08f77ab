"""The sg engine, with real threads and real descriptors; the devices are the test's."""

import errno
import os
import struct
from collections.abc import Iterator

import pytest

from controller.runtime.engine import Doorbell
from controller.runtime.sg_engine import SgEngine
from controller.runtime.sg_nodes import Job, Nodes, NoNode
from observers.asking import Repeat, Repeated, ScsiCommand
from observers.engine import Answered
from observers.host import ScsiReply
from observers.kernel.sg import identity
from observers.snapshot import DeviceName
from tests.observers.fake_host import FakeHost
from tests.runtime.dialogues import GOOD, TUR
from tests.runtime.fake_sg import PATIENCE, FakeNodes, readable, reply_to


class Rig:
    """An engine of two submitting threads over fake nodes."""

    def __init__(self) -> None:
        self.nodes, self.bell = FakeNodes(), Doorbell()
        self.open = Nodes(FakeHost(), locate=self.nodes.locate, open_file=self.nodes.open_file)
        self.engine = SgEngine(self.open, threads=2, ring=self.bell.ring)

    def submit(self, ticket: int, name: str, group: str = "host0", question: ScsiCommand | Repeat = TUR) -> None:
        self.engine.submit(Job(ticket, DeviceName(name), group, question))

    def replies(self) -> list[Answered]:
        """The next replies."""
        assert readable(self.open.fileno())
        return self.engine.completed()

    def refusals(self) -> list[Answered]:
        """The next errors of submitting threads."""
        assert readable(self.bell.fileno())
        self.bell.quiet()
        return self.engine.completed()


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.engine.close()
    made.open.close()
    made.nodes.close()
    for thread in made.engine.threads:
        thread.join(PATIENCE)
    made.bell.close()


def test_a_reply_comes_back_under_its_ticket(rig: Rig) -> None:
    rig.submit(7, "sda")
    rig.nodes.answer("sda")
    assert rig.replies() == [Answered(7, GOOD)]


def test_what_the_kernel_says_of_the_command_is_in_the_reply(rig: Rig) -> None:
    rig.submit(7, "sda")
    rig.nodes.answer("sda", status=2, host_status=1)
    (answered,) = rig.replies()
    assert isinstance(answered.answer, ScsiReply)
    assert (answered.answer.status, answered.answer.host_status) == (2, 1)


def test_a_node_is_opened_once_and_kept(rig: Rig) -> None:
    for ticket in (1, 2, 3):
        rig.submit(ticket, "sda")
        rig.nodes.answer("sda")
        rig.replies()
    assert rig.nodes.opened == ["sda"]
    assert len(rig.open) == 1


def test_a_silent_disk_keeps_no_other(rig: Rig) -> None:
    for ticket in range(1, 101):
        rig.submit(ticket, f"sd{ticket}", group=f"host{ticket % 4}")
    for ticket in range(1, 101):
        rig.nodes.command(f"sd{ticket}")  # and none of them is answered
    rig.submit(101, "sdx")
    rig.nodes.answer("sdx")
    assert rig.replies() == [Answered(101, GOOD)]


def test_a_host_with_no_free_tag_keeps_one_thread_and_no_other_host(rig: Rig) -> None:
    rig.nodes.full |= {"sda", "sdb", "sdc"}
    for ticket, name in ((1, "sda"), (2, "sdb"), (3, "sdc")):
        rig.submit(ticket, name, "host0")
    rig.nodes.device("sda")
    rig.submit(4, "sdx", "host1")
    rig.nodes.answer("sdx")
    assert rig.replies() == [Answered(4, GOOD)]
    assert rig.nodes.opened == ["sda", "sdx"]
    for name in ("sda", "sdb", "sdc"):
        rig.nodes.device(name).close()


def test_what_no_thread_has_begun_can_be_cancelled(rig: Rig) -> None:
    rig.nodes.full.add("sda")
    rig.submit(1, "sda")
    rig.nodes.device("sda")
    rig.submit(2, "sdb")
    assert rig.engine.cancel(2)
    assert not rig.engine.cancel(1)
    rig.nodes.device("sda").close()
    rig.submit(3, "sdc")
    rig.nodes.answer("sdc")
    assert "sdb" not in rig.nodes.opened


def test_a_disk_without_a_node_is_said_to_have_none(rig: Rig) -> None:
    rig.nodes.missing["sda"] = FileNotFoundError(errno.ENOENT, "no scsi_generic")
    rig.submit(1, "sda")
    ((_, answer),) = [(known.ticket, known.answer) for known in rig.refusals()]
    assert isinstance(answer, NoNode)


def test_another_refusal_is_the_answer(rig: Rig) -> None:
    rig.nodes.missing["sda"] = OSError(errno.EMFILE, "too many open files")
    rig.submit(1, "sda")
    (answered,) = rig.refusals()
    assert isinstance(answered.answer, OSError)
    assert (answered.ticket, answered.answer.errno) == (1, errno.EMFILE)


def test_a_command_that_does_not_only_read_is_never_sent(rig: Rig) -> None:
    rig.submit(1, "sda", question=ScsiCommand(cdb=bytes([0x2A, *bytes(9)]), reply_length=0, timeout=1.0))
    (answered,) = rig.refusals()
    assert isinstance(answered.answer, OSError)
    assert answered.answer.errno == errno.EPERM
    assert rig.nodes.command("sda") == b""


def test_removing_a_device_answers_what_is_out_and_closes_the_node(rig: Rig) -> None:
    rig.submit(1, "sda")
    rig.nodes.command("sda")
    rig.nodes.remove("sda")
    (answered,) = rig.replies()
    assert isinstance(answered.answer, OSError)
    assert len(rig.open) == 0


def test_removing_an_idle_device_closes_the_node_and_says_nothing(rig: Rig) -> None:
    rig.submit(1, "sda")
    rig.nodes.answer("sda")
    rig.replies()
    rig.nodes.remove("sda")
    assert rig.replies() == []
    assert len(rig.open) == 0


def test_the_next_command_after_a_removal_goes_to_the_device_that_has_the_name_then(rig: Rig) -> None:
    rig.submit(1, "sda")
    rig.nodes.answer("sda")
    rig.replies()
    rig.nodes.remove("sda")
    rig.replies()
    rig.submit(2, "sda")
    rig.nodes.answer("sda")
    assert rig.replies() == [Answered(2, GOOD)]
    assert rig.nodes.opened == ["sda", "sda"]


def test_a_forgotten_node_is_closed_with_its_command(rig: Rig) -> None:
    rig.submit(1, "sda")
    rig.nodes.command("sda")
    rig.open.forget(DeviceName("sda"))
    assert rig.nodes.command("sda") == b""  # the end of the node: nothing has it open any more
    assert len(rig.open) == 0


def test_a_node_that_a_thread_is_writing_to_is_closed_by_that_thread(rig: Rig) -> None:
    rig.nodes.full.add("sda")
    rig.submit(1, "sda")
    device = rig.nodes.device("sda")
    descriptor = rig.nodes.descriptors["sda"]
    while len(rig.open) == 0:  # it is open, and will be known in an instant
        pass
    rig.open.forget(DeviceName("sda"))
    os.fstat(descriptor)
    device.close()
    (answered,) = rig.refusals()
    assert isinstance(answered.answer, OSError)
    assert answered.answer.errno == errno.ESTALE
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_a_reply_to_another_command_is_no_reply(rig: Rig) -> None:
    rig.submit(1, "sda")
    header = rig.nodes.command("sda")
    rig.nodes.device("sda").send(header[:-40] + bytes(40))
    rig.nodes.device("sda").send(b"short")
    (answered,) = rig.replies()
    rig.submit(2, "sdb")
    header = rig.nodes.command("sdb")
    rig.nodes.device("sdb").send(b"short")
    (short,) = rig.replies()
    for found in (answered, short):
        assert isinstance(found.answer, OSError)
        assert found.answer.errno == errno.EBADMSG


INQUIRY = ScsiCommand(cdb=bytes([0x12, 0, 0, 0, 36, 0]), reply_length=36, timeout=30.0)
EMPTY = ScsiReply(status=0, host_status=0, driver_status=0, sense=b"", data=bytes(36))
ALL = Repeat(((TUR, GOOD), (INQUIRY, EMPTY), (TUR, GOOD)))


def out(rig: Rig, name: str) -> list[bytes]:
    """The commands of `ALL`, which are all out before any is answered."""
    return [rig.nodes.command(name) for _ in ALL.asked]


def reply(rig: Rig, header: bytes, *, status: int = 0) -> None:
    rig.nodes.device("sda").send(reply_to(header, status=status))


def test_commands_of_a_repeat_go_out_together_and_are_one_answer(rig: Rig) -> None:
    rig.submit(7, "sda", question=ALL)
    first, *others = out(rig, "sda")
    reply(rig, first)
    assert rig.replies() == []
    for header in others:
        reply(rig, header)
    assert rig.replies() == [Answered(7, Repeated(3))]


def test_replies_may_come_in_any_order(rig: Rig) -> None:
    rig.submit(7, "sda", question=ALL)
    for header in reversed(out(rig, "sda")):
        reply(rig, header)
    while not (found := rig.replies()):
        pass
    assert found == [Answered(7, Repeated(3))]


def test_commands_that_are_out_together_are_told_apart(rig: Rig) -> None:
    rig.submit(7, "sda", question=ALL)
    assert len({identity(header) for header in out(rig, "sda")}) == len(ALL.asked)


def test_a_thousand_disks_cost_no_more_of_the_memory_that_replies_come_into(rig: Rig) -> None:
    places = set()
    for number in range(10):
        rig.submit(number, f"sd{number}", question=INQUIRY)
        places.add(struct.unpack_from("=Q", rig.nodes.command(f"sd{number}"), 16)[0])  # dxferp
    assert len(places) == 1


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_first_other_answer_is_what_a_repeat_brings(rig: Rig, place: int) -> None:
    rig.submit(7, "sda", question=ALL)
    for number, header in enumerate(out(rig, "sda")):
        reply(rig, header, status=8 if number >= place else 0)
    while not (found := rig.replies()):
        pass
    ((ticket, answer),) = [(each.ticket, each.answer) for each in found]
    assert isinstance(answer, Repeated)
    assert isinstance(answer.other, ScsiReply)
    assert (ticket, answer.same, answer.other.status) == (7, place, 8)
    rig.submit(8, "sda")
    rig.nodes.answer("sda")
    assert rig.replies() == [Answered(8, GOOD)]


def test_a_device_that_is_removed_is_the_other_answer_of_a_repeat(rig: Rig) -> None:
    rig.submit(7, "sda", question=ALL)
    first, *_ = out(rig, "sda")
    reply(rig, first)
    assert rig.replies() == []
    rig.nodes.remove("sda")
    (answered,) = rig.replies()
    assert isinstance(answered.answer, Repeated)
    assert answered.answer.same == 1
    assert isinstance(answered.answer.other, OSError)
    assert len(rig.open) == 0
