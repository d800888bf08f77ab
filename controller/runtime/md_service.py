"""md arrays of level multipath as a part of the service: its questions and its steps are workers' calls.

In: the service's parts. Out: members given back; what was seen and done told. It must never wait, nor decide.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from actuators.md import apply_md
from actuators.steps import Changed, MdStep, Outcome, Refused
from controller.reconcile.md import INTERVAL, MdPlan, MdTarget
from controller.reconcile.md_text import md_plan_text, md_step_text, no_array_text
from controller.runtime.events import Kind, Level
from controller.runtime.executor import Executor
from controller.runtime.lanes import Finished
from controller.runtime.md_keeper import MdKeeper
from controller.runtime.telling import Teller
from observers import system
from observers.asking import ask
from observers.host import Host
from observers.md_member import PROBE_TIMEOUT, Answer, MdFinding, probe_member
from observers.reading import Reader
from observers.snapshot import DeviceName, MdArray

_GROUP = "md"
_STEP_LIMIT = 600.0
_GRACE = 5.0


class MdService:
    """Keeps the arrays. `interval`: seconds between two questions to a failed member; and between two looks at the
    arrays that are known, as long as no events tell of them (`heard`)."""

    def __init__(self, host: Host, executor: Executor, teller: Teller, *, interval: float = INTERVAL) -> None:
        self._host, self._executor, self._teller, self._interval = host, executor, teller, interval
        self._keeper = MdKeeper(host, ask=self._ask, do=self._do, on_look=self._looked, interval=interval)
        self._release = system.kernel_release(Reader(host, "host"))
        self._failed: frozenset[tuple[str, DeviceName]] = frozenset()
        """The failed members that were told of: their arrays' UUIDs, and their names."""
        self._looked_at = 0.0
        self._jobs = 0
        self.heard = False

    def due(self) -> float | None:
        """When a member is to be asked again, or all are to be looked at; None: none has failed, and events tell."""
        wake_at = self._keeper.wake_at
        if self.heard or not self._keeper.arrays:
            return wake_at
        look_at = self._looked_at + self._interval
        return look_at if wake_at is None else min(wake_at, look_at)

    def turn(self, now: float) -> None:
        """At the start, when something changed, and when it is due."""
        self._keeper.turn(now)

    def text(self) -> str:
        """The arrays and what is to be done about them, in words."""
        facts = replace(self._keeper.facts, kernel_release=self._release)
        return md_plan_text(self._keeper.plan) or f"{no_array_text(facts)}\n"

    def _call(self, function: Callable[[], object], then: Callable[[Finished], None], limit: float) -> None:
        self._jobs += 1
        self._executor.call(f"md {self._jobs}", function, then, limit=limit, group=_GROUP)

    def _ask(self, target: MdTarget) -> None:
        def then(finished: Finished) -> None:
            found = finished.finding
            finding = found if isinstance(found, MdFinding) else _silent(target, found)
            self._keeper.answered(finding, self._host.monotonic())

        name = target.member.name
        self._call(
            lambda: ask(self._host, name, probe_member(target.array, target.member)), then, PROBE_TIMEOUT + _GRACE
        )

    def _do(self, steps: Sequence[MdStep]) -> None:
        plan = self._keeper.plan

        def then(finished: Finished) -> None:
            done: tuple[tuple[MdStep, Outcome], ...] = finished.finding if isinstance(finished.finding, tuple) else ()
            for step, outcome in done:
                self._tell(step, outcome, reason=_reason(plan, step))
            self._keeper.done(done, self._host.monotonic())

        self._call(lambda: apply_md(self._host, steps), then, _STEP_LIMIT)

    # ---- telling

    def _looked(self, arrays: Sequence[MdArray]) -> None:
        """Tell of members that have failed since, once each, and of those that have not any more."""
        self._looked_at = self._host.monotonic()
        members = {(array.uuid, member.name): (array.name, member) for array in arrays for member in array.members}
        failed = frozenset(key for key, (_, member) in members.items() if member.faulty)
        for key in sorted(failed - self._failed):
            array, member = members[key]
            reason = f"md says {','.join(member.state)}"
            self._say(Level.NOTICE, Kind.SEEN, "has failed", array=array, member=member.name, reason=reason)
        for key in sorted((self._failed - failed) & members.keys()):
            self._say(Level.INFO, Kind.SEEN, "is no longer failed", array=members[key][0], member=key[1])
        self._failed = failed

    def _tell(self, step: MdStep, outcome: Outcome, *, reason: str) -> None:
        level = Level.ERROR if isinstance(outcome, Refused) else Level.NOTICE
        what = "done" if isinstance(outcome, Changed) else getattr(outcome, "message", "it was so already")
        text = f"{md_step_text(step)}: {what}"
        self._say(level, Kind.DONE, text, array=step.array.name, member=step.name, reason=reason)

    def _say(
        self, level: Level, kind: Kind, text: str, *, array: DeviceName, member: DeviceName, reason: str = ""
    ) -> None:
        self._teller.say(level, kind, text, map_=array, path=member, reason=reason)


def _reason(plan: MdPlan, step: MdStep) -> str:
    """What is said of a member for which a step is done."""
    said = (reason for each in plan.arrays if each.array == step.array for reason in each.reasons)
    return "; ".join(reason for reason in said if reason.startswith(f"{step.name} "))


def _silent(target: MdTarget, why: object) -> MdFinding:
    uuid, dev = target.key
    return MdFinding(
        array=target.array.name, uuid=uuid, member=target.member.name, dev=dev, answer=Answer.SILENT, why=str(why)
    )
