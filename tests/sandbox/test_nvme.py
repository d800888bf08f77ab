"""NVMe in the sandbox: what its kernel shows and answers, with and without native multipathing."""

import errno
from collections.abc import Callable

import pytest

from controller.sandbox.host import SandboxHost
from controller.sandbox.nvme_san import ControllerState, NvmeController, NvmeNamespace, NvmeSubsystem, NvmeTransport
from controller.sandbox.san import HostSpec, Scenario
from controller.sandbox.scenario import load_scenario, parse_scenario
from controller.sandbox.scenario_text import format_scenario
from observers.collect import collect
from observers.errors import ConfigError, InputError
from observers.kernel import nvme_data, scsi
from observers.kernel.nvme_data import AnaState, Cns
from observers.snapshot import Bus, DeviceName, Path, PathState, ScsiAddress

UUID, NGUID, EUI64 = "6b1d0000-0000-4000-8000-000000000001", "6b1d00000000400080000000000000a2", "0025385b71b0aa02"
FIRST = DeviceName("nvme0n1")


def subsystem(**changes: object) -> NvmeSubsystem:
    known: dict[str, object] = {
        "name": "nqn.2024-01.org.example:t",
        "controllers": (
            NvmeController(number=0, transport=NvmeTransport.TCP, address="traddr=10.0.0.1"),
            NvmeController(number=1, transport=NvmeTransport.FC, address="traddr=x", states=((1, "inaccessible"),)),
        ),
        "namespaces": (
            NvmeNamespace(id=1, size=2048, uuid=UUID),
            NvmeNamespace(id=4, size=4096, nguid=NGUID, eui64=EUI64, group=3, read_only=True),
            NvmeNamespace(id=5, size=4096),
        ),
    }
    return NvmeSubsystem(**{**known, **changes})  # type: ignore[arg-type]


def booted(*, native: bool = False, **changes: object) -> SandboxHost:
    return SandboxHost(Scenario(host=HostSpec(native_nvme=native), nvme=(subsystem(**changes),)))


def paths(host: SandboxHost) -> dict[str, Path]:
    snapshot = collect(host)
    assert snapshot.gaps == ()
    return {path.name: path for path in snapshot.paths}


def identify(host: SandboxHost, kind: Cns, name: DeviceName = FIRST) -> bytes:
    words = nvme_data.identify(kind)
    return host.nvme_inquire(name, 6, namespace=0, words=words, reply_length=4096, timeout=1.0)


def test_each_namespace_has_a_device_behind_each_controller() -> None:
    found = paths(booted())
    assert sorted(found) == ["nvme0n1", "nvme0n2", "nvme0n3", "nvme1n1", "nvme1n2", "nvme1n3"]
    assert {(path.bus, path.vendor, path.device_state) for path in found.values()} == {(Bus.NVME, "NVME", "live")}
    assert [found[name].protocol for name in ("nvme0n1", "nvme1n1")] == ["nvme:tcp", "nvme:fc"]


def test_a_device_is_described_as_its_controller_and_its_namespace_are() -> None:
    path = paths(booted(model="Example", serial="S7", firmware="1.2"))["nvme1n2"]
    assert (path.product, path.serial, path.revision, path.size, path.read_only) == ("Example", "S7", "1.2", 4096, True)
    assert path.address == ScsiAddress(1, 2, 2, 4)
    assert path.sysfs == "/sys/devices/virtual/nvme-fabrics/ctl/nvme1/nvme1n2"


@pytest.mark.parametrize(
    ("name", "wwid"),
    [
        ("nvme0n1", f"uuid.{UUID}"),
        ("nvme0n2", f"eui.{NGUID}"),
        ("nvme0n3", f"nvme.1b36-{b'S7'.hex()}-{b'Example'.hex()}-00000005"),
    ],
)
def test_udev_and_sysfs_call_a_namespace_by_its_best_name_and_it_says_so_itself(name: str, wwid: str) -> None:
    path = paths(booted(model="Example", serial="S7"))[name]
    assert (path.wwid_attribute, path.udev["ID_WWN"]) == (wwid, wwid)
    assert path.nvme_identity is not None


