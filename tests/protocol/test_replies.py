"""Whole replies: tables, the topology, JSON, the daemon's state, and how they go wrong."""

import json
import sys
from dataclasses import replace
from subprocess import run

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.protocol import tables
from controller.protocol.grammar import HELP_PAGE, Verb
from controller.protocol.replies import READS, WRITES, respond
from controller.protocol.requests import Request, Result
from controller.protocol.rows import path_rows
from controller.protocol.state import Action, DaemonState, OtherDevice, Reservation, State
from controller.protocol.texts import Kept
from controller.protocol.wildcards import MAP, PATH
from desired.config import load_config
from observers.dmtable import DevT, Sectors
from observers.snapshot import Alias, DeviceName, DmDevice, DmUuid, ForeignMap, ForeignPath, PathState, TextFile
from tests.protocol.worlds import (
    ARRAY,
    LOCAL,
    NOW,
    said,
    with_health,
    with_line,
    with_map,
    with_map_line,
    with_path,
    without_maps,
    world,
)


def test_columns_are_as_wide_as_their_widest_cell_and_so_is_the_last() -> None:
    assert said(world(), 'show paths format "%d|%p|%o"').splitlines()[:2] == ["dev|pri|dev_st ", "sda|10 |running"]


def test_a_raw_table_has_no_header_and_no_padding() -> None:
    assert said(world(), 'show paths raw format "%d|%p|%C"').splitlines()[0] == "sda|10|XX........ 5/20"


@pytest.mark.parametrize(
    ("format_", "line"),
    [
        ("%y%d", "sda"),
        ("%d%", "sda"),
        ("%%d", "d"),
        ("x%dy", "xsday"),
        ("%d %y %z", "sda  " + ARRAY[9:]),
        ("abc", "abc"),
    ],
)
def test_a_letter_that_is_no_wildcard_is_left_out(format_: str, line: str) -> None:
    assert said(world(), f'show paths raw format "{format_}"').splitlines()[0] == line


@pytest.mark.parametrize("command", ["show maps", "show topology", "show maps raw format %n", "show maps stats"])
def test_a_table_without_rows_is_ok(command: str) -> None:
    assert said(without_maps(world()), command) == "ok\n"


def test_no_maps_are_an_empty_list_in_json() -> None:
    assert json.loads(said(without_maps(world()), "show maps json")) == {
        "major_version": 0, "minor_version": 1, "maps": [],
    }  # fmt: skip


def test_widths_are_counted_in_bytes_and_end_at_255() -> None:
    state = with_map(world(), ARRAY, name=Alias("größe"))
    assert said(state, 'show maps format "%n|"').splitlines()[1] == "größe" + " " * (33 - 7) + "|"
    wide = with_map(world(), ARRAY, name=Alias("x" * 300))
    header, first, second = said(wide, 'show maps format "%n|"').splitlines()
    assert [len(header), len(first), len(second)] == [256, 301, 256]


def test_one_map_is_a_line_of_the_table_of_all_maps_raw_or_not() -> None:
    line = said(world(), 'show maps format "%n %F %Q"').splitlines()[1]
    assert said(world(), 'show map data format "%n %F %Q"') == line + "\n"
    assert said(world(), 'show map data raw format "%n %F %Q"') == line + "\n"


def test_paths_are_listed_as_sysfs_has_them_and_blacklisted_disks_are_not() -> None:
    assert said(world(), "show paths raw format %d").split() == [f"sd{letter}" for letter in "abcdefghi"]


def test_a_path_alone_is_online_or_not() -> None:
    assert said(world(), "show path sda") == "running\n"
    assert said(with_path(world(), "sda", device_state="offline"), "show path sda") == "offline\n"


TOPOLOGY = """\
data (360014050000000000000000000000001) dm-3 NETAPP,LUN C-Mode
size=10G features='3 pg_init_retries 50 queue_if_no_path' hwhandler='1 alua' wp=rw
|-+- policy='service-time 0' prio=10 status=active
| |- 0:0:0:300 sda 8:0   active faulty running
| `- 2:0:0:300 sdc 8:32  active ready  running
`-+- policy='service-time 0' prio=10 status=enabled
  |- 1:0:0:300 sdb 8:16  active ready  running
  `- 3:0:0:300 sdd 8:48  active ready  running
"""


def test_a_map_is_drawn_as_a_tree_whose_columns_are_those_of_all_paths() -> None:
    assert said(with_health(world(), "sda", PathState.DOWN), "show map data topology") == TOPOLOGY


def test_all_maps_are_drawn_one_after_the_other() -> None:
    both = said(world(), "show topology")
    assert both == said(world(), "show maps topology")
    assert both.startswith("data (")
    assert f"\n{LOCAL} dm-4 ACME,Disk\n" in both


