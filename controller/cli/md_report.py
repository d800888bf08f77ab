"""What `mpathctl reconcile` says and does about md arrays of level multipath: its own heading, after the maps.

In: a host and a snapshot. Out: text, on standard output; what md refused, on standard error. It decides nothing.
"""

import sys

from actuators.steps import Changed, Lost, MdStep, Outcome, Refused, Unchanged
from controller.reconcile.md_text import md_plan_text, md_step_text
from controller.runtime.md_cycle import MdDecision, reconcile_md
from observers.host import Host
from observers.mdstat import MULTIPATH
from observers.snapshot import Snapshot


def run_md(host: Host, snapshot: Snapshot) -> bool:
    """Ask failed members once, give back those that answer; False when md refused one, or a safety rule stopped it."""
    if not any(array.level == MULTIPATH for array in snapshot.md_arrays):
        return True
    stopped: list[MdDecision] = []

    def decided(decision: MdDecision) -> None:
        show(decision)
        if decision.violations:
            stopped.append(decision)

    outcomes = reconcile_md(host, snapshot, on_decision=decided, on_outcome=_show_outcome)
    last = {(step.array, step.dev): outcome for step, outcome in outcomes}
    return not stopped and not any(isinstance(outcome, Refused | Lost) for outcome in last.values())


def show(decision: MdDecision) -> None:
    """A plan under its heading; nothing where there is no array of level multipath."""
    text = md_plan_text(decision.plan)
    if text:
        sys.stdout.write("\n" + text)


def _show_outcome(step: MdStep, outcome: Outcome) -> None:
    what = md_step_text(step)
    match outcome:
        case Unchanged():
            sys.stdout.write(f"was so: {what}\n")
        case Changed(note):
            sys.stdout.write(f"done: {what}" + (f" ({note})" if note else "") + "\n")
        case Refused(_, message, hint):
            _complain(f"refused: {what}: {message}", hint)
        case Lost(message):
            _complain(f"not done, the host has changed: {what}: {message}", "")


def _complain(message: str, hint: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"mpathctl: {message}\n" + (f"mpathctl: {hint}\n" if hint else ""))
