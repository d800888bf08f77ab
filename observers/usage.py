"""Who has a device, or one of its partitions: devices on top of it, mounts, swap.

In: a `Reader`, and the device as sysfs knows it. Out: a `Usage` without the wait of udev. It reads sysfs and /proc, and
must never open the device.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from observers.kernel.dm_names import from_kernel
from observers.reading import NOT_PROVIDED, VANISHED, Reader
from observers.snapshot import MPATH_PREFIX, Path, Usage, Wwid
from observers.sysfs import holders

MOUNTS = "/proc/self/mountinfo"
SWAPS = "/proc/swaps"

_QUIET = NOT_PROVIDED | VANISHED
_DEV_DIRECTORY = "/dev/"
_DM = "dm-"
_NUMBER, _POINT = 2, 4
"""Columns of MOUNTS before its separator: number of the device, and where it is mounted (proc(5))."""
_OCTAL = re.compile(r"\\([0-7]{3})")
"""How the kernel writes blanks in both files."""


def observe(reader: Reader, path: Path) -> Usage:
    """All uses of a device now."""
    numbers = {**_partitions(reader, path), path.name: str(path.dev)}
    uses = (*_held(reader, path, numbers), *_mounted(reader, numbers), *_swapped(reader, numbers))
    return Usage(maps=_maps(reader, path), uses=uses)


def _partitions(reader: Reader, path: Path) -> dict[str, str]:
    """Its partitions with their numbers: directories in its own that have an attribute `partition`."""
    found = {}
    for name in reader.names(path.sysfs, "partitions", quiet=_QUIET):
        if not name.startswith(path.name):
            continue
        if reader.text(f"{path.sysfs}/{name}/partition", "partition", quiet=_QUIET) is not None:
            found[name] = reader.text(f"{path.sysfs}/{name}/dev", "device number", quiet=_QUIET) or ""
    return found


def _held(reader: Reader, path: Path, names: Iterable[str]) -> Iterator[str]:
    yield from (f"{holder} is on top of {path.name}" for holder in path.holders)
    for name in names:
        if name != path.name:
            above = holders(reader, f"{path.sysfs}/{name}", quiet=_QUIET)
            yield from (f"{holder} is on top of {name}" for holder in above)


def _maps(reader: Reader, path: Path) -> tuple[Wwid, ...]:
    """The multipath maps on top of the whole device, by sysfs: it answers also while device-mapper is busy."""
    mapped = (holder for holder in path.holders if holder.startswith(_DM))
    uuids = (reader.text(f"/sys/block/{holder}/dm/uuid", f"UUID of {holder}", quiet=_QUIET) for holder in mapped)
    names = (from_kernel(uuid) for uuid in uuids if uuid and uuid.startswith(MPATH_PREFIX))
    return tuple(Wwid(name.removeprefix(MPATH_PREFIX)) for name in names)


def _mounted(reader: Reader, numbers: Mapping[str, str]) -> Iterator[str]:
    """Mounts by number, and by source: file systems over several devices (btrfs) have a number of their own."""
    text = reader.text(MOUNTS, "mounts", quiet=_QUIET) or ""
    for line in text.split("\n"):
        own, _, rest = line.partition(" - ")
        columns, source = own.split(" "), rest.split(" ")[1:2]
        if len(columns) <= _POINT:
            continue
        name = next((name for name, number in numbers.items() if number == columns[_NUMBER]), "")
        name = name or next((_name(reader, word, numbers) for word in source), "")
        if name:
            yield f"{name} is mounted on {_plain(columns[_POINT])}"


def _swapped(reader: Reader, numbers: Mapping[str, str]) -> Iterator[str]:
    text = reader.text(SWAPS, "swap areas", quiet=_QUIET) or ""
    for line in text.split("\n")[1:]:
        if name := _name(reader, line.partition(" ")[0].partition("\t")[0], numbers):
            yield f"{name} is used as swap"


def _name(reader: Reader, written: str, names: Iterable[str]) -> str:
    """The device among these that a path under /dev leads to, maybe by links; empty: none."""
    node = _plain(written)
    if not node.startswith(_DEV_DIRECTORY):
        return ""
    found = [name for name in names if node == _node(name)]
    if not found:
        real = reader.attempt("link", lambda: reader.host.real_path(node), quiet=_QUIET)
        found = [name for name in names if real == _node(name)]
    return found[0] if found else ""


def _node(name: str) -> str:
    return _DEV_DIRECTORY + name.replace("!", "/")


def _plain(written: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), written)