def test_what_was_done_with_a_map_stands_before_its_name() -> None:
    state = with_map_line(world(), ARRAY, action=Action.RELOAD)
    assert said(state, "show map data topology").startswith("reload: data (3600")


def test_a_resize_has_no_word_but_its_place_before_the_name() -> None:
    state = with_map_line(world(), ARRAY, action=Action.RESIZE)
    assert said(state, "show map data topology").startswith(": data (3600")


def test_a_path_of_no_map_counts_as_one_that_was_never_checked() -> None:
    state = without_maps(world())
    assert said(state, "show status") == "path checker states:\nunchecked           9\n\npaths: 0\nbusy: False\n"


def test_json_says_the_same_as_the_tables() -> None:
    (data, local) = json.loads(said(world(), "show maps json"))["maps"]
    assert (data["name"], data["uuid"], data["sysfs"], data["paths"]) == ("data", ARRAY, "dm-3", 4)
    assert [group["group"] for group in data["path_groups"]] == [1, 2]
    assert [path["dev"] for group in data["path_groups"] for path in group["paths"]] == ["sda", "sdc", "sdb", "sdd"]
    assert json.loads(said(world(), f"show map {LOCAL} json"))["map"] == local


def test_json_stays_json_whatever_a_device_calls_itself() -> None:
    strange = 'A"B\\C\n\x01\udcff'
    state = with_path(with_map(world(), ARRAY, name=Alias('d"')), "sda", vendor=strange, target_node_name=strange)
    text = said(state, "show maps json")
    (first, _) = json.loads(text)["maps"]
    assert first["name"] == 'd"'
    assert first["vend"] == 'A"B\\C\n\x01\N{REPLACEMENT CHARACTER}'
    assert first["path_groups"][0]["paths"][0]["target_wwnn"] == first["vend"]
    assert text.encode()


def test_priorities_that_are_not_known_are_numbers_without_a_sign_in_json() -> None:
    state = world()
    for name in ("sda", "sdc"):
        state = with_line(state, name, priority=None)
    group = json.loads(said(state, "show map data json"))["map"]["path_groups"][0]
    assert (group["pri"], group["paths"][0]["pri"]) == (0, 0)
    assert "prio=-1" in said(state, "show map data topology")


@pytest.mark.parametrize("state", DaemonState)
def test_the_daemon_says_what_it_does(state: DaemonState) -> None:
    line = replace(world().daemon, state=state)
    assert said(replace(world(), daemon=line), "show daemon") == f"pid 4711 {state.value}\n"
    waiting = replace(world(), daemon=replace(line, reconfigures=True))
    assert said(waiting, "show daemon") == f"pid 4711 {state.value} (pending reconfigure)\n"


def test_the_status_counts_paths_by_their_states() -> None:
    state = with_health(with_health(world(), "sda", PathState.DOWN), "sdi", PathState.UNCHECKED)
    assert said(state, "show status") == (
        "path checker states:\nunchecked           1\ndown                1\nup                  7\n"
        "\npaths: 8\nbusy: False\n"
    )
    busy = replace(state, daemon=replace(state.daemon, busy=True))
    assert said(busy, "show status").endswith("busy: True\n")


def test_the_age_is_that_of_the_snapshot() -> None:
    assert said(world(), "list age") == "age 0.250\ncycle 9\n"
    assert said(replace(world(), now=NOW - 5), "list age").startswith("age 0.000\n")


def test_our_picture_is_drawn_too() -> None:
    assert "no map  360014050000000000000000000000003" in said(world(), "list tree")


def test_all_block_devices_are_listed_with_what_becomes_of_them() -> None:
    others = (OtherDevice(DeviceName("nvme0c0n1"), hidden=True), OtherDevice(DeviceName("nvme0n1"), foreign=True),
              OtherDevice(DeviceName("sdyy")))  # fmt: skip
    root = DmDevice(Alias("root"), DmUuid("LVM-x"), DevT("254:0"))
    state = replace(world(), others=others, snapshot=replace(world().snapshot, other_devices=(root,)))
    lines = said(state, "show devices").splitlines()
    assert lines[0] == "available block devices:"
    assert lines[1] == "    sda  devnode whitelisted, monitored"
    assert lines[-7:] == [
        "    loop0 devnode blacklisted, unmonitored",
        "    dm-0 devnode blacklisted, unmonitored",
        "    dm-3 devnode blacklisted, unmonitored",
        "    dm-4 devnode blacklisted, unmonitored",
        "    nvme0c0n1 hidden, unmonitored",
        "    nvme0n1 foreign, monitored",
        "    sdyy devnode whitelisted, unmonitored",
    ]


