"""Watching what the kernel tells nobody: the states of disks and of what lies between them and the host.

Theory of operation. A SCSI disk's attribute `state` can't be polled and its changes send no uevent, but reading it
from a descriptor that is kept open costs a microsecond or two. So all are read, over and over: the few transport
objects (iSCSI sessions, Fibre Channel remote ports, SAS links) every 100 ms, and the many disks in turn, each every
200 ms or, when they are many, 300 ms or so. When a transport object changes, its disks are read at once. A change says
"look now"; whether a path works is for its checker.

In: paths, and the time. Out: `Change` values. It must never open anything but attributes in sysfs, never wait, and
never ask a device.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from observers.host import ReadHost, WatchHost
from observers.snapshot import DeviceName

TRANSPORT_INTERVAL = 0.1
DISK_INTERVAL = 0.2
"""Seconds between two readings of one attribute."""

SHARE = 0.03
"""The part of a processor that sampling may cost where readings are slow."""

MOST_A_SECOND = 13_500
"""Readings of disks' states: some 2 us each, so about 3 % of a processor. 4,096 disks are read every 0.3 s."""

_RPORT = re.compile(r"rport-\d+:\d+-\d+")
_SESSION = re.compile(r"session\d+")
_SAS_PORT = re.compile(r"port-\d+:\d+(?::\d+)?")


