"""Watching states: what is read how often, what a change says, what is gone; on a scripted host and in the sandbox."""

import errno
from collections import Counter
from collections.abc import Sequence

import pytest

from controller.sandbox.host import SandboxHost
from controller.sandbox.sources import SandboxDmPoll, transport_events, uevents
from controller.sandbox.sysfs_tree import disk_place
from observers.dm_events import DmEvents
from observers.event_sources import Overrun
from observers.kernel.real_host import RealHost
from observers.kernel.uevent import Sender, Uevent
from observers.snapshot import DeviceName
from observers.watch import Change, Kind, StateWatch, transport_attributes
from tests.observers.fake_host import FakeHost
from tests.sandbox import dm
from tests.sandbox.test_dm_states import FC

FC_PLACE = "/sys/devices/pci0000:00/0000:00:02.0/host2/rport-2:0-1/target2:0:1/2:0:1:0/block/{}"
PORT = "/sys/class/fc_remote_ports/rport-2:0-1/port_state"


class Attributes(FakeHost):
    """A host whose attributes a test sets; it counts how often each is read."""

    def __init__(self, **states: str) -> None:
        super().__init__()
        self.now = dict(states)
        self.open: dict[int, str] = {}
        self.reads: Counter[str] = Counter()

    def open_attribute(self, path: str, /) -> int:
        subject = path.split("/block/")[-1].removesuffix("/device/state")
        if subject not in self.now:
            raise OSError(errno.ENOENT, "not there", path)
        handle = max(self.open, default=0) + 1
        self.open[handle] = subject
        return handle

    def sample_attributes(self, handles: Sequence[int], /) -> list[bytes | int]:
        self.reads.update(self.open[handle] for handle in handles)
        return [
            f"{self.now[self.open[handle]]}\n".encode() if self.open[handle] in self.now else errno.ENODEV
            for handle in handles
        ]

    def close_attribute(self, handle: int, /) -> None:
        del self.open[handle]


def watching(host: Attributes, *names: str) -> StateWatch:
    watch = StateWatch(host)
    for name in names:
        watch.follow(DeviceName(name), FC_PLACE.format(name))
    return watch


def seconds_of(watch: StateWatch, seconds: float, *, begin: float = 100.0) -> list[Change]:
    """What is found in so many seconds of doing what it says is due."""
    found, now = [], begin
    while now < begin + seconds:
        found += watch.sample(now)
        due = watch.due()
        if due is None:
            break
        now = due
    return found


def test_nothing_to_watch_is_never_due() -> None:
    assert StateWatch(Attributes()).due() is None


def test_a_disk_that_goes_offline_and_comes_back() -> None:
    host = Attributes(sda="running", sdb="running")
    watch = watching(host, "sda", "sdb")
    assert seconds_of(watch, 1.0) == []
    host.now["sdb"] = "offline"
    gone = Change(kind=Kind.DISK, subject="sdb", before="running", after="offline", disks=(DeviceName("sdb"),))
    assert seconds_of(watch, 0.35, begin=101.0) == [gone]
    assert watch.state(DeviceName("sdb")) == "offline"
    host.now["sdb"] = "running"
    assert [change.after for change in seconds_of(watch, 0.35, begin=102.0)] == ["running"]


def test_a_transport_object_is_read_every_tick_and_its_disks_at_once() -> None:
    names = [f"sd{number}" for number in range(100)]
    host = Attributes(**dict.fromkeys(names, "running"), **{PORT: "Online"})
    watch = watching(host, *names)
    watch.sample(100.0)
    host.now |= dict.fromkeys(names, "blocked")
    host.now[PORT] = "Blocked"
    found = watch.sample(100.1)
    assert found[0] == Change(
        kind=Kind.TRANSPORT, subject=PORT, before="Online", after="Blocked", disks=tuple(sorted(map(DeviceName, names)))
    )
    assert {change.subject for change in found[1:]} == set(names)
    assert len(found) == 101
    assert seconds_of(watch, 1.0, begin=100.2) == []


