"""Files that multipathd writes too: locked, written in place where somebody may wait for the lock, or not at all."""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from actuators.records import forget_wwid, remember_wwid, reset_wwids, write_bindings
from actuators.steps import Changed, Lost, Outcome, Refused, RememberWwid, Unchanged, WriteBindings, WriteKeys
from observers.host import Host
from observers.snapshot import Wwid

from .scripted import ScriptedHost

WWIDS, BINDINGS, KEYS = "/etc/multipath/wwids", "/etc/multipath/bindings", "/etc/multipath/prkeys"
TEXTS = {WWIDS: b"/3600/\n", BINDINGS: b"mpatha 3600\n", KEYS: b"0x0000000000000001 3600\n"}


def remember(host: Host) -> Outcome:
    return remember_wwid(host, RememberWwid(file=WWIDS, wwid=Wwid("3601")))


def bind(host: Host) -> Outcome:
    text = "mpatha 3600\nmpathb 3601\n"
    return write_bindings(host, WriteBindings(file=BINDINGS, text=text, expected="mpatha 3600\n"))


def keep(host: Host, text: str = "0x0000000000000001 3600\n0x0000000000000002 3601\n") -> Outcome:
    return write_bindings(host, WriteKeys(file=KEYS, text=text, expected=TEXTS[KEYS].decode()))


CHANGES: dict[str, tuple[str, Callable[[Host], Outcome]]] = {
    "a WWID is added": (WWIDS, remember),
    "a WWID is taken out": (WWIDS, lambda host: forget_wwid(host, WWIDS, "3600")),
    "the WWIDs are reset": (WWIDS, lambda host: reset_wwids(host, WWIDS, ["3602"])),
    "a name is bound": (BINDINGS, bind),
    "a key is kept": (KEYS, keep),
}
ALL = pytest.mark.parametrize(("file", "change"), CHANGES.values(), ids=CHANGES)


@ALL
def test_a_change_is_made_under_the_lock_which_is_given_back(file: str, change: Callable[[Host], Outcome]) -> None:
    host = ScriptedHost(files=dict(TEXTS))
    assert change(host) == Changed()
    assert (host.locked, host.opened) == ([file], {})


@ALL
def test_a_lock_that_somebody_has_is_waited_for(file: str, change: Callable[[Host], Outcome]) -> None:
    host = ScriptedHost(files=dict(TEXTS), locked_until={file: 29.0})
    assert change(host) == Changed()
    assert 29.0 <= host.now < 29.1


@ALL
def test_a_lock_that_is_not_to_be_had_in_time_is_a_refusal(file: str, change: Callable[[Host], Outcome]) -> None:
    host = ScriptedHost(files=dict(TEXTS), locked_until={file: 1000.0})
    outcome = change(host)
    assert isinstance(outcome, Refused)
    assert (outcome.error, host.files, host.replaced, host.in_place) == (errno.EAGAIN, TEXTS, [], [])
    assert file in outcome.message
    assert "another process has had it locked for 30 s, so nothing was written" in outcome.message
    assert 30.0 <= host.now < 30.1


@ALL
def test_the_lock_is_given_back_also_when_writing_is_refused(file: str, change: Callable[[Host], Outcome]) -> None:
    errors = {f"write {file}": errno.ENOSPC, f"replace {file}": errno.ENOSPC}
    host = ScriptedHost(files=dict(TEXTS), file_errors=errors)
    outcome = change(host)
    assert isinstance(outcome, Refused)
    assert (outcome.error, host.files, host.opened) == (errno.ENOSPC, TEXTS, {})


@dataclass
class BusyHost(ScriptedHost):
    """Somebody else has the lock, and writes while we wait."""

    writes: dict[str, bytes] = field(default_factory=dict)

    def sleep(self, seconds: float, /) -> None:
        self.files |= self.writes
        super().sleep(seconds)