class Kind(StrEnum):
    """What has changed."""

    TRANSPORT = "transport"
    DISK = "disk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An attribute says something else. `subject`: its path for a transport object, the disk's name for a disk.

    `after` None: the object is gone (or can't be read any more), and is watched no longer. `disks`: all whom it
    concerns.
    """

    kind: Kind
    subject: str
    before: str
    after: str | None
    disks: tuple[DeviceName, ...]


@dataclass(slots=True)
class _Table:
    """Attributes side by side, so that a stretch of them is read in one go. `at`: where each subject is."""

    subjects: list[str] = field(default_factory=list)
    handles: list[int] = field(default_factory=list)
    last: list[bytes] = field(default_factory=list)
    at: dict[str, int] = field(default_factory=dict)
    turn: int = 0

    def add(self, subject: str, handle: int, data: bytes) -> None:
        self.at[subject] = len(self.subjects)
        self.subjects.append(subject)
        self.handles.append(handle)
        self.last.append(data)

    def remove(self, subject: str) -> int:
        """Take one out, the last of all in its place; its handle."""
        place = self.at.pop(subject)
        handle = self.handles[place]
        moved, other, data = self.subjects.pop(), self.handles.pop(), self.last.pop()
        if place < len(self.subjects):
            self.subjects[place], self.handles[place], self.last[place] = moved, other, data
            self.at[moved] = place
        return handle


class StateWatch:
    """All that is watched. Everything is called by one thread, with its `now` in monotonic seconds."""

    def __init__(self, host: WatchHost) -> None:
        self._host = host
        self._disks, self._transports = _Table(), _Table()
        self._below: dict[str, set[DeviceName]] = {}
        self._above: dict[DeviceName, tuple[str, ...]] = {}
        self._next = 0.0
        self._sampled: float | None = None
        self._pause = 0.0

    def follow(self, name: DeviceName, sysfs: str) -> None:
        """Watch a disk (`Path.sysfs` is where it is) and its transport; what it has no attributes of is left out."""
        self.forget(name)
        self._open(self._disks, name, f"{sysfs}/device/state")
        above = transport_attributes(self._host, sysfs)
        self._above[name] = above
        for attribute in above:
            self._below.setdefault(attribute, set()).add(name)
            if attribute not in self._transports.at:
                self._open(self._transports, attribute, attribute)

    def forget(self, name: DeviceName) -> None:
        """Watch a disk no longer, nor a transport object that has no other."""
        self._drop(self._disks, name)
        for attribute in self._above.pop(name, ()):
            self._below[attribute].discard(name)
            if not self._below[attribute]:
                del self._below[attribute]
                self._drop(self._transports, attribute)

    def due(self) -> float | None:
        """When `sample` should be called next; None: nothing is watched."""
        return self._next if self._disks.subjects or self._transports.subjects else None

    def sample(self, now: float) -> list[Change]:
        """Read what is due, and say what has changed."""
        elapsed = self._interval if self._sampled is None else max(0.0, now - self._sampled)
        self._sampled, self._next = now, now + self._interval
        changes = self._transport_changes(self._read(self._transports, 0, len(self._transports.subjects)))
        touched = {name for change in changes for name in change.disks}
        return [*changes, *self._looked_at(touched), *self._in_turn(elapsed)]

    def took(self, seconds: float) -> None:
        """How long the last sampling took: the next one comes so late that all of them cost `SHARE` of the time."""
        self._pause = seconds / SHARE
        if self._sampled is not None:
            self._next = self._sampled + self._interval

    @property
    def _interval(self) -> float:
        return max(self._pause, TRANSPORT_INTERVAL if self._transports.subjects else DISK_INTERVAL)

    def look(self, names: Iterable[DeviceName]) -> list[Change]:
        """Read some disks now."""
        return self._looked_at(names)

    def state(self, name: DeviceName) -> str | None:
        """What was last read of a disk; None: it is not watched."""
        place = self._disks.at.get(name)
        return None if place is None else _text(self._disks.last[place])

    def close(self) -> None:
        """Watch nothing any more."""
        for name in list(self._above):
            self.forget(name)

    def _open(self, table: _Table, subject: str, path: str) -> None:
        try:
            handle = self._host.open_attribute(path)
        except OSError:
            return
        (data,) = self._host.sample_attributes((handle,))
        if isinstance(data, bytes):
            table.add(subject, handle, data)
        else:
            self._host.close_attribute(handle)

    def _drop(self, table: _Table, subject: str) -> None:
        if subject in table.at:
            self._host.close_attribute(table.remove(subject))

    def _in_turn(self, elapsed: float) -> list[Change]:
        """As many disks as the time that has passed is worth, from where the last turn ended."""
        table, count = self._disks, len(self._disks.subjects)
        left = min(count, -(-min(count / DISK_INTERVAL, MOST_A_SECOND) * elapsed // 1))
        begin = table.turn if table.turn < count else 0
        end = int(min(count, begin + left))
        table.turn = end
        found = self._read(table, begin, end)
        if end - begin < left:
            table.turn = int(left - (end - begin))
            found += self._read(table, 0, table.turn)
        return self._disk_changes(found)

    def _looked_at(self, names: Iterable[DeviceName]) -> list[Change]:
        places = [self._disks.at[name] for name in names if name in self._disks.at]
        return self._disk_changes([found for place in places for found in self._read(self._disks, place, place + 1)])

    def _read(self, table: _Table, begin: int, end: int) -> list[tuple[str, bytes, bytes | None]]:
        """The subjects from `begin` to before `end` that say something else: what before, what now."""
        sampled = self._host.sample_attributes(table.handles[begin:end])
        if sampled == table.last[begin:end]:  # nearly always; this comparison is most of what there is to save
            return []
        found: list[tuple[str, bytes, bytes | None]] = []
        for place, data in enumerate(sampled, begin):
            known, now = table.last[place], data if isinstance(data, bytes) else None
            if now != known:
                found.append((table.subjects[place], known, now))
                if now is not None:
                    table.last[place] = now
        return found

    def _transport_changes(self, found: list[tuple[str, bytes, bytes | None]]) -> list[Change]:
        changes = []
        for attribute, before, after in found:
            if after is None:
                self._drop(self._transports, attribute)
            disks = tuple(sorted(self._below.get(attribute, ())))
            changes.append(_change(Kind.TRANSPORT, attribute, before, after, disks=disks))
        return changes

    def _disk_changes(self, found: list[tuple[str, bytes, bytes | None]]) -> list[Change]:
        changes = []
        for subject, before, after in found:
            name = DeviceName(subject)
            if after is None:
                self._drop(self._disks, name)
            changes.append(_change(Kind.DISK, name, before, after, disks=(name,)))
        return changes


def transport_attributes(host: ReadHost, sysfs: str) -> tuple[str, ...]:
    """The attributes that tell the state of what lies between a host and the disk at this place in sysfs."""
    parts = sysfs.split("/")
    found = [f"/sys/class/fc_remote_ports/{part}/port_state" for part in parts if _RPORT.fullmatch(part)]
    found += [f"/sys/class/iscsi_session/{part}/state" for part in parts if _SESSION.fullmatch(part)]
    ports = [place for place, part in enumerate(parts) if _SAS_PORT.fullmatch(part)]
    if ports:  # the last one is the disk's own; those before it lead from expander to expander
        found += _sas_links(host, "/".join(parts[: ports[-1] + 1]))
    return tuple(found)


def _sas_links(host: ReadHost, port: str) -> list[str]:
    try:
        names = host.list_directory(port)
    except OSError:
        return []
    return [f"/sys/class/sas_phy/{name}/negotiated_linkrate" for name in names if name.startswith("phy-")]


def _change(kind: Kind, subject: str, before: bytes, after: bytes | None, *, disks: tuple[DeviceName, ...]) -> Change:
    return Change(
        kind=kind, subject=subject, before=_text(before), after=None if after is None else _text(after), disks=disks
    )


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape").strip()
