"""The examination of a path by asking its device: who it is, whether it works, and how good the way to it is.

In: a path that is up in sysfs, and what to ask (`Probe`). Out: dialogues: `introduce`, by which it is decided how to
`examine`, and `confirm`, for a device that was introduced before. Each ends with the path and its answers. They change
nothing, and a device may answer what it likes: what can't be understood is a gap, or a state that says so.
"""

from dataclasses import dataclass

from observers import inquiry, nvme_inquiry
from observers.asking import Dialogue
from observers.changing import changed
from observers.checkers import Task, check
from observers.checkers.judging import NOTHING, Recollection
from observers.inquiry import Told
from observers.kernel.scsi import Sense
from observers.prioritizers import ASKING, ask_priority, prioritizer_timeout
from observers.probe import Probe
from observers.snapshot import Bus, Gap, Path, PathState

_PAST_ASKING = frozenset({PathState.TIMEOUT, PathState.REMOVED, PathState.DISCONNECTED})
"""What a checker found of a device that would let a prioritizer wait in vain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A path with its health, and its priority where the device was asked for it; and the rest of what a check brings
    (`observers.checkers.Checked`)."""

    path: Path
    gaps: tuple[Gap, ...] = ()
    recollection: Recollection = NOTHING
    attentions: tuple[Sense, ...] = ()


def introduce(path: Path, probe: Probe) -> Dialogue[Told]:
    """Who the device is, if that is to be asked and it is of a kind that can say."""
    if not probe.identity:
        return Told(path)
    if path.bus is Bus.NVME:
        return (yield from nvme_inquiry.identify(path))
    return (yield from inquiry.identify(path, pages=probe.pages, if_listed=probe.if_listed))


def confirm(path: Path, *, reports: bool) -> Dialogue[Told]:
    """Whether a device that was introduced is still who it was, with as few commands as that takes. `reports`: also
    what it reports of its target port group, of which its priority is made."""
    if path.bus is Bus.NVME:
        return (yield from nvme_inquiry.identify(path))
    return (yield from inquiry.verify(path, reports=reports))


def examine(path: Path, probe: Probe, task: Task) -> Dialogue[Examined]:
    """Whether the path works, and then how good it is, if that takes asking."""
    checked = yield from check(path, probe.checker, task)
    path = changed(path, health=checked.health)
    told = Told(path)
    if probe.prioritizer in ASKING and checked.health.state not in _PAST_ASKING:
        told = yield from _rank(path, probe)
    return Examined(path=told.path, gaps=told.gaps, recollection=checked.recollection, attentions=checked.attentions)


def _rank(path: Path, probe: Probe) -> Dialogue[Told]:
    timeout = prioritizer_timeout(path.health.state, probe.checker_timeout)
    seen = yield from ask_priority(path, probe.prioritizer, probe.prioritizer_arguments, timeout=timeout)
    silent = seen.value is None and path.health.state.usable
    gaps = (Gap(path.name, f"priority by {probe.prioritizer}", seen.message),) if silent else ()
    return Told(changed(path, priority_seen=seen), gaps)
