"""LUNs that their target maps no more, sessions that end, and what TEST UNIT READY says of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.real_kernel import rigs
from tests.real_kernel.daemon import CLIENT, Daemon, running
from tests.real_kernel.guest import Guest

pytestmark = [pytest.mark.vm, pytest.mark.long]

CONFIG = rigs.DAEMON_CONFIG + "overrides {\n\tpath_checker tur\n\tpurge_disconnected yes\n}\n"
"""LIO's own checker reads; only `tur` can tell that a LUN is mapped no more."""


# ---- over iSCSI

LUN, PATHS = 1, 2
NAME = rigs.iscsi_name(LUN)
READ = f"dd if=/dev/mapper/{NAME} of=/dev/null bs=64k count=4 iflag=direct status=none"


@pytest.fixture(scope="module")
def over_iscsi(lasting: Callable[[str], Guest]) -> Iterator[Daemon]:
    guest = lasting("6.1")
    guest.configure(CONFIG)
    rigs.iscsi(guest, disks=2, paths=PATHS)
    with running(guest) as made:
        yield made


def test_the_device_of_a_lun_that_is_mapped_no_more_is_deleted_and_its_map_goes_on(over_iscsi: Daemon) -> None:
    daemon, guest = over_iscsi, over_iscsi.guest
    daemon.wait_paths(NAME, PATHS)
    lost, kept = (rigs.iscsi_disk(guest, path=path, lun=LUN) for path in (1, 2))
    host, *_ = guest.address_of(lost)
    remaining = guest.sh(f"cat /sys/block/{kept}/dev").strip()
    with held_open(guest):
        guest.sh(f"rig-iscsi unlink 1 {LUN}")
        daemon.wait_until(f"test ! -e /sys/block/{lost}")
        daemon.wait_paths(NAME, PATHS - 1)
        guest.sh(READ)
        assert guest.maps()[NAME].devices == [remaining]
        guest.sh(f"rig-iscsi link 1 {LUN} {LUN} ao; echo 0 0 {LUN} > /sys/class/scsi_host/host{host}/scan")
        daemon.wait_paths(NAME, PATHS)
    guest.assert_settled()


@contextmanager
def held_open(guest: Guest) -> Iterator[None]:
    """Somebody in the guest has the map open."""
    guest.sh(f"sleep 1000 < /dev/mapper/{NAME} > /dev/null 2>&1 & echo $! > /tmp/holder; disown")
    yield
    guest.sh("kill $(cat /tmp/holder)")


def test_a_session_that_ends_takes_its_paths_out_and_one_that_begins_brings_them_back(over_iscsi: Daemon) -> None:
    daemon, guest = over_iscsi, over_iscsi.guest
    daemon.wait_paths(NAME, PATHS)
    guest.sh("rig-iscsi logout 2")
    daemon.wait_paths(NAME, PATHS - 1)
    daemon.wait_paths(rigs.iscsi_name(0), PATHS - 1)
    guest.sh(READ)
    guest.sh("rig-iscsi login 2")
    daemon.wait_paths(NAME, PATHS)
    daemon.wait_paths(rigs.iscsi_name(0), PATHS)
    guest.assert_settled()


# ---- what TEST UNIT READY says: errors that scsi_debug injects

DEBUG_NAME = rigs.debug_name(0)


@pytest.fixture(scope="module")
def injecting(lasting: Callable[[str], Guest]) -> Iterator[Daemon]:
    guest = lasting("6.12")
    guest.configure(rigs.DAEMON_CONFIG)
    rigs.scsi_debug(guest, hosts=2, luns=1)
    with running(guest) as made:
        yield made


def says(guest: Guest, disk: str, sense: str | None) -> None:
    """Have every TEST UNIT READY of a disk answered with this sense data; None: with its own again."""
    file = f"/sys/kernel/debug/scsi_debug/{':'.join(map(str, guest.address_of(disk)))}/error"
    line = "- 2 0x00" if sense is None else f"2 1 0x00 0x00 0x00 0x02 {sense}"
    guest.sh(f"echo '{line}' > {file}")


@pytest.mark.parametrize(
    ("sense", "told", "checked", "works"),
    [
        pytest.param("0x02 0x04 0x0b", "path is ghost", "ghost", True, id="02/04/0b standby: ghost"),
        pytest.param("0x05 0x25 0x00", "no access", "faulty", False, id="05/25/00 no such unit: down"),
        pytest.param("0x02 0x04 0x0a", "is transitioning", "ready", True, id="02/04/0a in transition: as before"),
        pytest.param("0x02 0x04 0x03", "path is down", "faulty", False, id="02/04/03 not ready: down"),
    ],
)
def test_what_a_sense_code_makes_of_a_path(
    injecting: Daemon, sense: str, told: str, checked: str, *, works: bool
) -> None:
    daemon, guest = injecting, injecting.guest
    daemon.wait_paths(DEBUG_NAME, 2)
    device = guest.numbers()[0, 0]
    disk, mark = guest.disk_at(device), daemon.mark()
    says(guest, disk, sense)
    daemon.wait_told(f"{disk}: .*{told}", since=mark)
    state = f"{CLIENT} show paths raw format '%d %T' | grep -qx '{disk} {checked}'"
    daemon.wait_until(state)
    daemon.wait_path(DEBUG_NAME, device, works=works)
    says(guest, disk, None)
    daemon.wait_path(DEBUG_NAME, device, works=True)
    daemon.wait_until(state.replace(checked, "ready"))
