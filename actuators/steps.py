"""The nouns of change: every kind of step there is, and what can come of one.

A step is complete: it says the whole table text, the numbers, and the precondition that must still hold when it is
done. A map is always addressed by its UUID, which must begin with `mpath-`: a step on a map that is not ours can't be
made. Steps are idempotent: done twice, the second time is `Unchanged` or `Lost`; only a reload of the very table that
runs, which is asked for its side effects, and the registration of a key, which can't be seen, are done again.
"""

from dataclasses import dataclass
from enum import IntFlag

from observers.dmtable import DevT, Sectors
from observers.errors import InvariantBroken
from observers.snapshot import MPATH_PREFIX, Alias, DeviceName, DmUuid, Wwid


class UdevFlags(IntFlag):
    """The upper half of a udev cookie, as 10-dm.rules and the multipath rules read it (libdevmapper.h)."""

    NONE = 0
    DISABLE_LIBRARY_FALLBACK = 0x0020
    PRIMARY_SOURCE = 0x0040
    RELOAD = 0x0100
    """SUBSYSTEM_UDEV_FLAG0: a reload whose content udev need not look at again."""
    NO_KPARTX = 0x0200
    """SUBSYSTEM_UDEV_FLAG1."""
    NO_PATHS = 0x0400
    """SUBSYSTEM_UDEV_FLAG2: no usable path now, so don't probe."""


@dataclass(frozen=True, slots=True)
class MapRef:
    """Which map: its UUID decides, its name is for people."""

    uuid: DmUuid
    name: Alias

    def __post_init__(self) -> None:
        if not self.uuid.startswith(MPATH_PREFIX):
            raise InvariantBroken(f"a step on {self.name!r} with UUID {self.uuid!r}, which is not a multipath map")


@dataclass(frozen=True, slots=True)
class Ownership:
    """Mode and owner of the map's device node; None leaves it to udev."""

    mode: int | None = None
    uid: int | None = None
    gid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateMap:
    """Make a device, load its table and start it. A refusal leaves no device behind."""

    map: MapRef
    size: Sectors
    table: str
    read_only: bool
    ownership: Ownership
    udev: UdevFlags


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadMap:
    """Load another table and swap it in (the kernel suspends, swaps, resumes). A refusal leaves the old one running.

    `expected`: the table's parameters when it was decided (None: the device had no table); another one there now:
    Lost. `flush`: let I/O in flight finish first, which a change of size needs.
    """

    map: MapRef
    size: Sectors
    table: str
    read_only: bool
    flush: bool
    expected: str | None
    udev: UdevFlags


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameMap:
    """Give a map another name. `map.name` is the name it has."""

    map: MapRef
    new_name: Alias
    udev: UdevFlags


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveMap:
    """Remove a map that nobody has open; EBUSY is retried a while, then Refused. `deferred`: one that somebody has open
    is removed by the kernel when it is closed for the last time."""

    map: MapRef
    udev: UdevFlags
    deferred: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRemoval:
    """Take back a deferred removal: the map stays when it is closed."""

    map: MapRef


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchGroup:
    """Use this group (from 1) for the next I/O."""

    map: MapRef
    group: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FailPath:
    """Tell dm to use this path no more. `name` is for people."""

    map: MapRef
    dev: DevT
    name: DeviceName


@dataclass(frozen=True, slots=True, kw_only=True)
class ReinstatePath:
    """Tell dm that this path works again."""

    map: MapRef
    dev: DevT
    name: DeviceName


