"""Steps on device-mapper maps, but for messages to them: one function per step type.

In: a host, a complete step, and for steps that make uevents how to wait for udev. Out: an `Outcome`; a kernel's refusal
never leaves as an exception. Before each write the step's precondition is read again: already so is `Unchanged`, gone
is `Lost`. Must never decide anything, and must never leave a map suspended or half made.

Owner and mode of the device node are not set here, although `CreateMap` carries them: the node /dev/dm-N is
devtmpfs's, /dev/mapper/NAME a symbolic link of udev's, and udev's own rules give the node group `disk` again with every
event. multipathd leaves it to udev too, in effect (with DISABLE_LIBRARY_FALLBACK libdevmapper touches no node).

DM_TABLE_CLEAR is never sent: on Linux 6.1 (seen on 6.1.192, Debian's 6.1.0-56) a clear of a running map, then a rename
of it, then a load into it corrupt the kernel's memory, and it panics, however much time lies between. (The likely
cause: drivers/md/dm-ima.c has both tables share what it knows of the device after a clear; the rename frees that, and
the load frees it again.) A table in the inactive slot that should not be there is loaded over instead.
"""

import errno
from collections.abc import Callable
from dataclasses import replace
from itertools import count

from actuators import dm_calls as dm
from actuators.answers import answered, gone
from actuators.cookie import Cookie, UdevSync, udev_cookie
from actuators.retry import BUSY, INTERRUPTED, RECOVERING, again
from actuators.steps import (
    Changed,
    CreateMap,
    Lost,
    MapRef,
    Outcome,
    ReloadMap,
    RemoveMap,
    RenameMap,
    Unchanged,
)
from observers.dmtable import DevT, MultipathTable, parse_table
from observers.errors import KernelRefused
from observers.host import Host
from observers.kernel.dm_ioctl import Flag, Header

QUEUEING = "queue_if_no_path"
NOTE_READ_ONLY = "loaded read-only, because a path is write-protected"
NOTE_OWNERSHIP = "mode, uid and gid are left to udev's rules, which set them with every event"
_READ_ONLY_ERRORS = frozenset({errno.EROFS, errno.EACCES})
"""What opening a write-protected disk for writing gives: EACCES from the block layer, EROFS from some drivers."""


@answered
def create_map(host: Host, step: CreateMap, *, sync: UdevSync) -> Outcome:
    """Make, load and start a map. A device of the same UUID without a table is finished: its maker was killed."""
    found = dm.live(host, step.map, table=True)
    if found is None:
        return _synchronised(host, sync, lambda cookie: _create(host, step, cookie))
    if found.header.name != step.map.name:
        return Lost(f"a device with UUID {step.map.uuid} exists already, named {found.header.name!r}")
    if Flag.DM_ACTIVE_PRESENT_FLAG not in found.header.flags:
        return _synchronised(host, sync, lambda cookie: _start(host, step, cookie))
    return Unchanged() if _is_loaded(found, step) else Lost(_other_table(step.map, found))


def _create(host: Host, step: CreateMap, cookie: Cookie) -> Outcome:
    dm.create(host, step.map)
    return _start(host, step, cookie)


def _start(host: Host, step: CreateMap, cookie: Cookie) -> Outcome:
    """Load and resume the empty device; whatever goes wrong, the device goes."""
    try:
        note = _load(host, step)
        cookie.send(
            step.udev,
            lambda event: again(host, lambda: dm.resume(host, step.map, flush=True, event=event), INTERRUPTED),
        )
    except KernelRefused as error:
        raise _with_aftermath(error, _take_back(host, step, cookie)) from error
    except BaseException:
        _take_back(host, step, cookie)
        raise
    return Changed(_joined(note, NOTE_OWNERSHIP if _wants_ownership(step) else ""))


def _wants_ownership(step: CreateMap) -> bool:
    """Whether the step asks for a mode, an owner or a group of the node."""
    return (step.ownership.mode, step.ownership.uid, step.ownership.gid) != (None, None, None)


def _take_back(host: Host, step: CreateMap, cookie: Cookie) -> str:
    """Remove what was made; says how that went."""
    try:
        cookie.send(step.udev, lambda event: again(host, lambda: dm.remove(host, step.map, event=event), BUSY))
    except KernelRefused as error:
        if error.errno != errno.ENXIO:
            return f"and the empty device is still there, as it could not be removed: {error}"
    return "the device was removed again"


