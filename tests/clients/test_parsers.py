"""What other programs make of a host that is not all well: unknown priorities, failed paths, paths of no map.

Each with its own way to read, from its row (`tests.clients.table`); the rows themselves look at a host that is well.
"""

import re
import shlex
from dataclasses import replace

import pytest

from controller.protocol.grammar import HELP_PAGE
from controller.protocol.state import DaemonLine, DaemonState
from observers.snapshot import PathState
from tests.clients.monitoring import exported, insights_reads
from tests.clients.storage_drivers import HPE_ORPHAN, HPE_PATHS, RUNNING
from tests.clients.systems import CURTIN_PATHS
from tests.protocol.worlds import ARRAY, LOCAL, said, with_health, with_line, with_map, without_maps, world

ARRAY_PATHS, LOCAL_PATHS = ["sda", "sdb", "sdc", "sdd"], ["sde", "sdf", "sdg", "sdh"]


@pytest.mark.parametrize("state", [DaemonState.IDLE, DaemonState.RUNNING])
def test_trident_sees_that_the_daemon_runs_even_before_a_reconfigure(state: DaemonState) -> None:
    daemon = DaemonLine(pid=12, state=state, reconfigures=True)
    assert RUNNING.match(said(replace(world(), daemon=daemon), "show daemon"))


def test_hpe_recognises_a_path_of_no_map_by_its_array() -> None:
    line = said(without_maps(world()), HPE_PATHS).splitlines()[1]
    found = HPE_ORPHAN.search(line.replace("NETAPP", "Nimble"))
    assert found is not None
    assert found.groups()[:5] == (ARRAY, "0", "0", "0", "300")


def test_the_help_page_is_a_refusal_with_the_word_that_xenserver_looks_for() -> None:
    assert "switchgroup" in said(world(), "help") == f"fail\nhelp: not found\n{HELP_PAGE}"


def test_curtin_sees_that_a_path_has_no_map() -> None:
    lines = said(world(), f'show paths raw format "{CURTIN_PATHS}"').splitlines()
    last = dict(item.split("=", 1) for item in shlex.split(lines[-1]))
    assert "orphan" in last["multipath"]
    assert len(last) == 8


def test_the_exporter_decodes_everything_even_where_no_priority_is_known() -> None:
    state = with_line(world(), "sda", priority=None)
    found = exported(said(state, "show maps json"))
    assert {wwid: sorted(paths) for wwid, paths in found.items()} == {ARRAY: ARRAY_PATHS, LOCAL: LOCAL_PATHS}


def test_the_textfile_collector_sees_a_path_that_does_not_work() -> None:
    _, first, *_ = said(with_health(world(), "sda", PathState.DOWN), 'show paths format "%d %t %T"').splitlines()
    assert first.split() == ["sda", "active", "faulty"]


def test_insights_reads_groups_in_the_order_in_which_they_are_used() -> None:
    names, groups, paths = insights_reads(said(world(), "show topology"))
    assert (names, groups) == ([ARRAY, LOCAL], ["active", "enabled", "active"])
    assert [path.split()[1] for path in paths] == ["sda", "sdc", "sdb", "sdd", *LOCAL_PATHS]


def test_plugins_find_a_path_that_does_not_work() -> None:
    broken = with_health(world(), "sdb", PathState.DOWN)
    assert re.search("failed|faulty", said(broken, "show topology"))


def test_maps_that_are_suspended_do_not_break_the_columns() -> None:
    state = with_map(world(), ARRAY, suspended=True)
    assert {len(line.split()) for line in said(state, "show maps").splitlines()} == {3}
