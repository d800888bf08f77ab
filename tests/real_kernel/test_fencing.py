"""A LUN that becomes another disk behind a path's back: not one byte of the map's lands on the other disk.

Both disks are files that are read beside the target. LUN 1 of the session that is in use is linked to another disk; the
initiator is told nothing but what the target tells it.
"""

from collections.abc import Callable, Iterator

import pytest

from tests.real_kernel import rigs
from tests.real_kernel.daemon import Daemon, running
from tests.real_kernel.guest import Guest

pytestmark = pytest.mark.vm

LUN, FOREIGN = 1, 2
NAME = rigs.iscsi_name(LUN)
FILES = "/dev/shm/rig-iscsi"
PATHS = 2
MIB = 1 << 20
READ = f"dd if=/dev/mapper/{NAME} of=/dev/null bs=4k count=1 iflag=direct status=none"

SWAP = f"rig-iscsi unlink 1 {LUN}; rig-iscsi link 1 {LUN} {FOREIGN}"
RESTORE = f"rig-iscsi unlink 1 {LUN}; rig-iscsi link 1 {LUN} {LUN} ao"


@pytest.fixture(scope="module")
def daemon(lasting: Callable[[str], Guest]) -> Iterator[Daemon]:
    guest = lasting("6.1")
    guest.configure(rigs.DAEMON_CONFIG)
    rigs.iscsi(guest, disks=2, paths=PATHS)
    guest.sh(f"yes foreign | head -c {MIB} | dd of={FILES}/disk{FOREIGN} conv=notrunc status=none")
    with running(guest) as made:
        yield made


class Path:
    """The path that is in use, whose LUN the tests swap."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon, self.guest = daemon, daemon.guest
        self.disk = rigs.iscsi_disk(self.guest, path=1, lun=LUN)
        self.device = self.guest.sh(f"cat /sys/block/{self.disk}/dev").strip()

    def wait_unused(self) -> None:
        self.daemon.wait_unused(NAME, self.device)

    def wait_in_use(self) -> None:
        self.daemon.wait_paths(NAME, PATHS)
        self.daemon.wait_until(
            f"{{ {READ} && dmsetup status --noflush {NAME} | grep -q ' A 0 1 2 {self.device} A '; }}"
        )

    @property
    def is_unused(self) -> bool:
        return f" {self.device} A " not in self.guest.maps()[NAME].status

    def leads_to_the_foreign_disk(self) -> bool:
        read = f"dd if=/dev/{self.disk} bs=4k count=1 iflag=direct status=none | head -c 7"
        return self.guest.sh(read) == "foreign"


@pytest.fixture
def path(daemon: Daemon) -> Iterator[Path]:
    """In use, and of its own disk again after the test."""
    made = Path(daemon)
    made.wait_in_use()
    yield made
    daemon.guest.sh(RESTORE)
    daemon.guest.set_state(made.disk, "running")
    made.wait_in_use()


def assert_written_to_its_own_disk_only(daemon: Daemon, words: str) -> None:
    """Write 1 MiB to the map that nothing else writes, and read both disks."""
    guest = daemon.guest
    untouched = f"cksum < {FILES}/disk{FOREIGN}"
    before = guest.sh(untouched)
    guest.sh(f"yes {words} | head -c {MIB} > /tmp/words")
    guest.sh(f"dd if=/tmp/words of=/dev/mapper/{NAME} bs=64k oflag=direct conv=notrunc status=none")
    guest.sh(f"cmp -n {MIB} /tmp/words {FILES}/disk{LUN}")
    assert guest.sh(untouched) == before
    assert guest.run(f"grep -q {words} {FILES}/disk{FOREIGN}").status == 1


def test_a_lun_swapped_quickly_under_a_path_that_never_looked_down(daemon: Daemon, path: Path) -> None:
    mark = daemon.mark()
    daemon.guest.sh(SWAP)
    path.wait_unused()
    daemon.wait_told(f"its device says that it is {rigs.iscsi_name(FOREIGN)}", since=mark)
    assert path.leads_to_the_foreign_disk()
    assert_written_to_its_own_disk_only(daemon, "quick")


def test_a_lun_swapped_whose_unit_attention_another_program_has_taken(daemon: Daemon, path: Path) -> None:
    daemon.guest.sh(f"{SWAP}; sg_turs /dev/{path.disk} > /dev/null 2>&1 || :; sg_turs /dev/{path.disk}")
    path.wait_unused()
    assert path.leads_to_the_foreign_disk()
    assert_written_to_its_own_disk_only(daemon, "swallowed")


@pytest.mark.parametrize("down", ["device offline", "lun unlinked"])
def test_a_lun_swapped_while_its_path_was_seen_down_is_never_reinstated(daemon: Daemon, path: Path, down: str) -> None:
    guest, mark = daemon.guest, daemon.mark()
    offline = down == "device offline"
    guest.sh(f"echo offline > /sys/block/{path.disk}/device/state" if offline else f"rig-iscsi unlink 1 {LUN}")
    path.wait_unused()
    guest.sh("sleep 6")
    failed = guest.maps()[NAME].event_number
    guest.sh(f"{SWAP}; echo running > /sys/block/{path.disk}/device/state")
    daemon.wait_told(f"its device says that it is {rigs.iscsi_name(FOREIGN)}", since=mark)
    assert path.leads_to_the_foreign_disk()
    assert (path.is_unused, guest.maps()[NAME].event_number) == (True, failed)
    assert_written_to_its_own_disk_only(daemon, down.split()[0])
