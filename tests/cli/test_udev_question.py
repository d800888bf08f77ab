"""`multipath -u` and `-c` on the sandbox: the lines that udev imports, exit statuses, and what is left on the host."""

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from controller.cli import udev_question
from controller.cli.multipath_arguments import Job, read
from controller.cli.multipath_program import main
from controller.cli.udev_question import Question, answer, asked_by
from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import parse_scenario
from observers.snapshot import DeviceName

SAN = """\
array ontap
    vendor NETAPP
    product "LUN C-Mode"
    revision 9161
    node 200100a098d0b001
    tpgs implicit
    group 1000 active/optimized 200200a098d0b001 200300a098d0b001
    lun 0 size 20G naa 600a098038304479363f4c4934526b00 serial 80Dy6
array local
    vendor NOBODY
    product NOTHING
    revision 2.5+
    node local
    group 0 active/optimized port0
    lun 0 size 8G naa 5000c500a0b0c0d0 serial QM00001
adapter 0 ata port0
    sees local port0
adapter 1 fc 10000090fa53a001
    sees ontap 200200a098d0b001
"""
SECOND = """\
adapter 2 fc 10000090fa53a002
    sees ontap 200300a098d0b001
"""
WWID = "3600a098038304479363f4c4934526b00"
LISTENING = """\
file /proc/net/unix <<END
Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 14225 /run/multipathd.socket
END
"""
NO, YES, MAYBE = (f'DM_MULTIPATH_DEVICE_PATH="{number}"\n' for number in range(3))
WAIT_FILE = "/run/multipath/find_multipaths/8:16"


def file(path: str, text: str) -> str:
    return f"file {path} <<END\n{text}END\n"


def san(mode: str = "strict", *, more: str = "", config: str = "", wwids: str = "", daemon: bool = True) -> SandboxHost:
    """sda is a local disk, sdb the first path to the LUN, sdc (with SECOND in `more`) the second."""
    conf = f"defaults {{\n\tfind_multipaths {mode}\n}}\n{config}"
    text = SAN + more + file("/etc/multipath.conf", conf) + (LISTENING if daemon else "")
    return SandboxHost(parse_scenario(text + file("/etc/multipath/wwids", wwids), file="question.san"))


@dataclass(frozen=True, slots=True)
class Said:
    status: int
    out: str
    err: str