def test_the_blacklist_is_listed_by_kind_with_the_configured_rules_marked() -> None:
    lines = said(world(), "show blacklist").splitlines()
    assert [line for line in lines if line.endswith(" rules:")] == [
        "device node rules:", "udev property rules:", "protocol rules:", "wwid rules:", "device rules:",
    ]  # fmt: skip
    assert lines[1:4] == [
        "- blacklist:", "        (config file rule) ^sdz$",
        "        (default rule)     !^(sd[a-z]|dasd[a-z]|nvme[0-9])",
    ]  # fmt: skip
    assert lines[4:6] == ["- exceptions:", "        (config file rule) ^sdy"]
    assert "        (config file rule) BAD:Disk" in lines
    assert "        (default rule)     EMC:LUNZ" in lines
    assert lines[-1] == "        <empty>"


def test_the_configuration_is_printed_whole_or_as_far_as_it_concerns_this_host() -> None:
    whole, local = said(world(), "show config"), said(world(), "show config local")
    assert whole.count("\tdevice {") > 100
    assert local.count("\tdevice {") < 25
    assert '\tfind_multipaths "strict"\n' in whole
    assert f'\t\twwid "{ARRAY}"\n\t\talias "data"\n' in local


@pytest.mark.parametrize(
    ("command", "line", "text"),
    [
        ("getprstatus map data", {}, "unset\n"),
        ("getprstatus map data", {"reserved": Reservation.SET}, "set\n"),
        ("getprstatus map data", {"reserved": Reservation.UNKNOWN}, "unknown\n"),
        ("getprhold map data", {"held": Reservation.SET}, "set\n"),
        ("getprkey map data", {}, "none\n"),
        ("getprkey map data", {"reservation_key": 0xABC}, "0xabc\n"),
        ("getprkey map data", {"reservation_key": 0xABC, "aptpl": True}, "0xabc:aptpl\n"),
    ],
)
def test_reservations_are_told(command: str, line: dict[str, object], text: str) -> None:
    assert said(with_map_line(world(), ARRAY, **line), command) == text


@pytest.mark.parametrize(
    "command",
    ["show path nosuch", "show map nosuch json", "show map nosuch topology", "show map nosuch format %n",
     "getprkey map nosuch", "show map nosuch raw format %n"],
)  # fmt: skip
def test_what_is_not_there_is_not_found(command: str) -> None:
    assert said(world(), command) == "fail\ndevice not found\n"


def test_every_command_has_an_answer() -> None:
    assert {*READS, *WRITES} == set(Verb)
    assert not {*READS} & {*WRITES}


def arguments(verb: Verb, path: str, map_: str) -> str:
    values = {"path": path, "map": map_, "group": "1", "format": "%n", "key": "0x1", "pathlist": "sda", "since": "0"}
    return " ".join(f"{key} {values[key]}" if key in verb.parameters else key for key in verb.keys)


@pytest.mark.parametrize("verb", Verb)
def test_no_command_raises_whether_what_it_names_is_there_or_not(verb: Verb) -> None:
    for path, map_ in (("sda", "data"), ("sdi", LOCAL), ("nosuch", "nosuch"), ("loop0", "dm-9")):
        answer = respond(world(), arguments(verb, path, map_), root=True)
        assert isinstance(answer, Request) or answer.endswith("\n")


@pytest.mark.parametrize("verb", Verb)
def test_others_than_root_only_look(verb: Verb) -> None:
    command = arguments(verb, "sda", "data")
    answer = respond(world(), command, root=False)
    if verb.keys[0] == "list":
        assert answer == respond(world(), command, root=True)
    else:
        assert answer == "fail\npermission deny: need to be root\n"


@pytest.mark.parametrize("text", ["bogus", "reconfigure bogus", "add path"])
def test_what_is_wrong_is_told_before_who_may(text: str) -> None:
    assert str(respond(world(), text, root=False)).endswith(HELP_PAGE)


@given(st.text(max_size=60), st.booleans())
def test_no_request_is_too_strange(text: str, root: bool) -> None:
    answer = respond(world(), text, root=root)
    assert isinstance(answer, Request) or answer.endswith("\n")


@given(st.text(alphabet='%abcdDtnNpoTCS" |', min_size=1, max_size=20))
def test_every_format_gives_each_row_a_line(format_: str) -> None:
    state = world()
    for raw in (False, True):
        rows = tables.table(format_, tables.part(path_rows(state), PATH), raw=raw).splitlines()
        assert len(rows) == 9 + (not raw)
        assert raw or len(set(map(len, rows))) == 1


def test_letters_for_paths_are_not_those_for_maps() -> None:
    assert MAP["n"].title == "name"
    assert PATH["n"].title == "target WWNN"


def test_results_are_whole_replies() -> None:
    assert [result.value for result in Result] == [
        "ok\n", "fail\n", "fail\ndevice not found\n", "fail\nmap or partition in use\n", "blacklisted\n", "delayed\n",
        "map reload error. removed\n",
    ]  # fmt: skip


