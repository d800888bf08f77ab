"""The checkers of arrays: rdac, hp_sw, emc_clariion, by the pages and sense codes that such arrays answer with."""

import errno
from dataclasses import replace

import pytest

from observers.checkers.judging import NOTHING, Recollection
from observers.host import ScsiReply
from tests.observers.checking import checked, words
from tests.observers.fake_host import GOOD, check_condition, good, transport_error

UP, DOWN = ["up", " reports path is up"], ["down", " reports path is down"]
GHOST = ["ghost", " reports path is ghost"]
WILD = ["wild", " doesn't support this device"]
NO_NODE = ["unchecked", " has no usable fd"]
NO_CONNECT, BUS_BUSY, ERROR, RESET, SOFT_ERROR, DISRUPTED = 1, 2, 7, 8, 0x0B, 0x0E
PASSING = [BUS_BUSY, ERROR, SOFT_ERROR, DISRUPTED]
ILLEGAL_REQUEST = check_condition(5, 0x24, 0)
RECOVERED, NOT_READY = check_condition(1, 0x17, 0), check_condition(2, 4, 3)


def down(reason: str) -> list[str]:
    return ["down", f" reports path is down: {reason}"]


# ---- rdac


def rdac_page(*, flags: int = 0x01, first: int = 0, own: int = 0, reason: int = 0, other: int = 0) -> bytes:
    """VPD page 0xC9. `flags`: 1 owner, 0x10 with target port groups, 0x20 I/O shipping."""
    return bytes([first, 0xC9, 0, 0x2C]) + b"vac1" + bytes([flags, 0, own, reason, other]).ljust(40, b"\0")


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        pytest.param(rdac_page(), UP, id="owner"),
        pytest.param(rdac_page(flags=0x20), UP, id="I/O shipping"),
        pytest.param(rdac_page(flags=0), GHOST, id="not the owner"),
        pytest.param(rdac_page(first=0x20), down("lun not connected"), id="qualifier 1"),
        pytest.param(rdac_page(first=0x1F), down("lun not connected"), id="no disk"),
        pytest.param(rdac_page(flags=0x11), UP, id="owner, optimized"),
        pytest.param(rdac_page(flags=0x11, own=3, reason=2), down("non-responsive to queries"), id="silent"),
        pytest.param(rdac_page(flags=0x11, own=3, reason=3), down("ctlr held in reset"), id="reset"),
        pytest.param(rdac_page(flags=0x11, own=3, reason=4), down("ctlr firmware downloading"), id="firmware"),
        pytest.param(rdac_page(flags=0x11, own=3, reason=5), down("ctlr firmware downloading"), id="firmware, second"),
        pytest.param(rdac_page(flags=0x11, own=3, reason=6), down("ctlr quiesced by admin request"), id="quiesced"),
        pytest.param(rdac_page(flags=0x11, own=3, reason=7), down("ctlr is in service mode"), id="service"),
        pytest.param(rdac_page(flags=0x11, own=3, reason=0), down("ctlr is unavailable"), id="unavailable"),
        pytest.param(rdac_page(flags=0x11, own=0x0F), down("ctlr is in startup sequence"), id="it alone in transition"),
        pytest.param(rdac_page(flags=0x10, own=0x0F, other=0x0F), GHOST, id="both in transition"),
        pytest.param(rdac_page(flags=0x01, own=3), UP, id="unavailable, but the page has no groups"),
        pytest.param(rdac_page()[:13], down("inquiry failed"), id="cut off"),
        pytest.param(b"", down("inquiry failed"), id="nothing"),
    ],
)
def test_rdac_page(page: bytes, expected: list[str]) -> None:
    found, asked = checked("rdac", good(page))
    assert list(words(found)) == expected
    assert [getattr(question, "cdb", b"").hex() for question in asked] == ["1201c9003000"]


