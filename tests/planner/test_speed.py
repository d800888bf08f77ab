"""Planning is fast enough, and its cost grows as the number of maps."""

import time
from collections.abc import Callable

import pytest

from controller.reconcile.plan import Memory
from controller.reconcile.planner import plan
from desired.model import Desired
from observers.snapshot import Snapshot
from tests.planner.builders import NOW, desire, disk, running, snapshot, wanted

BUDGET = 0.15
"""Seconds of processor time for 1,000 maps of 4 paths."""


def host(maps: int, *, exist: bool) -> tuple[Snapshot, Desired]:
    wants = [wanted(f"m{n}", [4 * n, 4 * n + 1], [4 * n + 2, 4 * n + 3]) for n in range(maps)]
    live = [running(want, number=n) for n, want in enumerate(wants)] if exist else []
    return snapshot(*live, disks=[disk(n) for n in range(4 * maps)]), desire(*wants)


def best_of(count: int, work: Callable[[], object]) -> float:
    """The least processor time of several runs: other work on the machine only ever adds."""
    times = []
    for _ in range(count):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize("exist", [True, False], ids=["nothing to do", "all to make"])
def test_a_thousand_maps_are_planned_in_time(exist: bool) -> None:
    snap, want = host(1000, exist=exist)
    assert best_of(5, lambda: plan(snap, want, Memory(), NOW)) < BUDGET


def test_the_cost_is_linear() -> None:
    small, large = host(250, exist=False), host(2000, exist=False)
    one = best_of(5, lambda: plan(*small, Memory(), NOW))
    eight = best_of(3, lambda: plan(*large, Memory(), NOW))
    assert eight < 8 * one * 2
