"""Fibre Channel: real hosts, remote ports, their events and timeouts, over Ethernet between cards of the machine.

Paths are checked once a minute only, so what is found out much sooner was told by the kernel. Two ports, two disks;
each test leaves both links up and all paths in use.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.real_kernel import rigs
from tests.real_kernel.daemon import Daemon, running
from tests.real_kernel.guest import Guest

pytestmark = [pytest.mark.vm, pytest.mark.long]

PATHS = 2
LUN, FOREIGN = 1, 2
NAMES = [rigs.fc_name(disk) for disk in range(2)]
NAME = NAMES[LUN]
READ = f"dd if=/dev/mapper/{NAME} of=/dev/null bs=64k count=4 iflag=direct status=none"

FAST_FAIL, DEV_LOSS = 3, 90
"""Seconds: not what a remote port has at first, which is `off` and 60."""

SOON = 30.0
"""Seconds: long before all of four paths that are checked once a minute would have been found out by that."""


def config(*, fast_fail: int = FAST_FAIL, dev_loss: int = DEV_LOSS) -> str:
    """The configuration with these timeouts."""
    timeouts = f"\tfast_io_fail_tmo {fast_fail}\n\tdev_loss_tmo {dev_loss}\n\tno_path_retry fail\n"
    defaults = rigs.CONFIG.replace("defaults {", "defaults {\n\tpolling_interval 60\n\tmax_polling_interval 60")
    return f"{defaults}overrides {{\n{timeouts}}}\n"


@pytest.fixture(scope="module")
def daemon(lasting: Callable[[str], Guest]) -> Iterator[Daemon]:
    guest = lasting("6.1")
    guest.configure(config())
    rigs.fcoe(guest, disks=2, paths=PATHS)
    with running(guest) as made:
        yield made


@pytest.fixture(autouse=True)
def whole(daemon: Daemon) -> Iterator[None]:
    """Each test begins and ends with all paths in use."""
    wait_whole(daemon)
    yield
    wait_whole(daemon)


def wait_whole(daemon: Daemon) -> None:
    for name in NAMES:
        daemon.wait_paths(name, PATHS)


class Port:
    """Our port of a path, and the remote port that it sees."""

    def __init__(self, guest: Guest, path: int) -> None:
        self.guest, self.path = guest, path
        self.host = int(guest.sh(f"rig-fcoe host {path}"))
        self.rport = f"/sys/class/fc_remote_ports/rport-{self.host}:0-0"

    def device(self, lun: int) -> str:
        """The number of the disk that a LUN is."""
        return self.guest.numbers()[self.host, lun]

    @contextmanager
    def away(self, daemon: Daemon) -> Iterator[None]:
        """The link is down for a while. First the remote port is waited for, then its I/O fails."""
        self.guest.sh(f"rig-fcoe carrier {self.path} down")
        try:
            yield
        finally:
            self.guest.sh(f"rig-fcoe carrier {self.path} up")
        daemon.wait_until(f"grep -qx Online {self.rport}/port_state")

    def timeouts(self, fast_fail: int, dev_loss: int) -> str:
        """Shell for whether it has these."""
        values = {"fast_io_fail_tmo": fast_fail, "dev_loss_tmo": dev_loss}
        return " && ".join(f"grep -qx {value} {self.rport}/{name}" for name, value in values.items())


@pytest.fixture
def port(daemon: Daemon) -> Port:
    return Port(daemon.guest, 1)


def heard(daemon: Daemon) -> int:
    """How many announcements of transports the daemon got."""
    (line,) = (each for each in daemon.ask("list metrics").splitlines() if each.startswith("mpath_transport_events_t"))
    return int(line.rpartition(" ")[2])


def test_maps_over_two_ports_and_the_names_of_both_ends(daemon: Daemon) -> None:
    ports = {path: Port(daemon.guest, path) for path in (1, 2)}
    for lun, name in enumerate(NAMES):
        groups = daemon.guest.maps()[name].groups
        assert groups == [{ports[path].device(lun)} for path in (1, 2)]
    shown = daemon.ask("show paths raw format '%i %P %N %R %n %r %a'").splitlines()
    assert sorted(shown) == sorted(
        f"{ports[path].host}:0:0:{lun} scsi:fcp"
        f" 0x100002fc0000010{path} 0x200002fc0000010{path} 0x100002fc0000020{path} 0x200002fc0000020{path} [undef]"
        for path in (1, 2)
        for lun in range(2)
    )


def test_a_link_that_goes_down_is_heard_and_its_paths_fail_long_before_they_are_due(daemon: Daemon, port: Port) -> None:
    before, devices = heard(daemon), [port.device(lun) for lun in range(2)]
    with port.away(daemon):
        failed = " && ".join(
            f"dmsetup status --noflush {name} | grep -q ' {device} F '"
            for name, device in zip(NAMES, devices, strict=True)
        )
        daemon.guest.machine.wait_until(failed, timeout=SOON)
        assert heard(daemon) > before
        assert daemon.guest.sh(f"cat {port.rport}/port_state").strip() == "Blocked"
        daemon.guest.sh(READ)
    for name, device in zip(NAMES, devices, strict=True):
        daemon.wait_path(name, device, works=True)
    daemon.guest.assert_settled()


def test_a_lun_that_is_another_disk_when_the_link_is_back_is_not_let_in(daemon: Daemon, port: Port) -> None:
    device, mark = port.device(LUN), daemon.mark()
    with port.away(daemon):
        daemon.wait_path(NAME, device, works=False)
        daemon.guest.sh(f"rig-fcoe unlink 1 {LUN}; rig-fcoe link 1 {LUN} {FOREIGN}")
    daemon.wait_told(f"its device says that it is {rigs.fc_name(FOREIGN)}", since=mark)
    daemon.wait_path(NAMES[0], port.device(0), works=True)
    assert f" {device} A " not in daemon.guest.maps()[NAME].status
    with port.away(daemon):
        daemon.guest.sh(f"rig-fcoe unlink 1 {LUN}; rig-fcoe link 1 {LUN} {LUN} ao")
    daemon.wait_path(NAME, device, works=True)


def test_timeouts_are_written_to_the_remote_ports_in_an_order_that_the_kernel_takes(daemon: Daemon) -> None:
    ports = [Port(daemon.guest, path) for path in (1, 2)]
    for fast_fail, dev_loss in ((FAST_FAIL, DEV_LOSS), (120, 300), (5, 30), (FAST_FAIL, DEV_LOSS)):
        daemon.guest.configure(config(fast_fail=fast_fail, dev_loss=dev_loss))
        daemon.ask("reconfigure")
        daemon.wait_until(" && ".join(each.timeouts(fast_fail, dev_loss) for each in ports))


def test_timeouts_wait_for_a_port_that_is_away(daemon: Daemon, port: Port) -> None:
    with port.away(daemon):
        daemon.wait_path(NAME, port.device(LUN), works=False)
        daemon.guest.configure(config(fast_fail=2, dev_loss=100))
        daemon.ask("reconfigure")
        daemon.wait_until(Port(daemon.guest, 2).timeouts(2, 100))
        assert daemon.guest.run(port.timeouts(FAST_FAIL, DEV_LOSS)).status == 0
    daemon.wait_until(port.timeouts(2, 100))
    daemon.guest.configure(config())
    daemon.ask("reconfigure")
    daemon.wait_until(port.timeouts(FAST_FAIL, DEV_LOSS))


def test_a_port_that_is_lost_takes_its_paths_out_and_brings_them_back(daemon: Daemon, port: Port) -> None:
    daemon.guest.sh(f"echo 10 > {port.rport}/dev_loss_tmo")
    with port.away(daemon):
        for name in NAMES:
            daemon.wait_paths(name, PATHS - 1)
        daemon.guest.sh(READ)
    wait_whole(daemon)
    daemon.guest.assert_settled()
    daemon.wait_until(port.timeouts(FAST_FAIL, DEV_LOSS))
