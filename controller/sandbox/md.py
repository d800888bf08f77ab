"""The md driver of a sandbox: arrays of level multipath, their members, /proc/mdstat, and the attributes in sysfs.

In: the arrays of a scenario, then requests and writes to attributes. Out: texts, results, and the errnos of Linux 6.1
(drivers/md/md.c, md-multipath.c), compared with a real kernel in tests/real_kernel. A member that failed is out of use
until somebody writes `re-add`, or `remove` and `new_dev`. What md does a moment later is done here at once.
"""

import errno
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from controller.sandbox.block import Io, Kind, Result
from controller.sandbox.disk_attributes import links
from controller.sandbox.disk_words import DiskState
from controller.sandbox.disks import Disk
from controller.sandbox.errors import refusal
from controller.sandbox.san import MdSpec
from controller.sandbox.vfs import Attribute, Link, Node, Tree, View
from observers.dmtable import DevT, Sectors
from observers.kernel import md_superblock
from observers.kernel.md_superblock import LEVEL_MULTIPATH, MdFormatError, Superblock

MAJOR = 9
"""Of all md arrays."""

PERSONALITIES = "Personalities : [multipath] \n"

_DATA_OFFSET = 2048  # sectors; what mdadm leaves before the data for versions 1.1 and 1.2
_BEFORE_BLOCK = 16  # sectors; what it leaves before a superblock 1.0 for the log of bad blocks
_NUMBER = re.compile(r"(\d+):(\d+)\n?")

Rows = Mapping[str, Callable[[], Node]]


@dataclass(slots=True, eq=False)
class Member:
    """A disk in an array. `had_place`: it was in use before it failed, so `re-add` will have it."""

    disk: Disk
    place: str
    number: int
    slot: int | None = None
    faulty: bool = False
    had_place: bool = False

    @property
    def working(self) -> bool:
        """Whether I/O goes to it."""
        return self.slot is not None and not self.faulty

    @property
    def state(self) -> str:
        """The attribute `state`."""
        return "faulty" if self.faulty else "spare" if self.slot is None else "in_sync"

    @property
    def mark(self) -> str:
        """Its mark in /proc/mdstat."""
        return "(F)" if self.faulty else "(S)" if self.slot is None else ""

    def reaches_disk(self) -> bool:
        """Whether a write of the superblock would succeed."""
        io = Io(Kind.WRITE)
        self.disk.submit(io)
        return io.result is Result.DONE


