"""Our daemon in the guest, as the tests start, end and ask it. It is asked by Debian's own client wherever that can.

In: a `Guest`. It must never be believed about what it did: that is read by dmsetup and from sysfs.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.real_kernel.guest import Guest
from tests.vm.errors import CommandFailed
from tests.vm.machine import Done

MULTIPATHD = f"{sys.prefix}/bin/multipathd"
PRELOADED = "tests.real_kernel.guest_daemon:multipathd"
WORDS = ("-d", "-s", "-v4")
CLIENT = "/usr/sbin/multipathd"
"""Debian's."""

LIMIT = 120.0
"""Seconds, for what takes a few."""


@contextmanager
def running(guest: Guest, *, installed: bool = False) -> Iterator["Daemon"]:
    """A daemon, which still runs at the end and met no defect. `installed`: started by its command, which is slow."""
    guest.sh("rm -f /tmp/daemon.*.log")
    made = Daemon(guest)
    if installed:
        made.start_installed()
    else:
        made.start()
    yield made
    assert made.alive, made.text()
    made.stop()
    assert guest.run("grep -E 'Traceback|defect' /tmp/daemon.*.log").out == "", made.text()


class Daemon:
    """At most one that runs."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self._starts = 0

    @property
    def log(self) -> str:
        """Where the one that was started last writes."""
        return f"/tmp/daemon.{self._starts}.log"

    # ---- life

    def start_installed(self) -> None:
        """Start the installed command."""
        self._starts += 1
        self.guest.sh(f"{MULTIPATHD} {' '.join(WORDS)} > {self.log} 2>&1 < /dev/null & disown")
        self.wait_ready()

    def start(self, *, wait: bool = True) -> None:
        """Start it from a Python that has everything imported."""
        self._starts += 1
        self.guest.machine.leave_preloaded(PRELOADED, [MULTIPATHD, *WORDS], log=self.log)
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until it has looked at all that was there, and rests; or has ended, which is a failure."""
        idle = f"{CLIENT} show daemon 2> /dev/null | grep -q idle"
        self.guest.machine.wait_until(f"{idle} || {{ [ -s {self.log} ] && ! pgrep -x multipathd > /dev/null; }}")
        assert self.alive, self.text()
        self.guest.sh("udevadm settle --timeout=300")

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.guest.run("pgrep -x multipathd").status == 0

    @property
    def pid(self) -> int:
        """Its process id."""
        return int(self.guest.sh("pgrep -ox multipathd"))

    def kill(self) -> None:
        """End it without any warning."""
        self.guest.sh(f"kill -9 {self.pid}; while pgrep -x multipathd > /dev/null; do sleep 0.05; done")

    def stop(self) -> None:
        """End it as a service manager does."""
        self.guest.sh(f"kill {self.pid}")
        self.guest.machine.wait_until("! pgrep -x multipathd > /dev/null", timeout=60)

    def refused_start(self) -> Done:
        """Start another one, which must end by itself."""
        return self.guest.machine.run_preloaded(PRELOADED, [MULTIPATHD, *WORDS], timeout=120)

    # ---- what it says

    def ask(self, command: str) -> str:
        """The reply to Debian's own client."""
        return self.guest.sh(f"{CLIENT} {command}").strip()

    def json(self, command: str) -> Any:
        """The reply, which is JSON."""
        return json.loads(self.ask(command))

    def text(self) -> str:
        """Its log."""
        return self.guest.run(f"tail -n 200 {self.log}").out

    def mark(self) -> int:
        """How much of the log there is now, for `wait_told`."""
        return int(self.guest.sh(f"stat -c %s {self.log}"))

    def wait_told(self, words: str, *, since: int) -> None:
        """Wait until the log has words that were not in it before."""
        self.wait_until(f"tail -c +{since + 1} {self.log} | grep -q -- '{words}'")

    # ---- what dm says

    def wait_path(self, name: str, device: str, *, works: bool) -> None:
        """Wait until dm has failed a path of a map, or uses it again."""
        letter = "A" if works else "F"
        self.wait_dm(name, f"grep -q ' {device} {letter} '")

    def wait_unused(self, name: str, device: str) -> None:
        """Wait until dm would not use a path of a map: it has failed it, or has it no more."""
        self.wait_dm(name, f"grep ' multipath ' | grep -qv ' {device} A '")

    def wait_paths(self, name: str, count: int) -> None:
        """Wait until a map has so many paths, all of which work."""
        self.wait_counts(name, count, 0)

    def wait_counts(self, name: str, working: int, failed: int) -> None:
        """Wait until so many paths of a map work, and so many do not."""
        counted = '{ a = gsub(/ [0-9]+:[0-9]+ A /, "&"); f = gsub(/ [0-9]+:[0-9]+ F /, "&") }'
        self.wait_dm(name, f"awk '{counted} END {{ exit !(a == {working} && f == {failed}) }}'")

    def wait_dm(self, name: str, condition: str) -> None:
        """Wait until a filter is content with the status of a map."""
        self.wait_until(f"dmsetup status --noflush {name} 2> /dev/null | {condition}")

    def wait_until(self, condition: str) -> None:
        """Wait until a shell condition holds. If it never does, all there is to know is in the failure."""
        try:
            self.guest.machine.wait_until(condition, timeout=LIMIT)
        except CommandFailed as error:
            raise AssertionError(f"{error}\n{self.guest.describe()}\n{self.text()}") from error
