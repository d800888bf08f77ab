"""The udev database: the properties that the rules gave a block device.

In: a kernel device name. Out: its properties in udev's order. The one module that uses pyudev, for commands that run
once; a daemon reads the files of the database itself (`udev_database`). It must never write to the database or wait.
"""

import errno
import functools
import os
import threading
from collections.abc import Mapping

import pyudev

SUBSYSTEM = "block"

_LIBUDEV = threading.Lock()
"""libudev counts references to a context without atomics, and ctypes lets other threads run during its calls."""


@functools.cache
def _context() -> pyudev.Context:
    """One context for the process: making it forks ldconfig, so it is not made again for every device."""
    return pyudev.Context()


def properties(name: str) -> Mapping[str, str]:
    """The properties of a block device by its kernel name.

    OSError: ENODEV when there is no such device, EILSEQ when a value is not text.
    """
    try:
        with _LIBUDEV:
            device = pyudev.Devices.from_name(_context(), SUBSYSTEM, name)
            return dict(device.properties.items())
    except (pyudev.DeviceNotFoundError, KeyError) as error:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), name) from error
    except UnicodeDecodeError as error:
        raise OSError(errno.EILSEQ, os.strerror(errno.EILSEQ), name) from error
