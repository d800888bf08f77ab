"""Looking at everything again, after events were lost: a few devices a turn, so that nobody waits for all of them."""

import pytest

from controller.runtime import looking
from observers.snapshot import DeviceName
from tests.service.instant import Heart
from tests.service.virtual import Virtual

FEW = 2


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "SLICE", FEW)


class Turns:
    """A heart at rest, of which each look at a device is noted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.heart = Heart("small")
        self.heart.run(30)
        self.seen: list[str] = []
        refresh = self.heart.world.refresh_path

        def noting(name: DeviceName) -> object:
            self.seen.append(name)
            return refresh(name)

        monkeypatch.setattr(self.heart.world, "refresh_path", noting)

    def turn(self) -> list[str]:
        """What was looked at in one turn."""
        self.seen.clear()
        self.heart.reconciler.turn(self.heart.host.monotonic())
        return list(self.seen)

    def turns(self) -> list[list[str]]:
        """The same, until all was looked at."""
        found = []
        while self.heart.reconciler.looking:
            found.append(self.turn())
        return found


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Turns:
    return Turns(monkeypatch)


def test_everything_is_looked_at_once_and_never_much_of_it_in_one_turn(turns: Turns) -> None:
    turns.heart.reconciler.look_at_everything()
    found = turns.turns()
    names = [name for each in found for name in each]
    assert max(map(len, found)) == FEW
    assert set(names) >= set(turns.heart.world.names)
    assert len(names) == len(set(names))


def test_the_turns_follow_each_other_at_once(turns: Turns) -> None:
    turns.heart.reconciler.look_at_everything()
    turns.turn()
    assert turns.heart.reconciler.wake_at == 0.0
    assert not turns.heart.reconciler.at_rest(None)


def test_an_event_meanwhile_comes_first_and_saves_the_later_look(turns: Turns) -> None:
    turns.heart.reconciler.look_at_everything()
    turns.turn()
    last = list(turns.heart.world.names)[-1]
    turns.heart.reconciler.look_at_path(last)
    assert turns.turn()[0] == last
    assert not any(last in each for each in turns.turns())


def test_what_happened_to_a_path_that_was_looked_at_already_is_not_overlooked(turns: Turns) -> None:
    reconciler = turns.heart.reconciler
    reconciler.look_at_everything()
    first = next(name for name in iter(lambda: turns.turn()[0], "") if name in turns.heart.world.names)
    turns.heart.host.happen("delete", first)
    reconciler.look_at_path(DeviceName(first))
    turns.turns()
    turns.heart.settle()
    assert first not in turns.heart.world.names


def test_events_that_are_lost_meanwhile_begin_it_anew_after_its_end(turns: Turns) -> None:
    reconciler = turns.heart.reconciler
    reconciler.look_at_everything()
    first = turns.turn()
    reconciler.look_at_everything()
    names = [name for each in turns.turns() for name in each]
    assert names.count(first[0]) == 1
    assert len(names) >= 2 * len(turns.heart.world.names) - FEW


def test_lost_events_all_the_time_do_not_keep_everything_from_being_decided_on(turns: Turns) -> None:
    host, reconciler = turns.heart.host, turns.heart.reconciler
    host.happen("delete", "sdb")
    for _ in range(100):
        reconciler.look_at_everything()
        turns.turn()
    assert "sdb" not in turns.heart.active("data")


def test_nothing_is_decided_on_everything_while_half_of_it_is_unknown(turns: Turns) -> None:
    host, reconciler = turns.heart.host, turns.heart.reconciler
    host.happen("delete", "sdb")
    reconciler.look_at_everything()
    number = reconciler.witness.recorder.entries
    turns.turn()
    reconciler.decide_on_everything(now=host.monotonic())
    turns.turn()
    assert reconciler.looking
    assert reconciler.witness.recorder.entries == number
    turns.turns()
    turns.heart.settle()
    assert "sdb" not in turns.heart.active("data")


def test_a_path_that_fails_meanwhile_is_failed_meanwhile(turns: Turns) -> None:
    host, reconciler = turns.heart.host, turns.heart.reconciler
    host.happen("offline", "sdb")
    reconciler.look_at_everything()
    turns.turn()
    reconciler.look_at_path(DeviceName("sdb"))
    while turns.heart.active("data")["sdb"]:
        assert reconciler.looking, "it waited for the end"
        turns.turn()


def test_a_map_of_which_an_event_was_lost_is_taken_note_of(turns: Turns) -> None:
    """A path that the kernel failed is fenced, whoever tells of it."""
    turns.heart.host.happen("message", "data", "fail_path", "8:16")
    turns.heart.reconciler.look_at_everything()
    turns.turns()
    assert any("kernel failed" in event.reason for event in turns.heart.told())


def test_one_device_that_meets_a_defect_does_not_keep_the_others_from_being_looked_at(
    turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh = turns.heart.world.refresh_path

    def broken(name: DeviceName) -> object:
        if name == "sdc":
            raise KeyError("nobody foresaw this")
        return refresh(name)

    monkeypatch.setattr(turns.heart.world, "refresh_path", broken)
    turns.heart.host.happen("delete", "sdd")
    turns.heart.reconciler.look_at_everything()
    turns.turns()
    assert "sdd" not in turns.heart.world.names
    assert any("looking at sdc" in event.text for event in turns.heart.told())


def test_clients_are_answered_meanwhile() -> None:
    daemon = Virtual("small")
    daemon.settled()
    daemon.service.reconciler.look_at_everything()
    assert "sdb" in daemon.ask("show paths")
    assert daemon.service.reconciler.looking
    daemon.settled()
