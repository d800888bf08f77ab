"""Connections: names, replies in pieces, and everything that a peer can do wrong."""

from pathlib import Path

import pytest

from controller.client.channel import Channel, socket_names
from controller.client.errors import NoReply, NotConnected, NotSent
from tests.client.stub import HEADER, frame, stub


def ask(name: str, command: str = "show daemon", *, timeout: float = 20.0) -> str:
    channel = Channel((name,), timeout=timeout)
    try:
        return channel.ask(command)
    finally:
        channel.close()


def test_a_command_goes_out_with_its_nul_and_the_reply_comes_back() -> None:
    with stub(lambda _: "pid 1 idle\n") as server:
        assert ask(server.name) == "pid 1 idle\n"
        assert server.requests == [b"show daemon\0"]


def test_several_commands_on_one_connection() -> None:
    with stub(lambda command: f"{command}!\n") as server:
        channel = Channel((server.name,))
        assert [channel.ask(word) for word in ("a", "b", "c")] == ["a!\n", "b!\n", "c!\n"]
        channel.close()


def test_a_path_is_tried_before_the_abstract_name_and_the_environment_before_both() -> None:
    usual = ("/run/multipathd.socket", "@/org/kernel/linux/storage/multipathd")
    assert socket_names({}) == usual
    assert socket_names({"MULTIPATH_SOCKET_NAME": ""}) == usual
    assert socket_names({"MULTIPATH_SOCKET_NAME": "/run/mine"}) == ("/run/mine",)


def test_the_second_name_is_used_when_nobody_listens_on_the_first(tmp_path: Path) -> None:
    with stub(lambda _: "ok\n") as server:
        channel = Channel((str(tmp_path / "none"), server.name))
        assert channel.ask("x") == "ok\n"
        channel.close()


def test_a_socket_at_a_path(tmp_path: Path) -> None:
    with stub(lambda _: "ok\n", directory=tmp_path) as server:
        assert ask(server.name) == "ok\n"


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(NotConnected, match="failed to connect to multipathd") as caught:
        Channel((str(tmp_path / "none"),))
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_a_large_reply_comes_in_pieces() -> None:
    text = "x" * 3_000_000 + "\n"
    with stub(lambda _: text) as server:
        assert ask(server.name) == text


def test_a_command_that_no_daemon_would_read_is_not_sent() -> None:
    with stub(lambda _: "ok\n") as server:
        with pytest.raises(NotSent, match="cannot send packet"):
            ask(server.name, "x" * 512)
        assert server.requests == []


def test_a_daemon_that_does_not_answer() -> None:
    with stub(lambda _: b"") as server, pytest.raises(NoReply, match=r"^timeout receiving packet$") as caught:
        ask(server.name, timeout=0.05)
    assert caught.value.timed_out


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        pytest.param(None, "error -5 receiving packet", id="the connection ends"),
        pytest.param(HEADER.pack(0), "error -34 receiving packet", id="a length of 0"),
        pytest.param(HEADER.pack(32 << 20), "error -34 receiving packet", id="a length of 32 MiB"),
    ],
)
def test_a_reply_that_is_none(reply: bytes | None, message: str) -> None:
    with stub(lambda _: reply) as server, pytest.raises(NoReply) as caught:
        ask(server.name)
    assert (str(caught.value), caught.value.timed_out) == (message, False)


def test_a_reply_that_ends_early() -> None:
    answers = iter([frame("pid 1 idle\n")[:12], None])
    with stub(lambda _: next(answers)) as server:
        channel = Channel((server.name,), timeout=20.0)
        channel._socket.sendall(frame("its answer is the beginning of a reply"))
        with pytest.raises(NoReply, match="error -5 receiving packet"):
            channel.ask("its answer is the end of the connection")
        channel.close()
