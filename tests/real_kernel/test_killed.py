"""Killed at any point of a reconcile, the next one ends where the first would have ended.

It is killed with SIGKILL when it is about to make its n-th device-mapper ioctl, so every point is hit for certain and
none by luck: before the first one that writes, and before each further one. Each takes most of a minute, so all of
them are long; always tried are those where a map is left half made: it is there and has no table, then a table waits.
"""

import re

import pytest

from tests.real_kernel import rigs
from tests.real_kernel.guest import READING_IOCTLS, STRACE, Guest

pytestmark = pytest.mark.vm

HALF_MADE = slice(1, 3)
"""Of the ioctls that write: before the second and before the third."""
places = pytest.mark.parametrize(
    "chosen",
    [
        pytest.param(HALF_MADE, id="half made"),
        pytest.param(slice(None), id="everywhere", marks=pytest.mark.long),
    ],
)


def writes(guest: Guest) -> list[tuple[int, str]]:
    """Of the traced run: the ordinal, from 1, and the name of each device-mapper ioctl that writes."""
    names = re.findall(r"ioctl\(\d+, (DM_[A-Z_]+)", guest.sh("cat /tmp/ioctls"))
    return [(at, name) for at, name in enumerate(names, 1) if name not in READING_IOCTLS]


def kill_at(guest: Guest, ordinal: int, name: str) -> None:
    """Run a reconcile that is killed when it makes its n-th device-mapper ioctl, which is to be that one."""
    done = guest.command("reconcile", prefix=f"kill-at-ioctl {ordinal}")
    assert (done.status, done.out.strip()) == (0, name), done.err


def assert_converges(guest: Guest, wanted: dict[str, tuple[object, ...]]) -> None:
    guest.reconcile()
    assert {name: each.loadable for name, each in guest.maps().items()} == wanted
    guest.assert_settled()


@places
def test_killed_while_it_makes_maps(guest: Guest, chosen: slice) -> None:
    guest.configure(rigs.CONFIG)
    rigs.scsi_debug(guest, hosts=2, luns=2)
    assert guest.command("reconcile", prefix=STRACE).status == 0
    points = writes(guest)[chosen]
    assert points
    wanted = {name: each.loadable for name, each in guest.maps().items()}
    for ordinal, name in points:
        guest.sh(
            "multipath -F; test -z \"$(dmsetup ls --target multipath | grep -v 'No devices')\"; rm /etc/multipath/wwids"
        )
        kill_at(guest, ordinal, name)
        assert_converges(guest, wanted)


@places
def test_killed_while_it_reloads_a_map(guest: Guest, chosen: slice) -> None:
    guest.configure(rigs.CONFIG)
    rigs.scsi_debug(guest, hosts=3, luns=1)
    guest.reconcile()
    disk = guest.disk_at(guest.numbers()[1, 0])
    address = guest.address_of(disk)
    guest.delete(disk)
    assert guest.command("reconcile", prefix=STRACE).status == 0
    points = writes(guest)[chosen]
    assert points
    wanted = {name: each.loadable for name, each in guest.maps().items()}
    for ordinal, name in points:
        guest.scan(*address)
        guest.reconcile()
        guest.delete(guest.disk_at(guest.numbers()[1, 0]))
        kill_at(guest, ordinal, name)
        assert_converges(guest, wanted)
