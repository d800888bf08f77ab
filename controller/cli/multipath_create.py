"""`multipath [-d] [-r] [device]`: make the maps that the configuration wants, now, in this process.

In: a `Subject`, and a host. Out: the maps that were made or changed, and those that can't be made as their paths do not
agree, as trees or names; an exit status: 1 when a change was refused. It is the same cycle as `mpathctl reconcile`, for
all maps or for one, with what the command line says on top of the configuration. While another process of ours is at
work on the maps, it is that one's to do.
"""

import errno
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from actuators.apply import apply
from actuators.steps import Lost, Outcome, Refused, Step, TriggerUevent, WriteTunable
from controller.cli.multipath_arguments import Job
from controller.cli.multipath_program import FAIL, OK, Subject
from controller.cli.multipath_view import intended_text, paths_text, put, state_of, warn_without_daemon
from controller.cli.multipath_wwids import wwid_of
from controller.client.program import run as ask_daemon
from controller.protocol.state import Action
from controller.reconcile import explain, forced, safety
from controller.reconcile.memory import after_apply
from controller.reconcile.plan import MapPlan, Memory, Plan
from controller.runtime import cycle
from desired.command_line import ignoring_wwids, queueing_alone, with_policy
from desired.config import Config
from desired.derive import config_in
from desired.model import Desired
from desired.values import GroupingPolicy
from observers.config_files import STATE_DIRECTORY
from observers.errors import MpathError
from observers.host import ClaimHost
from observers.kernel.real_host import RealHost
from observers.snapshot import Gap, Snapshot, Wwid

_ACTIONS = {
    "create": Action.CREATE, "reload": Action.RELOAD, "rename": Action.RENAME, "switch": Action.SWITCH,
    "resize": Action.RESIZE,
}  # fmt: skip
_REASONS = 3  # the verbosity from which on reasons are told


def run(subject: Subject) -> int:
    """Do it on this host."""
    return create(RealHost(), subject)


def create(host: ClaimHost, subject: Subject) -> int:
    """Do it on a host."""
    try:
        wwid = wwid_of(host, subject, blacklisted=False) if subject.kind is not None else None
        if subject.kind is not None and wwid is None:
            return FAIL
        return _Run(host, subject, wwid).whole()
    except MpathError as error:
        subject.say(0, str(error))
        return FAIL


@dataclass(frozen=True, slots=True)
class _Decided:
    """What was seen, what should be, and what to do about it."""

    snapshot: Snapshot
    config: Config
    desired: Desired
    plan: Plan
    memory: Memory


