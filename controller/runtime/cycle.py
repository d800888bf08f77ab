"""The cycle: observe, derive, plan, check, apply, and verify by doing it again until nothing is left to do.

In: a `Host` and where its files are. Out: a `Decision` (a dry run stops there) or a `Result`. Nothing is decided here:
the rooms are called in order, and what they return is handed on.
"""

from collections.abc import Callable
from dataclasses import dataclass

from actuators.apply import apply
from actuators.steps import Changed, Outcome, Refused, Step, Unchanged, WriteTunable
from controller.reconcile import safety
from controller.reconcile.memory import after_apply
from controller.reconcile.plan import Memory, Plan
from controller.reconcile.planner import plan
from desired.config import Config
from desired.derive import config_in, derive
from desired.model import Desired
from desired.probing import probing_in
from observers.collect import complete, survey
from observers.host import Host, ReadHost
from observers.snapshot import Snapshot

ROUNDS = 6
"""How often a reconcile looks again: a rename that has to wait for another takes two, a lost race one more each."""

LOCK_FILE = "/run/mpathctl.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where the configuration and the records are. `fixed_names`: no map is given a name that was not recorded before,
    and the bindings file stays as it is."""

    config: str = "/etc/multipath.conf"
    config_dir: str = "/etc/multipath/conf.d"
    state_dir: str = "/etc/multipath"
    fixed_names: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was seen, what should be, and what to do about it; `plan` holds only steps that passed the safety rules."""

    snapshot: Snapshot
    desired: Desired
    plan: Plan
    findings: tuple[safety.Finding, ...]
    memory: Memory

    @property
    def pending(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.plan.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a reconcile did: every step with its outcome, the decision it began with, and the one it ended with."""

    first: Decision
    last: Decision
    outcomes: tuple[tuple[Step, Outcome], ...]

    @property
    def converged(self) -> bool:
        """Whether nothing is left to do, nothing was refused, and no safety rule stopped a map.

        An attribute that the kernel lets nobody set (which ones depends on the adapter's driver) is told, no more.
        """
        outcomes = (outcome for step, outcome in self.outcomes if not isinstance(step, WriteTunable))
        refused = any(isinstance(outcome, Refused) for outcome in outcomes)
        return not (self.last.pending or self.last.findings or self.last.memory.refusals or refused)


def observe(host: ReadHost, files: Files, *, everything: bool = False) -> Snapshot:
    """What is on the host now, each device asked what the configuration says. `everything`: also blacklisted ones."""
    surveyed = survey(host, config_path=files.config, config_dir=files.config_dir, state_dir=files.state_dir)
    return complete(host, surveyed, probing_in(surveyed, everything=everything))


def decide(snapshot: Snapshot, memory: Memory, now: float, *, config: Config | None = None) -> Decision:
    """What to do about a snapshot. A daemon that runs on the host is the one that ends queueing. `config`: the one
    whose texts are in the snapshot, for who has read them already."""
    desired = derive(config or config_in(snapshot), snapshot, resident=snapshot.host.daemon is not None)
    wanted, memory = plan(snapshot, desired, memory, now)
    findings = safety.check(wanted, snapshot, desired, memory)
    return Decision(
        snapshot=snapshot, desired=desired, plan=safety.strip(wanted, findings), findings=findings, memory=memory
    )


def reconcile(
    host: Host,
    files: Files,
    *,
    on_decision: Callable[[Decision], None],
    on_outcome: Callable[[Step, Outcome], None],
) -> Result:
    """Bring the host to its desired state. Another reconcile at the same time: OSError (EWOULDBLOCK) from the lock."""
    lock = host.lock(LOCK_FILE)
    try:
        return _rounds(host, files, on_decision=on_decision, on_outcome=on_outcome)
    finally:
        host.unlock(lock)


def _rounds(
    host: Host,
    files: Files,
    *,
    on_decision: Callable[[Decision], None],
    on_outcome: Callable[[Step, Outcome], None],
) -> Result:
    outcomes: list[tuple[Step, Outcome]] = []
    first = last = decide(observe(host, files), Memory(), host.monotonic())
    on_decision(first)
    for number in range(ROUNDS + 1):
        if not last.pending:
            break
        done = apply(
            host,
            last.plan.records,
            [each.steps for each in last.plan.maps] if number < ROUNDS else [],  # at last only what came of it
            udev_running=last.snapshot.host.udev_running,
            on_outcome=on_outcome,
        ).outcomes
        outcomes += done
        memory = after_apply(last.memory, last.plan, done, host.monotonic())
        last = decide(observe(host, files), memory, host.monotonic())
    return Result(first=first, last=last, outcomes=tuple(outcomes))


def changed(outcomes: tuple[tuple[Step, Outcome], ...]) -> int:
    """How many steps changed something."""
    return sum(isinstance(outcome, Changed) for _, outcome in outcomes)


def untouched(outcomes: tuple[tuple[Step, Outcome], ...]) -> int:
    """How many steps found that it was so already."""
    return sum(isinstance(outcome, Unchanged) for _, outcome in outcomes)
