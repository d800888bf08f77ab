"""The dialogues of a check: with a device that is new, and with one that was introduced before; and what they bring.

In: a path, what to ask, a checker's task. Out: generators of questions that end with a `Finding`; and a finding for
what ended otherwise, late or by an error. They keep nothing, and ask identity last, where the path works.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum

from controller.runtime.lanes import TimedOut
from observers import examination
from observers.asking import MOST_TOGETHER, Answer, Dialogue, Question, Repeat, ScsiCommand, repeated
from observers.checkers import Recollection, Task, late, pending
from observers.checkers.judging import NOTHING
from observers.host import ScsiReply
from observers.kernel.scsi import Sense
from observers.probe import Probe
from observers.reading import OUR_OWN
from observers.snapshot import DeviceName, Gap, Health, Path, PathState


class Told(Enum):
    """When in a check a device was asked who it is."""

    NOT = "not"
    EARLY = "before it was checked"
    LATE = "after it was checked"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a dialogue was begun for: a path, which device it was then, and the epoch of its identity. `introduces`: the
    device is asked everything. `by_kernel`: the kernel's own word was enough, and no device was asked."""

    name: DeviceName
    incarnation: tuple[str, ...] | None
    epoch: int
    checker: str
    introduces: bool = False
    by_kernel: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check brought. `asked`: the questions and answers that it is made of; empty: one was not answered."""

    path: Path
    gaps: tuple[Gap, ...] = ()
    recollection: Recollection = NOTHING
    attentions: tuple[Sense, ...] = ()
    identity: Told = Told.NOT
    asked: tuple[tuple[Question, Answer], ...] = ()


def finding_of(result: object, path: Path, checker: str) -> Finding:
    """What a check brought, also when it brought nothing: an answer that is late, or an error."""
    match result:
        case Finding() as finding:
            return finding
        case TimedOut(asked=True):
            return Finding(path=replace(path, health=late(checker)))
        case TimedOut():
            return Finding(path=replace(path, health=pending(checker)))
        case OSError() as error if error.errno in OUR_OWN:
            return Finding(path=replace(path, health=pending(checker)))
        case error:
            text = f" failed: {type(error).__name__}: {error}"
            return Finding(path=replace(path, health=Health(checker, PathState.UNCHECKED, text)))


def first_check(path: Path, probe: Probe, task: Task, probing: Callable[[Path], Probe | None]) -> Dialogue[Finding]:
    """Everything that a device can say; by whom it is checked may depend on what it says first."""
    told = yield from examination.introduce(path, probe)
    known = told.path
    examined = yield from examination.examine(known, probing(known) or probe, task)
    return Finding(
        path=examined.path,
        gaps=(*told.gaps, *examined.gaps),
        recollection=examined.recollection,
        attentions=examined.attentions,
        identity=Told.EARLY if probe.identity else Told.NOT,
    )


def check_again(path: Path, probe: Probe, task: Task) -> Dialogue[Finding]:
    """Whether a path works, how good it is, and last, if it works, whether it is still what it was."""
    examined = yield from examination.examine(path, probe, task)
    found, gaps, identity = examined.path, examined.gaps, Told.NOT
    if probe.identity and (found.health.state.usable or found.health.state is PathState.PENDING):
        told = yield from examination.confirm(found, reports=probe.prioritizer == "alua")
        found, gaps, identity = told.path, (*gaps, *told.gaps), Told.LATE
    return Finding(
        path=found, gaps=gaps, recollection=examined.recollection, attentions=examined.attentions, identity=identity
    )


def with_answers(dialogue: Dialogue[Finding]) -> Dialogue[Finding]:
    """The same dialogue, with what was asked and answered in its finding."""
    return _going_on(dialogue, (), None)


def repetition(known: Finding) -> Repeat | None:
    """All that was asked for a finding, as one question; None: not all were SCSI commands, or they are too many."""
    commands = tuple(
        (question, answer)
        for question, answer in known.asked
        if isinstance(question, ScsiCommand) and isinstance(answer, ScsiReply)
    )
    return Repeat(commands) if len(commands) == len(known.asked) <= MOST_TOGETHER else None


def once_more(known: Finding, repeat: Repeat | None, whole: Callable[[], Dialogue[Finding]]) -> Dialogue[Finding]:
    """What was asked for a finding, asked again: that very finding if all answers are the same, else the one of a whole
    dialogue, which is given the answers that were the same before it goes on. `repeat`: the finding's `repetition`."""
    same, given = yield from (_one_by_one(known.asked) if repeat is None else _at_once(repeat))
    return known if given is None else (yield from _going_on(whole(), known.asked[:same], given))


def _at_once(repeat: Repeat) -> Dialogue[tuple[int, Answer | OSError | None]]:
    """How many answers were the same, and the first that was not."""
    try:
        found = yield from repeated(repeat)
    except OSError as error:
        return 0, error
    return found.same, found.other


def _one_by_one(asked: tuple[tuple[Question, Answer], ...]) -> Dialogue[tuple[int, Answer | OSError | None]]:
    """Likewise, of questions of any kind."""
    for place, (question, answer) in enumerate(asked):
        try:
            given: Answer | OSError = yield question
        except OSError as error:
            given = error
        if given != answer:
            return place, given
    return len(asked), None


def _going_on(
    dialogue: Dialogue[Finding], before: Iterable[tuple[Question, Answer]], given: Answer | OSError | None
) -> Dialogue[Finding]:
    """A dialogue that was given some answers already, and last this one (None: its first question was not asked).

    An error that says nothing of the device is not for the dialogue to judge: it ends it."""
    asked = list(before)
    refused = False
    try:
        question = next(dialogue)
        for _, answer in asked:
            question = dialogue.send(answer)
        while True:
            if given is None:
                try:
                    given = yield question
                except OSError as error:
                    given = error
            reply, given = given, None
            if isinstance(reply, OSError):
                if reply.errno in OUR_OWN:
                    raise reply
                refused = True
                question = dialogue.throw(reply)
            else:
                asked.append((question, reply))
                question = dialogue.send(reply)
    except StopIteration as end:
        finding: Finding = end.value
        return finding if refused else replace(finding, asked=tuple(asked))
    finally:
        dialogue.close()
