"""The built-in table against the reference's, the keyword matrix, and the recorded resolutions of device properties."""

from typing import Any

import pytest

from desired.config import Config, RuleKind, load_config
from desired.merging import built_in_devices
from desired.options import (
    GRAMMAR,
    NO_PATH_RETRY,
    OPTIONS,
    PATH_CHECKER,
    PATH_GROUPING_POLICY,
    PRIO,
    PRIO_ARGS,
    RR_MIN_IO_RQ,
    UID_ATTRIBUTE,
    VPD_VENDOR_OPTION,
    Option,
    Section,
)
from desired.precedence import DeviceKind, settings_for
from observers.snapshot import Bus, TextFile, Wwid
from tests.oracle.spec import spec_json

PATH_PROPERTIES: dict[str, Option[Any]] = {
    "prio": PRIO,
    "prio_args": PRIO_ARGS,
    "path_checker": PATH_CHECKER,
    "uid_attribute": UID_ATTRIBUTE,
    "vpd_vendor": VPD_VENDOR_OPTION,
}
MAP_PROPERTIES: dict[str, Option[Any]] = {
    "path_grouping_policy": PATH_GROUPING_POLICY,
    "no_path_retry": NO_PATH_RETRY,
    "minio": RR_MIN_IO_RQ,
}
RETAIN = "retain_hwhandler"
"""Forced by the kernel target's version that the vectors fake; not a matter of precedence."""


def test_the_built_in_table_is_that_of_the_reference() -> None:
    expected = [
        {keyword: str(value) for keyword, value in entry.items() if not keyword.startswith("_")}
        for entry in spec_json("hwtable.json")
    ]
    device = GRAMMAR[Section.DEVICE]
    ours = [
        {"vendor": entry.vendor, "product": entry.product}
        | {keyword: device[keyword].write(resolved.value) for keyword, resolved in entry.settings.items()}
        for entry in built_in_devices()
    ]
    assert ours == expected
    assert len(ours) == 137


def test_every_keyword_stands_in_the_sections_of_the_reference() -> None:
    expected = {(row["keyword"], section) for row in spec_json("keywords.json") for section in row["sections"]}
    ours = {
        (option.keyword, section.value)
        for option in OPTIONS
        for section in option.sections
        if section is not Section.ROOT
    }
    multi = {option.keyword for option in OPTIONS if option.multi}
    # `protocol` and its like also begin sections; those of the top level and `multipaths` are not in the matrix.
    assert ours - {("multipath", "multipaths")} == expected - {("multipath", "multipaths")}
    assert len(ours) == 219
    assert multi == {row["keyword"] for row in spec_json("keywords.json") if row["multi"]}


def vector_cases() -> list[Any]:
    return spec_json("vectors", "hwtable.json")["cases"]  # type: ignore[no-any-return]


def kind_of(path: dict[str, Any]) -> DeviceKind:
    return DeviceKind(path["vendor"], path["product"], path["revision"], "scsi:fcp", Bus.SCSI)


def text_of(option: Option[Any], value: Any) -> Any:
    return value if value is None or isinstance(value, int) else option.write(value)


def blocked(config: Config, path: dict[str, Any]) -> bool:
    """Whether the rules of the kind that the vector names take the path out."""
    kind = RuleKind(path["reason"])

    def falls_under(rules: Any) -> bool:
        of_kind = [rule for rule in rules if rule.kind is kind]
        if kind is RuleKind.DEVICE:
            return any(rule.matches_device(path["vendor"], path["product"]) for rule in of_kind)
        return any(rule.matches(path["wwid"]) for rule in of_kind)

    return falls_under(config.blacklist) and not falls_under(config.exceptions)


def test_recorded_resolutions_come_out_the_same() -> None:
    compared = 0
    for case in vector_cases():
        files = tuple(TextFile(file["file"], file["text"]) for file in case["files"])
        config = load_config(files, main="multipath.conf")
        path: dict[str, Any] = {}
        for expected in case["expect"]:
            if expected.get("reason") == "hidden":
                continue
            if expected.get("skipped"):
                assert blocked(config, expected), (case["name"], expected)
                continue
            properties = MAP_PROPERTIES if expected["op"] == "map" else PATH_PROPERTIES
            path = expected if expected["op"] == "path" else path
            layers = settings_for(config, kind_of(path), Wwid(expected["wwid"]))
            for name, option in properties.items():
                found = layers.lookup(option)
                ours = text_of(option, found.value if found else None)
                assert ours == expected[name], (case["name"], name, expected)
                compared += 1
            if expected["op"] == "map":
                assert expected["has_multipaths_entry"] == (expected["wwid"] in config.multipaths)
    assert compared > 300


@pytest.mark.parametrize("section", [section for section in Section if section is not Section.ROOT])
def test_keywords_of_a_section_are_complete(section: Section) -> None:
    expected = {row["keyword"] for row in spec_json("keywords.json") if section.value in row["sections"]}
    assert set(GRAMMAR[section]) == expected
