"""A check that asks as the last one did: the same finding for the same answers, a whole check for any other."""

import errno
from collections.abc import Callable
from dataclasses import replace

import pytest

from controller.runtime.check_dialogues import Finding, once_more, repetition, with_answers
from observers.asking import Answer, CcissReady, Dialogue, Question, Repeat, ScsiCommand, again, converse
from observers.host import ScsiReply
from observers.snapshot import Gap, Path
from tests.builders import scsi_path, unit_wwid

PATH = scsi_path(0, unit_wwid(0))
FIRST, SECOND, THIRD = (ScsiCommand(cdb=bytes([0x12, number]), reply_length=4, timeout=1.0) for number in range(3))


def reply(text: str) -> ScsiReply:
    return ScsiReply(status=0, host_status=0, driver_status=0, sense=b"", data=text.encode())


def whole(path: Path = PATH) -> Dialogue[Finding]:
    """Three questions; an error of the second is told as it is, and leaves the third out."""
    told = []
    for question in (FIRST, SECOND, THIRD):
        try:
            answer = yield question
        except OSError as error:
            told.append(f"error {error.errno}")
            break
        assert isinstance(answer, ScsiReply)
        told.append(answer.data.decode())
    return Finding(path=path, gaps=(Gap("told", "told", " ".join(told)),))


def told(finding: Finding) -> str:
    return finding.gaps[0].reason


class Device:
    """Answers by the question, and keeps what it was asked."""

    def __init__(self, **answers: str | int) -> None:
        self._answers = dict(zip((FIRST, SECOND, THIRD), answers.values(), strict=True))
        self.asked: list[Question] = []

    def __call__(self, question: Question) -> Answer:
        if isinstance(question, Repeat):
            return converse(again(question), self)
        self.asked.append(question)
        assert isinstance(question, ScsiCommand)
        answer = self._answers[question]
        if isinstance(answer, int):
            raise OSError(answer, "refused")
        return reply(answer)


def first_finding() -> Finding:
    return converse(with_answers(whole()), Device(a="a", b="b", c="c"))


def forbidden() -> Dialogue[Finding]:
    raise AssertionError("a whole check was begun")


def test_a_finding_has_the_questions_and_answers_that_it_is_made_of() -> None:
    finding = first_finding()
    assert told(finding) == "a b c"
    assert finding.asked == ((FIRST, reply("a")), (SECOND, reply("b")), (THIRD, reply("c")))


def test_a_finding_with_a_question_that_was_refused_has_none() -> None:
    assert converse(with_answers(whole()), Device(a="a", b=errno.EIO, c="c")).asked == ()


def once(known: Finding, make: Callable[[], Dialogue[Finding]]) -> Dialogue[Finding]:
    """As one question, which is how commands are asked again."""
    repeat = repetition(known)
    assert repeat is not None
    return once_more(known, repeat, make)


def one_by_one(known: Finding, make: Callable[[], Dialogue[Finding]]) -> Dialogue[Finding]:
    """As questions of other kinds are asked again."""
    return once_more(known, None, make)


WAYS = [pytest.param(once, id="as one question"), pytest.param(one_by_one, id="one by one")]
Way = Callable[[Finding, Callable[[], Dialogue[Finding]]], Dialogue[Finding]]


def test_what_are_not_only_commands_is_not_one_question() -> None:
    known = first_finding()
    assert repetition(replace(known, asked=(*known.asked, (CcissReady(timeout=1.0), True)))) is None


def test_more_commands_than_a_node_holds_are_not_one_question() -> None:
    known = first_finding()
    (each, *_) = known.asked
    assert repetition(replace(known, asked=(each,) * 16)) is not None
    assert repetition(replace(known, asked=(each,) * 17)) is None


@pytest.mark.parametrize("way", WAYS)
def test_the_same_answers_are_the_same_finding_and_no_whole_check(way: Way) -> None:
    known, device = first_finding(), Device(a="a", b="b", c="c")
    assert converse(way(known, forbidden), device) is known
    assert device.asked == [FIRST, SECOND, THIRD]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("answers", "expected", "questions"),
    [
        pytest.param({"a": "x", "b": "b", "c": "c"}, "x b c", 3, id="the first differs"),
        pytest.param({"a": "a", "b": "x", "c": "c"}, "a x c", 3, id="one in the middle"),
        pytest.param({"a": "a", "b": "b", "c": "x"}, "a b x", 3, id="the last one"),
        pytest.param({"a": errno.EIO, "b": "b", "c": "c"}, "error 5", 1, id="the first is refused"),
        pytest.param({"a": "a", "b": errno.EIO, "c": "c"}, "a error 5", 2, id="a later one is refused"),
    ],
)
def test_another_answer_makes_it_a_whole_check_that_asks_nothing_twice(
    answers: dict[str, str | int], expected: str, questions: int, way: Way
) -> None:
    known, device = first_finding(), Device(**answers)
    finding = converse(way(known, whole), device)
    assert finding is not known
    assert told(finding) == expected
    assert device.asked == [FIRST, SECOND, THIRD][:questions]


def test_what_differed_is_what_the_next_check_is_compared_with() -> None:
    second = converse(once(first_finding(), whole), Device(a="a", b="x", c="c"))
    assert converse(once(second, forbidden), Device(a="a", b="x", c="c")) is second


class Watched:
    """Whole dialogues, and how many of them were closed."""

    def __init__(self) -> None:
        self.closed = 0

    def __call__(self) -> Dialogue[Finding]:
        try:
            return (yield from whole())
        finally:
            self.closed += 1


def test_a_dialogue_that_is_given_up_is_closed() -> None:
    watched = Watched()
    dialogue = with_answers(watched())
    next(dialogue)
    dialogue.close()
    assert watched.closed == 1


def test_one_that_differed_and_is_given_up_is_closed() -> None:
    watched = Watched()
    dialogue = one_by_one(first_finding(), watched)
    next(dialogue)
    dialogue.send(reply("x"))
    dialogue.close()
    assert watched.closed == 1


def test_one_question_that_no_device_could_be_asked_is_a_whole_check_with_that_error() -> None:
    dialogue = once(first_finding(), whole)
    assert isinstance(next(dialogue), Repeat)
    with pytest.raises(StopIteration) as end:
        dialogue.throw(OSError(errno.ENODEV, "gone"))
    assert told(end.value.value) == f"error {errno.ENODEV}"
