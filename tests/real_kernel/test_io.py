"""fio writes and verifies over a map while a path is taken away and brought back, reconciled after every change."""

import shlex

import pytest

from tests.real_kernel import rigs
from tests.real_kernel.guest import Guest

pytestmark = pytest.mark.vm

NAME = rigs.lio_name(0)

WRITER = f"""
rounds=0
until [ -e /tmp/io.stop ]; do
  fio --name=verified --filename=/dev/mapper/{NAME} --direct=1 --ioengine=psync --rw=randwrite --bs=16k --size=2m \\
    --verify=crc32c --do_verify=1 --verify_fatal=1 --verify_state_save=0 --randseed=$rounds --output=/tmp/io.fio \\
    "$@" || {{
      echo failed > /tmp/io.done; exit
    }}
  rounds=$((rounds + 1))
  echo $rounds > /tmp/io.rounds
done
echo well > /tmp/io.done
"""


def start_writer(guest: Guest, *options: str) -> None:
    """Begin to write and verify, round after round, and wait for the second one. `options`: more of fio's."""
    guest.machine.check(
        f"rm -f /tmp/io.*; bash /tmp/writer {shlex.join(options)} < /dev/null > /tmp/io.log 2>&1 & disown",
        files={"/tmp/writer": WRITER},
    )
    another_round(guest)


def another_round(guest: Guest) -> None:
    """Wait until a whole round of writing and verifying has begun and ended since now."""
    rounds = int(guest.run("cat /tmp/io.rounds").out or 0)
    guest.machine.wait_until(
        f"[ -e /tmp/io.done ] || [ $(cat /tmp/io.rounds || echo 0) -ge {rounds + 2} ] 2> /dev/null"
    )
    assert guest.run("test -e /tmp/io.done").status, guest.run("cat /tmp/io.log /tmp/io.fio").out


def stop_writer(guest: Guest) -> None:
    guest.sh("touch /tmp/io.stop")
    guest.machine.wait_until("test -e /tmp/io.done")
    assert guest.sh("cat /tmp/io.done").strip() == "well", guest.run("cat /tmp/io.log /tmp/io.fio").out


def test_data_are_whole_while_a_path_goes_offline_and_away_and_comes_back(guest: Guest) -> None:
    guest.configure(rigs.CONFIG)
    rigs.tcm_loop(guest, disks=1, paths=4)
    guest.reconcile()
    first = rigs.lio_paths(guest, 0)[0]
    disk = guest.disk_at(first)
    host = guest.address_of(disk)[0]
    start_writer(guest)

    guest.set_state(disk, "offline")
    guest.reconcile()
    another_round(guest)
    assert not guest.maps()[NAME].works(first)
    guest.set_state(disk, "running")
    guest.reconcile()
    another_round(guest)
    assert guest.maps()[NAME].works(first)

    guest.delete(disk)
    guest.reconcile()
    another_round(guest)
    assert len(guest.maps()[NAME].devices) == 3
    guest.sh(f"echo - - - > /sys/class/scsi_host/host{host}/scan")
    guest.machine.wait_until(f"ls /sys/bus/scsi/devices/{host}:0:1:0/block/sd*/size")
    guest.sh("udevadm settle --timeout=300")
    guest.reconcile()
    another_round(guest)
    assert len(guest.maps()[NAME].devices) == 4

    stop_writer(guest)
    guest.assert_nothing_to_do()
    guest.assert_settled()
