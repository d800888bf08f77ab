"""Every VPD page whose WWID or serial number the reference implementation said: ours must be the same."""

from typing import Any

import pytest

from observers import identity
from observers.identity import PageError
from tests.oracle.spec import spec_json

OVERFLOW = -75


def answer(case: dict[str, Any]) -> str | None:
    page = bytes.fromhex(case["vpd"])
    page = page.ljust(4 + int.from_bytes(page[2:4], "big"), b"\0")
    if case["page"] == "0x80":
        return identity.page80_serial(page, size=case["buflen"])
    return identity.page83_wwid(page, size=case["buflen"])


def test_every_recorded_page_gives_the_recorded_name() -> None:
    cases = [case for case in spec_json("vectors", "vpd.json")["cases"] if case["ret"] >= 0]
    assert len(cases) > 100
    assert [case for case in cases if answer(case) != case["wwid"]] == []


def test_pages_with_a_designator_over_their_end_are_refused() -> None:
    cases = [case for case in spec_json("vectors", "vpd.json")["cases"] if case["ret"] == OVERFLOW]
    assert len(cases) > 10
    for case in cases:
        with pytest.raises(PageError, match="more bytes"):
            answer(case)


def test_pages_without_a_designator_of_use_have_no_name() -> None:
    cases = [case for case in spec_json("vectors", "vpd.json")["cases"] if case["ret"] < 0 and case["ret"] != OVERFLOW]
    assert len(cases) > 5
    assert {answer(case) for case in cases} == {None}
