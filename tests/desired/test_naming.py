"""Aliases, bindings, and names that others have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired.config import Config
from desired.model import Origin, OriginKind, Resolved
from desired.naming import HEADER, MAX_ID, Bindings, Namer, format_alias, scan_alias
from desired.options import Layer
from desired.precedence import Layers, global_settings
from observers.dmtable import DevT
from observers.snapshot import Alias, Map, Wwid, map_uuid

FREE = lambda _alias, _wwid: False  # noqa: E731 - a table of one answer
A, B, C = Wwid("3aaa"), Wwid("3bbb"), Wwid("3ccc")
WWIDS = {"A": A, "B": B, "C": C}


def layers(**settings: object) -> Layers:
    """The layers of a map with these settings."""
    made = {
        keyword: Resolved(value, Origin(OriginKind.DEFAULTS, "multipath.conf:2")) for keyword, value in settings.items()
    }
    base = global_settings(Config(defaults=made))
    return Layers({**base.sources, Layer.OVERRIDES: (made,)})


DB = Alias("mpathb")
PLAIN = layers()
FRIENDLY = layers(user_friendly_names=True)


def existing(wwid: Wwid, name: str) -> Map:
    return Map(name=Alias(name), uuid=map_uuid(wwid), dev=DevT("254:0"), table=None, status=None)


def namer(
    text: str | None = None,
    *,
    maps: dict[Wwid, str] | None = None,
    others: tuple[str, ...] = (),
    configured: tuple[Wwid, ...] = (),
    unreadable: str = "",
) -> Namer:
    """`maps`: existing ones; `others`: names of foreign devices; `configured`: the WWIDs whose alias is `DB`."""
    aliases = {wwid: Resolved(DB, Origin(OriginKind.MULTIPATHS, "multipath.conf:7")) for wwid in configured}
    there = {wwid: existing(wwid, name) for wwid, name in (maps or {}).items()}
    known: dict[str, Wwid | None] = dict.fromkeys(others)
    known |= {each.name: wwid for wwid, each in there.items()}
    return Namer(Bindings.parse(text), known, there, aliases, unreadable)


@given(st.integers(1, MAX_ID), st.sampled_from(["", "mpath", "vol-"]))
def test_a_number_survives_its_alias(number: int, prefix: str) -> None:
    assert scan_alias(format_alias(prefix, number), prefix) == number


@pytest.mark.parametrize(("number", "alias"), [(1, "mpatha"), (26, "mpathz"), (27, "mpathaa"), (703, "mpathaaa")])
def test_numbers_are_written_in_letters(number: int, alias: str) -> None:
    assert format_alias("mpath", number) == alias


@pytest.mark.parametrize("alias", ["mpath", "mpathA", "mpath1", "volume", "mpathaaaaaaaa", "mpathfxshrxx"])
def test_other_names_have_no_number(alias: str) -> None:
    assert scan_alias(alias, "mpath") is None


def names(given: Namer, **wanted: Layers) -> dict[str, str]:
    """The names of maps A, B and C, each with its layers."""
    found, _ = given.assign({WWIDS[letter]: its for letter, its in wanted.items()})
    return {letter: found[WWIDS[letter]].value for letter in wanted if WWIDS[letter] in found}


def origin(given: Namer, its: Layers) -> Origin:
    """The origin of map A's name."""
    return given.assign({A: its})[0][A].origin


def test_without_user_friendly_names_the_wwid_is_the_name() -> None:
    assert names(namer(), A=PLAIN) == {"A": A}


def test_the_multipaths_section_goes_before_the_bindings() -> None:
    text = f"{HEADER}mpatha {A}\n"
    assert names(namer(text, configured=(A,)), A=FRIENDLY) == {"A": DB}
    assert origin(namer(text, configured=(A,)), FRIENDLY).kind is OriginKind.MULTIPATHS


def test_a_new_map_gets_the_first_free_number_and_the_file_grows_sorted() -> None:
    given_names = namer(f"{HEADER}mpatha {A}\nmpathc {C}\n")
    assert names(given_names, B=FRIENDLY) == {"B": "mpathb"}
    assert given_names.bindings.text == f"{HEADER}mpatha {A}\nmpathb {B}\nmpathc {C}\n"


def test_a_prefix_has_a_numbering_of_its_own() -> None:
    its = layers(user_friendly_names=True, alias_prefix="vol")
    assert names(namer(f"{HEADER}mpatha {A}\n"), B=its) == {"B": "vola"}


def test_a_number_whose_name_a_foreign_device_has_is_passed_over() -> None:
    assert names(namer(others=("mpatha",)), A=FRIENDLY) == {"A": "mpathb"}


def test_a_number_whose_name_another_map_has_is_passed_over() -> None:
    assert names(namer(maps={B: "mpatha"}), A=FRIENDLY, B=PLAIN) == {"A": "mpathb", "B": B}


def test_a_number_whose_name_is_configured_for_another_map_is_passed_over() -> None:
    assert names(namer(f"{HEADER}mpatha {C}\n", configured=(B,)), A=FRIENDLY) == {"A": "mpathc"}


def test_the_name_that_a_map_has_is_bound_to_it() -> None:
    given_names = namer(maps={A: "mpathz"})
    assert names(given_names, A=FRIENDLY) == {"A": "mpathz"}
    assert f"mpathz {A}" in given_names.bindings.text
    assert origin(namer(maps={A: "mpathz"}), FRIENDLY).kind is OriginKind.EXISTING_MAP


