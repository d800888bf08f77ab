"""Events as people and the journal get them."""

import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.runtime.daemon import DaemonOptions, log_of
from controller.runtime.events import Bulletin, Event, Kind, Level
from controller.runtime.log import ErrorStream, Journal, datagram, line_of
from tests.service.virtual import Virtual

FAILED = Event(
    at=1_000_000_000.0, level=Level.NOTICE, kind=Kind.DONE, text="fail 8:0", map="data", path="sda",
    reason="tur reports path is down",
)  # fmt: skip


def test_a_line_says_who_what_and_why() -> None:
    assert line_of(FAILED) == "data: sda: fail 8:0 (tur reports path is down)"


def test_json_leaves_out_what_is_empty_and_survives_bytes_that_are_no_text() -> None:
    event = Event(at=1.25, level=Level.INFO, kind=Kind.SEEN, text="odd \udcff name")
    assert json.loads(event.to_json()) == {"at": 1.25, "level": "info", "kind": "seen", "text": "odd \udcff name"}


class Pipe:
    """Standard error that leads to a pipe."""

    def __init__(self) -> None:
        self.out, self.descriptor = os.pipe()

    def fill(self) -> int:
        """As much as it holds; how many bytes that is."""
        os.set_blocking(self.descriptor, False)
        size = 0
        try:
            while True:
                size += os.write(self.descriptor, b"x" * 4096)
        except BlockingIOError:
            os.set_blocking(self.descriptor, True)
            return size

    def text(self, log: ErrorStream) -> str:
        """All that is written."""
        log.close()
        os.close(self.descriptor)
        self.descriptor = -1
        with os.fdopen(self.out, encoding="utf-8", closefd=False) as out:
            return out.read()

    def close(self) -> None:
        for descriptor in {self.out, self.descriptor} - {-1}:
            os.close(descriptor)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


def test_what_matters_less_than_the_verbosity_is_not_printed(pipe: Pipe) -> None:
    quiet = ErrorStream(1, stamped=False, descriptor=pipe.descriptor)
    quiet(FAILED)
    quiet.close()
    log = ErrorStream(2, stamped=False, descriptor=pipe.descriptor)
    log(FAILED)
    assert pipe.text(log) == "data: sda: fail 8:0 (tur reports path is down)\n"


def test_the_time_of_day_is_before_each_line_if_it_is_wanted(pipe: Pipe) -> None:
    log = ErrorStream(2, stamped=True, descriptor=pipe.descriptor)
    log(FAILED)
    assert " | data: sda: fail" in pipe.text(log)


def test_a_closed_stream_is_no_error(pipe: Pipe) -> None:
    os.close(pipe.out)
    pipe.out = -1
    log = ErrorStream(4, stamped=True, descriptor=pipe.descriptor)
    log(FAILED)
    log(FAILED)
    log.close()


@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "non-blocking"])
def test_a_pipe_that_nobody_reads_makes_nobody_wait_and_what_is_lost_is_counted(pipe: Pipe, *, blocking: bool) -> None:
    filled = pipe.fill()
    os.set_blocking(pipe.descriptor, blocking)
    log = ErrorStream(2, stamped=False, descriptor=pipe.descriptor, room=10)
    for _ in range(1000):
        log(FAILED)
    read = 0
    while read < filled:
        read += len(os.read(pipe.out, filled - read))
    while not log._events.empty():
        os.sched_yield()
    log(FAILED)
    lines = pipe.text(log).splitlines()
    lost = [line for line in lines if "were lost" in line]
    assert lost
    assert sum(int(line.split()[0]) for line in lost) + len(lines) - len(lost) == 1001


def test_an_end_waits_for_nobody_who_does_not_read(pipe: Pipe) -> None:
    pipe.fill()
    log = ErrorStream(2, stamped=False, descriptor=pipe.descriptor)
    log(FAILED)
    log.close(patience=0.01)


def test_the_journal_gets_fields_of_their_own(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "journal"))
        journal = Journal(2, identifier="multipathd", address=str(tmp_path / "journal"))
        journal(FAILED)
        fields = dict(line.split(b"=", 1) for line in ear.recv(4096).splitlines())
        journal.close()
    assert fields[b"PRIORITY"] == b"5"
    assert fields[b"MPATH_MAP"] == b"data"
    assert fields[b"MPATH_PATH"] == b"sda"
    assert fields[b"MPATH_REASON"] == b"tur reports path is down"
    assert b"MPATH_WWID" not in fields


def test_a_value_of_several_lines_is_sent_with_its_length() -> None:
    assert datagram({"MESSAGE": "a\nb"}) == b"MESSAGE\n\x03\0\0\0\0\0\0\0a\nb\n"


def test_what_the_journal_did_not_take_is_counted_and_told_later(tmp_path: Path) -> None:
    address = str(tmp_path / "journal")
    journal = Journal(2, identifier="multipathd", address=address)
    journal(FAILED)
    journal(FAILED)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(address)
        journal(FAILED)
        assert b"MESSAGE=2 messages were lost" in ear.recv(4096)
        assert b"MESSAGE=data: sda: fail 8:0" in ear.recv(4096)
    journal.close()


def test_the_last_events_are_kept_and_listeners_hear_all() -> None:
    bulletin, heard = Bulletin(kept=2), list[Event]()
    bulletin.listen(heard.append)
    for at in range(3):
        bulletin.tell(Event(at=at, level=Level.DEBUG, kind=Kind.SEEN, text="x"))
    assert [event.at for event in heard] == [0, 1, 2]
    assert [event.at for event in bulletin] == [1, 2]
    bulletin.leave(heard.append)
    assert bulletin.count == 3


@pytest.mark.parametrize(
    ("stamped", "to_journal", "kind"),
    [
        (None, False, "Journal"), (None, True, "Journal"), (True, False, "ErrorStream"), (True, True, "Journal"),
        (False, False, "ErrorStream"), (False, True, "Journal"),
    ],
)  # fmt: skip
def test_whatever_is_started_by_systemd_tells_the_journal_with_fields(
    stamped: bool | None, to_journal: bool, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    with (tmp_path / "stderr").open("w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        place = os.fstat(stream.fileno())
        environment = {"JOURNAL_STREAM": f"{place.st_dev}:{place.st_ino if to_journal else 0}"}
        log = log_of(DaemonOptions(stamped=stamped), Virtual("small").service, environment)
        log.close()
    assert type(log).__name__ == kind
