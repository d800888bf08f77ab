"""Killed at any point of a reconcile, the next one ends where the first would have ended.

It is killed with SIGKILL when it is about to make its n-th device-mapper ioctl, so every point is hit for certain and
none by luck: before the first one that writes, and before each further one. Each takes most of a minute, so all of
them are long; always tried is the one where a table was loaded and waits to be used.
"""

import re
from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.real_kernel import rigs
from tests.real_kernel.guest import READING_IOCTLS, STRACE, Guest

pytestmark = pytest.mark.vm

Points = list[tuple[int, str]]
"""Of ioctls the ordinal, from 1, and the name."""


def table_waits(points: Points) -> Points:
    """The first one after a table was loaded, which is not used yet."""
    return [point for before, point in pairwise(points) if before[1] == "DM_TABLE_LOAD"][:1]


places = pytest.mark.parametrize(
    "chosen",
    [
        pytest.param(table_waits, id="a table waits"),
        pytest.param(lambda points: points, id="everywhere", marks=pytest.mark.long),
    ],
)


def writes(guest: Guest) -> Points:
    """Of the traced run: the device-mapper ioctls that write."""
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
def test_killed_while_it_makes_maps(guest: Guest, chosen: Callable[[Points], Points]) -> None:
    guest.configure(rigs.CONFIG)
    rigs.scsi_debug(guest, hosts=2, luns=2)
    assert guest.command("reconcile", prefix=STRACE).status == 0
    points = chosen(writes(guest))
    assert points
    wanted = {name: each.loadable for name, each in guest.maps().items()}
    for ordinal, name in points:
        guest.sh(
            "multipath -F; test -z \"$(dmsetup ls --target multipath | grep -v 'No devices')\"; rm /etc/multipath/wwids"
        )
        kill_at(guest, ordinal, name)
        assert_converges(guest, wanted)


@places
def test_killed_while_it_reloads_a_map(guest: Guest, chosen: Callable[[Points], Points]) -> None:
    guest.configure(rigs.CONFIG)
    rigs.scsi_debug(guest, hosts=3, luns=1)
    guest.reconcile()
    disk = guest.disk_at(guest.numbers()[1, 0])
    address = guest.address_of(disk)
    guest.delete(disk)
    assert guest.command("reconcile", prefix=STRACE).status == 0
    points = chosen(writes(guest))
    assert points
    wanted = {name: each.loadable for name, each in guest.maps().items()}
    for ordinal, name in points:
        guest.scan(*address)
        guest.reconcile()
        guest.delete(guest.disk_at(guest.numbers()[1, 0]))
        kill_at(guest, ordinal, name)
        assert_converges(guest, wanted)