def test_the_bindings_file_goes_before_the_name_that_a_map_has() -> None:
    assert names(namer(f"{HEADER}mpatha {A}\n", maps={A: "mpathz"}), A=FRIENDLY) == {"A": "mpatha"}


def test_a_bound_name_that_a_foreign_device_has_is_not_given() -> None:
    assert names(namer(f"{HEADER}mpatha {A}\n", others=("mpatha",)), A=FRIENDLY) == {"A": A}


def test_a_bound_name_that_another_map_keeps_is_not_given() -> None:
    text = f"{HEADER}mpatha {A}\n"
    assert names(namer(text, maps={B: "mpatha"}), A=FRIENDLY) == {"A": A}


def test_maps_can_exchange_their_names() -> None:
    text = f"{HEADER}mpatha {A}\nmpathc {C}\n"
    assert names(namer(text, maps={A: "mpathc", C: "mpatha"}), A=FRIENDLY, C=FRIENDLY) == {"A": "mpatha", "C": "mpathc"}


def test_a_new_map_can_have_the_name_that_another_one_leaves() -> None:
    assert names(namer(maps={B: DB}, configured=(A,)), A=PLAIN, B=PLAIN) == {"A": DB, "B": B}


def test_a_new_map_whose_alias_is_another_maps_name_gets_its_wwid() -> None:
    assert names(namer(maps={B: DB}, configured=(A,)), A=PLAIN) == {"A": A}
    assert origin(namer(maps={B: DB}, configured=(A,)), PLAIN).why == f"WWID, because {DB} is the name of {B}"


def test_an_existing_map_whose_alias_is_another_maps_name_keeps_its_own() -> None:
    assert names(namer(maps={A: "old", B: DB}, configured=(A,)), A=PLAIN) == {"A": "old"}


def test_a_map_that_keeps_its_name_does_not_leave_it_to_another() -> None:
    given_names = namer(f"{HEADER}old {C}\n", maps={A: "old", B: DB}, configured=(A, B))
    assert names(given_names, A=PLAIN, B=PLAIN, C=FRIENDLY) == {"A": "old", "B": DB, "C": C}


def test_of_two_new_maps_that_want_one_name_the_first_gets_it() -> None:
    assert names(namer(configured=(A, B)), A=PLAIN, B=PLAIN) == {"A": DB, "B": B}


def test_a_map_without_any_free_name_fails_alone() -> None:
    found, failures = namer(others=(DB, A), configured=(A,)).assign({A: PLAIN, B: PLAIN})
    assert (set(found), set(failures)) == ({B}, {A})
    assert failures[A] == f"{A} is the name of a device that is not a multipath map, so it can't be named"


def test_two_maps_of_one_name_which_no_kernel_shows_are_told_apart() -> None:
    assert names(namer(maps={A: DB, B: DB}, configured=(A, B)), A=PLAIN, B=PLAIN) == {"A": A, "B": DB}


def test_an_unreadable_bindings_file_renames_nothing() -> None:
    given_names = namer(maps={A: "mpathq"}, unreadable="EIO")
    assert names(given_names, A=FRIENDLY, B=FRIENDLY) == {"A": "mpathq", "B": B}
    assert not given_names.bindings.must_write


@pytest.mark.parametrize(
    ("line", "note"),
    [
        (f"mpatha {B}", "already stands for"),
        (f"db01 {B}", "belongs to 3aaa in the multipaths section"),
        ("mpathq", "has no WWID"),
        (f"mpathq {B} more", "words after the WWID"),
    ],
)
def test_a_bad_line_is_told_with_its_number(line: str, note: str) -> None:
    bindings = Bindings.parse(f"{HEADER}mpatha {A}\n{line}\n", {"db01": A})
    assert [(each.line, note in each.text) for each in bindings.notes] == [(9, True)]


def test_a_dropped_line_makes_the_file_be_written_anew() -> None:
    bindings = Bindings.parse(f"{HEADER}mpatha {A}\nmpatha {B}\n")
    assert bindings.must_write
    assert bindings.text == f"{HEADER}mpatha {A}\n"


@pytest.mark.parametrize(("text", "written"), [(None, False), (HEADER, False), ("", True), (f"mpatha {A}\n", True)])
def test_a_wrong_header_makes_the_file_be_written_anew(text: str | None, written: bool) -> None:
    assert Bindings.parse(text).must_write is written


def test_a_wwid_that_is_too_long_is_skipped() -> None:
    bindings = Bindings.parse(f"{HEADER}mpatha {'3' * 128}\n")
    assert not bindings.aliases
    assert not bindings.must_write


def test_many_new_names_are_all_different() -> None:
    wanted = {Wwid(f"3{number}"): FRIENDLY for number in range(2000)}
    found = {name.value for name in namer().assign(wanted)[0].values()}
    assert found == {format_alias("mpath", number) for number in range(1, 2001)}


@given(st.permutations("abcdef"), st.permutations("abcdef"), st.integers(0, 6))
def test_no_name_is_given_twice(have: list[str], want: list[str], known: int) -> None:
    wwids = [Wwid(f"3{number}") for number in range(6)]
    maps = dict(zip(wwids[:known], have, strict=False))
    text = HEADER + "".join(f"{alias} {wwid}\n" for wwid, alias in zip(wwids, want, strict=True))
    found, failures = namer(text, maps=maps).assign(dict.fromkeys(wwids, FRIENDLY))
    assert not failures
    assert [name.value for name in found.values()] == want
