"""What clients ask the daemon to do: each request is begun at once, and answered when it is known what came of it.

Theory of operation. Most requests change what is wanted (a path is to be used no more, a map is not to queue) and leave
the doing to the cycle: their answer is given when the maps concerned have come to rest, and says what came of it. Some
are one step on one map, which is done by the same hands as every other step (`hands`). Whoever asked is answered in any
case within the time that its connection gives it; what was begun goes on.

In: requests, and a turn of the loop at a time. Out: replies. It must never wait.
"""

from collections.abc import Iterable
from dataclasses import replace

from actuators import by_hand
from actuators.cookie import UdevSync, cookie_bases
from actuators.reassign import reassign
from actuators.steps import Lost, MapRef, Outcome, Refused, SwitchGroup, UdevFlags
from controller.protocol import requests
from controller.protocol.requests import Request, Result
from controller.reconcile import tending, waiting
from controller.reconcile.tables import BASE_FLAGS
from controller.reconcile.waiting import MapMemory
from controller.runtime.checking import Checks
from controller.runtime.deciding import Decider
from controller.runtime.hands import Hands
from controller.runtime.lanes import Lanes
from controller.runtime.path_orders import PathOrders
from controller.runtime.pending import Reply, result_of
from controller.runtime.queueing_orders import QueueingOrders
from controller.runtime.reconciler import Reconciler
from controller.runtime.world import World
from observers.host import Host
from observers.snapshot import Map, Wwid, map_uuid


