"""Device-mapper tables: targets in a row, the devices below them, and the rules by which a table is accepted.

In: target lines. Out: `Table` objects, or `OSError` with the kernel's errno. A table that was refused has opened
nothing. Facts: drivers/md/dm-table.c of Linux 6.1.
"""

import errno
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from controller.sandbox.block import BlockDevice, Io
from controller.sandbox.errors import refusal
from observers.dmtable import DevT

MAX_MAJOR, MAX_MINOR = (1 << 12) - 1, (1 << 20) - 1


class QueueKind(StrEnum):
    """How a table takes I/O; a device keeps the kind of its first table."""

    BIO = "bio"
    REQUEST = "request"


class TableOwner(Protocol):
    """The mapped device that a table is for."""

    @property
    def live(self) -> "Table | None":
        """Its live table."""

    def take_device(self, dev: DevT, *, write: bool) -> BlockDevice:
        """Open a device below, or share one that this mapped device has open already."""

    def drop_device(self, device: BlockDevice) -> None:
        """Give a device back; the last one closes it."""

    def submit(self, io: Io) -> None:
        """Serve a request again, by the table that is live then."""

    def hold(self, io: Io) -> None:
        """Keep a request until `run_queue`."""

    def run_queue(self) -> None:
        """Try all held requests again."""

    def path_event(self, action: str, dev: DevT, valid: int) -> None:
        """Tell of a path that failed or came back."""

    def event(self) -> None:
        """Count an event and wake who waits for one."""

    def started(self, number: int) -> None:
        """Requests were sent below (or, negative, came back)."""


class Target(ABC):
    """A stretch of a table. `start` and `length` in sectors."""

    def __init__(self, table: "Table", start: int, length: int) -> None:
        self.table, self.start, self.length = table, start, length

    kind = QueueKind.BIO

    @abstractmethod
    def params(self) -> str:
        """The text after the target's type in the table."""

    def status(self) -> str:
        """The text after the target's type in the status."""
        return ""

    @abstractmethod
    def submit(self, io: Io) -> None:
        """Serve a request."""

    def areas(self) -> Iterator[tuple[BlockDevice, int]]:
        """The devices below, and from which sector they are used."""
        return iter(())

    def message(self, words: Sequence[str]) -> None:
        """Do what a message says."""
        raise refusal(errno.EINVAL, f"target type does not support messages: {' '.join(words)}")

    def presuspend(self, *, noflush: bool) -> None:  # noqa: B027 -- most targets have nothing to do
        """Before the device suspends."""

    def resume(self) -> None:  # noqa: B027 -- most targets have nothing to do
        """When the device resumes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetType:
    """A kind of target, as drivers register it. `singleton`: alone in its table; `immutable`: a device that has one
    takes no other kind any more; `wildcard`: but it may be put in the place of an immutable one."""

    name: str
    version: tuple[int, int, int]
    build: Callable[["Table", int, int, str], Target]
    singleton: bool = False
    immutable: bool = False
    wildcard: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A target line as it is loaded."""

    start: int
    length: int
    type: str
    params: str


class Table:
    """A table of a mapped device. `devices`: those below, the latest first, as the kernel lists dependencies."""

    def __init__(self, owner: TableOwner, types: Mapping[str, TargetType], *, write: bool) -> None:
        self.owner, self.write = owner, write
        self.targets: list[Target] = []
        self.types: list[TargetType] = []
        self.devices: list[BlockDevice] = []
        self.kind: QueueKind | None = None
        self._known = types
        self._taken: list[BlockDevice] = []

    @property
    def sectors(self) -> int:
        """The size of the device that this table makes."""
        return self.targets[-1].start + self.targets[-1].length if self.targets else 0

    @property
    def immutable_type(self) -> str:
        """The type that can't be replaced, if its target is of such a one."""
        return self.types[0].name if self.types and self.types[0].immutable else ""

    @property
    def wildcard(self) -> bool:
        """Whether it may replace an immutable target."""
        return any(kind.wildcard for kind in self.types)

    def load(self, lines: Sequence[Line]) -> None:
        """Take all lines; on a refusal nothing is left open."""
        try:
            if not lines:
                raise refusal(errno.EINVAL, "no targets specified")
            for line in lines:
                self._add(line)
            self._complete()
        except OSError:
            self.destroy()
            raise

    def _add(self, line: Line) -> None:
        kind = self._known.get(line.type)
        if any(known.singleton for known in self.types):
            raise refusal(errno.EINVAL, f"target type {self.types[0].name} must appear alone in table")
        if line.length == 0:
            raise refusal(errno.EINVAL, "zero-length target")
        if kind is None:
            raise refusal(errno.EINVAL, f"{line.type}: unknown target type")
        if kind.singleton and self.types:
            raise refusal(errno.EINVAL, f"target type {kind.name} must appear alone in table")
        if line.start != self.sectors:
            raise refusal(errno.EINVAL, "gap in table")
        target = kind.build(self, line.start, line.length, line.params)
        self.targets.append(target)
        self.types.append(kind)

    def _complete(self) -> None:
        kinds = {target.kind for target in self.targets}
        if self.wildcard and self.owner.live is not None:
            self.kind = self.owner.live.kind
            return
        if len(kinds) > 1:
            raise refusal(errno.EINVAL, "inconsistent table: different target types can't be mixed up")
        self.kind = kinds.pop()
        if self.kind is QueueKind.REQUEST and not all(device.request_based for device in self.devices):
            raise refusal(errno.EINVAL, "table load rejected: including non-request-stackable devices")

    def take(self, text: str) -> BlockDevice:
        """A device below, by `MAJOR:MINOR` (or /dev/NAME): opened once for all targets of this table."""
        dev = device_number(text)
        device = next((known for known in self.devices if known.dev == dev), None)
        if device is None:
            device = self.owner.take_device(dev, write=self.write)
            self.devices.insert(0, device)
            self._taken.append(device)
        return device

    def check_areas(self) -> None:
        """That every device below is large enough; the kernel looks when a table goes live, and at the first load."""
        for target in self.targets:
            for device, offset in target.areas():
                if device.sectors and offset + target.length > device.sectors:
                    raise refusal(errno.EINVAL, f"{device.name} too small for target")

    def destroy(self) -> None:
        """Close what was opened."""
        for device in self._taken:
            self.owner.drop_device(device)
        self._taken, self.devices = [], []

    def find_target(self, sector: int) -> Target | None:
        """The target that holds a sector."""
        return next((each for each in self.targets if each.start <= sector < each.start + each.length), None)


_NUMBER = re.compile(r"(\d+):(\d+)")


def device_number(text: str) -> DevT:
    """`MAJOR:MINOR` in the kernel's spelling. EOVERFLOW: too large; other texts name nodes, which a sandbox has not."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise refusal(errno.ENOENT if text.startswith("/") else errno.ENODEV, text)
    major, minor = int(match[1]), int(match[2])
    if major > MAX_MAJOR or minor > MAX_MINOR:
        raise refusal(errno.EOVERFLOW, text)
    return DevT(f"{major}:{minor}")
