"""Doing what was decided: at once or by workers, and what follows for the next decision.

Theory of operation. What a worker does is not waited for: its maps are *busy*, and are looked at and decided on again
when it is done. A plan that was done and is wanted again at once would be done for ever, if the kernel takes a step and
has no effect: after `REPEATS` times it counts as refused, and is held as refusals are. Records are written by one job
at a time: below /etc may be a disk that does not answer, and then they would gather for ever.

In: plans that passed the safety rules. Out: steps done, outcomes remembered and told, what is to be decided on again.
It must never wait, nor choose a step.
"""

import errno
from collections.abc import Collection, Iterable
from dataclasses import replace

from actuators.steps import (
    Changed,
    CreateMap,
    DeletePath,
    RecordStep,
    Refused,
    RemoveMap,
    RenameMap,
    WriteTunable,
)
from controller.reconcile.done import purge_started
from controller.reconcile.memory import after_apply
from controller.reconcile.plan import MapPlan, Plan
from controller.runtime.applying import Outcomes, Work, divided
from controller.runtime.checking import Checks
from controller.runtime.cycle import Files
from controller.runtime.deciding import Decider
from controller.runtime.jobs import Jobs, Performed
from controller.runtime.lanes import Finished, Lanes
from controller.runtime.looking import Looking
from controller.runtime.repeats import REPEATS, Repeats
from controller.runtime.telling import Teller, reasons
from controller.runtime.undecided import Undecided
from controller.runtime.witness import Witness
from controller.runtime.world import World
from observers.breathing import Breathe, breathing, without_pause
from observers.host import Host
from observers.snapshot import Wwid, map_uuid

_NAMES_CHANGE = (CreateMap, RemoveMap, RenameMap)


class Doing:
    """All that is done to maps. `busy`: those that something is done to, and by which job."""

    def __init__(
        self, host: Host, files: Files, *, world: World, decider: Decider, checks: Checks, lanes: Lanes,
        teller: Teller, witness: Witness, looking: Looking, undecided: Undecided,
    ) -> None:  # fmt: skip
        self._world, self._decider, self._checks = world, decider, checks
        self._teller, self._witness = teller, witness
        self._looking, self._undecided = looking, undecided
        self._jobs = Jobs(host, files, lanes=lanes, teller=teller)
        self._repeats = Repeats()
        self._records_wait = False
        self.busy: dict[Wwid, str] = {}
        self.breathe: Breathe = without_pause
        """Called again and again when there is much to do, between two works."""

    def keep(self, wwids: Collection[Wwid]) -> None:
        """Forget all other maps: they are gone."""
        self._repeats.keep(wwids)

    def tell_late(self, now: float) -> None:
        """Say which jobs should have been done long ago."""
        self._jobs.tell_late(now)

    def follow(self, plan: Plan, now: float) -> None:
        """Do a plan, but for what was done again and again."""
        for each in plan.maps:
            if not each.steps:
                self._repeats.settled(each.wwid)
        for work in breathing(divided(plan), self.breathe):
            self.begin(self._without_repeats(work, now), now)

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
            self._witness.held(held.plan, outcomes, now=now, memory=memory)
            self._teller.done(each.steps[0], outcomes[0][1], reason=reasons(held.plan).get(each.steps[0], ""))
            self._undecided.maps.add(each.wwid)

    def begin(self, work: Work, now: float) -> None:
        """Do it now, or have a worker do it."""
        if not work.plan.steps:
            return
        running = self._world.facts.udev_running
        if work.prompt:
            outcomes = self._jobs.do(work, udev_running=running, breathe=self.breathe)
            self._settle(work, Performed(outcomes, None), now)
            return
        if work.plan.records and self._jobs.recording:  # were the disk below them dead, they would gather for ever
            self._records_wait = True
            return
        self._note_deletes(work)
        key = self._jobs.begin(work, udev_running=running, now=now)
        if not work.aside:
            self.busy.update(dict.fromkeys(work.wwids, key))

    def _note_deletes(self, work: Work) -> None:
        memory = self._decider.memory
        for step in work.plan.steps:
            if isinstance(step, DeletePath):
                memory = replace(memory, paths=purge_started(memory.paths, step.dev))
        self._decider.memory = memory

    def performed(self, work: Work, finished: Finished, now: float) -> None:
        """A worker is done."""
        self._jobs.ended(work)
        if self._records_wait and not self._jobs.recording:
            self._records_wait = False
            self._undecided.on_everything(now=now)
        for wwid in () if work.aside else work.wwids:
            self.busy.pop(wwid, None)
        if isinstance(finished.finding, Performed):
            self._settle(work, finished.finding, now)
            for following in work.following(finished.finding.outcomes):
                self.begin(following, now)
        else:
            self._teller.broken(work, finished.finding)
            self._repeats.count(work.plan.maps)
            self._looking.at_everything()

    def _settle(self, work: Work, performed: Performed, now: float) -> None:
        """Work is done: remember what came of it, look at its maps again, and decide on them again."""
        outcomes, why = performed.outcomes, reasons(work.plan)
        for step, outcome in outcomes:
            self._teller.done(step, outcome, reason=why.get(step, ""))
        memory = self._decider.memory = after_apply(self._decider.memory, work.plan, outcomes, now)
        self._witness.applied(work.plan, outcomes, now=now, memory=memory)
        self._repeats.count(work.plan.maps)
        if performed.texts is not None and self._world.recorded(performed.texts):
            self._undecided.on_everything(now=now)
        if any(isinstance(step, RecordStep) and isinstance(outcome, Refused) for step, outcome in outcomes):
            self._undecided.on_everything(now=now)  # nothing has changed, and yet it says when to try again
        self._world.refresh_attributes({step.file for step, _ in outcomes if isinstance(step, WriteTunable)})
        if _changed(outcomes, _NAMES_CHANGE):
            self._world.refresh_maps()
            self._undecided.on_everything(now=now)
        else:
            self._world.refresh_maps([map_uuid(wwid) for wwid in work.wwids])
        for uuid in map(map_uuid, work.wwids):
            if uuid in self._world.maps:
                self._teller.paths_changed(self._checks.map_seen(self._world.maps[uuid], now=now))
        self._undecided.on(work.wwids, now=now)


def _changed(outcomes: Outcomes, kinds: tuple[type, ...]) -> bool:
    return any(isinstance(step, kinds) and isinstance(outcome, Changed) for step, outcome in outcomes)
