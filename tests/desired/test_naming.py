"""Aliases, bindings, and names that others have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired.config import Config
from desired.model import Origin, OriginKind, Resolved
from desired.naming import HEADER, MAX_ID, Bindings, NameInUse, Namer, format_alias, scan_alias
from desired.options import Layer
from desired.precedence import Layers, global_settings
from observers.dmtable import DevT
from observers.snapshot import Alias, Map, Wwid, map_uuid

FREE = lambda _alias, _wwid: False  # noqa: E731 - a table of one answer
A, B, C = Wwid("3aaa"), Wwid("3bbb"), Wwid("3ccc")


def layers(**settings: object) -> Layers:
    """The layers of a map; `alias` is one of the multipaths section."""
    made = {
        keyword: Resolved(value, Origin(OriginKind.DEFAULTS, "multipath.conf:2")) for keyword, value in settings.items()
    }
    alias = {"alias": made.pop("alias")} if "alias" in made else {}
    base = global_settings(Config(defaults=made))
    return Layers({**base.sources, Layer.OVERRIDES: (made,), Layer.MULTIPATH: (alias,)})


FRIENDLY = layers(user_friendly_names=True)


def existing(wwid: Wwid, name: str) -> Map:
    return Map(name=Alias(name), uuid=map_uuid(wwid), dev=DevT("254:0"), table=None, status=None)


def namer(
    text: str | None = None, *, maps: dict[Wwid, str] | None = None, others: tuple[str, ...] = (), **more: str
) -> Namer:
    there = {wwid: existing(wwid, name) for wwid, name in (maps or {}).items()}
    names: dict[str, Wwid | None] = dict.fromkeys(others)
    names |= {each.name: wwid for wwid, each in there.items()}
    return Namer(Bindings.parse(text), names, there, {}, more.get("unreadable", ""))


@given(st.integers(1, MAX_ID), st.sampled_from(["", "mpath", "vol-"]))
def test_a_number_survives_its_alias(number: int, prefix: str) -> None:
    assert scan_alias(format_alias(prefix, number), prefix) == number


@pytest.mark.parametrize(("number", "alias"), [(1, "mpatha"), (26, "mpathz"), (27, "mpathaa"), (703, "mpathaaa")])
def test_numbers_are_written_in_letters(number: int, alias: str) -> None:
    assert format_alias("mpath", number) == alias


@pytest.mark.parametrize("alias", ["mpath", "mpathA", "mpath1", "volume", "mpathaaaaaaaa", "mpathfxshrxx"])
def test_other_names_have_no_number(alias: str) -> None:
    assert scan_alias(alias, "mpath") is None


def test_without_user_friendly_names_the_wwid_is_the_name() -> None:
    assert namer().name(A, layers()).value == Alias(A)


def test_the_multipaths_section_goes_before_the_bindings() -> None:
    name = namer(f"{HEADER}mpatha {A}\n").name(A, layers(user_friendly_names=True, alias="db01"))
    assert name.value == "db01"


def test_a_new_map_gets_the_first_free_number_and_the_file_grows_sorted() -> None:
    given_names = namer(f"{HEADER}mpatha {A}\nmpathc {C}\n")
    assert given_names.name(B, FRIENDLY) == Resolved(Alias("mpathb"), Origin(OriginKind.BINDINGS))
    assert given_names.bindings.text == f"{HEADER}mpatha {A}\nmpathb {B}\nmpathc {C}\n"


def test_a_prefix_has_a_numbering_of_its_own() -> None:
    given_names = namer(f"{HEADER}mpatha {A}\n")
    assert given_names.name(B, layers(user_friendly_names=True, alias_prefix="vol")).value == "vola"


def test_a_number_whose_name_a_foreign_device_has_is_passed_over() -> None:
    assert namer(others=("mpatha",)).name(A, FRIENDLY).value == "mpathb"


def test_a_number_whose_name_is_configured_for_another_map_is_passed_over() -> None:
    given_names = namer()
    given_names.configured = {"mpatha": B}
    assert given_names.name(A, FRIENDLY).value == "mpathb"


def test_the_name_that_a_map_has_is_bound_to_it() -> None:
    given_names = namer(maps={A: "mpathz"})
    assert given_names.name(A, FRIENDLY) == Resolved(Alias("mpathz"), Origin(OriginKind.EXISTING_MAP))
    assert f"mpathz {A}" in given_names.bindings.text


def test_the_bindings_file_goes_before_the_name_that_a_map_has() -> None:
    assert namer(f"{HEADER}mpatha {A}\n", maps={A: "mpathz"}).name(A, FRIENDLY).value == "mpatha"


def test_a_bound_name_that_another_device_has_is_not_given() -> None:
    name = namer(f"{HEADER}mpatha {A}\n", others=("mpatha",)).name(A, FRIENDLY)
    assert name.value == Alias(A)


def test_a_new_map_whose_alias_is_another_maps_name_gets_its_wwid() -> None:
    name = namer(maps={B: "db01"}).name(A, layers(alias="db01"))
    assert name.value == Alias(A)
    assert f"db01 is the name of {B}" in name.origin.why


def test_an_existing_map_whose_alias_is_another_maps_name_keeps_its_own() -> None:
    name = namer(maps={A: "old", B: "db01"}).name(A, layers(alias="db01"))
    assert (name.value, name.origin.kind) == ("old", OriginKind.EXISTING_MAP)


def test_a_name_given_in_this_derivation_is_not_given_again() -> None:
    given_names = namer()
    assert given_names.name(A, layers(alias="db01")).value == "db01"
    assert given_names.name(B, layers(alias="db01")).value == Alias(B)


def test_a_map_without_any_free_name_is_an_error_of_its_own() -> None:
    with pytest.raises(NameInUse, match="is in use as well"):
        namer(others=("db01", A)).name(A, layers(alias="db01"))


def test_an_unreadable_bindings_file_renames_nothing() -> None:
    given_names = namer(maps={A: "mpathq"}, unreadable="EIO")
    assert given_names.name(A, FRIENDLY).value == "mpathq"
    assert given_names.name(B, FRIENDLY).value == Alias(B)
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
    given_names = namer()
    names = {given_names.name(Wwid(f"3{number}"), FRIENDLY).value for number in range(2000)}
    assert len(names) == 2000
    assert format_alias("mpath", 2000) in names
