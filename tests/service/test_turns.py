"""However much happens at once, a turn ends soon, so that clients are answered between two of them."""

from typing import Any

import pytest

from controller.runtime import reconciler
from controller.runtime.lanes import Lanes
from controller.sandbox.big import big_san
from controller.sandbox.host import SandboxHost
from observers.snapshot import DeviceName
from tests.service.virtual import Virtual

MOST = 8
PATHS = 64


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Virtual:
    host = SandboxHost(big_san(PATHS // 4, 4))
    host.replace_file("/etc/multipath.conf", b"defaults {\n\tfind_multipaths greedy\n}\n", mode=0o644)
    made = Virtual(host=host)
    made.settled()
    monkeypatch.setattr(reconciler, "MOST_A_TURN", MOST)
    return made


def test_a_turn_begins_some_checks_and_the_next_ones_the_others(
    daemon: Virtual, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    start = Lanes.start

    def noted(self: Lanes, key: DeviceName, *given: Any, **named: Any) -> bool:
        begun.append(key)
        return start(self, key, *given, **named)

    monkeypatch.setattr(Lanes, "start", noted)
    now = daemon.service.clock()
    for name in daemon.service.world.names:
        daemon.service.checks.look_now(name, now=now)
    for turn in range(1, PATHS // MOST + 1):
        assert daemon.service.reconciler.wake_at is not None
        daemon.service.reconciler.turn(now)
        assert len(begun) == turn * MOST
    assert set(begun) == set(daemon.service.world.names)


def test_all_answers_are_taken_in_the_end(daemon: Virtual) -> None:
    now = daemon.service.clock()
    for name in daemon.service.world.names:
        daemon.service.checks.look_now(name, now=now)
        daemon.host.happen("offline", name)
    daemon.until(
        lambda: not any(active for live in daemon.service.world.maps.values() for active in used(daemon, live.name))
    )


def used(daemon: Virtual, name: str) -> list[bool]:
    """What dm believes of a map's paths."""
    return list(daemon.active(name).values())
