"""Path health against what dm believes: which paths should be active, as a table.

Theory of operation. A checker's answer is a state out of eleven (multipathd's `show status`); dm knows two, active and
failed. `WISHES` says for every state what dm should believe. AS_IS means that the answer is not one: a check that
is still running, or that could not be made, is a reason neither to take a path away nor to give it back, so dm keeps
what it has. Everything follows from comparing the wish with what dm will hold *after the table of this plan is
loaded*: the kernel starts every path of a new table as active, so AS_IS may need a message too.

Three facts outrank the table. A path whose device says that it is another logical unit must fail at once: each write
there destroys somebody's data. A path whose identity is due (`fencing`) does not come back before it was read. And a
standby (ghost) path that the host can't activate itself (implicit asymmetric access only) comes back only beside a path
that is up: alone it would fail its first I/O and come back for ever.

In: states, what dm has. Out: wishes and words. It must never make a step.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum

from controller.reconcile.view import View
from desired.identity import is_another
from desired.model import DesiredMap
from observers.dmtable import DevT
from observers.snapshot import Map, Path, PathState

IMPLICIT_ONLY = 1
"""TPGS of the standard INQUIRY data (SPC-5 clause 6.6.2): access states change, but not by the host's command."""


class Wish(Enum):
    """What dm should believe of a path."""

    ACTIVE = "active"
    FAILED = "failed"
    AS_IS = "as it is"


WISHES: Mapping[PathState, Wish] = {
    PathState.UP: Wish.ACTIVE,
    PathState.GHOST: Wish.ACTIVE,
    PathState.DOWN: Wish.FAILED,
    PathState.SHAKY: Wish.FAILED,
    PathState.TIMEOUT: Wish.FAILED,
    PathState.REMOVED: Wish.FAILED,
    PathState.DELAYED: Wish.FAILED,
    PathState.DISCONNECTED: Wish.FAILED,
    PathState.PENDING: Wish.AS_IS,
    PathState.UNCHECKED: Wish.AS_IS,
    PathState.WILD: Wish.AS_IS,
}

MEANINGS: Mapping[PathState, str] = {
    PathState.UP: "is up",
    PathState.GHOST: "is a standby path",
    PathState.DOWN: "is down",
    PathState.SHAKY: "is shaky",
    PathState.TIMEOUT: "did not answer in time",
    PathState.REMOVED: "is gone",
    PathState.DELAYED: "is held back after it failed too often",
    PathState.DISCONNECTED: "leads to a logical unit that is no longer mapped",
    PathState.PENDING: "is still being checked",
    PathState.UNCHECKED: "was not checked",
    PathState.WILD: "could not be checked",
}


@dataclass(frozen=True, slots=True)
class PathFacts:
    """All that decides about one path of one map.

    `active`: what dm believes now, None when the path is not in the live table. `member`: whether it is a path of the
    desired map. `mismatch`: why it must not be used at all, or empty. `held_ghost`: see the theory above.
    """

    dev: DevT
    state: PathState
    active: bool | None
    member: bool
    mismatch: str = ""
    held_ghost: bool = False
    due: str = ""
    """Why its identity must be read before it may be used; empty: it was."""
    by_kernel: bool = False
    """Whether no check has seen it down the last time that it was, only the kernel."""

    @property
    def wish(self) -> Wish:
        """What dm should believe. A path that no longer belongs to the map is never given back."""
        if self.mismatch:
            return Wish.FAILED
        wish = WISHES[self.state]
        if wish is Wish.ACTIVE and (self.held_ghost or self.fenced or not self.member):
            return Wish.AS_IS
        return wish

    @property
    def fenced(self) -> bool:
        """Whether it stays out until its identity was read. One that dm uses goes on meanwhile."""
        return bool(self.due) and not self.active

    @property
    def usable(self) -> bool:
        """Whether I/O may go there: known to be up or on standby, and the right logical unit."""
        return self.state.usable and not self.mismatch and not self.fenced

    @property
    def works(self) -> bool:
        """Whether I/O goes there now as far as anybody knows: dm believes in it and no checker says otherwise."""
        return self.usable or (not self.mismatch and bool(self.active) and WISHES[self.state] is Wish.AS_IS)

    @property
    def takes_io(self) -> bool:
        """Whether I/O can go there when the plan is done."""
        return self.active_after and (self.usable or bool(self.active))

    @property
    def active_after(self) -> bool:
        """What dm should believe when the plan is done."""
        if self.wish is Wish.AS_IS:
            return self.active is not False
        return self.wish is Wish.ACTIVE

    def needs_message(self, *, loaded: bool) -> bool:
        """Whether dm must be told: a table just loaded has only active paths, and a standby path may stay so."""
        if loaded and self.held_ghost:
            return False
        believed = True if loaded else self.active
        return believed is not self.active_after


