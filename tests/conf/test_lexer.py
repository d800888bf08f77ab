"""Lines and tokens of the configuration language."""

import pytest

from desired.conf.lexer import LINE_BYTES, lines_of, tokenize


def words(line: str) -> list[str]:
    return [token.text for token in tokenize(line)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("prio alua", ["prio", "alua"]),
        ("\t prio \t alua  ", ["prio", "alua"]),
        ("prio alua # said the vendor", ["prio", "alua"]),
        ("prio alua ! said the vendor", ["prio", "alua"]),
        ("prio al#ua", ["prio", "al"]),
        ("# nothing", []),
        ("!nothing", []),
        ("   ", []),
        ("", []),
        ("defaults{", ["defaults", "{"]),
        ("a{b}c", ["a", "{", "b", "}", "c"]),
        ("prio \xe4lua", ["prio", "lua"]),
        ("prio a\x01\x7f\x1cb", ["prio", "a\x01\x7f\x1cb"]),
        ("prio\x0b\x0calua", ["prio", "alua"]),
        ('"a # b"', ['"', "a # b", '"']),
        ('x "a""b"', ["x", '"', 'a"b', '"']),
        ('x ""', ["x", '"', '"']),
        ('x """a"""', ["x", '"', '"a"', '"']),
        ('x "open', ["x", '"', "open"]),
        ('x"y"z', ["x", '"', "y", '"', "z"]),
    ],
)
def test_words_of_a_line(line: str, expected: list[str]) -> None:
    assert words(line) == expected


def test_a_token_knows_where_it_starts() -> None:
    assert [token.start for token in tokenize('  prio "x y" # z')] == [2, 7, 8, 11]


def test_a_quote_mark_is_not_a_word_of_one_quote() -> None:
    assert [token.quote for token in tokenize('x """"')] == [False, True, False, True]


def test_lines_are_numbered_from_one() -> None:
    assert [(line.number, line.text) for line in lines_of("a\n\nb")] == [(1, "a"), (2, ""), (3, "b")]


def test_a_line_longer_than_the_buffer_is_read_in_pieces_of_the_same_number() -> None:
    pieces = list(lines_of("x" * (LINE_BYTES + 7) + "\ny"))
    assert [(piece.number, piece.offset, len(piece.text)) for piece in pieces] == [
        (1, 0, LINE_BYTES),
        (1, LINE_BYTES, 7),
        (2, 0, 1),
    ]


@pytest.mark.parametrize(
    ("first", "counted"),
    [("x", 2), ("x" * (LINE_BYTES - 1), 2), ("x" * LINE_BYTES, 3), ("x" * (LINE_BYTES + 1), 3), ("\u00e9" * 600, 3)],
    ids=["short", "with its end just fits", "its end does not fit", "does not fit", "counted in bytes"],
)
def test_the_reference_counts_what_it_reads_at_once(first: str, counted: int) -> None:
    *_, last = lines_of(f"{first}\ny")
    assert (last.number, last.counted) == (2, counted)


def test_the_buffer_counts_bytes_and_never_splits_a_character() -> None:
    first, second = lines_of("\u00e9" * 600)
    assert len(first.text) == LINE_BYTES // 2
    assert first.text + second.text == "\u00e9" * 600


def test_an_undecodable_byte_counts_as_one() -> None:
    assert len(list(lines_of("\udcff" * LINE_BYTES))) == 1


@pytest.mark.parametrize(("raw", "text"), [("a\0b", "a"), ("a\r", "a"), ("a\rb", "a"), ("\ra", "\ra")])
def test_a_line_ends_at_a_nul_or_a_carriage_return(raw: str, text: str) -> None:
    (line,) = lines_of(raw)
    assert line.text == text