class MdDevice:
    """A running array. `find`: a disk and its place in sysfs, by its number. `changed`: an event of /proc/mdstat."""

    def __init__(
        self,
        spec: MdSpec,
        disks: list[tuple[Disk, str]],
        *,
        find: Callable[[DevT], tuple[Disk, str] | None],
        changed: Callable[[], None],
    ) -> None:
        self.spec, self.name = spec, spec.name
        self.dev = DevT(f"{MAJOR}:{spec.name.removeprefix('md')}")
        self._find, self._changed = find, changed
        self.disks = spec.disks or len(disks)
        self.members: list[Member] = []
        for slot, (disk, place) in enumerate(disks):
            self._write_superblock(disk)
            self.members.append(Member(disk, place, slot, slot if slot < self.disks else None))
            self._claim(disk)

    def _write_superblock(self, disk: Disk) -> None:
        unit = disk.array.shown[disk.nexus.number]
        size = Sectors(disk.size)
        block = Superblock(
            version=self.spec.metadata, uuid=self.spec.uuid, level=LEVEL_MULTIPATH, disks=self.disks
        )  # fmt: skip
        unit.medium[md_superblock.place(self.spec.metadata, size)] = md_superblock.pack(block, member_sectors=size)

    def _claim(self, disk: Disk) -> None:
        """md has its members for itself alone, and open, so that their names are not given again."""
        disk.mounted = True
        disk.holders.append(self.name)
        disk.hold()

    def _release(self, disk: Disk) -> None:
        disk.mounted = False
        disk.holders.remove(self.name)
        disk.let_go()

    @property
    def sectors(self) -> int:
        """The size of the array."""
        size = self.members[0].disk.size if self.members else 0
        block = md_superblock.place(self.spec.metadata, Sectors(size)) // md_superblock.SECTOR
        return {"0.90": block, "1.0": block - _BEFORE_BLOCK}.get(self.spec.metadata, size - _DATA_OFFSET)

    # ---- requests

    def submit(self, io: Io) -> None:
        """Serve a request by the first member that works; each on which it fails is out of use from then on."""
        member = next((member for member in self.members if member.working), None)
        if member is None:
            io.end(Result.PATH_ERROR)
            return
        member.disk.submit(Io(io.kind, on_end=lambda result: self._ended(io, member, result)))

    def _ended(self, io: Io, member: Member, result: Result) -> None:
        if result is Result.PATH_ERROR and self._fail(member):
            self.submit(io)
        else:
            io.end(result)

    def _fail(self, member: Member) -> bool:
        """Take a member out of use; False: it is the last one, which md never does."""
        working = [each for each in self.members if each.working]
        if working == [member]:
            return False
        member.had_place = member.had_place or member.slot is not None
        member.faulty, member.slot = True, None
        self._renumber()
        self._changed()
        return True

    def _renumber(self) -> None:
        """Superblocks 0.90 number members by their places, and the others after them."""
        if self.spec.metadata == "0.90":
            others = iter(range(self.disks, self.disks + len(self.members)))
            for member in self.members:
                member.number = member.slot if member.slot is not None else next(others)

    def fail(self, name: str) -> None:
        """As `mdadm --fail` does it."""
        self._fail(self.member(name))

    def member(self, name: str) -> Member:
        """A member by its disk's name."""
        found = next((member for member in self.members if member.disk.name == name), None)
        if found is None:
            raise refusal(errno.ENOENT, f"{self.name}: {name}")
        return found

    # ---- attributes

    def set_state(self, member: Member, data: bytes) -> None:
        """A write to a member's `state`."""
        word = data.decode("ascii", "replace").removesuffix("\n")
        if word == "faulty":
            self._fail(member)
        elif word == "remove":
            self._remove(member)
        elif word == "re-add":
            self._re_add(member)
        else:
            raise refusal(errno.EINVAL, f"{self.name}: {word}")

    def _remove(self, member: Member) -> None:
        if member.slot is not None:
            raise refusal(errno.EBUSY, f"{self.name}: {member.disk.name}")
        self.members.remove(member)
        self._renumber()
        self._release(member.disk)
        self._changed()

    def _re_add(self, member: Member) -> None:
        """Use it again; the superblock that md then writes shows whether it can be reached."""
        if not (member.faulty and member.had_place):
            raise refusal(errno.EBUSY, f"{self.name}: {member.disk.name}")
        member.faulty = False
        member.slot = next(iter(self._free()), None)
        self._renumber()
        self._changed()
        if not member.reaches_disk():
            self._fail(member)

    def _free(self) -> list[int]:
        return sorted(set(range(self.disks)) - {member.slot for member in self.members})

    def add(self, data: bytes) -> None:
        """A write to `new_dev`."""
        match = _NUMBER.fullmatch(data.decode("ascii", "replace"))
        if match is None:
            raise refusal(errno.EINVAL, f"{self.name}: new_dev")
        found = self._find(DevT(f"{match[1]}:{match[2]}"))
        if found is None or found[0].state is not DiskState.RUNNING:
            raise refusal(errno.ENXIO, f"{self.name}: new_dev")
        disk, place = found
        if disk.mounted or disk.holders:
            raise refusal(errno.EBUSY, f"{self.name}: {disk.name}")
        if not self._is_ours(disk):
            raise refusal(errno.EINVAL, f"{self.name}: {disk.name}")
        numbers = {member.number for member in self.members}
        number = next(number for number in range(self.disks, self.disks + len(numbers) + 1) if number not in numbers)
        self.members.insert(0, Member(disk, place, number))
        self._claim(disk)
        self._changed()

    def _is_ours(self, disk: Disk) -> bool:
        offset = md_superblock.place(self.spec.metadata, Sectors(disk.size))
        unit = disk.array.shown.get(disk.nexus.number)
        try:
            block = md_superblock.unpack(unit.read(offset, md_superblock.BLOCK) if unit else b"", self.spec.metadata)
        except MdFormatError:
            return False
        return block.uuid == self.spec.uuid

    def set_slot(self, member: Member, data: bytes) -> None:
        """A write to a member's `slot`; no event comes of it, nor is a superblock written, which would number it."""
        text = data.decode("ascii", "replace").strip()
        if not text.isdigit():
            raise refusal(errno.EINVAL, f"{self.name}: slot")
        if member.slot is not None:
            raise refusal(errno.EBUSY, f"{self.name}: slot")
        if int(text) >= self.disks:
            raise refusal(errno.ENOSPC, f"{self.name}: slot")
        if int(text) not in self._free():
            raise refusal(errno.EEXIST, f"{self.name}: slot")
        member.slot = int(text)

    # ---- texts

    def status(self) -> str:
        """Its lines in /proc/mdstat."""
        names = " ".join(f"{member.disk.name}[{member.number}]{member.mark}" for member in self.members)
        used = {member.slot for member in self.members if member.working}
        version = "" if self.spec.metadata == "0.90" else f"super {self.spec.metadata} "
        signs = "".join("U" if slot in used else "_" for slot in range(self.disks))
        counts = f"{self.sectors // 2} blocks {version}[{self.disks}/{len(used)}] [{signs}]"
        return f"{self.name} : active multipath {names}\n      {counts}\n      \n"

    def rows(self) -> Rows:
        """Its directory in sysfs."""
        return {
            "dev": _text(self.dev),
            "size": _text(str(self.sectors)),
            "ro": _text("0"),
            "hidden": _text("0"),
            "holders": lambda: links(()),
            "slaves": lambda: links([member.disk.name for member in self.members]),
            "subsystem": lambda: Link("/sys/class/block"),
            "md": lambda: View(self._md_rows),
        }

    def _md_rows(self) -> Rows:
        own = {
            "level": "multipath",
            "array_state": "clean",
            "uuid": self.spec.uuid,
            "metadata_version": self.spec.metadata,
            "raid_disks": str(self.disks),
        }
        return {
            **{name: _text(value) for name, value in own.items()},
            "new_dev": lambda: Attribute(None, self.add),
            **{f"dev-{member.disk.name}": _view(self._member_rows, member.disk.name) for member in self.members},
        }

    def _member_rows(self, name: str) -> Rows:
        """By the name, for a tree remembers directories, and another member may come under it."""
        member = next((member for member in self.members if member.disk.name == name), None)
        if member is None:
            return {}
        slot = "none" if member.slot is None else str(member.slot)
        return {
            "state": lambda: Attribute(lambda: f"{member.state}\n".encode(), lambda data: self.set_state(member, data)),
            "slot": lambda: Attribute(lambda: f"{slot}\n".encode(), lambda data: self.set_slot(member, data)),
            "errors": _text("0"),
            "block": lambda: Link(member.place),
        }


