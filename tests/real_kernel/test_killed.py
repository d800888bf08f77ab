"""Killed at any point of a reconcile, the next one ends where the first would have ended.

strace kills the program with SIGKILL at its n-th ioctl, so every point is hit for certain and none by luck: before the
first write, and before each further device-mapper ioctl that writes.
"""

import re

import pytest

from tests.real_kernel import rigs
from tests.real_kernel.guest import READING_IOCTLS, Guest

pytestmark = pytest.mark.vm

TRACE = "strace -f --seccomp-bpf -e trace=ioctl -o /tmp/ioctls"


def writes(guest: Guest) -> list[tuple[int, str]]:
    """Of the traced run: the ordinal, from 1, and the name of each ioctl that writes to device-mapper."""
    names = [found[1] for found in re.finditer(r"ioctl\(\d+, ([A-Za-z0-9_]+)", guest.sh("cat /tmp/ioctls"))]
    return [(at, name) for at, name in enumerate(names, 1) if name.startswith("DM_") and name not in READING_IOCTLS]


def kill_at(guest: Guest, ordinal: int) -> None:
    """Run a reconcile that is killed when it makes its n-th ioctl."""
    done = guest.mpathctl("reconcile", prefix=f"{TRACE} -e inject=ioctl:signal=KILL:when={ordinal}")
    assert done.status != 0, "it was not killed"


def assert_converges(guest: Guest, wanted: dict[str, tuple[object, ...]]) -> None:
    guest.reconcile()
    assert {name: each.loadable for name, each in guest.maps().items()} == wanted
    guest.assert_settled()
    guest.assert_nothing_to_do()


def test_killed_while_it_makes_maps(guest: Guest) -> None:
    guest.configure(rigs.CONFIG)
    rigs.scsi_debug(guest, hosts=2, luns=2)
    assert guest.mpathctl("reconcile", prefix=TRACE).status == 0
    points = writes(guest)
    wanted = {name: each.loadable for name, each in guest.maps().items()}
    for ordinal, name in points[:4]:
        guest.sh(
            "multipath -F; test -z \"$(dmsetup ls --target multipath | grep -v 'No devices')\"; rm /etc/multipath/wwids"
        )
        kill_at(guest, ordinal)
        print(f"killed before {name}: {guest.run('dmsetup info -c').out}")
        assert_converges(guest, wanted)


def test_killed_while_it_reloads_a_map(guest: Guest) -> None:
    guest.configure(rigs.CONFIG)
    rigs.scsi_debug(guest, hosts=3, luns=1)
    guest.reconcile()
    disk = guest.disk_at(guest.numbers()[1, 0])
    address = guest.address_of(disk)
    guest.delete(disk)
    assert guest.mpathctl("reconcile", prefix=TRACE).status == 0
    points = writes(guest)
    wanted = {name: each.loadable for name, each in guest.maps().items()}
    for ordinal, name in points:
        guest.scan(*address)
        guest.reconcile()
        guest.delete(guest.disk_at(guest.numbers()[1, 0]))
        kill_at(guest, ordinal)
        print(f"killed before {name}: {guest.run('dmsetup info -c').out}")
        assert_converges(guest, wanted)
