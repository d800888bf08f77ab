"""Which path or map a word means.

In: rows and the word of a command. Out: a row, or None. Pure. What multipathd takes is taken the same way and first:
for paths `8:16`, `sdb`, `/dev/sdb`; for maps `dm-3`, an alias, a WWID, each also after `/dev/`, but no device number.
Beyond that `/dev/mapper/ALIAS`, and the names of udev's links (`/dev/disk/by-id/...`), which there are no devices for.
"""

import re
from collections.abc import Iterable, Sequence

from controller.protocol.rows import MapRow, PathRow
from controller.protocol.wildcards import kernel_name
from observers.dmtable import DevT
from observers.snapshot import Alias, DeviceName, Wwid

_DEV, _MAPPER = "/dev/", "/dev/mapper/"
_MINOR = re.compile(r"dm-0*([0-9]+)", re.ASCII)


def device_name(word: str) -> DeviceName:
    """The kernel's name in a path's name: `/dev/sda` and `cciss/c0d0` have one."""
    name = word.removeprefix(_DEV) or word
    return DeviceName(name.replace("cciss/", "cciss!", 1))


def find_path(rows: Sequence[PathRow], word: str) -> PathRow | None:
    """The path of this number, name or link."""
    name = device_name(word)
    named = (row for row in rows if row.path is not None and row.path.name == name)
    return next((row for row in rows if row.dev == DevT(name)), None) or next(named, None) or _linked(rows, word)


def _linked(rows: Iterable[PathRow], word: str) -> PathRow | None:
    if not word.startswith(_DEV):
        return None
    return next((row for row in rows if row.path and word in row.path.udev.get("DEVLINKS", "").split()), None)


def find_map(rows: Sequence[MapRow], word: str) -> MapRow | None:
    """The map of this kernel name, alias or WWID."""
    name = word.removeprefix(_DEV) or word
    number = _MINOR.fullmatch(name)
    if number is not None:
        name = f"dm-{number[1]}"
    return (
        next((row for row in rows if number is not None and kernel_name(row) == name), None)
        or _called(rows, name)
        or (_called(rows, word.removeprefix(_MAPPER)) if word.startswith(_MAPPER) else None)
    )


def _called(rows: Sequence[MapRow], name: str) -> MapRow | None:
    aliased = (row for row in rows if row.map.name == Alias(name))
    return next(aliased, None) or next((row for row in rows if row.map.wwid == Wwid(name)), None)
