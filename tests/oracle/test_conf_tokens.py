"""Recorded tokens of single lines: what the lexer sees in them, and the value that the parser takes."""

from typing import Any

import pytest

from desired.conf.lexer import tokenize
from desired.conf.parser import parse
from desired.conf.tree import Block
from desired.options import ALIAS_PREFIX
from observers.snapshot import TextFile
from tests.oracle.spec import spec_json

COUNT = 19
WITH_NEWLINE = (5, 14)
"""Lines with a newline inside, which no line of a file has: only their tokens are compared."""


def case(index: int) -> Any:
    return spec_json("vectors", "parser.json")["cases"][index]


@pytest.mark.parametrize("index", range(COUNT))
def test_tokens_are_those_of_the_reference(index: int) -> None:
    expected = [token if isinstance(token, str) else '"' for token in case(index)["tokens"]]
    quotes = [not isinstance(token, str) for token in case(index)["tokens"]]
    tokens = tokenize(case(index)["line"])
    assert [token.text for token in tokens] == expected
    assert [token.quote for token in tokens] == quotes


@pytest.mark.parametrize("index", [index for index in range(COUNT) if index not in WITH_NEWLINE])
def test_values_and_complaints_are_those_of_the_reference(index: int) -> None:
    recorded = case(index)
    line = recorded["line"]
    keyword = line.split('"')[0].split()[0]
    text = "defaults {\n" + line.replace(keyword, ALIAS_PREFIX.keyword, 1) + "\n}\n"
    parsed = parse(TextFile("test.conf", text))
    (block,) = (item for item in parsed.tree.items if isinstance(item, Block))
    assert [item.text for item in block.settings()] == [recorded["value"]]
    complaints = [message.text.replace("line 2 of", "line 0 of") for message in parsed.messages]
    expected = [] if recorded["message"] is None else [recorded["message"].split("| ", 1)[1].rstrip("\n")]
    assert complaints == expected
