"""Paths into groups."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired.grouping import UNDEFINED_PRIORITY, GroupPath, alternate_adapters, best_group, group_paths
from desired.values import GroupingPolicy


def path(
    index: int, priority: int | None = 1, *, usable: bool = True, serial: str = "", node: str = "", group: int = 0
) -> GroupPath:
    return GroupPath(
        index=index, usable=usable, priority=priority, serial=serial, node_name=node, target_port_group=group
    )


def places(policy: GroupingPolicy, *paths: GroupPath) -> list[list[int]]:
    return [[each.index for each in group.paths] for group in group_paths(policy, paths)]


FOUR = (
    path(0, 10, serial="a", node="x", group=1),
    path(1, 50, serial="a", node="y", group=2),
    path(2, 10, serial="b", node="x", group=1),
    path(3, 50, serial="b", node="y", group=2),
)


@pytest.mark.parametrize(
    ("policy", "groups"),
    [
        (GroupingPolicy.FAILOVER, [[1], [3], [0], [2]]),
        (GroupingPolicy.MULTIBUS, [[0, 1, 2, 3]]),
        (GroupingPolicy.GROUP_BY_SERIAL, [[0, 1], [2, 3]]),
        (GroupingPolicy.GROUP_BY_PRIO, [[1, 3], [0, 2]]),
        (GroupingPolicy.GROUP_BY_NODE_NAME, [[1, 3], [0, 2]]),
        (GroupingPolicy.GROUP_BY_TPG, [[1, 3], [0, 2]]),
    ],
)
def test_each_policy_looks_at_its_own_fact(policy: GroupingPolicy, groups: list[list[int]]) -> None:
    assert places(policy, *FOUR) == groups


def test_a_path_that_is_down_stays_in_its_group_and_does_not_count() -> None:
    (group,) = group_paths(GroupingPolicy.MULTIBUS, (path(0, 50), path(1, 10, usable=False)))
    assert (group.priority, group.enabled, len(group.paths)) == (50, 1, 2)


def test_the_priority_of_a_group_is_the_mean_without_its_fraction() -> None:
    (group,) = group_paths(GroupingPolicy.MULTIBUS, (path(0, 50), path(1, 11)))
    assert group.priority == 30


def test_a_group_whose_priorities_are_unknown_ranks_below_every_known_one() -> None:
    unknown, known = path(0, None), path(1, 0)
    groups = group_paths(GroupingPolicy.FAILOVER, (unknown, known))
    assert [group.priority for group in groups] == [0, UNDEFINED_PRIORITY]


def test_among_equal_priorities_the_group_with_more_usable_paths_stands_first() -> None:
    paths = (path(0, serial="a"), path(1, serial="b"), path(2, serial="b"))
    assert places(GroupingPolicy.GROUP_BY_SERIAL, *paths) == [[1, 2], [0]]


def test_equal_groups_stand_in_the_order_of_their_paths() -> None:
    assert places(GroupingPolicy.FAILOVER, path(2), path(0), path(1)) == [[2], [0], [1]]


def test_marginal_paths_get_groups_of_their_own_at_the_end() -> None:
    marginal = GroupPath(index=1, usable=True, priority=50, marginal=True)
    groups = group_paths(GroupingPolicy.MULTIBUS, (path(0, 1), marginal), separate_marginal=True)
    assert [[each.index for each in group.paths] for group in groups] == [[0], [1]]


def test_the_best_group_is_the_first_with_a_usable_path() -> None:
    groups = group_paths(GroupingPolicy.FAILOVER, (path(0, None), path(1, 50, usable=False)))
    assert [group.paths[0].index for group in groups] == [1, 0]
    assert best_group(groups) == 2


def test_without_a_usable_path_the_first_group_is_the_best() -> None:
    assert best_group(group_paths(GroupingPolicy.FAILOVER, (path(0, usable=False), path(1, usable=False)))) == 1


def test_without_groups_there_is_no_best_one() -> None:
    assert best_group(()) == 0


def test_adapters_take_turns() -> None:
    assert alternate_adapters([0, 1, 2, 3], ["a", "a", "b", "b"], [1, 1, 2, 2]) == [0, 2, 1, 3]


def test_the_ports_of_an_adapter_take_turns() -> None:
    assert alternate_adapters([0, 1, 2, 3], ["a"] * 4, [1, 1, 2, 2]) == [0, 2, 1, 3]


def test_a_longer_queue_ends_the_order() -> None:
    assert alternate_adapters([0, 1, 2, 3], ["a", "a", "a", "b"], [1, 1, 1, 2]) == [0, 3, 1, 2]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=12))
def test_alternating_loses_no_path_and_changes_nothing_the_second_time(places: list[tuple[str, int]]) -> None:
    adapters, hosts = [adapter for adapter, _ in places], [host for _, host in places]
    order = alternate_adapters(list(range(len(places))), adapters, hosts)
    assert sorted(order) == list(range(len(places)))
    again = alternate_adapters(order, [adapters[at] for at in order], [hosts[at] for at in order])
    assert again == order


@given(
    st.sampled_from(list(GroupingPolicy)),
    st.lists(
        st.builds(
            GroupPath,
            index=st.just(0),
            usable=st.booleans(),
            priority=st.none() | st.integers(0, 90),
            marginal=st.booleans(),
            serial=st.sampled_from("ab"),
            node_name=st.sampled_from("xy"),
            target_port_group=st.none() | st.integers(0, 2),
        ),
        max_size=10,
    ),
    st.booleans(),
)
def test_no_path_is_left_out_or_stands_twice(policy: GroupingPolicy, paths: list[GroupPath], separate: bool) -> None:
    numbered = [
        GroupPath(**{**{name: getattr(each, name) for name in GroupPath.__slots__}, "index": index})
        for index, each in enumerate(paths)
    ]
    groups = group_paths(policy, numbered, separate_marginal=separate)
    assert sorted(each.index for group in groups for each in group.paths) == list(range(len(paths)))
    assert [group.rank for group in groups] == sorted(group.rank for group in groups)
