"""The checker `none`: the path is what sysfs says of it, and nothing is sent.

In: a path that sysfs calls up. Out: a `Health` that says the same. It must never open the device.
"""

from observers.host import ReadHost
from observers.snapshot import Health, Path, PathState

NAME = "none"


def check(_host: ReadHost, _path: Path, *, timeout: float) -> Health:  # noqa: ARG001 (a checker's signature)
    """Up: it is asked only of paths that are up in sysfs."""
    return Health(NAME, PathState.UP)
