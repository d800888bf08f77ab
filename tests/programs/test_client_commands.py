"""`mpathctl` as a client of the daemon."""

import json
from collections.abc import Callable, Mapping

import pytest

from controller.cli import client_commands, commands
from controller.protocol import picture
from tests.cli.captured import Captured, run
from tests.client.stub import stub

LETTERS = '%d\t%D\t%o\t%T\t%t\t%p\t%m\t%w"'
REPLIES = {
    "show paths": "hcil dev dm_st\n1:0:0:0 sda active\n",
    'show paths raw format "' + LETTERS: "sda\t8:0\trunning\tready\tactive\t50\tdata\t3600a\n",
    "show paths format %d": "dev\nsda\n",
    'show maps raw format "%n %w"': "data 3600a\n",
    "show maps json": '{\n   "maps": []\n}\n',
    "show daemon": "pid 17 idle (pending reconfigure)\n",
    "show status": "path checker states:\nup                  3\ndown                1\n\npaths: 4\nbusy: True\n",
    "fail path sda": "ok\n",
    "add path sdz": "blacklisted\n",
    "switch map data group 2": "ok\n",
    'resize map "a b"': "fail\ndevice not found\n",
    "reconfigure": "fail\n",
}


def replying(replies: Mapping[str, str]) -> Callable[[str], str]:
    return lambda command: replies.get(command, f"fail\nunexpected: {command}\n")


def ask(*arguments: str) -> Captured:
    with stub(replying(REPLIES)) as server:
        return run(*arguments, "--socket", server.name)


@pytest.mark.parametrize(
    ("arguments", "out"),
    [
        pytest.param(arguments.split(), out, id=arguments)
        for arguments, out in (
            ("show paths", REPLIES["show paths"]),
            ("show paths --format %d", "dev\nsda\n"),
            ("show maps --json", REPLIES["show maps json"]),
            ("fail path sda", "ok\n"),
            ("add path sdz", "blacklisted\n"),
            ("switch map data group 2", "ok\n"),
        )
    ],
)
def test_the_daemons_reply_is_printed(arguments: list[str], out: str) -> None:
    assert ask(*arguments) == Captured(0, out, "")


AGE = {"list age": "age 0.125\ncycle 7\n"}


@pytest.mark.parametrize("kind", ["paths", "maps --json", "status --json", "daemon"])
def test_the_age_of_a_reply_is_told_beside_it(kind: str) -> None:
    with stub(replying({**REPLIES, **AGE})) as server:
        told = run("show", *kind.split(), "--age", "--socket", server.name)
    assert told.err == "mpathctl: as of 0.125 s ago, after cycle 7\n"
    assert told == Captured(0, ask("show", *kind.split()).out, told.err)


def test_a_daemon_that_does_not_know_its_age_is_told_so() -> None:
    help_page = {"list age": "fail\nage: not found\nmultipath-tools v0.14.3\nCLI commands reference:\n"}
    with stub(replying({**REPLIES, **help_page})) as server:
        told = run("show", "paths", "--age", "--socket", server.name)
    assert (told.status, told.out) == (1, "")
    assert "does not say how old" in told.err


def test_a_format_with_blanks_stays_one_word() -> None:
    assert ask("show", "maps", "--raw", "--format", "%n %w").out == "data 3600a\n"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("daemon", {"pid": 17, "state": "idle", "pending": "pending reconfigure"}),
        ("status", {"states": {"up": 3, "down": 1}, "paths": 4, "busy": True}),
        ("paths", [{"device": "sda", "major": 8, "minor": 0, "status": "running", "checker_state": "ready",
                    "dm_state": "active", "priority": 50, "map": "data", "uuid": "3600a"}]),
    ],
)  # fmt: skip
def test_json_for_programs(kind: str, value: object) -> None:
    said = ask("show", kind, "--json")
    assert (said.status, json.loads(said.out)) == (0, value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resize", "map", "a b"], "device not found"),
        (["reconfigure"], "does not say why"),
        (["fail", "paht", "sda"], "has no command `fail paht sda`"),
        (["fail"], "it has: fail path PATH"),
        (["show", "wildcards"], "unexpected: show wildcards"),
    ],
)
def test_a_refusal_is_an_error_with_its_reason(arguments: list[str], message: str) -> None:
    said = ask(*arguments)
    assert (said.status, said.out, message in said.err) == (1, "", True), said.err


def test_nobody_listens() -> None:
    said = run("show", "daemon", "--socket", "@mpathctl-test-nobody")
    assert (said.status, said.err) == (1, "mpathctl: failed to connect to multipathd\n")
    assert run("show", "paths", "--json", "--socket", "@mpathctl-test-nobody").status == 1


def test_colours_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "sda active ready\nsdb failed faulty\ninactive\n"
    assert client_commands._painted(text) == text
    monkeypatch.setattr(commands, "style_of", lambda _: picture.coloured(picture.ASCII))
    painted = client_commands._painted(text)
    assert painted == (
        "sda \x1b[32mactive\x1b[0m \x1b[32mready\x1b[0m\nsdb \x1b[31mfailed\x1b[0m \x1b[31mfaulty\x1b[0m\ninactive\n"
    )