@pytest.mark.parametrize(
    ("answer", "expected", "count"),
    [
        pytest.param(ILLEGAL_REQUEST, WILD, 1, id="page unknown"),
        pytest.param(errno.ENOTTY, WILD, 1, id="no SCSI device"),
        pytest.param(NOT_READY, down("inquiry failed"), 1, id="not ready"),
        pytest.param(transport_error(NO_CONNECT), down("inquiry failed"), 1, id="DID_NO_CONNECT"),
        pytest.param(transport_error(RESET), down("inquiry failed"), 1, id="DID_RESET"),
        *(pytest.param(transport_error(each), down("inquiry failed"), 5, id=f"host status {each}") for each in PASSING),
        pytest.param(errno.EIO, down("inquiry failed"), 1, id="refused by the kernel"),
        pytest.param(errno.EACCES, NO_NODE, 1, id="no permission"),
        pytest.param(replace(RECOVERED, data=rdac_page()), UP, 1, id="recovered error"),
    ],
)
def test_rdac_inquiry_that_fails(answer: ScsiReply | int, expected: list[str], count: int) -> None:
    found, asked = checked("rdac", answer)
    assert list(words(found)) == expected
    assert len(asked) == count


def test_rdac_is_up_when_the_transport_recovers() -> None:
    found, asked = checked("rdac", *[transport_error(BUS_BUSY)] * 4, good(rdac_page()))
    assert list(words(found)) == UP
    assert len(asked) == 5


# ---- hp_sw


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([good(b"\0\x80\0\x04ABCD"), GOOD], UP, id="both good"),
        pytest.param([good(b"\0\x80\0\0"), check_condition(2, 4, 2)], GHOST, id="passive"),
        pytest.param([good(b"\0\x80\0\0"), transport_error(NO_CONNECT)], GHOST, id="lost in between"),
        pytest.param([good(b"\0\x80\0\0"), errno.EIO], GHOST, id="refused in between"),
        pytest.param([RECOVERED, GOOD], UP, id="recovered error"),
        pytest.param([ILLEGAL_REQUEST], WILD, id="page unknown"),
        pytest.param([errno.ENOTTY], WILD, id="no SCSI device"),
        pytest.param([NOT_READY], DOWN, id="not ready for INQUIRY"),
        pytest.param([transport_error(BUS_BUSY)], DOWN, id="transport busy"),
        pytest.param([errno.EIO], DOWN, id="refused by the kernel"),
        pytest.param([errno.EACCES], NO_NODE, id="no permission"),
    ],
)
def test_hp_sw_inquires_then_asks_whether_it_is_ready(answers: list[ScsiReply | int], expected: list[str]) -> None:
    found, asked = checked("hp_sw", *answers)
    assert list(words(found)) == expected
    assert [getattr(question, "cdb", b"").hex() for question in asked] == ["12018000ff00", "000000000000"][
        : len(answers)
    ]


# ---- emc_clariion

WWN = bytes.fromhex("600601601234567890abcdef01020304")
HEALTHY = ["up", ": Active path is healthy"]
CONFIGURATION = ["down", ": Path not correctly configured for failover"]
FORMAT = ["down", ": Path unit report page in unknown format"]


def emc_page(*, state: int = 1, wwn: bytes = WWN, **bytes_at: int) -> bytes:
    """VPD page 0xC0. `state`: 0 unbound, 1 bound, 2 active here; `bN`: the byte N."""
    page = bytearray(128)
    page[1], page[4], page[10:26] = 0xC0, state, wwn
    page[27], page[28], page[30] = 3, 6, 4
    for place, value in bytes_at.items():
        page[int(place.removeprefix("b"))] = value
    return bytes(page)


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        pytest.param(emc_page(), HEALTHY, id="passive"),
        pytest.param(emc_page(b28=4), HEALTHY, id="failover mode of passive not ready"),
        pytest.param(emc_page(b1=0xC1), FORMAT, id="another page"),
        pytest.param(emc_page(b9=1), FORMAT, id="another revision"),
        pytest.param(emc_page()[:48], FORMAT, id="cut off"),
        pytest.param(emc_page(b27=2), CONFIGURATION, id="another initiator type"),
        pytest.param(emc_page(b28=5), CONFIGURATION, id="another failover mode"),
        pytest.param(emc_page(b30=0), CONFIGURATION, id="no array communication path"),
        pytest.param(emc_page(b48=1), ["shaky", ": Path not available for normal operations"], id="not available"),
        pytest.param(emc_page(state=0), ["down", ": Logical Unit is unbound or LUNZ"], id="unbound"),
    ],
)
def test_emc_page(page: bytes, expected: list[str]) -> None:
    found, asked = checked("emc_clariion", good(page))
    assert list(words(found)) == expected
    assert [getattr(question, "cdb", b"").hex() for question in asked] == ["1201c0008000"]


