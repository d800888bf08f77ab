"""What is left alone: maps whose devices were not understood, and everything while files could not be read."""

from dataclasses import replace
from typing import Any

import pytest

from desired.assembly import Assembler
from desired.model import DesiredMap, Severity
from observers.dmtable import DevT
from observers.snapshot import Alias, DeviceName, DmDevice, DmUuid, Gap, TextFile, Wwid
from tests.builders import CONFIG_FILE, made_map, page83, scsi_path, unit_wwid, with_maps
from tests.desired.test_derive import derived, host, the_map

A, B = unit_wwid(1), unit_wwid(2)


def test_a_map_whose_devices_are_all_gone_is_not_kept() -> None:
    loaded = made_map(the_map(host(scsi_path(0, A))), 0)
    found = derived(host(maps=(loaded,)))
    assert (found.maps, found.keep) == ((), {})


def test_a_map_whose_paths_are_blacklisted_now_is_not_kept() -> None:
    loaded = made_map(the_map(host(scsi_path(0, A))), 0)
    rules = f'blacklist {{\n\twwid "{A}"\n}}\n'
    assert derived(host(scsi_path(0, A), sections=rules, maps=(loaded,))).keep == {}


def test_a_map_whose_paths_are_another_unit_now_is_not_kept() -> None:
    loaded = made_map(the_map(host(scsi_path(0, A))), 0)
    moved = replace(scsi_path(0, A), page83_device=page83(B))
    found = derived(host(moved, maps=(loaded,)))
    assert (found.maps, found.keep) == ((), {})


def test_a_map_is_kept_while_its_path_does_not_say_who_it_is() -> None:
    loaded = made_map(the_map(host(scsi_path(0, A))), 0)
    silent = replace(scsi_path(0, B), page83_device=None)
    found = derived(host(silent, maps=(loaded,)))
    assert found.maps == ()
    assert found.keep[A].startswith("sda: identity not read")


@pytest.mark.parametrize(
    "gap",
    [Gap("host", "list of block devices", "EIO"), Gap("sda", "device number", "EIO")],
    ids=["no list of disks", "a disk that could not be read"],
)
def test_a_map_is_kept_while_disks_may_be_missing_from_the_snapshot(gap: Gap) -> None:
    loaded = made_map(the_map(host(scsi_path(0, A))), 0)
    assert "EIO" in derived(host(maps=(loaded,), gaps=(gap,))).keep[A]


def test_a_gap_of_a_disk_that_was_read_keeps_no_map() -> None:
    loaded = made_map(the_map(host(scsi_path(0, A))), 0)
    gap = Gap("sdb", "VPD page 0x83", "EIO")
    assert derived(host(scsi_path(1, B), maps=(loaded,), gaps=(gap,))).keep == {}


def test_a_map_whose_table_is_not_known_is_kept() -> None:
    loaded = replace(made_map(the_map(host(scsi_path(0, A))), 0), table=None)
    assert "table" in derived(host(maps=(loaded,))).keep[A]


def test_nothing_is_touched_while_the_configuration_can_not_be_read() -> None:
    snapshot = host(scsi_path(0, A))
    loaded = made_map(the_map(snapshot), 0)
    gap = Gap(CONFIG_FILE, "text", "EACCES, Permission denied")
    found = derived(replace(snapshot, maps=(loaded,), gaps=(gap,)))
    assert (found.maps, set(found.keep)) == ((), {A})
    assert [each.severity for each in found.messages] == [Severity.ERROR]


def test_one_map_without_a_name_does_not_stop_the_others() -> None:
    taken = DmDevice(Alias(A), DmUuid("LVM-1"), DevT("254:9"))
    found = derived(host(scsi_path(0, A), scsi_path(1, B), other_devices=(taken,)))
    assert [each.wwid for each in found.maps] == [B]
    assert [each.severity for each in found.messages] == [Severity.ERROR]
    assert A in found.messages[0].text


def test_one_map_that_can_not_be_derived_is_kept_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = with_maps(host(scsi_path(0, A), scsi_path(1, B)), {A, B})
    whole = Assembler.assemble

    def assemble(self: Assembler, wwid: Wwid, *rest: Any, **more: Any) -> DesiredMap:
        if wwid == A:
            raise ZeroDivisionError
        return whole(self, wwid, *rest, **more)

    monkeypatch.setattr(Assembler, "assemble", assemble)
    found = derived(snapshot)
    assert [each.wwid for each in found.maps] == [B]
    assert found.keep == {A: "it could not be derived: ZeroDivisionError()"}


def test_the_wwids_of_the_file_are_told() -> None:
    assert derived(host(wwids=TextFile("/etc/multipath/wwids", f"# x\n/{A}/\n#{B}/\n"))).wwids == {A}


def test_an_unreadable_device_is_not_among_the_members() -> None:
    stranger = replace(scsi_path(2, A), name=DeviceName("sdc"), page83_device=None)
    made = the_map(host(scsi_path(0, A), stranger))
    assert [member.name for member in made.members] == ["sda"]