class Executor(Hands):
    """Begins requests."""

    def __init__(
        self, host: Host, *, world: World, decider: Decider, checks: Checks, reconciler: Reconciler, lanes: Lanes
    ) -> None:
        super().__init__(host, world=world, decider=decider, reconciler=reconciler, lanes=lanes)
        self._paths, self._queueing = PathOrders(self, checks), QueueingOrders(self)

    # ---- beginning

    def execute(self, request: Request, reply: Reply, *, now: float, asked: str) -> bool:
        """Begin a request. `asked`: in its sender's words. False: it is none of these (about the daemon itself, or a
        question)."""
        self.asked = asked
        match request:
            case requests.PathRequest():
                self._paths.begin(request, reply, now)
            case requests.AddPath(name):
                self._paths.add(name, reply, now)
            case requests.AddMap(wwid):
                self._add_map(wwid, reply, now)
            case requests.DelMaps():
                self._del_maps(reply, now)
            case requests.ResetStats(wwid):
                self._reset_stats(self._chosen(wwid))
                reply(Result.DONE)
            case requests.DisableQueueing(wwid) | requests.RestoreQueueing(wwid):
                stop = isinstance(request, requests.DisableQueueing)
                self._queueing.begin(self._chosen(wwid), reply, now, stop=stop)
            case requests.ForceQueueing(forced):
                self.decider.memory = replace(self.decider.memory, force_queueing=forced)
                reply(Result.DONE)
            case requests.MapRequest():
                return self._on_map(request, reply, now)
            case _:
                return False
        return True

    def _chosen(self, wwid: Wwid | None) -> list[Wwid]:
        return [wwid] if wwid is not None else [each.wwid for each in self.world.maps.values()]

    # ---- maps

    def _add_map(self, wwid: Wwid, reply: Reply, now: float) -> None:
        self.order(removed_maps=self.decider.orders.removed_maps - {wwid})
        self.reconciler.decide_on_everything(now=now)

        def text() -> str:
            self.decider.memory = tending.asked_for(self.decider.memory, wwid)
            return Result.DONE if map_uuid(wwid) in self.world.maps else Result.FAILED

        self.idle(text, reply)

    def _on_map(self, request: requests.MapRequest, reply: Reply, now: float) -> bool:
        live = self.world.maps.get(map_uuid(request.map))
        if live is None:
            reply(Result.NOT_FOUND)
            return True
        ref, wwid = MapRef(live.uuid, live.name), request.map
        match request:
            case requests.DelMap():
                self._flush(live, reply, now)
            case requests.Switch():
                outcome = self.now(live, SwitchGroup(map=ref, group=request.group))
                reply(result_of(outcome))
            case requests.SuspendMap():
                self.job("suspend", lambda: by_hand.suspend_map(self._host, ref), live, reply)
            case requests.ResumeMap():
                self.job("resume", lambda: by_hand.resume_map(self._host, ref), live, reply)
            case requests.ResetMap():
                self._reset(live, reply)
            case requests.ReloadMap():
                self._reload(wwid, reply, now)
            case requests.ResizeMap():
                self._resize(live, reply, now)
            case requests.UnsetMarginals():
                self._paths.unmark_all(wwid, reply, now)
            case _:
                return False
        return True

    def _reload(self, wwid: Wwid, reply: Reply, now: float) -> None:
        """Load a map's table once more; the plan decides when, and whether it may."""
        self.order(reload=self.decider.orders.reload | {wwid})
        attempt = self.attempt(wwid)
        self.reconciler.decide_on([wwid], now=now)
        self.at_rest([wwid], lambda: Result.DONE if attempt.loaded else Result.FAILED, reply)

    def _resize(self, live: Map, reply: Reply, now: float) -> None:
        wwid = live.wwid
        self.order(resize=self.decider.orders.resize | {wwid})
        for name in self.decider.names_of(wwid):
            self.reconciler.look_at_path(name)
        self.reconciler.decide_on([wwid], now=now)

        def text() -> str:
            wanted, seen = self.decider.wanted.get(wwid), self.world.maps.get(live.uuid)
            self.order(resize=self.decider.orders.resize - {wwid})
            same = wanted is not None and seen is not None and seen.table is not None and not wanted.reject
            return Result.DONE if same and wanted.table.size == seen.table.size else Result.FAILED  # type: ignore[union-attr]

        self.at_rest([wwid], text, reply)

    def _reset(self, live: Map, reply: Reply) -> None:
        """Have what is on a map's paths use the map. One that udev has not looked at yet is not complete."""
        memory, paths = self.decider.memory.maps.get(live.wwid), live.table.devices if live.table else ()
        if memory is not None and memory.udev_until is not None:
            reply(Result.FAILED)
        else:
            others = self.world.other_devices
            self.job("move devices from paths to", lambda: reassign(self._host, live.dev, paths, others), live, reply)

    # ---- removing

    def _flush(self, live: Map, reply: Reply, now: float) -> None:
        """Remove a map, and see that it is not made again."""
        removed = self.decider.orders.removed_maps
        self.order(removed_maps=removed | {live.wwid})

        def then(outcome: Outcome) -> None:
            gone = not isinstance(outcome, Refused | Lost)
            if not gone:
                self.order(removed_maps=self.decider.orders.removed_maps - {live.wwid})
            self.world.refresh_maps()  # whoever asked may look at once whether it is gone
            self.reconciler.decide_on_everything(now=now)
            reply(result_of(outcome))

        self.run(f"remove {live.name} with its partitions", lambda: self._flushed(live), then, live=live)

    def _flushed(self, live: Map) -> Outcome:
        bases = cookie_bases(int(self._host.monotonic() * 1000))
        facts = self.world.facts
        sync = UdevSync(running=facts.udev_running, bases=bases)
        others = self.world.other_devices
        flags: UdevFlags = BASE_FLAGS
        return by_hand.flush_map(self._host, MapRef(live.uuid, live.name), others, sync=sync, flags=flags)

    def _del_maps(self, reply: Reply, now: float) -> None:
        """All that nobody uses."""
        free = [each for each in self.world.maps.values() if not self._users(each)]
        busy = len(free) < len(self.world.maps)
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
        return live.open_count - len(by_hand.partitions_of(ref, self.world.other_devices))

    # ---- counters

    def _reset_stats(self, wwids: Iterable[Wwid]) -> None:
        memory = self.decider.memory
        fresh = {wwid: waiting.reset(memory.maps.get(wwid, MapMemory())) for wwid in wwids}
        self.decider.memory = replace(memory, maps={**memory.maps, **fresh})
