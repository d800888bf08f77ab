"""The wire format: what a client may send and in which pieces, what is late, what is too long."""

import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.protocol.frames import (
    LENGTH_BYTES,
    LONGEST_REPLY,
    LONGEST_REQUEST,
    TIMED_OUT,
    Connection,
    Phase,
    ReplyReader,
    Request,
    decode_text,
    encode_message,
    encode_request,
    encode_text,
)
from observers.errors import ProtocolError


def framed(body: bytes) -> bytes:
    return struct.pack("@N", len(body)) + body


def connection() -> Connection:
    return Connection(timeout=4.0, patience=10.0)


def requested(conn: Connection, *reads: bytes) -> Request:
    for data in reads:
        request = conn.receive(data, now=0.0)
        if request is not None:
            return request
    raise AssertionError(conn.phase)


def written(conn: Connection) -> bytes:
    data = bytes(conn.to_send)
    conn.sent(len(data), now=0.0)
    return data


def test_a_message_is_its_length_its_text_and_a_nul() -> None:
    assert encode_message("ok\n") == struct.pack("@N", 4) + b"ok\n\0"


def test_a_request_is_answered_and_the_next_one_too() -> None:
    conn = connection()
    for text in ("show daemon", "list paths"):
        request = requested(conn, encode_request(text))
        assert request.text == text
        assert conn.wants == 0
        assert conn.answer(request.ticket, "yes\n", now=0.0)
        assert written(conn) == encode_message("yes\n")
    assert conn.phase is Phase.LENGTH


@pytest.mark.parametrize("body", [b"show daemon", b"show daemon\0", b"show daemon\0rest\0"])
def test_the_nul_may_be_left_out_and_what_follows_it_does_not_count(body: bytes) -> None:
    assert requested(connection(), framed(body)).text == "show daemon"


@pytest.mark.parametrize("length", [1, LONGEST_REQUEST])
def test_a_request_has_1_to_512_bytes(length: int) -> None:
    assert requested(connection(), framed(b" " * length)).text == " " * length


@pytest.mark.parametrize("length", [0, LONGEST_REQUEST + 1, 1 << 40, (1 << 64) - 1])
def test_any_other_length_ends_the_connection(length: int) -> None:
    conn = connection()
    assert conn.receive(struct.pack("@N", length), now=0.0) is None
    assert conn.phase is Phase.CLOSED
    assert str(length) in conn.trouble


@pytest.mark.parametrize("count", range(1, LENGTH_BYTES))
def test_a_length_in_pieces_ends_the_connection(count: int) -> None:
    conn = connection()
    conn.receive(encode_request("show daemon")[:count], now=0.0)
    assert conn.phase is Phase.CLOSED
    assert "in pieces" in conn.trouble


def test_the_text_may_come_in_pieces() -> None:
    message = encode_request("show daemon")
    pieces = [message[:LENGTH_BYTES], *(bytes([each]) for each in message[LENGTH_BYTES:])]
    assert requested(connection(), *pieces).text == "show daemon"


def test_it_says_how_much_to_read() -> None:
    conn, message = connection(), encode_request("show daemon")
    assert conn.wants == LENGTH_BYTES
    conn.receive(message[:LENGTH_BYTES], now=0.0)
    assert conn.wants == 12
    conn.receive(message[LENGTH_BYTES : LENGTH_BYTES + 5], now=0.0)
    assert conn.wants == 7


def test_requests_that_come_together_are_answered_in_order() -> None:
    conn = connection()
    texts = ["show daemon", "list paths", "quit"]
    request: Request | None = requested(conn, b"".join(map(encode_request, texts)))
    seen = []
    while request is not None:
        seen.append(request.text)
        conn.answer(request.ticket, request.text, now=0.0)
        message = bytes(conn.to_send)
        assert message == encode_message(request.text)
        request = conn.sent(len(message), now=0.0)
    assert seen == texts


def test_of_requests_that_come_together_the_last_may_be_cut_anywhere() -> None:
    message = encode_request("show daemon")
    for cut in range(len(message)):
        conn = connection()
        request = requested(conn, message + message[:cut])
        conn.answer(request.ticket, "one\n", now=0.0)
        later = conn.sent(len(conn.to_send), now=0.0) or conn.receive(message[cut:], now=0.0)
        assert later is not None, cut
        assert later.text == "show daemon"


def test_a_text_that_does_not_come_is_given_up_and_the_connection_stays() -> None:
    conn = connection()
    conn.receive(encode_request("show daemon")[:12], now=100.0)
    assert conn.deadline == 104.0
    conn.expire(now=103.9)
    assert not conn.to_send
    conn.expire(now=104.0)
    assert written(conn) == encode_message(TIMED_OUT) == encode_message("fail\ntimeout\n")
    assert conn.phase is Phase.LENGTH
    assert requested(conn, encode_request("quit")).text == "quit"


def test_an_answer_that_comes_too_late_is_dropped() -> None:
    conn = connection()
    request = requested(conn, encode_request("reconfigure"))
    conn.expire(now=4.0)
    assert not conn.answer(request.ticket, "ok\n", now=4.0)
    assert written(conn) == encode_message(TIMED_OUT)
    later = requested(conn, encode_request("show daemon"))
    assert not conn.answer(request.ticket, "ok\n", now=5.0)
    assert conn.answer(later.ticket, "pid 1 idle\n", now=5.0)


