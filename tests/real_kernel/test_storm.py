"""fio writes and verifies over four maps in a storm of path failures; our daemon looks after them, and nothing is lost.

It is killed now and then, and started again: while there is none, no failed path comes back, but none is lost either.
Every map keeps a path that is in order, so one error is one too many. The maps queue for some checks, as LIO's disks do
by default. Where nothing queues, requests were seen to fail when I/O moved to a group with a dead path beside a good
one, before the daemon could see to it.
"""

import os
import random
import time

import pytest

from tests.real_kernel import rigs
from tests.real_kernel.daemon import Daemon, running
from tests.real_kernel.guest import Guest, requests_done
from tests.real_kernel.storm import LOOK, Storm, seen

pytestmark = pytest.mark.vm

DISKS, PATHS = 4, 4
SHORT, LONG = 300, 3600
SEED = int(os.environ.get("MPATHCTL_STORM_SEED", "5"))
GIVEN = os.environ.get("MPATHCTL_STORM_SECONDS")
"""Seconds that the storm lasts, instead of those of the test."""
KILLED = 0.04
"""How likely the daemon is killed at a failure."""
GLANCE = f"""\
{LOOK}
echo
read -r pid < /run/multipathd.pid && [ -d /proc/$pid ] && echo daemon
[ ! -e /tmp/storm.status ] || echo over
"""
PATIENCE = 300.0
"""Seconds after the storm's end for fio to end: it does, unless requests wait for ever."""
LONGEST_CALM = 2.0
"""Seconds between two failures, at most."""

CONFIG = rigs.DAEMON_CONFIG
NAMES = [rigs.lio_name(disk) for disk in range(DISKS)]

FIO = """\
[global]
direct=1
ioengine=psync
rw=randwrite
bs=4k
size=1m
rate_iops=15
verify=crc32c
do_verify=1
verify_fatal=1
verify_backlog=16
verify_state_save=0
randseed={seed}
time_based=1
runtime={seconds}
"""


def start_fio(guest: Guest, seconds: int) -> None:
    """Begin to write and verify on all maps, and wait until requests are completed."""
    jobs = "".join(f"[disk{number}]\nfilename=/dev/mapper/{name}\n" for number, name in enumerate(NAMES))
    run = "fio --output=/tmp/storm.fio /tmp/fio.job; echo $? > /tmp/storm.status"
    guest.machine.check(
        f"rm -f /tmp/storm.*; ({run}) > /tmp/storm.log 2>&1 < /dev/null & disown",
        files={"/tmp/fio.job": FIO.format(seed=SEED, seconds=seconds) + jobs},
    )
    before = guest.sh(f"echo {requests_done(NAMES[0])}").strip()
    guest.machine.wait_until(f"[ {requests_done(NAMES[0])} -gt {before} ] || [ -e /tmp/storm.status ]")


def told(daemon: Daemon) -> str:
    """What there is to know when something went wrong."""
    return daemon.guest.run("cat /tmp/storm.log; grep err= /tmp/storm.fio; dmesg | tail -n 100").out + daemon.text()


def blow(daemon: Daemon, storm: Storm, seconds: int) -> None:
    """Failures until fio has ended, with a daemon or without one; and then everything comes back."""
    shown, starts, end = daemon.guest.sh(GLANCE), False, time.monotonic() + seconds + PATIENCE
    while "\nover\n" not in shown:
        runs = "\ndaemon\n" in shown
        assert runs or starts, told(daemon)
        assert time.monotonic() < end, told(daemon)
        starts = not runs
        if runs and storm.chance.random() < KILLED:
            daemon.kill()
            daemon.start(wait=False)
            starts, event = True, ""
        else:
            event = storm.happen(seen(shown))
        calm = storm.chance.uniform(0, LONGEST_CALM)
        shown = daemon.guest.sh(f"{event}\nsleep {calm:.3f}\n{GLANCE}")
    daemon.guest.sh(storm.end())


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(SHORT, id="five minutes"),
        pytest.param(LONG, id="an hour", marks=pytest.mark.long),
    ],
)
def test_data_are_whole_in_a_storm_of_path_failures(guest: Guest, seconds: int) -> None:
    guest.configure(CONFIG)
    rigs.tcm_loop(guest, disks=DISKS, paths=PATHS)
    with running(guest) as daemon:
        for name in NAMES:
            daemon.wait_paths(name, PATHS)
        storm = Storm(random.Random(SEED), sorted({host for host, _ in guest.numbers()}), DISKS)
        lasting = int(GIVEN or seconds)
        start_fio(guest, lasting)
        blow(daemon, storm, lasting)
        print(f"seed {SEED}: {storm.counts}")
        assert guest.sh("cat /tmp/storm.status").strip() == "0", told(daemon)
        for name in NAMES:
            daemon.wait_paths(name, PATHS)
        guest.assert_settled()
    guest.assert_nothing_to_do()
