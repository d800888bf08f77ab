"""Processes that write the same real file, ours and some that do it as multipath-tools does: no line is lost."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from actuators.records import WWIDS_HEADER, forget_wwid, remember_wwid, write_bindings
from actuators.steps import Changed, Outcome, RememberWwid, WriteBindings, WriteKeys
from observers.host import Host
from observers.kernel.real_host import RealHost
from observers.snapshot import Wwid

LIMIT = 60
LINES = 30
THEIR_LINE = "/3theirs/\n"
OLD_KEY = "0x0000000000000001 3600\n"

_OURS = f"""
import sys
from actuators.records import remember_wwid
from actuators.steps import Changed, RememberWwid
from observers.kernel.real_host import RealHost

print("ready", flush=True)
sys.stdin.readline()
for number in range({LINES}):
    step = RememberWwid(file=sys.argv[1], wwid=f"36{{sys.argv[2]}}{{number:04d}}")
    assert remember_wwid(RealHost(), step) == Changed()
print("done", flush=True)
"""

_THEIRS = """
import fcntl, os, sys

descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
if sys.argv[2] == "locks at once":
    fcntl.lockf(descriptor, fcntl.LOCK_EX)
print("ready", flush=True)
sys.stdin.readline()
fcntl.lockf(descriptor, fcntl.LOCK_EX)
os.lseek(descriptor, 0, os.SEEK_END)
os.write(descriptor, b"/3theirs/\\n")
print("done", flush=True)
"""


@dataclass(frozen=True)
class Writer:
    """Another process."""

    process: "subprocess.Popen[str]"

    def say(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()


@contextmanager
def writer(program: str, *arguments: object) -> Iterator[Writer]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        other = Writer(process)
        assert other.say() == "ready\n"
        yield other
        process.kill()


class Telling(RealHost):
    """A host that says when it waits."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = threading.Event()

    def sleep(self, seconds: float, /) -> None:
        self.waits.set()
        super().sleep(seconds)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "wwids"


def test_two_of_our_processes_lose_no_line_of_each_other(file: Path) -> None:
    with writer(_OURS, file, "a") as one, writer(_OURS, file, "b") as two:
        one.go()
        two.go()
        assert (one.say(), two.say()) == ("done\n", "done\n")
    lines = file.read_text().removeprefix(WWIDS_HEADER).splitlines()
    assert sorted(lines) == sorted(f"/36{who}{number:04d}/" for who in "ab" for number in range(LINES))


def test_two_threads_of_one_process_lose_no_line_of_each_other(file: Path) -> None:
    host, refused = RealHost(), list[Outcome]()

    def add(who: str) -> None:
        steps = (RememberWwid(file=str(file), wwid=Wwid(f"36{who}{number:04d}")) for number in range(LINES))
        refused.extend(outcome for step in steps if (outcome := remember_wwid(host, step)) != Changed())

    threads = [threading.Thread(target=add, args=(who,)) for who in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert refused == []
    assert len(file.read_text().removeprefix(WWIDS_HEADER).splitlines()) == 2 * LINES


def outcome_behind_another(file: Path, write: Callable[["Telling"], Outcome]) -> Outcome:
    """What comes of our writing while another process has the lock, and writes too before it lets go."""
    host, outcomes = Telling(), list[Outcome]()
    ours = threading.Thread(target=lambda: outcomes.append(write(host)))
    with writer(_THEIRS, file, "locks at once") as other:
        ours.start()
        assert host.waits.wait(LIMIT)
        other.go()
        assert other.say() == "done\n"
        other.process.wait(LIMIT)
        ours.join(LIMIT)
    (outcome,) = outcomes
    return outcome


def test_we_wait_for_one_who_has_the_lock_and_keep_what_it_wrote(file: Path) -> None:
    step = RememberWwid(file=str(file), wwid=Wwid("3ours"))
    outcome = outcome_behind_another(file, lambda host: remember_wwid(host, step))
    assert outcome == Changed()
    assert file.read_text() == f"{THEIR_LINE}/3ours/\n"


def remembered(host: Host, file: str) -> Outcome:
    return remember_wwid(host, RememberWwid(file=file, wwid=Wwid("3ours")))


def forgotten(host: Host, file: str) -> Outcome:
    return forget_wwid(host, file, "3600")


def kept(host: Host, file: str) -> Outcome:
    text = f"{OLD_KEY}0x0000000000000002 3ours\n"
    return write_bindings(host, WriteKeys(file=file, text=text, expected=OLD_KEY))


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        pytest.param("/3600/\n", remembered, "/3600/\n/3ours/\n", id="a WWID is added"),
        pytest.param("/3600/\n", forgotten, "#3600/\n", id="a WWID is taken out"),
        pytest.param(OLD_KEY, kept, f"{OLD_KEY}0x0000000000000002 3ours\n", id="a key is kept"),
    ],
)
def test_one_who_opened_the_file_before_we_changed_it_writes_to_the_same_one(
    file: Path, before: str, change: Callable[[Host, str], Outcome], after: str
) -> None:
    file.write_text(before)
    with writer(_THEIRS, file, "locks later") as other:
        assert change(RealHost(), str(file)) == Changed()
        other.go()
        assert other.say() == "done\n"
    assert file.read_text() == after + THEIR_LINE


def test_bindings_are_not_replaced_while_somebody_has_the_lock(file: Path) -> None:
    file.write_text("mpatha 3600\n")
    seen = f"mpatha 3600\n{THEIR_LINE}"
    step = WriteBindings(file=str(file), text=f"{seen}mpathb 3601\n", expected=seen)
    outcome = outcome_behind_another(file, lambda host: write_bindings(host, step))
    assert outcome == Changed()
    assert file.read_text() == step.text
