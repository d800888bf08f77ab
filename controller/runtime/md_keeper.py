"""md arrays of level multipath in the daemon: when to look, whom to ask, what to have done.

Theory of operation. Nothing here waits. Questions and steps are handed out, to lanes, and come back as calls of
`answered` and `done`: a write to md's attributes can block as long as a read of a dead path can. A member whose answer
has not come yet is not asked again; while steps are done no others are handed out, and answers are kept.

In: the time, answers, outcomes. Out: questions, steps, and the plan with its reasons for whoever shows it. Nothing is
decided here; `controller.reconcile.md` does. It must never call a device.
"""

from collections.abc import Callable, Iterable, Sequence

from actuators.steps import MdStep, Outcome
from controller.reconcile.md import INTERVAL, MdKey, MdMemory, MdPlan, MdTarget, after_md, asked, due, plan_md
from controller.reconcile.md_safety import MdViolation, allowed
from observers import mdstat
from observers.host import ReadHost
from observers.md_member import MdFinding
from observers.snapshot import HostFacts, MdArray, Snapshot


class MdKeeper:
    """The loop calls `turn` at the start, after an event of /proc/mdstat, and when `wake_at` has come.

    `ask`: has the member asked (`probe_member(target.array, target.member)`); the finding comes to `answered`, always.
    `do`: has steps done (`actuators.md.apply_md`); what came of them comes to `done`, always.
    `on_look`: is told of the arrays of level multipath each time that they were looked at.
    """

    def __init__(
        self, host: ReadHost, *, ask: Callable[[MdTarget], None], do: Callable[[Sequence[MdStep]], None],
        on_look: Callable[[Sequence[MdArray]], None] = lambda _: None, interval: float = INTERVAL,
    ) -> None:  # fmt: skip
        self._host, self._ask, self._do, self._interval = host, ask, do, interval
        self._on_look = on_look
        self._memory = MdMemory()
        self._seen = _snapshot(mdstat.Observed())
        self._outstanding: set[MdKey] = set()
        self._answers: list[MdFinding] = []
        self._doing: Snapshot | None = None
        self.plan = MdPlan()
        self.violations: tuple[MdViolation, ...] = ()

    @property
    def wake_at(self) -> float | None:
        """When a member is due (monotonic seconds); None: no member has failed."""
        return self.plan.wake_at

    @property
    def facts(self) -> HostFacts:
        """What the md driver can do, as of the last look; of the host nothing else."""
        return self._seen.host

    @property
    def arrays(self) -> tuple[MdArray, ...]:
        """Those of level multipath, as of the last look."""
        return tuple(array for array in self._seen.md_arrays if array.level == mdstat.MULTIPATH)

    def turn(self, now: float) -> None:
        """Look at the arrays, ask the members that are due, and plan with the answers that came."""
        self._seen = _snapshot(mdstat.observe(self._host))
        self._on_look(self.arrays)
        targets = due(self._seen, self._memory, now)
        self._memory = asked(self._memory, targets, now, interval=self._interval)
        answers = [] if self._doing else self._answers
        wanted, self._memory = plan_md(self._seen, answers, self._memory, now, interval=self._interval)
        self.plan, self.violations = allowed(wanted, self._seen, answers)
        if not self._doing:
            self._answers = []
            self._hand_out(self.plan.steps)
        for target in targets:
            if target.key not in self._outstanding:
                self._outstanding.add(target.key)
                self._ask(target)

    def _hand_out(self, steps: Sequence[MdStep]) -> None:
        if steps:
            self._doing = self._seen
            self._do(steps)

    def answered(self, finding: MdFinding, now: float) -> None:
        """A member was asked, and this is what it said."""
        self._outstanding.discard((finding.uuid, finding.dev))
        self._answers.append(finding)
        if not self._doing:
            self.turn(now)

    def done(self, outcomes: Iterable[tuple[MdStep, Outcome]], now: float) -> None:
        """The steps that were handed out last were done. Not every change of md is an event, so look again."""
        if self._doing is not None:
            self._memory = after_md(self._memory, self._doing, outcomes, now)
        self._doing = None
        self.turn(now)


def _snapshot(md: mdstat.Observed) -> Snapshot:
    """As much of a snapshot as planning for md takes."""
    facts = HostFacts(
        kernel_release="", dm_version=None, multipath_target=None, md_personalities=md.personalities
    )  # fmt: skip
    return Snapshot(taken_at=0.0, host=facts, md_arrays=md.arrays, gaps=md.gaps)