def _text(value: str) -> Callable[[], Node]:
    return lambda: Attribute(lambda: f"{value}\n".encode())


def _view(rows: Callable[[str], Rows], name: str) -> Callable[[], Node]:
    return lambda: View(lambda: rows(name))


class MdDriver:
    """All arrays. `events`: how often /proc/mdstat would have said so (POLLPRI)."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._arrays: dict[str, MdDevice] = {}
        self.events = 0

    @property
    def arrays(self) -> Iterator[MdDevice]:
        """In the order in which they were made."""
        return iter(self._arrays.values())

    def find(self, name: str) -> MdDevice | None:
        """An array by its name."""
        return self._arrays.get(name)

    def start(
        self, spec: MdSpec, disks: list[tuple[Disk, str]], find: Callable[[DevT], tuple[Disk, str] | None]
    ) -> None:
        """Make an array that runs, on disks with their directories in sysfs."""
        array = MdDevice(spec, disks, find=find, changed=self._event)
        if not self._arrays:
            self._tree.put("/proc/mdstat", Attribute(lambda: self.status().encode()))
        self._arrays[spec.name] = array
        place = f"/sys/devices/virtual/block/{spec.name}"
        self._tree.put(place, View(array.rows))
        for path in (f"/sys/block/{spec.name}", f"/sys/class/block/{spec.name}", f"/sys/dev/block/{array.dev}"):
            self._tree.put(path, Link(place))
        self._event()

    def _event(self) -> None:
        self.events += 1

    def status(self) -> str:
        """/proc/mdstat."""
        return PERSONALITIES + "".join(array.status() for array in self.arrays) + "unused devices: <none>\n"
