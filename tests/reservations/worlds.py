"""A daemon whose map `data` has a reservation key, and the hands of a cluster's tool: what mpathpersist does itself."""

from dataclasses import replace

from controller.sandbox.host import SandboxHost
from controller.sandbox.registrations import Registrations
from controller.sandbox.san import FileSpec
from controller.sandbox.scenario import load_scenario
from observers.kernel import reservation
from observers.snapshot import DeviceName
from tests.service.virtual import Virtual

WWID = "3600a098038304479363f4c4934526b00"
KEY = 0xABC123
DEVICES = ("sdb", "sdd", "sdj", "sdl")
PRKEYS = "/etc/multipath/prkeys"


def host_with(setting: str, files: tuple[FileSpec, ...] = ()) -> SandboxHost:
    """The small host, its map `data` with a `reservation_key` (empty: without)."""
    scenario = load_scenario("small")
    key = f"reservation_key {setting}\n" if setting else ""
    text = scenario.files[0].text.replace("alias data\n", f"alias data\n{key}")
    configured = replace(scenario.files[0], text=text)
    return SandboxHost(replace(scenario, files=(configured, *files)))


def daemon(setting: str = "0xabc123", files: tuple[FileSpec, ...] = (), *, host: SandboxHost | None = None) -> Virtual:
    """A daemon that has looked at everything. `host`: one that is there already."""
    made = Virtual(host=host or host_with(setting, files))
    made.settled()
    made.live(10)
    return made


def unit(host: SandboxHost) -> Registrations:
    """What the array keeps for the map `data`."""
    disk = host.kernel.disk(DeviceName("sdb"))
    assert disk is not None
    found = disk.array.units[0].registrations
    assert found is not None
    return found


def registered(host: SandboxHost) -> dict[str, int]:
    """The keys by the paths of this host."""
    keys = unit(host).keys
    disks = {name: host.kernel.disk(DeviceName(name)) for name in DEVICES}
    found = {name: disk.nexus.registrant for name, disk in disks.items() if disk is not None}
    return {name: keys[who] for name, who in found.items() if who in keys}


def register(host: SandboxHost, *names: str, key: int = KEY) -> None:
    """What mpathpersist sends through each path."""
    for name in names or DEVICES:
        reply = host.scsi_register(DeviceName(name), reservation.parameters(key, aptpl=False), timeout=1)
        assert reply.status == 0


def fence(host: SandboxHost, key: int = KEY) -> None:
    """Another host takes this one's registrations away."""
    disk = host.kernel.disk(DeviceName("sdb"))
    assert disk is not None
    disk.array.preempt(0, "another host", key)


def number(host: SandboxHost, name: str) -> str:
    """The device number of a path."""
    disk = host.kernel.disk(DeviceName(name))
    assert disk is not None
    return str(disk.dev)
