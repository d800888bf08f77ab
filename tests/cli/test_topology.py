"""The drawing of the topology."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from controller.protocol.picture import ASCII, UNICODE, coloured, draw, size_text
from controller.reconcile.plan import Memory
from controller.runtime import cycle
from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import load_scenario
from observers.dmtable import Sectors
from observers.snapshot import Snapshot
from tests.cli.captured import run


def picture(snapshot: Snapshot, *, colour: bool = False) -> str:
    desired = cycle.decide(snapshot, Memory(), 0.0).desired
    return draw(snapshot, desired, coloured(ASCII) if colour else ASCII)


def snapshot_of(name: str) -> Snapshot:
    return cycle.observe(SandboxHost(load_scenario(name)), cycle.Files())


@pytest.mark.parametrize(
    ("sectors", "text"),
    [(0, "0 B"), (1, "512 B"), (2, "1 KiB"), (3, "1.5 KiB"), (2048, "1 MiB"), (2**21, "1 GiB"), (2**31, "1 TiB"),
     (2**41, "1 PiB"), (2**52, "2048 PiB")],
)  # fmt: skip
def test_sizes_are_in_the_largest_unit(sectors: int, text: str) -> None:
    assert size_text(Sectors(sectors)) == text


def test_a_map_is_drawn_with_its_groups_and_paths() -> None:
    lines = picture(snapshot_of("fabric-down")).splitlines()
    assert lines[0].startswith("data  3600a098038304479363f4c4934526b00  NETAPP LUN C-Mode, 20 GiB, queues")
    assert lines[1] == "|- group 1: in use, priority 50, service-time"
    assert lines[2].startswith("|  |- *  sda  8:0   1:0:0:0  scsi:fcp  active/optimized  up")
    assert lines[3].endswith("down (transport-offline)")


def test_a_path_that_dm_has_failed_has_another_sign() -> None:
    snapshot = snapshot_of("fabric-down")
    assert "x  sde" not in picture(snapshot)
    host = SandboxHost(load_scenario("fabric-down"))
    cycle.reconcile(host, cycle.Files(), on_decision=lambda _: None, on_outcome=lambda _step, _outcome: None)
    assert "x  sde" in picture(cycle.observe(host, cycle.Files()))


def test_disks_without_a_map_are_grouped_by_wwid_with_the_verdict() -> None:
    text = picture(snapshot_of("small"))
    assert text.count("no map  360060e80072a100000300a1000001000") == 1
    assert "waiting: " in text
    assert text.count("admitted") == 16


def test_a_path_whose_device_is_gone_is_said_to_be() -> None:
    snapshot = snapshot_of("fabric-down")
    without = replace(snapshot, paths=tuple(path for path in snapshot.paths if path.name != "sda"))
    row = next(line for line in picture(without).splitlines() if " 8:0 " in line)
    assert row.split() == ["|", "|-", "*", "?", "8:0", "the", "device", "is", "gone"]


def test_a_map_without_a_table_is_said_to_be() -> None:
    snapshot = snapshot_of("fabric-down")
    bare = replace(snapshot, maps=(replace(snapshot.maps[0], table=None, status=None), *snapshot.maps[1:]))
    assert "data  3600a098038304479363f4c4934526b00  no multipath table" in picture(bare)


def test_a_suspended_map_is_said_to_be() -> None:
    snapshot = snapshot_of("fabric-down")
    stopped = replace(snapshot, maps=(replace(snapshot.maps[0], suspended=True), *snapshot.maps[1:]))
    assert "SUSPENDED" in picture(stopped)


def test_a_host_without_disks_has_a_picture_too() -> None:
    snapshot = snapshot_of("small")
    assert picture(replace(snapshot, paths=())) == "no multipath maps and no disks that could be paths\n"


def test_colours_do_not_move_the_columns() -> None:
    snapshot = snapshot_of("fabric-down")
    coloured_text = picture(snapshot, colour=True)
    assert "\x1b[31m" in coloured_text
    for code in ("\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"):
        coloured_text = coloured_text.replace(code, "")
    assert coloured_text == picture(snapshot)


def test_the_signs_can_be_ascii_only() -> None:
    snapshot = snapshot_of("fabric-down")
    assert picture(snapshot).isascii()
    assert not draw(snapshot, cycle.decide(snapshot, Memory(), 0.0).desired, UNICODE).isascii()


def test_a_snapshot_draws_like_its_host(tmp_path: Path) -> None:
    file = tmp_path / "host.json"
    assert run("--sandbox", "unmapped-lun", "snapshot", "-o", str(file)).status == 0
    assert json.loads(file.read_text())["version"] == 1
    there, here = run("--sandbox", "unmapped-lun", "show", "topology"), run("show", "topology", "--snapshot", str(file))
    assert there.out == here.out
    assert "logs" in here.out


def test_the_topology_as_json_has_the_maps_as_the_daemon_says_them() -> None:
    said = run("--sandbox", "unmapped-lun", "show", "topology", "--json")
    document = json.loads(said.out)
    assert (said.status, document["major_version"]) == (0, 0)
    live = cycle.observe(SandboxHost(load_scenario("unmapped-lun")), cycle.Files()).maps
    assert [each["uuid"] for each in document["maps"]] == [each.wwid for each in live]
    assert all(group["paths"] for each in document["maps"] for group in each["path_groups"])


def test_the_age_of_a_topology_is_told_beside_it() -> None:
    plain, told = (run("--sandbox", "small", "show", "topology", *age) for age in ([], ["--age"]))
    assert (told.status, told.out) == (0, plain.out)
    line = told.err.removeprefix(plain.err)
    assert re.fullmatch(r"mpathctl: as of \d+\.\d{3} s ago, when this command began to look\n", line)


def test_a_snapshot_has_no_age(tmp_path: Path) -> None:
    file = tmp_path / "host.json"
    assert run("--sandbox", "small", "snapshot", "-o", str(file)).status == 0
    said = run("show", "topology", "--age", "--snapshot", str(file))
    assert (said.status, said.out) == (1, "")
    assert "does not say when" in said.err
