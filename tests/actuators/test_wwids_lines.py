"""Lines of the wwids file that go: one that is forgotten, and all when the file is reset."""

import pytest

from actuators.records import WWIDS_HEADER, forget_wwid, reset_wwids
from actuators.steps import Changed, Unchanged

from .scripted import ScriptedHost

FILE = "/etc/multipath/wwids"


def test_a_forgotten_wwid_stays_as_a_comment() -> None:
    host = ScriptedHost(files={FILE: b"# mine\n/3600/\n/36001/\n"})
    assert forget_wwid(host, FILE, "3600") == Changed()
    assert host.files[FILE] == b"# mine\n#3600/\n/36001/\n"
    assert forget_wwid(host, FILE, "3600") == Unchanged()


@pytest.mark.parametrize("wwid", ["360", "36001405", "", "mine"])
def test_a_line_that_only_looks_like_the_wwid_stays(wwid: str) -> None:
    host = ScriptedHost(files={FILE: b"# mine\n/3600/\n"})
    assert forget_wwid(host, FILE, wwid) == Unchanged()
    assert host.files[FILE] == b"# mine\n/3600/\n"


def test_without_a_file_there_is_nothing_to_forget() -> None:
    host = ScriptedHost()
    assert forget_wwid(host, FILE, "3600") == Unchanged()
    assert FILE not in host.files


def test_a_reset_leaves_exactly_these_wwids() -> None:
    host = ScriptedHost(files={FILE: b"/3600/\n#36001/\n"})
    assert reset_wwids(host, FILE, ["36002", "36003"]) == Changed()
    assert host.files[FILE].decode() == f"{WWIDS_HEADER}/36002/\n/36003/\n"
    assert reset_wwids(host, FILE, ["36002", "36003"]) == Unchanged()


def test_a_reset_to_nothing_leaves_the_header() -> None:
    host = ScriptedHost()
    assert reset_wwids(host, FILE, []) == Changed()
    assert host.files[FILE].decode() == WWIDS_HEADER
