"""Extended regular expressions: read as regcomp(3) reads them, matched in linear time."""

import ctypes
import platform
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desired.automaton import MOST_STATES, Automaton, build
from desired.regex import BadExpression, _Reader, compile_expression, compile_pattern

REG_EXTENDED, REG_NOSUB = 1, 8
LIBC = ctypes.CDLL(None)
SPACE_FOR_REGEX_T = 256

TEXTS = [
    "",
    "a",
    "b",
    "ab",
    "ba",
    "aab",
    "bb",
    "a b",
    "a-b",
    "_a",
    "abab",
    "a1",
    "^a",
    "$",
    "{1}",
    " a",
    "[a]",
    "a|b",
    ")",
]
PIECES = [
    *"ab-()|*+?{}12,[]^$._ ",
    *("[:alpha:]", "{1,2}", "{,2}", "{1}", "[=a=]", "[.b.]", "[a-b]", "[^a]", "[[:digit:]]"),
    *(r"\w", r"\W", r"\s", r"\S", r"\b", r"\B", r"\<", r"\>", r"\`", r"\'", r"\.", r"\d", r"\(", "\\"),
]


def by_libc(expression: str) -> list[bool] | None:
    """What the C library finds in `TEXTS`; None: it does not take the expression."""
    compiled = ctypes.create_string_buffer(SPACE_FOR_REGEX_T)
    if LIBC.regcomp(compiled, expression.encode(), REG_EXTENDED | REG_NOSUB):
        return None
    found = [LIBC.regexec(compiled, text.encode(), 0, None, 0) == 0 for text in TEXTS]
    LIBC.regfree(compiled)
    return found


def by_us(expression: str) -> list[bool] | None:
    try:
        pattern = compile_expression(expression)
    except BadExpression:
        return None
    return [pattern.matches(text) for text in TEXTS]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="compares with glibc's regcomp")
@settings(max_examples=2000)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=9).map("".join))
def test_the_c_library_reads_and_matches_the_same(expression: str) -> None:
    if re.search(r"\\[1-9]", expression):
        return  # Back-references: the C library takes some of them, we take none.
    assert by_us(expression) == by_libc(expression)


@pytest.mark.parametrize(
    ("expression", "found", "not_found"),
    [
        ("LUN", ["LUN", "xLUNx"], ["lun", ""]),
        ("^sd[a-z]$", ["sda"], ["sdaa", "xsda"]),
        ("a|b|", ["", "c"], []),
        ("(NETAPP|LSI)$", ["NETAPP", "xLSI"], ["LSI "]),
        ("ba[[rxy]", ["bar", "ba["], ["baz"]),
        ("a{2,3}", ["aa", "xaaax"], ["a"]),
        ("a{,1}b", ["b", "ab"], ["a"]),
        ("[[:digit:]]+$", ["x12"], ["12x"]),
        ("[]a]", ["]", "a"], ["b"]),
        ("[^]a]", ["b"], ["]", "a"]),
        ("[a-]", ["-"], ["b"]),
        (r"[\d]", ["\\", "d"], ["1"]),
        (r"\d", ["d"], ["1"]),
        (r"\.", ["."], ["x"]),
        ("x.y", ["x\ny"], ["xy"]),
        ("a^b", [], ["a^b", "ab"]),
        (r"\<ID", ["ID_WWN", "x ID"], ["xID"]),
        (r"\bWWN\b", ["a WWN b"], ["ID_WWN"]),
        ("\u00e9", ["caf\u00e9"], ["cafe"]),
        ("^..$", ["\u00e9"], ["\u00e9\u00e9"]),
        ("S/390 DASD ECKD", ["S/390 DASD ECKD"], ["S/390"]),
        (")", [")"], ["("]),
        ("}", ["}"], ["{"]),
    ],
)
def test_what_an_expression_finds(expression: str, found: list[str], not_found: list[str]) -> None:
    pattern = compile_expression(expression)
    assert [pattern.matches(text) for text in found] == [True] * len(found)
    assert [pattern.matches(text) for text in not_found] == [False] * len(not_found)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("[a", "[ is not closed"),
        ("[[:alpha:]", "[ is not closed"),
        ("[[:nosuch:]]", "no characters named nosuch"),
        ("[b-a]", "wrong way round"),
        ("[a-b-c]", "only a range"),
        ("[[:alpha:]-z]", "class of characters"),
        ("(a", "( is not closed (at character 1)"),
        ("*a", "nothing before *"),
        ("a|+", "nothing before + that it could repeat (at character 3)"),
        ("^*", "nothing before *"),
        ("a{1", "{ needs"),
        ("a{2,1}", "wrong way round"),
        ("a{40000}", "no more than"),
        ("a\\", "backslash at the end"),
        (r"(a)\1", "back-references"),
        ("(" * 100 + ")" * 100, "nested too deeply"),
        ("a" + "*" * 100, "nested too deeply"),
        ("((a{99}){99}){99}", "too large"),
    ],
)
def test_what_is_no_expression_is_refused_with_the_reason(expression: str, reason: str) -> None:
    with pytest.raises(BadExpression, match=re.escape(reason)):
        compile_expression(expression)


