"""Regular checks of a whole daemon: what they cost when nothing happens, and that they miss nothing."""

import pytest

from controller.runtime import checking
from controller.runtime.judging import Judge
from tests.service.virtual import Virtual


@pytest.fixture
def daemon() -> Virtual:
    made = Virtual("small")
    made.settled()
    made.live(120)
    return made


def test_a_check_that_finds_the_same_is_not_judged_again(daemon: Virtual, monkeypatch: pytest.MonkeyPatch) -> None:
    def judged(*_: object, **__: object) -> None:
        raise AssertionError("it was judged")

    monkeypatch.setattr(Judge, "reading", judged)
    before = number_of_checks(daemon)
    daemon.live(120)
    assert number_of_checks(daemon) > before
    assert not [event for event in daemon.events if "was judged" in str(event)]


def number_of_checks(daemon: Virtual) -> int:
    """As the metrics have it."""
    (line,) = [line for line in daemon.service.counts.checks.lines("checks") if line.startswith("checks_count")]
    return int(line.split()[-1])


def test_regular_checks_begin_together(daemon: Virtual, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = set()
    begin = checking.Checks.begin

    def noted(self: checking.Checks, now: float, **named: int) -> object:
        before = self.wake_at
        if before is not None and before <= now:
            begun.add(now)
        return begin(self, now, **named)

    monkeypatch.setattr(checking.Checks, "begin", noted)
    daemon.live(60)
    assert begun
    assert {now % 0.5 for now in begun} <= {0.0}
