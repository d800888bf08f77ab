"""After its start the daemon needs nothing of any disk: no file, no module, no other process, no account."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def found_by(part: str) -> list[str]:
    """What a process that watches itself saw; its log is on standard error."""
    command = [sys.executable, "-W", "always", "-m", "tests.service.audited", part]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=True)
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("part", ["sandbox", "real"])
def test_whatever_happens_nothing_is_imported_opened_elsewhere_run_or_looked_up(part: str) -> None:
    assert found_by(part) == []


def test_whatever_must_not_be_done_would_be_seen() -> None:
    seen = [each.partition(" ")[0] for each in found_by("guilty")]
    assert seen.count("open") >= 2
    for event in ("import", "account", "socket.getaddrinfo", "os.posix_spawn", "thread"):
        assert event in seen
