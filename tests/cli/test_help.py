"""What `mpathctl` says of its exit statuses, in its help and in its manual."""

import re
from pathlib import Path

import pytest

from controller.cli.main import main as mpathctl

MANUAL = Path(__file__).resolve().parents[2] / "deploy/man/mpathctl.8"
OF_TWO = ("--dry-run", "preview", "replay", "the command line is wrong")


@pytest.mark.parametrize("words", [(), ("reconcile",), ("replay",)], ids=["mpathctl", "reconcile", "replay"])
def test_the_help_lists_every_exit_status(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        mpathctl([*words, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out.partition("exit status:\n")[2]
    found = dict(re.findall(r"^ {2}(\d)  ((?:.|\n {5})+)", text, re.MULTILINE))
    assert list(found) == ["0", "1", "2"]
    assert all(each in " ".join(found["2"].split()) for each in OF_TWO)


def test_the_manual_lists_every_exit_status() -> None:
    section = MANUAL.read_text().partition(".SH EXIT STATUS\n")[2].partition(".SH ")[0].replace("\\-", "-")
    assert re.findall(r"^\.B (\d)$", section, re.MULTILINE) == ["0", "1", "2"]
    assert all(each in " ".join(section.split()) for each in OF_TWO)


def test_a_wrong_command_line_has_the_exit_status_that_the_help_says() -> None:
    with pytest.raises(SystemExit) as ended:
        mpathctl(["reconcile", "--nonsense"])
    assert ended.value.code == 2
