"""Completion, by bash itself: what is offered at each place of a command line."""

import re
import subprocess
from pathlib import Path

import pytest

from controller.cli.main import main as mpathctl
from deploy.completion import generate as completion

DAEMON = """
multipathd() {
    case "$2" in
        paths) printf '%s\\n' sda sdb ;;
        maps) printf '%s\\n' data 'a b' '$(touch pwned)' ;;
    esac
}
"""
"""Stands for the program that says names."""


def offered(*words: str, daemon: str = DAEMON, cwd: Path | None = None) -> list[str]:
    """What bash offers in the place of the last word."""
    code = (
        f"{completion.bash()}\n{daemon}\n"
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(stale); "_complete_$1"\n'
        '[ ${#COMPREPLY[@]} -eq 0 ] || printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", code, "bash", *words], capture_output=True, text=True, check=True, cwd=cwd)
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("mpathctl fail ", ["path"]),
        ("mpathctl fail path ", ["sda", "sdb"]),
        ("mpathctl fail path sdb", ["sdb"]),
        ("mpathctl del ", ["path", "map", "multipath", "maps", "multipaths"]),
        ("mpathctl switch map data ", ["group"]),
        ("mpathctl reconfigure ", ["all"]),
        ("mpathctl --socket @x fail --json path ", ["sda", "sdb"]),
        ("mpathctl fail --", ["--help", "--socket", "--timeout", "--json"]),
        ("mpathctl --sandbox small show to", ["topology"]),
        ("mpathctl list to", ["topology"]),
        ("mpathctl --config show sh", ["show", "shutdown"]),
        ("mpathctl --sandbox sm", ["small"]),
        ("mpathctl --config ", []),
        ("mpathctl run --verbosity ", ["0", "1", "2", "3", "4"]),
        ("mpathctl dump ", ["recorder"]),
        ("mpathctl explain ", ["path", "map"]),
        ("mpathctl explain map show --j", ["--json"]),
        ("mpathctl replay ", []),
        ("multipathd -", ["-d", "-s", "-v", "-k", "-B", "-n", "-w"]),
        ("multipathd -v ", ["0", "1", "2", "3", "4"]),
        ("multipathd show daemon ", []),
        ("multipathd del path ", ["sda", "sdb"]),
        ("multipathc ", ["0"]),
        ("multipathc 0 ", []),
    ],
)
def test_what_may_come_is_offered(line: str, words: list[str]) -> None:
    assert offered(*line.split(" ")) == words


@pytest.mark.parametrize("line", ["mpathctl del map ", "multipathd show map ", "multipath "])
def test_a_name_is_one_word_and_no_command(line: str, tmp_path: Path) -> None:
    assert offered(*line.split(" "), cwd=tmp_path) == ["data", "a\\ b", "\\$\\(touch\\ pwned\\)"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("reply", ["echo ok", "echo 'error -5 receiving packet'; return 1"], ids=["no names", "none"])
def test_no_name_is_offered_where_the_daemon_says_none(reply: str) -> None:
    assert offered("multipathd", "fail", "path", "", daemon=f"multipathd() {{ {reply}; }}") == []


def test_each_program_has_its_completion(tmp_path: Path) -> None:
    completion.write(tmp_path)
    names = {path.name for path in (tmp_path / "bash-completion/completions").iterdir()}
    assert names == {"mpathctl", "multipathd", "multipath", "multipathc"}
    assert (
        "#compdef mpathctl multipathd multipath multipathc\n" in (tmp_path / "zsh/site-functions/_mpathctl").read_text()
    )


def test_no_option_that_is_offered_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        mpathctl(["events", "--help"])
    known = set(re.findall(r"--\w+", capsys.readouterr().out))
    assert set(offered("mpathctl", "events", "--")) == known
