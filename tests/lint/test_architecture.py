"""ARCHITECTURE.md says where things are: each module of the four packages is in its list."""

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("observers", "desired", "actuators", "controller")
OF_A_KIND = ("checkers", "prioritizers", "sandbox")
"""Folders that are named as a whole: what is in them is all of one kind."""


def listed(room: str) -> str:
    """A room's part of the list."""
    text = (ROOT / "ARCHITECTURE.md").read_text().partition("## Where things are")[2].split("```")[1]
    parts = re.split(r"^(\w+)/", text, flags=re.MULTILINE)
    return parts[parts.index(room) + 1]


def modules(room: str) -> list[Path]:
    return [
        path.relative_to(ROOT)
        for path in sorted((ROOT / room).rglob("*.py"))
        if path.stem != "__init__" and not set(path.parts) & set(OF_A_KIND)
    ]


@pytest.mark.parametrize("room", ROOMS)
def test_each_module_is_in_the_list_by_its_name_or_by_a_pattern(room: str) -> None:
    words = {word.removesuffix(".py") for word in re.findall(r"[\w*]+(?:\.py)?", listed(room))}
    assert [str(path) for path in modules(room) if not any(fnmatch(path.stem, word) for word in words)] == []


@pytest.mark.parametrize("room", ROOMS)
def test_nothing_is_in_the_list_that_is_not_there(room: str) -> None:
    names = [path.name for path in (ROOT / room).rglob("*.py")]
    patterns = re.findall(r"[\w*]+\.py", listed(room))
    assert [each for each in patterns if not any(fnmatch(name, each) for name in names)] == []
