"""Whatever a device answers and the kernel refuses, a checker ends with a known state, after few questions."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observers.asking import Answer, CcissReady, DirectRead, NvmeAdmin, Question, Repeat, ScsiCommand, converse
from observers.checkers import CHECKERS, Task, check
from observers.checkers.judging import Recollection
from observers.host import Block, ScsiReply
from observers.kernel.scsi import reads_only
from observers.snapshot import PathState
from tests.observers.checking import PATH

_BYTES = st.integers(0, 255)
_SENSE = st.binary(max_size=96) | st.builds(
    lambda key, asc, ascq: bytes([0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, asc, ascq, 0, 0, 0, 0]),
    st.integers(0, 15),
    st.sampled_from([0x04, 0x24, 0x25, 0x29]),
    st.integers(0, 15),
)
_PAGES = st.builds(lambda page, rest: bytes([0, page, 0, 44]) + rest, st.sampled_from([0xC0, 0xC9]), st.binary())
_REPLIES = st.builds(
    lambda status, host, driver, sense, data: ScsiReply(
        status=status, host_status=host, driver_status=driver, sense=sense, data=data
    ),
    st.sampled_from([0, 0, 2, 0x18, 0x22]) | _BYTES,
    st.sampled_from([0, 0, 1, 2, 7]) | st.integers(0, 65535),
    st.sampled_from([0, 8]) | st.integers(0, 65535),
    _SENSE,
    _PAGES | st.binary(max_size=4096),
)
_ERRNOS = st.sampled_from([errno.EIO, errno.ENOTTY, errno.ENXIO, errno.EACCES, errno.ETIMEDOUT, errno.ENOMEM])
_RECOLLECTIONS = st.builds(
    lambda unit, inactive: Recollection(unit=unit, inactive_snapshot=inactive), st.binary(max_size=16), st.booleans()
)
_MOST_QUESTIONS = 8


class _Anything:
    """Answers each question with something of its kind; time passes."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data
        self.asked: list[Question] = []

    def __call__(self, question: Question) -> Answer:
        self.asked.append(question)
        error = self._data.draw(st.none() | _ERRNOS)
        if error is not None:
            raise OSError(error, "refused")
        assert not isinstance(question, Repeat)
        match question:
            case ScsiCommand():
                assert reads_only(question.cdb)
                return self._data.draw(_REPLIES)
            case DirectRead():
                return Block(self._data.draw(st.binary(max_size=4096)), 0.001)
            case CcissReady():
                return self._data.draw(st.booleans())
            case NvmeAdmin():
                raise AssertionError("no checker asks an NVMe device")

    def clock(self) -> float:
        return float(len(self.asked))


@pytest.mark.parametrize("name", [checker.name for checker in CHECKERS])
@given(data=st.data())
def test_every_checker_ends_with_a_state(name: str, data: st.DataObject) -> None:
    device = _Anything(data)
    task = Task(timeout=30.0, clock=device.clock, recollection=data.draw(_RECOLLECTIONS))
    found = converse(check(PATH, name, task), device)
    assert found.health.checker == name
    assert found.health.state in PathState
    assert len(device.asked) <= _MOST_QUESTIONS
    assert found.health.message[:1] in ("", " ", ":")
