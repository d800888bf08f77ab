"""`mpathctl explain`, from its options to what it prints."""

import argparse
import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from controller.cli.explain_command import explain
from controller.runtime.cycle import Files
from observers.errors import InputError
from observers.snapshot import Gap
from observers.snapshot_json import to_json
from tests.builders import with_maps
from tests.cli.captured import Captured
from tests.explain.worlds import A, B, host, netapp, plain

DATA = "3600a098038304479363f4c4934526b00"


def run(*words: str, json: bool = False, snapshot: str | None = None, sandbox: str | None = "small") -> Captured:
    what, name, keyword = (*words, None, None)[:3]
    files = Files()
    options = argparse.Namespace(
        what=what, name=name, property=keyword, json=json, snapshot=snapshot, after=None,
        sandbox=None if snapshot else sandbox, config=files.config, config_dir=files.config_dir,
    )  # fmt: skip
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = explain(options)
    return Captured(status, out.getvalue(), err.getvalue())


def parsed(*words: str, **more: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(run(*words, json=True, **more).out)
    return document


@pytest.fixture
def strange(tmp_path: Path) -> str:
    """A snapshot file of a host with a map that is as it should be, and a disk that a terminal would obey."""
    config = "defaults {\nno_path_retry often\nfind_multipaths on\n}\n"
    odd = plain(2, B, vendor="\x1b[31mRED")
    gap = Gap("sda", "serial number", "no answer")
    snapshot = with_maps(host(netapp(0), netapp(1), odd, config=config, gaps=(gap,)), {A})
    file = tmp_path / "host.json"
    file.write_text(to_json(snapshot))
    return str(file)


def test_all_devices_have_a_verdict_and_what_would_change_it() -> None:
    done = run("path")
    lines = done.out.splitlines()
    assert (done.status, len(lines)) == (0, 2 * 17)
    assert lines[0].startswith("sda  not claimed, waiting: find_multipaths on: it is the only device with its WWID")
    assert "[defaults section (/etc/multipath.conf:3)]" in lines[0]
    assert "would change if a second path with the same WWID shows (admitted)" in lines[1]


def test_one_property_has_its_value_its_place_and_what_lost() -> None:
    done = run("map", "data", "user_friendly_names")
    assert done.out.splitlines() == [
        "user_friendly_names of map data: no",
        '  from   built-in hardware table (vendor "NETAPP" matches "NETAPP", product "LUN" matches "LUN C-Mode")',
        "  lost, the strongest first:",
        "    yes  defaults section (/etc/multipath.conf:2)",
        "    no   built-in default",
    ]


def test_a_property_that_nobody_else_sets_says_so() -> None:
    assert "  nothing else sets it" in run("path", "sda", "fast_io_fail_tmo").out


def test_a_property_that_nobody_sets_says_so() -> None:
    assert run("map", "data", "mode").out == "mode of map data: (not set)\n"


def test_a_whole_path_tells_identity_verdict_state_priority_map_and_properties() -> None:
    text = run("path", "sdb").out
    for words in (
        f"identity: {DATA}",
        "says   " + DATA + "  VPD page 0x83, read from the device",
        "admission: claimed: find_multipaths on: 4 devices have its WWID",
        "find_multipaths  admits",
        "if the other devices with its WWID go: waiting",
        "state: up",
        "priority: 50 (storage device autodetected (prio sysfs; access_state in sysfs))",
        "map: data, group 1 of 2",
        "lost   ontap  built-in hardware table",
    ):
        assert words in text


def test_a_path_of_no_map_is_shown_as_it_would_be() -> None:
    text = run("path", "sda").out
    assert "map: none" in text
    assert "properties, as they would be if it were a path:" in text


def test_a_whole_map_tells_its_name_tables_plan_groups_and_properties() -> None:
    text = run("map", "data").out
    for words in (
        f"map data, WWID {DATA}, not there yet",
        "alias  data  multipaths section (/etc/multipath.conf:8)",
        "table desired: 0 41943040 multipath ",
        "to do: create\n  a new map: 4 paths, 2 groups\n",
        "\n  * create data",
        "  not set: mode, uid, gid",
    ):
        assert words in text
    assert [line.split()[:2] for line in text.split("groups:\n")[1].splitlines()[:4]] == [
        ["1", "sdb"], ["1", "sdj"], ["2", "sdd"], ["2", "sdl"],
    ]  # fmt: skip


def test_a_map_that_is_as_it_should_be_says_why_nothing_changes(strange: str) -> None:
    text = run("map", A, snapshot=strange).out
    assert "table desired: the same" in text
    assert "to do: nothing\n  " in text
    assert "kernel: active" in text


def test_all_maps_are_told_in_brief() -> None:
    lines = run("map").out.splitlines()
    assert lines[:2] == [f"data ({DATA})", "    called data: multipaths section (/etc/multipath.conf:8)"]
    assert lines[2].startswith("    create: a new map: 4 paths, 2 groups; dev_loss_tmo 60 -> 4294967295 of rport-")


def test_what_the_files_say_wrongly_of_a_property_is_told_with_it(strange: str) -> None:
    done = run("map", A, "no_path_retry", snapshot=strange)
    assert "/etc/multipath.conf:2" in done.err
    assert 'invalid value for no_path_retry: "often"' in done.err
    assert run("map", A, "failback", snapshot=strange).err == ""


def test_what_a_device_calls_itself_can_not_steer_the_terminal(strange: str) -> None:
    assert "\x1b" not in run("path", "sdc", snapshot=strange).out
    assert "?[31mRED" in run("path", "sdc", snapshot=strange).out


def test_json_of_a_property() -> None:
    document = parsed("map", "data", "user_friendly_names")
    assert (document["format"], document["version"], document["what"]) == ("mpathctl-explain", 1, "property")
    assert (document["subject"], document["value"]) == ({"kind": "map", "name": "data"}, "no")
    assert document["chosen_by"][0] == {"what": "vendor", "expression": "NETAPP", "text": "NETAPP"}
    assert document["losers"][0]["value"] == "yes"
    assert document["losers"][0]["origin"] == {
        "kind": "defaults section",
        "where": "/etc/multipath.conf:2",
        "why": "",
    }


def test_json_of_a_path() -> None:
    document = parsed("path", "sdb")
    assert (document["what"], document["identity"]["wwid"], document["map"]) == ("path", DATA, "data")
    assert document["admission"]["claimed"] is True
    assert [each["kind"] for each in document["admission"]["answers"]][-1] == "identity"
    assert {each["property"] for each in document["properties"]} >= {"prio", "path_checker", "checker_timeout"}


def test_json_of_a_map() -> None:
    document = parsed("map", "data")
    assert (document["name"], document["alias"]["value"], document["plan"]["action"]) == (None, "data", "create")
    assert [[each["name"] for each in group] for group in document["groups"]] == [["sdb", "sdj"], ["sdd", "sdl"]]
    assert document["unset"][0] == "mode"


def test_json_of_all_devices_and_of_all_maps() -> None:
    devices, maps = parsed("path"), parsed("map")
    assert (devices["what"], len(devices["paths"]), devices["paths"][0]["verdict"]) == ("paths", 17, "waiting")
    assert (maps["what"], maps["maps"][0]["alias"]["value"]) == ("maps", "data")


@pytest.mark.parametrize(
    "words", [("path", "sdzz"), ("map", "dat"), ("path", "sda", "pri"), ("map", "data", "faiback")]
)
def test_an_unknown_name_prints_nothing_and_has_a_hint(words: tuple[str, ...], capsys: Any) -> None:
    with pytest.raises(InputError) as caught:
        run(*words)
    assert caught.value.hint.startswith("did you mean ")
    assert capsys.readouterr().out == ""


def test_a_path_that_its_map_should_not_have_says_which_map_has_it() -> None:
    text = run("path", "sdb", sandbox="unmapped-lun").out
    assert "map: none\n  now    in logs\n" in text
    assert "device contradicted: " in text


def test_what_could_not_be_read_of_other_devices_is_not_told(strange: str) -> None:
    assert run("path", snapshot=strange).err == "mpathctl: sda: serial number: no answer\n"
    assert run("path", "sdb", snapshot=strange).err == ""
    done = run("path", "sda", snapshot=strange)
    assert (done.err, "  why    serial number: no answer\n" in done.out) == ("", True)


def test_what_udev_calls_a_device_is_told() -> None:
    assert "  udev   does not call it a path\n" in run("path", "sda").out


def test_other_names_of_a_device_are_no_losers() -> None:
    assert "  also said:\n" in run("path", "sda", "wwid").out


def test_a_path_shows_what_sysfs_has_and_should_have() -> None:
    text = run("path", "sdb").out
    shown = next(line.split() for line in text.splitlines() if "/dev_loss_tmo" in line)
    assert shown[1:5] == ["60,", "should", "be", "4294967295"]
    assert "built-in hardware table" in " ".join(shown)
    assert next(line.split()[1:] for line in text.splitlines() if "/eh_deadline" in line) == ["off", "as", "it", "is"]
    known = {each["file"].rpartition("/")[2]: each for each in parsed("path", "sdb")["tunables"]}
    assert (known["dev_loss_tmo"]["now"], known["dev_loss_tmo"]["wanted"]["value"]) == ("60", "4294967295")
    assert known["eh_deadline"]["wanted"] is None
