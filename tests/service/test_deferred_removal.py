"""A map in use whose paths are all gone is removed when it is closed; it stays if a path comes back before."""

import pytest

from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import load_scenario
from tests.service.virtual import Virtual

CONFIG = "/etc/multipath.conf"


@pytest.fixture
def daemon() -> Virtual:
    """A daemon with a map in use that is to be removed when it is closed."""
    host = SandboxHost(load_scenario("small"))
    text = host.read_file(CONFIG).replace(b"defaults {", b"defaults {\n\tdeferred_remove yes")
    host.replace_file(CONFIG, text, mode=0o644)
    made = Virtual(host=host)
    made.settled()
    made.live(30)
    host.happen("open", "data")
    for name in made.active("data"):
        host.happen("delete", name)
    made.until(lambda: waits(made))
    made.live(30)
    return made


def waits(daemon: Virtual) -> bool:
    live = daemon.map("data")
    return live is not None and live.deferred_remove


def test_it_goes_when_it_is_closed(daemon: Virtual) -> None:
    assert waits(daemon)
    daemon.host.happen("close", "data")
    daemon.until(lambda: daemon.map("data") is None)


def test_it_stays_when_a_path_comes_back_first(daemon: Virtual) -> None:
    daemon.host.happen("scan", "1")
    daemon.until(lambda: not waits(daemon))
    assert any(event.text == "take back that data is removed when it is closed: done" for event in daemon.events)
    daemon.settled()
    daemon.host.happen("close", "data")
    daemon.live(10)
    assert daemon.map("data") is not None
    assert any(daemon.active("data").values())