def test_a_leading_exclamation_mark_negates_a_rule() -> None:
    rule = compile_pattern("!^sd")
    assert (rule.negated, rule.text) == (True, "!^sd")
    assert (rule.matches("sda"), rule.matches("loop0")) == (False, True)


def test_an_escaped_exclamation_mark_does_not() -> None:
    assert compile_pattern(r"\!x").matches("!x")


def test_a_device_entry_knows_no_negation() -> None:
    assert compile_expression("!A").matches("!A")
    assert not compile_expression("!A").matches("B")


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("(a*)*b", "a" * 20_000),
        ("(a|aa)+$", "a" * 20_000 + "b"),
        ("(x+x+)+y", "x" * 20_000),
        ("(.*)(.*)(.*)(.*)(.*)z", "q" * 20_000),
        ("^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 20_000),
    ],
)
def test_expressions_that_ruin_a_backtracking_matcher_cost_nothing_special(expression: str, text: str) -> None:
    start = time.process_time()
    assert not compile_expression(expression).matches(text)
    # A backtracking matcher needs longer than the universe is old for the first three.
    assert time.process_time() - start < 2.0


def test_the_automaton_forgets_states_rather_than_to_grow() -> None:
    automaton = Automaton(build(_Reader("(a|b)*a(a|b){12}c").read()))
    word = "".join("ab"[bin(n).count("1") % 2] for n in range(6000))
    assert not automaton.found_in(word)
    assert automaton.found_in(word + "a" + "b" * 12 + "c")
    assert len(automaton._states) <= MOST_STATES


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_two_texts_give_an_answer_or_a_reason(expression: str, text: str) -> None:
    reason, answer = "", None
    try:
        answer = compile_pattern(expression).matches(text)
    except BadExpression as error:
        reason = str(error)
    assert answer in (True, False) or reason


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("((){9999}){9999}x", "x"),
        ("(((){9999}){9999}){9999}", ""),
        ("((a{0}){9999}){9999}", ""),
        ("a" + "?" * 50, ""),
        ("a" + "*" * 50, "aa"),
    ],
)
def test_repetitions_inside_each_other_are_not_counted_one_by_one(expression: str, found: str) -> None:
    start = time.process_time()
    assert compile_expression(expression).matches(found)
    # Counting the empty groups of the second takes weeks.
    assert time.process_time() - start < 2.0


def test_an_automaton_is_made_for_the_first_text_only() -> None:
    start = time.process_time()
    patterns = [compile_expression(f"{number}.{{4900}}") for number in range(2000)]
    # Making all of them takes 10 s, and more than a gigabyte.
    assert time.process_time() - start < 3.0
    assert patterns[7].matches("7" + "x" * 4900)
