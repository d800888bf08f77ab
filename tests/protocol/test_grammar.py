"""The language: words, abbreviations, quotes, what is wrong with a request, and who may give which command."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from controller.protocol.grammar import (
    BANNER,
    HELP_PAGE,
    KEYS,
    OUR_HELP,
    OUR_KEYS,
    OUR_ROWS,
    ROWS,
    Command,
    Refusal,
    Verb,
    find_key,
    parse,
    quoted,
)


def understood(text: str) -> Command:
    parsed = parse(text)
    assert isinstance(parsed, Command), parsed
    return parsed


def refusal(text: str) -> str:
    parsed = parse(text)
    assert isinstance(parsed, Refusal), parsed
    return parsed.reply


def request_of(verb: Verb) -> str:
    """A request that means this command."""
    return " ".join(f"{key} X" if key in verb.parameters else key for key in verb.keys)


def test_there_are_61_commands_and_54_keys_of_which_seven_take_a_parameter() -> None:
    assert len(ROWS) == 61
    assert len(KEYS) == 54
    assert sum(key.takes for key in KEYS) == 7


@pytest.mark.parametrize("verb", Verb)
def test_every_command_is_understood_by_its_keys(verb: Verb) -> None:
    assert understood(request_of(verb)) == Command(verb, dict.fromkeys(verb.parameters, "X"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("list paths", "show paths"),
        ("remove path sda", "del path sda"),
        ("switch map x group 1", "switchgroup multipath x group 1"),
        ("show maps", "list multipaths"),
        ("quit", "exit"),
    ],
)
def test_words_of_one_meaning_are_one_command(one: str, other: str) -> None:
    assert understood(one) == understood(other)


@pytest.mark.parametrize("text", ["sho dae", "show daem", "lis daemon", "lis da"])
def test_a_beginning_that_only_one_key_has_is_that_key(text: str) -> None:
    assert understood(text).verb is Verb.LIST_DAEMON


@pytest.mark.parametrize("word", ["l", "sh", "sw", "pat", "mu", "s", "re", "ma", "get"])
def test_a_beginning_of_several_keys_is_none_even_if_they_mean_the_same(word: str) -> None:
    assert find_key(word) is None


def test_a_key_that_is_also_a_beginning_of_others_is_itself() -> None:
    key = find_key("path")
    assert key is not None
    assert key.word == "path"
    assert understood("switch map x group 1").verb is Verb.SWITCH_MAP


@pytest.mark.parametrize("word", ["Show", "showx", "", "daemons"])
def test_what_begins_no_key_is_none(word: str) -> None:
    assert find_key(word) is None


@pytest.mark.parametrize(
    ("text", "blame"),
    [
        ("", "Not enough memory"),
        ("   ", "Not enough memory"),
        ("# only a comment", "Not enough memory"),
        ("bogus", "not found"),
        ("show bogus", "not found"),
        ("l", "not found"),
        ("show paths l", "not found"),
        ("show", "Missing argument"),
        ("show map", "Missing argument"),
        ("show map x", "Missing argument"),
        ("show maps format", "Missing argument"),
        ('show maps format ""', "Missing argument"),
        ("show maps list json raw", "Missing argument"),
        ("maps show", "Missing argument"),
        ("q q", "Missing argument"),
    ],
)
def test_what_is_wrong_is_said_before_the_help_page(text: str, blame: str) -> None:
    assert refusal(text) == f"fail\n{text}: {blame}\n{HELP_PAGE}"


@pytest.mark.parametrize("text", ["bogus paths", "l paths", "show pat sda", 'show paths format "%d" "%z"', "sw map x"])
def test_an_unknown_word_that_is_not_the_last_is_a_plain_fail(text: str) -> None:
    assert refusal(text) == "fail\n"


@pytest.mark.parametrize(
    ("text", "format_"),
    [
        ("show paths format %d", "%d"),
        ('show paths format "%d %w"', "%d %w"),
        ('show paths format "say ""%d"""', 'say "%d"'),
        ('show paths format "%d', "%d"),
        ('show paths format "%d #1 !{}"', "%d #1 !{}"),
        ("show paths format '%d'", "'%d'"),
        ('show paths format "  "', "  "),
    ],
)
def test_quotes_group_and_double_quotes_stand_for_one(text: str, format_: str) -> None:
    assert understood(text).arguments == {"format": format_}


@pytest.mark.parametrize(
    "text",
    [
        "show daemon\n", "\tshow  daemon ", "show daemon # why", "show daemon! now", "show daemon\0 and more",
        '"show" "daemon"', "show\N{NO-BREAK SPACE}daemon",
    ],
)  # fmt: skip
def test_blanks_comments_and_what_follows_a_nul_do_not_count(text: str) -> None:
    assert understood(text).verb is Verb.LIST_DAEMON


def test_a_parameter_may_be_a_key() -> None:
    assert understood("show path path").arguments == {"path": "path"}


def test_the_help_page_has_every_command_with_all_words_and_none_of_ours() -> None:
    lines = HELP_PAGE.splitlines(keepends=True)
    assert lines[:2] == [BANNER, "CLI commands reference:\n"]
    assert len(lines) == 2 + 61
    assert " switch|switchgroup map|multipath $map group $group\n" in lines
    assert " list|show maps|multipaths raw format $format\n" in lines
    assert " quit|exit\n" in lines
    assert len(HELP_PAGE) < 2000
    assert not any(f" {key.word}" in HELP_PAGE for key in OUR_KEYS)


def test_ours_are_listed_apart() -> None:
    assert OUR_HELP.splitlines() == [
        " list|show age", " list|show tree", " list|show metrics", " list|show events",
        " list|show events since $since", " list|show md", " dump recorder",
    ]  # fmt: skip


def test_our_keys_disturb_none_of_multipathds() -> None:
    for ours in OUR_KEYS:
        assert not any(key.word.startswith(ours.word) for key in KEYS)
        for end in range(1, len(ours.word)):
            shorter = find_key(ours.word[:end])
            assert shorter is None or shorter in KEYS


def test_ours_have_no_abbreviations() -> None:
    assert refusal("show metric").startswith("fail\nshow metric: not found\n")
    assert understood("show metrics").verb is Verb.LIST_METRICS


READING = {verb for verb in Verb if verb.value.startswith("list ")}


@pytest.mark.parametrize("verb", Verb)
def test_only_root_may_do_more_than_look(verb: Verb) -> None:
    assert verb.needs_root is (verb not in READING)


def test_most_commands_are_for_root() -> None:
    assert len([verb for verb in ROWS if not verb.needs_root]) == 23
    assert {verb for verb in OUR_ROWS if verb.needs_root} == {Verb.DUMP_RECORDER}


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    parsed = parse(text)
    assert isinstance(parsed, Command) or parsed.reply.startswith("fail\n")


@given(st.lists(st.sampled_from([*(key.word for key in KEYS), '"', "x", "#"]), max_size=7).map(" ".join))
def test_no_order_of_words_is_too_strange(text: str) -> None:
    parsed = parse(text)
    assert isinstance(parsed, Command) or parsed.reply.startswith("fail\n")


@given(st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1))
@example('"')
@example('""')
def test_a_quoted_word_stays_one_word(word: str) -> None:
    assert understood(f"show path {quoted(word)}").arguments == {"path": word}


@pytest.mark.parametrize("word", ["sda", "/dev/mapper/x", "%d", "8:16"])
def test_a_word_without_blanks_needs_no_quotes(word: str) -> None:
    assert quoted(word) == word
