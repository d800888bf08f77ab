"""A mapped device: two table slots, suspended or not, its events, and the requests that wait in it.

In: loads, suspends, resumes, requests. Out: `OSError` where the kernel refuses, uevents, and requests below. One that
was refused leaves the device as the kernel leaves it, which is not always as it was: a table that can't go live is
lost, and the device stays suspended with its old one. Facts: drivers/md/dm.c and dm-ioctl.c of Linux 6.1.
"""

import errno
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from controller.sandbox.block import BlockDevice, Io, Result
from controller.sandbox.clock import Clock
from controller.sandbox.dm_table import Line, QueueKind, Table, TargetType
from controller.sandbox.errors import WouldBlock, refusal
from observers.dmtable import DevT

MAJOR = 253

Pairs = tuple[tuple[str, str], ...]


class Kernel(Protocol):
    """What a mapped device needs of the kernel around it."""

    clock: Clock

    def block_device(self, dev: DevT) -> BlockDevice | None:
        """A block device by its number."""

    def emit(self, action: str, devpath: str, env: Pairs = ()) -> None:
        """Send a uevent of a block device."""

    def next_diskseq(self) -> int:
        """The next number in the count of all disks."""


class MappedDevice(BlockDevice):
    """A device-mapper device. `registered`: it has a disk in sysfs, which the first load makes."""

    def __init__(self, kernel: Kernel, types: Mapping[str, TargetType], minor: int) -> None:
        super().__init__(f"dm-{minor}", DevT(f"{MAJOR}:{minor}"))
        self._kernel, self._types = kernel, types
        self.minor, self.label, self.uuid = minor, "", ""
        self.live: Table | None = None
        self.inactive: Table | None = None
        self.suspended = self.read_only = self.registered = self.deferred_remove = False
        self.event_number, self.diskseq, self.open_count = 0, 0, 0
        self.held: list[Io] = []
        self.failed_by_suspend: list[Io] = []
        self.on_last_close: Callable[[MappedDevice], None] = lambda _: None
        self._kind: QueueKind | None = None
        self._path_events: list[Pairs] = []
        self._sequence = self._in_flight = 0
        self._blocking = False
        self._below: dict[DevT, tuple[BlockDevice, int]] = {}

    @property
    def devpath(self) -> str:
        """Its place under /sys."""
        return f"/devices/virtual/block/{self.name}"

    @property
    def sectors(self) -> int:
        """See `BlockDevice`."""
        return self.live.sectors if self.live is not None else 0

    @property
    def request_based(self) -> bool:
        """See `BlockDevice`."""
        return self._kind is QueueKind.REQUEST

    # ---- who has it open

    def open(self) -> None:
        """Open the device."""
        self.open_count += 1

    def close(self) -> None:
        """Close it; a removal that waited for this is done now."""
        self.open_count -= 1
        if self.open_count == 0:
            self.on_last_close(self)

    def open_for_dm(self, *, write: bool) -> None:
        """See `BlockDevice`."""
        if write and self.read_only:
            raise refusal(errno.EACCES, self.name)
        self.open()

    def close_for_dm(self) -> None:
        """See `BlockDevice`."""
        self.close()

    # ---- devices below

    def take_device(self, dev: DevT, *, write: bool) -> BlockDevice:
        """See `TableOwner`. A device that this one has open is shared, even if it is dead and could not be opened."""
        device, count = self._below.get(dev, (None, 0))
        if device is None:
            if dev == self.dev:
                raise refusal(errno.EINVAL, f"{self.label} can't be put on itself")
            device = self._kernel.block_device(dev)
            if device is None:
                raise refusal(errno.ENXIO, dev)
            device.open_for_dm(write=write)
            device.holders.append(self.name)
        self._below[dev] = (device, count + 1)
        return device

    def drop_device(self, device: BlockDevice) -> None:
        """See `TableOwner`."""
        _, count = self._below.pop(device.dev)
        if count > 1:
            self._below[device.dev] = (device, count - 1)
            return
        device.holders.remove(self.name)
        device.close_for_dm()

    @property
    def slaves(self) -> tuple[BlockDevice, ...]:
        """The devices below, of both tables."""
        return tuple(device for device, _ in self._below.values())

    # ---- tables

    def load(self, lines: Sequence[Line], *, write: bool) -> None:
        """Put a table into the inactive slot, over one that is there."""
        table = Table(self, self._types, write=write)
        table.load(lines)
        try:
            self._check_kind(table)
        except OSError:
            table.destroy()
            raise
        if not self.registered:
            self.registered, self.diskseq = True, self._kernel.next_diskseq()
            self._kernel.emit("add", self.devpath)
        self._drop_inactive(table)

    def _check_kind(self, table: Table) -> None:
        live_type = self.live.immutable_type if self.live is not None else ""
        if live_type and table.immutable_type != live_type and not table.wildcard:
            raise refusal(errno.EINVAL, f"can't replace immutable target type {live_type}")
        if self._kind is None:
            table.check_areas()
            self._kind = table.kind
        elif self._kind is not (table.kind or self._kind):
            raise refusal(errno.EINVAL, "can't change device type after initial table load")

    def clear(self) -> None:
        """Empty the inactive slot."""
        self._drop_inactive(None)

    def _drop_inactive(self, following: Table | None) -> None:
        old, self.inactive = self.inactive, following
        if old is not None:
            old.destroy()

    # ---- suspend, resume

    def suspend(self, *, noflush: bool) -> None:
        """Stop all requests; those in flight are waited for. With a flush, those that no path can serve fail."""
        if self.suspended:
            return
        waiting = list(self.held)
        for target in self.live.targets if self.live is not None else ():
            target.presuspend(noflush=noflush)
        self._blocking = True
        try:
            self._kernel.clock.wait(lambda: self._in_flight == 0, what=f"suspend of {self.label}")
        except WouldBlock:
            self._blocking = False  # as when a signal ends the wait: the map goes on, but queueing stays off
            self.run_queue()
            raise
        self.suspended = True
        self.failed_by_suspend += [io for io in waiting if io.result is Result.PATH_ERROR and not io.probe]

    def resume(self, *, noflush: bool, cookie: Pairs) -> bool:
        """Make the inactive table live, if there is one, and let requests go on; whether a uevent was made."""
        if self.inactive is not None:
            self.suspend(noflush=noflush)
            following, self.inactive = self.inactive, None
            self._swap(following)
        if not self.suspended:
            return False
        if self.live is None or not self.live.sectors:
            raise refusal(errno.EINVAL, f"{self.label} has no table to resume")
        for target in self.live.targets:
            target.resume()
        self.suspended = self._blocking = False
        self._kernel.emit("change", self.devpath, cookie)
        self.run_queue()
        return True

    def _swap(self, table: Table) -> None:
        try:
            table.check_areas()
        except OSError:
            table.destroy()
            raise
        old, self.live = self.live, table
        if old is not None and old.sectors != table.sectors and old.sectors:
            self._kernel.emit("change", self.devpath, (("RESIZE", "1"),))
        if self.read_only is table.write:
            self.read_only = not table.write
            self._kernel.emit("change", self.devpath, (("DISK_RO", str(int(self.read_only))),))
        if old is not None:
            old.destroy()

    def destroy(self) -> None:
        """The end of the device: requests that still wait fail."""
        self._drop_inactive(None)
        if self.live is not None:
            for target in self.live.targets:
                target.presuspend(noflush=False)
            self.live.destroy()
            self.live = None
        for io in self._taken():
            io.end(Result.PATH_ERROR)

    # ---- requests

    def submit(self, io: Io) -> None:
        """See `BlockDevice`."""
        if self._blocking:
            self.hold(io)
        elif self.live is None:
            io.end(Result.PATH_ERROR)
        else:
            target = self.live.find_target(0)
            (target.submit if target is not None else _fail)(io)

    def hold(self, io: Io) -> None:
        """See `TableOwner`."""
        self.held.append(io)

    def run_queue(self) -> None:
        """See `TableOwner`."""
        for io in self._taken():
            self.submit(io)

    def _taken(self) -> Iterable[Io]:
        taken, self.held = self.held, []
        return taken

    def started(self, number: int) -> None:
        """See `TableOwner`."""
        self._in_flight += number

    @property
    def in_flight(self) -> int:
        """How many requests are with devices below."""
        return self._in_flight

    # ---- events

    def event(self) -> None:
        """See `TableOwner`. Paths' uevents wait for this and go out the latest first, as in the kernel."""
        self.event_number += 1
        pending, self._path_events = self._path_events, []
        for env in reversed(pending):
            self._kernel.emit("change", self.devpath, env)

    def path_event(self, action: str, dev: DevT, valid: int) -> None:
        """See `TableOwner`."""
        self._sequence += 1
        self._path_events.append(
            (
                ("DM_TARGET", "multipath"),
                ("DM_ACTION", action),
                ("DM_SEQNUM", str(self._sequence)),
                ("DM_PATH", dev),
                ("DM_NR_VALID_PATHS", str(valid)),
                ("DM_NAME", self.label),
                ("DM_UUID", self.uuid),
            )
        )
        self.event()


def _fail(io: Io) -> None:
    io.end(Result.PATH_ERROR)
