"""Aliases and bindings against answers that the reference implementation's own functions gave."""

from collections.abc import Mapping
from typing import Any

import pytest

from desired.naming import Bindings, Taken, format_alias, scan_alias
from observers.snapshot import Wwid
from tests.oracle.spec import spec_json


def cases(operation: str) -> list[dict[str, Any]]:
    found = [case for case in spec_json("vectors", "alias.json")["cases"] if case["op"] == operation]
    assert found
    return found


def same_question(case: dict[str, Any], other: dict[str, Any]) -> bool:
    answers = {"alias", "bindings_after"}
    return all(case[key] == other[key] for key in case.keys() - answers)


def taken_by(maps: Mapping[str, str]) -> Taken:
    return lambda alias, wwid: maps.get(alias, wwid) != wwid


def test_numbers_become_letters() -> None:
    for case in cases("format_alias"):
        if case["alias"] is None:
            with pytest.raises(ValueError, match="should be at least 1"):
                format_alias(case["prefix"], case["id"])
            continue
        assert format_alias(case["prefix"], case["id"]) == case["alias"], case


def test_letters_become_numbers() -> None:
    for case in cases("scan_alias"):
        wanted = None if case["id"] < 0 else case["id"]
        assert scan_alias(case["alias"], case["prefix"]) == wanted, case


def test_a_wwid_finds_its_alias_or_the_first_free_number() -> None:
    for case in cases("lookup_or_free_id"):
        bindings, wwid = Bindings.parse(case["bindings"]), Wwid(case["wwid"])
        assert bindings.wwids.get(wwid) == case["existing_alias"], case
        if case["existing_alias"] is None:
            wanted = case["free_id"] if case["free_id"] > 0 else None
            assert bindings.free_number(case["prefix"], wwid, taken_by(case["dm_maps"])) == wanted, case


def test_an_alias_finds_its_wwid() -> None:
    for case in cases("alias_to_wwid"):
        assert Bindings.parse(case["bindings"]).aliases.get(case["alias"]) == case["wwid"], case


def test_an_alias_is_chosen_and_recorded_as_the_reference_does() -> None:
    found = cases("get_user_friendly_alias")
    for case in found:
        if case["alias"] is None and any(same_question(case, other) and other["alias"] for other in found):
            continue  # the reference was made to fail when it wrote the file
        bindings = Bindings.parse(case["bindings"])
        alias = bindings.alias_for(
            Wwid(case["wwid"]),
            case["prefix"],
            case["alias_old"],
            taken_by(case["dm_maps"]),
            read_only=case["bindings_read_only"],
        )
        after = [line.split(" ") for line in bindings.text.splitlines() if not line.startswith("#")]
        assert alias == case["alias"], case
        assert after == case["bindings_after"], case


def test_the_file_is_sorted_by_length_and_then_by_bytes() -> None:
    for case in cases("bindings_sort"):
        lines = [line.split(" ") for line in Bindings.parse(case["bindings"]).text.splitlines()]
        assert [line for line in lines if not line[0].startswith("#")] == case["sorted"]
