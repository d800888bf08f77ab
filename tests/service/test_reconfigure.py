"""A configuration is read and understood by a worker; the loop only puts it in force."""

from collections.abc import Callable

import pytest

from desired.config import load_config
from tests.service.virtual import Virtual


def test_the_loop_does_not_wait_while_a_configuration_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = Virtual("small")
    daemon.settled()
    engine, begun, understood = daemon.service.lanes._engine, list[Callable[[], None]](), list[str]()
    run = engine.run

    def noting(*arguments: object, **others: object) -> object:
        understood.append("in a worker" if inside else "in the loop")
        return load_config(*arguments, **others)  # type: ignore[arg-type]  # handed on

    inside = False

    def worker(call: Callable[[], object]) -> object:
        nonlocal inside
        inside = True
        try:
            return call()
        finally:
            inside = False

    def later(ticket: int, group: str, call: Callable[[], object]) -> None:
        begun.append(lambda: run(ticket, group, lambda: worker(call)))

    monkeypatch.setattr("controller.runtime.configuring.load_config", noting)
    monkeypatch.setattr(engine, "run", later)
    before = daemon.service.decider.config
    assert daemon.ask("reconfigure") == "ok\n"
    daemon.until(lambda: bool(begun))
    daemon.host.happen("offline", "sdb")
    daemon.until(lambda: daemon.active("data")["sdb"] is False)
    assert daemon.service.decider.config is before
    begun.pop()()
    monkeypatch.setattr(engine, "run", run)
    daemon.until(lambda: daemon.service.decider.config is not before)
    assert understood == ["in a worker"]


def test_one_that_can_not_be_used_is_told_with_its_place_and_a_hint() -> None:
    daemon = Virtual("small")
    daemon.settled()
    before = daemon.service.decider.config
    daemon.host.replace_file("/etc/multipath.conf", b"defaults {\n polling_interval 0\n}\n", mode=0o644)
    daemon.service.reconfigure()
    daemon.until(lambda: any("the configuration in force stays" in event.text for event in daemon.events))
    told = next(event for event in daemon.events if "the configuration in force stays" in event.text)
    assert told.text.startswith("/etc/multipath.conf:2:")
    assert daemon.service.decider.config is before