def test_nobody_waits_for_a_client_that_says_nothing() -> None:
    conn = connection()
    assert conn.deadline is None
    conn.expire(now=1e9)
    assert conn.phase is Phase.LENGTH


def test_a_client_that_does_not_read_is_given_up() -> None:
    conn = connection()
    request = requested(conn, encode_request("show daemon"))
    conn.answer(request.ticket, "x" * 100, now=1.0)
    assert conn.deadline == 11.0
    conn.sent(50, now=9.0)
    assert conn.deadline == 19.0
    conn.sent(0, now=18.0)
    conn.expire(now=19.0)
    assert conn.phase is Phase.CLOSED
    assert conn.trouble


def test_without_patience_a_client_may_take_all_its_time() -> None:
    conn = Connection(timeout=4.0)
    request = requested(conn, encode_request("show daemon"))
    conn.answer(request.ticket, "x" * 100, now=1.0)
    assert conn.deadline is None


def test_a_reply_is_written_in_whatever_pieces_the_socket_takes() -> None:
    conn = connection()
    request = requested(conn, encode_request("show daemon"))
    conn.answer(request.ticket, "pid 1 idle\n", now=0.0)
    got = b""
    while conn.to_send:
        got += bytes(conn.to_send[:3])
        conn.sent(min(3, len(conn.to_send)), now=0.0)
    assert got == encode_message("pid 1 idle\n")


def test_after_the_last_reply_the_connection_ends() -> None:
    conn = connection()
    request = requested(conn, encode_request("quit") + encode_request("show daemon"))
    conn.answer(request.ticket, "ok\n", now=0.0, last=True)
    assert conn.sent(len(conn.to_send), now=0.0) is None
    assert conn.phase is Phase.CLOSED


@pytest.mark.parametrize(("reads", "trouble"), [((), ""), ((encode_request("quit")[:10],), "in the middle")])
def test_a_client_that_leaves_is_in_trouble_only_in_the_middle_of_a_request(
    reads: Sequence[bytes], trouble: str
) -> None:
    conn = connection()
    for data in reads:
        conn.receive(data, now=0.0)
    conn.receive(b"", now=0.0)
    assert conn.phase is Phase.CLOSED
    assert trouble in conn.trouble
    assert bool(conn.trouble) is bool(trouble)


def test_a_closed_connection_takes_and_gives_nothing() -> None:
    conn = connection()
    conn.receive(b"x", now=0.0)
    assert conn.receive(encode_request("quit"), now=0.0) is None
    assert not conn.answer(1, "ok\n", now=0.0)
    assert (conn.wants, conn.deadline, len(conn.to_send)) == (0, None, 0)


def test_bytes_that_are_no_utf8_survive() -> None:
    assert encode_text(decode_text(b"alias \xff\xfe")) == b"alias \xff\xfe"
    assert encode_text("\ud800") == b"\xed\xa0\x80"


def test_a_nul_in_a_reply_ends_it() -> None:
    assert encode_message("ok\n\0more") == encode_message("ok\n")


def test_a_command_that_would_end_the_connection_is_not_sent() -> None:
    assert len(encode_request("x" * 511)) == LENGTH_BYTES + LONGEST_REQUEST
    with pytest.raises(ProtocolError, match="513 bytes"):
        encode_request("x" * 512)


def test_replies_are_read_from_any_pieces() -> None:
    reader, data = ReplyReader(), encode_message("one\n") + encode_message("") + encode_message("two\n")
    got = [reply for each in data for reply in reader.receive(bytes([each]))]
    assert got == ["one\n", "", "two\n"]


def test_a_reader_says_how_much_is_missing() -> None:
    reader = ReplyReader()
    assert reader.wants == LENGTH_BYTES
    reader.receive(encode_message("four")[:LENGTH_BYTES])
    assert reader.wants == 5


@pytest.mark.parametrize("length", [0, LONGEST_REPLY])
def test_a_reply_of_an_impossible_length_is_refused(length: int) -> None:
    with pytest.raises(ProtocolError, match=f"the length {length}"):
        ReplyReader().receive(struct.pack("@N", length))


def test_a_daemon_that_leaves_in_the_middle_is_told() -> None:
    reader = ReplyReader()
    reader.receive(b"\x05")
    with pytest.raises(ProtocolError, match="closed the connection"):
        reader.receive(b"")


@given(
    st.lists(st.one_of(st.binary(max_size=40), st.just(encode_request("show daemon")), st.floats(0, 5)), max_size=12)
)
def test_no_bytes_are_too_strange(events: list[bytes | float]) -> None:
    conn, now = connection(), 0.0
    for event in events:
        request = None
        if isinstance(event, float):
            now += event
            conn.expire(now=now)
        else:
            request = conn.receive(event, now=now)
        if request is not None:
            assert conn.answer(request.ticket, "ok\n", now=now)
        conn.sent(min(3, len(conn.to_send)), now=now)
        assert conn.wants <= LONGEST_REQUEST
        assert conn.phase is not Phase.CLOSED or conn.deadline is None


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=30), max_size=5), st.data())
def test_what_is_sent_arrives_however_the_replies_are_cut(texts: list[str], data: st.DataObject) -> None:
    stream, reader, got = b"".join(map(encode_message, texts)), ReplyReader(), []
    while stream:
        count = data.draw(st.integers(1, len(stream)))
        got += reader.receive(stream[:count])
        stream = stream[count:]
    assert got == texts
