"""The real host's calls for udev's question: files with a time of their own, and who listens on a socket."""

import os
import socket
import stat
from pathlib import Path

import pytest

from observers import daemon
from observers.host import ClaimHost
from observers.kernel.real_host import RealHost
from observers.reading import Reader
from observers.snapshot import DeviceName


@pytest.fixture
def host() -> ClaimHost:
    return RealHost()


def test_a_file_is_made_empty_with_its_time_and_its_directories(host: ClaimHost, tmp_path: Path) -> None:
    path = tmp_path / "multipath" / "find_multipaths" / "8:0"
    host.create_file(str(path), mode=0o600, modified=1_700_000_010.25)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"", 0o600)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert host.modified(str(path)) == 1_700_000_010.25


def test_a_file_that_is_there_stays_as_it_is(host: ClaimHost, tmp_path: Path) -> None:
    path = tmp_path / "8:0"
    host.create_file(str(path), mode=0o644, modified=1000.0)
    with pytest.raises(FileExistsError):
        host.create_file(str(path), mode=0o644, modified=2000.0)
    assert host.modified(str(path)) == 1000.0


def test_a_file_that_is_not_there_has_no_time(host: ClaimHost, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        host.modified(str(tmp_path / "8:0"))


def test_a_device_that_is_not_there_can_not_be_opened(host: ClaimHost) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError):
        host.open_exclusively(DeviceName("no!such-disk"))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_who_listens_is_known_without_a_connection(host: ClaimHost, tmp_path: Path, *, abstract: bool) -> None:
    shown = f"@mpathctl-test-{os.getpid()}" if abstract else str(tmp_path / "socket")
    reader = Reader(host, "host")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind("\0" + shown[1:] if abstract else shown)
        assert not daemon.reachable(reader, socket=shown)
        listener.listen(0)
        listener.setblocking(False)
        assert daemon.reachable(reader, socket=shown)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert not daemon.reachable(reader, socket=shown)
    assert reader.gaps == []


def test_a_file_is_removed_once(host: ClaimHost, tmp_path: Path) -> None:
    path = tmp_path / "mark"
    host.create_file(str(path), mode=0o600, modified=1000.0)
    host.remove_file(str(path))
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        host.remove_file(str(path))


def test_a_device_is_held_under_the_number_of_what_was_opened(host: ClaimHost) -> None:
    held = host.hold_device(DeviceName("null"))
    assert (held.dev, os.fstat(held.handle).st_rdev) == ("1:3", os.makedev(1, 3))
    assert os.get_inheritable(held.handle) is False
    host.release_device(held)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(held.handle)


def test_a_device_that_is_gone_can_not_be_held(host: ClaimHost) -> None:
    with pytest.raises(FileNotFoundError):
        host.hold_device(DeviceName("no-such-disk"))
