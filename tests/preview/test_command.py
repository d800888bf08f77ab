"""`mpathctl preview` on the in-memory kernel and on snapshots: exit status, JSON, and bad input."""

import argparse
import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from controller.cli.main import main as mpathctl
from controller.cli.preview_command import preview
from controller.runtime.cycle import Files
from observers.errors import ConfigError, InputError

FABRIC = """\
defaults {
	find_multipaths yes
}
multipaths {
	multipath {
		wwid 3600a098038304479363f4c4934526b00
		alias data
	}
	multipath {
		wwid 3600a098038304479363f4c4934526b01
		alias logs
	}
}
"""
"""The configuration of the scenario fabric-down."""
RENAMED = FABRIC.replace("alias logs", "alias journal")
REFUSED = FABRIC + 'blacklist {\n\tdevnode "["\n}\n'


@dataclass(frozen=True, slots=True)
class Ran:
    status: int
    out: str
    err: str


def run(candidate: Path | str, *, sandbox: str | None = "fabric-down", **more: Any) -> Ran:
    files = Files()
    given = {"config": files.config, "config_dir": files.config_dir, "drop_ins": None, "json": False}
    options = argparse.Namespace(
        candidate=str(candidate), **{"sandbox": sandbox, "snapshot": None, "after": None, **given, **more}
    )
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = preview(options)
    return Ran(status, out.getvalue(), err.getvalue())


def document(done: Ran) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.out)
    return found


@pytest.fixture
def candidate(tmp_path: Path) -> Path:
    file = tmp_path / "candidate.conf"
    file.write_text(RENAMED)
    return file


def test_the_configuration_that_the_host_has_changes_nothing(candidate: Path) -> None:
    candidate.write_text(FABRIC)
    done = run(candidate)
    assert (done.status, done.out.split("\n")[0]) == (0, "nothing changes: 2 maps stay as they are")


def test_a_change_has_its_own_exit_status(candidate: Path) -> None:
    done = run(candidate)
    assert (done.status, done.out.split("\n")[0]) == (2, "1 of 2 maps changes: 1 rename; 1 stays as it is")


def test_origins_show_the_candidates_own_name(candidate: Path) -> None:
    assert f"now: multipaths section ({candidate}:11)" in run(candidate).out


def test_what_is_due_anyway_is_marked(candidate: Path) -> None:
    assert "    * fail path 8:112 (sdh) of logs [due already]\n" in run(candidate).out


def test_a_snapshot_gives_the_same_preview(candidate: Path, tmp_path: Path) -> None:
    file = tmp_path / "host.json"
    assert mpathctl(["--sandbox", "fabric-down", "snapshot", "-o", str(file)]) == 0
    assert run(candidate, sandbox=None, snapshot=str(file)) == run(candidate)


def test_another_directory_of_drop_ins(candidate: Path, tmp_path: Path) -> None:
    drop_ins = tmp_path / "conf.d"
    drop_ins.mkdir()
    (drop_ins / "late.conf").write_text("overrides {\n\tfailback 7\n}\n")
    (drop_ins / "not-read.txt").write_text("overrides {\n\tfailback 8\n}\n")
    done = run(candidate, drop_ins=str(drop_ins))
    assert f"now: overrides section ({drop_ins}/late.conf:2)" in done.out
    assert "failback: manual -> 8" not in done.out


def test_json_has_a_format_and_a_version(candidate: Path) -> None:
    found = document(run(candidate, json=True))
    assert (found["format"], found["version"], found["changes"]) == ("mpathctl-preview", 1, True)
    assert found["candidate"] == str(candidate)


def test_json_has_every_map_and_for_those_that_change_values_with_origins(candidate: Path) -> None:
    maps = {each["name"]: each for each in document(run(candidate, json=True))["maps"]}
    assert {name: each["changed"] for name, each in maps.items()} == {"data": False, "logs": True}
    (change,) = maps["logs"]["properties"]
    assert (change["keyword"], change["old"]["value"], change["new"]["value"]) == ("alias", "logs", "journal")
    assert change["new"]["origin"] == {
        "kind": "multipaths section",
        "where": f"{candidate}:11",
        "why": "",
        "text": f"multipaths section ({candidate}:11)",
    }


def test_json_says_for_each_step_whether_the_candidate_causes_it(candidate: Path) -> None:
    maps = {each["name"]: each for each in document(run(candidate, json=True))["maps"]}
    causes = {(step["step"], step["cause"]) for step in maps["logs"]["steps"]}
    assert causes == {("FailPath", "due already"), ("RenameMap", "change")}


def test_json_has_tables_disks_bindings_records_settings_and_messages(candidate: Path) -> None:
    candidate.write_text(
        "defaults {\n\tuser_friendly_names yes\n\tpolling_interval 9\n\tbogus 1\n}\n"
        "blacklist {\n\tdevnode ^sdh$\n}\n"
        "overrides {\n\tuser_friendly_names yes\n\tpath_grouping_policy multibus\n\tdetect_pgpolicy no\n}\n"
    )
    found = document(run(candidate, json=True))
    assert found["maps"][0]["table"]["parts"][0]["what"] == "path groups"
    assert [(disk["name"], disk["claimed_after"]) for disk in found["disks"]] == [("sdh", False)]
    assert found["disks"][0]["after"]["origin"]["where"] == f"{candidate}:7"
    assert {binding["alias"] for binding in found["bindings"]} == {"mpatha", "mpathb"}
    assert [record["step"] for record in found["records"]] == ["WriteBindings"]
    assert "polling_interval" in {setting["keyword"] for setting in found["settings"]}
    assert [(message["severity"], message["line"]) for message in found["messages"]] == [("error", 4)]


def test_a_step_in_another_form_has_the_one_that_is_due(candidate: Path) -> None:
    candidate.write_text('defaults {\n\tfind_multipaths greedy\n\tpath_selector "queue-length 0"\n}\n')
    steps = document(run(candidate, sandbox="small", json=True))["maps"][0]["steps"]
    made = next(step for step in steps if step["step"] == "CreateMap")
    assert (made["cause"], made["instead_of"]["step"]) == ("altered", "CreateMap")


def test_a_candidate_that_can_not_be_used_is_an_error_with_all_its_messages(
    candidate: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    candidate.write_text(REFUSED.replace("find_multipaths yes", "find_multipaths perhaps"))
    files = Files()
    options = argparse.Namespace(
        candidate=str(candidate), sandbox="fabric-down", snapshot=None, after=None, json=False, drop_ins=None,
        config=files.config, config_dir=files.config_dir,
    )  # fmt: skip
    with pytest.raises(ConfigError, match=r"candidate\.conf:15"):
        preview(options)
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{candidate}:2:" in err
    assert f"{candidate}:15:" in err
    assert "would not start" in err


@pytest.mark.parametrize("more", [{}, {"drop_ins": "/nowhere/conf.d"}])
def test_files_that_are_not_there_are_named(more: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "there.conf"
    file.write_text(FABRIC)
    missing = "/nowhere/conf.d" if more else str(tmp_path / "missing.conf")
    with pytest.raises(InputError, match=missing):
        run(file if more else missing, **more)


def test_a_candidate_that_is_a_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=str(tmp_path)):
        run(tmp_path)


def test_any_bytes_are_read(candidate: Path) -> None:
    candidate.write_bytes(RENAMED.encode().replace(b"journal", b"jour\xffnal\x1b"))
    assert run(candidate).status == 2
    assert run(candidate, json=True).status == 2
