"""NVMe namespaces that the kernel multipaths: what sysfs shows of them, and that none becomes a path."""

import pytest

from observers import nvme
from observers.collect import collect
from observers.dmtable import DevT
from observers.reading import Reader
from observers.snapshot import ForeignMap, ForeignPath
from tests.observers.disks import add_disk, add_scsi
from tests.observers.fake_host import FakeHost

SUBSYSTEM = "/sys/devices/virtual/nvme-subsystem/nvme-subsys0"
CONTROLLERS = "/sys/devices/virtual/nvme-fabrics/ctl"
WWID = "uuid.6b1d0000-0000-4000-8000-000000000001"


def multipathed(*, states: tuple[str, ...] = ("live", "connecting"), ana: bool = True) -> FakeHost:
    """A host as Linux 6.1 shows it with nvme_core.multipath=Y: a namespace behind two TCP controllers."""
    host = FakeHost()
    host.files["/sys/module/nvme_core/parameters/multipath"] = b"Y\n"
    head = {"nsid": "1\n", "wwid": f"{WWID}\n"}
    add_disk(host, f"{SUBSYSTEM}/nvme0n1", "259:1", head)
    host.directories["/sys/class/nvme-subsystem"] = ["nvme-subsys0"]
    host.links["/sys/class/nvme-subsystem/nvme-subsys0"] = SUBSYSTEM
    host.directories[SUBSYSTEM] = ["iopolicy", "model", "nvme0n1", *(f"nvme{n}" for n in range(len(states)))]
    subsystem = {"subsysnqn": "nqn.2026-01.lab:sub1\n", "model": "Linux   \n", "firmware_rev": "6.1.0-56\n"}
    host.files |= {f"{SUBSYSTEM}/{name}": text.encode() for name, text in subsystem.items()}
    for number, state in enumerate(states):
        add_controller(host, number, state, ana=ana)
    return host


def add_controller(host: FakeHost, number: int, state: str, *, ana: bool) -> None:
    place, hidden = f"{CONTROLLERS}/nvme{number}", f"nvme0c{number}n1"
    host.links[f"{SUBSYSTEM}/nvme{number}"] = place
    host.directories[place] = ["address", hidden, "nvme0c9n12", "state"]
    controller = {
        "state": state,
        "model": "Linux   ",
        "firmware_rev": "6.1.0-56",
        "serial": "LAB00000001         ",
        "transport": "tcp",
        "address": f"traddr=127.0.0.1,trsvcid={4420 + number}",
    }
    host.files |= {f"{place}/{name}": f"{text}\n".encode() for name, text in controller.items()}
    add_disk(host, f"{place}/{hidden}", "", {"wwid": f"{WWID}\n", "hidden": "1\n"})
    del host.files[f"{place}/{hidden}/dev"]
    if ana:
        host.files[f"{place}/{hidden}/ana_state"] = b"optimized\n"


def observed(host: FakeHost) -> tuple[ForeignMap, ...]:
    reader = Reader(host, "host")
    found = nvme.observe(reader)
    assert reader.gaps == []
    return found


def path(number: int, state: str, *, ana: str = "optimized") -> ForeignPath:
    return ForeignPath(
        name=f"nvme0c{number}n1",  # type: ignore[arg-type]
        dev=DevT("0:0"),
        head="nvme0n1",  # type: ignore[arg-type]
        wwid=WWID,
        size=131072,  # type: ignore[arg-type]
        state=state,
        ana_state=ana,
        product="Linux",
        revision="6.1.0-56",
        serial="LAB00000001",
        transport="tcp",
        address=f"traddr=127.0.0.1,trsvcid={4420 + number}",
    )


def test_a_namespace_that_the_kernel_multipaths_is_a_foreign_map() -> None:
    (found,) = observed(multipathed())
    assert (found.library, found.name, found.dev, found.wwid) == ("nvme", "nvme0n1", "259:1", WWID)
    assert (found.subsystem, found.namespace, found.size, found.read_only) == ("nqn.2026-01.lab:sub1", 1, 131072, False)
    assert (found.product, found.revision) == ("Linux", "6.1.0-56")
    assert found.paths == (path(0, "live"), path(1, "connecting"))


def test_a_controller_without_ana_shows_no_state() -> None:
    (found,) = observed(multipathed(ana=False))
    assert {each.ana_state for each in found.paths} == {""}


def test_the_adapter_is_the_controllers_pci_device() -> None:
    host = multipathed(states=())
    place = "/sys/devices/pci0000:00/0000:00:1d.0/0000:03:00.0/nvme/nvme3"
    host.directories[SUBSYSTEM].append("nvme3")
    host.links[f"{SUBSYSTEM}/nvme3"] = place
    host.directories[place] = ["nvme0c3n1"]
    (found,) = observed(host)
    assert [each.adapter for each in found.paths] == ["0000:03:00.0"]


def test_without_native_multipath_there_are_none() -> None:
    host = multipathed()
    host.directories[SUBSYSTEM].remove("nvme0n1")
    assert observed(host) == ()


def test_a_kernel_without_nvme_has_none() -> None:
    assert observed(FakeHost()) == ()


@pytest.mark.parametrize("vanished", [f"{SUBSYSTEM}/nvme1", SUBSYSTEM])
def test_what_vanishes_meanwhile_is_left_out(vanished: str) -> None:
    host = multipathed()
    host.links.pop(vanished, None)
    host.directories.pop(vanished, None)
    found = observed(host)
    assert [[each.name for each in one.paths] for one in found] == ([["nvme0c0n1"]] if found else [])


def test_neither_the_namespace_nor_its_hidden_paths_are_paths_and_nothing_is_asked() -> None:
    host = multipathed()
    add_scsi(host)
    snapshot = collect(host)
    assert [each.name for each in snapshot.paths] == ["sda"]
    assert [each.name for each in snapshot.foreign_maps] == ["nvme0n1"]
    assert not [subject for call, subject in host.asked if call == "nvme_inquire"]
