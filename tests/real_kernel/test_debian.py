"""Beside Debian's multipathd 0.9.4: its maps need no change of ours, and ours none of its."""

import json
import re

import pytest

from tests.real_kernel import rigs
from tests.real_kernel.guest import Guest

pytestmark = pytest.mark.vm

LOG = "/tmp/multipathd.log"


def start_multipathd(guest: Guest, *, maps: int) -> None:
    """Start it, and wait until it has its maps and has checked every path."""
    guest.sh(f"multipathd -d -s -v3 > {LOG} 2>&1 < /dev/null & disown")
    guest.machine.wait_until("multipathd show daemon | grep -q idle")
    guest.machine.wait_until(f"[ $(multipathd show maps raw format %n | wc -l) -eq {maps} ]")
    guest.machine.wait_until("! multipathd show paths raw format %T | grep -qv ready")
    guest.sh("udevadm settle --timeout=300")


def stop_multipathd(guest: Guest) -> None:
    guest.run("multipathd shutdown")  # it may end before it answers
    guest.machine.wait_until("! pgrep -x multipathd")
    guest.sh("udevadm settle --timeout=300")


def test_maps_that_multipathd_made_are_as_we_want_them(guest: Guest) -> None:
    guest.configure(rigs.CONFIG)
    rigs.scsi_debug(guest, hosts=4, luns=2)
    rigs.tcm_loop(guest, disks=1, paths=4)
    start_multipathd(guest, maps=3)
    stop_multipathd(guest)
    done = guest.mpathctl("reconcile", "--dry-run")
    assert (done.status, len(guest.maps())) == (0, 3), done.out + done.err + guest.describe()


def test_every_difference_from_multipathds_maps_has_its_reason(guest: Guest) -> None:
    guest.configure("defaults {\n\tfind_multipaths no\n}\n")
    rigs.scsi_debug(guest, hosts=4, luns=1)
    start_multipathd(guest, maps=1)
    stop_multipathd(guest)
    # 0.9.4 does not detect the grouping policy: it leaves every path in a group of its own.
    assert len(guest.maps()[rigs.debug_name(0)].groups) == 4
    done = guest.mpathctl("reconcile", "--dry-run", "--json")
    assert done.status == 2, done.err
    (plan,) = json.loads(done.out)["maps"]
    assert [step["step"] for step in plan["steps"]] == ["ReloadMap"]
    assert "group" in " ".join(plan["reasons"])
    guest.reconcile()
    assert guest.maps()[rigs.debug_name(0)].groups == rigs.debug_groups(guest.numbers(), 0)


def test_multipathd_started_on_our_maps_reloads_nothing(guest: Guest) -> None:
    # A daemon ends queueing when it is time to, so it may turn it on; the run without one does not.
    guest.configure(rigs.CONFIG + "overrides {\n\tno_path_retry fail\n}\n")
    rigs.scsi_debug(guest, hosts=4, luns=2)
    rigs.tcm_loop(guest, disks=1, paths=4)
    guest.reconcile()
    before = guest.maps()
    start_multipathd(guest, maps=3)
    after = guest.maps()
    log = guest.sh(f"cat {LOG}")
    stop_multipathd(guest)
    assert after == before
    assert len(re.findall(r"set ACT_NOTHING \(map unchanged\)", log)) == 3
    assert not re.findall(r"set ACT_(?!NOTHING).*|.*(?:reload|addmap|resize) \[.*", log)
