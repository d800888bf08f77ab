"""An installed mpathctl on a system that systemd boots: its units, udev rules and records, in the place of Debian's.

One boot for all tests, which go on where the last one ended. Before systemd runs, Debian's multipath-tools is removed,
`make install`'s files are put in their place, the service is enabled, and a disk behind two hosts gets a file system
that /etc/fstab wants mounted, by the map's name.
"""

import json
import re
import time
from collections.abc import Iterator

import pytest

from tests.real_kernel import installed, rigs
from tests.real_kernel.guest import Guest
from tests.vm.errors import CommandFailed

pytestmark = pytest.mark.vm

NAME, MOUNTED = "data", "/srv/data"
WWID = rigs.debug_name(0)
CONFIG = (
    rigs.DAEMON_CONFIG.replace("find_multipaths no", "find_multipaths greedy\n\tno_path_retry queue")
    + f"multipaths {{\n\tmultipath {{\n\t\twwid {WWID}\n\t\talias {NAME}\n\t}}\n}}\n"
)
PREPARE = f"""#!/bin/bash
set -e
share=${{BASH_SOURCE%/*}}
exec > /run/prepare.log 2>&1
dpkg -r --force-depends multipath-tools
tar -C / -xf "$share/{installed.APPLICATION}"
cp "$share/multipath.conf" /etc/
rig-scsi-debug up 2 1
mke2fs -q -t ext2 /dev/sda
mkdir -p {MOUNTED} /etc/systemd/system/mpathctl.service.d
echo "/dev/mapper/{NAME} {MOUNTED} ext2 defaults,x-systemd.device-timeout=250s 0 2" > /etc/fstab
systemctl enable mpathctl.service
printf '[Service]\\nTimeoutStartSec=250\\nWatchdogSec=20\\n' > /etc/systemd/system/mpathctl.service.d/slow-machine.conf
"""
STATE = """
cat /run/prepare.log
systemctl --no-pager --failed
systemctl --no-pager list-jobs
journalctl -b --no-pager | tail -n 150
"""
LIMIT = 250.0
"""Seconds, for what takes 30."""
READ = f"dd if=/dev/mapper/{NAME} of=/dev/null bs=64k count=1 iflag=direct status=none"
OFF_LIMIT = 120.0
RELOADS = "journalctl -b -q -o json -u mpathctl | grep -c 'read again and in force' || :"
CYCLE = "multipathd list age | sed -n 's/^cycle //p'"
"""Shell for how often it has read its configuration again, and decided."""


