"""A map waits for what all its paths say before its groups are made anew; and for nothing else."""

import pytest

from controller.runtime.gathering import PATIENCE, Gathering
from observers.snapshot import DeviceName, Wwid
from tests.service.virtual import Virtual

MAP = Wwid("3600a")
A, B = DeviceName("sda"), DeviceName("sdb")


def test_a_map_waits_until_its_paths_have_answered() -> None:
    gathering = Gathering()
    gathering.begin(MAP, [A, B], now=100.0)
    assert set(gathering.maps) == {MAP}
    gathering.answered(A)
    assert gathering.over(100.1) == []
    gathering.answered(B)
    assert gathering.due() == 0.0
    assert gathering.over(100.1) == [MAP]
    assert not gathering.maps
    assert gathering.due() is None


def test_a_path_that_says_nothing_keeps_its_map_for_a_moment_only() -> None:
    gathering = Gathering()
    gathering.begin(MAP, [A], now=100.0)
    assert gathering.due() == 100.0 + PATIENCE
    assert gathering.over(100.0 + PATIENCE) == [MAP]


def test_an_answer_of_another_map_changes_nothing() -> None:
    gathering = Gathering()
    gathering.begin(MAP, [A], now=100.0)
    gathering.answered(B)
    assert gathering.over(100.1) == []


def told(daemon: Virtual, text: str) -> int:
    """How often that was told so far."""
    return sum(1 for event in daemon.events if text in event.text)


def swapping(daemon: Virtual) -> None:
    """The array moves the unit to its other controller."""
    daemon.host.happen("alua", "ontap:1001", "active/optimized", "ontap:0")
    daemon.host.happen("alua", "ontap:1000", "active/non-optimized", "ontap:0")


@pytest.fixture
def daemon() -> Virtual:
    made = Virtual("small")
    made.settled()
    return made


def test_when_port_groups_swap_their_states_the_map_changes_its_group_and_loads_no_table(daemon: Virtual) -> None:
    loaded = told(daemon, "load into")
    swapping(daemon)
    daemon.until(lambda: told(daemon, "switch data to group 2") == 1, within=30)
    daemon.live(30)
    assert told(daemon, "switch data") == 1
    assert told(daemon, "load into") == loaded


def test_all_paths_are_asked_when_one_has_another_rank(daemon: Virtual) -> None:
    swapping(daemon)
    daemon.until(lambda: told(daemon, "answers anew") > 0, within=30)
    took = daemon.until(lambda: told(daemon, "answers anew") == 4, within=30)
    assert took < PATIENCE


def test_a_path_that_fails_while_its_map_waits_is_failed_at_once(daemon: Virtual) -> None:
    daemon.host.happen("link", "silent", "sdl")
    swapping(daemon)
    daemon.until(lambda: told(daemon, "answers anew") > 0, within=30)
    daemon.host.happen("offline", "sdd")
    assert daemon.until(lambda: daemon.active("data").get("sdd") is False) < PATIENCE


def test_a_path_that_is_silent_does_not_keep_the_others_from_changing_groups(daemon: Virtual) -> None:
    daemon.host.happen("link", "silent", "sdb")
    swapping(daemon)
    daemon.until(lambda: told(daemon, "answers anew") > 0, within=30)
    assert daemon.until(lambda: told(daemon, "load into") + told(daemon, "switch data") > 0) < 2 * PATIENCE
