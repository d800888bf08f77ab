"""What the service says to systemd, heard on a real socket."""

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.runtime.pidfile import Pidfile
from controller.runtime.systemd import ServiceManager, passed_sockets


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        yield listener


def manager(ear: socket.socket, **more: str) -> ServiceManager:
    return ServiceManager.of({"NOTIFY_SOCKET": ear.getsockname(), **more}, pid=7)


def test_ready_status_reloading_stopping_and_errno_are_said_in_systemds_words(ear: socket.socket) -> None:
    service = manager(ear)
    service.ready()
    service.status("idle")
    service.reloading(at=1.5)
    service.stopping()
    service.failed(16)
    said = [ear.recv(200) for _ in range(5)]
    assert said == [
        b"READY=1", b"STATUS=idle", b"RELOADING=1\nMONOTONIC_USEC=1500000", b"STOPPING=1", b"ERRNO=16",
    ]  # fmt: skip


START = """\
import sys
from controller.runtime.daemon import DaemonOptions, main
sys.exit(main(DaemonOptions(pidfile=sys.argv[1])))
"""


def test_a_daemon_that_can_not_start_says_so(ear: socket.socket, tmp_path: Path) -> None:
    pidfile = Pidfile.take(str(tmp_path / "pid"), pid=1)
    try:
        command = [sys.executable, "-c", START, pidfile.path]
        environment = {**os.environ, "NOTIFY_SOCKET": ear.getsockname()}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    finally:
        pidfile.release()
    assert (done.returncode, done.stderr != "") == (1, True)
    assert ear.recv(200) == f"ERRNO={errno.EINVAL}".encode()


def test_the_watchdog_hears_of_us_only_when_it_watches_this_process(ear: socket.socket) -> None:
    watched = manager(ear, WATCHDOG_USEC="30000000", WATCHDOG_PID="7")
    assert watched.watchdog == 30
    watched.alive()
    assert ear.recv(200) == b"WATCHDOG=1"
    assert manager(ear, WATCHDOG_USEC="30000000", WATCHDOG_PID="8").watchdog is None
    assert manager(ear, WATCHDOG_USEC="soon").watchdog is None
    assert manager(ear, WATCHDOG_USEC="0").watchdog is None


def test_an_abstract_socket_is_reached_too() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("")  # the kernel chooses an abstract name
        name = listener.getsockname()
        ServiceManager.of({"NOTIFY_SOCKET": "@" + name[1:].decode()}, pid=1).ready()
        assert listener.recv(200) == b"READY=1"


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "@nobody-listens-here", "relative"])
def test_nobody_listening_is_no_error(address: str) -> None:
    ServiceManager.of({"NOTIFY_SOCKET": address}, pid=1).ready()


_TAKE = """
import os, sys
from controller.runtime.systemd import passed_sockets
taken = passed_sockets({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2"}, pid=os.getpid())
print([each.getsockname() for each in taken], [os.get_inheritable(each.fileno()) for each in taken])
"""


def test_sockets_passed_by_systemd_are_taken_and_not_handed_on(tmp_path: Path) -> None:
    names = [str(tmp_path / "a"), str(tmp_path / "b")]
    with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
        first.bind(names[0])
        second.bind(names[1])
        shell = f"exec {sys.executable} -c '{_TAKE}' 3<&{first.fileno()} 4<&{second.fileno()}"
        done = subprocess.run(
            ["bash", "-c", shell],
            pass_fds=(first.fileno(), second.fileno()),
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout.strip() == f"{names} [False, False]"


_LISTEN = """
import os, sys
from controller.runtime import daemon, systemd
daemon.SOCKETS = tuple(sys.argv[1:])
environment = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
print(*map(systemd.name_of, daemon.all_listeners(environment, pid=os.getpid())))
"""


def test_beside_the_socket_that_systemd_passes_the_other_one_is_opened(tmp_path: Path) -> None:
    """multipath-tools' own unit, as distributions ship it, has only the abstract one."""
    path = str(tmp_path / "multipathd.socket")
    with socket.socket(socket.AF_UNIX) as passed:
        passed.bind("")
        passed.listen()
        name = "@" + passed.getsockname()[1:].decode()
        shell = f"exec {sys.executable} -c '{_LISTEN}' {path} {name} 3<&{passed.fileno()}"
        done = subprocess.run(
            ["bash", "-c", shell], pass_fds=(passed.fileno(),), capture_output=True, text=True, check=True
        )
    assert done.stdout.split() == [name, path]


def test_sockets_for_another_process_are_left_alone() -> None:
    assert passed_sockets({"LISTEN_PID": "9", "LISTEN_FDS": "2"}, pid=10) == []
    assert passed_sockets({"LISTEN_PID": "9", "LISTEN_FDS": "x"}, pid=9) == []
