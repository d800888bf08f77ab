"""What an array changes: port groups, the size of a disk; what an administrator changes: names, queueing."""

import pytest

from tests.real_kernel import rigs
from tests.real_kernel.guest import Guest

pytestmark = pytest.mark.vm

NAME = rigs.lio_name(0)
READ = f"dd if=/dev/mapper/{NAME} of=/dev/null bs=64k count=1 iflag=direct"


def mapped(guest: Guest) -> None:
    """One LIO disk behind four hosts, and its map."""
    guest.configure(rigs.CONFIG)
    rigs.tcm_loop(guest, disks=1, paths=4)
    guest.reconcile()


def test_when_port_groups_swap_their_states_the_better_one_is_used(guest: Guest) -> None:
    mapped(guest)
    paths = rigs.lio_paths(guest, 0)
    assert guest.maps()[NAME].groups == [set(paths[:2]), set(paths[2:])]
    guest.sh(READ)
    assert guest.maps()[NAME].in_use == set(paths[:2])
    guest.sh("rig-tcm-loop state 0 ao 1; rig-tcm-loop state 0 ano 0")
    guest.reconcile()
    guest.sh(READ)
    assert guest.maps()[NAME].in_use == set(paths[2:])
    guest.assert_nothing_to_do()


def test_a_path_that_answers_no_more_is_failed_and_one_that_answers_again_reinstated(guest: Guest) -> None:
    mapped(guest)
    lost, *kept = rigs.lio_paths(guest, 0)
    guest.sh("rig-tcm-loop offline 1")
    # The kernel sees nothing wrong with it: only a command that gets no answer tells.
    assert guest.sh(f"cat /sys/dev/block/{lost}/device/state").strip() == "running"
    guest.reconcile()
    now = guest.maps()[NAME]
    assert [now.works(device) for device in (lost, *kept)] == [False, True, True, True]
    guest.sh("rig-tcm-loop online 1")
    guest.reconcile()
    assert guest.maps()[NAME].works(lost)


def test_a_disk_that_grew_makes_its_map_grow(guest: Guest) -> None:
    mapped(guest)
    guest.sh("rig-tcm-loop grow 0 96")
    guest.reconcile()
    assert guest.maps()[NAME].size == 96 * 2048
    assert guest.sh(f"blockdev --getsz /dev/mapper/{NAME}").strip() == str(96 * 2048)
    guest.assert_settled()


def test_an_alias_renames_the_map_without_a_reload(guest: Guest) -> None:
    mapped(guest)
    before = guest.maps()[NAME]
    guest.configure(rigs.CONFIG + f"multipaths {{\n\tmultipath {{\n\t\twwid {NAME}\n\t\talias data\n\t}}\n}}\n")
    done, written = guest.writing_ioctls("reconcile")
    assert done.status == 0
    assert set(written) == {"DM_DEV_RENAME"}
    after = guest.maps()
    assert set(after) == {"data"}
    assert after["data"].loadable == before.loadable
    guest.assert_settled()
    assert guest.run(f"test -e /dev/mapper/{NAME}").status == 1
    assert guest.cookies() == []


def test_queueing_is_left_off_without_a_daemon_and_turned_on_by_a_message(guest: Guest) -> None:
    mapped(guest)
    assert "queue_if_no_path" not in guest.maps()[NAME].table
    guest.configure(rigs.CONFIG.replace("}", "\tqueue_without_daemon yes\n}"))
    done, written = guest.writing_ioctls("reconcile")
    assert done.status == 0
    assert written == ["DM_TARGET_MSG"]
    assert guest.maps()[NAME].table.startswith("1 queue_if_no_path ")
