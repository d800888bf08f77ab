"""Files of the real kernel that are locked as multipath-tools locks them, and written in place."""

import errno
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from observers.kernel import record_lock
from observers.kernel.real_host import RealHost

_HOLD_AS_MULTIPATHD = """
import fcntl, sys
file = open(sys.argv[1], "r+")
fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def host() -> RealHost:
    return RealHost()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "wwids"
    file.write_text("/3600/\n")
    return file


def open_files() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@contextmanager
def held_by_another(file: Path) -> Iterator[None]:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD_AS_MULTIPATHD, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield
        other.kill()


@contextmanager
def longest_file(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_is_locked_by_one_also_of_two_threads_of_a_process(host: RealHost, file: Path) -> None:
    handle, before = host.open_locked(str(file), mode=None), open_files()
    with pytest.raises(BlockingIOError):
        host.open_locked(str(file), mode=None)
    assert open_files() == before
    host.unlock(handle)
    host.unlock(host.open_locked(str(file), mode=None))


def test_a_file_that_multipathd_has_locked_is_not_to_be_had(host: RealHost, file: Path) -> None:
    with held_by_another(file), pytest.raises(BlockingIOError):
        host.open_locked(str(file), mode=None)


def test_multipathd_waits_for_ours_also_when_the_file_was_read_meanwhile(host: RealHost, file: Path) -> None:
    host.open_locked(str(file), mode=None)
    host.read_file(str(file))
    other = subprocess.run([sys.executable, "-c", _HOLD_AS_MULTIPATHD, str(file)],
                           stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # fmt: skip
    assert "BlockingIOError" in other.stderr


@pytest.mark.parametrize("happens", [lambda file: file.unlink(), lambda file: os.replace(_other(file), file)],
                         ids=["removed", "replaced"])  # fmt: skip
def test_a_file_that_lost_its_name_before_it_was_locked_is_none(
    host: RealHost, file: Path, monkeypatch: pytest.MonkeyPatch, happens: Callable[[Path], None]
) -> None:
    lock, before = record_lock.lock, open_files()

    def late(descriptor: int) -> None:
        happens(file)
        lock(descriptor)

    monkeypatch.setattr(record_lock, "lock", late)
    with pytest.raises(BlockingIOError):
        host.open_locked(str(file), mode=None)
    assert open_files() == before


def _other(file: Path) -> Path:
    other = file.with_name("other")
    other.write_text("another")
    return other


def test_an_absent_file_is_made_only_where_that_is_asked_for(host: RealHost, tmp_path: Path) -> None:
    path = tmp_path / "etc" / "multipath" / "wwids"
    with pytest.raises(FileNotFoundError):
        host.open_locked(str(path), mode=None)
    assert not path.parent.exists()
    handle = host.open_locked(str(path), mode=0o600)
    assert (host.read_locked(handle), stat.S_IMODE(path.stat().st_mode)) == (b"", 0o600)


def test_a_file_that_is_there_keeps_its_text_and_its_mode(host: RealHost, file: Path) -> None:
    file.chmod(0o640)
    handle = host.open_locked(str(file), mode=0o600)
    assert (host.read_locked(handle), host.read_locked(handle)) == (b"/3600/\n", b"/3600/\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_what_is_written_is_in_the_same_file(host: RealHost, file: Path) -> None:
    inode, handle = file.stat().st_ino, host.open_locked(str(file), mode=None)
    host.write_locked(handle, b"/3601/\n", offset=7)
    host.write_locked(handle, b"#", offset=0)
    assert (file.read_text(), file.stat().st_ino) == ("#3600/\n/3601/\n", inode)


def test_a_line_of_which_only_a_part_could_be_written_is_taken_back(host: RealHost, file: Path) -> None:
    handle = host.open_locked(str(file), mode=None)
    with longest_file(10), pytest.raises(OSError, match="File too large") as refused:
        host.write_locked(handle, b"/3601/\n", offset=7)
    assert (refused.value.errno, file.read_bytes()) == (errno.EFBIG, b"/3600/\n")
