"""What becomes of a map when its last path is gone: flush_on_last_del and deferred_remove."""

from dataclasses import replace

import pytest

from actuators.steps import CancelRemoval, MapRef, RemoveMap, SetQueueing
from controller.reconcile.plan import MapPlan
from desired.care import MapCare
from desired.values import FlushOnLastDel, RetryMode
from observers.snapshot import Alias
from tests.planner.builders import desire, group, kinds, only, running, snapshot, table, uuid, wanted
from tests.planner.resident import Host, caring

NEVER, ALWAYS, UNUSED = FlushOnLastDel.NEVER, FlushOnLastDel.ALWAYS, FlushOnLastDel.UNUSED


def host(flush: FlushOnLastDel, *, queues: bool, used: bool, deferred: bool = False) -> Host:
    """A map whose paths all went away."""
    retry = RetryMode.QUEUE if queues else RetryMode.FAIL
    care = MapCare(flush_on_last_del=flush, no_path_retry=retry, deferred_remove=deferred)
    want = caring(wanted("a", [0], shape=table(group(0), features="queue_if_no_path" if queues else "")), care)
    it = Host(snapshot(running(want, open_count=int(used), failed=[0]), disks=1), desire(want))
    it.cycle()
    live = it.snapshot.maps[0]
    status = running(want, failed=[0]).status
    it.snapshot = replace(it.snapshot, paths=(), maps=(replace(live, status=status),))
    it.desired = desire(wwids=it.desired.wwids)
    return it


def gone(flush: FlushOnLastDel, *, queues: bool, used: bool, deferred: bool = False) -> MapPlan:
    return only(host(flush, queues=queues, used=used, deferred=deferred).cycle())


@pytest.mark.parametrize(
    ("flush", "queues", "used", "steps"),
    [
        (NEVER, True, False, []),
        (NEVER, True, True, []),
        (NEVER, False, False, ["RemoveMap"]),
        (NEVER, False, True, []),
        (UNUSED, True, False, ["SetQueueing", "RemoveMap"]),
        (UNUSED, True, True, []),
        (UNUSED, False, False, ["RemoveMap"]),
        (UNUSED, False, True, []),
        (ALWAYS, True, False, ["SetQueueing", "RemoveMap"]),
        (ALWAYS, True, True, ["SetQueueing"]),
        (ALWAYS, False, False, ["RemoveMap"]),
        (ALWAYS, False, True, []),
    ],
)
def test_what_is_done(flush: FlushOnLastDel, queues: bool, used: bool, steps: list[str]) -> None:
    assert kinds(gone(flush, queues=queues, used=used).steps) == steps


def test_a_map_that_stays_says_why() -> None:
    assert any("flush_on_last_del is never" in reason for reason in gone(NEVER, queues=True, used=False).reasons)


@pytest.mark.parametrize(
    ("flush", "queues", "steps"),
    [
        (ALWAYS, True, ["SetQueueing", "RemoveMap"]),
        (UNUSED, False, ["RemoveMap"]),
        (UNUSED, True, []),
        (NEVER, True, []),
    ],
)
def test_a_map_in_use_is_removed_later_where_that_is_configured(
    flush: FlushOnLastDel, queues: bool, steps: list[str]
) -> None:
    made = gone(flush, queues=queues, used=True, deferred=True)
    assert kinds(made.steps) == steps
    assert all(step.deferred for step in made.steps if isinstance(step, RemoveMap))


def test_a_removal_that_the_kernel_has_taken_note_of_is_not_asked_for_again() -> None:
    it = host(UNUSED, queues=False, used=True, deferred=True)
    it.snapshot = replace(it.snapshot, maps=(replace(it.snapshot.maps[0], deferred_remove=True),))
    made = only(it.cycle())
    assert made.steps == ()
    assert any("when it is closed" in reason for reason in made.reasons)


def back(*paths: int) -> Host:
    """A map in use that is to be removed when it is closed, and whose paths are there again."""
    want = wanted("a", paths)
    live = replace(running(wanted("a", [0]), open_count=1), deferred_remove=True)
    return Host(snapshot(live, disks=2), desire(want))


def test_a_removal_that_waits_is_taken_back_when_a_path_is_there_again() -> None:
    it = back(0)
    made = only(it.cycle())
    assert made.steps == (CancelRemoval(map=MapRef(uuid("a"), Alias("a"))),)
    assert made.action == "keep"
    assert any("it is wanted again" in reason for reason in made.reasons)
    assert it.snapshot.maps[0].deferred_remove is False
    assert only(it.cycle()).steps == ()


def test_it_is_taken_back_before_anything_that_may_be_refused() -> None:
    assert kinds(only(back(0, 1).cycle()).steps) == ["CancelRemoval", "ReloadMap"]


def test_it_is_taken_back_also_of_a_map_that_stays_as_it_is_since_it_can_not_be_as_desired() -> None:
    it = back(0)
    it.desired = replace(it.desired, maps=tuple(replace(each, reject="sizes differ") for each in it.desired.maps))
    assert kinds(only(it.cycle()).steps) == ["CancelRemoval"]


def test_a_map_of_which_nothing_is_remembered_goes_as_ever() -> None:
    it = host(NEVER, queues=True, used=False)
    it.memory = replace(it.memory, maps={})
    ref = MapRef(uuid("a"), Alias("a"))
    assert it.cycle().steps[0] == SetQueueing(map=ref, queue=False)
