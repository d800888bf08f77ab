"""What other programs do with our replies: each with its own command, its own expressions, and its own way to split.

Only rules are taken from them: which command, which expression, which fields. What they understand must be what is so.
"""

import json
import re
import shlex
from dataclasses import replace
from typing import Any

import pytest

from controller.protocol.grammar import HELP_PAGE
from controller.protocol.requests import AddPath, DelPath, FailPath, ReinstatePath, Request, ResizeMap, Result
from controller.protocol.state import DaemonLine, DaemonState
from observers.snapshot import Alias, PathState
from tests.protocol.worlds import (
    ARRAY,
    LOCAL,
    asked,
    said,
    with_health,
    with_line,
    with_map,
    without_maps,
    world,
)

ARRAY_PATHS, LOCAL_PATHS = ["sda", "sdb", "sdc", "sdd"], ["sde", "sdf", "sdg", "sdh"]
IN_MAPS = [*ARRAY_PATHS, *LOCAL_PATHS]


def done(command: str) -> str:
    """The reply to a request that the loop could do."""
    assert isinstance(asked(world(), command), Request)
    return Result.DONE


class TestOsBrick:
    """OpenStack os-brick."""

    def test_the_daemon_is_up(self) -> None:
        assert not said(world(), "show status").startswith("error receiving packet")

    def test_paths_are_split_at_blanks(self) -> None:
        assert said(world(), 'show paths raw format "%d"').split() == [*IN_MAPS, "sdi"]

    @pytest.mark.parametrize(("verb", "kind"), [("add", AddPath), ("del", DelPath)])
    def test_a_path_that_was_added_or_removed_is_ok(self, verb: str, kind: type[Request]) -> None:
        assert isinstance(asked(world(), f"{verb} path /dev/sda"), kind)
        assert done(f"{verb} path /dev/sda").strip() == "ok"

    def test_a_map_is_resized_by_its_device_and_no_reply_looks_like_a_failure(self) -> None:
        assert asked(world(), "resize map /dev/dm-3") == ResizeMap(ARRAY, Alias("data"))
        assert not re.search("fail|timeout", done("resize map /dev/dm-3"))

    def test_the_topology_gives_name_wwid_and_devices(self) -> None:
        lines = said(world(), "show map data topology").splitlines()
        lines = [line for line in lines if not re.match(r"\w{3} \d+ \d\d:\d\d:\d\d \|.*$", line)]
        actions = ("unchanged:", "reject:", "reload:", "switchpg:", "rename:", "create:", "resize:")
        first = lines[0].split(" ")
        name = first[1] if first[0] in actions else first[0]
        found = re.search(r"\((?P<wwid>.+)\)", lines[0])
        assert (name, found and found["wwid"]) == ("data", ARRAY)
        devices = []
        for line in lines[3:]:
            if "policy" in line:
                continue
            host, device = line.lstrip(" |-`").split(" ")[:2]
            devices.append((device, host.split(":")))
        assert [name for name, _ in devices] == ["sda", "sdc", "sdb", "sdd"]
        assert all(len(address) == 4 for _, address in devices)


RUNNING = re.compile(r"pid \d+ (running|idle)")


class TestTrident:
    """NetApp Trident, and Synology's driver with the same expression."""

    @pytest.mark.parametrize("state", [DaemonState.IDLE, DaemonState.RUNNING])
    def test_the_daemon_runs(self, state: DaemonState) -> None:
        daemon = DaemonLine(pid=12, state=state, reconfigures=True)
        assert RUNNING.match(said(replace(world(), daemon=daemon), "show daemon"))

    def test_find_multipaths_is_found_in_the_configuration(self) -> None:
        expression = r"""(?m)^[\t ]*find_multipaths[\t ]*["|']?(?P<tagName>[\w\-_]+)["|']?[\t ]*$"""
        found = re.search(expression, said(world(), "show config"))
        assert found is not None
        assert found["tagName"] == "strict"

    @pytest.mark.parametrize("command", ["resize map data", "add path sda", "fail path sda"])
    def test_requests_come_in_one_argument(self, command: str) -> None:
        assert not done(command).startswith("fail\n")


