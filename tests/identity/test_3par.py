"""The name of a 3PAR volume, in page 0xC0."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observers.identity_3par import volume_name
from observers.snapshot import Hex


def page(name: bytes, *, revision: int = 4, length: int | None = None) -> Hex:
    """A page as such an array gives it."""
    body = bytes([revision]) + bytes(35) + (len(name) if length is None else length).to_bytes(4, "big") + name
    return Hex((bytes([0, 0xC0]) + len(body).to_bytes(2, "big") + body).hex())


@pytest.mark.parametrize(
    ("given_page", "name"),
    [
        pytest.param(page(b"oracle-data.7"), "oracle-data.7", id="a name"),
        pytest.param(page(b"padded\0\0\0"), "padded", id="it ends at the first null"),
        pytest.param(page(b""), "", id="an empty one"),
        pytest.param(page(b"name", revision=3), "", id="a revision without names"),
        pytest.param(page(b"name", length=5), "", id="longer than the page"),
        pytest.param(page(b"name", length=2**32 - 1), "", id="far longer"),
        pytest.param(page(b"na\n\x1bme\xff"), "na??me\ufffd", id="what is no text is not passed on"),
        pytest.param(Hex("00c0"), "", id="cut off in its header"),
        pytest.param(Hex(""), "", id="nothing"),
    ],
)
def test_the_name_is_what_the_page_says(given_page: Hex, name: str) -> None:
    assert volume_name(given_page) == name


@given(st.binary(max_size=300))
def test_whatever_a_device_says_is_a_line_of_text_or_nothing(data: bytes) -> None:
    name = volume_name(Hex(data.hex()))
    assert name.isprintable()
    assert len(name) <= len(data)
