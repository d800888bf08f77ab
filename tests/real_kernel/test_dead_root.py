"""The root disk is a map, all its paths die, and the daemon that was started from that very disk brings them back.

Its interpreter, libraries, program and configuration lie in a file system on the map, which is its root directory; the
map queues. So whatever it had to read from there would wait for the paths that it is to bring back. Beside it runs a
program that has nothing locked: it shows that what is not locked is really out of memory. At the end the daemon itself
has nothing locked, and fails.
"""

import re
from collections.abc import Iterator

import pytest

from tests.real_kernel import installed, rigs
from tests.real_kernel.daemon import CLIENT
from tests.real_kernel.guest import Guest

pytestmark = [pytest.mark.vm, pytest.mark.long]

ROOT = "/srv/root"
NAME = "root"
PATHS, MIB = 2, 320
CONFIG = (
    rigs.DAEMON_CONFIG
    + f"""multipaths {{
	multipath {{
		wwid {rigs.lio_name(0)}
		alias {NAME}
		no_path_retry queue
	}}
}}
"""
)
"""The built-in entry for LIO ends the queueing after a while, and has precedence over what `defaults` says."""
ENVIRONMENT = "env MALLOC_ARENA_MAX=1 PYDANTIC_DISABLE_PLUGINS=__all__"
"""As the service's unit has it."""
LOG, COUNT, OPENED = "/run/daemon.log", "/run/count", "/run/opened"
COUNTER = """
import time
number = 0
while True:
    number += 1
    with open("/run/count", "w") as file:
        file.write(str(number))
    time.sleep(0.05)
"""
UNPRIVILEGED = "prlimit --memlock=0 setpriv --bounding-set=-ipc_lock"
"""Takes a program the right to lock memory (mlockall(2): EPERM), and nothing else."""
LIMIT = 200.0
PLACES = ("/sys/", "/proc/", "/dev/", "/run/")
IO_FLUSHER = 0x0018_0000
"""PF_MEMALLOC_NOIO and PF_LOCAL_THROTTLE of linux/sched.h: what prctl(PR_SET_IO_FLUSHER) gives a task."""


class Host:
    """The daemon that lives on the disk, and the program beside it."""

    def __init__(self, guest: Guest) -> None:
        self.guest, self.machine = guest, guest.machine
        self.pid = self.counter = 0

    def start(self, *, under: str = "") -> None:
        """Start both, the daemon by way of another program if one is given, and wait until they are at work."""
        self.pid = self._started("/usr/sbin/multipathd -d -s -v3", LOG, under=under)
        self.counter = self._started(f"/usr/bin/unlocked -IS -c '{COUNTER}'", "/run/counter.log")
        self.wait_until(f"{CLIENT} show daemon 2> /dev/null | grep -q idle || ! [ -e /proc/{self.pid} ]")
        self.wait_until(f"[ -s {COUNT} ]")
        assert self.guest.run(f"test -e /proc/{self.pid}").status == 0, self.guest.run(f"cat {LOG}").out

    def _started(self, command: str, log: str, *, under: str = "") -> int:
        run = f"{ENVIRONMENT} {under} chroot {ROOT} {command}"
        return int(self.guest.sh(f"{run} > {log} 2>&1 < /dev/null & echo $!; disown"))

    def stop(self) -> None:
        """End both."""
        self.guest.sh(f"rm {COUNT}; kill {self.pid} {self.counter}")
        self.wait_until(f"! [ -e /proc/{self.pid} ] && ! [ -e /proc/{self.counter} ]")

    def wait_until(self, condition: str) -> None:
        try:
            self.machine.wait_until(condition, timeout=LIMIT)
        except Exception as error:
            raise AssertionError(
                f"{error}\n{self.guest.describe()}\n{self.guest.run(f'tail -n 100 {LOG}').out}"
            ) from error

    def wait_working(self, count: int) -> None:
        """Wait until dm uses so many paths."""
        self.wait_until(f"[ $(dmsetup status --noflush {NAME} | grep -Eo ' [0-9]+:[0-9]+ A ' | wc -l) -eq {count} ]")

    def wait_reading(self, pid: int) -> None:
        """Evict a process again and again, for what it has just used stays, until it waits for a page of the disk."""
        evict = f"python3 -I tests/real_kernel/guest_evict.py {pid}; echo 3 > /proc/sys/vm/drop_caches"
        self.wait_until(f"{reading(pid)} || {{ {{ {evict}; }} > /dev/null; false; }}")

    def states(self) -> list[str]:
        """The states of the paths, as the daemon says."""
        return self.guest.sh(f"timeout 60 {CLIENT} show paths raw format '%t %T'").splitlines()

    def counts(self) -> bool:
        """Whether the other program still does something, or waits for the disk."""
        return self.machine.run(f'before=$(< {COUNT}); sleep 3; [ "$(< {COUNT})" != "$before" ]').status == 0


def reading(pid: int) -> str:
    """Shell for whether the first thread of a process waits for a page of a file that it has mapped."""
    return f"{{ grep -q '^State:.D' /proc/{pid}/status && grep -q filemap_fault /proc/{pid}/stack; }}"