class TestGobrick:
    """Dell gobrick: PowerStore, Unity, PowerMax."""

    def test_a_map_is_found_by_its_device_and_has_three_fields(self) -> None:
        text = said(world(), "show maps")
        assert "timeout" not in text
        (line,) = (line for line in text.splitlines() if " dm-3 " in line)
        assert line.split() == ["data", "dm-3", ARRAY]

    def test_the_paths_of_a_unit_are_found_by_its_wwid(self) -> None:
        lines = said(world(), 'show paths raw format "%d %w %m"').splitlines()
        mine = [line.split(" ") for line in lines if ARRAY in line]
        assert mine == [[name, ARRAY, "data"] for name in ARRAY_PATHS]


class TestHpe:
    """HPE common-host-libs."""

    @pytest.mark.parametrize("command", ["show maps", "show paths", "show topology", 'show paths format "%w %T"'])
    def test_nothing_of_a_healthy_host_looks_like_an_outage(self, command: str) -> None:
        assert not re.search("timeout|receiving packet", said(world(), command))

    def test_active_paths_have_their_states_in_the_right_fields(self) -> None:
        lines = said(world(), 'show paths format "%w %d %t %i %o %T %z %s %m"').splitlines()
        fields = [line.split() for line in lines if ARRAY in line]
        assert all(len(each) >= 5 and each[2] == "active" and each[5] == "ready" for each in fields)
        assert len(fields) == 4

    def test_an_orphan_of_a_known_array_is_recognised(self) -> None:
        line = said(without_maps(world()), 'show paths format "%w %d %t %i %o %T %z %s %m"').splitlines()[1]
        hardware = line.replace("NETAPP", "Nimble")
        found = re.search(
            r"(\S+)\s+\S+\s+\S+\s+(\d+):(\d+):(\d+):(\d+).*(Nimble|3PARdata|TrueNAS|FreeNAS).*orphan", hardware
        )
        assert found is not None
        assert found.groups()[:5] == (ARRAY, "0", "0", "0", "300")

    def test_maps_are_split_at_blanks(self) -> None:
        lines = said(world(), 'show maps format "%w %d %n %s"').splitlines()[1:]
        assert [line.split()[:3] for line in lines] == [[ARRAY, "dm-3", "data"], [LOCAL, "dm-4", LOCAL]]

    def test_json_is_one_object_and_nothing_after_it(self) -> None:
        text = said(world(), "show multipaths json")
        value, end = json.JSONDecoder().raw_decode(text)
        assert text[end:] == "\n"
        assert [each["name"] for each in value["maps"]] == ["data", LOCAL]

    @pytest.mark.parametrize("command", ["resize map data", "reconfigure"])
    def test_what_was_done_is_ok(self, command: str) -> None:
        assert "ok" in done(command)


class TestIbm:
    """IBM's block CSI driver: three arguments, two of them lone quotes, which the client joins by blanks."""

    @pytest.mark.parametrize(
        ("format_", "pair"),
        [("%w,%d", [ARRAY, "dm-3"]), ("%d,%w", ["dm-3", ARRAY]), ("%n,%w", ["data", ARRAY])],
    )
    def test_lone_quotes_are_quotes(self, format_: str, pair: list[str]) -> None:
        command = " ".join(["show", "maps", "raw", "format", '"', format_, '"'])
        line = said(world(), command).splitlines()[0]
        assert [field.strip() for field in line.split(",")] == pair
        assert line == f" {','.join(pair)} "


class TestInfinidat:
    """Infinidat's CSI driver and its Python library."""

    def test_raw_lines_are_searched_for_a_name_and_an_underscore(self) -> None:
        lines = said(world(), 'show paths raw format "%m_%d_"').splitlines()
        assert [line for line in lines if "data_" in line] == [f"data_{name}_" for name in ARRAY_PATHS]
        assert "data_/dm-3_" in said(world(), 'show maps raw format "%n_/%d_"').splitlines()

    def test_padded_lines_are_searched_for_a_name_and_a_blank(self) -> None:
        lines = said(world(), 'show paths format "%m,%d"').splitlines()
        assert [line.split(",")[1].strip() for line in lines if "data " in line] == ARRAY_PATHS

    def test_the_library_sends_a_line_end_and_reads_the_version_out_of_the_help(self) -> None:
        text = said(world(), "?\n")
        assert re.search(r"multipath-tools v(\d+\.\d+\.\d+)", text)
        assert said(world(), "show paths\n") == said(world(), "show paths")

    def test_the_topology_has_no_colours(self) -> None:
        text = said(world(), "show multipaths topology")
        assert re.sub(r"\x1b\[[0-9;]*m", "", text) == text

    @pytest.mark.parametrize(("verb", "kind"), [("fail", FailPath), ("reinstate", ReinstatePath)])
    def test_paths_are_failed_and_reinstated(self, verb: str, kind: type[Request]) -> None:
        assert isinstance(asked(world(), f"{verb} path sda\n"), kind)


