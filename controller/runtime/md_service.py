"""md arrays of level multipath as a part of the service: its questions and its steps are workers' calls.

In: the service's parts. Out: members given back, and what was done told. It must never wait, nor decide.
"""

from collections.abc import Callable, Sequence

from actuators.md import apply_md
from actuators.steps import Changed, MdStep, Outcome, Refused
from controller.reconcile.md import INTERVAL, MdTarget
from controller.reconcile.md_text import md_plan_text, md_step_text
from controller.runtime.events import Kind, Level
from controller.runtime.executor import Executor
from controller.runtime.lanes import Finished
from controller.runtime.md_keeper import MdKeeper
from controller.runtime.telling import Teller
from observers.asking import ask
from observers.host import Host
from observers.md_member import PROBE_TIMEOUT, Answer, MdFinding, probe_member

_GROUP = "md"
_STEP_LIMIT = 600.0
_GRACE = 5.0

_NONE = "no md array of level multipath\n"


class MdService:
    """Keeps the arrays. `interval`: seconds between two questions to a failed member."""

    def __init__(self, host: Host, executor: Executor, teller: Teller, *, interval: float = INTERVAL) -> None:
        self._host, self._executor, self._teller = host, executor, teller
        self._keeper = MdKeeper(host, ask=self._ask, do=self._do, interval=interval)
        self._jobs = 0

    def due(self) -> float | None:
        """When a member is to be asked again; None: none has failed."""
        return self._keeper.wake_at

    def turn(self, now: float) -> None:
        """At the start, when something changed, and when it is due."""
        self._keeper.turn(now)

    def text(self) -> str:
        """The arrays and what is to be done about them, in words."""
        return md_plan_text(self._keeper.plan) or _NONE

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
        def then(finished: Finished) -> None:
            done: tuple[tuple[MdStep, Outcome], ...] = finished.finding if isinstance(finished.finding, tuple) else ()
            for step, outcome in done:
                self._tell(step, outcome)
            self._keeper.done(done, self._host.monotonic())

        self._call(lambda: apply_md(self._host, steps), then, _STEP_LIMIT)

    def _tell(self, step: MdStep, outcome: Outcome) -> None:
        level = Level.ERROR if isinstance(outcome, Refused) else Level.NOTICE
        what = "done" if isinstance(outcome, Changed) else getattr(outcome, "message", "it was so already")
        self._teller.say(level, Kind.DONE, f"{md_step_text(step)}: {what}")


def _silent(target: MdTarget, why: object) -> MdFinding:
    uuid, dev = target.key
    return MdFinding(
        array=target.array.name, uuid=uuid, member=target.member.name, dev=dev, answer=Answer.SILENT, why=str(why)
    )
