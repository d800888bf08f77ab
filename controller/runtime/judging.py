"""Who a path's device says that it is, against who it is believed to be; and what of a path decisions depend on.

In: a path with its device's answers. Out: a `Reading` for the state machine, and values to compare. Most readings bring
the same bytes as the one before, so the last judgement of each path is kept. It must never ask a device.
"""

from dataclasses import replace

from controller.reconcile.fencing import Reading
from controller.reconcile.health import PathMemory
from controller.runtime.deciding import MapName
from controller.runtime.telling import PathChange
from desired.derive import Identifier
from desired.identity import Standing, page_names
from observers.checkers import SYSFS
from observers.errors import ProtocolError
from observers.snapshot import Bus, DeviceName, Path, Wwid


class Judge:
    """Judges by one configuration. `identifier` None: there is none yet, and nothing is judged."""

    def __init__(self) -> None:
        self._identifier: Identifier | None = None
        self._judged: dict[DeviceName, tuple[tuple[object, ...], Reading]] = {}

    def by(self, identifier: Identifier) -> None:
        """By another configuration from now on."""
        self._identifier = identifier
        self._judged.clear()

    def forget(self, name: DeviceName) -> None:
        """A path is gone, or is another device now."""
        self._judged.pop(name, None)

    def reading(self, told: Path, *, epoch: int) -> Reading | None:
        """What a device's answers mean. `epoch`: of its path's identity when it was asked."""
        if self._identifier is None:
            return None
        key = _identity_of(told)
        known = self._judged.get(told.name)
        if known is not None and known[0] == key:
            reading = known[1]
            return reading if reading.epoch == epoch else replace(reading, epoch=epoch)
        candidate = self._identifier.candidate(told)
        finding = candidate.finding
        said = _said(told) if finding.standing is Standing.CONTRADICTED else candidate.wwid
        reading = Reading(
            epoch=epoch, standing=finding.standing, believed=candidate.wwid, said=said, reason=finding.reason
        )
        self._judged[told.name] = key, reading
        return reading


def change_of(
    before: Path, old: PathMemory, after: Path, new: PathMemory, *, of: MapName, first: bool
) -> PathChange | None:
    """What a check changed; None: nothing that a decision depends on. `first`: it is the path's first answer."""
    anew = first or self_description(after) != self_description(before)
    if not anew and gist(before, old) == gist(after, new):
        return None
    return PathChange(
        name=after.name,
        map=of.name,
        wwid=of.wwid,
        before=old.state,
        after=new.state,
        message=_reason(after, new),
        anew=anew,
        unit=turn(old, new),
        ranks=not anew and _but_for_rank(before, old) == _but_for_rank(after, new),
    )


def _reason(path: Path, memory: PathMemory) -> str:
    """Why a path is as it is. Where sysfs says it, no checker was asked."""
    if memory.quarantined:
        return str(memory.quarantined)
    if memory.answer.checker == SYSFS:
        return f"sysfs says {path.device_state or memory.answer.state}"
    return memory.answer.message


def turn(old: PathMemory, new: PathMemory) -> str:
    """What is told when a path turns out to lead to another logical unit, or to its own again; empty: neither."""
    if bool(old.quarantined) is bool(new.quarantined):
        return ""
    return "leads to another logical unit" if new.quarantined else "leads to its own logical unit again"


def self_description(path: Path) -> tuple[object, ...]:
    """What a device said of itself, on which it depends whose path it is and how it is asked."""
    return path.page83_device, path.inquiry_device, path.alua.tpgs, path.vendor_pages, path.nvme_identity


def _identity_of(path: Path) -> tuple[object, ...]:
    """All of a path on which `Identifier` depends: which unit it is, and by which settings that is told."""
    said = (path.page83_device, path.inquiry_device, path.page83_cached, path.wwid_attribute, path.nvme_identity)
    return (*said, path.udev, path.vendor, path.product, path.revision, path.protocol, path.address, path.dev)


def gist(path: Path, memory: PathMemory) -> tuple[object, ...]:
    """What decisions depend on."""
    return (path.alua, path.priority_seen, *_but_for_rank(path, memory))


def _but_for_rank(path: Path, memory: PathMemory) -> tuple[object, ...]:
    held = (memory.identity_due, memory.quarantined, memory.purge)
    return (memory.state, memory.answer.state, memory.marginal, path.size, *held)


def group_of(path: Path) -> str:
    """What a device can be stuck behind together with others: its SCSI host, or its controller."""
    if path.address is not None and path.bus is Bus.SCSI:
        return f"host{path.address.host}"
    return path.name


def _said(path: Path) -> Wwid:
    """The name that a device gives itself first; empty where it can't be told."""
    try:
        names = page_names(path.page83_device) if path.page83_device else ()
    except ProtocolError:
        names = ()
    return names[0] if names else Wwid("")
