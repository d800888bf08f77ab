r"""Names with odd characters: udev splits a link's name at a blank, so the kernel is given `\x20` instead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observers.kernel.dm_names import from_kernel, to_kernel


@pytest.mark.parametrize(
    ("name", "kernel"),
    [
        ("mpatha", "mpatha"),
        ("a#b+c-d.e:f=g@h_1", "a#b+c-d.e:f=g@h_1"),
        ("my disk", r"my\x20disk"),
        ("a/b", r"a\x2fb"),
        ("ä", r"\xc3\xa4"),
        (r"my\x20disk", r"my\x20disk"),
    ],
    ids=["plain", "all that is left alone", "blank", "slash", "two bytes", "escaped already"],
)
def test_names_are_given_to_the_kernel_as_libdevmapper_does(name: str, kernel: str) -> None:
    assert to_kernel(name) == kernel


def test_an_escape_is_read_as_its_character() -> None:
    assert from_kernel(r"my\x20disk\xc3\xa4") == "my diskä"


@given(st.text(st.characters(codec="utf-8")).filter(lambda text: "\\x" not in text))
def test_every_name_comes_back(name: str) -> None:
    assert from_kernel(to_kernel(name)) == name
