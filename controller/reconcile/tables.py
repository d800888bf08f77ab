"""Which table to load over the live one, if any, and when not to.

Theory of operation. Loading a table is the one step that can take a running map's I/O away, so every way to a load
passes the same guards: never one without a usable path over one that has one, never one that is larger than its paths,
a changed size only when I/O in flight can finish (which needs a path that works), and otherwise first the new paths at
the old size. Reasons to load are looked for in upstream's order; the first found names the action, all are told.

A table that somebody loaded and never resumed goes by a load over it and a resume, with nothing else to change: that
uses its slot up. Emptying the slot (DM_TABLE_CLEAR) is no step: it can bring down Linux 6.1 later, see
`actuators.devicemapper`.

In: the view, the live map, the desired map, the paths. Out: a `Load`: the part of the plan, and the table if one is to
be loaded. It must never send path messages.
"""

from dataclasses import dataclass, replace

from actuators.steps import MapRef, ReloadMap, UdevFlags
from controller.reconcile.beliefs import WISHES, Wish, barred
from controller.reconcile.diff import Diff, Difference, What, compare, group_key, keep_queue_mode, without
from controller.reconcile.failback import Choice, Facts, choose
from controller.reconcile.order import Part, Phase
from controller.reconcile.tending import awaits_active, awaits_udev, waited_for_active
from controller.reconcile.view import READY, View, shown
from desired.model import DesiredMap, Member
from observers.dmtable import DevT, MultipathTable, format_table
from observers.snapshot import Map, PathState

BASE_FLAGS = UdevFlags.DISABLE_LIBRARY_FALLBACK | UdevFlags.PRIMARY_SOURCE


@dataclass(frozen=True, slots=True)
class Load:
    """What becomes of the table. `table`: the one to load, None: the live one stays; `choice`: the group to use."""

    part: Part
    table: MultipathTable | None
    choice: Choice


def udev_flags(wanted: DesiredMap, members: tuple[Member, ...], *, quiet: bool = False) -> UdevFlags:
    """The flags of a load: no kpartx where that is switched off, no probing where no path could answer, nor while that
    is to wait for a path that is up (`quiet`)."""
    flags = BASE_FLAGS
    if wanted.skip_kpartx:
        flags |= UdevFlags.NO_KPARTX
    if quiet or not any(member.state.usable or member.state is PathState.PENDING for member in members):
        flags |= UdevFlags.NO_PATHS
    return flags


def too_small(view: View, table: MultipathTable) -> str:
    """Why a table of this size can't be loaded over its paths, or empty. A path of unknown size (0) is no reason."""
    for dev in table.devices:
        path = view.paths.get(dev)
        if path is not None and 0 < path.size < table.size:
            return f"{shown(view, dev)} has {path.size} sectors, fewer than the map's {table.size}"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One existing map, all that its table is decided from. `table`: the desired one as far as it can be had now."""

    view: View
    live: Map
    wanted: DesiredMap
    facts: Facts
    table: MultipathTable
    diff: Diff
    withheld: frozenset[DevT]

    @property
    def ref(self) -> MapRef:
        """The map, by the name that it has."""
        return MapRef(self.live.uuid, self.live.name)

    @property
    def members(self) -> tuple[Member, ...]:
        """The paths that can be had now."""
        return tuple(member for member in self.wanted.members if member.dev not in self.withheld)


def make_case(
    view: View, live: Map, wanted: DesiredMap, *, facts: Facts, withheld: frozenset[DevT]
) -> Case:  # fmt: skip
    """Everything about an existing map's table, compared."""
    table = without(wanted.table, withheld)
    writable = not any(view.paths[dev].read_only for dev in table.devices if dev in view.paths)
    usable = frozenset([dev for dev, fact in facts.items() if fact.usable])
    diff = compare(live, wanted, table, usable=usable, writable=writable)
    if live.table is not None:
        table = keep_queue_mode(live.table, table)
    return Case(view=view, live=live, wanted=wanted, facts=facts, table=table, diff=diff, withheld=withheld)


def decide(case: Case) -> Load:
    """The table of a map that is ours to change."""
    wish = _wish(case)
    if wish is None:
        return _stay(case, _leftover(case))
    why, flush = wish
    early = _too_early(case)
    if early is not None:
        rest = f"{early - case.view.now:.0f} s at most"
        wait = f"the table stays as it is: udev has not looked at the new map yet; {rest}"
        return _stay(case, Part(phase=Phase.TABLE, held=True, reasons=(wait, *why), wake_at=early))
    obstacle = _obstacle(case, flush=flush)
    if obstacle:
        reasons = (f"the table stays as it is: {obstacle}", *why)
        return _stay(case, Part(phase=Phase.TABLE, held=True, reasons=reasons, wake_at=_soon(case, flush=flush)))
    return _load(case, _sure(case), why=why, flush=flush)


