"""Command lines as getopt(3) splits them."""

import getopt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.client.options import BadOption, Options, parse

LETTERS = "ab:c::"


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        pytest.param(["x", "-a", "y"], [("a", None)], ["x", "y"], id="options follow words"),
        pytest.param(["-ab1", "-b", "2"], [("a", None), ("b", "1"), ("b", "2")], [], id="arguments with and apart"),
        pytest.param(["-cx", "-c", "y"], [("c", "x"), ("c", None)], ["y"], id="an optional one is in the same word"),
        pytest.param(["-a", "--", "-a"], [("a", None)], ["-a"], id="two dashes end the options"),
        pytest.param(["-", ""], [], ["-", ""], id="a dash alone is a word"),
        pytest.param(["-b", "-a"], [("b", "-a")], [], id="an argument may look like an option"),
        pytest.param(["-b", ""], [("b", "")], [], id="an argument may be empty"),
    ],
)
def test_what_a_command_line_means(arguments: list[str], options: Options, words: list[str]) -> None:
    assert parse(arguments, LETTERS) == (options, words)


@pytest.mark.parametrize(
    ("arguments", "letter", "lacks"), [(["-z"], "z", False), (["-a:"], ":", False), (["-ab"], "b", True)]
)
def test_what_no_option_is(arguments: list[str], letter: str, lacks: bool) -> None:
    with pytest.raises(BadOption) as caught:
        parse(arguments, LETTERS)
    assert (caught.value.letter, caught.value.lacks_argument) == (letter, lacks)


@given(st.lists(st.text(st.sampled_from("-ab:xyz"), max_size=4), max_size=6))
def test_without_optional_arguments_it_is_getopt_of_the_standard_library(arguments: list[str]) -> None:
    arguments = [word for word in arguments if not word.startswith("--") or word == "--"]
    try:
        expected, words = getopt.gnu_getopt(arguments, "ab:")
    except getopt.GetoptError:
        with pytest.raises(BadOption):
            parse(arguments, "ab:")
        return
    assert parse(arguments, "ab:") == ([(name[1], value if name == "-b" else None) for name, value in expected], words)