def test_huawei_finds_a_map_by_the_end_of_its_line() -> None:
    lines = said(world(), "show maps").splitlines()
    (line,) = (line for line in lines if line.endswith(ARRAY))
    assert len(line.split()) == 3


class TestVdsm:
    """oVirt's vdsm."""

    def test_the_daemon_is_ready_when_it_is_not_busy(self) -> None:
        assert "busy: false" in said(world(), "show status").lower()

    def test_a_resize_is_exactly_ok(self) -> None:
        assert done("resize map data") == "ok\n"

    def test_the_local_configuration_has_sections_of_keywords_and_values(self) -> None:
        depth, sections = 0, []
        for line in said(world(), "show config local").splitlines():
            text = line.strip()
            if text.endswith("{"):
                sections.append(text.split()[0])
                depth += 1
            elif text == "}":
                depth -= 1
            else:
                key, _, value = text.partition(" ")
                assert key
                assert value
        assert depth == 0
        assert set(sections) == {
            "defaults", "blacklist", "blacklist_exceptions", "devices", "device", "overrides", "multipaths",
            "multipath",
        }  # fmt: skip


class TestXenServer:
    """XenServer's storage manager, over the interactive client."""

    def test_the_help_has_a_word(self) -> None:
        assert "switchgroup" in said(world(), "help") == f"fail\nhelp: not found\n{HELP_PAGE}"

    def test_paths_are_found_in_the_topology(self) -> None:
        found = re.findall(r"[0-9]+:[0-9]+:[0-9]+:[0-9]+\s*([a-z]*)", said(world(), "show map data topology"))
        assert found == ["sda", "sdc", "sdb", "sdd"]

    @pytest.mark.parametrize(
        "command", ["add path sda", "remove path sda", "remove map data", "resize map data", "reconfigure"]
    )
    def test_what_was_done_is_one_line(self, command: str) -> None:
        prompt = re.fullmatch(r"multipathd>(\s*[^:]*:)?\s+(.*)", f"multipathd> {done(command).strip()}")
        assert prompt is not None
        assert prompt[2] == "ok"


class TestCurtin:
    """Ubuntu's curtin: assignments in shell quotes."""

    PATHS = (
        "device='%d' serial='%z' multipath='%m' host_wwnn='%N' target_wwnn='%n' host_wwpn='%R' target_wwpn='%r'"
        " host_adapter='%a'"
    )

    def parsed(self, command: str) -> list[dict[str, str]]:
        lines = said(world(), command).splitlines()
        return [dict(item.split("=", 1) for item in shlex.split(line)) for line in lines]

    def test_paths_are_assignments(self) -> None:
        first, *_, last = self.parsed(f'show paths raw format "{self.PATHS}"')
        assert (first["device"], first["multipath"], first["target_wwpn"]) == ("sda", "data", "0x5001")
        assert "orphan" in last["multipath"]
        assert len(first) == 8

    def test_maps_are_assignments(self) -> None:
        first, _ = self.parsed("show maps raw format \"name='%n' multipath='%w' sysfs='%d' paths='%N'\"")
        assert first == {"name": "data", "multipath": ARRAY, "sysfs": "dm-3", "paths": "4"}


@pytest.mark.parametrize(("command", "count"), [("paths", "%d,%z,%m,%N,%n,%R,%r,%a"), ("maps", "%w,%d,%N")])
def test_probert_counts_commas(command: str, count: str) -> None:
    lines = said(world(), f'show {command} raw format "{count}"').splitlines()
    assert {len(line.split(",")) for line in lines} == {count.count(",") + 1}


