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


HEAP = """
import sys
from controller.runtime import resident
def heap():
    size = 0
    with open("/proc/self/smaps") as maps:
        ours = False
        for line in maps:
            ours = "[heap]" in line if "-" in line.split()[0] else ours
            size += int(line.split()[1]) if ours and line.startswith("Size:") else 0
    return size
if len(sys.argv) > 1:
    resident.prepare("heap")
before, stays = heap(), []
for _ in range(3):
    replies = [bytes(1 << 20) for _ in range(20)]
    stays.append([bytes(600) for _ in range(1000)])
    replies.clear()
print(heap() - before)
"""


@pytest.mark.parametrize("prepared", [True, False])
def test_a_large_reply_leaves_no_room_on_the_heap_that_stays_locked(prepared: bool) -> None:
    """KiB that the heap grew by, with small values made after the large ones; left alone it grows to their peak."""
    command = [sys.executable, "-c", HEAP, *(["prepared"] if prepared else [])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    grown = int(done.stdout)
    assert (grown < 10 * 1024) is prepared, grown