HEAVY = ("pydantic", "pyudev", "watchfiles", "tenacity", "asyncio", "socket", "desired.config", "observers.host")


@pytest.mark.parametrize("module", ["controller.protocol.frames", "controller.protocol.grammar"])
def test_what_clients_import_is_light(module: str) -> None:
    code = f"import sys, {module}; print([name for name in {HEAVY} if name in sys.modules])"
    assert run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_protocol_imports_no_library() -> None:
    heavy = HEAVY[:4]
    code = f"import sys, controller.protocol.replies; print([name for name in {heavy} if name in sys.modules])"
    assert run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def with_foreign(rule: str) -> State:
    """The host, with an NVMe namespace that the kernel multipaths."""
    head, size = DeviceName("nvme0n1"), Sectors(2048)
    paths = tuple(
        ForeignPath(name=DeviceName(f"nvme0c{number}n1"), dev=DevT("0:0"), head=head, size=size, state="live")
        for number in (0, 1)
    )
    namespace = ForeignMap(
        library="nvme",
        name=head,
        dev=DevT("259:0"),
        wwid="uuid.1",
        subsystem="nqn.x",
        namespace=1,
        size=size,
        paths=paths,
    )
    text = TextFile("/etc/multipath.conf", f'defaults {{\n\tenable_foreign "{rule}"\n}}\n')
    changed = replace(world().snapshot, foreign_maps=(namespace,))
    return replace(world(), snapshot=changed, config=load_config((text,)))


def test_maps_of_the_kernel_stand_in_the_same_tables_where_they_are_wanted() -> None:
    state = with_foreign("^nvme$")
    lines = said(state, "show maps").splitlines()
    assert lines[-1].split() == ["nqn.x:nsid.1", "nvme0n1", "uuid.1"]
    assert len(set(map(len, lines))) == 1
    assert [line.split()[1] for line in said(state, "show paths").splitlines()][-2:] == ["nvme0c0n1", "nvme0c1n1"]
    assert said(with_foreign("NONE"), "show maps") == said(world(), "show maps")


def test_maps_of_the_kernel_stand_under_the_other_trees_in_the_same_columns() -> None:
    lines = said(with_foreign("nvme"), "show topology").splitlines()
    assert lines[-6] == "uuid.1 [nvme]:nvme0n1 NVMe,,"
    assert lines[-3] == "| `- 0:0:1     nvme0c0n1 0:0   n/a    n/a   live   "
    assert lines[3] == "| |- 0:0:0:300 sda       8:0   active ready running"


def test_maps_of_the_kernel_are_not_in_json_and_are_no_maps_for_commands() -> None:
    assert said(with_foreign("nvme"), "show maps json") == said(world(), "show maps json")
    assert said(with_foreign("nvme"), "show map nvme0n1 json") == "fail\ndevice not found\n"


@pytest.mark.parametrize("columns", [4, 40], ids=["narrow", "wide"])
def test_lines_that_are_kept_are_those_that_would_be_made_and_get_wider(columns: int) -> None:
    state = world()
    tables_before = said(state, "show paths"), said(state, "show topology")
    first = next(path for path in state.snapshot.paths if path.name == "sda")
    renamed = replace(first, name=DeviceName("s" * columns))
    paths = tuple(renamed if path is first else path for path in state.snapshot.paths)
    changed = replace(state, snapshot=replace(state.snapshot, paths=paths))
    anew = replace(changed, kept=Kept())
    for number, question in enumerate(("show paths", "show topology")):
        assert said(changed, question) == said(anew, question) != tables_before[number]
        assert said(state, question) == tables_before[number]
    every = tables.kept_part(path_rows(changed), PATH)
    assert said(changed, "show paths") == tables.table(tables.PATHS_FORMAT, every)


def test_a_block_device_is_listed_once_also_if_it_is_known_twice() -> None:
    state = with_foreign("nvme")
    known = [DeviceName(each.name) for each in state.snapshot.foreign_maps]
    hidden = [path.name for each in state.snapshot.foreign_maps for path in each.paths]
    again = (*(OtherDevice(name) for name in known), *(OtherDevice(name, hidden=True) for name in hidden))
    assert said(replace(state, others=(*state.others, *again)), "show devices") == said(state, "show devices")


@pytest.mark.parametrize(
    ("rule", "status"), [("nvme", "foreign, monitored"), ("NONE", "devnode whitelisted, unmonitored")]
)
def test_devices_of_the_kernels_maps_are_foreign_or_hidden(rule: str, status: str) -> None:
    assert said(with_foreign(rule), "show devices").splitlines()[-3:] == [
        "    nvme0c0n1 hidden, unmonitored",
        "    nvme0c1n1 hidden, unmonitored",
        f"    nvme0n1 {status}",
    ]
