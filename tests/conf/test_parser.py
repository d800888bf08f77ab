"""From lines to a tree of sections, and what is said about lines that are wrong."""

import pytest

from desired.conf.tree import Block, Place, Setting
from desired.model import Severity
from desired.options import Section
from tests.conf.reading import MAIN, parsed, texts


def shape(block: Block) -> list[object]:
    """The tree as nested lists of keyword and text."""
    return [
        (item.option.keyword, item.text) if isinstance(item, Setting) else [item.section.value, *shape(item)]
        for item in block.items
    ]


def test_sections_hold_what_stands_between_their_braces() -> None:
    text = 'defaults {\n prio alua\n}\ndevices {\n device {\n  vendor "A B"\n }\n}\n'
    assert shape(parsed(text).tree) == [
        ["defaults", ("prio", "alua")],
        ["devices", ["devices/device", ("vendor", "A B")]],
    ]
    assert parsed(text).messages == ()


def test_a_setting_knows_its_file_line_and_column() -> None:
    (block,) = parsed("# x\ndefaults {\n   prio alua\n}\n").tree.blocks(Section.DEFAULTS)
    (setting,) = block.settings()
    assert setting.place == Place(MAIN, 3, 4)
    assert str(setting.place) == f"{MAIN}:3"


def test_what_follows_the_brace_on_its_line_is_dropped_and_the_section_stays_open() -> None:
    result = parsed("defaults { verbosity 3 }\nprio alua\n")
    assert shape(result.tree) == [["defaults", ("prio", "alua")]]
    assert texts(result.messages) == [
        f"ignoring extra data starting with 'verbosity' on line 1 of {MAIN}",
        f"missing '}}' at end of {MAIN}",
    ]


def test_lines_of_an_unknown_section_count_as_lines_outside_of_it() -> None:
    result = parsed("defaults {\n nosuch {\n prio alua\n }\n verbosity 3\n")
    assert shape(result.tree) == [["defaults", ("prio", "alua")]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("prio", f"missing value for option 'prio' on line 2 of {MAIN}"),
        ("{", f"invalid keyword '{{' on line 2 of {MAIN}"),
        ("nosuch 1", f"{MAIN} line 2, invalid keyword in the defaults section: nosuch"),
        ("prio a b", f"ignoring extra data starting with 'b' on line 2 of {MAIN}"),
        ('prio "a', f"missing closing quotes on line 2 of {MAIN}"),
        ('prio "a" b', f"ignoring extra data starting with 'b' on line 2 of {MAIN}"),
        ("device", f"missing '{{' on line 2 of {MAIN}"),
        ("device x", f"expecting '{{' on line 2 of {MAIN}. found 'x'"),
        ('"', f"missing value for option '' on line 2 of {MAIN}"),
        ('"x" y', f"ignoring extra data starting with '' on line 2 of {MAIN}"),
        ("verbosity x", f'{MAIN} line 2, invalid value for verbosity: "x"'),
        ("config_dir x", f'{MAIN} line 2: ignoring deprecated option "config_dir", using built-in value: '),
    ],
)
def test_a_wrong_line_is_told_in_the_known_words(line: str, message: str) -> None:
    first = parsed(f"defaults {{\n{line}\n}}\n").messages[0]
    assert first.text.startswith(message)
    assert (first.file, first.line) == (MAIN, 2)
    assert first.column >= 1


def test_a_brace_without_a_section_is_told_twice_as_ever() -> None:
    assert texts(parsed("}\n").messages) == [
        f"unmatched '}}' at line 1 of {MAIN}",
        f"{MAIN} line 1, invalid keyword: }}",
    ]


def test_an_open_section_at_the_end_is_told_once_and_the_hint_names_it() -> None:
    (message,) = parsed("devices {\n device {\n  vendor A\n").messages
    assert message.text == f"missing '}}' at end of {MAIN}"
    assert "device begins in line 2" in message.hint


def test_a_section_without_its_brace_is_entered_all_the_same() -> None:
    assert shape(parsed("defaults\n prio alua\n}\n").tree) == [["defaults", ("prio", "alua")]]


def test_overrides_alone_on_a_line_lacks_a_value_and_is_not_entered() -> None:
    result = parsed("overrides\n prio alua\n")
    assert shape(result.tree) == []
    assert texts(result.messages)[0] == f"missing value for option 'overrides' on line 1 of {MAIN}"


def test_the_second_of_a_keyword_that_stands_once_is_told() -> None:
    result = parsed("defaults {\n prio alua\n prio emc\n}\n")
    assert texts(result.messages) == [f"{MAIN} line 3, duplicate keyword: prio"]


