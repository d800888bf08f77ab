"""A configuration file as a tree: sections with what is set in them, in the order of the text.

Values only. `desired.conf.parser` makes the tree, `desired.config` merges the trees of all files.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from desired.options import Option, Section
from desired.values import Effect


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Setting:
    """A keyword with its value. `text`: as written, without quotes; `value`: only when `effect` is SET."""

    option: Option[Any]
    text: str
    place: Place
    effect: Effect
    value: object


@dataclass(frozen=True, slots=True)
class Block:
    """A section instance with its content."""

    section: Section
    place: Place
    items: "tuple[Setting | Block, ...]"

    def blocks(self, section: Section) -> "Iterator[Block]":
        """The section instances of that kind directly in this one."""
        return (item for item in self.items if isinstance(item, Block) and item.section is section)

    def settings(self) -> Iterator[Setting]:
        """The settings directly in this one."""
        return (item for item in self.items if isinstance(item, Setting))