def _sure(case: Case) -> MultipathTable:
    """The desired table without failed paths that answer, but whose identity is due: in a new table they would be
    active until dm is told otherwise. If the best group goes with them, the first that is usable takes its place."""
    facts = (case.facts[dev] for dev in case.table.devices)
    unsure = frozenset(fact.dev for fact in facts if fact.fenced and WISHES[fact.state] is not Wish.FAILED)
    table = without(case.table, unsure)
    if not unsure or not table.groups:
        return table
    best = group_key(case.table.groups[case.table.initial_group - 1])
    usable = [any(case.facts[path.dev].usable for path in group.paths) for group in table.groups]
    if True not in usable or not best <= unsure:
        return table
    return replace(table, initial_group=usable.index(True) + 1)


def _wish(case: Case) -> tuple[tuple[str, ...], bool] | None:
    """Why to load (and whether to flush), in upstream's order of looking; None: no reason."""
    if case.live.table is None:
        return ("the device has no table: it was made and never finished",), False
    differences = [each for each in case.diff.differences if each.what is What.SIZE] + list(case.diff.reloading)
    if differences:
        return tuple(map(_told, differences)), differences[0].what is What.SIZE
    if waited_for_active(case.view, case.wanted) and any(fact.usable for fact in case.facts.values()):
        return ("udev was kept from probing it while only standby paths led to it, and may do so now",), False
    if _udev_due(case):
        return ("udev has not looked at the map yet, so nothing on top of it was started",), False
    if case.live.inactive_table and not _why_kept(case):
        return ("drops a table that somebody loaded and never resumed: the desired one is loaded over it",), False
    return None


def _too_early(case: Case) -> float | None:
    """Until when the table of a new map waits for udev; None: it does not. A map that has no path left does not."""
    works = case.live.table is not None and any(case.facts[dev].works for dev in case.live.table.devices)
    return awaits_udev(case.view, case.live) if works else None


def _why_kept(case: Case) -> str:
    """Why a second table stays where it is, or empty. Loaded over it, a table has all its paths active at first."""
    daemon = case.view.snapshot.host.daemon
    if daemon is not None:
        return f"{daemon.name} (pid {daemon.pid}) may be at work on it"
    if not any(case.facts[dev].usable for dev in case.table.devices):
        return "no path is usable, and loading over it would make I/O try all of them"
    return ""


def _told(difference: Difference) -> str:
    return str(difference)


def _udev_behind(case: Case) -> bool:
    if awaits_active(case.view, case.wanted) is not None:
        return False
    usable = any(fact.usable for fact in case.facts.values() if fact.member)
    unread = case.live.name in case.view.gaps
    return case.view.udev_rules and READY not in case.live.udev and not unread and usable


def _udev_due(case: Case) -> bool:
    told = case.view.memory.udev_told.get(case.live.wwid)
    return _udev_behind(case) and (told is None or case.view.now >= told.again_at)


def _leftover(case: Case) -> Part:
    """What is left to say or do when no table needs loading."""
    told = case.view.memory.udev_told.get(case.live.wwid)
    if case.live.inactive_table:
        reason = f"a second table is loaded and not in use; it stays: {_why_kept(case)}"
        return Part(phase=Phase.TALK, reasons=(reason,))
    if told is not None and _udev_behind(case):
        wait = told.again_at
        reason = f"waits for udev to look at the map; asks again in {wait - case.view.now:.0f} s"
        return Part(phase=Phase.TALK, reasons=(reason,), wake_at=wait)
    mode = case.diff.get(What.QUEUE_MODE)
    if mode:
        hint = "the kernel changes it only when the map is removed and made anew"
        return Part(phase=Phase.TALK, reasons=(f"{mode}: {hint}",))
    return Part(phase=Phase.TALK)


def _obstacle(case: Case, *, flush: bool) -> str:
    """Why the desired table can't be loaded now, or empty."""
    if not _sure(case).groups:
        return "no path of the new one can be had now"
    small = too_small(case.view, case.table)
    if small:
        return small
    if case.live.table is None:
        return ""
    unseen = [dev for dev in case.live.table.devices if dev not in case.view.paths and dev not in case.table.devices]
    if unseen and case.view.unseen:
        return f"{shown(case.view, unseen[0])} would go, and may be there all the same: {case.view.unseen}"
    works = [dev for dev in case.live.table.devices if case.facts[dev].works]
    if works and not any(case.facts[dev].usable for dev in case.table.devices):
        return f"no path of the new one is usable, while {shown(case.view, works[0])} of the old one works"
    return "I/O in flight can't finish without a working path" if flush and not _flushable(case) else ""


