"""NVMe namespaces of the kernel's own target: paths without native multipathing, and left alone with it."""

from collections.abc import Callable

import pytest

from tests.real_kernel import rigs
from tests.real_kernel.guest import Guest

pytestmark = [pytest.mark.vm, pytest.mark.long]

NAMES = ("uuid.6b1d0000-0000-4000-8000-000000000001", "uuid.6b1d0000-0000-4000-8000-000000000002")
TRANSPORTS = {"6.1": "tcp", "6.12": "loop"}
"""Debian's 6.1 has no loop transport."""


@pytest.fixture
def guest(boot: Callable[[str], Guest]) -> Guest:
    """A clean guest with a kernel that has the loop transport."""
    return boot("6.12")


def namespaces(guest: Guest, *, controllers: int, count: int = 1, transport: str = "loop", native: str = "N") -> None:
    guest.configure(rigs.CONFIG)
    guest.sh(f"RIG_NATIVE={native} rig-nvme up {transport} {controllers} {count}")


def number(guest: Guest, name: str) -> str:
    """A device's number."""
    return guest.sh(f"cat /sys/block/{name}/dev").strip()


def paths(guest: Guest, wwid: str) -> set[str]:
    """The numbers of the devices that sysfs calls by this name. Which number a namespace gets is left to chance."""
    return set(
        guest.sh(f"cd /sys/block; for d in $(grep -lx {wwid} nvme*/wwid); do cat $(dirname $d)/dev; done").split()
    )


def read(guest: Guest) -> None:
    """Read from the first map, past every cache."""
    guest.sh(f"dd if=/dev/mapper/{NAMES[0]} of=/dev/null bs=4096 count=1 iflag=direct")


@pytest.mark.parametrize("kernel", sorted(TRANSPORTS))
def test_namespaces_become_maps_with_the_paths_of_all_controllers(boot: Callable[[str], Guest], kernel: str) -> None:
    guest = boot(kernel)
    namespaces(guest, controllers=2, count=2, transport=TRANSPORTS[kernel])
    guest.reconcile()
    maps = guest.maps()
    assert set(maps) == set(NAMES)
    for name in NAMES:
        made = maps[name]
        assert made.uuid == f"mpath-{name}"
        assert made.groups == [paths(guest, name)]
        assert len(made.devices) == 2
        assert ("queue_mode bio" in made.table) == (TRANSPORTS[kernel] == "tcp")
    guest.assert_settled()
    guest.assert_nothing_to_do()


def test_groups_are_by_ana_state_and_follow_it(guest: Guest) -> None:
    namespaces(guest, controllers=2)
    guest.sh("rig-nvme group 1 non-optimized")
    guest.reconcile()
    first, second = ({number(guest, f"nvme{controller}n1")} for controller in range(2))
    assert guest.maps()[NAMES[0]].groups == [first, second]
    guest.sh("rig-nvme group 0 inaccessible; rig-nvme group 1 optimized")
    guest.reconcile()
    read(guest)
    assert guest.maps()[NAMES[0]].in_use == second


def test_a_controller_that_is_removed_takes_its_path_out_and_io_goes_on(guest: Guest) -> None:
    namespaces(guest, controllers=2)
    guest.reconcile()
    kept = number(guest, "nvme1n1")
    guest.sh("rig-nvme lose 0")
    guest.sh(f"dd if=/dev/zero of=/dev/mapper/{NAMES[0]} bs=4096 count=16 oflag=direct")
    guest.reconcile()
    assert guest.maps()[NAMES[0]].groups == [{kept}]
    guest.assert_settled()


def test_a_controller_that_loses_its_connection_fails_its_path_until_it_is_back(boot: Callable[[str], Guest]) -> None:
    guest = boot("6.1")
    namespaces(guest, controllers=2, transport="tcp")
    guest.reconcile()
    lost, kept = (number(guest, f"nvme{controller}n1") for controller in range(2))
    guest.sh("rig-nvme shut 0")
    guest.machine.wait_until("grep -qx connecting /sys/class/nvme/nvme0/state")
    guest.reconcile()
    now = guest.maps()[NAMES[0]]
    assert (now.works(lost), now.works(kept)) == (False, True)
    guest.sh("rig-nvme open 0")
    guest.machine.wait_until("grep -qx live /sys/class/nvme/nvme0/state")
    guest.reconcile()
    assert guest.maps()[NAMES[0]].works(lost)


@pytest.mark.parametrize("kernel", sorted(TRANSPORTS))
def test_what_the_kernel_multipaths_is_left_alone(boot: Callable[[str], Guest], kernel: str) -> None:
    guest = boot(kernel)
    namespaces(guest, controllers=2, transport=TRANSPORTS[kernel], native="Y")
    done, written = guest.writing_ioctls("reconcile")
    assert (done.status, written) == (0, []), done.out + done.err
    assert guest.maps() == {}
    snapshot = guest.mpathctl("snapshot").out
    assert '"head": "nvme0n1"' in snapshot
    assert '"state": "live"' in snapshot
