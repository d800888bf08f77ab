"""What every kind of event means for the reconciler: what to look at again, and what to doubt.

Theory of operation. An event never carries the decision. A uevent of a disk: look at it. A uevent or event number of a
map: look at that. An attribute that reads otherwise: check its disks. What a transport announces: read its attributes
now. Only one thing is taken from an event itself: that a session or port was established anew, that a device runs
again, or what a unit attention said, for after that the unit behind a path may be another one.

In: events of all sources. Out: calls to the reconciler and the checks. It must never change anything.
"""

from collections.abc import Callable, Iterable

from controller.reconcile.fencing import Sign
from controller.runtime.checking import Checks
from controller.runtime.metrics import Counts
from controller.runtime.reconciler import Reconciler
from controller.runtime.world import World
from observers.dm_events import DmEvent
from observers.dm_uevents import DmOrder, dm_path_event
from observers.event_sources import Overrun
from observers.kernel.transport_event import Transport, TransportEvent
from observers.kernel.uevent import Uevent
from observers.snapshot import MPATH_PREFIX, DeviceName, DmUuid, Path
from observers.watch import Change, Kind, StateWatch

_UNIT_ATTENTIONS = {
    "REPORTED_LUNS_DATA_HAS_CHANGED": (Sign.LUNS_CHANGED, True),
    "INQUIRY_DATA_HAS_CHANGED": (Sign.INQUIRY_CHANGED, False),
    "CAPACITY_DATA_HAS_CHANGED": (Sign.CAPACITY_CHANGED, False),
    "ASYMMETRIC_ACCESS_STATE_CHANGED": (Sign.ACCESS_CHANGED, False),
}
"""SDEV_UA of drivers/scsi/scsi_lib.c: what the device said, and whether it concerns all units of its target."""

_BACK = {"LOGGED_IN": Sign.SESSION_BACK, "Online": Sign.PORT_BACK}
"""Texts of a session's `state` and of a remote port's `port_state` when it can be used."""

_RUNS = frozenset({"running", "live"})


class Noticer:
    """Takes events, and forgets them."""

    def __init__(self, world: World, reconciler: Reconciler, checks: Checks, watch: StateWatch, counts: Counts) -> None:
        self._world, self._reconciler, self._checks = world, reconciler, checks
        self._watch, self._counts = watch, counts
        self._order = DmOrder()
        self.on_md: Callable[[float], None] = lambda _now: None
        """Called with the time when something may have happened to an md array, or one may have come."""

    # ---- which paths there are

    def path_seen(self, name: DeviceName, path: Path | None) -> None:
        """A path came, or is another device now, or (None) went."""
        if path is None:
            self._watch.forget(name)
        else:
            self._watch.follow(name, path.sysfs)

    # ---- uevents

    def uevents(self, events: Iterable[Uevent | Overrun], *, now: float) -> None:
        """What udev, or the kernel, sent."""
        for event in events:
            if isinstance(event, Overrun):
                self._counts.overruns += 1
                self._reconciler.look_at_everything()
                self.on_md(now)
            else:
                self._counts.uevents += 1
                self._uevent(event, now)

    def _uevent(self, event: Uevent, now: float) -> None:
        if event.subsystem == "scsi":
            self._unit_attention(event, now)
        elif event.subsystem == "block" and event.devtype == "disk":
            if event.name.startswith("dm-"):
                self._map_uevent(event)
            else:
                self._reconciler.look_at_path(event.name)
            if event.name.startswith("md"):
                self.on_md(now)

    def _map_uevent(self, event: Uevent) -> None:
        if event.action == "remove":
            self._order.forget(event.name)
            self._reconciler.look_for_maps()
            return
        uuid = DmUuid(event.properties.get("DM_UUID", ""))
        about_path = dm_path_event(event)
        if about_path is not None and not self._order.news([about_path]):
            return
        if uuid in self._world.maps:
            self._reconciler.look_at_maps([uuid])
        elif not uuid or uuid.startswith(MPATH_PREFIX):
            self._reconciler.look_for_maps()

    def _unit_attention(self, event: Uevent, now: float) -> None:
        """What a device told some program as a unit attention, which then tells it nobody else."""
        known = _UNIT_ATTENTIONS.get(event.properties.get("SDEV_UA", ""))
        if known is None:
            return
        sign, whole_target = known
        place = f"/sys{event.devpath}/"
        below = place.rpartition("/")[0].rpartition("/")[0] + "/" if whole_target else place
        for name in self._world.names:
            path = self._world.path(name)
            if path is not None and path.sysfs.startswith(below):
                self._checks.suspected(name, [sign], now=now)
                self._checks.look_now(name, now=now)

    # ---- device-mapper

    def dm_events(self, events: Iterable[DmEvent]) -> None:
        """Event numbers of maps that changed."""
        for event in events:
            if event.uuid is not None and event.uuid in self._world.maps and event.event_number is not None:
                self._reconciler.look_at_maps([event.uuid])
            elif event.uuid is None or event.uuid.startswith(MPATH_PREFIX):
                self._reconciler.look_for_maps()

    # ---- transports and disks

    def transport_events(self, events: Iterable[TransportEvent | Overrun], *, now: float) -> None:
        """A transport announced something: its attributes say it already, or will in a moment."""
        for event in events:
            if isinstance(event, Overrun):
                continue
            self._counts.transport_events += 1
            for name in self._world.names:
                path = self._world.path(name)
                if path is not None and _concerns(event, path):
                    self._checks.look_now(name, now=now)
        self.changes(self._watch.sample(now), now=now)

    def changes(self, changes: Iterable[Change], *, now: float) -> None:
        """Attributes read otherwise than before."""
        for change in changes:
            sign = None
            if change.kind is Kind.TRANSPORT:
                sign = _BACK.get(change.after or "")
            elif change.after in _RUNS:
                sign = Sign.RUNNING_AGAIN
            for name in change.disks:
                if sign is not None:
                    self._checks.suspected(name, [sign], now=now)
                self._checks.look_now(name, now=now)
                if sign in _BACK.values() and _known_otherwise(self._world.path(name), change):
                    self._reconciler.look_at_path(name)


def _known_otherwise(path: Path | None, change: Change) -> bool:
    """Whether the path was looked at while its port or session, which is back, was away: then what could not be set
    meanwhile can be now. Mostly it was not, so that an array that is back costs no look at every path."""
    own = change.subject.removeprefix("/sys/class")
    known = path.tunables if path is not None else ()
    return any(each.file.endswith(own) and each.value != change.after for each in known)


def _concerns(event: TransportEvent, path: Path) -> bool:
    if event.transport is Transport.ISCSI and event.session is not None:
        return f"/session{event.session}/" in path.sysfs
    return event.host is not None and path.address is not None and path.address.host == event.host