class _Run:
    """One invocation. `wwid`: the only map that it is about; None: all."""

    def __init__(self, host: ClaimHost, subject: Subject, wwid: Wwid | None) -> None:
        self._host, self._subject, self._wwid = host, subject, wwid
        self._done: dict[Wwid, str] = {}
        """What was done with each map, in the plans' words."""
        self._failed = False

    def whole(self) -> int:
        """Do it: the exit status."""
        if self._subject.invocation.job is Job.DRY_RUN:
            return self._dry_run(self._first())
        try:
            lock = self._host.lock(cycle.LOCK_FILE)
        except OSError as error:
            if error.errno != errno.EWOULDBLOCK:
                raise MpathError(f"{cycle.LOCK_FILE}: {error.strerror}") from error
            return ask_daemon("reconfigure")
        try:
            return self._locked()
        finally:
            self._host.unlock(lock)

    def _locked(self) -> int:
        decided = self._settled(self._first())
        if self._subject.invocation.force_reload:
            self._apply(decided, self._forced(decided))
            decided = self._settled(self._decide(decided.memory))
        made = {live.wwid for live in decided.snapshot.maps}
        self._show(decided, {wwid: _action(words) for wwid, words in self._done.items() if wwid in made})
        warn_without_daemon(self._subject, decided.snapshot)
        return FAIL if self._failed else OK

    def _first(self) -> _Decided:
        """The first decision, and the paths of which it was made."""
        decided = self._decide(Memory())
        state = state_of(decided.snapshot, decided.desired, decided.config, {})
        put(paths_text(state, self._subject.invocation.verbosity))
        return decided

    def _settled(self, decided: _Decided) -> _Decided:
        """What is so when nothing is left to do, or when it was tried often enough."""
        for _ in range(cycle.ROUNDS):
            if not decided.plan.steps:
                break
            for each in decided.plan.maps:
                self._reasons(each)
            memory = self._apply(decided, decided.plan)
            decided = self._decide(memory)
        return decided

    def _forced(self, decided: _Decided) -> Plan:
        todo = self._limited(forced.reload_all(decided.snapshot, decided.desired, but=self._loaded()))
        findings = safety.check(todo, decided.snapshot, decided.desired)
        self._stopped(findings)
        return safety.strip(todo, findings)

    def _loaded(self) -> frozenset[Wwid]:
        return frozenset(wwid for wwid, words in self._done.items() if {"create", "reload"} & set(words.split("+")))

    def _apply(self, decided: _Decided, todo: Plan) -> Memory:
        outcomes = apply(
            self._host,
            todo.records,
            [each.steps for each in todo.maps],
            udev_running=decided.snapshot.host.udev_running,
            on_outcome=self._tell,
        ).outcomes
        for each in todo.maps:
            if each.steps:
                self._done[each.wwid] = "+".join(filter(None, (self._done.get(each.wwid), each.action)))
        return after_apply(decided.memory, todo, outcomes, self._host.monotonic())

    def _tell(self, step: Step, outcome: Outcome) -> None:
        if not isinstance(outcome, Refused | Lost):
            return
        self._subject.say(1, f"{explain.step_text(step)}: {outcome.message}")
        self._failed = self._failed or not isinstance(step, WriteTunable | TriggerUevent)

    # ---- deciding

    def _decide(self, memory: Memory) -> _Decided:
        snapshot = cycle.observe(self._host, cycle.Files())
        if self._subject.invocation.bindings_read_only:
            gap = Gap(f"{STATE_DIRECTORY}/bindings", "bindings", "it is not to be changed (-B)")
            snapshot = replace(snapshot, gaps=(*snapshot.gaps, gap))
        config = self._configuration(snapshot)
        decision = cycle.decide(snapshot, memory, self._host.monotonic(), config=config)
        self._stopped(decision.findings)
        return _Decided(snapshot, config, decision.desired, self._limited(decision.plan), decision.memory)

    def _configuration(self, snapshot: Snapshot) -> Config:
        config, invocation = config_in(snapshot), self._subject.invocation
        if invocation.policy:
            config = with_policy(config, GroupingPolicy(invocation.policy))
        if invocation.allow_queueing:
            config = queueing_alone(config)
        return ignoring_wwids(config) if invocation.ignore_wwids else config

    def _stopped(self, findings: Iterable[safety.Finding]) -> None:
        for finding in findings:
            self._subject.say(1, f"{finding.text} [{finding.rule}]")
            self._failed = self._failed or finding.level is safety.Level.FATAL

    def _limited(self, todo: Plan) -> Plan:
        """The part of a plan that is about the map that was named. Names that it needs are written with it."""
        if self._wwid is None:
            return todo
        maps = tuple(each for each in todo.maps if each.wwid == self._wwid)
        records = todo.records if any(each.steps for each in maps) else ()
        return Plan(records=tuple(record for record in records if _concerns(record, self._wwid)), maps=maps)

    # ---- telling

    def _dry_run(self, decided: _Decided) -> int:
        self._show(decided, {each.wwid: _action(each.action) for each in decided.plan.maps if each.steps})
        for each in decided.plan.maps:
            self._reasons(each)
        return OK

    def _show(self, decided: _Decided, actions: Mapping[Wwid, Action]) -> None:
        rejected = {each.wwid: Action.REJECT for each in decided.desired.maps if each.reject}
        if self._wwid is not None:
            rejected = {wwid: action for wwid, action in rejected.items() if wwid == self._wwid}
        shown = {**actions, **rejected}
        verbosity = self._subject.invocation.verbosity
        put(intended_text(decided.snapshot, decided.desired, decided.config, shown, verbosity))

    def _reasons(self, each: MapPlan) -> None:
        for reason in each.reasons:
            self._subject.say(_REASONS, f"{each.name}: {each.action}: {reason}")


def _concerns(record: object, wwid: Wwid) -> bool:
    """Whether a record is about a map, or about all."""
    return getattr(record, "wwid", wwid) == wwid


def _action(words: str) -> Action:
    """The word that the tree begins with."""
    return next((_ACTIONS[word] for word in words.split("+") if word in _ACTIONS), Action.NONE)
