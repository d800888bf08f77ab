"""A whole daemon on the in-memory kernel, in virtual time: its loop, its sources of events, and a client."""

from collections.abc import Callable

from controller.protocol.frames import Message
from controller.reconcile.md import INTERVAL
from controller.runtime import configuring, cycle
from controller.runtime.events import Event
from controller.runtime.server import Asked
from controller.runtime.service import Service
from controller.runtime.sources import Source, Sources, nothing
from controller.runtime.systemd import ServiceManager
from controller.sandbox.engine import SandboxEngine
from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import load_scenario
from controller.sandbox.sources import SandboxDmPoll, transport_events, uevents
from controller.sandbox.waiting import VirtualSelector
from observers.dm_events import DmEvents
from observers.kernel.uevent import Sender
from observers.snapshot import Alias, Map

FILES = cycle.Files()
ROUNDS = 20_000
"""Rounds of the loop after which a test gives up."""


class Answers:
    """Stands for the sockets: keeps what clients are answered."""

    def __init__(self) -> None:
        self.replies: dict[int, str] = {}
        self.timeout = 4.0
        self.in_breath: Callable[[float], None] | None = None
        """What clients do whenever they are served in the midst of something else."""

    def reply(self, asked: Asked, reply: str | Message, *, last: bool = False) -> None:
        """See `Server.reply`."""
        text = reply.text if isinstance(reply, Message) else reply
        self.replies[asked.ticket] = text + ("<end>" if last else "")

    def fileno(self) -> int:
        """See `Server.fileno`."""
        return -1

    def ready(self) -> bool:
        """Clients ask by `Virtual.ask`, or in a breath."""
        return False

    def poll(self, *, until: float) -> None:
        """See `Server.poll`: whoever waits for a breath asks now."""
        if self.in_breath is not None:
            self.in_breath(until)

    @property
    def wake_at(self) -> float | None:
        """See `Server.wake_at`."""
        return None

    def expire(self, _now: float) -> None:
        """See `Server.expire`."""

    def close(self) -> None:
        """See `Server.close`."""


class VirtualDm:
    """Events of device-mapper, that can be waited for in virtual time."""

    def __init__(self, host: SandboxHost) -> None:
        self._poll = SandboxDmPoll(host)
        self._events = DmEvents(host, self._poll)
        self.fileno, self.ready, self.read = self._poll.fileno, self._poll.ready, self._events.read


class Virtual:
    """A daemon. `host` is its kernel."""

    def __init__(
        self, scenario: str = "small", *, host: SandboxHost | None = None, files: cycle.Files = FILES,
        md: Callable[[], Source | None] = nothing, md_interval: float = INTERVAL,
        manager: ServiceManager | None = None,
    ) -> None:  # fmt: skip
        self.host = host or SandboxHost(load_scenario(scenario))
        clock = self.host.kernel.clock
        self.answers = Answers()
        self.service = Service(
            self.host, files, engine=SandboxEngine(self.host), capacity=lambda _: 256,
            selector=VirtualSelector(clock),
            sources=Sources(
                uevents=uevents(self.host, Sender.UDEV),
                dm=VirtualDm(self.host),
                transports=(transport_events(self.host),),
                md=md,
            ),
            manager=manager or ServiceManager(), pid=4711, read=configuring.reader(self.host, files)(),
            md_interval=md_interval,
        )  # fmt: skip
        self.service.serve(self.answers)  # type: ignore[arg-type]  # stands for a Server
        self.service.begin()
        self._tickets = 0

    def until(self, condition: Callable[[], bool], *, within: float = 60.0) -> float:
        """Let the daemon live until something is so; the seconds that it took."""
        clock = self.host.kernel.clock
        began = clock.now
        for _ in range(ROUNDS):
            if condition():
                return clock.now - began
            if clock.now - began > within:
                break
            self.service.loop.round(longest=0.5)
        raise AssertionError(f"not within {within} s; {[event.text for event in self.events[-8:]]}")

    def live(self, seconds: float) -> None:
        """Let time pass."""
        end = self.host.kernel.clock.now + seconds
        self.until(lambda: self.host.kernel.clock.now >= end, within=seconds + 60)

    def settled(self) -> None:
        """Live until nothing is left to do."""
        self.until(lambda: self.service.reconciler.at_rest(None))

    def ask(self, text: str, *, uid: int = 0) -> str:
        """A client's command and its reply."""
        self._tickets += 1
        ticket = self._tickets
        self.service.asked(Asked(1, ticket, uid, text))
        self.until(lambda: ticket in self.answers.replies)
        return self.answers.replies[ticket]

    @property
    def events(self) -> list[Event]:
        """What was told."""
        return list(self.service.bulletin)

    def map(self, name: str) -> Map | None:
        """A map as the daemon knows it."""
        return next((each for each in self.service.world.maps.values() if each.name == Alias(name)), None)

    def active(self, name: str) -> dict[str, bool]:
        """What dm believes of a map's paths now, by their names."""
        live = self.map(name)
        if live is None or live.status is None:
            return {}
        return {str(self.service.world.name_of(path.dev)): path.active for path in live.status.paths}
