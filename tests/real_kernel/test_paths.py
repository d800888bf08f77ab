"""Paths that fail, come back, go away and are found again, on scsi_debug disks."""

import pytest

from tests.real_kernel import rigs
from tests.real_kernel.guest import Guest

pytestmark = pytest.mark.vm

NAME = rigs.debug_name(0)


def mapped(guest: Guest, *, hosts: int) -> None:
    """One disk behind several hosts, and its map."""
    guest.configure(rigs.CONFIG)
    rigs.scsi_debug(guest, hosts=hosts, luns=1)
    guest.reconcile()


def test_a_path_is_failed_by_messages_when_it_is_offline_and_reinstated_when_it_is_back(guest: Guest) -> None:
    mapped(guest, hosts=2)
    before = guest.maps()[NAME]
    lost, kept = guest.numbers()[0, 0], guest.numbers()[1, 0]
    guest.set_state(guest.disk_at(lost), "offline")
    done, written = guest.writing_ioctls("reconcile")
    assert (done.status, set(written)) == (0, {"DM_TARGET_MSG"}), done.out + done.err
    now = guest.maps()[NAME]
    assert (now.works(lost), now.works(kept)) == (False, True)
    guest.assert_nothing_to_do()
    guest.set_state(guest.disk_at(lost), "running")
    guest.reconcile()
    after = guest.maps()[NAME]
    assert after.works(lost)
    assert after.loadable == before.loadable


def test_a_deleted_path_leaves_the_table_and_comes_back_when_it_is_found_again(guest: Guest) -> None:
    mapped(guest, hosts=3)
    before = guest.maps()[NAME]
    gone = guest.numbers()[1, 0]
    disk = guest.disk_at(gone)
    address = guest.address_of(disk)
    guest.delete(disk)
    guest.reconcile()
    assert guest.maps()[NAME].groups == [group for group in before.groups if group != {gone}]
    guest.scan(*address)
    guest.reconcile()
    after = guest.maps()[NAME]
    assert after.groups == rigs.debug_groups(guest.numbers(), 0)
    assert len(after.groups) == 3
    guest.assert_settled()


def test_a_map_without_paths_is_removed_once_nobody_has_it_open(guest: Guest) -> None:
    mapped(guest, hosts=2)
    guest.sh(f"exec 9< /dev/mapper/{NAME}; sleep 100000 <&9 > /dev/null 2>&1 & echo $! > /tmp/holder")
    for device in guest.numbers().values():
        guest.delete(guest.disk_at(device))
    guest.mpathctl("reconcile")
    assert set(guest.maps()) == {NAME}
    guest.sh("kill $(cat /tmp/holder)")
    guest.machine.wait_until(f"dmsetup info -c --noheadings -o open {NAME} | grep -qw 0")
    guest.reconcile()
    assert guest.maps() == {}
    assert guest.cookies() == []