@pytest.mark.parametrize(("count", "low", "high"), [(1, 4, 7), (16, 4, 7), (1000, 4, 7), (4096, 3, 4)])
def test_every_disk_is_read_some_times_a_second_and_evenly(count: int, low: int, high: int) -> None:
    names = [f"sd{number}" for number in range(count)]
    host = Attributes(**dict.fromkeys(names, "running"))
    watch = watching(host, *names)
    seconds_of(watch, 0.35)
    host.reads.clear()
    seconds_of(watch, 1.0, begin=100.4)
    often = {host.reads[name] for name in names}
    assert min(often) >= low
    assert max(often) <= high


def test_reading_is_bounded_however_many_disks_there_are() -> None:
    names = [f"sd{number}" for number in range(10_000)]
    host = Attributes(**dict.fromkeys(names, "running"))
    watch = watching(host, *names)
    watch.sample(99.9)
    host.reads.clear()
    seconds_of(watch, 0.99, begin=100.0)
    assert host.reads.total() <= 13_600


def test_a_disk_that_is_gone_is_told_once_and_closed() -> None:
    host = Attributes(sda="running", sdb="running", sdc="running")
    watch = watching(host, "sda", "sdb", "sdc")
    del host.now["sda"]
    assert [(change.subject, change.after) for change in seconds_of(watch, 1.0)] == [("sda", None)]
    assert sorted(host.open.values()) == ["sdb", "sdc"]
    host.now["sdc"] = "offline"
    assert [change.subject for change in seconds_of(watch, 1.0, begin=102.0)] == ["sdc"]


def test_a_transport_object_that_is_gone_names_its_disks() -> None:
    host = Attributes(sda="running", **{PORT: "Online"})
    watch = watching(host, "sda")
    del host.now[PORT]
    (change,) = seconds_of(watch, 1.0)
    assert (change.kind, change.after, change.disks) == (Kind.TRANSPORT, None, ("sda",))


def test_what_is_forgotten_is_closed_and_its_transport_with_its_last_disk() -> None:
    host = Attributes(sda="running", sdb="running", **{PORT: "Online"})
    watch = watching(host, "sda", "sdb")
    watch.forget(DeviceName("sda"))
    assert sorted(host.open.values()) == [PORT, "sdb"]
    watch.forget(DeviceName("sdb"))
    assert host.open == {}
    assert watch.due() is None
    assert watch.state(DeviceName("sdb")) is None


def test_closing_closes_all() -> None:
    host = Attributes(sda="running", sdb="running", **{PORT: "Online"})
    watching(host, "sda", "sdb").close()
    assert host.open == {}


def test_a_disk_that_is_followed_again_is_opened_again() -> None:
    host = Attributes(sda="running")
    watch = watching(host, "sda", "sda")
    assert list(host.open.values()) == ["sda"]
    assert watch.look([DeviceName("sda"), DeviceName("sdx")]) == []


def test_looking_now_reads_at_once() -> None:
    host = Attributes(sda="running", sdb="running")
    watch = watching(host, "sda", "sdb")
    host.now["sdb"] = "transport-offline"
    assert [change.after for change in watch.look([DeviceName("sdb")])] == ["transport-offline"]


def test_a_disk_without_a_state_is_not_watched() -> None:
    watch = watching(Attributes(), "nvme0n1")
    assert watch.due() is None


@pytest.mark.parametrize(
    ("place", "attributes"),
    [
        (FC_PLACE.format("sda"), (PORT,)),
        (
            "/sys/devices/platform/host3/session12/target3:0:0/3:0:0:1/block/sda",
            ("/sys/class/iscsi_session/session12/state",),
        ),
        (
            "/sys/devices/pci/host0/port-0:0/expander-0:0/port-0:0:3/end_device-0:0:3/target0:0:3/0:0:3:0/block/sda",
            ("/sys/class/sas_phy/phy-0:0:7/negotiated_linkrate",),
        ),
        ("/sys/devices/pseudo_0/adapter0/host0/target0:0:0/0:0:0:0/block/sda", ()),
    ],
    ids=["fibre channel", "iscsi", "sas behind an expander", "none"],
)
def test_what_lies_between_a_host_and_a_disk(place: str, attributes: tuple[str, ...]) -> None:
    port = "/sys/devices/pci/host0/port-0:0/expander-0:0/port-0:0:3"
    host = FakeHost(directories={port: ["phy-0:0:7", "end_device-0:0:3", "power"]})
    assert transport_attributes(host, place) == attributes


