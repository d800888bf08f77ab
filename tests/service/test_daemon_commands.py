"""`mpathctl events`, `metrics`, `age`, `dump`: against a stub of the daemon, and against the words of the real one."""

import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout

import pytest

from controller.cli import daemon_commands
from controller.cli.main import main as mpathctl
from tests.client.stub import Stub, stub
from tests.service.virtual import Virtual

HELP = "fail\nlist events: not found\nmultipath-tools v0.9.4\nCLI commands reference:\n list|show paths\n"


def event(number: int, **fields: str) -> str:
    known = {"number": number, "at": 1735718400.25, "level": "notice", "kind": "seen", "text": f"event {number}"}
    return json.dumps({**known, **fields}) + "\n"


class Daemon:
    """What the stub answers: events up to `count`, of which those from `kept` on are still there."""

    def __init__(self) -> None:
        self.pid, self.count, self.kept = 1, 3, 1
        self.away = False
        self.text = "event"
        self.replies: dict[str, str] = {}

    def __call__(self, command: str) -> str | None:
        if self.away:
            return None
        if command == "show daemon":
            return f"pid {self.pid} idle\n"
        if command.startswith("list events since ") and command not in self.replies:
            since = int(command.split()[-1])
            known = range(max(since + 1, self.kept), self.count + 1)
            return "".join(event(number, text=f"{self.text} {number}") for number in known) or "ok\n"
        return self.replies.get(command, HELP)


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
def served(daemon: Daemon) -> Iterator[Stub]:
    with stub(daemon) as made:
        yield made


Out = pytest.CaptureFixture[str]


def lines(out: Out) -> list[str]:
    return out.readouterr().out.splitlines()


def test_all_events_that_are_kept_are_printed(served: Stub, capsys: Out) -> None:
    assert mpathctl(["events", "--socket", served.name]) == 0
    printed = lines(capsys)
    assert [line.rpartition(" ")[2] for line in printed] == ["1", "2", "3"]
    assert ".250 notice  seen     event 1" in printed[0]


def test_only_the_last_ones_are_printed_when_only_these_are_wanted(served: Stub, capsys: Out) -> None:
    mpathctl(["events", "--socket", served.name, "--lines", "1"])
    assert [line.rpartition(" ")[2] for line in lines(capsys)] == ["3"]
    mpathctl(["events", "--socket", served.name, "--lines", "0"])
    assert lines(capsys) == []


def test_json_lines_are_those_of_the_daemon(served: Stub, capsys: Out) -> None:
    mpathctl(["events", "--json", "--socket", served.name])
    assert [json.loads(line)["number"] for line in lines(capsys)] == [1, 2, 3]


def test_an_event_names_map_path_and_reason() -> None:
    document = json.loads(event(7, map="data", path="sdb", reason="no answer"))
    assert daemon_commands.text_line(document).endswith("data: sdb: event 7 (no answer)")


