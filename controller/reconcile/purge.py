"""Which path's device may be deleted now, because its target no longer maps its logical unit (purge_disconnected).

Theory of operation. A device that stays behind an unmapped unit costs a check each time, and is there to be taken for
the next unit that is mapped under the same number. Deleting it is for ever, though, so four things must hold at once:
purge_disconnected is on for its map; the checker `tur` says so now, not some time ago; no other device of the host is
being deleted; and a map that somebody has open keeps a path that is usable, unless all its paths are disconnected, for
then there is nothing left to keep. Of several candidates the one that waits longest goes first. Tries that came to
nothing are repeated later and later, and not for ever (`purge_memory`).

In: the view. Out: the path to delete, steps and words. Pure; it must never trust its word alone: the actuator asks the
device once more before it writes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from actuators.steps import DeletePath, MapRef
from controller.reconcile.beliefs import WISHES, PathFacts, Wish, facts
from controller.reconcile.health import FAULTY, PathMemory
from controller.reconcile.order import Part, Phase
from controller.reconcile.purge_memory import TRIES
from controller.reconcile.view import View, shown
from observers.dmtable import DevT
from observers.snapshot import Map, dev_key

Facts = Mapping[DevT, PathFacts]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A path whose device is to be deleted. `why_not`: what stands against it now, or empty; `at`: when that ends."""

    dev: DevT
    since: float
    why_not: str = ""
    at: float | None = None


def chosen(view: View) -> DevT | None:
    """The one path of the host whose device may be deleted now."""
    if view.blind or any(memory.purge.running for memory in view.memory.paths.values()):
        return None
    free = [each for live in _purging(view) for each in _of_map(view, live) if not each.why_not]
    best = min(free, key=lambda each: (each.since, dev_key(each.dev)), default=None)
    return best.dev if best is not None else None


def _purging(view: View) -> Iterable[Map]:
    """The maps whose paths may be purged at all."""
    for wwid, wanted in view.wanted.items():
        live = view.live.get(wwid)
        if wanted.care.path.purge and live is not None and live.table is not None and live.status is not None:
            yield live


def _of_map(view: View, live: Map) -> Iterable[Candidate]:
    known = facts(view, live, view.wanted.get(live.wwid))
    for dev, fact in known.items():
        memory = view.memory.paths.get(dev)
        bad = fact.member and WISHES[fact.state] is Wish.FAILED
        if memory is not None and bad and dev in view.paths and _disconnected(memory):
            yield _candidate(view, live, known, dev, memory)


def _disconnected(memory: PathMemory | None) -> bool:
    return memory is not None and memory.purge.disconnected_since is not None and memory.state in FAULTY


def _candidate(view: View, live: Map, known: Facts, dev: DevT, memory: PathMemory) -> Candidate:
    purge = memory.purge
    since = purge.disconnected_since if purge.disconnected_since is not None else view.now
    if purge.tries >= TRIES:
        return Candidate(dev, since, f"{TRIES} tries to delete its device came to nothing")
    if view.now < purge.retry_at:
        rest = f"{purge.retry_at - view.now:.0f} s"
        wait = f"a try to delete its device came to nothing ({purge.tries} so far); the next is in {rest}"
        return Candidate(dev, since, wait, purge.retry_at)
    return Candidate(dev, since, _needed(view, live, known, dev))


def _needed(view: View, live: Map, known: Facts, dev: DevT) -> str:
    """Why the map in use can't do without this path, or empty."""
    table = live.table.devices if live.table is not None else ()
    if not live.open_count or any(known[other].usable and known[other].takes_io for other in table if other != dev):
        return ""
    rest = [other for other in known if other in view.paths and not _disconnected(view.memory.paths.get(other))]
    if not rest:
        return ""
    return f"its map is in use, none of its paths is usable, and {shown(view, rest[0])} is not known to be unmapped"


def parts(view: View, live: Map) -> list[Part]:
    """The deletion of a path of this map, if it is its turn, and why others wait."""
    wanted = view.wanted.get(live.wwid)
    if wanted is None or not wanted.care.path.purge or not view.memory.paths:
        return []
    return [_part(view, live, each) for each in _of_map(view, live)]


def _part(view: View, live: Map, candidate: Candidate) -> Part:
    dev, memory = candidate.dev, view.memory.paths[candidate.dev]
    path = view.paths[dev]
    if dev == view.purge:
        step = DeletePath(map=MapRef(live.uuid, live.name), dev=dev, name=path.name, sysfs=path.sysfs)
        reason = f"deletes {shown(view, dev)}: its target no longer maps its logical unit (purge_disconnected)"
        return Part(phase=Phase.PURGE, action="purge", steps=(step,), reasons=(reason,))
    running = "its device is being deleted" if memory.purge.running else "one device is deleted after the other"
    reason = f"{shown(view, dev)} is to be deleted, but not now: {candidate.why_not or running}"
    return Part(phase=Phase.TALK, reasons=(reason,), wake_at=candidate.at)
