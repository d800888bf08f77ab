"""What has to be decided on: some maps, or everything; and what wants to be looked at when its time comes.

In: WWIDs, times. Out: the same, when it is asked what is left. It must never decide, nor know why.
"""

from collections.abc import Collection, Iterable

from controller.reconcile.plan import Plan
from controller.runtime.world import World
from observers.snapshot import Wwid, map_uuid


class Undecided:
    """Of one host. `maps`: those to which something happened; `wake`: when maps want to be decided on though nothing
    happens; `records_at`: when records are tried again that were refused; `everything_since`: since when everything
    is to be decided on, None: it is not. All times are monotonic seconds."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.maps: set[Wwid] = set()
        self.wake: dict[Wwid, float] = {}
        self.records_at: float | None = None
        self.everything_since: float | None = None

    def on(self, wwids: Iterable[Wwid], *, now: float) -> None:
        """Something that maps depend on has changed; of maps that are not there yet, everything is decided on."""
        for wwid in wwids:
            if map_uuid(wwid) in self._world.maps:
                self.maps.add(wwid)
            else:
                self.on_everything(now=now)

    def on_everything(self, *, now: float) -> None:
        """Something that may concern any map has changed."""
        if self.everything_since is None:
            self.everything_since = now

    def come(self, now: float, *, busy: Collection[Wwid]) -> None:
        """Take up what was waiting for its time."""
        self.maps.update(wwid for wwid, at in self.wake.items() if at <= now and wwid not in busy)
        if self.records_at is not None and now >= self.records_at:
            self.on_everything(now=now)

    def taken(self, *, busy: Collection[Wwid]) -> set[Wwid]:
        """The maps that can be decided on now; they are no longer among the undecided ones."""
        ready = self.maps.difference(busy)
        self.maps -= ready
        return ready

    def decided(self, plan: Plan, wwids: Iterable[Wwid], *, busy: Collection[Wwid]) -> None:
        """A plan was made for these maps, which says when they want to be looked at again."""
        for wwid in wwids:
            self.wake.pop(wwid, None)
        self.wake |= {
            each.wwid: each.wake_at for each in plan.maps if each.wake_at is not None and each.wwid not in busy
        }

    def decided_on_everything(self, plan: Plan, *, busy: Collection[Wwid]) -> None:
        """A plan was made for all maps; those that something is done to are decided on when it is done."""
        self.maps = {each.wwid for each in plan.maps}.intersection(busy)
        self.wake.clear()
        self.records_at = plan.records_wake_at