@pytest.mark.parametrize(("name", "value"), [("nvme0n1", 50), ("nvme1n1", 1), ("nvme1n2", 50)])
def test_ana_states_are_those_of_the_group_through_the_controller(name: str, value: int) -> None:
    seen = paths(booted())[name].priority_seen
    assert seen is not None
    assert seen.value == value


def test_a_group_changes_its_state() -> None:
    host = booted()
    host.happen("ana", "nvme0", "1", "persistent-loss")
    seen = paths(host)["nvme0n1"].priority_seen
    assert seen is not None
    assert seen.value == 0


def test_a_controller_without_ana_is_not_asked() -> None:
    assert paths(booted(ana=False))["nvme0n1"].priority_seen is None


def test_the_log_tells_of_namespaces_only_where_it_is_asked_to() -> None:
    host = booted()
    for groups_only, listed in ((True, ()), (False, (1, 5))):
        words = nvme_data.ana_log(4096, groups_only=groups_only)
        log = host.nvme_inquire(FIRST, 2, namespace=0, words=words, reply_length=4096, timeout=1.0)
        groups = nvme_data.parse_ana_log(log)
        assert [(each.id, each.state) for each in groups] == [(1, AnaState.OPTIMIZED), (3, AnaState.OPTIMIZED)]
        assert groups[0].namespaces == listed


@pytest.mark.parametrize("state", [each for each in ControllerState if each not in ("live", "gone")])
def test_a_controller_that_is_not_live_answers_nothing_and_serves_nothing(state: ControllerState) -> None:
    host = booted()
    host.happen("nvme", "nvme0", state)
    assert paths(host)["nvme0n1"].health.state is (
        PathState.PENDING if state in ("new", "deleting") else PathState.DOWN
    )
    with pytest.raises(OSError, match="nvme0 is") as refused:
        identify(host, Cns.CONTROLLER)
    assert refused.value.errno == errno.EIO
    with pytest.raises(OSError, match="nvme0n1"):
        host.direct_read(FIRST, length=512, timeout=1.0)


def test_a_controller_that_is_removed_takes_its_devices_along_and_brings_them_back() -> None:
    host = booted()
    host.happen("nvme", "nvme0", "gone")
    assert sorted(paths(host)) == ["nvme1n1", "nvme1n2", "nvme1n3"]
    assert [event.name for event in host.uevents if event.action == "remove"] == ["nvme0n1", "nvme0n2", "nvme0n3"]
    host.happen("nvme", "nvme0", "live")
    assert len(paths(host)) == 6
    assert [event.action for event in host.uevents.of("nvme0n1")] == ["add", "remove", "add"]


def test_another_namespace_behind_a_name_shows_only_to_who_asks_the_device() -> None:
    host = booted()
    before = paths(host)["nvme0n1"]
    host.happen("nvme-show", "nvme0n1", "4")
    path = paths_with_gaps(host)["nvme0n1"]
    assert path.wwid_attribute == before.wwid_attribute
    assert path.nvme_identity != before.nvme_identity
    host.happen("nvme-show", "nvme0n1", "0")
    assert not any(identify(host, Cns.DESCRIPTORS))
    assert not any(identify(host, Cns.NAMESPACE))


def paths_with_gaps(host: SandboxHost) -> dict[str, Path]:
    return {path.name: path for path in collect(host).paths}


def test_namespaces_know_no_scsi_and_disks_know_no_nvme() -> None:
    host = booted()
    with pytest.raises(OSError, match="nvme0n1") as refused:
        host.scsi_inquire(FIRST, scsi.test_unit_ready(), reply_length=0, timeout=1.0)
    assert refused.value.errno == errno.ENOTTY


