"""The README shows what the commands really print."""

import re
from pathlib import Path

import pytest

from tests.cli.captured import run

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```\n\$ mpathctl (.*)\n((?:.*\n)*?)```", README)


def test_the_readme_shows_commands() -> None:
    assert len(SHOWN) >= 2


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command for command, _ in SHOWN])
def test_the_readme_shows_real_output(command: str, output: str) -> None:
    assert run(*command.split()).out == output
