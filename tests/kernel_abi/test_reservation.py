"""Persistent reservation commands and answers have the bytes of SPC-5."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observers.kernel import reservation
from observers.kernel.scsi import ScsiFormatError

KEYS = st.integers(min_value=0, max_value=reservation.LARGEST_KEY)


def test_the_only_command_that_changes_something_registers_and_ignores_the_existing_key() -> None:
    assert reservation.REGISTER.hex() == "5f060000000000001800"


@pytest.mark.parametrize(
    ("key", "aptpl", "text"),
    [
        pytest.param(0xABC123, False, "00000000000000000000000000abc123" + "00" * 8, id="a key"),
        pytest.param(1, True, "00000000000000000000000000000001" + "0000000001000000", id="through power loss"),
        pytest.param(0, False, "00" * 24, id="none: the registration is taken away"),
    ],
)
def test_parameters_have_the_bytes_of_the_standard(key: int, aptpl: bool, text: str) -> None:
    assert reservation.parameters(key, aptpl=aptpl).hex() == text
    assert reservation.decode_parameters(reservation.parameters(key, aptpl=aptpl)) == (key, aptpl)


@given(st.lists(KEYS, max_size=8), st.binary(max_size=16))
def test_keys_survive_the_way_and_what_follows_does_not_count(keys: list[int], rest: bytes) -> None:
    data = reservation.encode_keys(tuple(keys), generation=3) + rest
    assert reservation.decode_keys(data) == tuple(keys)


def test_an_answer_that_says_more_than_it_has_is_read_as_far_as_it_goes() -> None:
    data = reservation.encode_keys((1, 2, 3), generation=1)[:-5]
    assert reservation.decode_keys(data) == (1, 2)


@pytest.mark.parametrize("key", [None, 0, 0xABC], ids=["nobody", "all registrants", "a key"])
def test_a_holder_survives_the_way(key: int | None) -> None:
    assert reservation.decode_holder(reservation.encode_holder(key, 5, generation=1)) == key


@pytest.mark.parametrize("decode", [reservation.decode_keys, reservation.decode_holder], ids=["keys", "holder"])
def test_an_answer_without_a_header_is_an_error(decode: object) -> None:
    assert callable(decode)
    with pytest.raises(ScsiFormatError, match="7 bytes"):
        decode(bytes(7))


def test_parameters_that_are_too_short_are_an_error() -> None:
    with pytest.raises(ScsiFormatError, match="needs 24"):
        reservation.decode_parameters(bytes(23))
