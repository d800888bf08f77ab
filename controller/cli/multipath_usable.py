"""`multipath -C MAP` and `-U MAP`: whether a map has a path that can be used.

In: a `Subject`, and a host. Out: an exit status (0: it has), and a line on standard error. udev asks at every event of
a map, so this looks at device-mapper's own state of the paths and at sysfs, and sends nothing to any device: neither to
the map, which may have no path to answer it, nor to a path.
"""

from controller.cli.multipath_program import FAIL, OK, Subject
from observers import claim, devicemapper, sysfs
from observers.checkers import sysfs_state
from observers.host import ReadHost
from observers.kernel.real_host import RealHost
from observers.reading import NOT_PROVIDED, VANISHED, Reader
from observers.snapshot import MPATH_PREFIX, DeviceName, Map, PathState

_QUIET = NOT_PROVIDED | VANISHED


def run(subject: Subject) -> int:
    """Answer for this host."""
    return answer(RealHost(), subject)


def answer(host: ReadHost, subject: Subject) -> int:
    """Answer for a host: the exit status."""
    device = subject.invocation.device
    name = mapped(host, subject)
    if name is None:
        subject.say(1, f"{device} is not a dm device")
        return FAIL
    uuid = Reader(host, name).text(f"/sys/block/{name}/dm/uuid", "uuid", quiet=_QUIET) or ""
    maps = devicemapper.observe_some(host, (uuid,)).maps if uuid.startswith(MPATH_PREFIX) else ()
    found = next((path for each in maps for path in _usable(host, each)), None)
    if not maps:
        return FAIL
    if found is None:
        subject.say(2, f"{device}: no usable paths found")
        return FAIL
    subject.say(3, f"{device}: path {found} is usable")
    subject.say(3, f"{device}: usable paths found")
    return OK


def mapped(host: ReadHost, subject: Subject) -> DeviceName | None:
    """The kernel's name of the device-mapper device that is meant: by its node, that name, its number, or its name."""
    for written in (subject.node, subject.device):
        name = claim.find(host, written.replace("/", "!")) if written else None
        if name is not None:
            return name if claim.is_mapped(name) else None
    wanted = subject.device.removeprefix("mapper/")
    reader = Reader(host, wanted)
    for name in sysfs.disk_names(reader):
        if claim.is_mapped(name) and reader.text(f"/sys/block/{name}/dm/name", "name", quiet=_QUIET) == wanted:
            return name
    return None


def _usable(host: ReadHost, live: Map) -> list[DeviceName]:
    """The paths that device-mapper has not failed, and that the kernel says to be up."""
    active = [path.dev for group in (live.status.groups if live.status else ()) for path in group.paths if path.active]
    names = (claim.find(host, dev) for dev in active)
    return [name for name in names if name is not None and _is_up(host, name)]


def _is_up(host: ReadHost, name: DeviceName) -> bool:
    reader = Reader(host, name)
    disk = sysfs.find(reader, name)
    path = sysfs.observe(reader, disk) if disk is not None else None
    return path is not None and sysfs_state.state(host, path) is PathState.UP
