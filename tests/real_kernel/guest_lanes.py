"""Runs in the guest: lanes, event sources and the watch of states on a real kernel.

    python -m tests.real_kernel.guest_lanes

In: two scsi_debug disks behind two hosts, udev. Out: one line of JSON with what was seen.
"""

import errno
import json
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from controller.runtime.engine import RealEngine, Threads
from controller.runtime.lanes import Lanes, host_capacity
from observers.asking import Dialogue, ScsiCommand, scsi
from observers.dm_events import DmEvents
from observers.dm_uevents import dm_path_event
from observers.event_sources import NetlinkSource, Overrun, fc_events, iscsi_events, uevents
from observers.kernel.dm_poll import DmPoll
from observers.kernel.real_host import RealHost
from observers.kernel.scsi import inquiry_page
from observers.kernel.scsi import test_unit_ready as unit_ready
from observers.kernel.sg import Buffers, Command, node, open_node, received
from observers.kernel.transport_event import TransportEvent
from observers.kernel.uevent import Sender, Uevent
from observers.snapshot import DeviceName
from observers.watch import Change, StateWatch

LIMIT = 60.0
"""Seconds: generous, as the processor is emulated."""

T = TypeVar("T")


def until(read: Callable[[], list[T]], wanted: Callable[[T], bool]) -> T:
    """Read until something comes that is wanted."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        for item in read():
            if wanted(item):
                return item
        time.sleep(0.05)
    sys.exit("what was waited for never came")


def asked() -> Dialogue[tuple[int, str]]:
    """TEST UNIT READY, then VPD page 0x83."""
    ready = yield from scsi(ScsiCommand(cdb=unit_ready(), reply_length=0, timeout=30.0))
    page = yield from scsi(ScsiCommand(cdb=inquiry_page(0x83), reply_length=4096, timeout=30.0))
    return ready.status, page.data.hex()


def finding(lanes: Lanes, name: str, host: str) -> object:
    """What one dialogue finds."""
    now = time.monotonic()
    assert lanes.start(DeviceName(name), host, asked(), now=now, deadline=now + LIMIT, token=None)
    poll = select.poll()
    poll.register(lanes.fileno(), select.POLLIN)
    while True:
        poll.poll(int(LIMIT * 1000))
        for end in lanes.finished(time.monotonic()):
            return end.finding


def together(host: RealHost, pages: dict[DeviceName, int]) -> bool:
    """Whether replies that were there before any was read are each read as its own disk's, into one memory."""
    buffers, asked = Buffers(), list[tuple[int, Command]]()
    for name, page in pages.items():
        command = Command(buffers, inquiry_page(page), reply_length=4096, timeout=30.0)
        descriptor = open_node(node(host, name))
        command.send(descriptor, len(asked))
        asked.append((descriptor, command))
    for descriptor, _ in asked:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll(int(LIMIT * 1000))
    found = [command.reply(received(descriptor)) for descriptor, command in reversed(asked)]
    alone = [
        host.scsi_inquire(name, inquiry_page(page), reply_length=4096, timeout=30.0)
        for name, page in reversed(pages.items())
    ]
    return found == alone and [reply.data[1] for reply in found] == [*reversed(pages.values())]


def shell(command: str) -> None:
    """Run it."""
    subprocess.run(command, shell=True, check=True, stdout=subprocess.DEVNULL)  # noqa: S602 - of this file alone


def is_uevent(action: str, name: str) -> Callable[[Uevent | Overrun], bool]:
    """Whether it is that."""
    return lambda event: isinstance(event, Uevent) and (event.action, event.name) == (action, name)


def quiet(source: Callable[[], NetlinkSource[TransportEvent]]) -> str:
    """Whether a source of transports says nothing, or is not there, for want of a kernel module."""
    try:
        return "events" if source().read() else "quiet"
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def is_disk(name: str) -> Callable[[Change], bool]:
    """Whether a change is that disk's."""
    return lambda change: change.subject == name


def main() -> None:
    """See the module."""
    host, seen = RealHost(), dict[str, Any]()
    disks = sorted(device.resolve() for device in Path("/sys/block").glob("sd*"))
    first, second = disks[0].name, disks[1].name
    scsi_host = next(part for part in disks[0].parts if part.startswith("host"))
    engine = RealEngine(host, threads=Threads())
    lanes = Lanes(engine, capacity=host_capacity(host))
    seen["asked"] = finding(lanes, first, scsi_host)
    waited = host.scsi_inquire(DeviceName(first), inquiry_page(0x83), reply_length=4096, timeout=30.0)
    seen["waited"] = waited.data.hex()
    seen["together"] = together(host, {DeviceName(first): 0x83, DeviceName(second): 0x80})
    by_kernel, by_udev = uevents(Sender.KERNEL), uevents(Sender.UDEV)
    seen["others"] = [quiet(fc_events), quiet(iscsi_events)]

    watch = StateWatch(host)
    watch.follow(DeviceName(second), str(disks[1]))
    shell(f"echo offline > /sys/block/{second}/device/state")
    seen["state"] = until(lambda: watch.sample(time.monotonic()), is_disk(second)).after
    shell(f"echo running > /sys/block/{second}/device/state")
    seen["back"] = until(lambda: watch.sample(time.monotonic()), is_disk(second)).after

    events = DmEvents(host, DmPoll())
    number = (disks[0] / "dev").read_text().strip()
    shell(f"dmsetup create events --table '0 8 multipath 0 0 1 1 round-robin 0 1 1 {number} 1000'")
    seen["made"] = until(events.read, lambda event: event.name == "events").event_number
    poll = select.poll()
    poll.register(events.fileno(), select.POLLIN)
    seen["quiet"] = not poll.poll(0)
    shell(f"dmsetup message events 0 fail_path {number}")
    seen["polled"] = bool(poll.poll(int(LIMIT * 1000)))
    seen["event"] = until(events.read, lambda event: event.name == "events").event_number
    told = until(by_kernel.read, lambda event: isinstance(event, Uevent) and "DM_ACTION" in event.properties)
    path = dm_path_event(told) if isinstance(told, Uevent) else None
    seen["path"] = path is not None and [path.action, path.map_name, path.path == number, path.valid_paths]
    shell("dmsetup remove events")

    finding(lanes, second, scsi_host)
    shell(f"echo 1 > /sys/block/{second}/device/delete")
    seen["gone"] = until(lambda: watch.sample(time.monotonic()), is_disk(second)).after
    seen["removed"] = [until(source.read, is_uevent("remove", second)) is not None for source in (by_kernel, by_udev)]
    seen["refused"] = isinstance(finding(lanes, second, scsi_host), OSError)
    seen["again"] = finding(lanes, first, scsi_host) == seen["asked"]
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
