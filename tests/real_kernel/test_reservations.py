"""Persistent reservations on a real target (LIO): paths are registered by the daemon before they are used."""

from collections.abc import Callable, Iterator

import pytest

from tests.real_kernel import rigs
from tests.real_kernel.daemon import Daemon, running
from tests.real_kernel.guest import Guest

pytestmark = [pytest.mark.vm, pytest.mark.long]

KEY = "0x1234abcd"
NAME = rigs.lio_name(0)
PATHS = 4
CONFIG = rigs.DAEMON_CONFIG.replace("defaults {", f"defaults {{\n\treservation_key {KEY}")
REGISTRANTS_ONLY = 5
"""Write exclusive, registrants only (SPC-5 clause 5.14)."""
WRITE = f"dd if=/dev/zero of=/dev/mapper/{NAME} bs=64k count=4 oflag=direct status=none"


def persist(guest: Guest, disk: str, words: str) -> str:
    """What the target says to sg_persist, which asks again after a unit attention."""
    return guest.sh(f"sg_turs /dev/{disk} > /dev/null 2>&1; sg_persist {words} /dev/{disk}")


def registered(count: int, disk: str) -> str:
    """The condition that so many paths are registered under the key."""
    return f"[ $(sg_persist --in --read-keys /dev/{disk} 2> /dev/null | grep -c {KEY}) -eq {count} ]"


@pytest.fixture(scope="module")
def reserved(lasting: Callable[[str], Guest]) -> Iterator[Daemon]:
    """A unit that one path had reserved before the daemon was started."""
    guest = lasting("6.1")
    guest.configure(CONFIG)
    rigs.tcm_loop(guest, disks=1, paths=PATHS)
    disk = guest.disk_at(rigs.lio_paths(guest, 0)[0])
    persist(guest, disk, f"--out --register --param-sark={KEY}")
    persist(guest, disk, f"--out --reserve --param-rk={KEY} --prout-type={REGISTRANTS_ONLY}")
    with running(guest) as daemon:
        daemon.wait_paths(NAME, PATHS)
        yield daemon
    guest.run(f"sg_persist --out --clear --param-rk={KEY} /dev/{disk}")  # unless a test has done so


def test_a_key_that_is_registered_when_the_daemon_starts_is_registered_on_all_paths(reserved: Daemon) -> None:
    guest = reserved.guest
    disk = guest.disk_at(rigs.lio_paths(guest, 0)[0])
    reserved.wait_until(registered(PATHS, disk))
    assert reserved.ask(f"getprstatus map {NAME}") == "set"
    assert reserved.ask(f"getprkey map {NAME}") == KEY
    guest.sh(WRITE)


def test_a_path_that_lost_its_registration_is_registered_before_it_is_used_again(reserved: Daemon) -> None:
    guest = reserved.guest
    first, other = (guest.disk_at(path) for path in rigs.lio_paths(guest, 0)[:2])
    reserved.wait_until(registered(PATHS, first))
    persist(guest, other, f"--out --register --param-rk={KEY} --param-sark=0")
    assert guest.run(registered(PATHS - 1, first)).status == 0
    guest.sh(f"echo offline > /sys/block/{other}/device/state")
    reserved.wait_path(NAME, rigs.lio_paths(guest, 0)[1], works=False)
    guest.sh(f"echo running > /sys/block/{other}/device/state")
    reserved.wait_paths(NAME, PATHS)
    reserved.wait_until(registered(PATHS, first))
    guest.sh(WRITE)


def test_who_was_fenced_off_is_not_registered_again(reserved: Daemon) -> None:
    guest = reserved.guest
    paths = rigs.lio_paths(guest, 0)
    first, other = (guest.disk_at(path) for path in paths[:2])
    reserved.wait_until(registered(PATHS, first))
    guest.sh(f"echo offline > /sys/block/{other}/device/state")
    reserved.wait_path(NAME, paths[1], works=False)
    persist(guest, first, f"--out --clear --param-rk={KEY}")
    mark = reserved.mark()
    guest.sh(f"echo running > /sys/block/{other}/device/state")
    reserved.wait_told("not registered any more", since=mark)
    reserved.wait_paths(NAME, PATHS)
    assert guest.run(registered(0, first)).status == 0
    assert reserved.ask(f"getprstatus map {NAME}") == "unset"