def test_a_name_that_is_no_text_is_printed_all_the_same(daemon: Daemon, served: Stub, capsys: Out) -> None:
    daemon.replies["list events since 0"] = event(1, path="sd\udc80")
    assert mpathctl(["events", "--socket", served.name]) == 0
    assert "sd\\udc80: event 1" in capsys.readouterr().out
    assert mpathctl(["events", "--json", "--socket", served.name]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == "sd\udc80"


def follow(
    monkeypatch: pytest.MonkeyPatch, served: Stub, *happenings: object, form: Sequence[str] = ("--json",)
) -> int:
    """Follow; before each further question one thing happens, and after all of them somebody presses Ctrl-C."""
    left = list(happenings)

    def pause(_seconds: float) -> None:
        if not left:
            raise KeyboardInterrupt
        happen = left.pop(0)
        assert callable(happen)
        happen()

    monkeypatch.setattr(time, "sleep", pause)
    return mpathctl(["events", "--follow", *form, "--socket", served.name])


def numbers(out: str) -> list[int]:
    return [json.loads(line)["number"] for line in out.splitlines()]


def test_following_prints_what_comes_and_nothing_twice(
    daemon: Daemon, served: Stub, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    def grow() -> None:
        daemon.count += 2

    assert follow(monkeypatch, served, grow, lambda: None, grow) == 0
    assert numbers(capsys.readouterr().out) == [1, 2, 3, 4, 5, 6, 7]


def test_following_begins_with_the_last_ten(
    daemon: Daemon, served: Stub, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.count = 50
    follow(monkeypatch, served)
    assert numbers(capsys.readouterr().out) == list(range(41, 51))


def test_following_says_when_events_came_too_fast(
    daemon: Daemon, served: Stub, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    def storm() -> None:
        daemon.count, daemon.kept = 100, 91

    follow(monkeypatch, served, storm)
    out, told = capsys.readouterr()
    assert numbers(out)[-10:] == list(range(91, 101))
    assert "87 events came too fast" in told


def test_following_waits_for_a_daemon_that_is_started_anew(
    daemon: Daemon, served: Stub, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go() -> None:
        daemon.away = True

    def return_() -> None:
        daemon.away, daemon.pid, daemon.count = False, 2, 2

    follow(monkeypatch, served, go, lambda: None, return_)
    out, told = capsys.readouterr()
    assert numbers(out) == [1, 2, 3, 1, 2]
    assert told.count("went away") == 1


def test_following_knows_a_daemon_that_is_started_anew_with_the_same_process_id(
    daemon: Daemon, served: Stub, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go() -> None:
        daemon.away = True

    def return_with_fewer() -> None:
        daemon.away, daemon.count = False, 2

    def return_with_others() -> None:
        daemon.away, daemon.count, daemon.text = False, 3, "another event"

    follow(monkeypatch, served, go, return_with_fewer, go, return_with_others)
    out, told = capsys.readouterr()
    assert numbers(out) == [1, 2, 3, 1, 2, 1, 2, 3]
    assert "too fast" not in told


def test_a_daemon_that_has_forgotten_what_was_told_is_the_same(
    daemon: Daemon, served: Stub, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go() -> None:
        daemon.away = True

    def return_after_a_storm() -> None:
        daemon.away, daemon.count, daemon.kept = False, 12, 11

    follow(monkeypatch, served, go, return_after_a_storm)
    out, told = capsys.readouterr()
    assert numbers(out) == [1, 2, 3, 11, 12]
    assert "7 events came too fast" in told


@pytest.mark.parametrize(
    ("terminal", "option", "json_lines"),
    [
        (False, [], True),
        (True, [], False),
        (False, ["--text"], False),
        (True, ["--json"], True),
    ],
    ids=["a program reads", "a person reads", "a program wants text", "a person wants JSON"],
)
def test_what_follows_on_is_json_for_programs(
    served: Stub, monkeypatch: pytest.MonkeyPatch, terminal: bool, option: list[str], json_lines: bool
) -> None:
    class Output(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    out = Output()
    with redirect_stdout(out):
        follow(monkeypatch, served, form=option)
    assert [line.startswith("{") for line in out.getvalue().splitlines()] == [json_lines] * 3


def test_events_that_do_not_follow_on_are_text(served: Stub, capsys: Out) -> None:
    mpathctl(["events", "--socket", served.name])
    assert not capsys.readouterr().out.startswith("{")


def test_following_goes_on_after_a_connection_that_was_lost(
    daemon: Daemon, served: Stub, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go() -> None:
        daemon.away = True

    def return_() -> None:
        daemon.away, daemon.count = False, 4

    follow(monkeypatch, served, go, return_)
    assert numbers(capsys.readouterr().out) == [1, 2, 3, 4]


def test_without_a_daemon_it_is_an_error(capsys: Out) -> None:
    assert mpathctl(["events", "--socket", "@mpathctl-nobody"]) == 1
    assert "failed to connect to multipathd" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["metrics", "age", "dump"])
def test_a_daemon_that_is_not_ours_does_not_know_them(command: str, served: Stub, capsys: Out) -> None:
    assert mpathctl([command, "--socket", served.name]) == 1
    told = capsys.readouterr().err
    assert "does not know the command" in told
    assert "CLI commands" not in told


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["metrics"], "list metrics"),
        (["age"], "list age"),
        (["dump"], "dump recorder"),
        (["dump", "recorder"], "dump recorder"),
    ],
)
def test_a_reply_is_printed_as_it_is(
    arguments: list[str], command: str, daemon: Daemon, served: Stub, capsys: Out
) -> None:
    daemon.replies[command] = "this\nand that\n"
    assert mpathctl([*arguments, "--socket", served.name]) == 0
    assert capsys.readouterr().out == "this\nand that\n"


@pytest.mark.parametrize(
    ("arguments", "command", "reply", "value"),
    [
        (["age"], "list age", "age 1.500\ncycle 3\n", {"age": 1.5, "cycle": 3}),
        (["dump"], "dump recorder", "/run/x.jsonl\n", {"file": "/run/x.jsonl"}),
        (["metrics"], "list metrics", '# TYPE a gauge\na{map="x\\"y",kind="all"} 4\nb_total 1.5e-3\n# EOF\n', [
            {"name": "a", "labels": {"map": 'x"y', "kind": "all"}, "value": 4.0},
            {"name": "b_total", "labels": {}, "value": 0.0015},
        ]),
    ],
    ids=["age", "dump", "metrics"],
)  # fmt: skip
def test_json_for_programs(
    daemon: Daemon, served: Stub, capsys: Out, arguments: list[str], command: str, reply: str, value: object
) -> None:
    daemon.replies[command] = reply
    assert mpathctl([*arguments, "--json", "--socket", served.name]) == 0
    assert json.loads(capsys.readouterr().out) == value


def test_all_metrics_of_the_daemon_have_json(daemon: Daemon, served: Stub, capsys: Out) -> None:
    real = Virtual("small")
    real.settled()
    text = daemon.replies["list metrics"] = real.ask("list metrics")
    assert mpathctl(["metrics", "--json", "--socket", served.name]) == 0
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(json.loads(capsys.readouterr().out)) == len(lines) > 10


def test_a_refusal_is_told_in_the_daemons_words(daemon: Daemon, served: Stub, capsys: Out) -> None:
    daemon.replies["dump recorder"] = "fail\npermission deny: need to be root\n"
    assert mpathctl(["dump", "--socket", served.name]) == 1
    assert "need to be root" in capsys.readouterr().err


def test_the_daemon_knows_these_words() -> None:
    real = Virtual("small")
    real.settled()
    assert re.fullmatch(r"age \d+\.\d{3}\ncycle [1-9]\d*\n", real.ask("list age"))
    assert real.ask("list metrics").endswith("# EOF\n")
    first = [json.loads(line) for line in real.ask("list events since 0").splitlines()]
    assert [each["number"] for each in first] == list(range(1, len(first) + 1))
    assert all(daemon_commands.text_line(each) for each in first)
    since = real.ask(f"list events since {first[-1]['number']}")
    assert not [line for line in since.splitlines() if line.startswith("{")]


def test_a_client_loads_nothing_of_the_daemon() -> None:
    program = (
        "import sys, controller.cli.daemon_commands\n"
        "rooms = ('desired', 'actuators', 'controller.runtime', 'controller.reconcile', 'controller.protocol')\n"
        "heavy = ('pydantic', 'pyudev', 'watchfiles', 'tenacity')\n"
        "print([name for name in sys.modules if name.startswith(rooms + heavy)])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
