"""Which attributes are seen of a path, by its place in sysfs."""

import pytest

from controller.sandbox.san import Transport
from observers.dmtable import DevT, Sectors
from observers.reading import Reader
from observers.snapshot import Bus, DeviceName, Path
from observers.tunables import observe
from tests.observers.fake_host import FakeHost
from tests.tunables import hosts


def seen(transport: Transport) -> dict[str, str]:
    path = next(each for each in hosts.decide(hosts.host(transport)).snapshot.paths if each.name == "sda")
    return {each.file.rpartition("/")[2]: each.value for each in path.tunables}


OF_ALL = {"max_sectors_kb": "1280", "eh_deadline": "off", "max_retries": "5"}


@pytest.mark.parametrize(
    ("transport", "own"),
    [
        (Transport.FC, {"port_state": "Online", "fast_io_fail_tmo": "5", "dev_loss_tmo": "60"}),
        (Transport.ISCSI, {"state": "LOGGED_IN", "recovery_tmo": "120"}),
        (Transport.SAS, {"I_T_nexus_loss_timeout": "2000"}),
        (Transport.PSEUDO, {}),
    ],
)
def test_each_transport_has_its_own(transport: Transport, own: dict[str, str]) -> None:
    assert seen(transport) == OF_ALL | own


def test_files_are_named_below_sys_devices() -> None:
    path = next(each for each in hosts.decide(hosts.host()).snapshot.paths if each.name == "sda")
    assert {each.file for each in path.tunables if "rport" in each.file.rpartition("/")[0].rpartition("/")[2]} == {
        f"/sys/devices/pci0000:00/0000:00:03.0/host1/rport-1:0-0/fc_remote_ports/rport-1:0-0/{name}"
        for name in ("port_state", "fast_io_fail_tmo", "dev_loss_tmo")
    }


def test_what_a_driver_does_not_have_is_no_gap() -> None:
    sysfs = "/sys/devices/virtual/nvme-fabrics/ctl/nvme0/nvme0n1"
    host = FakeHost(files={f"{sysfs}/queue/max_sectors_kb": b"1024\n"})
    reader = Reader(host, "nvme0n1")
    path = Path(name=DeviceName("nvme0n1"), dev=DevT("259:0"), size=Sectors(8), bus=Bus.NVME, sysfs=sysfs)
    found = observe(reader, path)
    assert [(each.file, each.value) for each in found] == [(f"{sysfs}/queue/max_sectors_kb", "1024")]
    assert reader.gaps == []
