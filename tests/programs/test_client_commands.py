"""`mpathctl` as a client of the daemon."""

import json
import re
from collections.abc import Callable, Mapping

import pytest

from controller.cli import client_commands, terminal
from controller.cli.main import main as mpathctl
from controller.client.channel import Channel
from controller.protocol import picture
from tests.cli.captured import Captured, run
from tests.client.stub import stub
from tests.service.virtual import Virtual

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
    "remove path sda": "ok\n",
    "show devices": "available block devices:\n    sda  devnode whitelisted, monitored\n"
    "    dm-0 devnode blacklisted, unmonitored\n    nvme0c0n1 hidden, unmonitored\n",
    "show wildcards": "multipath format wildcards:\n%n  name\n%s  vend/prod\n\npath format wildcards:\n%N  host WWNN\n",
    "show blacklist": "device node rules:\n- blacklist:\n        (config file rule) ^sd:x\n"
    "        (default rule)     !^(sd[a-z])\n- exceptions:\n        <empty>\n"
    "wwid rules:\n- blacklist:\n        <empty>\n- exceptions:\n        (config file rule)     four blanks\n",
    "show age": "age 0.125\ncycle 7\n",
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
        ("age", {"age": 0.125, "cycle": 7}),
        ("devices", [
            {"device": "sda", "verdict": "devnode whitelisted", "monitored": True},
            {"device": "dm-0", "verdict": "devnode blacklisted", "monitored": False},
            {"device": "nvme0c0n1", "verdict": "hidden", "monitored": False},
        ]),
        ("wildcards", {"multipath": {"n": "name", "s": "vend/prod"}, "path": {"N": "host WWNN"}}),
        ("blacklist", {
            "device node": {
                "blacklist": [
                    {"rule": "^sd:x", "origin": "config file"}, {"rule": "!^(sd[a-z])", "origin": "default"},
                ],
                "exceptions": [],
            },
            "wwid": {"blacklist": [], "exceptions": [{"rule": "    four blanks", "origin": "config file"}]},
        }),
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
        (["show", "maps", "--format", "%n"], "unexpected: show maps format %n"),
    ],
)
def test_a_refusal_is_an_error_with_its_reason(arguments: list[str], message: str) -> None:
    said = ask(*arguments)
    assert (said.status, said.out, message in said.err) == (1, "", True), said.err


@pytest.mark.parametrize("kind", ["daemon", "age", "devices", "wildcards", "blacklist", "paths"])
def test_a_reply_of_another_form_is_not_guessed_at(kind: str) -> None:
    with stub(lambda _: "gibberish\n") as server:
        said = run("show", kind, "--json", "--socket", server.name)
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith("mpathctl: ")


def test_what_the_real_daemon_says_has_a_form_for_programs() -> None:
    real = Virtual("small")
    real.settled()
    with stub(real.ask) as server:
        said = {kind: run("show", kind, "--json", "--socket", server.name) for kind in client_commands._SHOWN}
    assert {kind: each.status for kind, each in said.items()} == dict.fromkeys(client_commands._SHOWN, 0)
    values = {kind: json.loads(each.out) for kind, each in said.items()}
    assert len(values["devices"]) == len(real.ask("show devices").splitlines()) - 1
    assert {each["device"] for each in values["devices"] if each["monitored"]} == {
        each["device"] for each in values["paths"]
    }
    rules = [each for kind in values["blacklist"].values() for rules in kind.values() for each in rules]
    assert len(rules) == len(re.findall(r"^ {8}\(", real.ask("show blacklist"), re.MULTILINE))
    assert sum(map(len, values["wildcards"].values())) == real.ask("show wildcards").count("%")


@pytest.mark.parametrize(("command", "out", "status"), [
    ("fail path sda", {"reply": "ok"}, 0),
    ("add path sdz", {"reply": "blacklisted"}, 0),
])  # fmt: skip
def test_what_is_done_has_json_and_the_same_exit_status(command: str, out: object, status: int) -> None:
    said = ask(*command.split(), "--json")
    assert (json.loads(said.out), said.status, said.err) == (out, status, "")
    assert ask(*command.split()).status == status


