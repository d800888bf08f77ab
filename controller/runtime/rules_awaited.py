"""Disks that udev's rules have not run for yet: while the system starts, the daemon sees them sooner than udev does.

Such a disk is not taken for a path at first. Its WWID is to be the one that udev will give it, and is made of the
device's own words only if udev keeps silent for too long (retrigger_tries times retrigger_delay of multipath.conf(5));
else a map would be made, and recorded, under a name that it does not keep. Meanwhile udev is made to look at it again
after each retrigger_delay: an event may have been lost. A disk with a device on top of it was seen
by udev before, whatever the database says now: it may be emptied on the way from the initramfs to the root disk.

In: disks as they were just read, the time (monotonic seconds). Out: whether to wait, and until when. It must never read
anything.
"""

from dataclasses import dataclass, replace

from actuators.steps import TriggerUevent
from observers.snapshot import DeviceName, Path

_RAN = "USEC_INITIALIZED"
"""In udev's database since the rules ran for the first time."""

TRIES, DELAY = 3, 10.0
"""How often udev is given so many seconds, by default."""


@dataclass(frozen=True, slots=True)
class _Wait:
    """`asks`: what makes udev look; `next_at`: when that is due, or the wait is over; `until`: when it is."""

    asks: TriggerUevent
    next_at: float
    until: float


class RulesAwaited:
    """The disks that are waited for. `tries`, `delay`: how often udev is given so many seconds for each."""

    def __init__(self) -> None:
        self.tries, self.delay = TRIES, DELAY
        self._waits: dict[DeviceName, _Wait] = {}
        self._given_up: dict[DeviceName, str] = {}

    @property
    def patience(self) -> float:
        """Seconds after which a disk is waited for no longer."""
        return self.tries * self.delay

    def waits(self, path: Path, *, now: float) -> bool:
        """Whether a disk is to be left aside for now."""
        if _RAN in path.udev or path.holders or self._given_up.get(path.name) == path.sysfs:
            self.forget(path.name)
            return False
        known = self._waits.get(path.name)
        if known is None or known.asks.sysfs != path.sysfs:
            asks = TriggerUevent(name=path.name, dev=path.dev, sysfs=path.sysfs)
            first = now + min(self.delay, self.patience)
            self._waits[path.name] = _Wait(asks, first, now + self.patience)
        return True

    def forget(self, name: DeviceName) -> None:
        """It is a path now, or gone."""
        self._waits.pop(name, None)
        self._given_up.pop(name, None)

    def due(self) -> float | None:
        """When `to_ask` or `over` would bring something."""
        return min((each.next_at for each in self._waits.values()), default=None) if self._waits else None

    def over(self, now: float) -> list[DeviceName]:
        """Those that have been waited for long enough: they are to be looked at again, and taken as they are."""
        names = [name for name, each in self._waits.items() if each.until <= now]
        for name in names:
            self._given_up[name] = self._waits.pop(name).asks.sysfs
        return names

    def to_ask(self, now: float) -> list[TriggerUevent]:
        """What makes udev look once more at those that are waited for still."""
        due = {name: each for name, each in self._waits.items() if each.next_at <= now < each.until}
        for name, each in due.items():
            self._waits[name] = replace(each, next_at=min(now + self.delay, each.until))
        return [each.asks for each in due.values()]
