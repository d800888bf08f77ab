"""The daemon's heart: what has to be looked at, checked, decided and done now, and when to come back.

Theory of operation. Events only name what to look at again; they are collected, so that a thousand events about one map
are one cycle. A *turn* is: look again at what was named, take the answers of checks, begin those that are due, decide
for the maps to which something happened, and do it. What a worker does is not waited for: its maps are *busy*, and are
looked at and decided on again when it is done, until there is nothing left to do.

Whatever may concern more than one map (a path that appears or goes, a name, the configuration) is decided on with
everything in view. That takes longer, so it is put off while first answers of new paths are on their way, but never for
longer than `PATIENCE`, and half of the time stays free for everything else.

A plan that was done and is wanted again at once would be done for ever, if the kernel takes a step and has no effect:
after `REPEATS` times it counts as refused, and is held as refusals are.

In: names of what to look at, the time. Out: steps done, events told, `wake_at`. It must never wait, nor read in /etc.
"""

import errno
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from actuators.steps import Changed, CreateMap, DeletePath, Refused, ReloadMap, RemoveMap, RenameMap, WriteTunable
from controller.reconcile import safety
from controller.reconcile.done import purge_started
from controller.reconcile.forced import reload_all
from controller.reconcile.memory import after_apply
from controller.reconcile.orders import fulfilled, without_device
from controller.reconcile.plan import MapPlan
from controller.runtime.applying import Outcomes, Work, divided
from controller.runtime.checking import Checks
from controller.runtime.cycle import Decision, Files
from controller.runtime.deciding import Decider
from controller.runtime.jobs import Jobs, Performed
from controller.runtime.lanes import Finished, Lanes
from controller.runtime.repeats import REPEATS, Repeats
from controller.runtime.telling import Teller
from controller.runtime.witness import Witness
from controller.runtime.world import Seen, World
from desired.config import Config
from observers.config_files import Texts
from observers.host import Host
from observers.snapshot import DeviceName, DmUuid, Path, Wwid, map_uuid

PATIENCE = 2.0
"""Seconds for which a decision on everything waits for the first answers of new paths."""

AGAIN_AFTER_DEFECT = 10.0
"""Seconds after which a decision is tried again that ended by an exception nobody foresaw."""

_NAMES_CHANGE = (CreateMap, RemoveMap, RenameMap)


