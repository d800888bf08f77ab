"""Something that happens to a path between a check's answer and its being taken: the path is asked once more."""

import pytest

from controller.runtime.checking import Checks
from controller.runtime.lanes import Finished
from controller.runtime.telling import PathChange
from observers.snapshot import DeviceName
from tests.service.virtual import Virtual

NAME = DeviceName("sdb")


class Overtaking:
    """Lets something happen to a path just before the next answer of its check is taken."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._take, self.done = Checks.take, False
        monkeypatch.setattr(Checks, "take", lambda checks, finished, *, now: self.take(checks, finished, now))

    def take(self, checks: Checks, finished: Finished, now: float) -> PathChange | None:
        strikes = finished.key == NAME and not self.done
        if strikes:
            self.done = True
            checks.look_now(NAME, now=now)
        return self._take(checks, finished, now=now)


@pytest.mark.parametrize("settled", [0.0, 60.0], ids=["a whole check", "a repeated one"])
def test_a_path_to_which_something_happened_is_asked_at_once(monkeypatch: pytest.MonkeyPatch, settled: float) -> None:
    daemon = Virtual("small")
    daemon.settled()
    daemon.live(settled)
    begun: list[float] = []
    begin = Checks._ask

    def counted(checks: Checks, *arguments: object) -> None:
        if getattr(arguments[0], "name", "") == NAME:
            begun.append(daemon.host.monotonic())
        begin(checks, *arguments)  # type: ignore[arg-type]

    overtaking = Overtaking(monkeypatch)
    monkeypatch.setattr(Checks, "_ask", counted)
    daemon.until(lambda: overtaking.done)
    daemon.live(0.5)
    assert len(begun) == 2
    daemon.live(60.0)
    assert len(begun) <= 2 + 60 / 5
