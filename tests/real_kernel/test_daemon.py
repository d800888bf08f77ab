"""The daemon on a real kernel: it makes maps, follows their paths, answers Debian's clients, and leaves maps behind.

One daemon for all tests, which leave everything as they found it: two LIO disks behind four hosts.
"""

import re
from collections.abc import Callable, Iterator

import pytest

from tests.real_kernel import rigs
from tests.real_kernel.daemon import CLIENT, Daemon, running
from tests.real_kernel.guest import Guest

pytestmark = [pytest.mark.vm, pytest.mark.long]

CONFIG = rigs.DAEMON_CONFIG
NAME, OTHER = rigs.lio_name(0), rigs.lio_name(1)
READ = f"dd if=/dev/mapper/{NAME} of=/dev/null bs=64k count=1 iflag=direct status=none"
PATHS = 4
VMLCK_LIMIT = 80_000
"""Kilobytes."""


@pytest.fixture(scope="module")
def daemon(lasting: Callable[[str], Guest]) -> Iterator[Daemon]:
    guest = lasting("6.1")
    guest.configure(CONFIG)
    rigs.tcm_loop(guest, disks=2, paths=PATHS)
    with running(guest, installed=True) as made:
        yield made


@pytest.fixture(autouse=True)
def whole(daemon: Daemon) -> None:
    """Each test begins with all paths in use."""
    for name in (NAME, OTHER):
        daemon.wait_paths(name, PATHS)


def path_of(guest: Guest, number: int) -> tuple[str, str]:
    """Device number and name of a path of the first disk."""
    device = rigs.lio_paths(guest, 0)[number]
    return device, guest.disk_at(device)


# ---- life


def test_started_over_nothing_it_makes_the_maps(daemon: Daemon) -> None:
    maps = daemon.guest.maps()
    assert set(maps) == {NAME, OTHER}
    for disk, each in enumerate((maps[NAME], maps[OTHER])):
        paths = rigs.lio_paths(daemon.guest, disk)
        assert each.groups == [set(paths[:2]), set(paths[2:])]
    daemon.guest.assert_settled()


def test_it_is_called_multipathd_and_holds_a_small_memory_that_is_locked(daemon: Daemon) -> None:
    process = f"/proc/{daemon.pid}"
    assert daemon.guest.sh(f"cat {process}/comm").strip() == "multipathd"
    locked = re.search(r"VmLck:\s+(\d+) kB", daemon.guest.sh(f"cat {process}/status"))
    assert locked
    assert 0 < int(locked[1]) < VMLCK_LIMIT


def test_no_file_is_open_that_could_lie_on_a_dead_disk(daemon: Daemon) -> None:
    listed = daemon.guest.sh(f"for each in /proc/{daemon.pid}/fd/*; do readlink $each || :; done").split("\n")
    files = [each for each in listed if each.startswith("/") and each != daemon.log]
    assert any(each.startswith("/sys/") for each in files)
    assert [each for each in files if not each.startswith(("/sys/", "/proc/", "/dev/", "/run/"))] == []


def test_its_thread_opens_nothing_outside_sys_proc_dev_run_nor_forks_while_a_path_goes_and_comes(
    daemon: Daemon,
) -> None:
    guest = daemon.guest
    device, disk = path_of(guest, 0)
    calls = "open,openat,openat2,execve,fork,vfork,clone,clone3"
    guest.sh(f"strace -e trace={calls} -p {daemon.pid} -o /tmp/opened < /dev/null > /tmp/strace.log 2>&1 & disown")
    guest.machine.wait_until("grep -q attached /tmp/strace.log")
    guest.set_state(disk, "offline")
    daemon.wait_path(NAME, device, works=False)
    guest.set_state(disk, "running")
    daemon.wait_path(NAME, device, works=True)
    daemon.ask("show paths")
    guest.sh("pkill -x strace; while pgrep -x strace > /dev/null; do sleep 0.05; done")
    traced = guest.sh("cat /tmp/opened")
    opened = re.findall(r'openat?2?\((?:[^,"]+, )?"([^"]*)"', traced)
    assert [each for each in opened if not each.startswith(("/sys/", "/proc/", "/dev/", "/run/"))] == []
    assert re.findall(r"\b(?:execve|v?fork|clone3?)\(", traced) == []


def test_a_second_one_is_refused(daemon: Daemon) -> None:
    pid = daemon.pid
    done = daemon.refused_start()
    assert done.status == 1
    assert f"process {pid} holds /run/multipathd.pid" in done.err
    assert daemon.pid == pid


def test_debians_daemon_is_refused_beside_it(daemon: Daemon) -> None:
    pid = daemon.pid
    done = daemon.guest.machine.run(f"timeout -k 5 60 {CLIENT} -d -s -v3 < /dev/null", timeout=120)
    assert done.status not in (124, 137), done.out + done.err
    assert "failed to create pidfile" in done.err
    assert daemon.ask("show daemon") == f"pid {pid} idle"


def test_killed_and_started_again_it_takes_over_without_loading_a_table(daemon: Daemon) -> None:
    daemon.guest.sh(READ)
    before = daemon.guest.loaded()
    daemon.kill()
    daemon.start()
    assert daemon.guest.loaded() == before


