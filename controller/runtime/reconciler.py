"""The daemon's heart: what has to be looked at, checked, decided and done now, and when to come back.

Theory of operation. Events only name what to look at again; they are collected, so that a thousand events about one map
are one cycle. A *turn* is: look again at what was named, take the answers of checks, begin those that are due, decide
for the maps to which something happened, and do it (`doing`). What was done is looked at and decided on again, until
there is nothing left to do.

Whatever may concern more than one map (a path that appears or goes, a name, the configuration) is decided on with
everything in view. That takes longer, so it is put off while first answers of new paths are on their way, but never for
longer than `PATIENCE`, and half of the time stays free for everything else.

In: names of what to look at, the time. Out: steps done, events told, `wake_at`. It must never wait, nor read in /etc.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from actuators.steps import CreateMap, ReloadMap
from controller.reconcile import reservations, safety, tending
from controller.reconcile.forced import reload_all
from controller.reconcile.orders import fulfilled, nothing_removed, without_device, without_map
from controller.runtime.applying import Work, divided
from controller.runtime.checking import Checks
from controller.runtime.cycle import Decision, Files
from controller.runtime.deciding import Decider
from controller.runtime.doing import Doing
from controller.runtime.events import Kind, Level
from controller.runtime.gathering import Gathering
from controller.runtime.lanes import Finished, Lanes
from controller.runtime.looking import Looking
from controller.runtime.telling import Teller
from controller.runtime.undecided import Undecided
from controller.runtime.witness import Witness
from controller.runtime.world import Seen, World
from desired.config import Config
from observers.breathing import Breathe, breathing, without_pause
from observers.config_files import Texts
from observers.host import Host
from observers.snapshot import MPATH_PREFIX, DeviceName, DmUuid, Path, PathState, Wwid, map_uuid

MOST_A_TURN, _A_FEW = 256, 4
"""Checks that are begun, and answers that are taken, before others get their turn: when a fabric goes down, thousands
come at once. And checks that are begun between two breaths, as clients must not wait for the last of them."""

PATIENCE = 2.0
"""Seconds for which a decision on everything waits for the first answers of new paths."""

AGAIN_AFTER_DEFECT = 10.0
"""Seconds after which a decision is tried again that ended by an exception nobody foresaw."""


class Reconciler:
    """All maps of a host. Everything is called by one thread; `now` is the host's monotonic clock."""

    def __init__(
        self, host: Host, files: Files, *, world: World, decider: Decider, checks: Checks, lanes: Lanes, teller: Teller
    ) -> None:
        self._host, self._world, self._decider = host, world, decider
        self._checks, self._lanes, self._teller = checks, lanes, teller
        self._looking = Looking(world, on_defect=teller.defect)
        self._undecided = Undecided(world)
        self._gathering = Gathering()
        self._answers: deque[Finished] = deque()
        self._rest_until = 0.0
        self._memberships, self._chosen_anew = world.memberships, False
        self._checks.on_defect = teller.defect
        self.last: Decision | None = None
        self.witness = Witness(host.monotonic)
        self._doing = Doing(
            host, files, world=world, decider=decider, checks=checks, lanes=lanes, teller=teller,
            witness=self.witness, looking=self._looking, undecided=self._undecided,
        )  # fmt: skip
        decider.on_decision = self.witness.recorder.considered
        self.on_path: Callable[[DeviceName, Path | None], None] = lambda _name, _path: None
        """Called for each path that is new, or gone (None)."""
        self._breathe: Breathe = without_pause
        self.others: list[Finished] = []
        """What finished in the lanes and is nobody's here: for whoever began it."""

    def breathe_by(self, breathe: Breathe) -> None:
        """What is called again and again in a long turn; it must change nothing."""
        self._breathe = self._decider.breathe = self._doing.breathe = self._world.breathe = breathe
        self._lanes.breathe = breathe

    # ---- what to look at

    def look_at_path(self, name: DeviceName) -> None:
        """Something happened to a block device."""
        self._looking.at_path(name)

    def look_at_maps(self, uuids: Iterable[DmUuid]) -> None:
        """Something happened to maps."""
        self._looking.at_maps(uuids)

    def look_for_maps(self) -> None:
        """Maps may have come, gone or been renamed."""
        self._looking.for_maps()

    def look_at_everything(self) -> None:
        """Events were lost, or it is the beginning."""
        self._looking.at_everything()

    def decide_on(self, wwids: Iterable[Wwid], *, now: float) -> None:
        """Something that maps depend on has changed; of maps that are not there yet, everything is decided on."""
        self._undecided.on(wwids, now=now)

    def decide_on_everything(self, *, now: float) -> None:
        """Something that may concern any map has changed."""
        self._undecided.on_everything(now=now)

    def configure(self, config: Config, texts: Texts, *, now: float) -> None:
        """Another configuration is in force from now on."""
        self._decider.config = config
        self._world.configured(texts)
        self._choose_anew()
        self._breathe()
        self._decider.memory = tending.configured(self._decider.memory, self._breathe)
        self._breathe()
        self._decider.orders = nothing_removed(self._decider.orders)
        self.allow_resize()
        self.decide_on_everything(now=now)

    def _choose_anew(self) -> None:
        """Choose again what to ask of devices, which also depends on the map that each is in."""
        self._memberships, self._chosen_anew = self._world.memberships, True
        self._checks.configured(self._decider.config, breathe=self._breathe)

    def _ask_first(self, now: float) -> None:
        """Ask those that were asked nothing so far, if they are to be asked now."""
        self._chosen_anew = False
        for name in breathing(self._world.names, self._breathe):
            path = self._world.path(name)
            if path is None or path.health.state is not PathState.UNCHECKED or self._lanes.busy(name):
                continue
            memory = self._checks.memory(path)
            if memory is not None:
                self._checks.remember(path, replace(memory, due=now))

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
        self._begin_checks(now)
        self._decide(now)
        self._doing.tell_late(now)

    @property
    def wake_at(self) -> float | None:
        """When the next turn is due if nothing happens before; a time that is over: at once."""
        if self._looking.pending or self._answers or self._ready_maps():
            return 0.0
        undecided, busy = self._undecided, self._doing.busy
        times = [at for wwid, at in undecided.wake.items() if wwid not in busy]
        dues = (self._lanes.due(), self._checks.wake_at, self._gathering.due())
        times += [due for due in dues if due is not None]
        if undecided.everything_since is not None:
            times.append(self._everything_due(undecided.everything_since))
        elif undecided.records_at is not None:
            times.append(undecided.records_at)
        return min(times, default=None)

    @property
    def looking(self) -> bool:
        """Whether something that was named has not been looked at."""
        return self._looking.pending

    def at_rest(self, wwids: Collection[Wwid] | None, *, answered: bool = True) -> bool:
        """Whether nothing is left to do for some maps; None: for any; `answered`: nor is a first answer expected."""
        if self.looking or self._answers or self._undecided.everything_since is not None:
            return False
        left = (self._undecided.maps, self._doing.busy, self._gathering.maps)
        if wwids is None:
            return not any(left) and not (answered and self._checks.expecting)
        return not any(wwid in some for wwid in wwids for some in left)

    def occupy(self, wwid: Wwid, key: str) -> None:
        """Somebody does something to a map: nothing is planned for it meanwhile."""
        self._doing.busy[wwid] = key

    def occupied(self, wwid: Wwid) -> bool:
        """Whether something is being done to a map."""
        return wwid in self._doing.busy

    def release(self, wwid: Wwid) -> None:
        """It is done."""
        self._doing.busy.pop(wwid, None)
        self._undecided.maps.add(wwid)

    def _ready_maps(self) -> bool:
        held = (self._doing.busy, self._gathering.maps)
        return any(wwid not in held[0] and wwid not in held[1] for wwid in self._undecided.maps)

    def _everything_due(self, since: float) -> float:
        """Now or, while new paths have not answered, at the end of patience; never before the last one is paid off."""
        return max(self._rest_until, since + PATIENCE if self._checks.expecting else since)

    # ---- looking

    def _look(self, now: float) -> None:
        looked = self._looking.look()
        if self._memberships != self._world.memberships and any(seen is Seen.NEW for _, seen in looked.paths):
            self._choose_anew()
        for name, seen in looked.paths:
            self._guarded_seen(name, seen, now)
        if looked.everything or looked.listed:
            self.decide_on_everything(now=now)
        self._maps_changed(looked.maps, now)

    def _guarded_seen(self, name: DeviceName, seen: Seen, now: float) -> None:
        try:
            self._seen(name, seen, now)
        except Exception as error:  # noqa: BLE001 - a defect that one path meets must not stop the others
            self._teller.defect(f"looking at {name}", error)

    def _seen(self, name: DeviceName, seen: Seen, now: float) -> None:
        match seen:
            case Seen.NEW:
                self._decider.orders = without_device(self._decider.orders, name)
                self._decider.introduced(name)
                path = self._world.path(name)
                if path is not None:
                    self._decider.memory = reservations.without_device(self._decider.memory, path.dev)
                self.on_path(name, path)
                self._checks.appeared(name, now=now)
                self.decide_on_everything(now=now)
            case Seen.GONE:
                self._decider.orders = without_device(self._decider.orders, name)
                self.on_path(name, None)
                self._teller.path_gone(name, self._decider.map_of(name))
                self._checks.vanished(name)
                self.decide_on_everything(now=now)
            case Seen.CHANGED:
                self._checks.changed(name, now=now)
                self.decide_on_everything(now=now)
            case Seen.SAME:
                self._checks.look_now(name, now=now)

    def _maps_changed(self, uuids: Collection[DmUuid], now: float) -> None:
        for uuid in uuids:
            known = self._world.maps.get(uuid)
            if known is None:
                self._map_gone(Wwid(uuid.removeprefix(MPATH_PREFIX)))
                self.decide_on_everything(now=now)
            else:
                self._teller.paths_changed(self._checks.map_seen(known, now=now))
                self._undecided.maps.add(known.wwid)

    def _map_gone(self, wwid: Wwid) -> None:
        """A map is there no more. If that was not our doing, somebody wants it to be gone."""
        if wwid not in self._doing.busy and wwid in self._decider.wanted:
            self._decider.orders = without_map(self._decider.orders, wwid)
            name = self._decider.wanted[wwid].alias.value
            self._teller.say(Level.NOTICE, Kind.DECIDED, f"{name} was removed by somebody else: left alone", map_=name)

    # ---- checks and answers

    def _begin_checks(self, now: float) -> None:
        for most in range(MOST_A_TURN, 0, -_A_FEW):
            for known in self._checks.begin(now, most=min(most, _A_FEW)):
                self._guarded_check(known, now)
            due = self._checks.wake_at
            if due is None or due > now:
                return
            self._breathe()

    def _take_answers(self, now: float) -> None:
        self._answers += self._lanes.finished(now)
        for _ in range(min(len(self._answers), MOST_A_TURN)):
            self._breathe()
            finished = self._answers.popleft()
            if isinstance(finished.token, Work):
                self._doing.performed(finished.token, finished, now)
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
        self._gathering.answered(DeviceName(finished.key))
        if change is None:
            return
        self._teller.path_changed(change)
        wwid = self._decider.wwid_of(change.name)
        if change.anew or wwid is None:
            self.decide_on_everything(now=now)
        elif change.ranks:
            self._gather(wwid, change.name, now)
        else:
            self._gathering.end(wwid)
            self.decide_on((wwid,), now=now)

    def _gather(self, wwid: Wwid, name: DeviceName, now: float) -> None:
        """A path is better or worse than it was: the others of its map may be, too."""
        if wwid in self._gathering.maps:
            return
        others = [other for other in self._decider.names_of(wwid) if other != name]
        for other in others:
            self._checks.look_now(other, now=now)
        self._gathering.begin(wwid, others, now=now)

    # ---- deciding

    def _decide(self, now: float) -> None:
        self._undecided.come(now, busy=self._doing.busy)
        since = self._undecided.everything_since
        if since is not None and now >= self._everything_due(since) and not self._looking.halfway:
            self._decide_on_everything(now)
        self.decide_on(self._gathering.over(now), now=now)
        ready = self._undecided.taken(busy={*self._doing.busy, *self._gathering.maps})
        if not ready:
            return
        known = {wwid for wwid in ready if map_uuid(wwid) in self._world.maps}
        if known != ready:
            self.decide_on_everything(now=now)
        elif not self._decided_on(known, now) and len(known) > 1:
            for wwid in breathing(known, self._breathe):
                self._decided_on({wwid}, now)

    def _decided_on(self, wwids: Collection[Wwid], now: float) -> bool:
        """Decide on some maps. False: that met a defect; then each is to be decided on without the others."""
        self.witness.decides()
        try:
            decision = self._decider.some(wwids, now)
            if decision is None:
                self.decide_on_everything(now=now)
            else:
                self._carry_out(decision, wwids, now, whole=False)
        except Exception as error:  # noqa: BLE001 - a defect that one map meets must not stop the others
            self._teller.defect("deciding on " + ", ".join(sorted(wwids)), error)
            self._undecided.wake.update(dict.fromkeys(wwids, now + AGAIN_AFTER_DEFECT))
            return False
        return True

    def _decide_on_everything(self, now: float) -> None:
        self._undecided.everything_since = None
        if self._memberships != self._world.memberships:
            self._choose_anew()
        self.witness.decides()
        try:
            decision = self._decider.everything(now, idle=self._doing.busy)
        except Exception as error:  # noqa: BLE001 - the maps that do not meet the defect are decided on one by one
            self._teller.defect("deciding on everything", error)
            self._undecided.maps.update(each.wwid for each in self._world.maps.values())
            self._undecided.everything_since, self._rest_until = now, now + AGAIN_AFTER_DEFECT
            return
        concerned = {each.wwid for each in decision.plan.maps}
        self._undecided.decided_on_everything(decision.plan, busy=self._doing.busy)
        self._breathe()
        self._doing.keep(concerned)
        self._teller.keep(concerned)
        self._carry_out(decision, concerned, now, whole=True)
        if self._chosen_anew:
            self._ask_first(now)
        took = self._host.monotonic() - now
        self._rest_until = now + 2 * took

    def _carry_out(self, decision: Decision, wwids: Collection[Wwid], now: float, *, whole: bool) -> None:
        self._breathe()
        self.last = decision
        self.witness.decided(decision)
        self._undecided.decided(decision.plan, wwids, busy=self._doing.busy)
        self._breathe()
        self._teller.decided(decision, whole=whole)
        self._breathe()
        self._doing.follow(decision.plan, now)
        self._breathe()
        self._follow_orders(decision, now)

    def _follow_orders(self, decision: Decision, now: float) -> None:
        """Load tables again that are to be, whether or not they differ; what the plan loads anyway is done by that."""
        plans = [each for each in decision.plan.maps if each.wwid not in self._doing.busy or each.steps]
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
            self._doing.begin(work, now)
