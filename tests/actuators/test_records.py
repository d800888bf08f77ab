"""The wwids and bindings files: their form, their mode, and that no unseen text is written over."""

import errno
from dataclasses import dataclass

import pytest

from actuators.records import WWIDS_HEADER, begin_wait, mark_failed, remember_wwid, unmark_failed, write_bindings
from actuators.steps import (
    Changed,
    Lost,
    MarkFailed,
    Refused,
    RememberWwid,
    Unchanged,
    UnmarkFailed,
    WriteBindings,
)
from observers.snapshot import DeviceName, Wwid

from .scripted import ScriptedHost

WWIDS = "/etc/multipath/wwids"
BINDINGS = "/etc/multipath/bindings"
REMEMBER = RememberWwid(file=WWIDS, wwid=Wwid("36001405aabb"))


def bindings(text: str, *, expected: str | None) -> WriteBindings:
    return WriteBindings(file=BINDINGS, text=text, expected=expected)


def test_a_new_wwids_file_begins_with_its_header() -> None:
    host = ScriptedHost()
    assert remember_wwid(host, REMEMBER) == Changed()
    assert host.files[WWIDS].decode() == (
        "# Multipath wwids, Version : 1.0\n"
        "# NOTE: This file is automatically maintained by multipath and multipathd.\n"
        "# You should not need to edit this file in normal circumstances.\n"
        "#\n"
        "# Valid WWIDs:\n"
        "/36001405aabb/\n"
    )
    assert host.modes[WWIDS] == 0o600


def test_an_empty_wwids_file_gets_the_header_too() -> None:
    host = ScriptedHost(files={WWIDS: b""})
    remember_wwid(host, REMEMBER)
    assert host.files[WWIDS].decode().startswith(WWIDS_HEADER)


def test_a_wwid_is_added_after_what_is_there_also_without_a_last_newline() -> None:
    host = ScriptedHost(files={WWIDS: b"# mine\n/3600/"})
    remember_wwid(host, REMEMBER)
    assert host.files[WWIDS] == b"# mine\n/3600/\n/36001405aabb/\n"


def test_a_wwid_that_is_there_already_is_not_written_again() -> None:
    host = ScriptedHost(files={WWIDS: b"/36001405aabb/\n"})
    assert remember_wwid(host, REMEMBER) == Unchanged()
    assert host.modes == {}


def test_adding_twice_adds_once() -> None:
    host = ScriptedHost()
    remember_wwid(host, REMEMBER)
    first = host.files[WWIDS]
    assert remember_wwid(host, REMEMBER) == Unchanged()
    assert host.files[WWIDS] == first


@pytest.mark.parametrize("line", [b"#36001405aabb/\n", b"/36001405aabbcc/\n", b" /36001405aabb/\n"])
def test_a_line_that_only_looks_like_the_wwid_does_not_count(line: bytes) -> None:
    host = ScriptedHost(files={WWIDS: line})
    assert remember_wwid(host, REMEMBER) == Changed()
    assert host.files[WWIDS] == line + b"/36001405aabb/\n"


def test_bytes_that_are_not_utf8_survive() -> None:
    host = ScriptedHost(files={WWIDS: b"# \xff\xfe\n"})
    remember_wwid(host, REMEMBER)
    assert host.files[WWIDS].startswith(b"# \xff\xfe\n")


@pytest.mark.parametrize("wwid", ["", "a\nb", "a/b"], ids=["empty", "newline", "slash"])
def test_a_wwid_that_would_break_the_file_is_refused(wwid: str) -> None:
    host = ScriptedHost()
    outcome = remember_wwid(host, RememberWwid(file=WWIDS, wwid=Wwid(wwid)))
    assert isinstance(outcome, Refused)
    assert outcome.error == errno.EINVAL
    assert host.files == {}


def test_a_read_only_file_system_is_refused_with_a_hint() -> None:
    outcome = remember_wwid(ScriptedHost(file_errors={f"open {WWIDS}": errno.EROFS}), REMEMBER)
    assert isinstance(outcome, Refused)
    assert outcome.error == errno.EROFS
    assert WWIDS in outcome.message
    assert outcome.hint == "the file system is mounted read-only"


def test_a_wwids_file_that_cannot_be_read_is_not_written_over() -> None:
    host = ScriptedHost(files={WWIDS: b"precious"}, file_errors={f"read {WWIDS}": errno.EIO})
    assert isinstance(remember_wwid(host, REMEMBER), Refused)
    assert host.files[WWIDS] == b"precious"


def test_bindings_are_written_as_a_whole() -> None:
    host = ScriptedHost(files={BINDINGS: b"old\n"})
    assert write_bindings(host, bindings("mpatha 3600\n", expected="old\n")) == Changed()
    assert (host.files[BINDINGS], host.modes[BINDINGS]) == (b"mpatha 3600\n", 0o600)


