"""Path groups against answers that the reference implementation's own functions gave."""

from typing import Any

from desired.grouping import GroupPath, PathGroup, group_paths
from desired.values import GroupingPolicy
from tests.oracle.spec import spec_json


def group_path(index: int, described: dict[str, Any]) -> GroupPath:
    return GroupPath(
        index=index,
        usable=described["state"] in ("up", "ghost"),
        priority=described["prio"] if described["prio"] >= 0 else None,
        marginal=bool(described["marginal"]),
        serial=described["serial"],
        node_name=described["node_name"],
        target_port_group=described["tpg"],
    )


def described(group: PathGroup, names: list[str]) -> dict[str, Any]:
    return {
        "prio": group.priority,
        "marginal": int(group.marginal),
        "enabled_paths": group.enabled,
        "paths": [names[path.index] for path in group.paths],
    }


def test_paths_are_grouped_and_ordered_as_the_reference_does() -> None:
    cases = spec_json("vectors", "pgpolicy.json")["cases"]
    assert len(cases) == 62
    for case in cases:
        names = [path["dev"] for path in case["paths"]]
        paths = [group_path(index, path) for index, path in enumerate(case["paths"])]
        groups = group_paths(GroupingPolicy(case["policy"]), paths, separate_marginal=bool(case["marginal_pathgroups"]))
        assert [described(group, names) for group in groups] == case["groups"], case
