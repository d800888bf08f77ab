"""The daemon is killed at random moments while paths come and go under I/O: it always ends in the desired state.

A moment is at most `LONGEST` after something happened to a path, or after the daemon was started.
"""

import os
import random

import pytest

from tests.real_kernel import rigs
from tests.real_kernel.daemon import Daemon, running
from tests.real_kernel.guest import Guest, requests_done
from tests.real_kernel.test_io import NAME, start_writer, stop_writer

pytestmark = [pytest.mark.vm, pytest.mark.long]

PATHS = 4
KILLS = int(os.environ.get("MPATHCTL_KILLS", "200"))
"""How often it is killed. In a storm of failures it is killed, too, but not so often (`test_storm.py`)."""
SEED = int(os.environ.get("MPATHCTL_KILLS_SEED", "20"))
LONGEST = 1.5
"""Seconds from an event to the kill: about as long as all takes that the daemon does because of it."""
AT_START = 0.25
"""How likely it is to be killed while it starts."""


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
        start_writer(guest, "--rate_iops=60")
        for _ in range(KILLS):
            if chance.random() < AT_START:
                kill_soon(daemon, chance)
                daemon.start(wait=False)
            else:
                guest.sh(san.happen())
            kill_soon(daemon, chance)
            before = int(guest.sh(f"echo {requests_done(NAME)}"))
            daemon.start()
            daemon.wait_counts(NAME, *san.wanted)
            guest.assert_settled()
            wait_for_more_io(guest, before)
        stop_writer(guest)
    assert_nobody_waits_for_udev(guest)


def kill_soon(daemon: Daemon, chance: random.Random) -> None:
    """Kill it within a while, wherever it then is."""
    again = "while pgrep -x multipathd > /dev/null; do pkill -9 -x multipathd; sleep 0.05; done"
    daemon.guest.sh(f"sleep {chance.uniform(0, LONGEST):.3f}; {again}")


def wait_for_more_io(guest: Guest, before: int) -> None:
    """Wait until the map has completed more requests than before; the writer must not have given up."""
    guest.machine.wait_until(f"[ -e /tmp/io.done ] || [ {requests_done(NAME)} -gt {before} ]")
    assert guest.run("test -e /tmp/io.done").status, guest.run("cat /tmp/io.log /tmp/io.fio").out


def assert_nobody_waits_for_udev(guest: Guest) -> None:
    """A cookie whose maker was killed stays, as libdevmapper's do, but udev is done with it.

    What may be left of its value is the maker's: 1, and 1 more if it was killed before the ioctl that it had counted.
    """
    left = [int(line.split()[2]) for line in guest.cookies()]
    assert max(left, default=0) <= 2, left
