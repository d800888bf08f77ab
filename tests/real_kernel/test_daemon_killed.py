"""The daemon is killed at random moments while paths come and go under I/O: it always ends in the desired state."""

import random

import pytest

from tests.real_kernel import rigs
from tests.real_kernel.daemon import running
from tests.real_kernel.guest import Guest
from tests.real_kernel.test_io import NAME, another_round, start_writer, stop_writer

pytestmark = [pytest.mark.vm, pytest.mark.long]

PATHS = 4
KILLS, SEED = 8, 20
LONGEST = 1.5
"""Seconds from an event to the kill: about as long as all takes that the daemon does because of it."""


class San:
    """What happens to the disk, and how its map is to be afterwards."""

    def __init__(self, guest: Guest, chance: random.Random) -> None:
        self.guest, self.chance = guest, chance
        self.offline: str | None = None
        self.deleted: int | None = None

    def happen(self) -> str:
        """Something, as shell: at most one path is offline and one deleted."""
        events = [self._offline if self.offline is None else self._running]
        events.append(self._delete if self.deleted is None else self._scan)
        return self.chance.choice(events)()

    def _disk(self) -> str:
        devices = rigs.lio_paths(self.guest, 0)
        return self.chance.choice([disk for each in devices if (disk := self.guest.disk_at(each)) != self.offline])

    def _offline(self) -> str:
        self.offline = self._disk()
        return f"echo offline > /sys/block/{self.offline}/device/state"

    def _running(self) -> str:
        disk, self.offline = self.offline, None
        return f"echo running > /sys/block/{disk}/device/state"

    def _delete(self) -> str:
        disk = self._disk()
        self.deleted = self.guest.address_of(disk)[0]
        return f"echo 1 > /sys/block/{disk}/device/delete"

    def _scan(self) -> str:
        host, self.deleted = self.deleted, None
        return f"echo - - - > /sys/class/scsi_host/host{host}/scan"

    @property
    def wanted(self) -> tuple[int, int]:
        """How many paths of the map work, and how many do not."""
        there, down = PATHS - (self.deleted is not None), int(self.offline is not None)
        return there - down, down


def test_killed_at_random_moments_it_ends_in_the_desired_state_while_io_goes_on(guest: Guest) -> None:
    chance = random.Random(SEED)
    guest.configure(rigs.DAEMON_CONFIG)
    rigs.tcm_loop(guest, disks=1, paths=PATHS)
    san = San(guest, chance)
    with running(guest) as daemon:
        daemon.wait_paths(NAME, PATHS)
        start_writer(guest)
        for _ in range(KILLS):
            event = san.happen()
            guest.sh(f"{event}; sleep {chance.uniform(0, LONGEST):.3f}; kill -9 {daemon.pid}")
            guest.machine.wait_until("! pgrep -x multipathd > /dev/null")
            daemon.start()
            daemon.wait_counts(NAME, *san.wanted)
            guest.assert_settled()
            another_round(guest)
        stop_writer(guest)
        assert guest.cookies() == []