class Asking:
    """Asks with standard output and error captured."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, host: SandboxHost, *arguments: str, environment: Mapping[str, str] | None = None) -> Said:
        status = answer(host, asked_by(read(arguments)), environment or {})
        return Said(status, *self._capsys.readouterr())


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Asking:
    return Asking(capsys)


# ---- the answers


@pytest.mark.parametrize(
    ("mode", "wwids", "out"),
    [
        pytest.param("strict", "", NO, id="strict, not in the file"),
        pytest.param("strict", f"/{WWID}/\n", YES, id="strict, in the file"),
        pytest.param("off", "", NO, id="off, not in the file"),
        pytest.param("on", f"/{WWID}/\n", YES, id="on, in the file"),
        pytest.param("greedy", "", YES, id="greedy"),
        pytest.param(
            "smart", "", f'FIND_MULTIPATHS_WAIT_UNTIL="10.000000"\n{MAYBE}', id="smart, not in the file, known hardware"
        ),
        pytest.param("smart", f"/{WWID}/\n", YES, id="smart, in the file"),
    ],
)
def test_udev_is_answered_and_imports_the_answer(ask: Asking, mode: str, wwids: str, out: str) -> None:
    assert ask(san(mode, wwids=wwids), "-u", "sdb") == Said(0, out, "")


@pytest.mark.parametrize(("wwids", "status", "out"), [("", 1, NO), (f"/{WWID}/\n", 0, YES)], ids=["no", "yes"])
def test_people_have_the_answer_in_the_exit_status_too(ask: Asking, wwids: str, status: int, out: str) -> None:
    assert ask(san(wwids=wwids), "-c", "/dev/sdb") == Said(status, out, "")


def test_maybe_is_no_failure(ask: Asking) -> None:
    said = ask(san("smart"), "-c", "/dev/sdb")
    assert (said.status, said.out.endswith(MAYBE)) == (0, True)


def test_udev_hears_no_while_no_daemon_listens_and_people_do_not_need_one(ask: Asking) -> None:
    host = san(wwids=f"/{WWID}/\n", daemon=False)
    assert ask(host, "-u", "sdb").out == NO
    assert ask(host, "-c", "/dev/sdb").out == YES


@pytest.mark.parametrize(
    "link",
    [
        pytest.param("/etc/systemd/system/sysinit.target.wants/mpathctl.service", id="ours"),
        pytest.param("/usr/lib/systemd/system/sysinit.target.wants/multipathd.service", id="multipathd, by its vendor"),
    ],
)
def test_while_the_system_boots_it_is_enough_that_a_daemon_is_enabled(link: str, ask: Asking) -> None:
    host = san(wwids=f"/{WWID}/\n", daemon=False, more=file(link, ""))
    assert ask(host, "-u", "sdb").out == YES
    other = san(wwids=f"/{WWID}/\n", daemon=False, more=file(f"{link.rpartition('/')[0]}/iscsid.service", ""))
    assert ask(other, "-u", "sdb").out == NO


def test_a_daemon_may_listen_on_another_socket(ask: Asking) -> None:
    host = san(wwids=f"/{WWID}/\n")
    assert ask(host, "-u", "sdb", environment={"MULTIPATH_SOCKET_NAME": "/run/mine"}).out == NO


def test_a_path_of_a_map_is_one_though_it_is_blacklisted(ask: Asking) -> None:
    table = "    table 0 41943040 multipath 0 0 1 1 service-time 0 1 1 8:16 1\n"
    host = san(more=f"map data mpath-{WWID}\n{table}", config='blacklist {\n\tdevnode "sd"\n}\n')
    assert ask(host, "-u", "sdb").out == YES
    assert ask(host, "-u", "sda").out == NO


def test_a_map_of_its_wwid_makes_a_path_of_a_new_device(ask: Asking) -> None:
    table = "    table 0 41943040 multipath 0 0 1 1 service-time 0 1 1 8:16 1\n"
    host = san(more=f"{SECOND}map data mpath-{WWID}\n{table}")
    assert ask(host, "-u", "sdc").out == YES


def test_a_wwid_whose_map_was_refused_is_no_path(ask: Asking) -> None:
    host = san(wwids=f"/{WWID}/\n", more=file(f"/run/multipath/failed_wwids/{WWID}", ""))
    assert ask(host, "-u", "sdb").out == NO


def test_a_device_in_use_is_not_claimed(ask: Asking) -> None:
    mounts = file("/proc/self/mountinfo", "30 1 8:16 / /data rw - xfs /dev/sdb rw\n")
    assert ask(san("greedy", more=mounts), "-u", "sdb").out == NO
    assert ask(san("strict", more=mounts, wwids=f"/{WWID}/\n"), "-u", "sdb").out == YES


def test_the_file_of_wwids_does_not_count_when_told(ask: Asking) -> None:
    assert ask(san("strict"), "-c", "-i", "/dev/sdb").out.endswith(MAYBE)
    assert ask(san("off"), "-ic", "/dev/sdb").out == YES


# ---- before udev has a database


def test_the_wwid_of_a_device_that_is_new_to_udev_is_in_its_environment(ask: Asking) -> None:
    host = san(wwids="/3mine/\n", config="overrides {\n\tuid_attribute ID_MINE\n}\n")
    assert ask(host, "-u", "sdb").out == NO
    assert ask(host, "-u", "sdb", environment={"ID_MINE": "3mine"}).out == YES


def test_the_environment_of_people_says_nothing_of_a_device(ask: Asking) -> None:
    host = san(wwids="/3mine/\n", config="overrides {\n\tuid_attribute ID_MINE\n}\n")
    assert ask(host, "-c", "/dev/sdb", environment={"ID_MINE": "3mine"}).status == 1


def test_a_device_that_udev_let_go_stays_free_unless_it_is_known(ask: Asking) -> None:
    told = {"DM_MULTIPATH_DEVICE_PATH": "0"}
    assert ask(san("greedy"), "-u", "sdb", environment=told).out == NO
    assert ask(san("smart"), "-u", "sdb", environment=told).out == NO
    assert ask(san("greedy"), "-u", "sdb", environment={"DM_MULTIPATH_DEVICE_PATH": "1"}).out == YES
    assert ask(san("smart", wwids=f"/{WWID}/\n"), "-u", "sdb", environment=told).out == YES


# ---- waiting for a second path


def test_the_wait_begins_once_and_ends(ask: Asking) -> None:
    host = san("smart")
    assert ask(host, "-u", "sdb").out == f'FIND_MULTIPATHS_WAIT_UNTIL="10.000000"\n{MAYBE}'
    assert host.modified(WAIT_FILE) == host.wall_time() + 10
    host.advance(4)
    assert ask(host, "-u", "sdb").out == f'FIND_MULTIPATHS_WAIT_UNTIL="6.000000"\n{MAYBE}'
    host.advance(6)
    assert ask(host, "-u", "sdb").out == f'FIND_MULTIPATHS_WAIT_UNTIL="0"\n{NO}'
    assert host.writes == {"create_file": 1}


def test_unknown_hardware_waits_only_a_second(ask: Asking) -> None:
    assert ask(san("smart"), "-u", "sda").out == f'FIND_MULTIPATHS_WAIT_UNTIL="1.000000"\n{MAYBE}'


def test_the_wait_can_be_set(ask: Asking) -> None:
    host = san("smart", config="defaults {\n\tfind_multipaths_timeout 25\n}\n")
    assert ask(host, "-u", "sda").out == f'FIND_MULTIPATHS_WAIT_UNTIL="25.000000"\n{MAYBE}'


def test_a_second_path_that_is_there_makes_no_wait(ask: Asking) -> None:
    host = san("smart", more=SECOND)
    assert ask(host, "-u", "sdc") == Said(0, YES, "")
    assert host.writes == {}


def test_a_second_path_ends_the_wait_of_the_first(ask: Asking) -> None:
    host = san("smart", more=f"{SECOND}now delete sdc\n")
    assert ask(host, "-u", "sdb").out.endswith(MAYBE)
    host.advance(2)
    host.happen("scan", "2")
    assert ask(host, "-u", "sdb").out == f'FIND_MULTIPATHS_WAIT_UNTIL="8.000000"\n{YES}'
    host.advance(30)
    assert ask(host, "-u", "sdb").out == f'FIND_MULTIPATHS_WAIT_UNTIL="0"\n{YES}'


def test_a_wait_that_can_not_be_recorded_is_none(ask: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    host = san("smart")

    def refuse(path: str, /, *, mode: int, modified: float) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    monkeypatch.setattr(host, "create_file", refuse)
    said = ask(host, "-u", "sdb")
    assert (said.status, said.out) == (0, NO)
    assert said.err == f"making {WAIT_FILE}: EROFS, Read-only file system\n"


def test_a_wait_that_another_process_has_just_begun_is_the_same(ask: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    host = san("smart")
    create = host.create_file

    def late(path: str, /, *, mode: int, modified: float) -> None:
        create(path, mode=mode, modified=modified - 3)
        create(path, mode=mode, modified=modified)

    monkeypatch.setattr(host, "create_file", late)
    assert ask(host, "-u", "sdb").out == f'FIND_MULTIPATHS_WAIT_UNTIL="7.000000"\n{MAYBE}'


def busy(host: SandboxHost, monkeypatch: pytest.MonkeyPatch, *, meanwhile: str = "") -> SandboxHost:
    """A host on which somebody has every disk; `meanwhile`: WWID of the map that came onto them just now."""

    def refuse(name: DeviceName, /) -> None:
        if meanwhile:
            disk = host.kernel.disk(name)
            assert disk is not None
            disk.holders.append("dm-0")
            monkeypatch.setattr(host, "read_file", lambda path: read_held(path))
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), name)

    before = host.read_file

    def read_held(path: str) -> bytes:
        return f"mpath-{meanwhile}\n".encode() if path.endswith("dm-0/dm/uuid") else before(path)

    monkeypatch.setattr(host, "open_exclusively", refuse)
    return host


def test_a_device_that_somebody_has_open_is_not_waited_for(ask: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    host = busy(san("smart"), monkeypatch)
    said = ask(host, "-u", "sdb", "-v3")
    assert (said.status, said.out) == (0, NO)
    assert said.err.endswith("sdb: no: it can't be opened exclusively: Device or resource busy [implied]\n")
    assert host.writes == {}


def test_a_device_that_a_map_has_taken_meanwhile_is_a_path(ask: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(busy(san("smart"), monkeypatch, meanwhile=WWID), "-u", "sdb").out == YES


def test_no_device_is_opened_that_is_known_or_was_let_go(ask: Asking) -> None:
    host = san("smart", wwids=f"/{WWID}/\n")
    ask(host, "-u", "sdb")
    ask(host, "-u", "sda", environment={"DM_MULTIPATH_DEVICE_PATH": "0"})
    assert host.reads["open_exclusively"] == 0


# ---- what it costs


@pytest.mark.parametrize("mode", ["strict", "greedy", "smart"])
def test_no_command_is_sent_to_any_disk(ask: Asking, mode: str) -> None:
    host = san(mode, more=SECOND)
    ask(host, "-u", "sdb")
    assert host.reads["scsi_inquire"] == 0


def test_an_answer_that_is_certain_looks_at_one_disk_only(ask: Asking) -> None:
    one, many = san("strict"), san("strict", more=SECOND)
    ask(one, "-u", "sdb")
    ask(many, "-u", "sdb")
    assert one.reads == many.reads


# ---- what can't be answered


@pytest.mark.parametrize(
    ("arguments", "err"),
    [
        (("-u", "sdz"), "sdz: there is no such block device\n"),
        (("-u", "/dev/sdz"), "/dev/sdz: there is no such block device\n"),
        (("-u",), "the -c option requires a path to check\n"),
        (("-c",), "the -c option requires a path to check\n"),
        (("-c", "data"), "the -c option requires a path to check\n"),
        (("-c", "sdb"), "the -c option requires a path to check\n"),
        (("-c", "/dev/nosuch"), "'/dev/nosuch' is not a valid argument\n"),
        (("-c", "8:99"), "'8:99' is not a valid argument\n"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_no_device_has_no_answer(ask: Asking, arguments: tuple[str, ...], err: str) -> None:
    assert ask(san(), *arguments) == Said(1, "", err)


def test_a_map_is_no_path_to_check_and_never_one_to_udev(ask: Asking) -> None:
    table = "    table 0 41943040 multipath 0 0 1 1 service-time 0 1 1 8:16 1\n"
    host = san("greedy", more=f"map data mpath-{WWID}\n{table}")
    assert ask(host, "-c", "/dev/dm-0") == Said(1, "", "the -c option requires a path to check\n")
    assert ask(host, "-u", "dm-0") == Said(0, NO, "")


def test_a_device_may_be_named_by_its_number(ask: Asking) -> None:
    assert ask(san(wwids=f"/{WWID}/\n"), "-c", "8:16") == Said(0, YES, "")


def test_a_device_may_be_named_by_a_link(ask: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    host = san(wwids=f"/{WWID}/\n")
    real = host.real_path
    links = {"/dev/disk/by-id/wwn-1": "/dev/sdb"}
    monkeypatch.setattr(host, "real_path", lambda path: links.get(path) or real(path))
    assert ask(host, "-c", "/dev/disk/by-id/wwn-1") == Said(0, YES, "")


def test_a_broken_configuration_has_no_answer(ask: Asking) -> None:
    said = ask(san(config='blacklist {\n\tdevnode "("\n}\n'), "-u", "sdb")
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith("/etc/multipath.conf:5")


def test_a_configuration_that_can_not_be_read_has_no_answer(ask: Asking) -> None:
    host = san("greedy")
    host.faults.fail_read("/etc/multipath.conf", errno.EIO)
    said = ask(host, "-u", "sdb")
    assert (said.status, said.out) == (1, "")
    assert said.err == ("the configuration could not be read: /etc/multipath.conf: EIO, Input/output error\n")


def test_it_takes_root(ask: Asking) -> None:
    text = SAN + "host\n    user 1000\n"
    assert ask(SandboxHost(parse_scenario(text, file="question.san")), "-u", "sdb") == Said(1, "", "need to be root\n")


# ---- verbosity


def test_the_reason_is_told_when_asked_for(ask: Asking) -> None:
    said = ask(san(), "-c", "-v3", "/dev/sdb")
    assert said.err == (
        "sdb: no: find_multipaths strict: its WWID is not in the wwids file, and no map has it "
        "[defaults section (/etc/multipath.conf:2)]\n"
    )


def test_messages_about_the_configuration_are_for_people(ask: Asking) -> None:
    host = san(config="defaults {\n\tnonsense 1\n}\n")
    assert "invalid keyword in the defaults section: nonsense" in ask(host, "-c", "/dev/sdb").err
    assert ask(host, "-c", "-v1", "/dev/sdb").err == ""
    assert ask(host, "-u", "sdb").err == ""
    assert "nonsense" in ask(host, "-u", "-v3", "sdb").err


# ---- the command line


@pytest.mark.parametrize(
    ("arguments", "question"),
    [
        (("-u", "sda"), Question(of_udev=True, device="sda")),
        (("sda", "-u"), Question(of_udev=True, device="sda")),
        (("-c", "/dev/sda"), Question(of_udev=False, device="/dev/sda")),
        (("-uc", "sda"), Question(of_udev=True, device="sda")),
        (("-v", "0", "-u", "sda"), Question(of_udev=True, device="sda", verbosity=0)),
        (("-v3", "-c", "/dev/sda"), Question(of_udev=False, device="/dev/sda", verbosity=3)),
        (("-uv4x", "sda"), Question(of_udev=True, device="sda", verbosity=4)),
        (("-i", "-c", "x", "y"), Question(of_udev=False, device="x", ignore_file=True)),
        (("-u", "-d", "sda"), Question(of_udev=True, device="sda")),
        (("-u",), Question(of_udev=True, device="")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_command_lines(arguments: tuple[str, ...], question: Question) -> None:
    invocation = read(arguments)
    assert (invocation.job, asked_by(invocation)) == (Job.IS_PATH, question)


def test_the_program_answers_both(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    host = san(wwids=f"/{WWID}/\n")
    monkeypatch.setattr(udev_question, "RealHost", lambda: host)
    monkeypatch.setattr(os, "environ", {})
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert (main(["-u", "sdb"]), capsys.readouterr().out) == (0, YES)
    assert (main(["-c", "/dev/sda"]), capsys.readouterr().out) == (1, NO)
