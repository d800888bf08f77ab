"""What clients ask the daemon to do: each request is begun at once, and answered when it is known what came of it.

Theory of operation. Most requests change what is wanted (a path is to be used no more, a map is not to queue) and leave
the doing to the cycle: their answer is given when the maps concerned have come to rest. Some are one step on one map,
which is done here, by the same hands as every other step. Whoever asked is answered in any case within the time that
its connection gives it; what was begun goes on.

In: requests, and a turn of the loop at a time. Out: replies. It must never wait.
"""

import errno
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from actuators import by_hand
from actuators.apply import apply
from actuators.cookie import UdevSync, cookie_bases
from actuators.reassign import reassign
from actuators.steps import FailPath as FailStep
from actuators.steps import Lost, MapRef, Outcome, Refused, Step, SwitchGroup, UdevFlags
from actuators.steps import ReinstatePath as ReinstateStep
from controller.protocol import requests
from controller.protocol.requests import Request, Result
from controller.reconcile import health, tending, waiting
from controller.reconcile.explain import step_text
from controller.reconcile.health import Mark
from controller.reconcile.orders import Orders
from controller.reconcile.tables import BASE_FLAGS
from controller.reconcile.waiting import MapMemory
from controller.runtime.checking import Checks
from controller.runtime.deciding import Decider
from controller.runtime.lanes import Finished, Lanes
from controller.runtime.pending import Pending, Reply, result_of
from controller.runtime.reconciler import Reconciler
from controller.runtime.recorder import Ordered
from controller.runtime.world import World
from desired.model import Verdict
from observers.host import Host
from observers.snapshot import DeviceName, Map, Wwid, map_uuid

_OUT = frozenset({Verdict.BLACKLISTED, Verdict.NOT_A_DISK})


@dataclass(frozen=True, slots=True)
class Job:
    """A call that a worker makes; `then`: what to do when it is over."""

    then: Callable[[Finished], None]


