"""Doing what was decided without ever making the loop wait: messages at once, everything that may block in a worker.

Theory of operation. A message to a map returns at once. Loading a table waits for udev, a resize for I/O in flight, a
record for the file system of /etc, a delete for the SCSI layer: such steps go to a worker, one job a map, and until a
job is done nothing more is planned for its maps. Maps that wait for each other in one plan (one takes a name or a path
that another lets go) are one job, in the plan's order; records are written before any of them begins.

In: plans that passed the safety rules. Out: what came of each step, when it is known. It must never choose a step.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from actuators.apply import apply
from actuators.steps import (
    CancelRemoval,
    CreateMap,
    DeletePath,
    FailPath,
    Lost,
    Outcome,
    RecordStep,
    Refused,
    ReinstatePath,
    ReloadMap,
    RenameMap,
    SetQueueing,
    Step,
    SwitchGroup,
)
from controller.reconcile.plan import MapPlan, Plan
from observers.host import Host
from observers.snapshot import Wwid

PROMPT = (FailPath, ReinstatePath, SwitchGroup, SetQueueing, CancelRemoval)
"""Messages to a map: the kernel answers them at once, whatever the paths do."""

Outcomes = tuple[tuple[Step, Outcome], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Plans that are done together, in order, the records first. `aside`: its maps go on being looked after meanwhile,
    as deleting a device may take minutes and concerns no other path."""

    plan: Plan
    prompt: bool
    aside: bool = False
    then: tuple["Work", ...] = ()
    """What needs the records of this, and begins when they are written."""

    @property
    def wwids(self) -> frozenset[Wwid]:
        """Whose maps these are, those that wait for the records among them."""
        return frozenset([each.wwid for each in self.plan.maps]).union(*(each.wwids for each in self.then))

    def following(self, outcomes: Outcomes) -> tuple["Work", ...]:
        """What to begin now. When a record could not be written, `apply` knows which maps can't do without it: then
        all of it is one job, the records once more at its beginning."""
        if not self.then or not any(isinstance(outcome, Refused | Lost) for _, outcome in outcomes):
            return self.then
        maps = tuple(each for work in self.then for each in work.plan.maps)
        return (Work(plan=Plan(records=self.plan.records, maps=maps), prompt=False),)


def divided(plan: Plan) -> list[Work]:
    """The plan's work, in an order in which each part may begin before the one before it has ended.

    The steps on one map are never divided.
    """
    active = [rest for each in plan.maps if (rest := _only(each, delete=False)).steps]
    deleting = [found for each in plan.maps if (found := _only(each, delete=True)).steps]
    aside = [Work(plan=Plan(maps=(each,)), prompt=False, aside=True) for each in deleting]
    prompt = [each for each in active if all(isinstance(step, PROMPT) for step in each.steps)]
    slow = [each for each in active if each not in prompt]
    works = [Work(plan=Plan(maps=tuple(prompt)), prompt=True)] if prompt else []
    if _entangled(slow):
        return [*works, Work(plan=Plan(records=plan.records, maps=tuple(slow)), prompt=False), *aside]
    single = tuple(Work(plan=Plan(maps=(each,)), prompt=False) for each in slow)
    if plan.records:
        return [*works, Work(plan=Plan(records=plan.records), prompt=False, then=single), *aside]
    return [*works, *single, *aside]


def _only(plan: MapPlan, *, delete: bool) -> MapPlan:
    """A map's plan with only those steps that delete devices, or without them."""
    if not any(isinstance(step, DeletePath) for step in plan.steps):
        return replace(plan, steps=()) if delete else plan
    return replace(plan, steps=tuple(step for step in plan.steps if isinstance(step, DeletePath) is delete))


def _entangled(plans: Sequence[MapPlan]) -> bool:
    """Whether one map may need what another lets go of: a name changes hands, or a path does."""
    steps = [(each.wwid, step) for each in plans for step in each.steps]
    if any(isinstance(step, RenameMap) for _, step in steps):
        return len(plans) > 1
    had = {
        dev: wwid
        for wwid, step in steps
        if isinstance(step, ReloadMap) and step.expected is not None
        for dev in devices_in(step.expected)
    }
    return any(
        had.get(dev, wwid) != wwid
        for wwid, step in steps
        if isinstance(step, CreateMap | ReloadMap)
        for dev in devices_in(step.table)
    )


def devices_in(table: str) -> Iterator[str]:
    """The device numbers in a table's text; nothing else there is two numbers with a colon."""
    return (word for word in table.split() if ":" in word)


def do(host: Host, work: Work, *, udev_running: bool, on_outcome: Callable[[Step, Outcome], None]) -> Outcomes:
    """Do it, here and now."""
    records: tuple[RecordStep, ...] = work.plan.records
    steps: Iterable[tuple[Step, ...]] = [each.steps for each in work.plan.maps]
    return apply(host, records, list(steps), udev_running=udev_running, on_outcome=on_outcome).outcomes
