"""One daemon on a host, whichever it is."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from controller.runtime.pidfile import AlreadyRunning, Pidfile

_HOLD = """
import sys
from pathlib import Path
from controller.runtime.pidfile import Pidfile
held = Pidfile.take(sys.argv[1], pid=4711)
Path(sys.argv[1]).read_text()
print("held", flush=True)
sys.stdin.read()
"""
_HOLD_AS_MULTIPATHD = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
print("4711", file=file, flush=True)
print("held", flush=True)
sys.stdin.read()
"""


def test_the_file_holds_the_id_and_goes_away_with_the_daemon(tmp_path: Path) -> None:
    path = tmp_path / "run" / "multipathd.pid"
    held = Pidfile.take(str(path), pid=4711)
    assert path.read_text() == "4711\n"
    held.release()
    assert not path.exists()


def test_a_file_that_somebody_removed_is_no_trouble_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "multipathd.pid"
    held = Pidfile.take(str(path), pid=4711)
    path.unlink()
    held.release()


@pytest.mark.parametrize(
    "holder",
    [pytest.param(_HOLD, id="ours, which has read the file"), pytest.param(_HOLD_AS_MULTIPATHD, id="multipathd")],
)
def test_a_second_daemon_is_refused_and_told_who_holds_it(tmp_path: Path, holder: str) -> None:
    path = tmp_path / "multipathd.pid"
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunning, match="process 4711 holds"):
            Pidfile.take(str(path), pid=1)
        assert path.read_text() == "4711\n"
        other.kill()


def test_multipathd_is_refused_beside_ours(tmp_path: Path) -> None:
    path = tmp_path / "multipathd.pid"
    held = Pidfile.take(str(path), pid=4711)
    assert path.read_text() == "4711\n"
    other = subprocess.run([sys.executable, "-c", _HOLD_AS_MULTIPATHD.replace('"w"', '"a"'), str(path)],
                           stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # fmt: skip
    assert "BlockingIOError" in other.stderr
    held.release()


def test_a_lock_on_a_file_that_the_daemon_before_removed_meanwhile_is_not_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "multipathd.pid"
    before, lock = Pidfile.take(str(path), pid=1), fcntl.fcntl

    def late(descriptor: int, command: int, request: bytes) -> bytes:
        monkeypatch.setattr(fcntl, "fcntl", lock)
        before.release()
        return lock(descriptor, command, request)

    monkeypatch.setattr(fcntl, "fcntl", late)
    held = Pidfile.take(str(path), pid=2)
    assert path.read_text() == "2\n"
    with pytest.raises(AlreadyRunning, match="process 2 holds"):
        Pidfile.take(str(path), pid=3)
    held.release()


def test_the_file_of_another_daemon_is_not_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "multipathd.pid"
    held = Pidfile.take(str(path), pid=1)
    path.unlink()
    other = Pidfile.take(str(path), pid=2)
    held.release()
    assert path.read_text() == "2\n"
    other.release()


def test_a_file_left_by_a_killed_daemon_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "multipathd.pid"
    path.write_text("123456789\n")
    held = Pidfile.take(str(path), pid=5)
    assert path.read_text() == "5\n"
    os.close(held.descriptor)


def test_asking_whether_a_daemon_runs_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "multipathd.pid"
    Pidfile.require_free(str(path))
    assert not path.exists()
    path.write_text("123456789\n")
    Pidfile.require_free(str(path))
    assert path.read_text() == "123456789\n"
    held = Pidfile.take(str(path), pid=4711)
    with pytest.raises(AlreadyRunning, match="process 4711 holds"):
        Pidfile.require_free(str(path))
    held.release()
    assert not path.exists()
