"""What announcements of transports and changes of their attributes lead to."""

import pytest

from controller.runtime.checking import Checks
from controller.sandbox.host import SandboxHost
from observers.kernel.transport_event import Transport, TransportEvent
from observers.snapshot import DeviceName
from tests.service.virtual import Virtual
from tests.tunables import hosts


@pytest.fixture
def daemon() -> Virtual:
    made = Virtual("small")
    made.settled()
    return made


@pytest.mark.parametrize("kind", ["loop reset", "link down", "link up", "state change notification", "event 0x7777"])
def test_whatever_a_fibre_channel_host_announces_has_its_paths_checked_now(
    daemon: Virtual, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    looked: list[DeviceName] = []
    monkeypatch.setattr(Checks, "look_now", lambda _self, name, **_: looked.append(name))
    world = daemon.service.world
    paths = [path for name in world.names if (path := world.path(name)) is not None and path.address is not None]
    hosts = {path.address.host for path in paths if path.address is not None}
    assert len(hosts) > 1
    for host in hosts:
        looked.clear()
        event = TransportEvent(transport=Transport.FC, host=host, kind=kind)
        daemon.service.noticer.transport_events([event], now=daemon.host.monotonic())
        assert looked == [path.name for path in paths if path.address is not None and path.address.host == host]


# ---- timeouts of a port that was away when they were to be written

AWAY, OTHER = "plain/200200a098d0b001", "/sys/class/fc_remote_ports/rport-2:0-0"
RPORT = "/sys/class/fc_remote_ports/rport-1:0-0"


def timeouts(host: SandboxHost, rport: str) -> tuple[str, str]:
    return hosts.text(host, f"{rport}/fast_io_fail_tmo"), hosts.text(host, f"{rport}/dev_loss_tmo")


def test_timeouts_that_a_port_could_not_take_while_it_was_away_are_written_when_it_is_back() -> None:
    host = hosts.host(defaults="fast_io_fail_tmo 4\ndev_loss_tmo 300")
    daemon = Virtual(host=host)
    daemon.until(lambda: timeouts(host, RPORT) == timeouts(host, OTHER) == ("4", "300"))
    daemon.settled()
    host.happen("port-down", AWAY)
    daemon.live(20)
    text = host.read_file("/etc/multipath.conf").replace(b"fast_io_fail_tmo 4", b"fast_io_fail_tmo 7")
    host.replace_file("/etc/multipath.conf", text.replace(b"dev_loss_tmo 300", b"dev_loss_tmo 400"), mode=0o644)
    daemon.ask("reconfigure")
    daemon.until(lambda: timeouts(host, OTHER) == ("7", "400"))
    daemon.live(20)
    assert timeouts(host, RPORT) == ("4", "300")
    host.happen("port-up", AWAY)
    daemon.until(lambda: timeouts(host, RPORT) == ("7", "400"))
