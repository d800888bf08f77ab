"""From disks to maps: what is made, that nothing is done twice, and that udev and Debian's tools agree with it."""

from collections.abc import Callable

import pytest

from tests.real_kernel import rigs
from tests.real_kernel.guest import Guest

pytestmark = pytest.mark.vm

KERNELS = ("6.1", "6.12")


@pytest.mark.parametrize("kernel", KERNELS)
def test_disks_of_one_wwid_become_one_map_with_its_groups_by_priority(
    boot: Callable[[str], Guest], kernel: str
) -> None:
    guest = boot(kernel)
    guest.configure(rigs.CONFIG)
    rigs.scsi_debug(guest, hosts=4, luns=2)
    done = guest.command("reconcile")
    assert done.status == 0, done.out + done.err
    maps, numbers = guest.maps(), guest.numbers()
    assert set(maps) == {rigs.debug_name(0), rigs.debug_name(1)}
    for lun in range(2):
        made = maps[rigs.debug_name(lun)]
        assert made.uuid == f"mpath-{rigs.debug_name(lun)}"
        assert made.size == rigs.SIZE
        assert made.groups == rigs.debug_groups(numbers, lun)
        assert made.table.startswith("0 1 alua 3 1 service-time 0 2 ")
        assert all(made.works(device) for device in made.devices)
    guest.assert_settled()
    assert guest.cookies() == []


def test_udev_knows_the_new_maps_and_their_paths(guest: Guest) -> None:
    guest.configure(rigs.CONFIG)
    rigs.scsi_debug(guest, hosts=2, luns=1)
    guest.reconcile()
    name = rigs.debug_name(0)
    guest.sh("udevadm settle --timeout=300")
    of_map = guest.sh(f"udevadm info --query=property /dev/mapper/{name}").splitlines()
    assert f"DM_NAME={name}" in of_map
    assert "MPATH_DEVICE_READY=1" in of_map
    assert "DM_UDEV_PRIMARY_SOURCE_FLAG=1" in of_map
    for device in guest.numbers().values():
        of_path = guest.sh(f"udevadm info --query=property /dev/block/{device}").splitlines()
        assert "DM_MULTIPATH_DEVICE_PATH=1" in of_path
    assert f"/{name}/" in guest.sh("cat /etc/multipath/wwids").splitlines()


def test_the_second_time_there_is_nothing_to_do_and_nothing_is_written(guest: Guest) -> None:
    guest.configure(rigs.CONFIG)
    rigs.scsi_debug(guest, hosts=2, luns=2)
    assert guest.mpathctl("reconcile", "--dry-run").status == 2
    assert guest.maps() == {}
    first, written = guest.writing_ioctls("reconcile")
    assert first.status == 0
    assert {"DM_DEV_CREATE", "DM_TABLE_LOAD", "DM_DEV_SUSPEND"} <= set(written)
    guest.assert_nothing_to_do()
    before = guest.maps()
    second, written = guest.writing_ioctls("reconcile")
    assert second.status == 0
    assert written == []
    assert guest.maps() == before


def test_the_tables_are_those_that_debians_multipath_loads(guest: Guest) -> None:
    guest.configure(rigs.CONFIG)
    rigs.scsi_debug(guest, hosts=4, luns=2)
    rigs.tcm_loop(guest, disks=1, paths=4)
    guest.reconcile()
    ours = {name: each.loadable for name, each in guest.maps().items()}
    guest.sh('multipath -F; rm /etc/multipath/wwids; test -z "$(multipath -l)"; multipath -v0')
    assert {name: each.loadable for name, each in guest.maps().items()} == ours
    assert len(ours) == 3


def test_a_disk_that_udev_names_otherwise_gets_that_name(guest: Guest) -> None:
    guest.configure(rigs.CONFIG)
    guest.sh("udev-sg3 on")
    rigs.scsi_debug(guest, hosts=2, luns=1)
    guest.reconcile()
    assert set(guest.maps()) == {"1Linux_scsi_debug_2000"}


def test_only_known_disks_become_maps_where_find_multipaths_is_strict(guest: Guest) -> None:
    guest.configure("")
    rigs.scsi_debug(guest, hosts=2, luns=2)
    guest.assert_nothing_to_do()
    guest.sh(f"echo /{rigs.debug_name(1)}/ > /etc/multipath/wwids")
    guest.reconcile()
    assert set(guest.maps()) == {rigs.debug_name(1)}


def test_a_snapshot_is_planned_elsewhere_as_it_is_here(guest: Guest) -> None:
    guest.configure(rigs.CONFIG)
    rigs.scsi_debug(guest, hosts=2, luns=2)
    here = guest.mpathctl("reconcile", "--dry-run", "--json")
    assert guest.mpathctl("snapshot", "--output", "/tmp/snapshot.json").status == 0
    guest.sh("rig-clean")
    elsewhere = guest.mpathctl("reconcile", "--dry-run", "--json", "--snapshot", "/tmp/snapshot.json")
    assert (elsewhere.status, elsewhere.out) == (2, here.out)
