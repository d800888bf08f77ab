"""The state that the kernel itself gives a device: asked first, as a path that is not up there gets no command.

In: a `ReadHost` and a path's facts. Out: a `PathState`. It must never open the device.
"""

from observers.host import ReadHost
from observers.reading import OUR_OWN, VANISHED, decode
from observers.snapshot import Bus, Path, PathState

_BY_BUS = {
    Bus.SCSI: {"running": PathState.UP, "blocked": PathState.PENDING, "quiesce": PathState.PENDING},
    Bus.NVME: {"live": PathState.UP, "new": PathState.PENDING, "deleting": PathState.PENDING},
}
"""Beginnings of the attribute's text; any other text (`offline`, `transport-offline`, `dead` ...) is down."""


def state(host: ReadHost, path: Path) -> PathState:
    """Up where the bus has no such attribute, or too many files are open, since then only a checker can tell."""
    words = _BY_BUS.get(path.bus)
    if words is None:
        return PathState.UP
    try:
        text = decode(host.read_file(f"{path.sysfs}/device/state"))
    except OSError as error:
        if error.errno in OUR_OWN:
            return PathState.UP
        return PathState.REMOVED if error.errno in VANISHED else PathState.DOWN
    return next((found for beginning, found in words.items() if text.startswith(beginning)), PathState.DOWN)
