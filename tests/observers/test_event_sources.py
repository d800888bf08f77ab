"""Sources of events: who is believed, what is lost, how much is read at once, and the events of device-mapper."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observers.dm_events import DmEvent, DmEvents, changes
from observers.dm_uevents import DmAction, DmOrder, DmPathEvent, dm_path_event, latest
from observers.dmtable import DevT
from observers.event_sources import Overrun, fc_events, iscsi_events, uevents
from observers.kernel.dm_ioctl import ListedDevice
from observers.kernel.netlink import Datagram, Lost
from observers.kernel.transport_event import pack_fc, pack_iscsi
from observers.kernel.uevent import Sender, of_properties, pack_kernel, pack_udev
from observers.snapshot import Alias, DmUuid
from tests.observers.fake_host import DmMap, FakeHost

ADD = {"ACTION": "add", "DEVPATH": "/devices/x/block/sda", "SUBSYSTEM": "block", "SEQNUM": "7"}
KERNEL = Datagram(data=pack_kernel(ADD), port=0, groups=1, pid=0, uid=0)
UDEV = Datagram(data=pack_udev(ADD), port=4711, groups=2, pid=300, uid=0)


class Script:
    """A `Receiver` of datagrams and losses."""

    def __init__(self, items: Sequence[Datagram | None]) -> None:
        self.items = list(items)
        self.closed = False

    def fileno(self) -> int:
        return 5

    def receive(self) -> Datagram | None:
        if not self.items:
            return None
        item = self.items.pop(0)
        if item is None:
            raise Lost
        return item

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(("sender", "datagram"), [(Sender.KERNEL, KERNEL), (Sender.UDEV, UDEV)])
def test_a_uevent_is_read(sender: Sender, datagram: Datagram) -> None:
    source = uevents(sender, Script([datagram]))
    assert source.read() == [of_properties(ADD)]
    assert source.read() == []


@pytest.mark.parametrize(
    ("sender", "datagram"),
    [
        (Sender.KERNEL, replace(KERNEL, port=17)),
        (Sender.KERNEL, replace(KERNEL, pid=17)),
        (Sender.KERNEL, replace(KERNEL, pid=None)),
        (Sender.KERNEL, replace(KERNEL, groups=0)),
        (Sender.UDEV, replace(UDEV, uid=1000)),
        (Sender.UDEV, replace(UDEV, uid=None)),
        (Sender.UDEV, replace(UDEV, groups=0)),
        (Sender.UDEV, replace(UDEV, groups=1)),
        (Sender.UDEV, replace(UDEV, port=0)),
        (Sender.UDEV, replace(UDEV, data=KERNEL.data)),
    ],
    ids=[
        "a process",
        "another's pid",
        "no pid",
        "unicast",
        "a user",
        "nobody",
        "unicast udev",
        "group",
        "port",
        "form",
    ],
)
def test_who_is_not_believed_is_not_heard(sender: Sender, datagram: Datagram) -> None:
    assert uevents(sender, Script([datagram])).read() == []


def test_lost_events_are_an_overrun_in_their_place() -> None:
    source = uevents(Sender.KERNEL, Script([KERNEL, None, KERNEL]))
    event = of_properties(ADD)
    assert source.read() == [event, Overrun(), event]


def test_a_flood_is_read_in_parts_and_nothing_is_lost() -> None:
    source = uevents(Sender.KERNEL, Script([KERNEL] * 1000))
    sizes = [len(source.read()) for _ in range(3)]
    assert sizes == [512, 488, 0]


@given(st.lists(st.binary(max_size=120), max_size=5))
def test_no_bytes_of_anybody_raise(items: list[bytes]) -> None:
    for datagram, source in (
        (KERNEL, lambda script: uevents(Sender.KERNEL, script)),
        (UDEV, lambda script: uevents(Sender.UDEV, script)),
        (KERNEL, iscsi_events),
        (KERNEL, fc_events),
    ):
        source(Script([replace(datagram, data=data) for data in items])).read()


def test_announcements_of_transports_are_believed_from_the_kernel_alone() -> None:
    error = replace(KERNEL, data=pack_iscsi(102, (4, 0, 0)))
    link = replace(KERNEL, data=pack_fc(2, 3), groups=8)
    assert [event.kind for event in iscsi_events(Script([error])).read() if not isinstance(event, Overrun)] == [
        "connection error"
    ]
    assert [event.kind for event in fc_events(Script([link])).read() if not isinstance(event, Overrun)] == ["link down"]
    assert iscsi_events(Script([replace(error, port=9)])).read() == []


def test_a_source_is_its_socket() -> None:
    script = Script([])
    source = uevents(Sender.KERNEL, script)
    assert source.fileno() == 5
    source.close()
    assert script.closed


# ---- dm uevents

FAILED = {
    "ACTION": "change",
    "DEVPATH": "/block/dm-3",
    "SUBSYSTEM": "block",
    "DM_TARGET": "multipath",
    "DM_ACTION": "PATH_FAILED",
    "DM_SEQNUM": "1",
    "DM_PATH": "8:32",
    "DM_NR_VALID_PATHS": "0",
    "DM_NAME": "mpath2",
    "DM_UUID": "mpath-35333333000002328",
    "DISKSEQ": "12",
    "SEQNUM": "1130",
}


def path_event(**changed: str) -> DmPathEvent | None:
    event = of_properties({**FAILED, **changed})
    assert event is not None
    return dm_path_event(event)


def happened(sequence: int, path: str = "8:32", *, action: str = "PATH_FAILED", device: str = "12") -> DmPathEvent:
    found = path_event(DM_SEQNUM=str(sequence), DM_PATH=path, DM_ACTION=action, DISKSEQ=device)
    assert found is not None
    return found


def test_a_failed_path_of_a_map() -> None:
    assert path_event() == DmPathEvent(
        action=DmAction.PATH_FAILED,
        map_name=Alias("mpath2"),
        map_uuid=DmUuid("mpath-35333333000002328"),
        path=DevT("8:32"),
        valid_paths=0,
        sequence=1,
        device=("dm-3", "12"),
    )


def test_a_name_with_a_blank_is_read_as_people_write_it() -> None:
    found = path_event(DM_NAME="my\\x20map")
    assert found is not None
    assert found.map_name == "my map"


@pytest.mark.parametrize(
    "changed",
    [
        {"DM_ACTION": "PATH_LOST"},
        {"DM_PATH": "832"},
        {"DM_PATH": "8:x"},
        {"DM_PATH": ":"},
        {"DM_SEQNUM": "-1"},
        {"DM_NR_VALID_PATHS": ""},
        {"ACTION": "add"},
    ],
    ids=str,
)
def test_what_says_nothing_of_a_path(changed: dict[str, str]) -> None:
    assert path_event(**changed) is None


@given(st.dictionaries(st.sampled_from(sorted(FAILED)), st.text(max_size=20), max_size=5))
def test_no_property_raises(changed: dict[str, str]) -> None:
    event = of_properties({**FAILED, **changed})
    if event is not None:
        dm_path_event(event)


def test_the_kernel_sends_the_latest_first_and_they_come_out_in_order() -> None:
    failed, back = happened(4), happened(5, action="PATH_REINSTATED")
    assert DmOrder().news([back, failed]) == [failed, back]


def test_what_was_overtaken_or_is_known_is_no_news() -> None:
    order = DmOrder()
    assert order.news([happened(5)]) == [happened(5)]
    assert order.news([happened(4), happened(5), happened(6)]) == [happened(6)]


def test_an_older_event_of_another_path_or_map_is_news() -> None:
    order = DmOrder()
    order.news([happened(5)])
    assert order.news([happened(4, "8:48")]) == [happened(4, "8:48")]
    assert order.news([happened(1, device="13")]) == [happened(1, device="13")]


def test_a_removed_device_counts_anew() -> None:
    order = DmOrder()
    order.news([happened(5)])
    order.forget("dm-3")
    assert order.news([happened(1)]) == [happened(1)]


def test_the_latest_of_each_path() -> None:
    events = [happened(1), happened(2, "8:48"), happened(3, action="PATH_REINSTATED")]
    assert sorted(latest(events), key=lambda event: event.sequence) == events[1:]


@given(st.permutations([(number, f"8:{16 * (number % 3)}") for number in range(1, 12)]), st.integers(1, 5))
def test_in_whatever_order_they_come_the_last_of_each_path_is_seen(order: list[tuple[int, str]], size: int) -> None:
    sequence, told = DmOrder(), []
    for begin in range(0, len(order), size):
        told += sequence.news([happened(number, path) for number, path in order[begin : begin + size]])
    assert {event.path: event.sequence for event in told} == {"8:0": 9, "8:16": 10, "8:32": 11}


# ---- dm events


class Poll:
    def __init__(self) -> None:
        self.armed = 0

    def fileno(self) -> int:
        return 7

    def arm(self) -> None:
        self.armed += 1

    def close(self) -> None:
        self.armed = -1


def listed(name: str, dev: str = "254:0", *, event: int | None = 1, uuid: str | None = "mpath-x") -> ListedDevice:
    return ListedDevice(name, DevT(dev), event, uuid)


def test_only_devices_with_an_event_are_told() -> None:
    poll = Poll()
    host = FakeHost(dm=[DmMap("mpatha", "254:0", "mpath-a", event=3), DmMap("mpathb", "254:1", "mpath-b", event=1)])
    source = DmEvents(host, poll)
    assert source.read() == []
    assert host.dm is not None
    host.dm[0].event = 4
    assert source.read() == [DmEvent(dev=DevT("254:0"), name=Alias("mpatha"), uuid=DmUuid("mpath-a"), event_number=4)]
    assert (poll.armed, source.fileno()) == (3, 7)
    source.close()
    assert poll.armed == -1


def test_an_event_between_arming_and_listing_is_told() -> None:
    host = FakeHost(dm=[DmMap("mpatha", "254:0", "mpath-a", event=3)])
    source = DmEvents(host, Poll())
    assert host.dm is not None
    host.dm[0].event = 4
    assert len(source.read()) == 1


@pytest.mark.parametrize(
    ("before", "now", "numbers"),
    [
        ([], [listed("a")], [1]),
        ([listed("a")], [], [None]),
        ([listed("a")], [listed("b")], [1]),
        ([listed("a")], [listed("a", uuid="mpath-y")], [1]),
        ([listed("a", event=None)], [listed("a", event=None)], [None]),
        ([listed("a")], [listed("a")], []),
    ],
    ids=["new", "gone", "renamed", "another device", "a kernel that tells no numbers", "nothing"],
)
def test_what_differs(before: list[ListedDevice], now: list[ListedDevice], numbers: list[int | None]) -> None:
    found = changes({device.dev: device for device in before}, now)
    assert [event.event_number for event in found] == numbers
