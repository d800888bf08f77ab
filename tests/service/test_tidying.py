"""Garbage is collected in quiet moments, and soon when there is much of it; never where Python does it itself."""

import gc
from collections.abc import Iterator

import pytest

from controller.runtime import tidying
from controller.runtime.tidying import EVERY, LATEST, QUIET, Tidying
from tests.service.virtual import Virtual


class Ring:
    """A value that only a collection can end."""

    def __init__(self) -> None:
        self.itself = self


def rings() -> int:
    """How many there are. To ask does not end any."""
    return sum(isinstance(each, Ring) for each in gc.get_objects())


@pytest.fixture(autouse=True)
def nobody_collects() -> Iterator[None]:
    """As in the daemon; and nothing is left of another test."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Time:
    now = 1000.0


@pytest.fixture
def time() -> Time:
    return Time()


def test_it_is_done_now_and_then(time: Time) -> None:
    tidy = Tidying(lambda: time.now)
    assert tidy.due() == 1000.0 + EVERY
    Ring()
    assert rings() == 1
    time.now += EVERY
    tidy.turn(time.now)
    assert rings() == 0
    assert tidy.due() == time.now + EVERY


def test_it_waits_until_nobody_asks(time: Time) -> None:
    tidy = Tidying(lambda: time.now)
    tidy.asked(1000.0 + EVERY - QUIET / 2)
    assert tidy.due() == 1000.0 + EVERY + QUIET / 2


def test_it_does_not_wait_for_ever(time: Time) -> None:
    tidy = Tidying(lambda: time.now)
    tidy.asked(1000.0 + EVERY + LATEST)
    assert tidy.due() == 1000.0 + EVERY + LATEST


def test_it_does_not_wait_when_there_is_much(time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tidying, "MANY", gc.get_count()[0] + 1000)
    tidy = Tidying(lambda: time.now)
    tidy.asked(time.now)
    assert tidy.due() == 1000.0 + EVERY
    kept = [[each] for each in range(2000)]
    assert tidy.due() == 0.0
    tidy.turn(time.now)
    assert tidy.due() == 1000.0 + EVERY, len(kept)


def test_python_does_it_where_that_is_turned_on(time: Time) -> None:
    tidy = Tidying(lambda: time.now)
    gc.enable()
    assert tidy.due() is None


def test_the_service_does_it() -> None:
    daemon = Virtual("small")
    daemon.settled()
    gc.collect()
    Ring()
    daemon.live(EVERY + LATEST + 30)
    assert rings() == 0


def test_a_service_that_lives_leaves_no_garbage() -> None:
    daemon = Virtual("small")
    daemon.settled()
    daemon.live(60)
    gc.collect()
    daemon.live(120)
    daemon.ask("fail path sdb")
    daemon.ask("reconfigure")
    daemon.ask("reinstate path sdb")
    daemon.ask("show topology")
    daemon.settled()
    assert gc.collect() < 100
