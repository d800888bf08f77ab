"""One daemon on a host, whichever it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from controller.runtime.pidfile import AlreadyRunning, Pidfile

_HOLD = """
import sys
from controller.runtime.pidfile import Pidfile
held = Pidfile.take(sys.argv[1], pid=4711)
print("held", flush=True)
sys.stdin.read()
"""


def test_the_file_holds_the_id_and_goes_away_with_the_daemon(tmp_path: Path) -> None:
    path = tmp_path / "run" / "multipathd.pid"
    held = Pidfile.take(str(path), pid=4711)
    assert path.read_text() == "4711\n"
    held.release()
    assert not path.exists()


def test_a_second_daemon_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "multipathd.pid"
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunning, match="process 4711 holds"):
            Pidfile.take(str(path), pid=1)
        assert path.read_text() == "4711\n"
        other.kill()


def test_a_file_left_by_a_killed_daemon_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "multipathd.pid"
    path.write_text("123456789\n")
    held = Pidfile.take(str(path), pid=5)
    assert path.read_text() == "5\n"
    os.close(held.descriptor)
