"""dm-multipath's table and status lines, both ways."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observers.dmtable import (
    DevT,
    GroupState,
    GroupStatus,
    MultipathStatus,
    MultipathTable,
    PathStatus,
    Sectors,
    TableGroup,
    TablePath,
    TableSyntax,
    format_status,
    format_table,
    parse_status,
    parse_table,
)

WORD = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=1, max_size=12)
WORDS = st.lists(WORD, max_size=4).map(tuple)
SIZE = st.integers(1, 2**50).map(Sectors)
DEV = st.tuples(st.integers(0, 4095), st.integers(0, 1048575)).map(lambda pair: DevT(f"{pair[0]}:{pair[1]}"))


@st.composite
def table_groups(draw: st.DrawFn) -> TableGroup:
    width = draw(st.integers(0, 3))
    args = st.lists(WORD, min_size=width, max_size=width).map(tuple)
    return TableGroup(
        draw(WORD), draw(WORDS), tuple(draw(st.lists(st.builds(TablePath, DEV, args), min_size=1, max_size=5)))
    )


@st.composite
def status_groups(draw: st.DrawFn) -> GroupStatus:
    width = draw(st.integers(0, 3))
    args = st.lists(WORD, min_size=width, max_size=width).map(tuple)
    path = st.builds(PathStatus, DEV, st.booleans(), st.integers(0, 2**31), args)
    return GroupStatus(
        draw(st.sampled_from(GroupState)), draw(WORDS), tuple(draw(st.lists(path, min_size=1, max_size=5)))
    )


TABLES = st.builds(
    MultipathTable,
    size=SIZE,
    features=WORDS,
    hardware_handler=WORDS,
    initial_group=st.integers(0, 9),
    groups=st.lists(table_groups(), max_size=5).map(tuple),
)
STATUSES = st.builds(
    MultipathStatus,
    size=SIZE,
    info=WORDS,
    handler_info=WORDS,
    next_group=st.integers(0, 9),
    groups=st.lists(status_groups(), max_size=5).map(tuple),
)


@given(TABLES)
def test_a_table_printed_and_parsed_is_the_same(table: MultipathTable) -> None:
    assert parse_table(table.size, format_table(table)) == table


@given(STATUSES)
def test_a_status_printed_and_parsed_is_the_same(status: MultipathStatus) -> None:
    assert parse_status(status.size, format_status(status)) == status


def test_a_table_as_the_kernel_prints_it() -> None:
    text = "1 queue_if_no_path 1 alua 2 1 service-time 0 2 2 8:0 1 1 8:96 1 1 service-time 0 1 2 8:32 1 1 "
    table = parse_table(Sectors(131072), text)
    assert table.queues
    assert table.hardware_handler == ("alua",)
    assert [group.selector for group in table.groups] == ["service-time", "service-time"]
    assert table.devices == (DevT("8:0"), DevT("8:96"), DevT("8:32"))
    assert table.groups[0].paths[0].args == ("1", "1")
    assert format_table(table) == text.strip()


def test_a_status_as_the_kernel_prints_it() -> None:
    text = "2 0 1 0 3 1 A 0 2 2 8:0 A 0 0 1 8:96 F 3 0 1 E 0 1 2 8:32 A 0 0 1 D 0 1 2 8:64 A 0 0 1 "
    status = parse_status(Sectors(131072), text)
    assert status.info == ("0", "1")
    assert [group.state for group in status.groups] == [GroupState.ACTIVE, GroupState.ENABLED, GroupState.DISABLED]
    assert [(path.dev, path.active, path.fail_count) for path in status.paths][:2] == [
        ("8:0", True, 0),
        ("8:96", False, 3),
    ]
    assert format_status(status) == text.strip()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("", "ends", id="empty"),
        pytest.param("1", "ends", id="a feature is missing"),
        pytest.param("x 0 0 0", "'x'", id="a count is no number"),
        pytest.param("0 0 -1 1", "'-1'", id="a count is negative"),
        pytest.param("0 0 1 1 service-time 0 1 0 sda", "'sda'", id="a name where a number should be"),
        pytest.param("0 0 1 1 service-time 0 1 0 8:0 extra", "'extra'", id="words after the end"),
        pytest.param("0 0 2 1 service-time 0 1 0 8:0", "ends", id="a group is missing"),
        pytest.param("0 0 1 1 service-time 0 1 1 8:0", "ends", id="a path argument is missing"),
        pytest.param("0 0 1 1 service-time 0 1 0 ٣:0", "'٣:0'", id="digits that are not ASCII"),
    ],
)
def test_a_line_that_does_not_follow_the_grammar_is_refused(text: str, fault: str) -> None:
    with pytest.raises(TableSyntax, match=re.escape(fault)):
        parse_table(Sectors(8), text)


@pytest.mark.parametrize("text", ["0 0 1 1 X 0 0 0", "0 0 1 1 A 0 1 0 8:0 Z 0", "0 0 1 1 A 0 1 0 8:0 A"])
def test_a_status_that_does_not_follow_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(TableSyntax):
        parse_status(Sectors(8), text)


def test_paths_of_one_group_must_have_equally_many_arguments() -> None:
    group = TableGroup("service-time", (), (TablePath(DevT("8:0"), ("1",)), TablePath(DevT("8:16"))))
    with pytest.raises(TableSyntax):
        format_table(MultipathTable(size=Sectors(8), initial_group=1, groups=(group,)))


@given(st.text(max_size=60))
def test_any_text_gives_a_value_or_a_syntax_error(text: str) -> None:
    for parse in (parse_table, parse_status):
        with contextlib.suppress(TableSyntax):
            parse(Sectors(8), text)


def test_the_empty_table_has_group_zero() -> None:
    table = parse_table(Sectors(8), "0 0 0 0")
    assert table.groups == ()
    assert table.initial_group == 0


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("0 0 1 " + "1" * 5000, id="a number"),
        pytest.param("0 0 1 1 service-time 0 1 0 8:" + "0" * 5000, id="a device number"),
    ],
)
def test_numbers_with_thousands_of_digits_are_no_numbers(line: str) -> None:
    with pytest.raises(TableSyntax, match="should be"):
        parse_table(Sectors(8), line)
