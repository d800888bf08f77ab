"""Verdicts on devices, and their reasons."""

from dataclasses import replace

import pytest

from desired.derive import derive_snapshot
from desired.model import Admission, OriginKind, Verdict
from observers.dmtable import DevT, MultipathTable, Sectors, TableGroup, TablePath
from observers.snapshot import Alias, DeviceName, Gap, Map, Path, Snapshot, TextFile, Wwid, map_uuid
from tests.builders import CONFIG_FILE, HOST, WWIDS_FILE, page83, scsi_path, unit_wwid
from tests.nvme_builders import nvme_path

A, B = unit_wwid(1), unit_wwid(2)


def host(
    *paths: Path, config: str = "", maps: tuple[Map, ...] = (), wwids: str = "", gaps: tuple[Gap, ...] = ()
) -> Snapshot:
    return Snapshot(
        taken_at=0.0,
        host=HOST,
        config_files=(TextFile(CONFIG_FILE, config),),
        wwids=TextFile(WWIDS_FILE, wwids),
        paths=paths,
        maps=maps,
        gaps=gaps,
    )


def verdicts(snapshot: Snapshot) -> list[Admission]:
    return list(derive_snapshot(snapshot, resident=True).admissions)


def verdict(snapshot: Snapshot) -> Admission:
    return verdicts(snapshot)[0]


def loaded_map(wwid: Wwid, *paths: Path, features: tuple[str, ...] = ()) -> Map:
    groups = tuple(TableGroup("service-time", (), (TablePath(path.dev, ("1",)),)) for path in paths)
    table = MultipathTable(size=Sectors(1), features=features, initial_group=1, groups=groups)
    return Map(name=Alias(wwid), uuid=map_uuid(wwid), dev=DevT("254:0"), table=table, status=None)


def find(mode: str) -> str:
    return f"defaults {{\n\tfind_multipaths {mode}\n}}\n"


@pytest.mark.parametrize("mode", ["off", "greedy"])
def test_every_device_may_enter(mode: str) -> None:
    found = verdict(host(scsi_path(0, A), config=find(mode)))
    assert (found.verdict, found.origin.where) == (Verdict.ADMITTED, f"{CONFIG_FILE}:2")


def test_by_default_only_known_wwids_may_enter() -> None:
    found = verdict(host(scsi_path(0, A), scsi_path(1, A)))
    assert found.verdict is Verdict.WAITING
    assert found.reason == "find_multipaths strict: its WWID is not in the wwids file"
    assert found.origin.kind is OriginKind.BUILT_IN


@pytest.mark.parametrize("mode", ["strict", "on", "smart"])
def test_a_wwid_in_the_file_may_enter(mode: str) -> None:
    found = verdict(host(scsi_path(0, A), config=find(mode), wwids=f"# header\n/{A}/\n"))
    assert (found.verdict, "wwids file" in found.reason) == (Verdict.ADMITTED, True)


def test_a_wwid_that_was_taken_out_of_the_file_may_not() -> None:
    assert verdict(host(scsi_path(0, A), wwids=f"#{A}/\n")).verdict is Verdict.WAITING


@pytest.mark.parametrize("mode", ["strict", "on", "smart"])
def test_a_map_that_exists_goes_on(mode: str) -> None:
    path = scsi_path(0, A)
    found = verdict(host(path, config=find(mode), maps=(loaded_map(A, path),)))
    assert (found.verdict, "a map of its WWID exists" in found.reason) == (Verdict.ADMITTED, True)


@pytest.mark.parametrize("mode", ["on", "smart"])
def test_a_second_device_makes_both_enter(mode: str) -> None:
    alone, both = host(scsi_path(0, A), config=find(mode)), host(scsi_path(0, A), scsi_path(1, A), config=find(mode))
    assert [each.verdict for each in verdicts(alone)] == [Verdict.WAITING]
    assert [each.verdict for each in verdicts(both)] == [Verdict.ADMITTED, Verdict.ADMITTED]


def test_a_device_that_denies_its_wwid_is_no_second_path() -> None:
    impostor = replace(scsi_path(1, A), page83_device=page83(B))
    assert verdict(host(scsi_path(0, A), impostor, config=find("on"))).verdict is Verdict.WAITING


def test_a_blacklisted_device_names_the_rule_and_its_line() -> None:
    config = f'{find("off")}blacklist {{\n\twwid "{A}"\n}}\n'
    found = verdict(host(scsi_path(0, A), config=config))
    assert found.verdict is Verdict.BLACKLISTED
    assert found.reason == f'wwid {A} is blacklisted by wwid "{A}"'
    assert found.origin.where == f"{CONFIG_FILE}:5"


def test_an_exception_protects_only_against_its_own_kind() -> None:
    rules = 'blacklist {\n\tdevnode ".*"\n\tprotocol "scsi:fcp"\n}\nblacklist_exceptions {\n\tdevnode sda\n}\n'
    found = verdict(host(scsi_path(0, A), config=find("off") + rules))
    assert (found.verdict, found.reason.startswith("protocol scsi:fcp")) == (Verdict.BLACKLISTED, True)


