"""Locked files of the in-memory kernel: as the real one's."""

import errno

import pytest

from controller.sandbox.errors import Killed
from controller.sandbox.host import SandboxHost
from tests.sandbox import dm

FILE = "/etc/multipath/wwids"


@pytest.fixture
def host() -> SandboxHost:
    host = dm.san()
    host.replace_file(FILE, b"/3600/\n", mode=0o600)
    host.writes.clear()
    return host


def test_a_file_is_locked_by_one(host: SandboxHost) -> None:
    handle = host.open_locked(FILE, mode=None)
    with pytest.raises(BlockingIOError):
        host.open_locked(FILE, mode=0o600)
    host.unlock(handle)
    host.unlock(host.open_locked(FILE, mode=None))
    assert host.writes == {}


def test_what_is_written_is_in_the_same_file(host: SandboxHost) -> None:
    handle = host.open_locked(FILE, mode=None)
    host.write_locked(handle, b"/3601/\n", offset=7)
    host.write_locked(handle, b"#", offset=0)
    assert host.read_locked(handle) == host.read_file(FILE) == b"#3600/\n/3601/\n"
    assert host.writes == {"write_locked": 2}


def test_who_has_it_open_keeps_the_file_under_whose_name_another_was_put(host: SandboxHost) -> None:
    handle = host.open_locked(FILE, mode=None)
    host.replace_file(FILE, b"new\n", mode=0o600)
    host.write_locked(handle, b"/3601/\n", offset=7)
    assert (host.read_locked(handle), host.read_file(FILE)) == (b"/3600/\n/3601/\n", b"new\n")
    host.unlock(host.open_locked(FILE, mode=None))


def test_an_absent_file_is_made_only_where_that_is_asked_for(host: SandboxHost) -> None:
    with pytest.raises(FileNotFoundError):
        host.open_locked("/etc/multipath/prkeys", mode=None)
    assert host.read_locked(host.open_locked("/etc/multipath/prkeys", mode=0o600)) == b""
    assert host.writes == {"open_locked": 1}


@pytest.mark.parametrize(
    ("path", "error"),
    [("/etc/multipath", IsADirectoryError), ("/sys/block/sda/size", PermissionError)],
    ids=["folder", "attribute"],
)
def test_nothing_but_a_file_can_be_locked(host: SandboxHost, path: str, error: type[OSError]) -> None:
    with pytest.raises(error):
        host.open_locked(path, mode=None)


def test_faults_strike_reading_and_writing(host: SandboxHost) -> None:
    handle = host.open_locked(FILE, mode=None)
    host.faults.fail_change(FILE, errno.ENOSPC)
    with pytest.raises(OSError, match="No space left"):
        host.write_locked(handle, b"#", offset=0)
    host.faults.fail_read(FILE, errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        host.read_locked(handle)


def test_a_killed_process_has_no_locks(host: SandboxHost) -> None:
    handle = host.open_locked(FILE, mode=None)
    host.faults.kill_at(1)
    with pytest.raises(Killed):
        host.write_locked(handle, b"#", offset=0)
    host.restart()
    assert host.read_locked(host.open_locked(FILE, mode=None)) == b"/3600/\n"


def test_a_handle_that_was_given_back_is_none(host: SandboxHost) -> None:
    handle = host.open_locked(FILE, mode=None)
    host.unlock(handle)
    for call in (lambda: host.read_locked(handle), lambda: host.unlock(handle)):
        with pytest.raises(OSError, match="Bad file descriptor"):
            call()