class Executor:
    """Begins requests and remembers who waits for what."""

    def __init__(
        self, host: Host, *, world: World, decider: Decider, checks: Checks, reconciler: Reconciler, lanes: Lanes
    ) -> None:
        self._host, self._world, self._decider = host, world, decider
        self._checks, self._reconciler, self._lanes = checks, reconciler, lanes
        self.pending = Pending(host.monotonic)
        self._asked = ""
        """The words of the request that is being begun."""
        self._delayed: list[tuple[Wwid, Callable[[], None]]] = []
        self.on_done: Callable[[Ordered], None] = lambda _: None
        """Called with what was done here, which no plan contained."""
        self._jobs = 0

    # ---- going on

    def turn(self) -> None:
        """Answer whose time has come."""
        delayed, self._delayed = self._delayed, []
        for wwid, begin in delayed:
            self.when_free(wwid, begin)
        self.pending.turn()

    def when_free(self, wwid: Wwid, begin: Callable[[], None]) -> None:
        """Begin to do something to a map, now or when what is being done to it is over."""
        if self._reconciler.occupied(wwid):
            self._delayed.append((wwid, begin))
        else:
            begin()

    def finished(self, finished: Finished) -> None:
        """A job is done."""
        if isinstance(finished.token, Job):
            finished.token.then(finished)

    def call(
        self,
        key: str,
        function: Callable[[], object],
        then: Callable[[Finished], None],
        *,
        limit: float,
        group: str = "",
    ) -> None:  # fmt: skip
        """Have a worker make a call that may block, for at most `limit` seconds; few of one group at a time."""
        now = self._host.monotonic()
        self._lanes.call(key, group or key, function, now=now, deadline=now + limit, token=Job(then))

    def _at_rest(self, wwids: Iterable[Wwid], text: Callable[[], str], reply: Reply) -> None:
        """Answer when nothing is left to do for these maps."""
        chosen = frozenset(wwids)
        self.pending.when(lambda: text() if self._reconciler.at_rest(chosen) else None, reply)

    def _ok(self, wwids: Iterable[Wwid], reply: Reply) -> None:
        self._at_rest(wwids, lambda: Result.DONE, reply)

    # ---- beginning

    def execute(self, request: Request, reply: Reply, *, now: float, asked: str) -> bool:
        """Begin a request. `asked`: in its sender's words. False: it is none of these (about the daemon itself, or a
        question)."""
        self._asked = asked
        match request:
            case requests.PathRequest():
                self._on_path(request, reply, now)
            case requests.AddPath(name):
                self._add_path(name, reply, now)
            case requests.AddMap(wwid):
                self._add_map(wwid, reply, now)
            case requests.DelMaps():
                self._del_maps(reply, now)
            case requests.ResetStats(wwid):
                self._reset_stats(self._chosen(wwid))
                reply(Result.DONE)
            case requests.DisableQueueing(wwid) | requests.RestoreQueueing(wwid):
                stop = isinstance(request, requests.DisableQueueing)
                self._queueing(self._chosen(wwid), reply, now, stop=stop)
            case requests.ForceQueueing(forced):
                self._decider.memory = replace(self._decider.memory, force_queueing=forced)
                reply(Result.DONE)
            case requests.MapRequest():
                return self._on_map(request, reply, now)
            case _:
                return False
        return True

    def _chosen(self, wwid: Wwid | None) -> list[Wwid]:
        return [wwid] if wwid is not None else [each.wwid for each in self._world.maps.values()]

    def _order(self, **changes: frozenset[str]) -> None:
        orders: Orders = self._decider.orders
        self._decider.orders = replace(orders, **changes)  # type: ignore[arg-type]  # NewTypes of str

    # ---- paths

    def _add_path(self, name: DeviceName, reply: Reply, now: float) -> None:
        """Look at a device as if it had just come."""
        orders, wwids = self._decider.orders, {self._decider.wwid_of(name)}
        self._order(removed_paths=orders.removed_paths - {name}, removed_maps=orders.removed_maps - wwids)
        self._reconciler.look_at_path(name)
        if self._decider.orders != orders:
            self._reconciler.decide_on_everything(now=now)

        def ready() -> str | None:
            if self._world.path(name) is None:
                return None if self._reconciler.looking else Result.BLACKLISTED
            if not self._reconciler.at_rest(None):
                return None
            admission = self._decider.admissions.get(name)
            return Result.BLACKLISTED if admission is None or admission.verdict in _OUT else Result.DONE

        self.pending.when(ready, reply)

    def _on_path(self, request: requests.PathRequest, reply: Reply, now: float) -> None:
        path = self._world.path(request.path)
        memory = self._checks.memory(path) if path is not None else None
        wwids = [request.map] if request.map is not None else []
        failed = self._decider.orders.failed_paths
        match request:
            case requests.DelPath():
                self._del_path(request, reply, now)
                return
            case requests.FailPath():
                self._order(failed_paths=failed | {request.path})
                self._message(request, fail=True)
            case requests.ReinstatePath():
                self._order(failed_paths=failed - {request.path})
                self._message(request, fail=False)
                self._checks.look_now(request.path, now=now)
            case _ if path is not None and memory is not None:
                marginal = isinstance(request, requests.SetMarginal)
                self._checks.remember(path, health.marked(memory, Mark.COMMAND, marginal=marginal))
        self._reconciler.decide_on(wwids, now=now)
        self._ok(wwids, reply)

    def _message(self, request: requests.PathRequest, *, fail: bool) -> None:
        live = self._world.maps.get(map_uuid(request.map)) if request.map is not None else None
        if live is not None:
            kind = FailStep if fail else ReinstateStep
            self._now(live, kind(map=MapRef(live.uuid, live.name), dev=request.dev, name=request.path))

    def _now(self, live: Map, step: Step) -> Outcome:
        """A message to a map, here and now."""
        outcome = apply(self._host, (), [(step,)], udev_running=False).outcomes[0][1]
        self.reporter(step_text(step), live, path=getattr(step, "name", ""))(outcome)
        self._reconciler.look_at_maps([live.uuid])
        return outcome

    def _del_path(self, request: requests.DelPath, reply: Reply, now: float) -> None:
        """Forget a path. A map that udev has not looked at yet keeps it until then."""
        self._order(removed_paths=self._decider.orders.removed_paths | {request.path})
        self._reconciler.decide_on_everything(now=now)
        memory = self._decider.memory.maps.get(request.map) if request.map is not None else None
        if memory is not None and memory.udev_until is not None and now < memory.udev_until:
            reply(Result.DELAYED)
            return

        def text() -> str:
            live = self._world.maps.get(map_uuid(request.map)) if request.map is not None else None
            still = live is not None and live.table is not None and request.dev in live.table.devices
            return Result.FAILED if still else Result.DONE

        self._at_rest([request.map] if request.map is not None else [], text, reply)

    # ---- maps

    def _add_map(self, wwid: Wwid, reply: Reply, now: float) -> None:
        self._order(removed_maps=self._decider.orders.removed_maps - {wwid})
        self._reconciler.decide_on_everything(now=now)

        def text() -> str:
            self._decider.memory = tending.asked_for(self._decider.memory, wwid)
            return Result.DONE if map_uuid(wwid) in self._world.maps else Result.FAILED

        self.pending.when(lambda: text() if self._reconciler.at_rest(None) else None, reply)

    def _on_map(self, request: requests.MapRequest, reply: Reply, now: float) -> bool:
        live = self._world.maps.get(map_uuid(request.map))
        if live is None:
            reply(Result.NOT_FOUND)
            return True
        ref, wwid = MapRef(live.uuid, live.name), request.map
        match request:
            case requests.DelMap():
                self._flush(live, reply, now)
            case requests.Switch():
                outcome = self._now(live, SwitchGroup(map=ref, group=request.group))
                reply(result_of(outcome))
            case requests.SuspendMap():
                self._job("suspend", lambda: by_hand.suspend_map(self._host, ref), live, reply)
            case requests.ResumeMap():
                self._job("resume", lambda: by_hand.resume_map(self._host, ref), live, reply)
            case requests.ResetMap():
                self._reset(live, reply)
            case requests.ReloadMap():
                self._order(reload=self._decider.orders.reload | {wwid})
                self._decided(wwid, reply, now)
            case requests.ResizeMap():
                self._resize(live, reply, now)
            case requests.UnsetMarginals():
                self._unset_marginals(wwid)
                self._decided(wwid, reply, now)
            case _:
                return False
        return True

    def _decided(self, wwid: Wwid, reply: Reply, now: float) -> None:
        self._reconciler.decide_on([wwid], now=now)
        self._ok([wwid], reply)

    def _resize(self, live: Map, reply: Reply, now: float) -> None:
        wwid = live.wwid
        self._order(resize=self._decider.orders.resize | {wwid})
        for name in self._decider.names_of(wwid):
            self._reconciler.look_at_path(name)
        self._reconciler.decide_on([wwid], now=now)

        def text() -> str:
            wanted, seen = self._decider.wanted.get(wwid), self._world.maps.get(live.uuid)
            self._order(resize=self._decider.orders.resize - {wwid})
            same = wanted is not None and seen is not None and seen.table is not None and not wanted.reject
            return Result.DONE if same and wanted.table.size == seen.table.size else Result.FAILED  # type: ignore[union-attr]

        self._at_rest([wwid], text, reply)

    def _reset(self, live: Map, reply: Reply) -> None:
        """Have what is on a map's paths use the map. One that udev has not looked at yet is not complete."""
        memory, paths = self._decider.memory.maps.get(live.wwid), live.table.devices if live.table else ()
        if memory is not None and memory.udev_until is not None:
            reply(Result.FAILED)
        else:
            others = self._world.other_devices
            self._job("move devices from paths to", lambda: reassign(self._host, live.dev, paths, others), live, reply)

    def _unset_marginals(self, wwid: Wwid) -> None:
        for name in self._decider.names_of(wwid):
            path = self._world.path(name)
            memory = self._checks.memory(path) if path is not None else None
            if path is not None and memory is not None:
                self._checks.remember(path, health.marked(memory, Mark.COMMAND, marginal=False))

    # ---- removing

    def _flush(self, live: Map, reply: Reply, now: float) -> None:
        """Remove a map, and see that it is not made again."""
        removed = self._decider.orders.removed_maps
        self._order(removed_maps=removed | {live.wwid})

        def then(outcome: Outcome) -> None:
            gone = not isinstance(outcome, Refused | Lost)
            if not gone:
                self._order(removed_maps=self._decider.orders.removed_maps - {live.wwid})
            self._world.refresh_maps()  # whoever asked may look at once whether it is gone
            self._reconciler.decide_on_everything(now=now)
            reply(result_of(outcome))

        self._run(f"remove {live.name} with its partitions", lambda: self._flushed(live), then, live=live)

    def _flushed(self, live: Map) -> Outcome:
        bases = cookie_bases(int(self._host.monotonic() * 1000))
        facts = self._world.facts
        sync = UdevSync(running=facts.udev_running, bases=bases)
        others = self._world.other_devices
        flags: UdevFlags = BASE_FLAGS
        return by_hand.flush_map(self._host, MapRef(live.uuid, live.name), others, sync=sync, flags=flags)

    def _del_maps(self, reply: Reply, now: float) -> None:
        """All that nobody uses."""
        free = [each for each in self._world.maps.values() if not self._users(each)]
        busy = len(free) < len(self._world.maps)
        left, answers = len(free), list[str]()
        if not free:
            reply(Result.BUSY if busy else Result.DONE)
            return

        def answered(text: str) -> None:
            answers.append(text)
            if len(answers) == left:
                failed = busy or any(answer != Result.DONE for answer in answers)
                reply(Result.BUSY if failed else Result.DONE)

        for live in free:
            self._flush(live, answered, now)

    def _users(self, live: Map) -> int:
        """How many have a map open, but for its partitions."""
        ref = MapRef(live.uuid, live.name)
        return live.open_count - len(by_hand.partitions_of(ref, self._world.other_devices))

    # ---- queueing and counters

    def _queueing(self, wwids: list[Wwid], reply: Reply, now: float, *, stop: bool) -> None:
        memory = self._decider.memory
        self._decider.memory = (
            tending.disable_queueing(memory, wwids, now=now) if stop else tending.restore_queueing(memory, wwids)
        )
        self._reconciler.decide_on(wwids, now=now)
        self._ok(wwids, reply)

    def _reset_stats(self, wwids: Iterable[Wwid]) -> None:
        memory = self._decider.memory
        fresh = {wwid: waiting.reset(memory.maps.get(wwid, MapMemory())) for wwid in wwids}
        self._decider.memory = replace(memory, maps={**memory.maps, **fresh})

    # ---- jobs

    def _job(self, verb: str, call: Callable[[], Outcome], live: Map, reply: Reply) -> None:
        def then(outcome: Outcome) -> None:
            self._reconciler.look_at_maps([live.uuid])
            self._at_rest([live.wwid], lambda: result_of(outcome), reply)

        self._run(f"{verb} {live.name}", call, then, live=live)

    def _run(
        self, deed: str, call: Callable[[], Outcome], then: Callable[[Outcome], None], *, live: Map
    ) -> None:  # fmt: skip
        """Have a worker do something to a map, for which nothing else is planned until it is done, however long."""
        self._jobs += 1
        key, report = f"request {self._jobs}", self.reporter(deed, live)

        def done(finished: Finished) -> None:
            self._reconciler.release(live.wwid)
            found = finished.finding
            outcome = found if isinstance(found, Outcome) else Refused(errno.EIO, f"{type(found).__name__}: {found}")
            report(outcome)
            then(outcome)

        def begin() -> None:
            self._reconciler.occupy(live.wwid, key)
            self.call(key, call, done, limit=math.inf)

        self.when_free(live.wwid, begin)

    def reporter(self, deed: str, live: Map, *, path: str = "") -> Callable[[Outcome], None]:
        """What tells of a deed when it is known what came of it, with the words of the request that is begun now."""
        asked = self._asked

        def report(outcome: Outcome) -> None:
            self.on_done(
                Ordered(
                    now=self._host.monotonic(), request=asked, deed=deed, map=live.name, wwid=live.wwid, path=path,
                    outcome=outcome,
                )
            )  # fmt: skip

        return report