def test_other_kinds_of_block_devices_are_blacklisted_by_default() -> None:
    path = replace(scsi_path(0, A), name=DeviceName("loop0"))
    found = verdict(host(path, config=find("off")))
    assert (found.verdict, found.reason.startswith("devnode loop0")) == (Verdict.BLACKLISTED, True)


def test_a_device_without_the_udev_properties_of_a_disk_is_blacklisted() -> None:
    path = replace(scsi_path(0, A), udev={"ID_SERIAL": A})
    found = verdict(host(path, config=find("off")))
    assert (found.verdict, found.reason) == (
        Verdict.BLACKLISTED,
        "none of its udev properties is among the exceptions of the blacklist's property rules",
    )


@pytest.mark.parametrize(("allowed", "wanted"), [("no", Verdict.BLACKLISTED), ("yes", Verdict.ADMITTED)])
def test_usb_devices_need_permission(allowed: str, wanted: Verdict) -> None:
    config = f"defaults {{\n\tfind_multipaths off\n\tallow_usb_devices {allowed}\n}}\n"
    assert verdict(host(scsi_path(0, A, protocol="scsi:usb"), config=config)).verdict is wanted


def test_a_partition_is_no_disk() -> None:
    path = scsi_path(0, A)
    found = verdict(host(replace(path, udev={**path.udev, "DEVTYPE": "partition"}), config=find("off")))
    assert found.verdict is Verdict.NOT_A_DISK


def test_a_device_without_a_wwid_says_what_is_missing() -> None:
    config = "defaults {\n\tfind_multipaths off\n\tuid_attribute ID_SITE\n}\n"
    found = verdict(host(scsi_path(0, A), config=config))
    assert (found.verdict, found.reason) == (Verdict.NO_WWID, "no WWID: udev property ID_SITE is missing")
    assert found.origin.where == f"{CONFIG_FILE}:3"


def test_a_device_that_was_not_asked_does_not_enter() -> None:
    path = replace(scsi_path(0, A), page83_device=None, device_state="offline")
    found = verdict(host(path, config=find("off")))
    assert found.verdict is Verdict.UNVERIFIED
    assert found.reason == "identity not read: VPD page 0x83 was not answered (device is offline)"


def test_the_reason_of_a_gap_is_told() -> None:
    path = replace(scsi_path(0, A), page83_device=None)
    gap = Gap("sda", "VPD page 0x83", "the transport answered DID_NO_CONNECT")
    assert "DID_NO_CONNECT" in verdict(host(path, config=find("off"), gaps=(gap,))).reason


def test_a_device_that_was_not_asked_stays_where_it_is() -> None:
    path = replace(scsi_path(0, A), page83_device=None, device_state="offline")
    assert verdict(host(path, maps=(loaded_map(A, path),))).verdict is Verdict.ADMITTED


def test_a_device_that_denies_its_wwid_does_not_enter() -> None:
    found = verdict(host(replace(scsi_path(0, A), page83_device=page83(B)), config=find("off")))
    assert (found.verdict, A in found.reason, B in found.reason) == (Verdict.MISMATCH, True, True)


def test_a_device_that_denies_its_wwid_does_not_stay_either() -> None:
    path = replace(scsi_path(0, A), page83_device=page83(B))
    assert verdict(host(path, maps=(loaded_map(A, path),))).verdict is Verdict.MISMATCH


def test_a_path_whose_own_wwid_is_missing_belongs_to_its_map() -> None:
    path = replace(scsi_path(0, A), udev={}, page83_cached=None, page83_device=None)
    found = verdict(host(path, maps=(loaded_map(A, path),)))
    assert (found.verdict, found.wwid) == (Verdict.ADMITTED, A)


def test_a_path_whose_own_wwid_is_missing_and_who_denies_its_map_is_who_it_says() -> None:
    path = replace(scsi_path(0, B), udev={})
    found = verdict(host(path, config=find("off"), maps=(loaded_map(A, path),)))
    assert (found.verdict, found.wwid) == (Verdict.ADMITTED, B)


def test_a_path_whose_own_wwid_is_missing_and_who_became_another_unit_does_not_stay() -> None:
    path = replace(scsi_path(0, A), udev={}, page83_device=page83(B))
    found = verdict(host(path, config=find("off"), maps=(loaded_map(A, path),)))
    assert (found.verdict, found.wwid) == (Verdict.MISMATCH, A)


def test_a_path_that_udev_calls_another_unit_must_prove_it() -> None:
    path = replace(scsi_path(0, B), page83_device=None)
    found = verdict(host(path, config=find("off"), maps=(loaded_map(A, path),)))
    assert (found.verdict, found.wwid) == (Verdict.UNVERIFIED, B)


@pytest.mark.parametrize(
    ("features", "wanted"), [((), Verdict.WAITING), (("queue_mode", "bio"), Verdict.ADMITTED)], ids=["rq", "bio"]
)
def test_an_nvme_tcp_path_needs_a_map_that_queues_bios(features: tuple[str, ...], wanted: Verdict) -> None:
    path = nvme_path(0)
    there = loaded_map(Wwid(path.wwid_attribute), scsi_path(1, A), features=features)
    assert verdict(host(path, config=find("off"), maps=(there,))).verdict is wanted
