"""Bad input gets one clear line that says what is wrong and what to do, exit status 1, and no traceback."""

import json
import os
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from controller.cli.main import main as mpathctl
from tests.cli.captured import Captured, run

NOBODY = 65534


@pytest.fixture
def nobody() -> Iterator[None]:
    """An effective user without rights."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    yield
    os.seteuid(before)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A snapshot file of the small SAN."""
    file = tmp_path / "good.json"
    assert mpathctl(["--sandbox", "small", "snapshot", "-o", str(file)]) == 0
    return file


def plan_for(file: Path) -> Captured:
    return run("reconcile", "--dry-run", "--snapshot", str(file))


def assert_one_line(done: Captured, *words: str) -> None:
    assert done.status == 1
    assert done.out == ""
    assert len(done.err.splitlines()) <= 2, done.err
    for word in words:
        assert word in done.err


def test_a_snapshot_that_is_cut_off(good: Path) -> None:
    good.write_text(good.read_text()[:-200])
    assert_one_line(plan_for(good), str(good), "line")


def test_a_snapshot_that_is_not_json(good: Path) -> None:
    good.write_text("=== paths ===\n")
    assert_one_line(plan_for(good), str(good), "JSON")


def test_a_snapshot_that_is_not_text(good: Path) -> None:
    good.write_bytes(b"\xff\xfe\x00")
    assert_one_line(plan_for(good), str(good), "UTF-8")


def test_a_snapshot_of_another_version(good: Path) -> None:
    document = json.loads(good.read_text())
    document["version"] = 99
    good.write_text(json.dumps(document))
    assert_one_line(plan_for(good), "99", "version")


def test_json_that_is_no_snapshot(good: Path) -> None:
    good.write_text('{"a": 1}')
    assert_one_line(plan_for(good), str(good))


def test_a_snapshot_with_a_wrong_field(good: Path) -> None:
    document = json.loads(good.read_text())
    document["snapshot"]["paths"][0]["size"] = "big"
    good.write_text(json.dumps(document))
    assert_one_line(plan_for(good), "size")


def test_a_snapshot_that_does_not_exist(tmp_path: Path) -> None:
    assert_one_line(plan_for(tmp_path / "none.json"), "none.json", "No such file")


def test_a_snapshot_cannot_be_applied(good: Path) -> None:
    assert_one_line(run("reconcile", "--snapshot", str(good)), "--dry-run")


def test_a_snapshot_and_a_sandbox_are_two_hosts(good: Path) -> None:
    assert_one_line(run("--sandbox", "small", "reconcile", "--dry-run", "--snapshot", str(good)), "two different hosts")


def test_an_unknown_scenario_names_the_known_ones() -> None:
    assert_one_line(run("--sandbox", "smal", "reconcile"), "smal", "fabric-down")


def test_virtual_time_needs_a_sandbox() -> None:
    assert_one_line(run("reconcile", "--dry-run", "--after", "5"), "--sandbox")


def test_applying_without_permission_says_what_to_run(nobody: None) -> None:
    assert_one_line(run("reconcile"), "permission", "sudo mpathctl reconcile")


def test_a_dry_run_without_permission_says_what_to_run(nobody: None) -> None:
    assert_one_line(run("reconcile", "--dry-run"), "permission", "--snapshot")


@pytest.mark.parametrize("seconds", ["-1", "soon", "nan"])
def test_a_time_that_is_none_is_refused(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        mpathctl(["--sandbox", "small", "reconcile", "--after", seconds])
    assert "--after" in capsys.readouterr().err


def scenario(tmp_path: Path, changes: dict[str, str]) -> str:
    """The small SAN with changed words."""
    text = (resources.files("controller.sandbox") / "scenarios" / "small.san").read_text(encoding="utf-8")
    for before, after in changes.items():
        assert before in text
        text = text.replace(before, after)
    file = tmp_path / "changed.san"
    file.write_text(text, encoding="utf-8")
    return str(file)


def test_a_fatal_config_error_names_file_line_column_keyword_and_what_was_expected(tmp_path: Path) -> None:
    san = scenario(tmp_path, {"\tuser_friendly_names yes\n": "\treservation_key nonsense\n"})
    done = run("--sandbox", san, "reconcile")
    assert done.status == 1
    assert done.out == ""
    assert "/etc/multipath.conf:2:" in done.err
    assert "reservation_key" in done.err


def test_a_config_warning_names_file_line_column_and_the_nearest_keyword(tmp_path: Path) -> None:
    san = scenario(tmp_path, {"find_multipaths yes": "find_multipath yes"})
    done = run("--sandbox", san, "reconcile", "--dry-run")
    assert "/etc/multipath.conf:3:2: " in done.err
    assert "did you mean" in done.err
    assert "find_multipaths" in done.err


def test_a_kernel_without_device_mapper(tmp_path: Path) -> None:
    san = scenario(tmp_path, {"    release": "    device-mapper off\n    release"})
    for command in (["reconcile"], ["reconcile", "--dry-run"], ["show", "topology"]):
        assert_one_line(run("--sandbox", san, *command), "device-mapper", "modprobe dm-multipath")


def test_a_user_without_rights(tmp_path: Path) -> None:
    san = scenario(tmp_path, {"    release": "    user 1000\n    release"})
    assert_one_line(run("--sandbox", san, "reconcile"), "permission", "sudo")
    assert_one_line(run("--sandbox", san, "reconcile", "--dry-run"), "permission", "--snapshot")


def test_a_configuration_that_cannot_be_read_stops_everything(tmp_path: Path) -> None:
    san = scenario(tmp_path, {"# What happens later": "now fail-read /etc/multipath.conf EIO 9\n#"})
    assert_one_line(run("--sandbox", san, "reconcile", "--dry-run"), "/etc/multipath.conf", "EIO")
    assert_one_line(run("--sandbox", san, "reconcile"), "/etc/multipath.conf", "EIO")


def test_a_configuration_file_that_was_asked_for_must_be_there() -> None:
    done = run("--sandbox", "small", "--config", "/etc/other.conf", "reconcile", "--dry-run")
    assert_one_line(done, "/etc/other.conf", "no such file")


def test_a_snapshot_has_its_own_configuration(good: Path) -> None:
    done = run("--config", "/etc/other.conf", "reconcile", "--dry-run", "--snapshot", str(good))
    assert_one_line(done, "--config", "preview")


def test_a_scenario_with_an_error_names_file_line_and_column(tmp_path: Path) -> None:
    san = scenario(tmp_path, {"adapter 2 fc": "adapter two fc"})
    assert_one_line(run("--sandbox", san, "reconcile"), "changed.san:", "two")


def test_writing_the_snapshot_where_nothing_can_be_written(tmp_path: Path) -> None:
    assert_one_line(run("--sandbox", "small", "snapshot", "-o", str(tmp_path / "no" / "dir")), "No such file")