@answered
def reload_map(host: Host, step: ReloadMap, *, sync: UdevSync) -> Outcome:
    """Load another table and swap it in."""
    old = dm.live(host, step.map, table=True)
    if old is None:
        return gone(step.map)
    if not _is_expected(old, step.expected):
        return Unchanged() if _is_loaded(old, step) else Lost(_other_table(step.map, old))
    return _synchronised(host, sync, lambda cookie: _reload(host, step, cookie, old=old))


def _reload(host: Host, step: ReloadMap, cookie: Cookie, *, old: dm.LiveTarget) -> Outcome:
    note = _load(host, step)
    try:
        cookie.send(step.udev, lambda event: _swap(host, step, event))
    except KernelRefused as error:
        raise _with_aftermath(error, _restore(host, step, cookie, old=old)) from error
    except BaseException:
        _restore(host, step, cookie, old=old)
        raise
    return Changed(note)


def _swap(host: Host, step: ReloadMap, event: int) -> Header:
    """Resume; after a signal load again first, as nothing tells whether the table is still in its slot."""
    attempts = count()

    def swap() -> Header:
        if next(attempts) > 0:
            _load(host, step)
        return dm.resume(host, step.map, flush=step.flush, event=event)

    return again(host, swap, INTERRUPTED)


def _restore(host: Host, step: ReloadMap, cookie: Cookie, *, old: dm.LiveTarget) -> str:
    """After a refused resume: the old table runs again, now and after any resume to come; says how that went.

    The kernel may have refused before the swap (the new table waits in the inactive slot), in it (the new table is
    destroyed, the device suspended with the old one) or after it (suspended with the new one, the old one destroyed).
    The slot can't be emptied (see the module), so the old table goes over what is in it. A map that was suspended
    before we came is another's, and stays suspended.
    """
    try:
        now = again(host, lambda: dm.live(host, step.map, table=True), RECOVERING)
        if now is None:
            return "the map is gone"
        trouble = _load_old(host, step, old) if _is_displaced(old, now) else None
        if Flag.DM_SUSPEND_FLAG not in now.header.flags or Flag.DM_SUSPEND_FLAG in old.header.flags:
            return _left(trouble)
        cookie.send(
            step.udev,
            lambda event: again(host, lambda: dm.resume(host, step.map, flush=False, event=event), RECOVERING),
        )
        return _resumed(trouble)
    except KernelRefused as error:
        return f"THE MAP MAY BE SUSPENDED, as nothing helped: {error}; try `dmsetup resume {step.map.name}`"


def _is_displaced(old: dm.LiveTarget, now: dm.LiveTarget) -> bool:
    """Whether another table is in force or would be after a resume. Only a suspended map can have been swapped."""
    swapped = Flag.DM_SUSPEND_FLAG in now.header.flags and now.text != old.text
    return swapped or Flag.DM_INACTIVE_PRESENT_FLAG in now.header.flags


def _load_old(host: Host, step: ReloadMap, old: dm.LiveTarget) -> str:
    """Load the old table over the new one; says why that can't be, or nothing, as any table beats a suspended map."""
    if old.text is None:
        return "the map had no multipath table before"
    back = replace(step, size=old.size, table=old.text, read_only=Flag.DM_READONLY_FLAG in old.header.flags)
    try:
        again(host, lambda: _load(host, back), RECOVERING)
    except KernelRefused as error:
        return f"the old one could not be loaded again: {error}"
    return ""


def _left(trouble: str | None) -> str:
    """What becomes of a map that is not ours to resume, or runs. `trouble`: of loading the old table; None: no need."""
    if trouble:
        return f"the refused table is still loaded, and a resume would start it, as {trouble}"
    over = "loaded over the refused one, so that a resume can only start the old one"
    return f"the old table was {'left in place' if trouble is None else over}"


def _resumed(trouble: str | None) -> str:
    """What runs after a resume; `trouble` as in `_left`."""
    if trouble:
        return f"the new table was resumed, as {trouble}"
    return f"the old table was {'' if trouble is None else 'loaded again and '}resumed"