def test_a_device_is_for_root_only() -> None:
    host = SandboxHost(Scenario(host=HostSpec(user=1000), nvme=(subsystem(),)))
    with pytest.raises(OSError, match="nvme0n1") as refused:
        identify(host, Cns.CONTROLLER)
    assert refused.value.errno == errno.EACCES


# ---- native multipathing


def test_with_native_multipathing_there_are_no_paths_but_foreign_maps() -> None:
    snapshot = collect(booted(native=True))
    assert snapshot.host.native_nvme_multipath
    assert snapshot.paths == ()
    assert snapshot.gaps == ()
    first, second, third = snapshot.foreign_maps
    assert (first.name, first.wwid, first.subsystem, first.size) == (
        "nvme0n1",
        f"uuid.{UUID}",
        "nqn.2024-01.org.example:t",
        2048,
    )
    assert (second.namespace, third.namespace) == (4, 5)
    assert [(each.name, each.state, each.ana_state, each.dev) for each in first.paths] == [
        ("nvme0c0n1", "live", "optimized", "0:0"),
        ("nvme0c1n1", "live", "inaccessible", "0:0"),
    ]


def test_without_native_multipathing_there_are_no_foreign_maps() -> None:
    assert collect(booted()).foreign_maps == ()


# ---- scenarios


@pytest.mark.parametrize("native", [False, True])
def test_what_is_printed_is_read_again(native: bool) -> None:
    scenario = Scenario(name="x", host=HostSpec(native_nvme=native), nvme=(subsystem(ana=False), other()))
    assert parse_scenario(format_scenario(scenario), file="x.san") == scenario


def other() -> NvmeSubsystem:
    controllers = (NvmeController(number=9, transport=NvmeTransport.PCIE, address="0000:03:00.0"),)
    return NvmeSubsystem(name="nqn.2", model="A B", serial="#1", firmware="f", controllers=controllers)


def test_the_shipped_scenario_is_read_and_printed() -> None:
    scenario = load_scenario("nvme-tcp")
    assert parse_scenario(format_scenario(scenario), file="nvme-tcp.san") == scenario


@pytest.mark.parametrize(
    ("below", "message"),
    [
        ("controller x tcp a", "'x' is not the controller's number"),
        ("controller 0 pigeon a", "'pigeon' is not a transport"),
        ("controller 0 tcp a 1", "is missing"),
        ("controller 0 tcp a 1 active", "'active' is not one of optimized"),
        ("controller 0 tcp a\ncontroller 0 tcp b", "controller 0 is there already"),
        ("namespace 0 size 1G", "namespace 0 is there already, or can't be one"),
        ("namespace 1", "a namespace needs a size"),
        ("namespace 1 size 1G uuid 7", "'7' is not a uuid"),
        ("namespace 1 size 1G colour red", "'colour' is not a keyword of a namespace"),
        ("ana perhaps", "'perhaps' is not on or off"),
        ("serial 012345678901234567890", "text of at most 20 signs"),
        ("nvme nqn.1", "a subsystem of that name is there already"),
        ("now nvme nvme0 asleep", "'asleep' is not a state of an NVMe controller"),
        ("now nvme sda live", "'sda' is not an NVMe controller"),
        ("now ana nvme0 1 best", "'best' is not a state of an ANA group"),
        ("now nvme-show nvme0 1", "'nvme0' is not an NVMe namespace"),
    ],
)
def test_what_makes_no_sense_is_said_with_its_place(below: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        parse_scenario(f"nvme nqn.1\n{below}\n", file="x.san")
    assert error.value.line > 1


@pytest.mark.parametrize(
    "happen",
    [
        lambda host: host.happen("nvme", "nvme7", "dead"),
        lambda host: host.happen("ana", "nvme7", "1", "optimized"),
        lambda host: host.happen("nvme-show", "nvme7n1", "1"),
    ],
)
def test_an_event_that_names_nothing_is_an_error(happen: Callable[[SandboxHost], None]) -> None:
    with pytest.raises(InputError, match="no such NVMe"):
        happen(booted())
