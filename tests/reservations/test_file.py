"""The file of keys: what multipathd writes is understood, and what is written it understands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired.model import Origin, OriginKind, Resolved
from desired.reservations import HEADER, in_force, recorded, rewritten
from desired.values import ReservationKey
from observers.snapshot import Wwid

A, B = Wwid("3600a"), Wwid("3600b")
KEY, LASTING = ReservationKey(0xABC), ReservationKey(0xABC, aptpl=True)
LINE = f"0x0000000000000abc {A}"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        pytest.param(f"{HEADER}{LINE}\n", KEY, id="a key"),
        pytest.param(f"0X0000000000000ABC {A}\n", LASTING, id="a capital X is for persisting through power loss"),
        pytest.param(f"#x0000000000000abc {A}\n", None, id="taken back"),
        pytest.param(f"#x0000000000000abc {A}\n{LINE}\n", None, id="only the first line counts"),
        pytest.param(f"0xabc {A}\n", None, id="too few digits"),
        pytest.param(f"0x0000000000000abc {A}x\n", None, id="another unit that begins alike"),
        pytest.param(f"0x0000000000000000 {A}\n", None, id="a key of zero is none"),
        pytest.param(f"{HEADER}{LINE}", None, id="a line that was not written to its end"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="no file"),
    ],
)
def test_a_text_is_read(text: str | None, key: ReservationKey | None) -> None:
    assert recorded(text).get(A) == key


@pytest.mark.parametrize(
    ("text", "key", "after"),
    [
        pytest.param(None, KEY, f"{HEADER}{LINE}\n", id="a new file gets the header"),
        pytest.param("", KEY, f"{HEADER}{LINE}\n", id="so does an empty one"),
        pytest.param(f"{LINE}\n", LASTING, f"0X0000000000000abc {A}\n", id="a line is replaced"),
        pytest.param(f"#x0000000000000111 {A}\nrest\n", KEY, f"{LINE}\nrest\n", id="one taken back is used again"),
        pytest.param(f"0x0000000000000001 {B}", KEY, f"0x0000000000000001 {B}\n{LINE}\n", id="a last line is ended"),
        pytest.param(f"{LINE}\nrest\n", None, f"#x0000000000000abc {A}\nrest\n", id="taken back"),
        pytest.param(LINE, KEY, f"{LINE}\n", id="the last line is ended when it is replaced"),
        pytest.param(LINE[:-1], KEY, f"{LINE[:-1]}\n{LINE}\n", id="the beginning of a line is another's"),
        pytest.param("rest\n", None, "rest\n", id="nothing to take back"),
    ],
)
def test_a_text_is_rewritten(text: str | None, key: ReservationKey | None, after: str) -> None:
    assert rewritten(text, A, key) == after


NAMES = st.text(alphabet="0123456789abcdef._-", min_size=1, max_size=12).map(Wwid)
SOME_KEYS = st.builds(ReservationKey, st.integers(min_value=1, max_value=2**64 - 1), st.booleans())


@given(st.lists(st.tuples(NAMES, st.none() | SOME_KEYS), max_size=12))
def test_whatever_is_written_is_what_is_read(changes: list[tuple[Wwid, ReservationKey | None]]) -> None:
    text: str | None = None
    expected: dict[Wwid, ReservationKey] = {}
    for wwid, key in changes:
        text = rewritten(text, wwid, key)
        if key is None:
            expected.pop(wwid, None)
        else:
            expected[wwid] = key
    assert recorded(text) == expected


def configured(value: str) -> dict[str, Resolved[str]]:
    return {"reservation_key": Resolved(value, Origin(OriginKind.DEFAULTS))}


@pytest.mark.parametrize(
    ("properties", "key"),
    [
        pytest.param({}, None, id="not configured"),
        pytest.param(configured("0xabc"), KEY, id="in the configuration"),
        pytest.param(configured("0xabc:aptpl"), LASTING, id="in the configuration, through power loss"),
        pytest.param(configured("file"), ReservationKey(7), id="in the file"),
    ],
)
def test_the_key_in_force_is_the_configured_one(
    properties: dict[str, Resolved[str]], key: ReservationKey | None
) -> None:
    assert in_force(properties, {A: ReservationKey(7)}, A) == key


def test_a_map_without_a_line_in_the_file_has_no_key() -> None:
    assert in_force(configured("file"), {A: ReservationKey(7)}, B) is None