def test_a_sas_port_that_can_not_be_listed_has_no_links() -> None:
    assert transport_attributes(FakeHost(), "/sys/devices/host0/port-0:0/end_device-0:0/block/sda") == ()


# ---- the real host, with any file


def test_the_real_host_reads_what_is_there_now(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("sysfs") / "state"
    file.write_bytes(b"running\n")
    host = RealHost()
    handles = [host.open_attribute(str(file)) for _ in range(3)]
    file.write_bytes(b"offline\n")
    assert host.sample_attributes(handles) == [b"offline\n"] * 3
    host.close_attribute(handles[1])
    assert host.sample_attributes(handles) == [b"offline\n", errno.EBADF, b"offline\n"]


# ---- the sandbox


@pytest.fixture
def sandbox() -> SandboxHost:
    return dm.san(FC)


def followed(sandbox: SandboxHost) -> StateWatch:
    watch = StateWatch(sandbox)
    for disk in sandbox.kernel.disks:
        watch.follow(DeviceName(disk.name), disk_place(disk))
    return watch


def test_a_port_that_goes_blocks_its_disks_and_is_seen_in_the_same_instant(sandbox: SandboxHost) -> None:
    watch = followed(sandbox)
    sandbox.happen("port-down", "a/5000000000000001")
    found = watch.sample(sandbox.monotonic())
    assert [(change.kind, change.before, change.after) for change in found] == [
        (Kind.TRANSPORT, "Online", "Blocked"),
        (Kind.TRANSPORT, "Online", "Blocked"),
        (Kind.DISK, "running", "blocked"),
        (Kind.DISK, "running", "blocked"),
    ]


def test_a_deleted_disk_is_gone_also_when_another_has_its_place(sandbox: SandboxHost) -> None:
    watch = followed(sandbox)
    sandbox.happen("delete", "sda")
    sandbox.happen("scan", "1")
    changes = seconds_of(watch, 0.5)
    assert [(change.subject, change.after) for change in changes] == [("sda", None)]


def test_the_sandboxs_uevents_by_udev_and_by_the_kernel(sandbox: SandboxHost) -> None:
    both = uevents(sandbox, Sender.KERNEL), uevents(sandbox, Sender.UDEV)
    assert not any(source.ready() for source in both)
    sandbox.happen("delete", "sda")
    sandbox.happen("scan", "1")
    for source in both:
        assert source.ready()
        events = [event for event in source.read() if isinstance(event, Uevent)]
        assert [(event.action, event.name, event.subsystem) for event in events] == [
            ("remove", "sda", "block"),
            ("add", "sda", "block"),
        ]
        assert source.read() == []
        assert source.fileno() == -1
    by_udev = [event for event in _again(sandbox) if isinstance(event, Uevent)]
    assert by_udev[-1].properties["ID_SERIAL"]


def _again(sandbox: SandboxHost) -> Sequence[Uevent | Overrun]:
    source = uevents(sandbox, Sender.UDEV)
    sandbox.happen("delete", "sdb")
    sandbox.happen("scan", "2")
    return source.read()


def test_udev_tells_nothing_while_it_is_stopped(sandbox: SandboxHost) -> None:
    sandbox.happen("udev", "off")
    source = uevents(sandbox, Sender.UDEV)
    sandbox.happen("delete", "sda")
    assert source.read() == []


def test_a_source_that_lost_events_says_so(sandbox: SandboxHost) -> None:
    source = uevents(sandbox, Sender.KERNEL)
    sandbox.happen("delete", "sda")
    source.lose()
    assert source.ready()
    assert source.read() == [Overrun()]
    source.close()
    assert not source.ready()


def test_a_port_that_goes_and_comes_is_announced(sandbox: SandboxHost) -> None:
    source = transport_events(sandbox)
    sandbox.happen("port-down", "a/5000000000000001")
    assert [event.host for event in source.read() if not isinstance(event, Overrun)] == [1, 2]
    assert source.read() == []
    sandbox.happen("port-up", "a/5000000000000001")
    assert source.ready()


def test_events_of_maps_in_the_sandbox() -> None:
    sandbox = dm.san()
    poll = SandboxDmPoll(sandbox)
    source = DmEvents(sandbox, poll)
    assert source.read() == []
    assert not poll.ready()
