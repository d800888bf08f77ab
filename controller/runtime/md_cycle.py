"""md arrays of level multipath, in one go: ask the members that are due, plan, check, apply.

In: a host and a snapshot. Out: an `MdDecision`, or what came of its steps. Asking waits for each answer, so this is for
single commands; the daemon asks in its lanes and calls `due`, `asked`, `plan_md`, `allowed` and `after_md` itself.
Nothing is decided here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from actuators.md import apply_md
from actuators.steps import MdStep, Outcome
from controller.reconcile.md import MdMemory, MdPlan, MdTarget, after_md, asked, due, plan_md
from controller.reconcile.md_safety import MdViolation, allowed
from observers import mdstat
from observers.asking import ask
from observers.host import Host, ReadHost
from observers.md_member import MdFinding, probe_member
from observers.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class MdDecision:
    """What to do on md arrays; `plan` holds only steps that passed the safety rules."""

    snapshot: Snapshot
    plan: MdPlan
    violations: tuple[MdViolation, ...]
    memory: MdMemory

    @property
    def pending(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.plan.steps)


def probe(host: ReadHost, targets: Sequence[MdTarget]) -> tuple[MdFinding, ...]:
    """What members answer, asked one after the other."""
    return tuple(ask(host, each.member.name, probe_member(each.array, each.member)) for each in targets)


def decide_md(host: ReadHost | None, snapshot: Snapshot, memory: MdMemory, now: float) -> MdDecision:
    """Ask the members that are due, and plan. `host`: None when there is only a snapshot, and nobody can be asked."""
    findings: tuple[MdFinding, ...] = ()
    if host is not None:
        targets = due(snapshot, memory, now)
        findings = probe(host, targets)
        memory = asked(memory, targets, now)
    wanted, memory = plan_md(snapshot, findings, memory, now)
    plan, violations = allowed(wanted, snapshot, findings)
    return MdDecision(snapshot=snapshot, plan=plan, violations=violations, memory=memory)


def reconcile_md(
    host: Host,
    snapshot: Snapshot,
    *,
    on_decision: Callable[[MdDecision], None],
    on_outcome: Callable[[MdStep, Outcome], None],
    rounds: int = 2,
) -> tuple[tuple[MdStep, Outcome], ...]:
    """Ask and give back once. A `re-add` that md refuses at once is followed by the other way, in a second round."""
    memory = MdMemory()
    outcomes: list[tuple[MdStep, Outcome]] = []
    for _ in range(rounds):
        decision = decide_md(host, snapshot, memory, host.monotonic())
        on_decision(decision)
        if not decision.pending:
            break
        done = apply_md(host, decision.plan.steps, on_outcome=on_outcome)
        outcomes += done
        memory = after_md(decision.memory, snapshot, done, host.monotonic())
        if not memory.other_way:
            break
        memory = MdMemory(other_way=memory.other_way)
        snapshot = replace(snapshot, md_arrays=mdstat.observe(host).arrays)
    return tuple(outcomes)