def test_what_is_refused_is_an_error_with_json_too() -> None:
    assert ask("reconfigure", "--json") == ask("reconfigure")


@pytest.mark.parametrize("words", ["del path sda", "list paths", "list daemon --json"])
def test_words_that_mean_the_same_are_commands_too(words: str) -> None:
    usual = {"del": "remove", "list": "show"}
    first, _, rest = words.partition(" ")
    said = ask(*words.split())
    assert said == ask(usual[first], *rest.split())
    assert said.status == 0


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ("show paths --json --format %d", ("--json", "--format")),
        ("show maps --raw", ("--raw", "--format")),
        ("show maps --raw --json", ("--raw", "--format")),
        ("show daemon --timeout -1", ("--timeout", "-1")),
        ("show daemon --timeout nan", ("--timeout", "nan")),
        ("show daemon --timeout inf", ("--timeout", "inf")),
        ("fail path sda --timeout 1e20", ("--timeout", "1e20")),
        ("events --timeout soon", ("--timeout", "soon")),
        ("age --timeout 2147484", ("--timeout", "2147484")),
    ],
)
def test_a_wrong_option_is_named(arguments: str, names: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with stub(replying(REPLIES)) as server:
        with pytest.raises(SystemExit) as ended:
            mpathctl([*arguments.split(), "--socket", server.name])
        assert server.requests == []
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert all(name in told for name in names)


@pytest.mark.parametrize("timeout", ["2147483", "0.5", "1e-300"])
def test_a_timeout_that_is_one(timeout: str) -> None:
    assert ask("show", "daemon", "--timeout", timeout).status in (0, 1)


def test_without_a_timeout_the_reply_is_awaited_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    timeouts: list[float | None] = []
    made = Channel.__init__

    def channel(self: Channel, names: tuple[str, ...], *, timeout: float | None) -> None:
        timeouts.append(timeout)
        made(self, names, timeout=timeout)

    monkeypatch.setattr(Channel, "__init__", channel)
    assert ask("show", "daemon", "--timeout", "0") == ask("show", "daemon")
    assert ask("show", "paths", "--json", "--timeout", "0").status == 0
    assert (timeouts[0], timeouts[2]) == (None, None)


@pytest.mark.parametrize("scenario", ["small", "nosuch"])
@pytest.mark.parametrize(
    "arguments",
    [
        "fail path sda", "shutdown", "del maps", "remove maps", "show paths", "show paths --json", "show maps --json",
        "show status --age", "list daemon", "events", "events --follow", "metrics", "age", "dump recorder",
    ],
)  # fmt: skip
def test_the_daemon_of_this_host_is_not_asked_for_a_sandbox(
    arguments: str, scenario: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stub(lambda _: "ok\n") as server:
        monkeypatch.setenv("MULTIPATH_SOCKET_NAME", server.name)
        said = run("--sandbox", scenario, *arguments.split())
        assert server.requests == []
    assert (said.status, said.out) == (1, "")
    assert "a sandbox has no daemon" in said.err
    assert "leave out --sandbox" in said.err


def test_nobody_listens() -> None:
    said = run("show", "daemon", "--socket", "@mpathctl-test-nobody")
    assert (said.status, said.err) == (1, "mpathctl: failed to connect to multipathd\n")
    assert run("show", "paths", "--json", "--socket", "@mpathctl-test-nobody").status == 1


def test_colours_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "sda active ready\nsdb failed faulty\ninactive\n"
    assert client_commands._painted(text) == text
    monkeypatch.setattr(terminal, "style_of", lambda _: picture.coloured(picture.ASCII))
    painted = client_commands._painted(text)
    assert painted == (
        "sda \x1b[32mactive\x1b[0m \x1b[32mready\x1b[0m\nsdb \x1b[31mfailed\x1b[0m \x1b[31mfaulty\x1b[0m\ninactive\n"
    )
