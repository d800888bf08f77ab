"""A configuration is read and understood by a worker; the loop only puts it in force."""

import errno
from collections.abc import Callable

import pytest

from controller.runtime.daemon import DaemonOptions, log_of
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


def loads(daemon: Virtual) -> list[int]:
    """How often each map's table was loaded."""
    return [int(text) for text in daemon.ask('show maps raw format "%2"').split()]


@pytest.mark.parametrize(
    ("first", "second"), [(False, True), (True, False)], ids=["asked for meanwhile", "asked for by the one that failed"]
)
def test_that_every_map_is_to_be_loaded_is_not_forgotten_with_a_reading_that_failed(
    *, first: bool, second: bool
) -> None:
    daemon = Virtual("small")
    daemon.settled()
    daemon.live(20)
    before = loads(daemon)
    daemon.host.faults.fail_read("/etc/multipath.conf", errno.EIO, count=1)
    daemon.service.reconfigure(everything=first)
    daemon.service.reconfigure(everything=second)
    daemon.until(lambda: any(event.text == "read again and in force" for event in daemon.events))
    daemon.live(10)
    assert all(now > then for now, then in zip(loads(daemon), before, strict=True))


def test_that_every_map_is_to_be_loaded_ends_with_a_reading_that_failed() -> None:
    daemon = Virtual("small")
    daemon.settled()
    daemon.live(20)
    before = loads(daemon)
    daemon.host.faults.fail_read("/etc/multipath.conf", errno.EIO, count=1)
    for everything in (True, False):
        daemon.service.reconfigure(everything=everything)
        daemon.live(10)
    assert loads(daemon) == before


@pytest.mark.parametrize(
    ("given", "verbosity"), [(None, 4), (1, 1)], ids=["as configured", "as the command line says"]
)  # fmt: skip
def test_the_verbosity_follows_the_configuration_unless_the_command_line_says_it(
    given: int | None, verbosity: int
) -> None:
    virtual = Virtual("small")
    log = log_of(DaemonOptions(stamped=False, verbosity=given), virtual.service, {})
    virtual.settled()
    config = virtual.host.read_file("/etc/multipath.conf")
    more = config.replace(b"defaults {", b"defaults {\n\tverbosity 4\n")
    assert more != config
    virtual.host.replace_file("/etc/multipath.conf", more, mode=0o644)
    virtual.ask("reconfigure")
    virtual.until(lambda: any(event.text == "read again and in force" for event in virtual.events))
    log.close()
    assert log.verbosity == verbosity