@answered
def rename_map(host: Host, step: RenameMap, *, sync: UdevSync) -> Outcome:
    """Give the map its new name, if it has the old one."""
    found = dm.device(host, step.map)
    if found is None:
        return gone(step.map)
    if found.name == step.new_name:
        return Unchanged()
    if found.name != step.map.name:
        return Lost(f"the map {step.map.uuid} is named {found.name!r} by now, not {step.map.name!r}")
    return _synchronised(host, sync, lambda cookie: _rename(host, step, cookie))


def _rename(host: Host, step: RenameMap, cookie: Cookie) -> Outcome:
    cookie.send(step.udev, lambda event: dm.rename(host, step.map, step.new_name, event=event))
    return Changed()


@answered
def remove_map(host: Host, step: RemoveMap, *, sync: UdevSync) -> Outcome:
    """Remove the map; a program of udev's that has it open for a moment is waited for."""
    if dm.device(host, step.map) is None:
        return Unchanged()
    return _synchronised(host, sync, lambda cookie: _remove(host, step, cookie))


def _remove(host: Host, step: RemoveMap, cookie: Cookie) -> Outcome:
    def remove(event: int) -> Header:
        return again(host, lambda: dm.remove(host, step.map, event=event, deferred=step.deferred), BUSY)

    try:
        cookie.send(step.udev, remove)
    except KernelRefused as error:
        if error.errno == errno.ENXIO:
            return Unchanged()
        found = dm.device(host, step.map) if error.errno == errno.EBUSY else None
        raise _with_aftermath(error, f"open {found.open_count} times" if found else "") from error
    return Changed()


def resume_if_suspended(host: Host, map_: MapRef) -> None:
    """The last resort after something unforeseen: a map of ours that is suspended runs again, with the table it has."""
    found = dm.device(host, map_)
    if found is not None and Flag.DM_SUSPEND_FLAG in found.flags:
        again(host, lambda: dm.resume(host, map_, flush=False, event=0), RECOVERING)


def _synchronised(host: Host, sync: UdevSync, act: Callable[[Cookie], Outcome]) -> Outcome:
    """Do it with a cookie, and wait for udev, also after a refusal: what was begun has made uevents too."""
    with udev_cookie(host, sync) as cookie:
        try:
            outcome = act(cookie)
        except KernelRefused:
            cookie.wait()
            raise
        note = cookie.wait()
    return Changed(_joined(outcome.note, note)) if isinstance(outcome, Changed) else outcome


def _load(host: Host, step: CreateMap | ReloadMap) -> str:
    """Load the table, read-only when its disks are; returns a note when that was so."""
    try:
        dm.load(host, step.map, size=step.size, table=step.table, read_only=step.read_only)
    except KernelRefused as error:
        if step.read_only or error.errno not in _READ_ONLY_ERRORS:
            raise
        dm.load(host, step.map, size=step.size, table=step.table, read_only=True)
        return NOTE_READ_ONLY
    return ""


def _is_expected(running: dm.LiveTarget, expected: str | None) -> bool:
    """Whether nobody has loaded another table since the step was decided; None is also what was not one of multipath.

    The next group and queueing are left out, because messages and failovers change those without a load.
    """
    if expected is None or running.text is None:
        return expected is running.text
    return _as_loaded(parse_table(running.size, running.text)) == _as_loaded(parse_table(running.size, expected))


def _as_loaded(table: MultipathTable) -> MultipathTable:
    return replace(table, initial_group=1, features=tuple(word for word in table.features if word != QUEUEING))


def _is_loaded(running: dm.LiveTarget, step: CreateMap | ReloadMap) -> bool:
    """Whether the step was done already: its size, and its paths in its groups.

    Not the texts: the kernel adds selector arguments, orders features, and shows the handler that it found.
    """
    if running.table is None or running.size != step.size:
        return False
    return _shape(running.table) == _shape(parse_table(step.size, step.table))


def _shape(table: MultipathTable) -> list[tuple[str, list[DevT]]]:
    return [(group.selector, [path.dev for path in group.paths]) for group in table.groups]


def _other_table(map_: MapRef, running: dm.LiveTarget) -> str:
    return f"another table runs in {map_.name} by now: {running.text or 'none, or not one multipath target'}"


def _with_aftermath(error: KernelRefused, aftermath: str) -> KernelRefused:
    return KernelRefused(error.errno, sent=error.sent, came_back=aftermath, hint=error.hint)


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
