"""Which path group a map should use next, and whether it may go there now.

Theory of operation. The desired table names the best group. The kernel leaves a group by itself when its last path
fails, at the next I/O; it never comes back by itself. Coming back is `failback`: `immediate` goes at once, N seconds
after so long, `manual` never, and `followover` only when the best group comes back from the dead, so that several
hosts do not pull a logical unit to and fro. That another host pulled it shows in I/O that fails while checks go well: a
path that only the kernel failed does not come back from the dead. Failback does not apply where there is nothing to
lose: a group without a working path is left at once, also when the kernel has not noticed because no I/O came by.

A table that is loaded for another reason must not be a failback in disguise: it starts with the group in use, unless
failback allows the best one now. A group that the kernel disabled (its activation failed) is gone back to when one of
its paths came back, and else after `DISABLED_REST`, as going there each time would make it fail each time.

In: the groups in force after this plan, what is known of the paths, the memory. Out: a `Choice`. It must never look at
anything but its arguments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.reconcile.beliefs import PathFacts
from controller.reconcile.diff import group_key
from desired.model import Failback, FailbackMode
from observers.dmtable import DevT, GroupState, MultipathTable
from observers.snapshot import Map

DISABLED_REST = 60
"""Seconds until a group is tried again whose activation failed: some checks, after which its array may be better."""

Group = frozenset[DevT]
Facts = Mapping[DevT, PathFacts]


@dataclass(frozen=True, slots=True)
class Choice:
    """The group to use (from 1), whether that is a change, why, and since when a better one has waited."""

    group: int
    move: bool = False
    reasons: tuple[str, ...] = ()
    since: float | None = None
    wake_at: float | None = None


def choose(
    live: Map, wanted: MultipathTable, groups: Sequence[Group], *, facts: Facts, rule: Failback,
    since: float | None, now: float,
) -> Choice:  # fmt: skip
    """The group for a map that has a table. `groups`: those in force when this plan is done (live, or to be loaded)."""
    best = _find(groups, _best_group(wanted), facts)
    current = _find(groups, _group_in_use(live), facts) or best
    if not best or not current or best == current or not _usable(groups[best - 1], facts):
        return Choice(current or best)
    if not any(facts[dev].works for dev in groups[current - 1]):
        return Choice(best, move=True, reasons=(f"group {current} has no working path: {_to(best)}",))
    if _disabled(live, groups[best - 1]) and not _revived(groups[best - 1], facts):
        return _of_disabled(best, current, rule=rule, since=since, now=now)
    return _by_rule(best, current, rule=rule, back=_came_back(groups[best - 1], facts), since=since, now=now)


def _to(best: int) -> str:
    return f"I/O goes to group {best}"


def _of_disabled(best: int, current: int, *, rule: Failback, since: float | None, now: float) -> Choice:
    """Until it is tried the waiting is remembered; after that it begins anew, should the kernel disable it again."""
    why = f"group {best} is best, but the kernel disabled it (its activation failed)"
    if rule.mode not in (FailbackMode.IMMEDIATE, FailbackMode.DELAYED):
        return Choice(current, reasons=(why,))
    since = now if since is None else since
    due = since + max(DISABLED_REST, rule.delay)
    if now >= due:
        return Choice(best, move=True, reasons=(f"{why}: it is tried again",))
    return Choice(current, reasons=(f"{why}; it is tried again in {due - now:.0f} s",), since=since, wake_at=due)


def _by_rule(best: int, current: int, *, rule: Failback, back: bool, since: float | None, now: float) -> Choice:
    stays = f"group {current} stays in use though group {best} is better: "
    if rule.mode is FailbackMode.IMMEDIATE:
        return Choice(best, move=True, reasons=(f"failback is immediate: {_to(best)}",))
    if rule.mode is FailbackMode.MANUAL:
        return Choice(current, reasons=(stays + "failback is manual",))
    if rule.mode is FailbackMode.FOLLOWOVER:
        if back:
            return Choice(best, move=True, reasons=(f"failback is followover and group {best} came back: {_to(best)}",))
        return Choice(current, reasons=(stays + "failback is followover, and it did not just come back",))
    since = now if since is None else since
    due = since + rule.delay
    if now >= due:
        return Choice(best, move=True, reasons=(f"failback after {rule.delay} s: {_to(best)}",), since=since)
    return Choice(current, reasons=(f"{stays}failback due in {due - now:.0f} s",), since=since, wake_at=due)


def _best_group(wanted: MultipathTable) -> Group:
    return group_key(wanted.groups[wanted.initial_group - 1]) if wanted.initial_group else frozenset()


def _group_in_use(live: Map) -> Group:
    if live.status is None or live.status.next_group == 0:
        return frozenset()
    return frozenset([path.dev for path in live.status.groups[live.status.next_group - 1].paths])


def _find(groups: Sequence[Group], sought: Group, facts: Facts) -> int:
    """The number of the group that is `sought`, or else has most of its paths (the working ones first); 0: none."""
    for number, group in enumerate(groups, 1):
        if group == sought:
            return number
    shared = [(sum(1 + _weight(facts, dev) for dev in group & sought), -n) for n, group in enumerate(groups, 1)]
    most, number = max(shared, default=(0, 0))
    return -number if most else 0


def _weight(facts: Facts, dev: DevT) -> int:
    """A working path outweighs any number of dead ones (a table has at most 1,024 paths)."""
    return 2048 if facts[dev].works else 0


def _usable(group: Group, facts: Facts) -> bool:
    return any(facts[dev].usable and facts[dev].active_after for dev in group)


def _disabled(live: Map, group: Group) -> bool:
    states = live.status.groups if live.status else ()
    return any(
        each.state is GroupState.DISABLED and frozenset([path.dev for path in each.paths]) == group for each in states
    )


def _revived(group: Group, facts: Facts) -> bool:
    """Whether a path of the group comes back in this plan."""
    return any(facts[dev].usable and facts[dev].active is False and facts[dev].active_after for dev in group)


def _came_back(group: Group, facts: Facts) -> bool:
    """Whether the whole group was dead until now: dm believes in none of its paths, checks saw them down, and this plan
    gives one back."""
    return not any(facts[dev].active or facts[dev].by_kernel for dev in group)
