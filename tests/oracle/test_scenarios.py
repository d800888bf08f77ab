"""Whole hosts: what is derived against what the reference implementation did on the same host.

INTENDED is the list of differences that are meant, with their reasons; WITHOUT_SILENT_DEVICES is one that follows from
a scenario's devices.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from desired.derive import derive_snapshot
from desired.model import Desired, DesiredMap, OriginKind, Verdict
from observers.dmtable import MultipathTable, format_table
from observers.snapshot import Bus, PathState
from tests.oracle.scenario_reader import Created, Property, Scenario, entries
from tests.oracle.spec import SPEC

FOLDER = SPEC / "scenarios"
SCENARIOS = sorted(file.name for file in FOLDER.glob("[0-9]*.json")) if FOLDER.is_dir() else []

LIBRARY_FALLBACK_OFF, NO_KPARTX, NO_PATHS = 0x20, 0x200, 0x400

WITHOUT_SILENT_DEVICES = "a device that is offline can't say who it is, so it enters no map; there it does"

INTENDED: dict[tuple[str, str], str] = {}
"""(scenario, what is compared) to the reason why ours is another answer."""

pytestmark = pytest.mark.skipif(not SCENARIOS, reason="the recorded scenarios are not on this machine")


@pytest.fixture(params=SCENARIOS, ids=lambda name: Path(name).stem)
def scenario(request: pytest.FixtureRequest) -> Scenario:
    return Scenario.load(request.param)


@pytest.fixture
def desired(scenario: Scenario) -> Desired:
    return derive_snapshot(scenario.snapshot, resident=True)


@pytest.fixture(autouse=True)
def _skip_intended_differences(request: pytest.FixtureRequest, scenario: Scenario) -> None:
    compared = request.node.originalname.removeprefix("test_")
    reason = INTENDED.get((request.node.callspec.params["scenario"], compared), "")
    if any(path.bus is Bus.SCSI and path.page83_device is None for path in scenario.snapshot.paths):
        reason = WITHOUT_SILENT_DEVICES
    if reason:
        pytest.skip(f"intended difference: {reason}")


def created(each: DesiredMap) -> Created:
    usable = any(member.state.usable or member.state is PathState.PENDING for member in each.members)
    flags = LIBRARY_FALLBACK_OFF | (NO_KPARTX if each.skip_kpartx else 0) | (0 if usable else NO_PATHS)
    return Created(each.alias.value, each.uuid, format_table(each.table), flags)


def names(desired: Desired, verdict: Verdict) -> set[str]:
    return {each.name for each in desired.admissions if each.verdict is verdict}


def test_the_same_maps_in_the_same_order(scenario: Scenario, desired: Desired) -> None:
    assert [created(each) for each in desired.maps if not each.reject] == scenario.answers.created


def test_without_a_daemon_the_same_maps_but_none_queues(scenario: Scenario) -> None:
    """The reference loads the same table and then sends fail_if_no_path, which is a table without that feature."""
    found = derive_snapshot(scenario.snapshot, resident=False).maps
    assert not any(each.table.queues for each in found)
    queueing = [replace(each, table=_queueing(each)) for each in found if not each.reject]
    assert [created(each) for each in queueing] == scenario.answers.created


def _queueing(each: DesiredMap) -> MultipathTable:
    retry = each.properties.get("no_path_retry")
    if retry is None or retry.value == "fail":
        return each.table
    return replace(each.table, features=(*each.table.features, "queue_if_no_path"))


def test_the_same_maps_are_rejected(scenario: Scenario, desired: Desired) -> None:
    assert {each.alias.value for each in desired.maps if each.reject} == scenario.answers.rejected


def test_the_same_bindings(scenario: Scenario, desired: Desired) -> None:
    before = scenario.snapshot.bindings
    text = desired.bindings if desired.bindings is not None else before.text if before else None
    assert entries(text) == scenario.answers.bindings


def test_the_same_wwids_file_afterwards(scenario: Scenario, desired: Desired) -> None:
    before = scenario.snapshot.wwids
    new = [f"/{each.wwid}/" for each in desired.maps if not each.reject and each.wwid not in desired.wwids]
    assert entries(before.text if before else None) + new == scenario.answers.wwids


def test_the_same_devices_are_blacklisted(scenario: Scenario, desired: Desired) -> None:
    assert names(desired, Verdict.BLACKLISTED) == scenario.answers.blacklisted


def test_the_same_devices_wait_for_a_second_path(scenario: Scenario, desired: Desired) -> None:
    assert names(desired, Verdict.WAITING) == scenario.answers.waiting


def test_the_same_devices_have_no_wwid(scenario: Scenario, desired: Desired) -> None:
    assert names(desired, Verdict.NO_WWID) == scenario.answers.nameless


def test_the_same_priorities(scenario: Scenario, desired: Desired) -> None:
    members = {member.name: member for each in desired.maps for member in each.members}
    ours = {name: -1 if (value := member.priority.value) is None else value for name, member in members.items()}
    assert ours == {name: value for name, value in scenario.answers.priorities.items() if name in ours}


def test_the_same_attributes_of_paths_ports_and_adapters_afterwards(scenario: Scenario, desired: Desired) -> None:
    after = {each.file: each.value for path in scenario.snapshot.paths for each in path.tunables}
    for made in desired.maps:
        after |= {tuning.file: tuning.wanted.value for tuning in made.tunings if not made.reject}
    assert after == scenario.answers.attributes


ORIGINS = {
    "multipath internal": {OriginKind.BUILT_IN},
    "multipath.conf defaults/devices section": {OriginKind.DEFAULTS},
    "multipath.conf defaults section / uid_attrs": {OriginKind.DEFAULTS},
    "multipath.conf multipaths section": {OriginKind.MULTIPATHS},
    "multipath.conf overrides section": {OriginKind.OVERRIDES},
    "multipath.conf overrides protocol section": {OriginKind.PROTOCOL},
    "storage device configuration": {OriginKind.HARDWARE_TABLE, OriginKind.DEVICES},
    "storage device autodetected": {OriginKind.AUTODETECTED},
    "autodetected from TPGS": {OriginKind.AUTODETECTED},
    "retained by kernel driver": {OriginKind.KERNEL},
    "implied in kernel >= 4.3.0": {OriginKind.KERNEL},
    "kernel sysfs": {OriginKind.KERNEL},
}
"""What the reference calls an origin; its emergency fallbacks are IMPLIED."""

SPELLED = {"minio": "rr_min_io_rq", "prio args": "prio_args", "checker timeout": "checker_timeout"}

NOT_COMPARED = {
    "alias": "compared with the map's name",
    "ghost_delay": "the reference writes its built-in value into the defaults section",
    "recheck_wwid": "the reference prints the number of an enumeration, and writes the default into the section",
    "vpd_vendor_id": "the reference prints a number",
    "uid": "the reference prints octal numbers; compared below",
    "gid": "the reference prints octal numbers; compared below",
    "no_path_retry": "only where it is set: the reference prints undef otherwise, and not what features implied",
}


def comparable(scenario: Scenario, each: DesiredMap) -> list[Property]:
    subjects = {each.wwid, each.alias.value, scenario_first(scenario, each)}
    return [
        found
        for found in scenario.answers.properties
        if found.subject in subjects and (found.keyword not in NOT_COMPARED or found.value == "queue")
    ]


def scenario_first(scenario: Scenario, each: DesiredMap) -> str:
    """The path from which a map has its hardware's properties: the first in sysfs."""
    mine = {member.name for member in each.members}
    return min((path.sysfs, path.name) for path in scenario.snapshot.paths if path.name in mine)[1]


def test_the_same_properties_from_the_same_origins(scenario: Scenario, desired: Desired) -> None:
    for each in desired.maps:
        for theirs in comparable(scenario, each):
            ours = each.properties[SPELLED.get(theirs.keyword, theirs.keyword)]
            assert ours.value == theirs.value.removesuffix(" s"), (each.wwid, theirs, ours)
            assert ours.origin.kind in ORIGINS.get(theirs.origin, {OriginKind.IMPLIED}), (each.wwid, theirs, ours)


def test_the_same_owners(scenario: Scenario, desired: Desired) -> None:
    for each in desired.maps:
        said = {
            found.keyword: found.value for found in scenario.answers.properties if found.subject == each.alias.value
        }
        wanted = {keyword: int(said[keyword], 8) if keyword in said else None for keyword in ("mode", "uid", "gid")}
        assert {"mode": each.mode, "uid": each.uid, "gid": each.gid} == wanted