class Reconciler:
    """All maps of a host. Everything is called by one thread; `now` is the host's monotonic clock."""

    def __init__(
        self, host: Host, files: Files, *, world: World, decider: Decider, checks: Checks, lanes: Lanes, teller: Teller
    ) -> None:
        self._host, self._world, self._decider = host, world, decider
        self._checks, self._lanes, self._teller = checks, lanes, teller
        self._paths: set[DeviceName] = set()
        self._maps: set[DmUuid] = set()
        self._dirty: set[Wwid] = set()
        self._look_at_all = self._list_maps = False
        self._everything_since: float | None = None
        self._rest_until = 0.0
        self._wake: dict[Wwid, float] = {}
        self._busy: dict[Wwid, str] = {}
        self._repeats = Repeats()
        self._jobs = Jobs(host, files, lanes=lanes, teller=teller)
        self._checks.on_defect = teller.defect
        self.last: Decision | None = None
        self.witness = Witness(host.monotonic)
        decider.on_decision = self.witness.recorder.considered
        self.on_path: Callable[[DeviceName, Path | None], None] = lambda _name, _path: None
        """Called for each path that is new, or gone (None)."""
        self.others: list[Finished] = []
        """What finished in the lanes and is nobody's here: for whoever began it."""

    # ---- what to look at

    def look_at_path(self, name: DeviceName) -> None:
        """Something happened to a block device."""
        self._paths.add(name)

    def look_at_maps(self, uuids: Iterable[DmUuid]) -> None:
        """Something happened to maps."""
        self._maps.update(uuids)

    def look_for_maps(self) -> None:
        """Maps may have come, gone or been renamed."""
        self._list_maps = True

    def look_at_everything(self) -> None:
        """Events were lost, or it is the beginning."""
        self._look_at_all = True

    def decide_on(self, wwids: Iterable[Wwid], *, now: float) -> None:
        """Something that maps depend on has changed; of maps that are not there yet, everything is decided on."""
        for wwid in wwids:
            if map_uuid(wwid) in self._world.maps:
                self._dirty.add(wwid)
            else:
                self.decide_on_everything(now=now)

    def decide_on_everything(self, *, now: float) -> None:
        """Something that may concern any map has changed."""
        if self._everything_since is None:
            self._everything_since = now

    def configure(self, config: Config, texts: Texts, *, now: float) -> None:
        """Another configuration is in force from now on."""
        self._decider.config = config
        self._world.configured(texts)
        self._checks.configured(config)
        self.allow_resize()
        self.decide_on_everything(now=now)

    def allow_resize(self) -> None:
        """Let every map that there is have the size of its paths, once."""
        wwids = frozenset(each.wwid for each in self._world.maps.values())
        self._decider.orders = replace(self._decider.orders, resize=wwids)

    def recorded(self, texts: Texts, *, now: float) -> None:
        """The bindings and wwids files were read again."""
        if self._world.recorded(texts):
            self.decide_on_everything(now=now)

    # ---- a turn

    def turn(self, now: float) -> None:
        """Do all that is due."""
        self._look(now)
        self._take_answers(now)
        for known in self._checks.begin(now):
            self._guarded_check(known, now)
        self._decide(now)
        self._jobs.tell_late(now)

    @property
    def wake_at(self) -> float | None:
        """When the next turn is due if nothing happens before; a time that is over: at once."""
        if self._paths or self._maps or self._look_at_all or self._list_maps or self._ready_maps():
            return 0.0
        times = [at for wwid, at in self._wake.items() if wwid not in self._busy]
        times += [due for due in (self._lanes.due(), self._checks.wake_at) if due is not None]
        if self._everything_since is not None:
            times.append(self._everything_due())
        return min(times, default=None)

    @property
    def looking(self) -> bool:
        """Whether something that was named has not been looked at."""
        return bool(self._paths or self._maps or self._look_at_all or self._list_maps)

    def at_rest(self, wwids: Collection[Wwid] | None) -> bool:
        """Whether nothing is left to do for some maps; None: for any of them, nor is a first answer expected."""
        if self.looking or self._everything_since is not None:
            return False
        if wwids is None:
            return not (self._dirty or self._busy or self._checks.expecting)
        return not any(wwid in self._dirty or wwid in self._busy for wwid in wwids)

    def occupy(self, wwid: Wwid, key: str) -> None:
        """Somebody does something to a map: nothing is planned for it meanwhile."""
        self._busy[wwid] = key

    def occupied(self, wwid: Wwid) -> bool:
        """Whether something is being done to a map."""
        return wwid in self._busy

    def release(self, wwid: Wwid) -> None:
        """It is done."""
        self._busy.pop(wwid, None)
        self._dirty.add(wwid)

    def _ready_maps(self) -> bool:
        return any(wwid not in self._busy for wwid in self._dirty)

    def _everything_due(self) -> float:
        """Now or, while new paths have not answered, at the end of patience; never before the last one is paid off."""
        since = self._everything_since or 0.0
        return max(self._rest_until, since + PATIENCE if self._checks.expecting else since)

    # ---- looking

    def _look(self, now: float) -> None:
        if self._look_at_all:
            self._look_at_all = self._list_maps = False
            self._paths.clear()
            self._maps.clear()
            for name, seen in self._world.refresh().items():
                self._guarded_seen(name, seen, now)
            self.decide_on_everything(now=now)
        self._look_at_paths(now)
        self._look_at_maps(now)

    def _look_at_paths(self, now: float) -> None:
        names, self._paths = self._paths, set()
        for name in sorted(names):
            try:
                self._seen(name, self._world.refresh_path(name), now)
            except Exception as error:  # noqa: BLE001 - a defect that one path meets must not stop the others
                self._teller.defect(f"looking at {name}", error)

    def _guarded_seen(self, name: DeviceName, seen: Seen, now: float) -> None:
        try:
            self._seen(name, seen, now)
        except Exception as error:  # noqa: BLE001 - likewise
            self._teller.defect(f"looking at {name}", error)

    def _seen(self, name: DeviceName, seen: Seen, now: float) -> None:
        match seen:
            case Seen.NEW:
                self._decider.orders = without_device(self._decider.orders, name)
                self.on_path(name, self._world.path(name))
                self._checks.appeared(name, now=now)
                self.decide_on_everything(now=now)
            case Seen.GONE:
                self._decider.orders = without_device(self._decider.orders, name)
                self.on_path(name, None)
                self._checks.vanished(name)
                self.decide_on_everything(now=now)
            case Seen.CHANGED:
                self._checks.changed(name, now=now)
                self.decide_on_everything(now=now)
            case Seen.SAME:
                self._checks.look_now(name, now=now)

    def _look_at_maps(self, now: float) -> None:
        uuids, self._maps = self._maps, set()
        if self._list_maps:
            self._list_maps = False
            before = set(self._world.maps)
            changed = self._world.refresh_maps()
            if before != set(self._world.maps):
                self.decide_on_everything(now=now)
        else:
            changed = self._world.refresh_maps(uuids) if uuids else frozenset()
        self._maps_changed(changed, now)

    def _maps_changed(self, uuids: Collection[DmUuid], now: float) -> None:
        for uuid in uuids:
            known = self._world.maps.get(uuid)
            if known is None:
                self.decide_on_everything(now=now)
            else:
                self._checks.map_seen(known, now=now)
                self._dirty.add(known.wwid)

    # ---- answers

    def _take_answers(self, now: float) -> None:
        for finished in self._lanes.finished(now):
            if isinstance(finished.token, Work):
                self._performed(finished.token, finished, now)
            elif not self._checks.concerns(finished):
                self.others.append(finished)
            else:
                self.witness.checked(finished.seconds)
                self._guarded_check(finished, now)

    def _guarded_check(self, finished: Finished, now: float) -> None:
        try:
            self._checked(finished, now)
        except Exception as error:  # noqa: BLE001 - the path is asked again; a defect there must not stop the others
            self._teller.defect(f"the check of {finished.key}", error)

    def _checked(self, finished: Finished, now: float) -> None:
        change = self._checks.take(finished, now=now)
        if change is None:
            return
        self._teller.path_changed(change)
        wwid = self._decider.wwid_of(change.name)
        if change.anew or wwid is None:
            self.decide_on_everything(now=now)
        else:
            self.decide_on((wwid,), now=now)

    # ---- deciding

    def _decide(self, now: float) -> None:
        self._dirty.update(wwid for wwid, at in self._wake.items() if at <= now and wwid not in self._busy)
        if self._everything_since is not None and now >= self._everything_due():
            self._decide_on_everything(now)
        ready = self._dirty - self._busy.keys()
        if not ready:
            return
        self._dirty -= ready
        known = {wwid for wwid in ready if map_uuid(wwid) in self._world.maps}
        if known != ready:
            self.decide_on_everything(now=now)
        elif not self._decided_on(known, now) and len(known) > 1:
            for wwid in known:
                self._decided_on({wwid}, now)

    def _decided_on(self, wwids: Collection[Wwid], now: float) -> bool:
        """Decide on some maps. False: that met a defect; then each is to be decided on without the others."""
        self.witness.decides()
        try:
            decision = self._decider.some(wwids, now)
            if decision is None:
                self.decide_on_everything(now=now)
            else:
                self._carry_out(decision, wwids, now)
        except Exception as error:  # noqa: BLE001 - a defect that one map meets must not stop the others
            self._teller.defect("deciding on " + ", ".join(sorted(wwids)), error)
            self._wake.update(dict.fromkeys(wwids, now + AGAIN_AFTER_DEFECT))
            return False
        return True

    def _decide_on_everything(self, now: float) -> None:
        self._everything_since = None
        self.witness.decides()
        try:
            decision = self._decider.everything(now, idle=self._busy)
        except Exception as error:  # noqa: BLE001 - the maps that do not meet the defect are decided on one by one
            self._teller.defect("deciding on everything", error)
            self._dirty.update(each.wwid for each in self._world.maps.values())
            self._everything_since, self._rest_until = now, now + AGAIN_AFTER_DEFECT
            return
        concerned = {each.wwid for each in decision.plan.maps}
        self._dirty = concerned & self._busy.keys()
        self._wake.clear()
        self._repeats.keep(concerned)
        self._teller.keep(concerned)
        self._carry_out(decision, concerned, now)
        took = self._host.monotonic() - now
        self._rest_until = now + 2 * took

    def _carry_out(self, decision: Decision, wwids: Collection[Wwid], now: float) -> None:
        self.last = decision
        self.witness.decided(decision)
        for wwid in wwids:
            self._wake.pop(wwid, None)
        for each in decision.plan.maps:
            if not each.steps:
                self._repeats.settled(each.wwid)
            if each.wake_at is not None and each.wwid not in self._busy:
                self._wake[each.wwid] = each.wake_at
        self._teller.decided(decision)
        for work in divided(decision.plan):
            self._begin(self._without_repeats(work, now), now)
        self._follow_orders(decision, now)

    def _follow_orders(self, decision: Decision, now: float) -> None:
        """Load tables again that are to be, whether or not they differ; what the plan loads anyway is done by that."""
        plans = [each for each in decision.plan.maps if each.wwid not in self._busy or each.steps]
        loaded = {each.wwid for each in plans if any(isinstance(step, ReloadMap | CreateMap) for step in each.steps)}
        idle = {each.wwid for each in plans if not each.steps}
        again = self._decider.orders.reload & idle
        self._decider.orders = fulfilled(self._decider.orders, reloaded=loaded | again, sized=idle)
        if not again:
            return
        desired = replace(decision.desired, maps=tuple(each for each in decision.desired.maps if each.wwid in again))
        wanted = reload_all(decision.snapshot, desired)
        plan = safety.strip(wanted, safety.check(wanted, decision.snapshot, decision.desired))
        for work in divided(plan):
            self._begin(work, now)

    def _without_repeats(self, work: Work, now: float) -> Work:
        """The work without maps whose steps were done again and again, which are held from now on."""
        stuck = [each for each in work.plan.maps if self._repeats.stuck(each)]
        if stuck:
            self._hold(work, stuck, now)
        return replace(work, plan=replace(work.plan, maps=tuple(each for each in work.plan.maps if each not in stuck)))

    def _hold(self, work: Work, stuck: Iterable[MapPlan], now: float) -> None:
        for each in stuck:
            text = f"done {REPEATS} times, each time without lasting effect"
            outcomes = ((each.steps[0], Refused(errno.EAGAIN, text)),)
            held = replace(work, plan=replace(work.plan, records=(), maps=(each,)))
            memory = self._decider.memory = after_apply(self._decider.memory, held.plan, outcomes, now)
            self.witness.held(held.plan, outcomes, now=now, memory=memory)
            self._teller.done(each.steps[0], outcomes[0][1])
            self._dirty.add(each.wwid)

    # ---- doing

    def _begin(self, work: Work, now: float) -> None:
        if not work.plan.steps:
            return
        running = self._world.facts.udev_running
        if work.prompt:
            self._settle(work, Performed(self._jobs.do(work, udev_running=running), None), now)
            return
        self._note_deletes(work)
        key = self._jobs.begin(work, udev_running=running, now=now)
        if not work.aside:
            self._busy.update(dict.fromkeys(work.wwids, key))

    def _note_deletes(self, work: Work) -> None:
        memory = self._decider.memory
        for step in work.plan.steps:
            if isinstance(step, DeletePath):
                memory = replace(memory, paths=purge_started(memory.paths, step.dev))
        self._decider.memory = memory

    def _performed(self, work: Work, finished: Finished, now: float) -> None:
        self._jobs.ended(work)
        for wwid in () if work.aside else work.wwids:
            self._busy.pop(wwid, None)
        if isinstance(finished.finding, Performed):
            self._settle(work, finished.finding, now)
            for following in work.following(finished.finding.outcomes):
                self._begin(following, now)
        else:
            self._teller.broken(work, finished.finding)
            self._repeats.count(work.plan.maps)
            self.look_at_everything()

    def _settle(self, work: Work, performed: Performed, now: float) -> None:
        """Work is done: remember what came of it, look at its maps again, and decide on them again."""
        outcomes = performed.outcomes
        for step, outcome in outcomes:
            self._teller.done(step, outcome)
        memory = self._decider.memory = after_apply(self._decider.memory, work.plan, outcomes, now)
        self.witness.applied(work.plan, outcomes, now=now, memory=memory)
        self._repeats.count(work.plan.maps)
        if performed.texts is not None:
            self.recorded(performed.texts, now=now)
        self._world.refresh_attributes({step.file for step, _ in outcomes if isinstance(step, WriteTunable)})
        if _changed(outcomes, _NAMES_CHANGE):
            self._world.refresh_maps()
            self.decide_on_everything(now=now)
        else:
            self._world.refresh_maps([map_uuid(wwid) for wwid in work.wwids])
        self._see_maps(map(map_uuid, work.wwids), now)
        self.decide_on(work.wwids, now=now)

    def _see_maps(self, uuids: Iterable[DmUuid], now: float) -> None:
        for uuid in uuids:
            known = self._world.maps.get(uuid)
            if known is not None:
                self._checks.map_seen(known, now=now)


def _changed(outcomes: Outcomes, kinds: tuple[type, ...]) -> bool:
    return any(isinstance(step, kinds) and isinstance(outcome, Changed) for step, outcome in outcomes)
