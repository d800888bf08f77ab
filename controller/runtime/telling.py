"""What the reconciler says of its work, as events: changes of paths, decisions, steps, and what went wrong.

In: what happened. Out: events in a bulletin. What was said of a map is not said again until it is another thing; a plan
that only counts down says the same. It must never decide.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from actuators.steps import (
    Changed,
    Lost,
    MapStep,
    Outcome,
    Refused,
    RegisterKey,
    Step,
    TriggerUevent,
    Unchanged,
    Unregistered,
)
from controller.reconcile.explain import step_text
from controller.reconcile.plan import MapPlan, Plan
from controller.reconcile.safety import Finding
from controller.runtime.applying import Work
from controller.runtime.cycle import Decision
from controller.runtime.deciding import MapName
from controller.runtime.events import Bulletin, Event, Kind, Level
from controller.runtime.recorder import Ordered
from observers.snapshot import DeviceName, DmUuid, Gap, PathState, Wwid

_MOST_DEFECTS = 256
"""Places of defects that are told apart."""

_NUMBERS = re.compile(r"\d+(\.\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class PathChange:
    """A path is not as it was. `map`, `wwid`: whose it is. `anew`: it may belong elsewhere now, not only be in another
    state. `unit`: which logical unit it leads to, in words, where that turned out to be another one, or its own again.
    `ranks`: it is only better or worse than before."""

    name: DeviceName
    map: str
    wwid: str = ""
    before: PathState
    after: PathState
    message: str
    anew: bool = False
    unit: str = ""
    ranks: bool = False


class Teller:
    """Speaks to a bulletin. `wall`: seconds since 1970."""

    def __init__(self, bulletin: Bulletin, *, wall: Callable[[], float]) -> None:
        self._bulletin, self._wall = bulletin, wall
        self._said: dict[Wwid, tuple[str, ...]] = {}
        self._findings: frozenset[Finding] = frozenset()
        self._gaps: frozenset[Gap] = frozenset()
        self._messages: frozenset[str] = frozenset()
        self._defects: dict[tuple[str, str], int] = {}

    def say(
        self, level: Level, kind: Kind, text: str, *, map_: str = "", wwid: str = "", path: str = "", reason: str = ""
    ) -> None:
        """One event, now."""
        event = Event(at=self._wall(), level=level, kind=kind, text=text, map=map_, wwid=wwid, path=path, reason=reason)
        self._bulletin.tell(event)

    def path_changed(self, change: PathChange) -> None:
        """A path's state, or what else of it was answered."""
        if change.unit:
            level, text = Level.WARNING, change.unit
        elif change.before is change.after:
            level, text = Level.DEBUG, "answers anew"
        else:
            level, text = Level.NOTICE, f"{change.before} -> {change.after}"
        reason = change.message.strip()  # checkers begin theirs with a blank
        self.say(level, Kind.SEEN, text, path=change.name, map_=change.map, wwid=change.wwid, reason=reason)

    def paths_changed(self, changes: Iterable[PathChange]) -> None:
        """The states of several."""
        for change in changes:
            self.path_changed(change)

    def path_gone(self, name: DeviceName, of: MapName) -> None:
        """A block device that could be a path is there no more."""
        level = Level.NOTICE if of.name else Level.INFO
        reason = "the kernel has no such device any more"
        self.say(level, Kind.SEEN, "gone", path=name, map_=of.name, wwid=of.wwid, reason=reason)

    def decided(self, decision: Decision, *, whole: bool) -> None:
        """What is new in a decision: plans with steps, other reasons, and everything else that people should know.
        `whole`: it is about all maps."""
        for each in decision.plan.maps:
            self._planned(each)
        self._told_once(decision, whole=whole)

    def _planned(self, plan: MapPlan) -> None:
        gist = (plan.action, *(_NUMBERS.sub("#", reason) for reason in plan.reasons))
        if self._said.get(plan.wwid) == gist and not plan.steps:
            return
        self._said[plan.wwid] = gist
        level = Level.INFO if plan.steps else Level.DEBUG
        self.say(level, Kind.DECIDED, plan.action, map_=plan.name, wwid=plan.wwid, reason="; ".join(plan.reasons))

    def _told_once(self, decision: Decision, *, whole: bool) -> None:
        """What was not there the last time; a decision on some maps says nothing of the others."""
        gaps, findings = frozenset(decision.snapshot.gaps), frozenset(decision.findings)
        for gap in sorted(gaps - self._gaps, key=lambda gap: (gap.subject, gap.what)):
            self.say(Level.INFO, Kind.SEEN, f"{gap.subject}: {gap.what}: {gap.reason}")
        names = {each.uuid: each.name for each in decision.plan.maps}
        for found in sorted(findings - self._findings, key=lambda found: (found.uuid or "", found.rule, found.text)):
            text = f"{found.level.value}: {found.text} [{found.rule}]"
            self.say(Level.ERROR, Kind.DECIDED, text, map_=names.get(found.uuid or DmUuid(""), ""))
        messages = frozenset(f"{each.severity}: {each.text}" for each in decision.desired.messages if not each.line)
        for text in sorted(messages - self._messages):
            self.say(Level.WARNING, Kind.DECIDED, text)
        if not whole:
            subjects = {
                *(path.name for path in decision.snapshot.paths),
                *(live.name for live in decision.snapshot.maps),
            }
            gaps |= {gap for gap in self._gaps if gap.subject not in subjects}
            findings |= {found for found in self._findings if found.uuid not in names}
            messages |= self._messages
        self._gaps, self._findings, self._messages = gaps, findings, messages

    def done(self, step: Step, outcome: Outcome, *, reason: str = "") -> None:
        """A step, what came of it, and why it was done."""
        level, text = _outcome(outcome)
        name = step.map.name if isinstance(step, MapStep) else ""
        path = str(getattr(step, "name", ""))
        if isinstance(step, RegisterKey) and step.clear and isinstance(outcome, Unregistered):
            level = Level.WARNING  # it was registered: somebody fenced this host off
        quiet = isinstance(step, TriggerUevent) and level is Level.NOTICE
        self.say(
            Level.DEBUG if quiet else level, Kind.DONE, f"{step_text(step)}{text}", map_=name,
            path=path, wwid=step.map.uuid.removeprefix("mpath-") if isinstance(step, MapStep) else "", reason=reason,
        )  # fmt: skip

    def ordered(self, ordered: Ordered) -> None:
        """What a client had done, and what came of it."""
        level, text = _outcome(ordered.outcome)
        self.say(
            level, Kind.DONE, f"{ordered.deed}{text}", map_=ordered.map, wwid=ordered.wwid, path=ordered.path,
            reason=f"asked for: {ordered.request}",
        )  # fmt: skip

    def late(self, work: Work, seconds: float) -> None:
        """A job that should have been done long ago."""
        names = ", ".join(each.name for each in work.plan.maps)
        self.say(Level.ERROR, Kind.DONE, f"still not done after {seconds:.0f} s, and waited for: {names}")

    def keep(self, wwids: Collection[Wwid]) -> None:
        """Forget what was said of all other maps: they are gone."""
        self._said = {wwid: said for wwid, said in self._said.items() if wwid in wwids}

    def defect(self, what: str, error: BaseException) -> None:
        """Something nobody foresaw. What happens again at the same place is told the 10th, 100th, 1000th ... time."""
        key = what, place_of(error)
        if key not in self._defects and len(self._defects) >= _MOST_DEFECTS:
            self._defects.clear()
        count = self._defects[key] = self._defects.get(key, 0) + 1
        if str(count).strip("0") != "1":
            return
        times = f" ({count} times)" if count > 1 else ""
        text = f"a defect of mpathctl, {what}{times}: {type(error).__name__}: {error}, {key[1]}"
        self.say(Level.ERROR, Kind.SERVICE, text, reason="it goes on; please report this")

    def broken(self, work: Work, error: object) -> None:
        """A job that ended in a way nobody foresaw."""
        names = ", ".join(each.name for each in work.plan.maps)
        self.say(Level.ERROR, Kind.DONE, f"a defect of mpathctl: {names}: {type(error).__name__}: {error}")


def reasons(plan: Plan) -> Mapping[Step, str]:
    """Why each step of a plan is done; of one on a path, what is said of that."""
    return {step: _why(step, each.reasons) for each in plan.maps for step in each.steps}


def _why(step: Step, said: Collection[str]) -> str:
    own = f" ({getattr(step, 'name', '')}): "
    of_path = [reason.partition(own)[2] for reason in said if own in reason]
    return "; ".join(of_path or said)


def _outcome(outcome: Outcome) -> tuple[Level, str]:
    match outcome:
        case Changed():
            return Level.NOTICE, f": done ({outcome.note})" if outcome.note else ": done"
        case Unchanged():
            return Level.INFO, ": it was so already"
        case Refused():
            hint = f"; {outcome.hint}" if outcome.hint else ""
            return Level.ERROR, f": refused: {outcome.message}{hint}"
        case Lost():
            return Level.INFO, f": not done, something moved: {outcome.message}"


def place_of(error: BaseException) -> str:
    """Where an exception was raised: file, line, function; the source is not looked at, as it may be on a dead disk."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return "nowhere"
    code = traceback.tb_frame.f_code
    return f"{code.co_filename.rpartition('/')[2]}:{traceback.tb_lineno}:{code.co_name}"
