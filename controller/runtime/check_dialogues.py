"""The dialogues of a check: with a device that is new, and with one that was introduced before; and what they bring.

In: a path, what to ask, a checker's task. Out: generators of questions that end with a `Finding`; and a finding for
what ended otherwise, late or by an error. They keep nothing, and ask identity last, where the path works.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from controller.runtime.lanes import TimedOut
from observers import examination
from observers.asking import Dialogue
from observers.checkers import Recollection, Task, pending
from observers.checkers.judging import NOTHING
from observers.kernel.scsi import Sense
from observers.probe import Probe
from observers.snapshot import Gap, Health, Path, PathState


class Told(Enum):
    """When in a check a device was asked who it is."""

    NOT = "not"
    EARLY = "before it was checked"
    LATE = "after it was checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check brought."""

    path: Path
    gaps: tuple[Gap, ...] = ()
    recollection: Recollection = NOTHING
    attentions: tuple[Sense, ...] = ()
    identity: Told = Told.NOT


def finding_of(result: object, path: Path, checker: str) -> Finding:
    """What a check brought, also when it brought nothing: an answer that is late, or an error."""
    match result:
        case Finding() as finding:
            return finding
        case TimedOut(asked=True):
            return Finding(path=replace(path, health=Health(checker, PathState.TIMEOUT, " timed out")))
        case TimedOut():
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
