"""What is done about disks that udev does not know: it is made to look again; in the end they are taken as they are.

In: those that are waited for (`rules_awaited.py`), the time. Out: uevents, by a worker; disks that are to be looked
at. It must never decide how long anybody waits.
"""

import math
from collections.abc import Callable
from functools import partial

from actuators.sysfs import trigger_uevent
from controller.runtime.events import Kind, Level
from controller.runtime.lanes import Lanes
from controller.runtime.rules_awaited import RulesAwaited
from controller.runtime.telling import Teller
from observers.host import Host
from observers.snapshot import DeviceName


class Awaiting:
    """`look_at`: has a disk looked at again."""

    def __init__(
        self, host: Host, awaited: RulesAwaited, *, lanes: Lanes, teller: Teller, look_at: Callable[[DeviceName], None]
    ) -> None:
        self._host, self._awaited, self._lanes, self._teller, self._look_at = host, awaited, lanes, teller, look_at

    def due(self) -> float | None:
        """When the next turn is due; None: nobody is waited for."""
        return self._awaited.due()

    def turn(self, now: float) -> None:
        """Do what is due."""
        for name in self._awaited.over(now):
            self._say(Level.WARNING, f"{name}: udev keeps silent about it: it is taken as it is")
            self._look_at(name)
        for step in self._awaited.to_ask(now):
            self._say(Level.INFO, f"{step.name}: udev does not know it yet: it is made to look again")
            look = partial(trigger_uevent, self._host, step)
            self._lanes.call(f"uevent of {step.name}", "udev", look, now=now, deadline=math.inf, token=None)

    def _say(self, level: Level, text: str) -> None:
        self._teller.say(level, Kind.SERVICE, text)
