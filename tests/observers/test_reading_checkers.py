"""The checkers that read: directio, readsector0; and cciss_tur, which only gets a yes or no."""

import errno

import pytest

from observers.asking import CcissReady, DirectRead, ScsiCommand
from observers.host import Block, ScsiReply
from tests.observers.checking import checked, words
from tests.observers.fake_host import check_condition, good, transport_error

UP, DOWN = ["up", " reports path is up"], ["down", " reports path is down"]
NO_NODE = ["unchecked", " has no usable fd"]
UNIT_ATTENTION = check_condition(6, 0x29, 0)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(Block(bytes(4096), 0.001), UP, id="a block of 4,096"),
        pytest.param(Block(bytes(512), 20.0), UP, id="a block of 512, late"),
        pytest.param(Block(b"", 0.001), DOWN, id="nothing"),
        pytest.param(Block(bytes(100), 0.001), DOWN, id="less than a block"),
        pytest.param(Block(bytes(512), 0.001, whole=False), DOWN, id="512 bytes of a block of 4,096"),
        pytest.param(errno.EIO, DOWN, id="read error"),
        pytest.param(errno.ENXIO, DOWN, id="device gone"),
        pytest.param(errno.ETIMEDOUT, DOWN, id="no answer in time"),
        pytest.param(errno.EINVAL, ["unchecked", " is not available"], id="no direct reads"),
        pytest.param(errno.EACCES, NO_NODE, id="no permission"),
    ],
)
def test_directio_reads_one_block(answer: Block | int, expected: list[str]) -> None:
    found, asked = checked("directio", answer)
    assert list(words(found)) == expected
    assert asked == [DirectRead(length=0, timeout=7.0)]


@pytest.mark.parametrize(
    ("answers", "expected", "count"),
    [
        pytest.param([good(bytes(512))], UP, 1, id="read"),
        pytest.param([UNIT_ATTENTION, UNIT_ATTENTION, good(bytes(512))], UP, 3, id="after two unit attentions"),
        pytest.param([UNIT_ATTENTION], DOWN, 3, id="unit attentions without an end"),
        pytest.param([check_condition(2, 4, 0x0B)], DOWN, 1, id="standby"),
        pytest.param([transport_error(2)], DOWN, 1, id="transport busy"),
        pytest.param([errno.ENOTTY], DOWN, 1, id="no SCSI device"),
        pytest.param([errno.ENOMEM], UP, 1, id="no memory in the kernel"),
        pytest.param([errno.EACCES], NO_NODE, 1, id="no permission"),
    ],
)
def test_readsector0_reads_the_first_sector(answers: list[ScsiReply | int], expected: list[str], count: int) -> None:
    found, asked = checked("readsector0", *answers)
    assert list(words(found)) == expected
    assert asked == [ScsiCommand(cdb=bytes.fromhex("28000000000000000100"), reply_length=4096, timeout=7.0)] * count


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(True, UP, id="ready"),
        pytest.param(False, DOWN, id="not ready"),
        pytest.param(errno.ENOTTY, DOWN, id="not the cciss driver"),
        pytest.param(errno.EIO, DOWN, id="refused"),
        pytest.param(errno.EPERM, NO_NODE, id="no permission"),
    ],
)
def test_cciss_tur_asks_whether_the_drive_is_ready(answer: bool | int, expected: list[str]) -> None:
    found, asked = checked("cciss_tur", answer)
    assert list(words(found)) == expected
    assert asked == [CcissReady(timeout=7.0)]


def test_none_asks_nothing() -> None:
    found, asked = checked("none", errno.EIO)
    assert list(words(found)) == ["up", ""]
    assert asked == []
