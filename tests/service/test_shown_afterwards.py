"""What clients are shown right after what they had done, and of what no map has."""

import errno
from dataclasses import replace

import pytest

from desired.model import Verdict
from observers.snapshot import DeviceName, Wwid
from tests.service.virtual import Virtual

ORPHAN = "sda"
"""A disk with one path, whose configuration wants two."""


@pytest.fixture
def daemon() -> Virtual:
    made = Virtual("small")
    made.settled()
    made.live(5)
    return made


def value(daemon: Virtual, letter: str, *, path: str = "", map_: str = "") -> str:
    """What a format's letter shows of a path or a map."""
    kind, key, name = ("paths", "%d", path) if path else ("maps", "%n", map_)
    lines = daemon.ask(f'show {kind} raw format "{key}|%{letter}"').splitlines()
    return dict(line.split("|", 1) for line in lines)[name]


def test_a_map_that_was_suspended_is_shown_so_at_once(daemon: Virtual) -> None:
    assert daemon.ask("suspend map data") == "ok\n"
    assert value(daemon, "t", map_="data") == "suspend"
    assert daemon.ask("resume map data") == "ok\n"
    assert value(daemon, "t", map_="data") == "active"


def test_a_map_that_the_daemon_made_says_so_until_its_table_is_loaded_again(daemon: Virtual) -> None:
    assert value(daemon, "A", map_="data") == "create"
    assert daemon.ask("show map data topology").startswith("create: data (")
    assert daemon.ask("reload map data") == "ok\n"
    assert value(daemon, "A", map_="data") == ""
    assert daemon.ask("show map data topology").startswith("data (")
    assert value(daemon, "A", map_="mpatha") == "create"


def test_after_a_reconfigure_no_map_is_called_new(daemon: Virtual) -> None:
    daemon.ask("reconfigure")
    daemon.live(5)
    assert daemon.ask('show maps raw format "%A"') == "\n" * 4


def test_a_map_that_a_client_wanted_is_not_called_new(daemon: Virtual) -> None:
    wwid = value(daemon, "w", map_="data")
    assert daemon.ask("del map data") == "ok\n"
    assert daemon.ask(f"add map {wwid}") == "ok\n"
    assert value(daemon, "A", map_="data") == ""
    assert value(daemon, "A", map_="mpatha") == "create"


def test_a_map_that_was_there_before_the_daemon_is_not_called_new(daemon: Virtual) -> None:
    later = Virtual(host=daemon.host)
    later.settled()
    assert later.ask('show maps raw format "%A"') == "\n" * 4


def test_the_request_queue_of_a_map_has_a_limit(daemon: Virtual) -> None:
    assert value(daemon, "k", map_="data") == "1280"


def test_a_path_of_no_map_has_a_priority_but_neither_checker_nor_state(daemon: Virtual) -> None:
    assert [value(daemon, letter, path=ORPHAN) for letter in "pcTm"] == ["1", "(null)", "undef", "[orphan]"]
    assert "unchecked           1\nup                  16\n" in daemon.ask("show status")


def test_paths_of_a_map_that_was_removed_have_no_checker_and_count_as_unchecked(daemon: Virtual) -> None:
    assert daemon.ask("del map data") == "ok\n"
    assert [value(daemon, letter, path="sdb") for letter in "pcm"] == ["50", "(null)", "[orphan]"]
    assert "unchecked           5\nup                  12\n" in daemon.ask("show status")


def test_the_time_to_a_check_is_never_more_than_between_two(daemon: Virtual) -> None:
    daemon.live(40)
    daemon.ask("reinstate path sdb")
    tick, interval = map(int, value(daemon, "C", path="sdb").split()[1].split("/"))
    assert 0 < tick <= interval


def test_removing_a_path_of_a_map_that_udev_has_not_looked_at_yet_is_delayed(daemon: Virtual) -> None:
    memory, live = daemon.service.decider.memory, daemon.map("data")
    assert live is not None
    waiting = replace(memory.maps[live.wwid], udev_until=daemon.host.monotonic() + 60)
    daemon.service.decider.memory = replace(memory, maps={**memory.maps, live.wwid: waiting})
    assert daemon.ask("del path sdb") == "delayed\n"
    daemon.until(lambda: "sdb" not in daemon.active("data"), within=120)


def test_a_removed_path_whose_map_cannot_be_loaded_without_it_is_gone_and_leaves_it_as_soon_as_it_can(
    daemon: Virtual,
) -> None:
    daemon.host.faults.fail_ioctl("DM_TABLE_LOAD", errno.EINVAL, count=1000)
    assert daemon.ask("del path sdb") == "map reload error. removed\n"
    assert "sdb" not in daemon.ask('show paths raw format "%d"').split()
    daemon.host.faults.clear()
    daemon.until(lambda: "sdb" not in daemon.active("data"), within=900)


def test_a_path_that_would_enter_a_map_if_it_were_online_is_shown_as_waiting_for_that(daemon: Virtual) -> None:
    assert daemon.ask("del path sdb") == "ok\n"
    daemon.host.happen("offline", "sdb")
    daemon.live(5)
    daemon.ask("add path sdb")
    assert value(daemon, "m", path="sdb") == "[offline]"


def test_a_disk_of_which_nobody_knows_whose_it_is_is_shown_as_such(daemon: Virtual) -> None:
    assert value(daemon, "I", path=ORPHAN) == "ok"
    decider = daemon.service.decider
    nameless = replace(decider.admissions[DeviceName(ORPHAN)], verdict=Verdict.NO_WWID, wwid=Wwid(""))
    decider.admissions[DeviceName(ORPHAN)] = nameless
    decider.changes += 1
    assert [value(daemon, letter, path=ORPHAN) for letter in "wIm"] == ["", "udev-missing", "[orphan]"]


@pytest.mark.parametrize("name", ["data", "3600a098038304479363f4c4934526b00"])
def test_adding_a_map_whose_wwid_is_blacklisted_is_refused_as_such(name: str) -> None:
    daemon = Virtual("small")
    config = daemon.host.read_file("/etc/multipath.conf")
    rule = b"blacklist {\n\twwid 3600a098038304479363f4c4934526b00\n\twwid unheard\n}\n"
    daemon.host.replace_file("/etc/multipath.conf", config + rule, mode=0o644)
    daemon.settled()
    daemon.ask("reconfigure")
    daemon.live(10)
    assert daemon.ask("add map unheard") == "blacklisted\n"
    assert daemon.ask(f"add map {name}") == "blacklisted\n"
    assert daemon.ask("add map unknown") == "fail\n"
