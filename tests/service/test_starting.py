"""When a daemon says that it has started, and what the service manager hears of reloads."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.runtime.starting import Starting
from controller.runtime.systemd import ServiceManager
from tests.programs.hosts import CONFIG, san
from tests.service.virtual import Virtual


class Ear:
    """What a service manager hears."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(0)
        self.manager = ServiceManager(str(path))
        self.close = self._socket.close

    def heard(self) -> list[str]:
        """The first words of what came since the last time, without states in words."""
        found: list[str] = []
        while True:
            try:
                text = self._socket.recv(200).decode("ascii")
            except BlockingIOError:
                return [each for each in found if not each.startswith("STATUS")]
            found.append(text.split("\n", maxsplit=1)[0])


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    made = Ear(tmp_path / "notify")
    yield made
    made.close()


def silent(ear: Ear) -> Virtual:
    """A daemon on a host with a path that gives no answer for minutes."""
    config = CONFIG.replace("find_multipaths off", "find_multipaths off\n\tchecker_timeout 300")
    return Virtual(host=san("now link silent sda\n", config=config), manager=ear.manager)


def test_a_path_that_does_not_answer_delays_the_start_only_for_a_moment(ear: Ear) -> None:
    daemon = silent(ear)
    daemon.until(lambda: "idle" in daemon.ask("show daemon"), within=10)
    assert ear.heard() == ["READY=1"]
    assert len(daemon.service.world.maps) == 2
    daemon.live(400)
    assert ear.heard() == []


def test_a_path_that_does_not_answer_delays_no_command_about_another(ear: Ear) -> None:
    daemon = silent(ear)
    daemon.live(10)
    before = daemon.host.monotonic()
    assert daemon.ask("add path sdc") == "ok\n"
    assert daemon.ask("add map data") == "ok\n"
    assert daemon.host.monotonic() - before < 4


def test_a_reload_while_it_starts_is_no_end_of_the_start(ear: Ear) -> None:
    daemon = silent(ear)
    assert daemon.ask("reconfigure") == "ok\n"
    daemon.until(lambda: any(event.text == "read again and in force" for event in daemon.events))
    assert not daemon.service.world.maps
    assert ear.heard() == []
    daemon.until(lambda: "idle" in daemon.ask("show daemon"), within=20)
    assert len(daemon.service.world.maps) == 2
    assert ear.heard() == ["READY=1"]


def test_a_reload_after_the_start_is_told_with_its_end(ear: Ear) -> None:
    daemon = Virtual("small", manager=ear.manager)
    daemon.settled()
    daemon.live(1)
    assert ear.heard() == ["READY=1"]
    daemon.ask("reconfigure")
    daemon.live(5)
    assert ear.heard() == ["RELOADING=1", "READY=1"]


def test_nobody_is_told_that_a_daemon_is_ready_that_ends_before_it_has_started(ear: Ear) -> None:
    daemon = silent(ear)
    daemon.service.stop()
    daemon.live(10)
    assert ear.heard() == ["STOPPING=1"]


def test_a_reload_that_began_before_the_end_of_the_start_is_not_told_at_all(ear: Ear) -> None:
    starting = Starting(ear.manager, idle=lambda: True)
    starting.reloading(at=0.0)
    assert starting.turn()
    starting.reloaded()
    assert not starting.turn()
    assert ear.heard() == ["READY=1"]
