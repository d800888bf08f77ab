"""The md arrays of a host (software RAID), from /proc/mdstat and from sysfs.

In: a `ReadHost`. Out: one `Observed`: the arrays with their members, what the md driver can do, and the gaps.
/proc/mdstat says which arrays there are, and each array's own directory what is true of it. It must never open a
device, and never raise for what the kernel answers.

The level `multipath` was taken out of md in Linux 6.8: a newer kernel has no such array, and can't make one.
"""

import re
from dataclasses import dataclass

from observers.dmtable import DEV_T, DevT, Sectors
from observers.host import ReadHost
from observers.reading import NOT_PROVIDED, VANISHED, Reader
from observers.snapshot import DeviceName, Gap, HostFacts, MdArray, MdMember

MDSTAT = "/proc/mdstat"

MULTIPATH = "multipath"
"""The level of arrays whose members are all paths to the same disk."""

LAST_KERNEL = (6, 7)
"""The last Linux whose md driver has the level multipath."""

_QUIET = NOT_PROVIDED | VANISHED
_MEMBER_PREFIX = "dev-"

_PERSONALITY = re.compile(r"\[([^\[\]]+)\]")
_ARRAY = re.compile(r"(\S+) : (active|inactive)\b(.*)")
_STATE = re.compile(r"\((read-only|auto-read-only)\)")
_MEMBER = re.compile(r"(\S+)\[(\d+)\]((?:\([A-Z]\))*)")
_RELEASE = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class StatMember:
    """A member in /proc/mdstat: its name, its number in the array, and its marks, such as `F` (faulty), `S` (spare)."""

    name: DeviceName
    number: int
    marks: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatArray:
    """An array in /proc/mdstat. `level`: empty for one that is not active. `access`: `read-only`, `auto-read-only`, or
    empty."""

    name: DeviceName
    active: bool
    level: str = ""
    access: str = ""
    members: tuple[StatMember, ...] = ()


@dataclass(frozen=True, slots=True)
class MdStat:
    """What /proc/mdstat says: the personalities (levels) whose modules are loaded, and the arrays."""

    personalities: tuple[str, ...] = ()
    arrays: tuple[StatArray, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """All of md. `personalities`: None: the kernel has no md driver, or it is not loaded."""

    personalities: tuple[str, ...] | None = None
    arrays: tuple[MdArray, ...] = ()
    gaps: tuple[Gap, ...] = ()


def parse(text: str) -> MdStat:
    """The text of /proc/mdstat; lines that are not known are passed over."""
    personalities: tuple[str, ...] = ()
    arrays = []
    for line in text.splitlines():
        if line.startswith("Personalities :"):
            personalities = tuple(_PERSONALITY.findall(line))
        elif match := _ARRAY.fullmatch(line):
            arrays.append(_array(DeviceName(match[1]), match[3], active=match[2] == "active"))
    return MdStat(personalities, tuple(arrays))


def _array(name: DeviceName, rest: str, *, active: bool) -> StatArray:
    access = _STATE.search(rest)
    words = _STATE.sub("", rest).split()
    level = words[0] if active and words and not _MEMBER.fullmatch(words[0]) else ""
    members = (match for word in words if (match := _MEMBER.fullmatch(word)))
    return StatArray(
        name=name,
        active=active,
        level=level,
        access=access[1] if access else "",
        members=tuple(StatMember(DeviceName(m[1]), int(m[2]), re.sub("[()]", "", m[3])) for m in members),
    )


def observe(host: ReadHost) -> Observed:
    """All arrays now. A member that comes or goes meanwhile is there, or not, and never half there."""
    reader = Reader(host, "md")
    text = reader.text(MDSTAT, "arrays", quiet=_QUIET)
    if text is None:
        return Observed(gaps=tuple(reader.gaps))
    stat = parse(text)
    found = [observe_array(host, array.name) for array in stat.arrays]
    return Observed(
        personalities=stat.personalities,
        arrays=tuple(array for array, _ in found if array is not None),
        gaps=(*reader.gaps, *(gap for _, gaps in found for gap in gaps)),
    )


def observe_array(host: ReadHost, name: DeviceName) -> tuple[MdArray | None, tuple[Gap, ...]]:
    """One array; None when there is none of that name (any more)."""
    reader = Reader(host, name)
    place = f"/sys/block/{name}"
    number = reader.text(f"{place}/dev", "device number", quiet=_QUIET)
    if number is None or not DEV_T.fullmatch(number):
        return None, tuple(reader.gaps)

    def text(attribute: str) -> str:
        return reader.text(f"{place}/md/{attribute}", attribute, quiet=_QUIET) or ""

    array = MdArray(
        name=name,
        dev=DevT(number),
        level=text("level"),
        state=text("array_state"),
        uuid=text("uuid"),
        metadata=text("metadata_version"),
        disks=_decimal(text("raid_disks").split(" ")[0]),
        size=Sectors(_decimal(reader.text(f"{place}/size", "size", quiet=_QUIET) or "")),
        members=_members(reader, f"{place}/md"),
    )
    return array, tuple(reader.gaps)


def _members(reader: Reader, place: str) -> tuple[MdMember, ...]:
    names = [name for name in reader.names(place, "members", quiet=_QUIET) if name.startswith(_MEMBER_PREFIX)]
    found = (_member(reader, f"{place}/{name}", DeviceName(name.removeprefix(_MEMBER_PREFIX))) for name in names)
    return tuple(member for member in found if member is not None)


def _member(reader: Reader, place: str, name: DeviceName) -> MdMember | None:
    state = reader.text(f"{place}/state", f"state of {name}", quiet=_QUIET)
    if state is None:
        return None
    number = reader.text(f"{place}/block/dev", f"device number of {name}", quiet=_QUIET) or ""
    slot = reader.text(f"{place}/slot", f"slot of {name}", quiet=_QUIET) or ""
    return MdMember(
        name=name,
        dev=DevT(number) if DEV_T.fullmatch(number) else None,
        size=Sectors(_decimal(reader.text(f"{place}/block/size", f"size of {name}", quiet=_QUIET) or "")),
        state=tuple(word for word in state.split(",") if word),
        slot=int(slot) if slot.isascii() and slot.isdigit() else None,
        errors=_decimal(reader.text(f"{place}/errors", f"errors of {name}", quiet=_QUIET) or ""),
    )


def _decimal(text: str) -> int:
    """0 for what is no number: an array that is not set up yet has none."""
    return int(text) if text.isascii() and text.isdigit() else 0


def multipath_left(facts: HostFacts) -> bool:
    """Whether this kernel is newer than the last one that had md's level multipath, and does not have it."""
    release = _RELEASE.match(facts.kernel_release)
    newer = release is not None and (int(release[1]), int(release[2])) > LAST_KERNEL
    return newer and MULTIPATH not in (facts.md_personalities or ())