def test_what_the_holder_of_the_lock_wrote_is_kept() -> None:
    host = BusyHost(files=dict(TEXTS), locked_until={WWIDS: 0.5}, writes={WWIDS: b"/3600/\n/3theirs/\n"})
    assert remember(host) == Changed()
    assert host.files[WWIDS] == b"/3600/\n/3theirs/\n/3601/\n"


def test_a_binding_that_the_holder_of_the_lock_wrote_is_not_written_over() -> None:
    host = BusyHost(files=dict(TEXTS), locked_until={BINDINGS: 0.5}, writes={BINDINGS: b"mpathb 3theirs\n"})
    assert isinstance(bind(host), Lost)
    assert host.files[BINDINGS] == b"mpathb 3theirs\n"


# ---- in place, for those who wait at the file that they opened


def test_a_wwid_is_added_in_one_write_at_the_end() -> None:
    host = ScriptedHost(files=dict(TEXTS))
    remember(host)
    assert (host.in_place, host.replaced) == ([(WWIDS, 7, b"/3601/\n")], [])


def test_a_line_that_was_not_written_to_its_end_is_ended_first() -> None:
    host = ScriptedHost(files={WWIDS: b"/3600/\n/360"})
    remember(host)
    assert host.in_place == [(WWIDS, 11, b"\n/3601/\n")]


def test_a_wwid_is_taken_out_by_one_byte_wherever_it_stands() -> None:
    host = ScriptedHost(files={WWIDS: b"# \xff\n/3600/\n/36001/\n/3600/"})
    forget_wwid(host, WWIDS, "3600")
    assert (host.in_place, host.replaced) == ([(WWIDS, 4, b"#"), (WWIDS, 19, b"#")], [])
    assert host.files[WWIDS] == b"# \xff\n#3600/\n/36001/\n#3600/"


def test_a_key_of_another_map_is_added_in_place() -> None:
    host = ScriptedHost(files=dict(TEXTS))
    keep(host)
    assert (host.in_place, host.replaced) == ([(KEYS, 24, b"0x0000000000000002 3601\n")], [])


def test_a_key_is_taken_back_in_place() -> None:
    host = ScriptedHost(files=dict(TEXTS))
    keep(host, "#x0000000000000001 3600\n")
    assert (host.in_place, host.replaced) == ([(KEYS, 0, b"#")], [])


@pytest.mark.parametrize("key", ["0x0000000000000003", "0x1111111111111111", "0X0000000000000001"])
def test_a_key_is_exchanged_as_a_whole(key: str) -> None:
    host = ScriptedHost(files=dict(TEXTS))
    keep(host, f"{key} 3600\n")
    assert (host.in_place, host.replaced) == ([], [KEYS])


def test_bindings_are_always_replaced_as_multipathd_hears_of_nothing_else() -> None:
    host = ScriptedHost(files=dict(TEXTS))
    bind(host)
    assert (host.in_place, host.replaced) == ([], [BINDINGS])


# ---- where there is nothing to write


def test_no_file_is_made_for_what_will_not_be_written() -> None:
    host = ScriptedHost()
    assert [forget_wwid(host, WWIDS, "3600"), type(bind(host))] == [Unchanged(), Lost]
    assert (host.files, host.locked) == ({}, [])


@pytest.mark.parametrize("error", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_what_is_so_already_needs_no_right_to_write(error: int) -> None:
    host = ScriptedHost(files=dict(TEXTS), file_errors={f"open {WWIDS}": error})
    assert remember_wwid(host, RememberWwid(file=WWIDS, wwid=Wwid("3600"))) == Unchanged()
    outcome = remember(host)
    assert isinstance(outcome, Refused)
    assert outcome.error == error


def test_an_empty_file_left_by_somebody_who_was_killed_is_as_good_as_none() -> None:
    host = ScriptedHost(files={BINDINGS: b""})
    step = WriteBindings(file=BINDINGS, text="mpatha 3600\n", expected=None)
    assert write_bindings(host, step) == Changed()
    assert host.files[BINDINGS] == b"mpatha 3600\n"
