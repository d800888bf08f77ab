"""Clients are served in the midst of a long decision, are told how old that is, and can't change anything then."""

from collections.abc import Callable

import pytest

from controller.runtime import breaths
from controller.runtime.breaths import LONGEST, Breaths
from controller.runtime.cycle import Decision
from controller.runtime.server import Asked
from tests.service.virtual import Virtual

NO_PATIENCE = 0.0


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Virtual:
    """A daemon in which every good moment is a breath, for virtual time stands still meanwhile."""
    monkeypatch.setattr(breaths, "EVERY", NO_PATIENCE)
    made = Virtual("small")
    made.settled()
    made.live(30)
    return made


class Meanwhile:
    """A client that asks, once, while everything is decided on. `before`: what was answered when that was over."""

    def __init__(self, daemon: Virtual, monkeypatch: pytest.MonkeyPatch, *texts: str, uid: int = 0) -> None:
        self._daemon, self._texts, self._uid = daemon, list(texts), uid
        self._decides = False
        self.before: dict[int, str] | None = None
        self._everything = daemon.service.decider.everything
        monkeypatch.setattr(daemon.service.decider, "everything", self._deciding)
        daemon.answers.in_breath = self._breath

    def _deciding(self, *arguments: object, **others: object) -> Decision:
        self._decides = True
        decision = self._everything(*arguments, **others)  # type: ignore[arg-type]  # as it was called
        self._decides = False
        if self.before is None:
            self.before = dict(self._daemon.answers.replies)
        return decision

    def _breath(self, _until: float) -> None:
        if self._decides and self._texts:
            ticket = -len(self._texts)
            self._daemon.service.asked(Asked(1, ticket, self._uid, self._texts.pop(0)))

    def decide(self) -> dict[int, str]:
        """Have everything decided on; what was answered before that was over. The last request has the number -1."""
        service = self._daemon.service
        service.reconciler.decide_on_everything(now=service.clock())
        self._daemon.until(lambda: self.before is not None)
        assert self.before is not None
        return self.before


def test_a_question_is_answered_before_the_decision_is_over(daemon: Virtual, monkeypatch: pytest.MonkeyPatch) -> None:
    known = daemon.ask("show maps json")
    answered = Meanwhile(daemon, monkeypatch, "show maps json").decide()
    assert answered[-1] == known


@pytest.mark.parametrize("question", ["show daemon", "show metrics", "show events", "show md", "show topology"])
def test_questions_of_every_kind_are_answered_meanwhile(
    daemon: Virtual, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    assert Meanwhile(daemon, monkeypatch, question).decide()[-1]


def test_the_answer_says_how_old_it_is(daemon: Virtual, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon.service.world.looked_at = daemon.host.monotonic() - 7
    monkeypatch.setattr(daemon.service.reconciler, "_look", lambda _now: None)
    assert Meanwhile(daemon, monkeypatch, "show age").decide()[-1].startswith("age 7.")


def test_what_is_ordered_is_done_when_the_turn_is_over(daemon: Virtual, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = Meanwhile(daemon, monkeypatch, "fail path sdb").decide()
    assert -1 not in answered
    daemon.until(lambda: daemon.answers.replies.get(-1) == "ok\n")
    daemon.until(lambda: daemon.active("data")["sdb"] is False)


def test_what_is_ordered_does_not_keep_questions_waiting(daemon: Virtual, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = Meanwhile(daemon, monkeypatch, "fail path sdb", "show daemon").decide()
    assert -2 not in answered
    assert answered[-1].startswith("pid ")


def test_who_may_not_order_is_told_so_meanwhile(daemon: Virtual, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = Meanwhile(daemon, monkeypatch, "fail path sdb", uid=1000).decide()
    assert "permission deny" in answered[-1]


def test_whoever_was_told_that_an_order_is_done_is_shown_that_also_meanwhile(
    daemon: Virtual, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.ask("show paths")
    assert daemon.ask("fail path sdb") == "ok\n"
    answered = Meanwhile(daemon, monkeypatch, 'show paths raw format "%d %t"').decide()
    assert "sdb failed" in answered[-1]


def test_a_defect_in_a_breath_ends_neither_the_decision_nor_the_service(
    daemon: Virtual, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile = Meanwhile(daemon, monkeypatch)
    breath = daemon.answers.in_breath

    def broken(until: float) -> None:
        raise RuntimeError("nobody foresaw this")

    daemon.answers.in_breath = broken
    last = daemon.service.reconciler.last
    meanwhile.decide()
    assert daemon.service.reconciler.last is not last
    assert any("clients that were served meanwhile" in event.text for event in daemon.events)
    daemon.answers.in_breath = breath
    assert daemon.ask("show daemon").startswith("pid ")


def test_a_reply_with_a_defect_is_a_failure_of_that_request(daemon: Virtual, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object, **_others: object) -> object:
        raise RuntimeError("no state")

    monkeypatch.setattr(daemon.service.portraitist, "state", broken)
    assert Meanwhile(daemon, monkeypatch, "show paths", "show daemon").decide()[-2] == "fail\n"


# ---- breaths by themselves


class Work:
    """A clock that is moved by hand, and who is served."""

    def __init__(self) -> None:
        self.now = 100.0
        self.served: list[float] = []
        self.defects: list[BaseException] = []
        self.takes = 0.0
        self.breaths = Breaths(lambda: self.now, on_defect=lambda _what, error: self.defects.append(error))
        self.breaths.serve_by(self.serve)

    def serve(self, until: float) -> None:
        self.served.append(until)
        self.now += self.takes


def test_a_breath_does_not_draw_another() -> None:
    work = Work()

    def ill_behaved(until: float) -> None:
        work.serve(until)
        work.breaths()

    work.breaths.serve_by(ill_behaved)
    work.breaths()
    assert len(work.served) == 1
    assert not work.breaths.drawn


def test_most_good_moments_are_no_breath() -> None:
    work = Work()
    for _ in range(100):
        work.breaths()
        work.now += breaths.EVERY / 10
    assert 9 <= len(work.served) <= 11


def test_the_work_gets_as_much_time_as_clients_who_never_stop() -> None:
    work = Work()
    work.takes, began = 4 * breaths.EVERY, work.now
    for _ in range(2000):
        work.now += breaths.EVERY / 10
        work.breaths()
    served = len(work.served) * work.takes
    assert served > breaths.CREDIT
    assert served <= work.now - began - served + breaths.CREDIT + work.takes


def test_who_asks_now_and_then_need_not_wait_for_what_was_served_before() -> None:
    work = Work()
    work.takes = breaths.CREDIT / 2
    work.breaths()
    work.now += breaths.EVERY
    work.breaths()
    assert len(work.served) == 2


def test_clients_are_told_when_the_breath_is_over() -> None:
    work = Work()
    work.breaths()
    assert work.served == [100.0 + LONGEST]


def test_nobody_is_served_before_there_are_clients() -> None:
    defects: list[Callable[[], None]] = []
    Breaths(lambda: 0.0, on_defect=lambda _what, _error: defects.append(lambda: None))()
    assert not defects
