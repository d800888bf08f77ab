"""Properties of paths and of maps as derived, against those of the reference implementation for the same configuration.

The reference was made to see a multipath target of version 1.1.1.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import pytest

from desired.derive import derive_snapshot
from desired.model import Resolved, Verdict
from observers.snapshot import Bus, Path, Snapshot, TextFile
from tests.builders import HOST, WWIDS_FILE, scsi_path, unit_wwid
from tests.nvme_builders import nvme_identity, uuid_name
from tests.observers.nvme_answers import UUID
from tests.oracle.spec import SPEC, spec_json

FILE = SPEC / "vectors" / "hwtable.json"
CASES = spec_json("vectors", "hwtable.json")["cases"] if FILE.exists() else []

pytestmark = pytest.mark.skipif(not CASES, reason="recorded answers of the reference implementation are not here")


UUID_NAME = uuid_name(UUID)
"""No namespace can be called what the reference called it."""


def device(described: dict[str, Any]) -> Path:
    """A device as described. No page spells its WWID, so it is confirmed by the page that does not change."""
    hardware = described["vendor"], described["product"], described["revision"]
    path = scsi_path(0, unit_wwid(1), hardware=hardware, protocol="scsi:unspec")
    properties = {"ID_WWN": "x", described.get("uid_attribute") or "ID_SERIAL": described["wwid"]}
    if described["vendor"] != "NVME":
        return replace(path, udev=properties)
    properties["ID_WWN"] = UUID_NAME
    namespace = replace(path, udev=properties, bus=Bus.NVME, protocol="nvme:unspec", wwid_attribute=UUID_NAME)
    return replace(namespace, nvme_identity=nvme_identity(ana=False))


def host(case: dict[str, Any], described: dict[str, Any]) -> Snapshot:
    return Snapshot(
        taken_at=0.0,
        host=replace(HOST, multipath_target=(1, 1, 1)),
        config_files=tuple(TextFile(f"/etc/{each['file']}", each["text"]) for each in case["files"]),
        wwids=TextFile(WWIDS_FILE, f"/{described['wwid']}/\n/{UUID_NAME}/\n"),
        paths=(device(described),),
    )


def questions(case: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Each path, and the map that is made of it if the reference was asked for it."""
    expected = case["expect"]
    for each, following in zip_longest(expected, expected[1:]):
        if each["op"] == "path" and not each.get("hidden"):
            yield each, following if following and following["op"] == "map" else None


def shown(properties: Any, keyword: str) -> str | None:
    found: Resolved[str] | None = properties.get(keyword)
    return None if found is None else found.value


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_paths_and_maps_have_the_properties_that_the_reference_gives_them(case: dict[str, Any]) -> None:
    for path, its_map in questions(case):
        desired = derive_snapshot(host(case, path), resident=True)
        (admission,) = desired.admissions
        assert (admission.verdict is Verdict.BLACKLISTED) == bool(path.get("skipped")), (path, admission)
        assert len(desired.maps) == (not path.get("skipped")), (path, admission)
        for made in desired.maps:
            for keyword in ("prio", "prio_args", "path_checker", "uid_attribute", "vpd_vendor"):
                assert shown(made.properties, keyword) == path[keyword], (keyword, path)
            if its_map:
                assert shown(made.properties, "path_grouping_policy") == its_map["path_grouping_policy"]
                retry = its_map["no_path_retry"]
                assert shown(made.properties, "no_path_retry") == (None if retry is None else str(retry))
                assert shown(made.properties, "rr_min_io_rq") == str(its_map["minio"])
                assert shown(made.properties, "retain_attached_hw_handler") == its_map["retain_hwhandler"]
