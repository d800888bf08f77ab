"""`mpathctl show md`, and the part of `mpathctl reconcile` that is about md arrays."""

import errno
import json
from pathlib import Path

import pytest

from controller.cli.md_command import _lines
from controller.cli.md_report import run_md
from observers.snapshot import HostFacts
from tests.cli.captured import Captured, run
from tests.md.builders import array, snapshot, working
from tests.md.worlds import SAN, seen, world

SDA_FAILED = "now offline sda\nnow md-io md0 read\nat 60s online sda\n"


def on(tmp_path: Path, events: str, *words: str) -> Captured:
    file = tmp_path / "md.san"
    file.write_text(SAN.format(metadata="1.2") + events)
    return run("--sandbox", str(file), *words)


def test_show_md(tmp_path: Path) -> None:
    done = on(tmp_path, SDA_FAILED, "show", "md")
    assert (done.status, done.err) == (0, "")
    assert done.out == (
        "md0: clean, 2 of 3 paths in use, 63 MiB, metadata 1.2, UUID 7f2301cc-57d0-b207-644f-77cf597cd811\n"
        "  device  number  place  state   errors\n"
        "  sda     8:0     -      failed  0\n"
        "  sdb     8:16    1      in use  0\n"
        "  sdc     8:32    2      in use  0\n"
        "\n"
    )


def test_show_md_json(tmp_path: Path) -> None:
    document = json.loads(on(tmp_path, SDA_FAILED, "show", "md", "--json").out)
    assert (document["format"], document["version"]) == ("mpathctl-md", 1)
    assert document["md_multipath_left_the_kernel"] is False
    (found,) = document["arrays"]
    assert (found["name"], found["disks"], found["uuid"]) == ("md0", 3, "7f2301cc-57d0-b207-644f-77cf597cd811")
    assert [member["state"] for member in found["members"]] == [["faulty"], ["in_sync"], ["in_sync"]]


def test_show_md_of_a_snapshot(tmp_path: Path) -> None:
    file = tmp_path / "snapshot.json"
    assert on(tmp_path, SDA_FAILED, "snapshot", "--output", str(file)).status == 0
    shown = run("show", "md", "--snapshot", str(file))
    assert shown.out == on(tmp_path, SDA_FAILED, "show", "md").out


def test_a_host_without_the_driver() -> None:
    assert run("--sandbox", "small", "show", "md").out == "There is no md array: the md driver is not loaded.\n"


@pytest.mark.parametrize(
    ("release", "personalities", "words"),
    [
        ("6.12.9+deb12-amd64", ("raid1",), "This kernel (6.12.9+deb12-amd64) has no md multipath: Linux 6.7 was"),
        ("6.18.0", None, "This kernel (6.18.0) has no md multipath"),
        ("6.1.0", ("raid1",), "There is no md array of level multipath."),
        ("6.1.0", None, "the md driver is not loaded"),
    ],
)
def test_why_there_is_no_array(release: str, personalities: tuple[str, ...] | None, words: str) -> None:
    facts = HostFacts(
        kernel_release=release, dm_version=None, multipath_target=None, md_personalities=personalities
    )  # fmt: skip
    assert words in "\n".join(_lines(facts, ()))


def test_arrays_of_other_levels_are_named_and_left_alone() -> None:
    raid = array(working(0), level="raid1")
    text = "\n".join(_lines(snapshot().host, (raid,)))
    assert text == "There is no md array: the md driver is not loaded.\nnot multipath, and left alone: md0 (raid1)"


def test_a_dry_run_asks_and_changes_nothing(tmp_path: Path) -> None:
    away = on(tmp_path, SDA_FAILED, "reconcile", "--dry-run")
    assert (away.status, "sda does not answer: ENXIO" in away.out) == (0, True)
    back = on(tmp_path, SDA_FAILED, "reconcile", "--dry-run", "--after", "61")
    assert back.status == 2
    assert "md multipath arrays:\n  md0:\n    sda answers with the array's superblock again\n" in back.out
    assert "    * have md0 use sda (8:0) again\n" in back.out


def test_a_dry_run_as_json_has_the_md_part(tmp_path: Path) -> None:
    done = on(tmp_path, SDA_FAILED, "reconcile", "--dry-run", "--json", "--after", "61")
    assert [step["step"] for step in json.loads(done.out)["md"][0]["steps"]] == ["ReAddMdMember"]


def test_without_md_arrays_there_is_no_md_part() -> None:
    done = run("--sandbox", "small", "reconcile", "--dry-run", "--json")
    assert "md" not in json.loads(done.out)
    assert "md multipath" not in run("--sandbox", "small", "reconcile").out


def test_a_dry_run_for_a_snapshot_asks_nobody(tmp_path: Path) -> None:
    file = tmp_path / "snapshot.json"
    on(tmp_path, SDA_FAILED, "snapshot", "--output", str(file))
    done = run("reconcile", "--dry-run", "--snapshot", str(file))
    assert (done.status, "sda has failed" in done.out) == (0, True)


def test_reconcile_gives_a_path_back(tmp_path: Path) -> None:
    done = on(tmp_path, SDA_FAILED, "reconcile", "--after", "61")
    assert done.status == 0
    assert "done: have md0 use sda (8:0) again\n" in done.out


@pytest.mark.parametrize(("error", "well"), [(0, True), (errno.EACCES, False)], ids=["taken back", "refused"])
def test_a_refusal_is_told_and_is_no_success(error: int, *, well: bool, capsys: pytest.CaptureFixture[str]) -> None:
    host = world("now md-fail md0 sda\n")
    if error:
        host.faults.fail_change("/sys/block/md0/md/dev-sda/state", error)
    assert run_md(host, seen(host)) is well
    told = capsys.readouterr().err
    assert ("refused: have md0 use sda (8:0) again: write of re-add to" in told) is not well
