"""Queueing that clients switch off, and restore.

Theory of operation. What is wanted changes, and the cycle tells dm. The reply is given when the maps are at rest, and
says what the kernel does then: where it refused, or where a map must not be touched, the order is taken back, so that a
command that failed leaves nothing behind, neither I/O that fails later on nor a word that is not true.

In: whose queueing. Out: replies. It must never wait.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from actuators.steps import SetQueueing
from controller.protocol.requests import Result
from controller.reconcile import tending
from controller.reconcile.plan import Memory
from controller.reconcile.waiting import MapMemory
from controller.runtime.hands import Hands
from controller.runtime.pending import Reply
from observers.snapshot import Wwid, map_uuid

_NOTHING = MapMemory()


class QueueingOrders:
    """Of all maps."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self._world, self._decider, self._reconciler = hands.world, hands.decider, hands.reconciler

    def begin(self, wwids: Sequence[Wwid], reply: Reply, now: float, *, stop: bool) -> None:
        """Switch it off, or have it as configured again."""
        memory = _tried_at_once(self._decider.memory, wwids)
        former = {wwid: memory.maps.get(wwid, _NOTHING) for wwid in wwids}
        self._decider.memory = (
            tending.disable_queueing(memory, wwids, now=now) if stop else tending.restore_queueing(memory, wwids)
        )
        self._reconciler.decide_on(wwids, now=now)
        self._hands.at_rest(wwids, lambda: self._ended(former, now, stop=stop), reply)

    def _ended(self, former: Mapping[Wwid, MapMemory], now: float, *, stop: bool) -> str:
        refused = {wwid: old for wwid, old in former.items() if self._differs(wwid, stop=stop)}
        if not refused:
            return Result.DONE
        self._take_back(refused)
        self._reconciler.decide_on(refused, now=now)
        return Result.FAILED

    def _differs(self, wwid: Wwid, *, stop: bool) -> bool:
        """Whether a map is not as it was ordered. One that is not there, or has no table, queues nothing."""
        live, wanted = self._world.maps.get(map_uuid(wwid)), self._decider.wanted.get(wwid)
        if live is None or live.table is None:
            return False
        if stop:
            return live.table.queues
        silenced = self._decider.memory.maps.get(wwid, _NOTHING).silenced
        return wanted is not None and wanted.table.queues and not live.table.queues and not silenced

    def _take_back(self, former: Mapping[Wwid, MapMemory]) -> None:
        """As if it had not been ordered; a clock that was stopped starts anew."""
        memory, maps = self._decider.memory, dict(self._decider.memory.maps)
        for wwid, old in former.items():
            if wwid in maps:
                counters = replace(maps[wwid].counters, failures=old.counters.failures)
                maps[wwid] = replace(maps[wwid], disabled=old.disabled, counters=counters)
        self._decider.memory = replace(memory, maps=maps)


def _tried_at_once(memory: Memory, wwids: Iterable[Wwid]) -> Memory:
    """The memory without what the kernel refused before: whoever orders it again wants to know what it does now."""
    refusals = dict(memory.refusals)
    for wwid in wwids:
        if wwid in refusals:
            rest = tuple(step for step in refusals[wwid].steps if not isinstance(step, SetQueueing))
            refusals[wwid] = replace(refusals[wwid], steps=rest)
    return replace(memory, refusals=refusals)