def test_ended_by_a_signal_it_leaves_the_maps(daemon: Daemon) -> None:
    before = daemon.guest.maps()
    daemon.stop()
    assert daemon.guest.run("test -e /run/multipathd.pid").status == 1
    after = daemon.guest.maps()
    assert {name: each.groups for name, each in after.items()} == {name: each.groups for name, each in before.items()}
    daemon.guest.sh(READ)
    daemon.start()


# ---- paths


def test_a_path_that_the_kernel_takes_offline_is_failed_and_one_that_runs_again_reinstated(daemon: Daemon) -> None:
    device, disk = path_of(daemon.guest, 0)
    daemon.guest.set_state(disk, "offline")
    daemon.wait_path(NAME, device, works=False)
    daemon.guest.set_state(disk, "running")
    daemon.wait_path(NAME, device, works=True)


def test_a_path_that_gives_no_answer_is_failed_and_one_that_does_again_reinstated(daemon: Daemon) -> None:
    device, _ = path_of(daemon.guest, 0)
    daemon.guest.sh("rig-tcm-loop offline 1")
    daemon.wait_path(NAME, device, works=False)
    daemon.guest.sh("rig-tcm-loop online 1")
    daemon.wait_path(NAME, device, works=True)


def test_a_disk_that_is_deleted_leaves_its_map_and_one_that_is_found_joins_it(daemon: Daemon) -> None:
    guest = daemon.guest
    _, disk = path_of(guest, 0)
    host = guest.address_of(disk)[0]
    guest.delete(disk)
    daemon.wait_paths(NAME, PATHS - 1)
    guest.sh(f"echo - - - > /sys/class/scsi_host/host{host}/scan")
    daemon.wait_paths(NAME, PATHS)
    guest.assert_settled()


def test_when_port_groups_swap_their_states_io_goes_to_the_better_one(daemon: Daemon) -> None:
    guest = daemon.guest
    paths = rigs.lio_paths(guest, 0)
    guest.sh(READ)
    assert guest.maps()[NAME].in_use == set(paths[:2])
    for better, worse, wanted in (("ano", "ao", paths[2:]), ("ao", "ano", paths[:2])):
        guest.sh(f"rig-tcm-loop set 0 {better} 0 {worse} 1")
        active = f"{{ {READ}; dmsetup status --noflush {NAME} | grep -Eq ' A 0 2 2 ({'|'.join(wanted)}) '; }}"
        daemon.wait_until(active)
        assert guest.maps()[NAME].in_use == set(wanted)


# ---- Debian's clients


def test_debians_client_and_multipath_see_maps_and_paths(daemon: Daemon) -> None:
    told = daemon.json("show maps json")
    assert {each["name"]: each["paths"] for each in told["maps"]} == {NAME: PATHS, OTHER: PATHS}
    paths = daemon.ask("show paths raw format '%d %m %t %T'").splitlines()
    assert sorted(each.split()[1] for each in paths) == sorted([NAME, OTHER] * PATHS)
    assert all(each.split()[2:] == ["active", "ready"] for each in paths)
    listed = daemon.guest.sh("/usr/sbin/multipath -ll")
    for name in (NAME, OTHER):
        assert re.search(rf"^{name} dm-\d+ LIO-ORG,", listed, re.MULTILINE)
    assert listed.count("active ready running") == 2 * PATHS


def test_a_path_that_is_removed_by_command_stays_out_until_it_is_added(daemon: Daemon) -> None:
    device, disk = path_of(daemon.guest, 1)
    assert daemon.ask(f"del path {disk}") == "ok"
    assert device not in daemon.guest.maps()[NAME].devices
    assert daemon.ask(f"add path {disk}") == "ok"
    assert device in daemon.guest.maps()[NAME].devices


def test_a_map_that_is_removed_by_command_stays_away_until_it_is_added(daemon: Daemon) -> None:
    assert daemon.ask(f"del map {OTHER}") == "ok"
    assert set(daemon.guest.maps()) == {NAME}
    assert daemon.ask(f"add map {OTHER}") == "ok"
    assert set(daemon.guest.maps()) == {NAME, OTHER}


def test_a_broken_configuration_changes_nothing_and_a_good_one_what_it_says(daemon: Daemon) -> None:
    guest, before, mark = daemon.guest, daemon.guest.loaded(), daemon.mark()
    guest.configure(CONFIG + 'blacklist {\n\tdevnode "["\n}\n')
    guest.sh(f"kill -HUP {daemon.pid}")  # Debian's client reads the file itself, and would not ask
    daemon.wait_told("the configuration in force stays", since=mark)
    assert guest.loaded() == before
    guest.configure(CONFIG + f"multipaths {{\n\tmultipath {{\n\t\twwid {OTHER}\n\t\talias data\n\t}}\n}}\n")
    assert daemon.ask("reconfigure") == "ok"
    daemon.wait_until("test -b /dev/mapper/data")
    assert set(guest.maps()) == {NAME, "data"}
    guest.configure(CONFIG)
    assert daemon.ask("reconfigure") == "ok"
    daemon.wait_until(f"test -b /dev/mapper/{OTHER}")
    assert guest.loaded()[NAME] == before[NAME]


def test_who_is_not_root_may_look_and_nothing_else(daemon: Daemon) -> None:
    nobody = f"setpriv --reuid=65534 --regid=65534 --clear-groups {CLIENT}"
    assert NAME in daemon.guest.sh(f"{nobody} show maps")
    assert "permission deny" in daemon.guest.run(f"{nobody} del map {OTHER}").out
    assert set(daemon.guest.maps()) == {NAME, OTHER}
