"""Frames as clients make and read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.client import wire
from controller.protocol import frames


def test_a_request_is_its_length_its_text_and_a_nul() -> None:
    assert wire.request("show daemon") == (12).to_bytes(8, "little") + b"show daemon\0"


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=100))
def test_clients_and_the_daemon_write_the_same_frames(text: str) -> None:
    assert wire.request(text) == frames.encode_request(text)


def test_the_longest_request_is_512_bytes_with_its_nul() -> None:
    assert len(wire.request("x" * 511)) == 8 + 512
    with pytest.raises(ValueError, match="513 bytes, of which the daemon takes 512"):
        wire.request("x" * 512)


@pytest.mark.parametrize(
    ("length", "taken"),
    [(0, None), (1, 1), (wire.REPLY_MAX - 1, wire.REPLY_MAX - 1), (wire.REPLY_MAX, None), (1 << 63, None)],
)
def test_a_reply_is_shorter_than_32_mib_and_not_empty(length: int, taken: int | None) -> None:
    assert wire.reply_length(length.to_bytes(8, "little")) == taken


@pytest.mark.parametrize(
    ("body", "text"),
    [(b"ok\n\0", "ok\n"), (b"ok\n\0rest", "ok\n"), (b"ok\n!", "ok\n"), (b"\xff\n\0", "\udcff\n"), (b"\0", "")],
    ids=["with a NUL", "behind the NUL nothing counts", "the last byte is the NUL's", "no UTF-8", "empty"],
)
def test_the_text_of_a_reply(body: bytes, text: str) -> None:
    assert wire.reply(body) == text


def test_an_abstract_name_begins_with_a_nul_for_the_kernel() -> None:
    assert wire.address("@/org/x") == "\0/org/x"
    assert wire.address("/run/x.socket") == "/run/x.socket"
