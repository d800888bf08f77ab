"""`multipathd` as a client, and conversations: what scripts read from standard output, byte for byte."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

from controller.client import interactive
from controller.client.program import joined, run
from controller.protocol.grammar import HELP_PAGE
from tests.client.stub import Stub, stub


@dataclass(frozen=True, slots=True)
class Said:
    status: int
    out: str
    err: str = ""


def program(name: str, *arguments: str, server: Stub | None = None, stdin: str = "") -> Said:
    """A program of this project in a process of its own, as a client of this server."""
    code = f"import sys; from controller.cli.launch import {name}; sys.exit({name}())"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env={"MULTIPATH_SOCKET_NAME": server.name if server else "@mpathctl-test-nobody", "TERM": "xterm"},
    )
    return Said(done.returncode, done.stdout, done.stderr)


def replying(replies: Mapping[str, str]) -> Callable[[str], str]:
    return lambda command: replies.get(command, f"fail\n{command}: not found\n")


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["show", "paths"], "show paths \n"),
        (["show", "maps", "raw", "format", "%w %d"], 'show maps raw format "%w %d" \n'),
        (["show", "maps", "raw", "format", '"', "%w,%d", '"'], 'show maps raw format " %w,%d " \n'),
        (["show", "paths", "format", "device='%d' wwid='%w'"], "show paths format \"device='%d' wwid='%w'\" \n"),
    ],
)
def test_words_become_a_command(words: list[str], command: str) -> None:
    assert joined(words) == command


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("pid 1 idle\n", Said(0, "pid 1 idle\n")),
        ("ok\n", Said(0, "ok\n")),
        ("fail\n", Said(1, "fail\n")),
        ("fail\ndevice not found\n", Said(1, "device not found\n")),
        ("fail\ntimeout\n", Said(1, "timeout\n")),
        ("failed? no\n", Said(0, "failed? no\n")),
        ("", Said(0, "")),
    ],
)
def test_what_is_printed_of_a_reply(reply: str, said: Said) -> None:
    with stub(lambda _: reply) as server:
        assert program("multipathd", "show", "daemon", server=server) == said


def test_bytes_that_are_no_text_pass_unchanged(
    capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    with stub(lambda _: "\udcff\n") as server:
        monkeypatch.setenv("MULTIPATH_SOCKET_NAME", server.name)
        assert (run("show maps"), capsysbinary.readouterr().out) == (0, b"\xff\n")


def test_nobody_listens() -> None:
    assert program("multipathd", "show", "daemon") == Said(1, "", "ERROR: failed to connect to multipathd\n")
    assert program("multipathc") == Said(1, "", "ERROR: failed to connect to multipathd\n")


def test_a_daemon_that_dies_is_told_on_standard_output() -> None:
    with stub(lambda _: None) as server:
        assert program("multipathd", "show", "daemon", server=server) == Said(1, "error -5 receiving packet\n")


def test_a_command_that_is_too_long() -> None:
    with stub(lambda _: "ok\n") as server:
        said = program("multipathd", "show", "maps", "x" * 600, server=server)
        assert (said, server.requests) == (Said(1, "", "multipathd command too large\n"), [])


@pytest.mark.parametrize(
    ("arguments", "request_"),
    [
        (["-kresize map X"], b"resize map X\0"),
        (["-k", "show", "paths"], None),
        (["-v3", "show", "daemon"], b"show daemon \n\0"),
        (["show", "-v", "2", "daemon"], b"show daemon \n\0"),
        (["-d", "-kadd path sda", "-s"], b"add path sda\0"),
    ],
    ids=["-k with a command", "-k alone", "-v before", "options among words", "other options do not count"],
)
def test_what_is_sent(arguments: list[str], request_: bytes | None) -> None:
    with stub(lambda _: "ok\n") as server:
        said = program("multipathd", *arguments, server=server)
        assert server.requests == ([] if request_ is None else [request_])
    assert said == (Said(0, "multipathd> ") if request_ is None else Said(0, "ok\n"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["-z"], "Invalid argument '-z'\n"), (["-i"], "Invalid argument '-i'\n"), (["-v"], "Invalid argument '-v'\n"),
     (["-vx", "show", "daemon"], "")],
)  # fmt: skip
def test_options_that_are_none(arguments: list[str], message: str) -> None:
    assert program("multipathd", *arguments) == Said(1, "", message)


# ---- conversations


def test_a_conversation_as_scripts_feed_it() -> None:
    replies = {"add path sda": "ok\n", "list maps": "name sysfs uuid\n"}
    with stub(replying(replies)) as server:
        said = program("multipathd", "-k", server=server, stdin="add path sda\n")
        assert said == Said(0, "multipathd> ok\nmultipathd> ")
        assert server.requests == [b"add path sda\n\0"]
        said = program("multipathc", server=server, stdin="\nlist maps\nadd path sda\n  quit \nlist maps\n")
        assert said == Said(0, "multipathd> multipathd> name sysfs uuid\nmultipathd> ok\nmultipathd> ")


def test_help_names_the_commands() -> None:
    with stub(lambda _: f"fail\nhelp: not found\n{HELP_PAGE}") as server:
        assert "switchgroup" in program("multipathd", "-k", server=server, stdin="help\n").out


def test_a_conversation_shows_no_colours_to_a_program() -> None:
    with stub(lambda _: "\x1b[1mdata\x1b[0m dm-0\n") as server:
        assert program("multipathc", server=server, stdin="show topology").out == "multipathd> data dm-0\nmultipathd> "


def test_a_conversation_ends_with_the_daemon() -> None:
    with stub(lambda _: None) as server:
        said = program("multipathc", server=server, stdin="show maps\nshow maps\n")
    assert said == Said(1, "multipathd> ", "error -5 receiving packet\n")


@pytest.mark.parametrize(
    ("arguments", "err"),
    [(["1", "2"], "Usage: multipathc [timeout]\n"), (["soon"], "ERROR: invalid timeout value\n"),
     (["-1"], "ERROR: invalid timeout value\n"), ([""], "ERROR: invalid timeout value\n"),
     (["9" * 20], "ERROR: invalid timeout value\n"), (["9" * 5000], "ERROR: invalid timeout value\n"),
     (["2147483648"], "ERROR: invalid timeout value\n")],
)  # fmt: skip
def test_a_timeout_that_is_none(arguments: list[str], err: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert (interactive.main(arguments), capsys.readouterr().err) == (1, err)


@pytest.mark.parametrize("timeout", ["0", "000", "2147483000", "00000000000000005000"])
def test_a_timeout_that_is_one(timeout: str) -> None:
    with stub(lambda _: "ok\n") as server:
        said = program("multipathc", timeout, server=server, stdin="show maps\n")
    assert said == Said(0, "multipathd> ok\nmultipathd> ")


def test_a_conversation_with_a_timeout_of_its_own() -> None:
    with stub(lambda _: b"") as server:
        said = program("multipathc", "50", server=server, stdin="show maps\n")
    assert said == Said(1, "multipathd> ", "timeout receiving packet\n")
