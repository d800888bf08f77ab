"""How requests get done: by a message here and now, by a worker's call, or by the cycle; and who waits for which.

Theory of operation. A message to a map returns at once and is sent here. What may block is a worker's call. What the
cycle does is only waited for: until nothing is left to do for the maps concerned. Whether a table was loaded meanwhile
an `Attempt` says, for a load that the kernel refused leaves a map at rest, too.

In: steps, calls, replies that are given later. Out: what came of them. It must never wait, nor know why something is
to be done.
"""

import errno
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from actuators.apply import apply
from actuators.steps import Outcome, Refused, Step
from controller.reconcile.explain import step_text
from controller.reconcile.orders import Orders
from controller.runtime.attempts import Attempt, Attempts
from controller.runtime.deciding import Decider
from controller.runtime.lanes import Finished, Lanes
from controller.runtime.pending import Pending, Reply, result_of
from controller.runtime.reconciler import Reconciler
from controller.runtime.recorder import Ordered
from controller.runtime.world import World
from observers.host import Host
from observers.snapshot import Map, Wwid


@dataclass(frozen=True, slots=True)
class Job:
    """A call that a worker makes; `then`: what to do when it is over."""

    then: Callable[[Finished], None]


class Hands:
    """Of one daemon. `clock`: monotonic seconds; `asked`: the words of the request that is being begun."""

    def __init__(self, host: Host, *, world: World, decider: Decider, reconciler: Reconciler, lanes: Lanes) -> None:
        self._host, self.world, self.decider = host, world, decider
        self.reconciler, self._lanes = reconciler, lanes
        self.clock = host.monotonic
        self.pending = Pending(self.clock)
        self.asked = ""
        self._delayed: list[tuple[Wwid, Callable[[], None]]] = []
        self.on_done: Callable[[Ordered], None] = lambda _: None
        """Called with what was done here, which no plan contained."""
        self._attempts = Attempts()
        reconciler.witness.on_outcomes = self._attempts.note
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
        if self.reconciler.occupied(wwid):
            self._delayed.append((wwid, begin))
        else:
            begin()

    def finished(self, finished: Finished) -> None:
        """A job is done."""
        if isinstance(finished.token, Job):
            finished.token.then(finished)

    def at_rest(self, wwids: Iterable[Wwid], text: Callable[[], str], reply: Reply) -> None:
        """Answer when nothing is left to do for these maps."""
        chosen = frozenset(wwids)
        self.pending.when(lambda: text() if self.reconciler.at_rest(chosen) else None, reply)

    def idle(self, text: Callable[[], str], reply: Reply) -> None:
        """Answer when nothing is left to do for any map, whether or not every new path has answered."""
        self.pending.when(lambda: text() if self.reconciler.at_rest(None, answered=False) else None, reply)

    def attempt(self, wwid: Wwid) -> Attempt:
        """What comes from now on of loading a map's table."""
        return self._attempts.watch(wwid)

    def order(self, **changes: frozenset[str]) -> None:
        """Change what is ordered until it is taken back."""
        orders: Orders = self.decider.orders
        self.decider.orders = replace(orders, **changes)  # type: ignore[arg-type]  # NewTypes of str

    # ---- doing

    def now(self, live: Map, step: Step) -> Outcome:
        """A message to a map, here and now."""
        outcome = apply(self._host, (), [(step,)], udev_running=False).outcomes[0][1]
        self.reporter(step_text(step), live, path=getattr(step, "name", ""))(outcome)
        self.reconciler.look_at_maps([live.uuid])
        return outcome

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

    def job(self, verb: str, call: Callable[[], Outcome], live: Map, reply: Reply) -> None:
        """Have a worker do something to a map, and answer what came of it when the map is at rest."""

        def then(outcome: Outcome) -> None:
            self.reconciler.look_at_maps([live.uuid])
            self.at_rest([live.wwid], lambda: result_of(outcome), reply)

        self.run(f"{verb} {live.name}", call, then, live=live)

    def run(
        self, deed: str, call: Callable[[], Outcome], then: Callable[[Outcome], None], *, live: Map
    ) -> None:  # fmt: skip
        """Have a worker do something to a map, for which nothing else is planned until it is done, however long."""
        self._jobs += 1
        key, report = f"request {self._jobs}", self.reporter(deed, live)

        def done(finished: Finished) -> None:
            self.reconciler.release(live.wwid)
            found = finished.finding
            outcome = found if isinstance(found, Outcome) else Refused(errno.EIO, f"{type(found).__name__}: {found}")
            report(outcome)
            then(outcome)

        def begin() -> None:
            self.reconciler.occupy(live.wwid, key)
            self.call(key, call, done, limit=math.inf)

        self.when_free(live.wwid, begin)

    def reporter(self, deed: str, live: Map, *, path: str = "") -> Callable[[Outcome], None]:
        """What tells of a deed when it is known what came of it, with the words of the request that is begun now."""
        asked = self.asked

        def report(outcome: Outcome) -> None:
            self.on_done(
                Ordered(
                    now=self._host.monotonic(), request=asked, deed=deed, map=live.name, wwid=live.wwid, path=path,
                    outcome=outcome,
                )
            )  # fmt: skip

        return report
