"""The service: everything that a daemon is made of, put together, started, and ended.

Theory of operation. First whatever may fail with a clear word to whoever started it: the configuration, the pidfile,
the sockets. Then threads and sources of events; then memory is locked, and from there on nothing is opened outside
/sys, /proc, /dev and /run but by workers. Maps that exist are taken over as they are. At the end queueing stops for
maps that nobody will watch over any more, unless that is wanted, and maps stay.

Clients are served between the rounds of the loop, and in breaths while a long one lasts. In a breath what they ask is
answered as ever, for nothing of what is known changes meanwhile; only what they order waits for the end of the turn.

In: options, a host, a selector, sources of events. Out: an exit status. It must never decide about a map.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from actuators.apply import apply
from controller.protocol import replies, requests
from controller.protocol.frames import Message
from controller.protocol.grammar import Command
from controller.protocol.requests import Result
from controller.protocol.state import DaemonLine, DaemonState, State
from controller.reconcile import tending
from controller.reconcile.md import INTERVAL as MD_INTERVAL
from controller.runtime import configuring, metrics
from controller.runtime.awaiting import Awaiting
from controller.runtime.breaths import Breaths
from controller.runtime.checking import Checks
from controller.runtime.configuring import Read, Understood
from controller.runtime.cycle import Files
from controller.runtime.deciding import Decider
from controller.runtime.dumps import Dumps
from controller.runtime.events import Bulletin, Kind, Level
from controller.runtime.executor import Executor
from controller.runtime.lanes import Finished, Lanes
from controller.runtime.loop import Chore, Loop, Selector
from controller.runtime.md_events import MdEvents
from controller.runtime.md_service import MdService
from controller.runtime.noticing import Noticer
from controller.runtime.patience import uxsock_timeout, wait_for_rules
from controller.runtime.portrait import Portraitist
from controller.runtime.reconciler import Reconciler
from controller.runtime.recorder import Ordered
from controller.runtime.rereading import Rereading
from controller.runtime.reserving import Reserving
from controller.runtime.sampling import Samples
from controller.runtime.server import Asked, Server
from controller.runtime.settling import Settling
from controller.runtime.sources import Source, Sources
from controller.runtime.starting import Starting
from controller.runtime.systemd import ServiceManager
from controller.runtime.telling import Teller
from controller.runtime.tidying import Tidying
from controller.runtime.world import World
from desired.config import Config
from observers.engine import Engine
from observers.errors import MpathError
from observers.host import Host, WatchHost
from observers.watch import StateWatch

_SERVED_A_ROUND = 0.05
"""Seconds for which clients are served before others get their turn."""

_ONLY_LOOKS = (requests.ShowMetrics, requests.ShowEvents, requests.ShowMd)
"""Questions that change nothing, though more is needed for their answers than a `State`."""

_SHOWN = 80
"""Characters of a request that are told of one that met a defect."""


class ServiceHost(Host, WatchHost, Protocol):
    """A host that a daemon can run on."""


class Service:
    """A daemon over a host. `manager`: who started it; `pid`: its own."""

    def __init__(
        self, host: ServiceHost, files: Files, *, engine: Engine, capacity: Callable[[str], int], selector: Selector,
        sources: Sources, manager: ServiceManager, pid: int, read: Read, md_interval: float = MD_INTERVAL,
    ) -> None:  # fmt: skip
        self._host, self._files, self._manager, self._pid = host, files, manager, pid
        self.clock = host.monotonic
        self.bulletin = Bulletin()
        self.teller = Teller(self.bulletin, wall=host.wall_time)
        self.world = World(host, files)
        self.world.configured(read.texts)
        self.world.refresh_maps()
        config = configuring.loaded(read, files, self.world.facts)
        self.lanes = Lanes(engine, capacity=capacity)
        self.decider = Decider(self.world, config, settle=self._settle)
        self.watch = StateWatch(host)
        self.checks = Checks(
            host, world=self.world, decider=self.decider, lanes=self.lanes, watched=self.watch.state
        )  # fmt: skip
        self.reconciler = Reconciler(
            host, files, world=self.world, decider=self.decider, checks=self.checks, lanes=self.lanes,
            teller=self.teller,
        )  # fmt: skip
        self.counts, self.recorder = self.reconciler.witness.counts, self.reconciler.witness.recorder
        self.recorder.accounts = read.accounts
        self.executor = Executor(
            host, world=self.world, decider=self.decider, checks=self.checks, reconciler=self.reconciler,
            lanes=self.lanes,
        )  # fmt: skip
        self.reserving = Reserving(
            host, files, world=self.world, decider=self.decider, reconciler=self.reconciler, executor=self.executor
        )
        self.dumps = Dumps(host, self.executor, self.recorder, self.teller)
        self.samples = Samples(world=self.world, checks=self.checks, lanes=self.lanes)
        self.md = MdService(host, self.executor, self.teller, interval=md_interval)
        self.noticer = Noticer(self.world, self.reconciler, self.checks, self.watch, self.counts)
        self.portraitist = Portraitist(self.world, self.decider, clock=self.clock)
        self.loop = Loop(
            selector, self.reconciler, (self.executor.finished, self._sampled), clock=host.monotonic,
            on_round=self._round_over, pause=host.sleep, on_defect=self.teller.defect,
        )  # fmt: skip
        self.md_events = MdEvents(self.md, self.loop, sources.md)
        self.tidying = Tidying(self.clock)
        self.breaths = Breaths(host.monotonic, on_defect=self.teller.defect)
        self._put_off: deque[Asked] = deque()
        """What was ordered in a breath."""
        self.server: Server | None = None
        self._state = DaemonState.CONFIGURE
        self._starting = Starting(manager, idle=lambda: self.reconciler.at_rest(None, answered=False))
        self._rereading = Rereading(
            host, files, world=self.world, executor=self.executor, teller=self.teller, starting=self._starting,
            put_in_force=self._put_in_force,
        )  # fmt: skip
        self.on_configured: Callable[[Config], None] = lambda _: None
        """Called with each configuration that comes into force after the first."""
        self._alive_at = 0.0
        self._connect(sources)

    def _settle(self, path: Any) -> Any:
        return self.checks.settle(path)

    def _connect(self, sources: Sources) -> None:
        self.reconciler.on_path = self.noticer.path_seen
        self.noticer.on_md = self.md_events.look
        self.reconciler.breathe_by(self.breaths)
        self.executor.pending.on_defect = self.teller.defect
        self.executor.on_done = self._done_by_command
        self.decider.settle = Settling(self.checks.settle, self.decider)
        self.loop.listen(self.lanes, lambda _: None)
        self.loop.listen(sources.uevents, lambda now: self.noticer.uevents(sources.uevents.read(), now=now))
        if sources.dm is not None:
            self._connect_dm(sources.dm)
        for source in sources.transports:
            self._connect_transport(source)
        awaiting = Awaiting(
            self._host, self.world.awaited, lanes=self.lanes, teller=self.teller, look_at=self.reconciler.look_at_path
        )
        self.loop.add([
            Chore(self.watch.due, self._sample),
            Chore(self.samples.due, self.samples.begin),
            Chore(self.md.due, self.md.turn),
            Chore(self._watchdog_due, self._alive),
            Chore(awaiting.due, awaiting.turn),
            Chore(self.tidying.due, self.tidying.turn),
            Chore(lambda: self.portraitist.due(self.clock()), self._prepare),
        ])  # fmt: skip

    def _prepare(self, now: float) -> None:
        self.portraitist.prepare(self._daemon_line(), now=now, breathe=self.breaths)

    def _sample(self, now: float) -> None:
        began = self.clock()
        changes = self.watch.sample(now)
        self.watch.took(self.clock() - began)
        self.noticer.changes(changes, now=now)

    def _connect_dm(self, source: Source) -> None:
        def handle(_: float) -> None:
            try:
                self.noticer.dm_events(source.read())
            except (OSError, MpathError) as error:
                self.teller.say(Level.ERROR, Kind.SERVICE, f"events of device-mapper can't be read: {error}")
                self.reconciler.look_for_maps()

        self.loop.listen(source, handle)

    def _connect_transport(self, source: Source) -> None:
        self.loop.listen(source, lambda now: self.noticer.transport_events(source.read(), now=now))

    # ---- life

    def run(self) -> None:
        """Until it is told to stop."""
        self.begin()
        self.loop.run()
        self.leave()

    def begin(self) -> None:
        """Look at everything that is there."""
        self.teller.say(Level.NOTICE, Kind.SERVICE, "started")
        self.checks.configured(self.decider.config)
        wait_for_rules(self.world.awaited, self.decider)
        self.reconciler.allow_resize()
        self.reconciler.look_at_everything()
        self.md_events.look(self.clock())

    def stop(self) -> None:
        """End after this round."""
        if self._state is not DaemonState.SHUTDOWN:
            self._state = DaemonState.SHUTDOWN
            self._manager.stopping()
            self.teller.say(Level.NOTICE, Kind.SERVICE, "ends")
        self.loop.stop()

    def leave(self) -> None:
        """Queueing that nobody would end is ended now."""
        decision = self.reconciler.last
        if decision is None:
            return
        self.world.refresh_maps()
        snapshot = self.world.snapshot(self.checks.settle)
        desired = replace(decision.desired, maps=tuple(self.decider.wanted.values()))
        steps = tending.at_exit(snapshot, desired, self.decider.memory)
        tell = partial(self.teller.done, reason="the daemon ends, and nobody would end its queueing")
        apply(self._host, (), [(step,) for step in steps], udev_running=False, on_outcome=tell)

    def dump(self) -> None:
        """Write the flight recorder, and say where it is."""
        self.dumps.dump(lambda text: self.teller.say(Level.WARNING, Kind.SERVICE, f"flight recorder: {text.strip()}"))

    def close(self) -> None:
        """Let go of everything."""
        if self.server is not None:
            self.server.close()
        self.watch.close()
        self.lanes.close()

    def _done_by_command(self, ordered: Ordered) -> None:
        self.reconciler.witness.ordered(ordered)
        self.teller.ordered(ordered)

    def _sampled(self, finished: Finished) -> None:
        self.samples.finished(finished, now=self.clock())

    def _round_over(self, now: float) -> None:
        while self._put_off:
            self.asked(self._put_off.popleft())
        self.executor.turn()
        self._prepare(now)
        if self.server is not None:
            self.server.expire(now)
        if self._state is DaemonState.CONFIGURE and self._starting.turn():
            self._state = DaemonState.IDLE

    def _watchdog_due(self) -> float | None:
        return self._alive_at if self._manager.watchdog is not None else None

    def _alive(self, now: float) -> None:
        self._manager.alive()
        self._alive_at = now + (self._manager.watchdog or 0.0) / 2

    # ---- clients

    def serve(self, server: Server) -> None:
        """Answer the clients of these sockets."""
        self.server = server
        self.loop.listen(server, lambda now: server.poll(until=now + _SERVED_A_ROUND))
        self.loop.add([Chore(lambda: server.wake_at, server.expire)])
        self.breaths.serve_by(lambda until: server.poll(until=until))

    def asked(self, asked: Asked) -> None:
        """A client's request: answered from what is known, or begun, in a breath after the turn that it is in."""
        now = self._host.monotonic()
        self.tidying.asked(now)
        server = self.server
        if server is None:
            return
        try:
            self._answer(server, asked, now)
        except Exception as error:  # noqa: BLE001 - a defect that one request meets must not end its client's waiting
            self.teller.defect(f"the request {asked.text[:_SHOWN]!r}", error)
            server.reply(asked, Result.FAILED)

    def _answer(self, server: Server, asked: Asked, now: float) -> None:
        command = replies.understood(asked.text, root=asked.uid == 0)
        answer = command if isinstance(command, str) else replies.answer(self._state_for(command, now), command)
        if isinstance(answer, str | Message):
            server.reply(asked, answer)
            return
        if self.breaths.drawn and not isinstance(answer, _ONLY_LOOKS):
            self._put_off.append(asked)
            return
        reply = partial(self._reply_done, server, asked)
        begun = self.executor.execute(answer, reply, now=now, asked=asked.text.strip())
        if not (begun or self.reserving.execute(answer, reply)):
            self._execute(answer, partial(server.reply, asked), lambda: self._quit(server, asked), now)

    def _state_for(self, command: Command, now: float) -> State:
        """What a command is answered from."""
        if command.verb in replies.WITHOUT_A_LOOK:
            return self.portraitist.empty(self._daemon_line(), now=now)
        return self.state(now)

    def _reply_done(self, server: Server, asked: Asked, text: str) -> None:
        """Something was done for a client, who may ask at once what came of it."""
        self.portraitist.out_of_date()
        server.reply(asked, text)

    @staticmethod
    def _quit(server: Server, asked: Asked) -> None:
        server.reply(asked, Result.DONE, last=True)

    def _execute(
        self, request: requests.Request, reply: Callable[[str | Message], None], quit_: Callable[[], None], now: float
    ) -> None:
        match request:
            case requests.Quit():
                quit_()
            case requests.Shutdown():
                reply(Result.DONE)
                self.stop()
            case requests.Reconfigure(everything):
                self.reconfigure(everything=everything)
                reply(Result.DONE)
            case requests.ShowMetrics():
                state = self.state(now)
                reply(metrics.render(state, self.counts))
            case requests.ShowMd():
                reply(self.md.text())
            case requests.ShowEvents(since):
                reply(self._events(since))
            case requests.DumpRecorder():
                self.dumps.dump(reply)
            case _:
                reply(Result.FAILED)

    def _events(self, since: int) -> str:
        """Events after a number, each with its own in front of it in the object."""
        events = list(self.bulletin)
        first = self.bulletin.count - len(events) + 1
        lines = [
            f'{{"number": {number}, {event.to_json()[1:]}'
            for number, event in enumerate(events, first)
            if number > since
        ]
        return "".join(f"{line}\n" for line in lines)

    def state(self, now: float) -> State:
        """All that is known now; in a breath perhaps as it was a moment ago."""
        return self.portraitist.state(self._daemon_line(), now=now, in_a_hurry=self.breaths.drawn)

    def _daemon_line(self) -> DaemonLine:
        return DaemonLine(
            pid=self._pid, state=self._state, reconfigures=self._rereading.under_way, busy=self.reconciler.looking,
            cycles=self.recorder.last,
        )  # fmt: skip

    # ---- configuration

    def reconfigure(self, *, everything: bool = False) -> None:
        """Read the configuration again, by a worker, and put it in force if it can be used."""
        self._rereading.begin(everything=everything)

    def _put_in_force(self, found: Understood, /, *, everything: bool) -> None:
        self.recorder.accounts = found.read.accounts
        self.reconciler.configure(found.config, found.read.texts, now=self.clock())
        self.md_events.look(self.clock())
        wait_for_rules(self.world.awaited, self.decider)
        self.on_configured(found.config)
        if self.server is not None:
            self.server.timeout = uxsock_timeout(self.decider)
        if everything:
            wwids = frozenset(each.wwid for each in self.world.maps.values())
            self.decider.orders = replace(self.decider.orders, reload=wwids)
