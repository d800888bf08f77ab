"""The README shows what the commands really print, and what the daemon really answers."""

import re
from pathlib import Path

import pytest

from tests.cli.captured import run
from tests.service.virtual import Virtual

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```\n\$ mpathctl (.*)\n((?:.*\n)*?)```", README)
ANSWERED = re.findall(r"```\n\$ multipathd (.*)\n((?:.*\n)*?)```", README)


def test_the_readme_shows_commands() -> None:
    assert len(SHOWN) >= 2
    assert ANSWERED


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command for command, _ in SHOWN])
def test_the_readme_shows_real_output(command: str, output: str) -> None:
    assert run(*command.split()).out == output


def test_the_readme_shows_what_the_daemon_answers() -> None:
    daemon = Virtual("fabric-down")
    daemon.settled()
    assert {command: daemon.ask(command) for command, _ in ANSWERED} == dict(ANSWERED)