EXPORTED: dict[str, dict[str, type]] = {
    "map": dict.fromkeys(
        ["name", "uuid", "sysfs", "failback", "queueing", "write_prot", "dm_st", "features", "hwhandler", "action",
         "vend", "prod", "rev"], str,
    ) | dict.fromkeys(["paths", "path_faults", "switch_grp", "map_loads", "total_q_time", "q_timeouts"], int)
    | {"path_groups": list},
    "group": {"selector": str, "pri": int, "dm_st": str, "marginal_st": str, "group": int, "paths": list},
    "path": {"pri": int} | dict.fromkeys(
        ["dev", "dev_t", "dm_st", "dev_st", "chk_st", "checker", "host_wwnn", "target_wwnn", "host_wwpn", "target_wwpn",
         "host_adapter", "lun_hex", "marginal_st"], str,
    ),
}  # fmt: skip


def decoded(kind: str, value: dict[str, Any]) -> None:
    """Decode as into a structure: each key of its type, numbers without a sign."""
    assert {key: type(one) for key, one in value.items()} == EXPORTED[kind]
    assert all(one >= 0 for one in value.values() if isinstance(one, int))


def test_the_exporter_decodes_everything_even_where_no_priority_is_known() -> None:
    state = with_line(world(), "sda", priority=None)
    value = json.loads(said(state, "show maps json"))
    assert (value["major_version"], value["minor_version"]) == (0, 1)
    for each in value["maps"]:
        decoded("map", each)
        for group in each["path_groups"]:
            decoded("group", group)
            for path in group["paths"]:
                decoded("path", path)


def test_the_textfile_collector_skips_a_header_and_takes_three_fields() -> None:
    _, *lines = said(
        with_health(world(), "sda", PathState.DOWN), "show paths format '%d %t %T'".replace("'", '"')
    ).splitlines()
    assert {len(line.split()) for line in lines} == {3}
    assert lines[0].split() == ["sda", "active", "faulty"]


@pytest.mark.parametrize(
    "command",
    ["show config", 'show paths format "%w %d %t %i %o %T %c  %r %R %m %s"', 'show maps format "%w %d %n %S"'],
)
def test_what_support_tools_store_is_there(command: str) -> None:
    assert said(world(), command).count("\n") > 2


def test_insights_reads_the_topology() -> None:
    names, policies, paths = [], [], []
    for line in said(world(), "show topology").splitlines():
        if found := re.search(r"\(?([A-Za-z0-9_\s]+)\)?\s+dm-", line):
            names.append(found[1])
        if found := re.search(r"policy='(round-robin|queue-length|service-time) \d'\s+prio=(\d+)\s+status=(\w+)", line):
            policies.append(found.groups())
        if found := re.search(r"(\d+:\d+:\d+:\d+)\s+(\w+)\s+(\d+:\d+)\s+(\w+)\s+(\w+)\s+(\w+)", line):
            paths.append(found.groups())
    assert names == [ARRAY, LOCAL]
    assert [state for _, _, state in policies] == ["active", "enabled", "active"]
    assert [path[1] for path in paths] == ["sda", "sdc", "sdb", "sdd", *LOCAL_PATHS]
    assert paths[0] == ("0:0:0:300", "sda", "8:0", "active", "ready", "running")


@pytest.mark.parametrize("verb", ["getprkey", "getprstatus", "getprhold"])
def test_fencing_asks_for_reservations(verb: str) -> None:
    assert re.fullmatch(r"(none|0x[0-9a-f]+(:aptpl)?|unset|set|unknown)\n", said(world(), f"{verb} map data"))


def test_plugins_look_for_failed_and_faulty() -> None:
    broken = with_health(world(), "sdb", PathState.DOWN)
    assert not re.search("failed|faulty", said(world(), "show topology"))
    assert re.search("failed|faulty", said(broken, "show topology"))


def test_maps_with_odd_names_do_not_break_the_columns() -> None:
    state = with_map(world(), ARRAY, suspended=True)
    assert {len(line.split()) for line in said(state, "show maps").splitlines()} == {3}
