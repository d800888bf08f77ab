"""A sandbox's sources of events, each with `fileno`, `ready`, `read` and `close`, as the real ones and a
`VirtualSelector` have them.

In: a `SandboxHost`. Out: the values of `observers.kernel.uevent` and the like, as a real kernel's bytes would be parsed
into. `lose` makes a source lose what is waiting, as a full socket does. They must never change the sandbox.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from controller.sandbox.disks import Remote
from controller.sandbox.host import SandboxHost
from controller.sandbox.san import Transport as Connection
from controller.sandbox.uevents import Uevent as Sent
from observers.dmtable import DevT
from observers.event_sources import Overrun
from observers.kernel.transport_event import Transport, TransportEvent
from observers.kernel.uevent import Sender, Uevent, of_properties

T = TypeVar("T")


class SandboxSource(Generic[T]):
    """What is there that was not read yet; it begins with what comes after it was made."""

    def __init__(self, waiting: Callable[[], Sequence[T]], forget: Callable[[], None]) -> None:
        self._waiting, self._forget = waiting, forget
        self._lost = False

    def fileno(self) -> int:
        """There is none."""
        return -1

    def ready(self) -> bool:
        """Whether `read` would bring something."""
        return self._lost or bool(self._waiting())

    def read(self) -> list[T | Overrun]:
        """The events that are there, in their order."""
        found: list[T | Overrun] = [Overrun()] if self._lost else []
        found += self._waiting()
        self._lost = False
        self._forget()
        return found

    def lose(self) -> None:
        """Lose what is waiting."""
        self._forget()
        self._lost = True

    def close(self) -> None:
        """Listen no more."""
        self._forget()


def uevents(host: SandboxHost, sender: Sender) -> SandboxSource[Uevent]:
    """Uevents, as the kernel sends them or as udev does when its rules are done."""
    log = _udev_log(host) if sender is Sender.UDEV else lambda: list(host.uevents)
    return _from_log(lambda since: [event for event in map(_uevent, log()[since:]) if event], lambda: len(log()))


def _udev_log(host: SandboxHost) -> Callable[[], Sequence[tuple[Sent, Mapping[str, str]]]]:
    return lambda: host.kernel.udev.handled


def _uevent(entry: Sent | tuple[Sent, Mapping[str, str]]) -> Uevent | None:
    sent, properties = entry if isinstance(entry, tuple) else (entry, {})
    name = sent.name
    own = {"ACTION": sent.action, "DEVPATH": sent.devpath, "SUBSYSTEM": sent.subsystem}
    node = {"DEVNAME": f"/dev/{name}", "DEVTYPE": "disk"} if sent.subsystem == "block" else {}
    return of_properties({**own, **node, **sent.properties, **properties, "SEQNUM": str(sent.seqnum)})


def transport_events(host: SandboxHost) -> SandboxSource[TransportEvent]:
    """What iSCSI sessions and Fibre Channel hosts announce: a port that goes or comes."""
    known = {remote: remote.state for remote in host.kernel.remotes}

    def waiting() -> list[TransportEvent]:
        return [
            event
            for remote in host.kernel.remotes
            if known.get(remote) != remote.state and (event := _announced(remote)) is not None
        ]

    return SandboxSource(waiting, lambda: known.update({remote: remote.state for remote in host.kernel.remotes}))


def _announced(remote: Remote) -> TransportEvent | None:
    if remote.adapter.transport is Connection.ISCSI:
        kind = "connection login state" if remote.reachable else "connection error"
        session = int(remote.key.removeprefix("session"))
        return TransportEvent(transport=Transport.ISCSI, session=session, kind=kind)
    if remote.adapter.transport is Connection.FC:
        return TransportEvent(transport=Transport.FC, host=remote.adapter.host, kind="state change notification")
    return None


class SandboxDmPoll:
    """The poll of device-mapper's control node."""

    def __init__(self, host: SandboxHost) -> None:
        self._host = host
        self._armed = self._events()

    def _events(self) -> frozenset[tuple[DevT, str, int]]:
        devices = self._host.kernel.device_mapper.devices
        return frozenset((device.dev, device.label, device.event_number) for device in devices)

    def fileno(self) -> int:
        """There is none."""
        return -1

    def ready(self) -> bool:
        """Whether there was an event since the last `arm`."""
        return self._events() != self._armed

    def arm(self) -> None:
        """What happened so far is known."""
        self._armed = self._events()

    def close(self) -> None:
        """Poll no more."""


def _from_log(after: Callable[[int], Sequence[T]], length: Callable[[], int]) -> SandboxSource[T]:
    """A source over a log that only grows."""
    seen = [length()]

    def forget() -> None:
        seen[0] = length()

    return SandboxSource(lambda: after(seen[0]), forget)