@pytest.mark.parametrize(
    ("answer", "expected", "count"),
    [
        pytest.param(ILLEGAL_REQUEST, WILD, 1, id="page unknown"),
        pytest.param(errno.ENOTTY, WILD, 1, id="no SCSI device"),
        pytest.param(errno.EIO, ["down", ": sending query command failed"], 1, id="refused by the kernel"),
        pytest.param(errno.EACCES, NO_NODE, 1, id="no permission"),
        pytest.param(NOT_READY, ["down", ": query command indicates error"], 1, id="not ready"),
        pytest.param(transport_error(RESET), ["down", ": query command indicates error"], 1, id="DID_RESET"),
        *(
            pytest.param(
                transport_error(each), ["down", ": query command indicates error"], 5, id=f"host status {each}"
            )
            for each in PASSING
        ),
    ],
)
def test_emc_inquiry_that_fails(answer: ScsiReply | int, expected: list[str], count: int) -> None:
    found, asked = checked("emc_clariion", answer)
    assert list(words(found)) == expected
    assert len(asked) == count


def test_emc_remembers_the_unit_and_fails_a_path_that_leads_to_another() -> None:
    first, _ = checked("emc_clariion", good(emc_page()))
    assert first.recollection == Recollection(unit=WWN)
    other = good(emc_page(wwn=bytes(16)))
    second, _ = checked("emc_clariion", other, recollection=first.recollection)
    assert list(words(second)) == ["down", ": Logical Unit WWN has changed"]
    assert second.recollection == first.recollection


@pytest.mark.parametrize("inactive", [False, True], ids=["as ever", "snapshot active again"])
def test_emc_reads_where_the_unit_is_active(inactive: bool) -> None:
    before = Recollection(unit=WWN, inactive_snapshot=inactive)
    found, asked = checked("emc_clariion", good(emc_page(state=2)), good(bytes(512)), recollection=before)
    assert list(words(found)) == HEALTHY
    assert [getattr(question, "cdb", b"")[0] for question in asked] == [0x12, 0x28]
    assert found.recollection == Recollection(unit=WWN)


def test_emc_tells_a_snapshot_that_is_not_active_by_the_read_on_its_active_path() -> None:
    found, _ = checked("emc_clariion", good(emc_page(state=2)), check_condition(5, 0x25, 1))
    assert list(words(found)) == ["down", ""]
    assert found.recollection == Recollection(unit=WWN, inactive_snapshot=True)


def test_emc_fails_passive_paths_of_a_snapshot_that_is_not_active() -> None:
    found, asked = checked("emc_clariion", good(emc_page()), recollection=Recollection(inactive_snapshot=True))
    assert list(words(found)) == ["down", ""]
    assert len(asked) == 1


@pytest.mark.parametrize("answer", [check_condition(3, 0x11, 0), transport_error(NO_CONNECT), errno.EIO])
def test_emc_read_error_is_down(answer: ScsiReply | int) -> None:
    found, _ = checked("emc_clariion", good(emc_page(state=2)), answer)
    assert list(words(found)) == ["down", ": Read error"]
    assert not found.recollection.inactive_snapshot


def test_other_checkers_hand_back_what_they_were_given() -> None:
    before = Recollection(unit=WWN, inactive_snapshot=True)
    assert checked("tur", GOOD, recollection=before)[0].recollection == before
    assert checked("tur", GOOD)[0].recollection == NOTHING