def test_rules_and_list_entries_may_repeat() -> None:
    assert parsed("blacklist {\n wwid a\n wwid b\n device {\n }\n device {\n }\n}\n").messages == ()


def test_each_deprecated_keyword_is_told_once() -> None:
    result = parsed("defaults {\n config_dir x\n bindings_file y\n}\ndefaults {\n config_dir z\n}\n")
    deprecated = [text for text in texts(result.messages) if "deprecated option" in text]
    assert len(deprecated) == 2
    assert result.told == {"config_dir", "bindings_file"}


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("path_cheker tur", "did you mean path_checker?"),
        ("pollinginterval 3", "did you mean polling_interval?"),
        ("wwid x", "it belongs to blacklist, blacklist_exceptions, multipaths/multipath"),
        ("zzzzzz 1", ""),
    ],
)
def test_an_unknown_keyword_comes_with_what_was_probably_meant(line: str, hint: str) -> None:
    (message,) = parsed(f"defaults {{\n{line}\n}}\n").messages
    assert message.hint == hint
    assert message.severity is Severity.ERROR


def test_a_bad_value_says_what_was_expected_and_points_at_it() -> None:
    (message,) = parsed("defaults {\n  rr_weight heavy\n}\n").messages
    assert message.hint == "expected one of uniform, priorities"
    assert (message.line, message.column) == (2, 13)


def test_an_unusable_value_refuses_the_file_and_reading_goes_on() -> None:
    result = parsed("blacklist {\n wwid [a\n nosuch 1\n}\n")
    assert result.fatal
    assert texts(result.messages) == [
        f"{MAIN} line 2, parsing failed:  wwid [a",
        f"{MAIN} line 3, invalid keyword in the blacklist section: nosuch",
    ]
    assert "[ is not closed" in result.refusals[0].hint


def test_the_rest_of_an_over_long_line_keeps_its_number_and_its_column() -> None:
    result = parsed("defaults {\n" + " " * 1100 + "nosuch 1\n}\n")
    (message,) = result.messages
    assert (message.line, message.column) == (2, 1101)


def test_words_of_a_message_count_the_pieces_of_over_long_lines() -> None:
    result = parsed("defaults {\n" + " " * 1100 + "nosuch 1\n}\n}\n")
    assert texts(result.messages) == [
        f"{MAIN} line 3, invalid keyword in the defaults section: nosuch",
        f"unmatched '}}' at line 5 of {MAIN}",
        f"{MAIN} line 5, invalid keyword: }}",
    ]
    assert [message.line for message in result.messages] == [2, 4, 4]


def test_a_line_that_begins_with_an_empty_text_is_no_setting() -> None:
    result = parsed('defaults {\n"" prio alua\n}\n')
    assert texts(result.messages) == [f"parsing error starting with 'alua' on line 2 of {MAIN}"]
    assert shape(result.tree) == [["defaults"]]


def test_what_a_value_is_read_as_is_told_when_that_may_surprise() -> None:
    (message,) = parsed("defaults {\n dev_loss_tmo 60s\n}\n").messages
    assert message.text == f'{MAIN} line 2, dev_loss_tmo "60s" is read as 60'
    assert message.ours
    assert message.severity is Severity.WARNING


def test_each_line_of_a_complaint_is_a_message() -> None:
    result = parsed("defaults {\n uid_attrs sd\n}\n")
    assert texts(result.messages) == [
        "invalid record in uid_attrs: sd",
        f'{MAIN} line 2,error parsing uid_attrs: "sd"',
    ]


@pytest.mark.parametrize(
    ("line", "stands_at"),
    [
        ("reassign_maps yes", "no"),
        ("log_checker_err always", "once"),
        ("force_sync yes", "no"),
        ("strict_timing yes", "no"),
    ],
)
def test_a_keyword_that_nothing_depends_on_is_told_by_us_alone(line: str, stands_at: str) -> None:
    (message,) = parsed(f"defaults {{\n {line}\n}}\n").messages
    assert message.text.endswith("has no effect here")
    assert message.hint.startswith(f"it is as with {stands_at}: ")
    assert (message.ours, message.severity) == (True, Severity.WARNING)


@pytest.mark.parametrize("line", ["reassign_maps no", "log_checker_err once", "strict_timing 0"])
def test_a_keyword_that_nothing_depends_on_may_say_what_is_so(line: str) -> None:
    assert parsed(f"defaults {{\n {line}\n}}\n").messages == ()
