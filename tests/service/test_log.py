"""Events as people and the journal get them."""

import io
import json
import socket
from pathlib import Path

from controller.runtime.events import Bulletin, Event, Kind, Level
from controller.runtime.log import ErrorStream, Journal, datagram, line_of

FAILED = Event(
    at=1_000_000_000.0, level=Level.NOTICE, kind=Kind.DONE, text="fail 8:0", map="data", path="sda",
    reason="tur reports path is down",
)  # fmt: skip


def test_a_line_says_who_what_and_why() -> None:
    assert line_of(FAILED) == "data: sda: fail 8:0 (tur reports path is down)"


def test_json_leaves_out_what_is_empty_and_survives_bytes_that_are_no_text() -> None:
    event = Event(at=1.25, level=Level.INFO, kind=Kind.SEEN, text="odd \udcff name")
    assert json.loads(event.to_json()) == {"at": 1.25, "level": "info", "kind": "seen", "text": "odd \udcff name"}


def test_what_matters_less_than_the_verbosity_is_not_printed() -> None:
    stream = io.StringIO()
    log = ErrorStream(1, stamped=False, stream=stream)
    log(FAILED)
    assert stream.getvalue() == ""
    ErrorStream(2, stamped=False, stream=stream)(FAILED)
    assert stream.getvalue() == "data: sda: fail 8:0 (tur reports path is down)\n"


def test_a_closed_stream_is_no_error() -> None:
    stream = io.StringIO()
    stream.close()
    ErrorStream(4, stamped=True, stream=stream)(FAILED)


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