def switched(pid: int) -> str:
    """Shell for how often the first thread of a process has given up its processor."""
    return f"grep ctxt_switches /proc/{pid}/task/{pid}/status"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    share = tmp_path_factory.mktemp("share")
    with installed.machine(share) as guest:
        made = Host(guest)
        guest.configure(CONFIG)
        guest.sh(f"rig-tcm-loop up 1 {PATHS} {MIB}")
        guest.sh(
            f"/usr/sbin/multipath && udevadm settle && root-on-map /dev/mapper/{NAME} {ROOT} {share}/application.tar"
        )
        guest.sh(f"cp {ROOT}/usr/bin/python3 {ROOT}/usr/bin/unlocked")
        guest.sh(f"sync -f {ROOT}")  # what is not written yet when the paths die can't be evicted
        made.start()
        yield made


def test_all_that_it_has_of_the_disk_is_locked_in_memory(host: Host) -> None:
    status = host.guest.sh(f"cat /proc/{host.pid}/status")
    locked, resident = (int(re.findall(rf"{field}:\s+(\d+) kB", status)[0]) for field in ("VmLck", "VmRSS"))
    assert resident <= locked
    mappings = re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", host.guest.sh(f"cat /proc/{host.pid}/smaps"))
    of_disk = [each for each in mappings if f" {ROOT}/" in each.split("\n")[0]]
    assert len(of_disk) > 20
    sizes = [
        [int(size) for size in re.findall(r"^(?:Size|Rss|Locked): +(\d+) kB", each, re.MULTILINE)] for each in of_disk
    ]
    assert [each for each, (size, rss, _) in zip(of_disk, sizes, strict=True) if rss != size] == []
    flags = host.guest.sh(f"cut -d ' ' -f 9 /proc/{host.pid}/task/*/stat").split()
    assert all(int(each) & IO_FLUSHER == IO_FLUSHER for each in flags)


def test_it_brings_back_the_paths_of_the_disk_that_it_runs_from(host: Host) -> None:
    guest = host.guest
    guest.sh(f"strace -e trace=open,openat,openat2,execve,fork,vfork,clone,clone3 -p {host.pid} -o {OPENED} "
             "< /dev/null > /run/strace.log 2>&1 & disown")  # fmt: skip
    host.wait_until("grep -q attached /run/strace.log")
    for number in range(1, PATHS + 1):
        guest.sh(f"rig-tcm-loop offline {number}")
    host.wait_working(0)

    evicted = guest.sh(
        f"python3 -I tests/real_kernel/guest_evict.py {host.pid} {host.counter}; echo 3 > /proc/sys/vm/drop_caches"
    )
    (_, before, after), (_, others, left) = (map(int, line.split()) for line in evicted.splitlines())
    assert after == before
    assert left < others
    host.wait_reading(host.counter)
    assert not host.counts()
    guest.sh(f"cat {ROOT}/usr/lib/python3.11/*.py > /dev/null 2>&1 < /dev/null & disown")

    assert host.states() == ["failed faulty"] * PATHS
    guest.sh(f"timeout 250 {CLIENT} reconfigure > /run/reconfigured 2>&1 < /dev/null & disown")
    for _ in range(5):
        assert host.states() == ["failed faulty"] * PATHS
    assert not host.counts()
    count = guest.sh(f"cat {COUNT}")

    guest.sh("rig-tcm-loop online 1")
    host.wait_working(1)
    host.wait_until(f'[ "$(< {COUNT})" != "{count}" ]')
    guest.sh(f"touch {ROOT}/tmp/written && sync {ROOT}/tmp/written")
    for number in range(2, PATHS + 1):
        guest.sh(f"rig-tcm-loop online {number}")
    host.wait_working(PATHS)
    host.wait_until("grep -q ok /run/reconfigured")

    guest.sh("pkill -x strace; while pgrep -x strace > /dev/null; do sleep 0.05; done")
    traced = guest.sh(f"cat {OPENED}")
    opened = re.findall(r'openat?2?\((?:[^,"]+, )?"([^"]*)"', traced)
    assert opened
    assert [each for each in opened if not each.startswith(PLACES)] == []
    assert re.findall(r"\b(?:execve|v?fork|clone3?)\(", traced) == []
    assert guest.run(f"grep -E 'Traceback|defect' {LOG}").out == ""


def test_without_locked_memory_it_waits_for_the_paths_that_it_should_bring_back(host: Host) -> None:
    guest = host.guest
    host.stop()
    host.start(under=UNPRIVILEGED)
    assert "memory is not locked" in guest.sh(f"cat {LOG}")
    host.wait_working(PATHS)
    for number in range(1, PATHS + 1):
        guest.sh(f"rig-tcm-loop offline {number}")
    host.wait_working(0)
    host.wait_reading(host.pid)

    devices = rigs.lio_paths(guest, 0)
    before = guest.sh(switched(host.pid))
    for number, device in enumerate(devices, 1):
        guest.sh(f"rig-tcm-loop online {number}")
        host.wait_until(f"sg_turs /dev/{guest.disk_at(device)}")
    for _ in range(5):
        assert "idle" not in guest.run(f"timeout 60 {CLIENT} show daemon").out
    assert not any(guest.maps()[NAME].works(device) for device in devices)
    assert guest.sh(switched(host.pid)) == before  # it has not run at all

    guest.sh(f"dmsetup message {NAME} 0 reinstate_path {devices[0]}")
    host.wait_working(PATHS)
    assert guest.run(f"test -e /proc/{host.pid}").status == 0
