"""Disks that udev's rules have not run for yet: while the system starts, the daemon sees them sooner than udev does.

Such a disk is not taken for a path at first. Its WWID is to be the one that udev will give it, and is made of the
device's own words only if udev keeps silent for too long (retrigger_tries times retrigger_delay of multipath.conf(5));
else a map would be made, and recorded, under a name that it does not keep. A disk with a device on top of it was seen
by udev before, whatever the database says now: it may be emptied on the way from the initramfs to the root disk.

In: disks as they were just read, the time (monotonic seconds). Out: whether to wait, and until when. It must never read
anything.
"""

from observers.snapshot import DeviceName, Path

_RAN = "USEC_INITIALIZED"
"""In udev's database since the rules ran for the first time."""

PATIENCE = 30.0
"""Seconds; what the two keywords come to by default."""


class RulesAwaited:
    """The disks that are waited for. `patience`: seconds."""

    def __init__(self) -> None:
        self.patience = PATIENCE
        self._until: dict[DeviceName, tuple[str, float]] = {}
        self._given_up: dict[DeviceName, str] = {}

    def waits(self, path: Path, *, now: float) -> bool:
        """Whether a disk is to be left aside for now."""
        if _RAN in path.udev or path.holders or self._given_up.get(path.name) == path.sysfs:
            self.forget(path.name)
            return False
        place, _ = self._until.get(path.name, ("", now))
        if place != path.sysfs:
            self._until[path.name] = (path.sysfs, now + self.patience)
        return True

    def forget(self, name: DeviceName) -> None:
        """It is a path now, or gone."""
        self._until.pop(name, None)
        self._given_up.pop(name, None)

    def due(self) -> float | None:
        """When the first wait ends."""
        return min((until for _, until in self._until.values()), default=None) if self._until else None

    def over(self, now: float) -> list[DeviceName]:
        """Those that have been waited for long enough: they are to be looked at again, and taken as they are."""
        names = [name for name, (_, until) in self._until.items() if until <= now]
        for name in names:
            self._given_up[name], _ = self._until.pop(name)
        return names