@dataclass(frozen=True, slots=True, kw_only=True)
class SetQueueing:
    """Let I/O wait (`queue_if_no_path`) or fail (`fail_if_no_path`) when no path is left."""

    map: MapRef
    queue: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerUevent:
    """Have udev look at a path again (a `change` event), so that it learns that the path belongs to a map."""

    name: DeviceName
    dev: DevT
    sysfs: str
    """The device's directory under /sys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberWwid:
    """Add a WWID to the wwids file, with its header if the file is new."""

    file: str
    wwid: Wwid


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteBindings:
    """Replace the bindings file. `expected`: its text when it was decided (None: absent); another text now: Lost."""

    file: str
    text: str
    expected: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteKeys:
    """Have another text in the file of reservation keys, likewise. Only a command asks for it; no plan does."""

    file: str
    text: str
    expected: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkFailed:
    """Leave the mark that the kernel refused to make a WWID's map, for udev not to hold its disks back. `file`: the
    mark, an empty file."""

    file: str
    wwid: Wwid


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmarkFailed:
    """Take that mark away: the map is made."""

    file: str
    wwid: Wwid


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteTunable:
    """Write a value to a sysfs attribute of a path, of its port or of its adapter, for the sake of a map.

    `file`: the attribute below /sys/devices. `expected`: its text when it was decided; another one now: Lost. Nothing
    else in the map relies on it, so a refusal does not end the map's steps.
    """

    map: MapRef
    file: str
    value: str
    expected: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePath:
    """Have the kernel forget a path whose logical unit is no longer mapped (05/25/00). It may block for minutes.

    `sysfs`: the disk's directory under /sys/devices. Another device there or under `name` by now, or one that answers
    otherwise: Lost.
    """

    map: MapRef
    dev: DevT
    name: DeviceName
    sysfs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterKey:
    """Have the target know a path by its map's reservation key, as long as that is registered with the unit at all.

    `key`, or `former` (0: none), which it takes the place of, must be registered through some path: else somebody took
    this host's registrations away, and `Unregistered`. `enough`: with so many registrations of the key nothing is done
    (0: always). `key` 0: only take away whatever this path is registered under. `clear`: do that also where
    `Unregistered`. `ask_holder`: also find out who holds a reservation. `epoch`: which return of the path this is for.
    Another device under `name` by now: Lost. The map does not rely on it, so a refusal does not end its steps.
    """

    map: MapRef
    dev: DevT
    name: DeviceName
    key: int
    former: int = 0
    aptpl: bool = False
    enough: int = 0
    clear: bool = False
    ask_holder: bool = False
    epoch: int = 0


MapStep = (
    CreateMap
    | ReloadMap
    | RenameMap
    | RemoveMap
    | CancelRemoval
    | SwitchGroup
    | FailPath
    | ReinstatePath
    | SetQueueing
    | WriteTunable
    | DeletePath
    | RegisterKey
)
RecordStep = RememberWwid | WriteBindings | MarkFailed | UnmarkFailed
Step = MapStep | TriggerUevent | RecordStep

Incidental = WriteTunable | UnmarkFailed | RegisterKey
"""Steps on which no other step of their map relies: a refusal of one does not end the map's steps."""


@dataclass(frozen=True, slots=True)
class MdRef:
    """Which md array: its name finds it, its UUID (as the kernel prints it) decides."""

    name: DeviceName
    uuid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReAddMdMember:
    """Have md use a faulty member again, in one write. Not faulty by then: Unchanged. Nothing is lost on a refusal."""

    array: MdRef
    dev: DevT
    name: DeviceName


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveMdMember:
    """Take a faulty member out of its array, for it to be added again."""

    array: MdRef
    dev: DevT
    name: DeviceName


@dataclass(frozen=True, slots=True, kw_only=True)
class AddMdMember:
    """Add a device with the array's superblock to an array, and let it take a place that is free.

    `slot`: that place; None: there is none, so it stays a spare.
    """

    array: MdRef
    dev: DevT
    name: DeviceName
    slot: int | None


MdStep = ReAddMdMember | RemoveMdMember | AddMdMember
"""Steps on md arrays of level multipath. They are not among `Step`: no multipath map is concerned."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """It was so already."""


@dataclass(frozen=True, slots=True)
class Changed:
    """Done. `note`: what a person should know of how, e.g. `udev did not answer within 10 s`. `kept`: what the kernel
    made of a value that was written, when that is another one; else empty."""

    note: str = ""
    kept: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The kernel said no. `error`: errno; the map is as it was before the step. `tried`: False when the kernel was not
    even asked, because of what was refused before."""

    error: int
    message: str
    hint: str = ""
    tried: bool = True


@dataclass(frozen=True, slots=True)
class Lost:
    """The precondition no longer holds: the world moved on, so observe and plan again."""

    message: str


@dataclass(frozen=True, slots=True)
class Registered(Changed):
    """The target knows the path by the key. `held`: whether a reservation is held under it; None: nobody asked."""

    held: bool | None = None


@dataclass(frozen=True, slots=True)
class Unregistered(Lost):
    """The key is not registered through any path, so this path was not registered either, or not for longer."""


Outcome = Unchanged | Changed | Refused | Lost | Registered | Unregistered
