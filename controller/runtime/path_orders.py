"""What clients order about one path: it is to be used no more, or again, or to be left alone, or to be marginal.

Theory of operation. Most of it is a wish that outlives the moment (`reconcile.orders`). Failing and reinstating is also
said to dm at once; where the kernel refuses that, or the table in which a path is marginal, nothing is remembered: a
command that failed leaves nothing behind.
Not so `del path` where the kernel refuses the map's table without the path, or must not be asked for now: its device is
about to go, so it is forgotten all the same, as the reply says, and leaves the map as soon as that can be done. The
last path of a map that is in use is no such case: it stays.

In: requests. Out: replies. It must never wait.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from actuators.steps import FailPath as FailStep
from actuators.steps import Lost, MapRef, Outcome, Refused, ReloadMap
from actuators.steps import ReinstatePath as ReinstateStep
from controller.protocol import requests
from controller.protocol.requests import Result
from controller.reconcile import health
from controller.reconcile.health import Mark, PathMemory
from controller.runtime.attempts import Attempt
from controller.runtime.checking import Checks
from controller.runtime.hands import Hands
from controller.runtime.pending import Reply
from desired.model import Verdict
from observers.snapshot import DeviceName, Map, Wwid, map_uuid

_OUT = frozenset({Verdict.BLACKLISTED, Verdict.NOT_A_DISK})


class PathOrders:
    """Of all paths."""

    def __init__(self, hands: Hands, checks: Checks) -> None:
        self._hands, self._checks = hands, checks
        self._world, self._decider, self._reconciler = hands.world, hands.decider, hands.reconciler

    def add(self, name: DeviceName, reply: Reply, now: float) -> None:
        """Look at a device as if it had just come."""
        orders, wwids = self._decider.orders, {self._decider.wwid_of(name)}
        self._hands.order(removed_paths=orders.removed_paths - {name}, removed_maps=orders.removed_maps - wwids)
        self._reconciler.look_at_path(name)
        if self._decider.orders != orders:
            self._reconciler.decide_on_everything(now=now)

        def ready() -> str | None:
            if self._world.path(name) is None:
                return None if self._reconciler.looking else Result.BLACKLISTED
            if not self._reconciler.at_rest(None, answered=False):
                return None
            admission = self._decider.admissions.get(name)
            return Result.BLACKLISTED if admission is None or admission.verdict in _OUT else Result.DONE

        self._hands.pending.when(ready, reply)

    def begin(self, request: requests.PathRequest, reply: Reply, now: float) -> None:
        """Begin what is ordered about a path that there is."""
        match request:
            case requests.DelPath():
                self._delete(request, reply, now)
            case requests.FailPath() | requests.ReinstatePath():
                self._use(request, reply, now)
            case _:
                marginal, wwids = isinstance(request, requests.SetMarginal), [request.map] if request.map else []
                self._mark([request.path], wwids, reply, now, marginal=marginal)

    def unmark_all(self, wwid: Wwid, reply: Reply, now: float) -> None:
        """No path of a map is marginal."""
        self._mark(self._decider.names_of(wwid), [wwid], reply, now, marginal=False)

    # ---- using it

    def _use(self, request: requests.PathRequest, reply: Reply, now: float) -> None:
        """Fail or reinstate a path, and keep it so."""
        fail = isinstance(request, requests.FailPath)
        if isinstance(self._message(request, fail=fail), Refused | Lost):
            reply(Result.FAILED)
            return
        failed, name = self._decider.orders.failed_paths, request.path
        self._hands.order(failed_paths=failed | {name} if fail else failed - {name})
        if not fail:
            self._checks.look_now(name, now=now)
        self._decided(request, reply, now)

    def _message(self, request: requests.PathRequest, *, fail: bool) -> Outcome | None:
        """Tell dm, if it knows the path."""
        live = self._live(request.map)
        if live is None or live.table is None or request.dev not in live.table.devices:
            return None
        kind = FailStep if fail else ReinstateStep
        return self._hands.now(live, kind(map=MapRef(live.uuid, live.name), dev=request.dev, name=request.path))

    def _decided(self, request: requests.PathRequest, reply: Reply, now: float) -> None:
        wwids = [request.map] if request.map is not None else []
        self._reconciler.decide_on(wwids, now=now)
        self._hands.at_rest(wwids, lambda: Result.DONE, reply)

    def _mark(
        self, names: Iterable[DeviceName], wwids: list[Wwid], reply: Reply, now: float, *, marginal: bool
    ) -> None:  # fmt: skip
        before = {
            name: self._change(name, partial(health.marked, mark=Mark.COMMAND, marginal=marginal)) for name in names
        }
        attempts = [self._hands.attempt(wwid) for wwid in wwids]

        def text() -> str:
            if not any(attempt.loaded is False for attempt in attempts):
                return Result.DONE
            for name, memory in before.items():
                if memory is not None:
                    self._change(name, partial(replace, marks=memory.marks))
            self._reconciler.decide_on(wwids, now=self._hands.clock())
            return Result.FAILED

        self._reconciler.decide_on(wwids, now=now)
        self._hands.at_rest(wwids, text, reply)

    def _change(self, name: DeviceName, change: Callable[[PathMemory], PathMemory]) -> PathMemory | None:
        """Change what is remembered of a path; how it was before, if anything was."""
        path = self._world.path(name)
        memory = self._checks.memory(path) if path is not None else None
        if path is not None and memory is not None:
            self._checks.remember(path, change(memory))
        return memory

    def _live(self, wwid: Wwid | None) -> Map | None:
        return self._world.maps.get(map_uuid(wwid)) if wwid is not None else None

    # ---- forgetting it

    def _delete(self, request: requests.DelPath, reply: Reply, now: float) -> None:
        """Forget a path. A map that must not be loaded now keeps it until it may."""
        self._hands.order(removed_paths=self._decider.orders.removed_paths | {request.path})
        self._reconciler.decide_on_everything(now=now)
        if request.map is None:
            self._hands.at_rest([], lambda: Result.DONE, reply)
            return
        wwid, attempt = request.map, self._hands.attempt(request.map)
        if self._waits(wwid, now):
            reply(Result.DELAYED)
        else:
            self._hands.at_rest([wwid], lambda: self._deleted(request, wwid, attempt), reply)

    def _waits(self, wwid: Wwid, now: float) -> bool:
        """Whether a map's table is left alone for now: udev has not looked at it yet, or somebody suspended it."""
        live, memory = self._live(wwid), self._decider.memory.maps.get(wwid)
        if live is not None and live.suspended:
            return True
        return memory is not None and memory.udev_until is not None and now < memory.udev_until

    def _deleted(self, request: requests.DelPath, wwid: Wwid, attempt: Attempt) -> str:
        live, refusal = self._live(wwid), self._decider.memory.refusals.get(wwid)
        if live is None or live.table is None or request.dev not in live.table.devices:
            return Result.DONE
        held = refusal is not None and any(isinstance(step, ReloadMap) for step in refusal.steps)
        if held or attempt.loaded is False:
            return Result.REMOVED_WITH_ERROR
        self._hands.order(removed_paths=self._decider.orders.removed_paths - {request.path})
        self._reconciler.decide_on_everything(now=self._hands.clock())  # a map that needs it must not lose sight of it
        return Result.FAILED
