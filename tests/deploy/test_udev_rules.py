"""udev's rules: each token is one that udev knows, and each kind of event has the effect that others rely on."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.deploy.udev_rules import BadRule, Event, parse

UDEV = Path(__file__).resolve().parents[2] / "deploy/udev"
FILES = sorted(UDEV.iterdir())
ASKED, LOGGER = "/usr/sbin/multipath -U -v1 dm-0", "/usr/bin/logger"
QUESTION = "/usr/sbin/multipath -u"


def text(name: str) -> str:
    return (UDEV / name).read_text().replace("@SBINDIR@", "/usr/sbin")


MAPS = [*parse(text("11-dm-mpath.rules.in")), *parse(text("99-z-dm-mpath-late.rules"))]
DISKS = parse(text("56-multipath.rules.in"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_token_is_one_of_udevs(path: Path) -> None:
    assert parse(text(path.name))


@pytest.mark.skipif(shutil.which("udevadm") is None, reason="there is no udevadm here")
def test_udev_itself_takes_the_rules(tmp_path: Path) -> None:
    known = subprocess.run(["udevadm", "verify", "--help"], capture_output=True, check=False)
    if known.returncode:
        pytest.skip("this udevadm has no verify")
    for path in FILES:
        (tmp_path / path.name.removesuffix(".in")).write_text(text(path.name))
    done = subprocess.run(
        ["udevadm", "verify", "--no-style", *sorted(tmp_path.iterdir())], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "rule",
    [
        'ENV="x"',
        'KERNLE=="sd*"',
        'GOTO="nowhere"',
        'ENV{A}=="1" ENV{B}="1"',
        'IMPORT{file}="x"',
        'KERNEL="sda"',
        "ENV{A}=1",
    ],
)
def test_the_reader_of_rules_refuses_what_udev_would(rule: str) -> None:
    with pytest.raises(BadRule):
        parse(rule)


# ---- maps


def map_event(
    env: Mapping[str, str] | None = None,
    *,
    db: Mapping[str, str] | None = None,
    action: str = "change",
    usable: bool = True,
) -> Event:
    """An event of a map. It comes from device-mapper and its rules have the third version, unless `env` says else."""
    usual = {
        "DM_UUID": "mpath-x",
        "DM_UDEV_RULES_VSN": "3",
        "DM_COOKIE": "1",
        ".DM_SUSPENDED": "0",
        "DM_ACTIVATION": "1",
    }
    programs = {LOGGER: ""} | ({ASKED: ""} if usable else {})
    event = Event(action=action, kernel="dm-0", env=usual | dict(env or {}), db=db or {}, programs=programs)
    return event.apply(MAPS)


def verdict(event: Event) -> tuple[str, str, str]:
    """Whether it is ready, whether others must keep away, and whether they have to look."""
    names = ("MPATH_DEVICE_READY", "DM_UDEV_DISABLE_OTHER_RULES_FLAG", "DM_ACTIVATION")
    ready, closed, activation = (event.env.get(name, "") for name in names)
    return ready, closed, activation


READY, NOT_READY = {"MPATH_DEVICE_READY": "1"}, {"MPATH_DEVICE_READY": "0"}


@pytest.mark.parametrize(
    ("env", "db", "usable", "expected"),
    [
        pytest.param({}, {}, True, ("1", "", "1"), id="a new map with a path"),
        pytest.param({}, {}, False, ("0", "1", "1"), id="a new map without one"),
        pytest.param({"DM_SUBSYSTEM_UDEV_FLAG0": "1"}, READY, True, ("1", "", "0"), id="a reload"),
        pytest.param({"DM_SUBSYSTEM_UDEV_FLAG0": "1"}, NOT_READY, True, ("1", "", "1"), id="a reload that helps"),
        pytest.param({"DM_SUBSYSTEM_UDEV_FLAG2": "1"}, READY, True, ("0", "1", "1"), id="a table without paths"),
        pytest.param({"DM_ACTION": "PATH_FAILED", "DM_NR_VALID_PATHS": "1"}, READY, True, ("1", "", "0"),
                     id="one path of two fails"),
        pytest.param({"DM_ACTION": "PATH_FAILED", "DM_NR_VALID_PATHS": "0"}, READY, True, ("0", "1", "0"),
                     id="the last path fails"),
        pytest.param({"DM_ACTION": "PATH_FAILED", "DM_NR_VALID_PATHS": "1"}, NOT_READY, True, ("0", "1", "0"),
                     id="a failed path makes no map ready"),
        pytest.param({"DM_ACTION": "PATH_REINSTATED", "DM_NR_VALID_PATHS": "1", "DM_COOKIE": ""}, NOT_READY, True,
                     ("1", "", "1"), id="a path comes back"),
        pytest.param({".DM_SUSPENDED": "1"}, {}, True, ("0", "1", "1"), id="suspended and never ready"),
        pytest.param({".DM_SUSPENDED": "1"}, READY, True, ("1", "", "1"), id="suspended and ready before"),
        pytest.param({"DM_COOKIE": ""}, READY, False, ("1", "", "1"), id="an event of somebody else"),
        pytest.param({"DM_COOKIE": ""}, NOT_READY, True, ("0", "1", "1"), id="an event of somebody else, not ready"),
    ],
)  # fmt: skip
def test_what_an_event_means_for_a_map(
    env: Mapping[str, str], db: Mapping[str, str], usable: bool, expected: tuple[str, str, str]
) -> None:
    assert verdict(map_event(env, db=db, usable=usable)) == expected


def test_other_devices_are_left_alone() -> None:
    for env in ({"DM_UUID": "LVM-x"}, {"DM_UUID": "part1-mpath-x"}, {"DM_UDEV_RULES_VSN": ""}):
        event = map_event(env)
        assert (event.asked, event.options, "MPATH_DEVICE_READY" in event.env) == ([], [], False)
    assert map_event(action="remove").asked == []


def test_coldplug_keeps_what_is_known_and_asks_nothing() -> None:
    event = map_event(db=READY, action="add", usable=False)
    assert (verdict(event), event.asked) == (("1", "", "1"), [])
    assert "MPATH_UNCHANGED" not in event.env


def test_what_coldplug_could_not_do_the_resumption_does() -> None:
    event = map_event({".DM_SUSPENDED": "1"}, db=READY, action="add")
    assert (event.env["DM_COLDPLUG_SUSPENDED"], len(event.asked)) == ("1", 1)
    later = map_event({"DM_SUBSYSTEM_UDEV_FLAG0": "1"}, db={**READY, "DM_COLDPLUG_SUSPENDED": "1"})
    assert (later.env["MPATH_UNCHANGED"], later.env["DM_ACTIVATION"], later.env["DM_COLDPLUG_SUSPENDED"]) == (
        "0",
        "1",
        "",
    )


def test_old_rules_have_their_flag_back_at_the_end_and_keep_the_content_that_was_known() -> None:
    env = {"DM_UDEV_RULES_VSN": "2", "DM_SUSPENDED": "0", ".DM_SUSPENDED": "", "DM_UDEV_PRIMARY_SOURCE_FLAG": "1",
           "DM_UDEV_DISABLE_OTHER_RULES_FLAG": "0"}  # fmt: skip
    event = map_event(env, db={"ID_FS_TYPE": "xfs"}, usable=False)
    assert event.env["ID_FS_TYPE"] == "xfs"
    assert event.env["DM_UDEV_DISABLE_OTHER_RULES_FLAG"] == "0"
    assert event.env["DM_NOSCAN"] == "1"


def test_with_old_rules_a_reload_keeps_the_content_that_was_known_and_another_event_has_it_probed() -> None:
    env = {"DM_UDEV_RULES_VSN": "2", "DM_SUSPENDED": "0", ".DM_SUSPENDED": "", "DM_UDEV_PRIMARY_SOURCE_FLAG": "1",
           "DM_SUBSYSTEM_UDEV_FLAG0": "1"}  # fmt: skip
    known = {**READY, "ID_FS_TYPE": "xfs", "ID_FS_USAGE": "filesystem", "ID_FS_UUID_ENC": "8f1c"}
    reloaded = map_event(env, db=known)
    assert {name: reloaded.env.get(name) for name in known} == known
    assert reloaded.env["DM_NOSCAN"] == "1"
    of_others = map_event({**env, "DM_SUBSYSTEM_UDEV_FLAG0": "", "DM_COOKIE": ""}, db=known)
    assert (of_others.env.get("DM_NOSCAN", ""), "ID_FS_TYPE" in of_others.env) == ("", False)


def test_links_lead_to_the_map_rather_than_to_a_path() -> None:
    event = map_event({"DM_WWN": "0x6", "DM_TYPE": "scsi", "DM_SERIAL": "36"})
    assert (event.options, event.links) == (["link_priority=50"], ["disk/by-id/wwn-0x6", "disk/by-id/scsi-36"])
    assert map_event({"DM_UDEV_LOW_PRIORITY_FLAG": "1"}).options == []


# ---- disks


def disk(
    answer: str | None = None,
    *,
    action: str = "add",
    kernel: str = "sda",
    env: Mapping[str, str] | None = None,
    db: Mapping[str, str] | None = None,
    parent: Mapping[str, str] | None = None,
    cmdline: Mapping[str, str] | None = None,
) -> Event:
    """An event of a disk, and what `multipath -u` answers: None, it fails."""
    programs = {} if answer is None else {QUESTION: answer}
    files = frozenset(["/run/multipath/find_multipaths/8:16"])
    event = Event(
        action=action, kernel=kernel, env={"DEVTYPE": "disk"} | dict(env or {}), db=db or {}, parent=parent or {},
        cmdline=cmdline or {}, programs=programs, files=files,
    )  # fmt: skip
    return event.apply(DISKS)


def claim(event: Event) -> tuple[str, str, str]:
    names = ("DM_MULTIPATH_DEVICE_PATH", "ID_FS_TYPE", "SYSTEMD_READY")
    path, content, ready = (event.env.get(name, "") for name in names)
    return path, content, ready


YES, NO = 'DM_MULTIPATH_DEVICE_PATH="1"\n', 'DM_MULTIPATH_DEVICE_PATH="0"\n'
MAYBE = 'FIND_MULTIPATHS_WAIT_UNTIL="9.5"\nDM_MULTIPATH_DEVICE_PATH="2"\n'


def test_a_path_is_kept_from_others_and_another_disk_is_not() -> None:
    assert claim(disk(YES)) == ("1", "mpath_member", "0")
    assert claim(disk(NO)) == ("0", "", "")
    assert disk(YES).asked == ["/usr/sbin/multipath -u sda"]


def test_a_partition_is_what_its_disk_is() -> None:
    env = {"DEVTYPE": "partition"}
    event = disk(YES, kernel="sda1", env=env, parent={"DM_MULTIPATH_DEVICE_PATH": "1"})
    assert (claim(event), event.asked) == (("1", "none", "0"), [])
    assert claim(disk(YES, kernel="sda1", env=env, parent={"DM_MULTIPATH_DEVICE_PATH": "0"})) == ("0", "", "")


def test_a_disk_that_may_be_a_path_is_kept_until_a_timer_ends_the_wait() -> None:
    event = disk(MAYBE)
    assert claim(event) == ("1", "", "0")
    (timer,) = event.run
    assert timer.startswith("/usr/bin/systemd-run --no-block --unit=cancel-multipath-wait-sda ")
    assert " --on-active=9.5 " in timer
    assert timer.endswith(" /usr/bin/udevadm trigger --action=add /sys/devices/x/block/sda")
    assert disk(MAYBE, db={"FIND_MULTIPATHS_WAIT_UNTIL": "10"}).run == []
    assert disk(MAYBE, action="change").run == []


def test_a_decision_stops_the_timer_once() -> None:
    waited = {"FIND_MULTIPATHS_WAIT_UNTIL": "10", "DM_MULTIPATH_DEVICE_PATH": "1"}
    event = disk('FIND_MULTIPATHS_WAIT_UNTIL="3"\n' + YES, action="change", db=waited)
    assert event.run == ["/usr/bin/systemctl stop cancel-multipath-wait-sda.timer"]
    again = disk(YES, action="change", db={**waited, "FIND_MULTIPATHS_WAIT_CANCELLED": "1"})
    assert again.run == []


def test_without_an_answer_a_disk_that_was_waited_for_is_let_go() -> None:
    waited = {"FIND_MULTIPATHS_WAIT_UNTIL": "10", "DM_MULTIPATH_DEVICE_PATH": "1"}
    assert disk(None, db=waited).env["DM_MULTIPATH_DEVICE_PATH"] == "0"
    assert disk(None, db={"DM_MULTIPATH_DEVICE_PATH": "1"}).env["DM_MULTIPATH_DEVICE_PATH"] == "1"


def test_the_record_of_a_wait_goes_with_its_disk() -> None:
    assert disk(YES, action="remove").run == ["/usr/bin/rm -f /run/multipath/find_multipaths/8:16"]


@pytest.mark.parametrize(
    ("kernel", "cmdline"), [("loop0", {}), ("dm-0", {}), ("sda", {"nompath": "1"}), ("sda", {"multipath": "off"})]
)
def test_who_is_not_asked_about(kernel: str, cmdline: Mapping[str, str]) -> None:
    event = disk(YES, kernel=kernel, cmdline=cmdline)
    assert (event.asked, claim(event)) == ([], ("", "", ""))