def _soon(case: Case, *, flush: bool) -> float | None:
    """At once, when a path that comes back in this plan is all that a resize waits for."""
    back = any(fact.active is False and fact.active_after for fact in case.facts.values())
    return case.view.now if flush and back else None


def _flushable(case: Case) -> bool:
    """Whether I/O in flight can finish, or new paths at the old size would let it: see `_load`."""
    live = case.live.table
    return live is not None and (_drains(case, live) or _stopgap(case, live) is not None)


def _drains(case: Case, table: MultipathTable) -> bool:
    return any(case.facts[dev].usable and case.facts[dev].active for dev in table.devices)


def _stopgap(case: Case, live: MultipathTable) -> MultipathTable | None:
    """The desired table at the old size, if that brings a usable path to a map that has none."""
    table = replace(_sure(case), size=live.size)
    brings = any(case.facts[dev].usable for dev in table.devices if dev not in live.devices)
    return table if brings and not too_small(case.view, table) else None


def _load(case: Case, table: MultipathTable, *, why: tuple[str, ...], flush: bool) -> Load:
    live, wake_at = case.live.table, None
    if live is not None and flush and not _drains(case, live):
        table, flush, wake_at = replace(table, size=live.size), False, case.view.now
        why = (*why, "first the new paths at the old size, so that I/O in flight can finish")
    choice = _choice(case, table)
    wake_at = min((at for at in (wake_at, choice.wake_at) if at is not None), default=None)
    table = replace(table, initial_group=choice.group)
    step = ReloadMap(
        map=case.ref,
        size=table.size,
        table=format_table(table),
        read_only=case.wanted.read_only,
        flush=flush,
        expected=format_table(live) if live is not None else None,
        udev=_reload_flags(case, flush=flush),
    )
    why = (*why, *_withheld_words(case), *choice.reasons)
    action = "resize" if flush else "reload"
    part = Part(phase=Phase.TABLE, action=action, steps=(step,), reasons=why, wake_at=wake_at)
    return Load(part, table, choice)


def _reload_flags(case: Case, *, flush: bool) -> UdevFlags:
    """udev may skip a reload only when it has seen the map alive and its size stays."""
    flags = udev_flags(case.wanted, case.members, quiet=awaits_active(case.view, case.wanted) is not None)
    unseen = case.view.udev_rules and case.live.udev.get(READY) != "1"
    return flags if flush or unseen or case.live.table is None else flags | UdevFlags.RELOAD


def _withheld_words(case: Case) -> tuple[str, ...]:
    return tuple(f"{shown(case.view, dev)} {_withheld(case, dev)}" for dev in sorted(case.withheld))


def _withheld(case: Case, dev: DevT) -> str:
    why = barred(case.view, dev, case.live)
    return f"stays out: {why}" if why else "joins when the map that has it has let go of it"


def _stay(case: Case, part: Part) -> Load:
    live = case.live.table
    if live is None:
        return Load(part, None, Choice(0))
    words = _withheld_words(case)
    part = replace(part, reasons=(*part.reasons, *words), held=part.held or bool(words)) if words else part
    return Load(part, None, _choice(case, live))


def _choice(case: Case, table: MultipathTable) -> Choice:
    if case.live.table is None:
        return Choice(table.initial_group)
    return choose(
        case.live,
        _sure(case),
        [group_key(group) for group in table.groups],
        facts=case.facts,
        rule=case.wanted.failback.value,
        since=_better_since(case),
        now=case.view.now,
    )


def _better_since(case: Case) -> float | None:
    """Since when another group has been better. A path that went bad meanwhile makes the delay begin anew."""
    since = case.view.memory.failback_since.get(case.live.wwid)
    devices = case.live.table.devices if case.live.table is not None else ()
    memories = [memory for dev in devices if (memory := case.view.memory.paths.get(dev)) is not None]
    bad = [memory.since for memory in memories if not memory.state.usable and memory.previous.usable]
    return since if since is None else max([since, *bad])


def hold(case: Case, load: Load, part: Part) -> Load:
    """The same decision with its step held back: `part` says why."""
    return _stay(case, part) if load.table is not None else replace(load, part=part)
