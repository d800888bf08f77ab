"""What a checker found of a unit is known to the checks of all its paths."""

import errno

import pytest

from controller.runtime.check_dialogues import Finding, Told
from controller.runtime.questions import Questions
from observers.asking import Answer, Question, converse
from observers.probe import Probe
from observers.snapshot import PathState, Wwid
from tests.builders import scsi_path, unit_wwid
from tests.observers.fake_host import check_condition, good
from tests.observers.test_array_checkers import emc_page

PROBE = Probe(checker="emc_clariion", checker_timeout=30, identity=False)
ACTIVE, PASSIVE, ELSEWHERE = (scsi_path(number, unit_wwid(0)) for number in range(3))
INACTIVE = check_condition(5, 0x25, 1)


@pytest.fixture
def questions() -> Questions:
    maps = {ACTIVE.name: Wwid("3a"), PASSIVE.name: Wwid("3a"), ELSEWHERE.name: Wwid("3b")}
    made = Questions(lambda: 0.0, maps.get)
    made.choose_by(lambda _path: PROBE)
    return made


def state(questions: Questions, path: object, *answers: Answer) -> PathState:
    """What a check of a path comes to, with these answers."""
    left = list(answers)

    def answer(_question: Question) -> Answer:
        if not left:
            raise OSError(errno.EIO, "asked too much")
        return left.pop(0)

    finding: Finding = converse(questions.dialogue(path, PROBE), answer)  # type: ignore[arg-type]  # a Path
    questions.answered(finding.path.name, finding, introduced=finding.identity is Told.EARLY)
    return finding.path.health.state


def test_a_snapshot_that_is_not_active_is_down_on_all_paths_of_its_map(questions: Questions) -> None:
    assert state(questions, PASSIVE, good(emc_page())) is PathState.UP
    assert state(questions, ACTIVE, good(emc_page(state=2)), INACTIVE) is PathState.DOWN
    assert state(questions, PASSIVE, good(emc_page())) is PathState.DOWN
    assert state(questions, ELSEWHERE, good(emc_page())) is PathState.UP
    assert state(questions, ACTIVE, good(emc_page(state=2)), good(bytes(512))) is PathState.UP
    assert state(questions, PASSIVE, good(emc_page())) is PathState.UP
