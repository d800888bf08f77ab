"""Differences as values: each with old and new, in words that a person can act on."""

import pytest

from controller.reconcile.diff import Diff, Difference, What, compare, without
from desired.model import DesiredMap
from observers.dmtable import MultipathTable
from observers.snapshot import Map
from tests.planner.builders import SIZE, devs, group, running, table, wanted


def differences(live: Map, want: DesiredMap, *, writable: bool = True) -> Diff:
    usable = frozenset(devs(*range(8)))
    return compare(live, want, want.table, usable=usable, writable=writable)


def shaped(*numbers: int, shape: MultipathTable) -> DesiredMap:
    return wanted("a", numbers, shape=shape)


def test_a_map_as_desired_has_no_difference() -> None:
    assert differences(running(wanted("a", [0])), wanted("a", [0])) == Diff()


@pytest.mark.parametrize(
    ("live", "want", "text"),
    [
        pytest.param(running(wanted("a", [0])), wanted("a", [0], alias="b"), "name: a -> b", id="name"),
        pytest.param(
            running(wanted("a", [0])),
            wanted("a", [0], read_only=True),
            "access: read-write -> read-only",
            id="access",
        ),
        pytest.param(
            running(wanted("a", [0])),
            shaped(0, shape=table(group(0), features="queue_if_no_path")),
            "queueing: I/O fails when no path is left -> I/O waits when no path is left",
            id="queueing",
        ),
        pytest.param(
            running(wanted("a", [0])),
            shaped(0, shape=table(group(0), features="queue_mode bio")),
            "queue mode: request -> bio",
            id="to bio",
        ),
        pytest.param(
            running(shaped(0, shape=table(group(0), features="queue_mode bio"))),
            wanted("a", [0]),
            "queue mode: bio -> request",
            id="from bio",
        ),
    ],
)
def test_a_difference_says_old_and_new(live: Map, want: DesiredMap, text: str) -> None:
    assert [str(each) for each in differences(live, want).differences] == [text]


def test_differences_come_in_the_order_of_looking() -> None:
    want = wanted("a", [0, 1], alias="b", shape=table(group(0, 1), size=2 * SIZE, features="pg_init_retries 3"))
    found = differences(running(wanted("a", [0])), want)
    assert [each.what for each in found.differences] == [What.NAME, What.SIZE, What.FEATURES, What.GROUPS]
    assert found.get(What.SIZE) == Difference(What.SIZE, "131072 sectors", "262144 sectors")
    assert [each.what for each in found.reloading] == [What.FEATURES, What.GROUPS]


def test_only_the_name_of_a_device_without_a_table_can_be_compared() -> None:
    live = running(wanted("a", [0]), table=None, status=None)
    assert [each.what for each in differences(live, wanted("a", [0], alias="b")).differences] == [What.NAME]


@pytest.mark.parametrize(
    ("gone", "groups", "best"),
    [
        pytest.param((), [(0,), (1,), (2, 3)], 2, id="nothing goes"),
        pytest.param((0,), [(1,), (2, 3)], 1, id="the best group moves up"),
        pytest.param((1,), [(0,), (2, 3)], 1, id="the best group goes"),
        pytest.param((2,), [(0,), (1,), (3,)], 2, id="a path of another group goes"),
        pytest.param((0, 1, 2, 3), [], 0, id="all go"),
    ],
)
def test_a_table_without_some_paths_keeps_its_best_group(
    gone: tuple[int, ...], groups: list[tuple[int, ...]], best: int
) -> None:
    whole = table(group(0), group(1), group(2, 3), best=2)
    left = without(whole, frozenset(devs(*gone)))
    assert left == table(*(group(*numbers) for numbers in groups), best=best)


def test_io_affinity_masks_are_compared_as_numbers() -> None:
    shown = table(group(0, selector="io-affinity", args=("0000,00000f",)))
    same = shaped(0, shape=table(group(0, selector="io-affinity", args=("f",))))
    other = shaped(0, shape=table(group(0, selector="io-affinity", args=("e",))))
    live = running(wanted("a", [0]), table=shown)
    assert differences(live, same) == Diff()
    assert [each.what for each in differences(live, other).differences] == [What.PATH_ARGS]


def test_arguments_of_an_unknown_selector_are_compared_as_they_are() -> None:
    live = running(wanted("a", [0]), table=table(group(0, selector="new-one", args=("1", "2"))))
    same = shaped(0, shape=table(group(0, selector="new-one", args=("1", "2"))))
    other = shaped(0, shape=table(group(0, selector="new-one", args=("1",))))
    assert differences(live, same) == Diff()
    assert differences(live, other) != Diff()


@pytest.mark.parametrize(
    ("had", "shown", "wants"),
    [("round-robin", ("1",), "service-time"), ("service-time", ("1", "1"), "queue-length"),
     ("service-time", ("1", "1"), "historical-service-time")],
)  # fmt: skip
def test_another_selector_alone_is_one_difference(had: str, shown: tuple[str, ...], wants: str) -> None:
    live = running(wanted("a", [0]), table=table(group(0, selector=had, args=shown)))
    found = differences(live, shaped(0, shape=table(group(0, selector=wants))))
    assert [each.what for each in found.differences] == [What.SELECTOR]


def test_another_selector_with_other_arguments_is_two() -> None:
    live = running(wanted("a", [0]), table=table(group(0, selector="round-robin", args=("1",))))
    found = differences(live, shaped(0, shape=table(group(0, selector="service-time", args=("1", "7")))))
    assert [each.what for each in found.differences] == [What.SELECTOR, What.PATH_ARGS]