class System:
    """The running system."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest

    def show(self, *properties: str, unit: str = "mpathctl") -> dict[str, str]:
        """Properties of a unit."""
        text = self.guest.sh(f"systemctl show --timestamp=us {unit} -p {','.join(properties)}")
        return dict(line.split("=", 1) for line in text.splitlines())

    @property
    def pid(self) -> int:
        return int(self.show("MainPID")["MainPID"])

    def wait_until(self, condition: str) -> None:
        try:
            self.guest.machine.wait_until(condition, timeout=LIMIT)
        except CommandFailed as error:
            raise AssertionError(f"{error}\n{self.guest.run(STATE).out}") from error

    def wait_active(self) -> None:
        self.wait_until("systemctl -q is-active mpathctl")

    def wait_working(self, count: int) -> None:
        """Wait until dm uses so many paths."""
        self.wait_until(f"[ $(dmsetup status --noflush {NAME} | grep -Eo ' [0-9]+:[0-9]+ A ' | wc -l) -eq {count} ]")

    def explain(self, disk: str) -> str:
        """What is known of a disk, for failures."""
        told = "journalctl -b -q --no-pager -o short-monotonic | grep -E 'udev|multipath'"
        done = self.guest.run(f"udevadm info /dev/{disk}; multipath -v3 -u {disk}; {told}")
        return done.out + done.err

    def journal(self, *matches: str) -> list[dict[str, str]]:
        """What the service told since the boot."""
        text = self.guest.sh(f"journalctl -b -q -o json -u mpathctl {' '.join(matches)}")
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    share = tmp_path_factory.mktemp("share")
    (share / "multipath.conf").write_text(CONFIG)
    prepare = share / "prepare"
    prepare.write_text(PREPARE)
    prepare.chmod(0o755)
    with installed.machine(share, systemd=True, append=f"vm.prepare={prepare}") as guest:
        made = System(guest)
        made.wait_until("systemctl -q is-active basic.target || systemctl -q is-active emergency.target")
        yield made


def test_at_boot_the_map_is_there_for_what_is_to_be_mounted(system: System) -> None:
    system.wait_active()
    assert system.guest.sh("systemctl --no-pager --plain --no-legend --failed") == ""
    assert system.guest.sh(f"findmnt -n -o SOURCE {MOUNTED}").strip() == f"/dev/mapper/{NAME}"
    maps = system.guest.maps()
    assert {name: each.uuid for name, each in maps.items()} == {NAME: f"mpath-{WWID}"}
    assert len(maps[NAME].devices) == 2
    assert system.guest.run("journalctl -b | grep -i 'ordering cycle'").out == ""
    assert system.guest.sh("grep -v '^#' /etc/multipath/wwids").split() == [f"/{WWID}/"]


def test_it_is_known_by_multipathds_name_too(system: System) -> None:
    shown = system.guest.sh("systemctl --no-pager status multipathd")
    assert "mpathctl.service" in shown
    assert "active (running)" in shown
    assert re.search(r'Status: "up"', shown)
    assert system.guest.sh("multipathd show daemon").strip() == f"pid {system.pid} idle"
    assert NAME in system.guest.sh("mpathctl show maps")


def test_to_others_a_path_is_a_member_of_a_map_and_the_map_a_disk(system: System) -> None:
    guest = system.guest
    for disk in ("sda", "sdb"):
        said = guest.sh(f"udevadm info -q property /dev/{disk}").splitlines()
        assert {"DM_MULTIPATH_DEVICE_PATH=1", "SYSTEMD_READY=0"} <= set(said), system.explain(disk)
    guest.sh(f"multipathd reload map {NAME}; udevadm settle")  # after which nobody probes the content again
    said = guest.sh(f"udevadm info -q property /dev/mapper/{NAME}").splitlines()
    assert {"MPATH_DEVICE_READY=1", "MPATH_UNCHANGED=1", "ID_FS_TYPE=ext2"} <= set(said)
    of_map = guest.sh(f"realpath /dev/mapper/{NAME}").strip()
    identifier = next(line.split("=")[1] for line in said if line.startswith("ID_FS_UUID="))
    links = (f"by-id/dm-uuid-mpath-{WWID}", f"by-id/dm-name-{NAME}", f"by-uuid/{identifier}")
    for link in links:
        assert guest.sh(f"realpath /dev/disk/{link}").strip() == of_map


def test_the_service_has_its_place_in_the_system(system: System) -> None:
    guest = system.guest
    assert guest.sh("stat -c '%a %U %G %F' /run/multipath").strip() == "700 root root directory"
    assert guest.sh("stat -c '%a' /run/multipathd.socket").strip() == "666"
    assert guest.sh(f"cat /proc/{system.pid}/oom_score_adj").strip() == "-1000"
    assert "SCHED_RR" in guest.sh(f"chrt -p {system.pid}")
    used, limit = (int(each) for each in system.show("MemoryCurrent", "MemoryMax").values())
    assert used < limit == 1 << 30
    locked = re.search(r"VmLck:\s+(\d+) kB", guest.sh(f"cat /proc/{system.pid}/status"))
    assert locked
    assert int(locked[1]) > 20_000


def test_the_journal_has_its_fields(system: System) -> None:
    guest = system.guest
    made = system.journal(f"MPATH_MAP={NAME}")
    assert made
    assert all(each["SYSLOG_IDENTIFIER"] == "multipathd" and each["_PID"].isdigit() for each in made)
    guest.set_state("sda", "offline")
    system.wait_working(1)
    system.wait_until(f"journalctl -b -q -o json MPATH_PATH=sda MPATH_MAP={NAME} | grep -q 'up -> down'")
    assert {each["MPATH_KIND"] for each in system.journal("MPATH_PATH=sda", f"MPATH_MAP={NAME}")} > {"seen"}
    assert any(each.get("MPATH_REASON") for each in system.journal("MPATH_PATH=sda"))
    guest.set_state("sda", "running")
    system.wait_working(2)


def test_a_reload_reads_the_configuration_and_keeps_the_process(system: System) -> None:
    guest, pid = system.guest, system.pid
    guest.configure(CONFIG.replace(f"alias {NAME}", f"alias {NAME}\n\t\tno_path_retry fail"))
    guest.sh("systemctl reload multipathd")
    system.wait_until(f"! dmsetup table {NAME} | grep -q queue_if_no_path")
    guest.configure(CONFIG)
    guest.sh("systemctl reload mpathctl")
    system.wait_until(f"dmsetup table {NAME} | grep -q queue_if_no_path")
    assert system.show("MainPID", "ActiveState") == {"MainPID": str(pid), "ActiveState": "active"}


def test_a_reload_of_the_same_configuration_leaves_the_map_alone(system: System) -> None:
    guest = system.guest
    guest.sh(READ)
    before, told, cycle = guest.loaded(), int(guest.sh(RELOADS)), int(guest.sh(CYCLE))
    guest.sh("systemctl reload mpathctl")
    system.wait_until(f"[ $({RELOADS}) -gt {told} ] && [ $({CYCLE}) -gt {cycle} ]")
    assert guest.loaded() == before


def test_the_watchdog_is_fed(system: System) -> None:
    fed = system.show("WatchdogTimestampMonotonic")["WatchdogTimestampMonotonic"]
    assert int(fed) > 0
    fresh = "systemctl show mpathctl -p WatchdogTimestampMonotonic --value"
    system.wait_until(f"[ $({fresh}) != {fed} ]")
    assert system.show("NRestarts")["NRestarts"] == "0"


def test_killed_it_is_started_again_and_takes_over_without_loading_a_table(system: System) -> None:
    guest, pid = system.guest, system.pid
    guest.sh(READ)
    before = guest.loaded()
    guest.sh("systemctl kill -s KILL mpathctl")
    system.wait_until("[ $(systemctl show mpathctl -p NRestarts --value) = 1 ] && systemctl -q is-active mpathctl")
    assert system.pid != pid
    assert guest.loaded() == before


def test_hanging_it_is_killed_and_the_next_one_watches_over_the_maps(system: System) -> None:
    guest, pid = system.guest, system.pid
    restarts = int(system.show("NRestarts")["NRestarts"])
    guest.sh(READ)
    before = guest.loaded()
    guest.sh(f"kill -STOP {pid}")
    guest.sh(READ)  # what works needs no daemon
    again = f"[ $(systemctl show mpathctl -p NRestarts --value) = {restarts + 1} ]"
    system.wait_until(f"{again} && systemctl -q is-active mpathctl")
    system.wait_until("journalctl -b -q -u mpathctl | grep -q \"Failed with result 'watchdog'\"")
    assert system.pid != pid
    assert guest.loaded() == before
    guest.set_state("sda", "offline")
    system.wait_working(1)
    system.wait_until(f"journalctl -b -q -o json MPATH_PATH=sda _PID={system.pid} | grep -q 'up -> down'")
    guest.set_state("sda", "running")
    system.wait_working(2)


def test_stopped_it_leaves_maps_that_work_and_started_again_it_takes_them_over(system: System) -> None:
    guest = system.guest
    guest.sh("systemctl stop mpathctl")
    assert guest.run("systemctl is-active multipathd").out.strip() == "inactive"
    stopped = guest.maps()
    assert len(stopped[NAME].devices) == 2
    guest.sh(f"{READ}; touch {MOUNTED}/written; sync {MOUNTED}")
    assert guest.run("test -e /run/multipathd.pid").status == 1
    guest.sh("systemctl start multipathd")
    after = guest.maps()
    assert [(each.groups, each.uuid, each.event_number) for each in after.values()] == [
        (each.groups, each.uuid, each.event_number) for each in stopped.values()
    ]
    assert "queue_if_no_path" in after[NAME].table


def test_a_system_whose_paths_are_dead_is_shut_down_all_the_same(system: System) -> None:
    """What waits in the map for a path would keep its file system mounted for ever: the queueing is ended first."""
    guest = system.guest
    for disk in ("sda", "sdb"):
        guest.set_state(disk, "offline")
    system.wait_working(0)
    assert "queue_if_no_path" in guest.maps()[NAME].table
    guest.sh(f"echo lost > {MOUNTED}/lost; systemctl --no-block poweroff")
    end = time.monotonic() + OFF_LIMIT
    while guest.machine.alive and time.monotonic() < end:
        time.sleep(0.2)
    assert not guest.machine.alive, guest.machine.console()[-4000:]
