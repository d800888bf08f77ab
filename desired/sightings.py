"""What was seen of a device rather than set: the names that it has and by whose word, and why it is in its state.

In: a device and the evidence. Out: contenders and words. Pure; must never guess what was not seen.
"""

from collections.abc import Iterable

from desired.admission import Candidate
from desired.assembly import state_of
from desired.contenders import Contender
from desired.evidence import Evidence
from desired.model import Origin, OriginKind
from desired.observed import offline
from desired.prospects import name_in
from observers.snapshot import PathState

CLAIM = "DM_MULTIPATH_DEVICE_PATH"
"""The udev property by which everyone else is told whether a device is a multipath path: 1 yes, 0 no, 2 maybe."""


def seen(what: str) -> Origin:
    """The origin of what no keyword says."""
    return Origin(OriginKind.IMPLIED, why=what)


def sources(candidate: Candidate) -> tuple[Contender, ...]:
    """The names that a device has, and whose word that is."""
    path, attribute = candidate.path, candidate.attribute.value
    names = [
        (path.udev.get(attribute, "") if attribute else "", f"udev property {attribute}"),
        (name_in(path.page83_cached), "VPD page 0x83 in sysfs, read when the kernel scanned the device"),
        (name_in(path.page83_device), "VPD page 0x83, read from the device"),
        (path.wwid_attribute, "sysfs"),
        (candidate.member_of.wwid if candidate.member_of else "", "the map that it is a path of"),
    ]
    return tuple(Contender(name, seen(source)) for name, source in names if name)


def state_reasons(evidence: Evidence, candidate: Candidate) -> Iterable[str]:
    """Why a path is in its state: the checker's word, and everything else that bears on it."""
    path = candidate.path
    message = f": {path.health.message}" if path.health.message else ""
    yield f"checker {path.health.checker} says {path.health.state}{message}"
    if path.size == 0 and path.health.state is PathState.UP:
        yield "it has no size, so it takes no I/O"
    elif state_of(path) is not path.health.state:
        yield f"which counts as {state_of(path)}"
    if word := offline(path):
        yield word
    yield from (f"{gap.what}: {gap.reason}" for gap in evidence.snapshot.gaps if gap.subject == path.name)
    holder = evidence.known.members.get(path.dev)
    status = holder.status if holder is not None else None
    found = next((each for each in status.paths if each.dev == path.dev), None) if status is not None else None
    if holder is not None and found is not None:
        yield f"the kernel has it {'active' if found.active else 'failed'} in {holder.name}"
