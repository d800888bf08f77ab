"""What must be known of one block device when udev asks whether it is a multipath path.

In: a `ClaimReadHost` and the device's name. Out: a `Snapshot` of that device only, with its usage, and of the maps that
bear on it. udev asks for every disk while the disks are being found, so this looks at no other disk unless that is
asked for, and must never send a command to a device.
"""

from dataclasses import replace

from observers import accounts, config_files, devicemapper, runtime_files, sysfs, usage
from observers.collect import host_facts, observe_path, unasked
from observers.config_files import Places
from observers.host import ClaimReadHost, ReadHost
from observers.reading import NOT_PROVIDED, VANISHED, Reader
from observers.snapshot import DeviceName, Gap, Path, Snapshot, Usage, Wwid, map_uuid

_CLASS = "/sys/class/block"
_DM_PREFIX = "dm-"
_NUMBERS = "/sys/dev/block"
_QUIET = NOT_PROVIDED | VANISHED


def find(host: ReadHost, name: str) -> DeviceName | None:
    """The kernel's name of a block device (or partition) that is named so, or by its number; None: there is none."""
    reader = Reader(host, name)
    place = f"{_NUMBERS}/{name}" if ":" in name else f"{_CLASS}/{name}"
    if not name or "/" in name:
        return None
    real = reader.attempt("sysfs directory", lambda: host.real_path(place), quiet=_QUIET)
    if real is None or reader.text(f"{real}/dev", "device number", quiet=_QUIET) is None:
        return None
    return DeviceName(real.rpartition("/")[2])


def is_mapped(name: DeviceName) -> bool:
    """Whether a block device is device-mapper's."""
    return name.startswith(_DM_PREFIX)


def observe(host: ClaimReadHost, name: DeviceName, places: Places, *, socket: str | None = None) -> Snapshot:
    """A snapshot of one device, without it where it can't be a path (a partition, a virtual device) or is gone.

    `socket`: of the daemon, where it is not the usual one.
    """
    reader = Reader(host, "host")
    path, gaps = _device(host, name)
    texts = config_files.observe(host, places)
    held = () if path is None or path.usage is None else path.usage.maps
    kernel = devicemapper.observe_some(host, map(map_uuid, held))
    return Snapshot(
        taken_at=host.wall_time(),
        host=host_facts(reader, kernel, socket=socket),
        main_config=places.main,
        config_files=texts.configuration,
        bindings=texts.bindings,
        wwids=texts.wwids,
        paths=() if path is None else (path,),
        maps=kernel.maps,
        failed_wwids=runtime_files.failed_wwids(reader),
        accounts=accounts.observe(reader, texts.configuration),
        gaps=(*reader.gaps, *texts.gaps, *kernel.gaps, *gaps),
    )


def with_map(host: ReadHost, snapshot: Snapshot, wwid: Wwid) -> Snapshot:
    """The snapshot with the map of a WWID too, if there is one."""
    if any(each.wwid == wwid for each in snapshot.maps):
        return snapshot
    found = devicemapper.observe_some(host, (map_uuid(wwid),))
    return replace(snapshot, maps=(*snapshot.maps, *found.maps), gaps=(*snapshot.gaps, *found.gaps))


def _device(host: ClaimReadHost, name: DeviceName) -> tuple[Path | None, tuple[Gap, ...]]:
    if name not in sysfs.disk_names(Reader(host, name)):
        return None, ()
    path, gaps = observe_path(host, name, unasked)
    if path is None:
        return None, gaps
    reader = Reader(host, name)
    used = usage.observe(reader, path)
    waiting = runtime_files.wait_until(reader, host, path.dev)
    return replace(path, usage=replace(used, wait_until=waiting)), (*gaps, *reader.gaps)


def usage_now(host: ClaimReadHost, name: DeviceName) -> Usage:
    """Who has a device now; nobody when it is gone."""
    path, _ = _device(host, name)
    return Usage() if path is None or path.usage is None else path.usage


def others(host: ReadHost, name: DeviceName) -> tuple[Path, ...]:
    """All other disks, by sysfs and udev alone: one of them may be a second path to the unit of this one."""
    names = sysfs.disk_names(Reader(host, name))
    found = (observe_path(host, other, unasked)[0] for other in names if other != name)
    return tuple(path for path in found if path is not None)
