"""One descriptor that tells of an event of any mapped device: device-mapper's control node, polled.

In: nothing. Out: a descriptor that is readable from the first event after `arm` on. Facts: drivers/md/dm-ioctl.c since
interface 4.37 (Linux 4.13). It must never ask anything else of the node.
"""

import ctypes
import os

from observers.kernel import dm_ioctl, ioctl
from observers.kernel.dm_ioctl import Command, Header

CONTROL = "/dev/mapper/control"


class DmPoll:
    """The node, opened for this alone: each open file has its own place in the count of events."""

    def __init__(self, control: str = CONTROL) -> None:
        self._descriptor = os.open(control, os.O_RDWR | os.O_CLOEXEC)

    def fileno(self) -> int:
        """Readable when there was an event since the last `arm`."""
        return self._descriptor

    def arm(self) -> None:
        """What happened so far is known. ENOTTY: the kernel is older than this."""
        request = dm_ioctl.pack(Header())
        buffer = ctypes.create_string_buffer(request, len(request))
        ioctl.ioctl(self._descriptor, dm_ioctl.request_number(Command.DM_DEV_ARM_POLL), buffer)

    def close(self) -> None:
        """Close it."""
        os.close(self._descriptor)