def test_bindings_that_are_so_already_are_not_written() -> None:
    host = ScriptedHost(files={BINDINGS: b"mpatha 3600\n"})
    assert write_bindings(host, bindings("mpatha 3600\n", expected=None)) == Unchanged()
    assert host.modes == {}


def test_bindings_are_made_where_there_were_none() -> None:
    host = ScriptedHost()
    assert write_bindings(host, bindings("mpatha 3600\n", expected=None)) == Changed()
    assert host.files[BINDINGS] == b"mpatha 3600\n"


@pytest.mark.parametrize(
    ("there", "expected", "says"),
    [
        (b"theirs\n", "old\n", "was changed"),
        (b"theirs\n", None, "was changed"),
        (None, "old\n", "was removed"),
    ],
    ids=["changed since", "made since", "removed since"],
)
def test_bindings_that_somebody_else_touched_are_left_alone(
    there: bytes | None, expected: str | None, says: str
) -> None:
    host = ScriptedHost(files={} if there is None else {BINDINGS: there})
    outcome = write_bindings(host, bindings("mpatha 3600\n", expected=expected))
    assert isinstance(outcome, Lost)
    assert says in outcome.message
    assert host.files.get(BINDINGS) == there


def test_bindings_refused_name_the_file_and_the_reason() -> None:
    host = ScriptedHost(file_errors={f"replace {BINDINGS}": errno.ENOSPC})
    outcome = write_bindings(host, bindings("mpatha 3600\n", expected=None))
    assert isinstance(outcome, Refused)
    assert outcome.message == f"writing {BINDINGS}: ENOSPC, No space left on device"


# ---- the record of udev's waiting

WAIT = "/run/multipath/find_multipaths/8:0"


@dataclass
class WaitingHost(ScriptedHost):
    """A host on which a wait can be recorded."""

    def modified(self, path: str, /) -> float:
        raise AssertionError(f"no actuator asks for the time of {path}")

    def open_exclusively(self, name: DeviceName, /) -> None:
        raise AssertionError(f"no actuator opens {name}")


def test_a_wait_is_a_file_with_its_end() -> None:
    host = WaitingHost()
    assert begin_wait(host, WAIT, 1234.5) == Changed()
    assert host.made == {WAIT: (0o644, 1234.5)}


def test_a_wait_that_has_begun_is_not_begun_anew() -> None:
    host = WaitingHost(made={WAIT: (0o644, 1000.0)})
    assert begin_wait(host, WAIT, 2000.0) == Unchanged()
    assert host.made == {WAIT: (0o644, 1000.0)}


def test_a_wait_that_can_not_be_recorded_is_refused() -> None:
    host = WaitingHost(file_errors={f"create {WAIT}": errno.EROFS})
    outcome = begin_wait(host, WAIT, 2000.0)
    assert isinstance(outcome, Refused)
    assert (outcome.error, outcome.message) == (errno.EROFS, f"making {WAIT}: EROFS, Read-only file system")


# ---- marks of maps that could not be made

MARK = MarkFailed(file="/run/multipath/failed_wwids/36001405aabb", wwid=Wwid("36001405aabb"))
UNMARK = UnmarkFailed(file=MARK.file, wwid=MARK.wwid)


def test_a_mark_is_an_empty_file_for_root_alone() -> None:
    host = ScriptedHost(now=77.0)
    assert mark_failed(host, MARK) == Changed()
    assert host.made == {MARK.file: (0o600, 77.0)}


def test_marks_are_made_and_removed_once() -> None:
    host = ScriptedHost()
    assert [mark_failed(host, MARK), mark_failed(host, MARK)] == [Changed(), Unchanged()]
    assert [unmark_failed(host, UNMARK), unmark_failed(host, UNMARK)] == [Changed(), Unchanged()]
    assert host.made == {}


def test_a_wwid_that_can_not_be_a_name_is_refused() -> None:
    host = ScriptedHost()
    outcome = mark_failed(host, MarkFailed(file="/run/multipath/failed_wwids/../x", wwid=Wwid("../x")))
    assert isinstance(outcome, Refused)
    assert host.made == {}


def test_marks_on_a_file_system_that_is_read_only_are_refused() -> None:
    host = ScriptedHost(file_errors={f"create {MARK.file}": errno.EROFS, f"remove {MARK.file}": errno.EROFS})
    for outcome in (mark_failed(host, MARK), unmark_failed(host, UNMARK)):
        assert isinstance(outcome, Refused)
        assert (outcome.error, outcome.hint) == (errno.EROFS, "the file system is mounted read-only")