def facts(view: View, live: Map | None, wanted: DesiredMap | None) -> dict[DevT, PathFacts]:
    """The facts of every path that is in the live table or in the desired map."""
    states = {member.dev: member.state for member in wanted.members} if wanted else {}
    active = {path.dev: path.active for path in live.status.paths} if live and live.status else {}
    found = {}
    for dev in {**active, **states, **dict.fromkeys(wanted.table.devices if wanted else ())}:
        state = states.get(dev) or _state(view, view.paths.get(dev))
        ghost = state is PathState.GHOST and active.get(dev) is False and _held(view, dev, states)
        mismatch, memory = _lie(view, dev) or _strange(view, dev, wanted, states), view.memory.paths.get(dev)
        found[dev] = PathFacts(
            dev, state, active.get(dev), dev in states, mismatch, held_ghost=ghost,
            due=memory.identity.due if memory is not None else "", by_kernel=memory is not None and memory.by_kernel,
        )  # fmt: skip
    return found


def _lie(view: View, dev: DevT) -> str:
    lie, memory = view.mismatched.get(dev), view.memory.paths.get(dev)
    if lie is not None:
        return lie.reason or "its device is another logical unit"
    return str(memory.quarantined) if memory is not None and memory.quarantined is not None else ""


def _strange(view: View, dev: DevT, wanted: DesiredMap | None, members: Collection[DevT]) -> str:
    """Why a path of the live table is another unit's, as its device says, or empty."""
    admission, path = view.admitted.get(dev), view.paths.get(dev)
    if wanted is None or admission is None or path is None or dev in members or admission.wwid == wanted.wwid:
        return ""
    return f"it leads to {admission.wwid}" if is_another(path, wanted.wwid, admission.wwid) else ""


def barred(view: View, dev: DevT, live: Map | None) -> str:
    """Why a path may not be in the table that is loaded next, or empty: it is quarantined, or nobody asked it yet."""
    memory = view.memory.paths.get(dev)
    if memory is None:
        return ""
    if memory.quarantined is not None:
        return str(memory.quarantined)
    member = live is not None and live.table is not None and dev in live.table.devices
    return f"its identity is to be read first: {memory.identity.due}" if memory.identity_due and not member else ""


def _state(view: View, path: Path | None) -> PathState:
    """A path that was not seen is gone, unless there are disks that could not be read: then nobody knows."""
    if path is not None:
        return path.health.state
    return PathState.UNCHECKED if view.unseen else PathState.REMOVED


def _held(view: View, dev: DevT, states: Mapping[DevT, PathState]) -> bool:
    path = view.paths.get(dev)
    return path is not None and path.alua.tpgs == IMPLICIT_ONLY and PathState.UP not in states.values()


def words(view: View, fact: PathFacts) -> str:
    """Why a path is as it is, without its name: `tur reports path is down`."""
    path = view.paths.get(fact.dev)
    if fact.mismatch:
        return fact.mismatch
    if fact.fenced and fact.state.usable:
        return f"its identity is to be read first: {fact.due}"
    if fact.state is PathState.DELAYED:
        return _delayed(view, fact.dev)
    if path is None:
        return f"it was not seen, but not all could be: {view.unseen}" if view.unseen else "its device is gone"
    if path.health.state is fact.state and path.health.message:
        return _said(path.health.checker, path.health.message)
    if not fact.state.usable and path.device_state not in ("", "running", "live"):
        return f"sysfs says {path.device_state}"
    return f"it {MEANINGS[fact.state]}"


def _delayed(view: View, dev: DevT) -> str:
    memory = view.memory.paths.get(dev)
    until = memory.held_until if memory is not None else None
    rest = f", for {max(0.0, until - view.now):.0f} s more" if until is not None else ""
    return f"it {MEANINGS[PathState.DELAYED]}{rest}"


def _said(checker: str, message: str) -> str:
    """Checkers begin their messages with a blank, a colon, or neither."""
    text = message.strip()
    if text.startswith(checker):
        return text
    return f"{checker}{text}" if text.startswith(":") else f"{checker} {text}"
