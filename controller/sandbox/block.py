"""Block devices and the I/O that goes through them: what disks and device-mapper devices have in common.

In: requests (`Io`). Out: their results, at once or later. A request that waits is held by whoever can't serve it now.
None must ever be lost: every `Io` that was submitted is either held by somebody or has its result.
"""

import errno
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum

from controller.sandbox.errors import refusal
from observers.dmtable import DevT


class Kind(StrEnum):
    """What a request does."""

    READ = "read"
    WRITE = "write"


class Result(Enum):
    """How a request ended: served; failed by what may be the path's fault; refused by the unit (so never retried)."""

    DONE = "done"
    PATH_ERROR = "path error"
    TARGET_ERROR = "target error"


def _nothing(_result: Result) -> None:
    """For who asks later."""


@dataclass(slots=True, eq=False)
class Io:
    """A request. `result` None: it waits, in a queue or in flight. `probe`: it is udev's, who only wants to look."""

    kind: Kind
    on_end: Callable[[Result], None] = _nothing
    result: Result | None = None
    probe: bool = False

    @property
    def waits(self) -> bool:
        """Whether it has no result yet."""
        return self.result is None

    def end(self, result: Result) -> None:
        """Give the result; once."""
        self.result = result
        self.on_end(result)


class BlockDevice(ABC):
    """What device-mapper can put a table on. `sectors`: of 512 bytes; `holders`: names of the dm devices on top."""

    name: str
    dev: DevT

    def __init__(self, name: str, dev: DevT) -> None:
        self.name, self.dev = name, dev
        self.holders: list[str] = []

    @property
    @abstractmethod
    def sectors(self) -> int:
        """The size that the kernel believes in."""

    @property
    def request_based(self) -> bool:
        """Whether it has a request queue of its own, which a request-based map needs below it."""
        return True

    @abstractmethod
    def open_for_dm(self, *, write: bool) -> None:
        """Open it as device-mapper does, which shares with device-mapper only (`OSError`)."""

    @abstractmethod
    def close_for_dm(self) -> None:
        """Close it again."""

    @abstractmethod
    def submit(self, io: Io) -> None:
        """Serve a request, or hold it."""

    @property
    def handler(self) -> str:
        """The name of the SCSI device handler that is attached; empty: none, or not a SCSI device."""
        return ""

    def attach_handler(self, name: str) -> None:
        """Attach a device handler (`OSError`: ENODEV where there can't be one, EBUSY where another is)."""
        raise refusal(errno.ENODEV, f"no device handler can be attached to {self.name}: {name}")

    def activate(self) -> bool:
        """Have the device handler make the path usable (`scsi_dh_activate`); False: it is not."""
        return True
