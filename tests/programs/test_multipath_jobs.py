"""`multipath` on the sandbox: what is printed, what is changed, and the exit status."""

import errno

import pytest

from actuators.steps import Refused
from controller.cli import multipath_flush
from controller.runtime import cycle
from controller.sandbox.host import SandboxHost
from tests.programs.hosts import CONFIG, DATA, LOGS, Said, file, multipath, san

WARNING = "Warning: multipath devices exist, but multipathd service is not running\n"
DAEMON = file("/run/multipathd.pid", "4711\n") + file("/proc/4711/comm", "multipathd\n")
TREES = f"""\
data ({DATA}) dm-0 NETAPP,LUN C-Mode
size=20G features='2 pg_init_retries 50' hwhandler='1 alua' wp=rw
`-+- policy='service-time 0' prio=50 status=active
  |- 1:0:0:0 sda 8:0  active ready running
  `- 2:0:0:0 sdc 8:32 active ready running
{LOGS} dm-1 NETAPP,LUN C-Mode
size=8.0G features='2 pg_init_retries 50' hwhandler='1 alua' wp=rw
`-+- policy='service-time 0' prio=50 status=active
  |- 1:0:0:1 sdb 8:16 active ready running
  `- 2:0:0:1 sdd 8:48 active ready running
"""
INTENDED = f"""\
create: data ({DATA}) undef NETAPP,LUN C-Mode
size=20G features='2 pg_init_retries 50' hwhandler='1 alua' wp=undef
`-+- policy='service-time 0' prio=50 status=undef
  |- 1:0:0:0 sda 8:0  undef ready running
  `- 2:0:0:0 sdc 8:32 undef ready running
create: {LOGS} undef NETAPP,LUN C-Mode
size=8.0G features='2 pg_init_retries 50' hwhandler='1 alua' wp=undef
`-+- policy='service-time 0' prio=50 status=undef
  |- 1:0:0:1 sdb 8:16 undef ready running
  `- 2:0:0:1 sdd 8:48 undef ready running
"""


def maps(host: SandboxHost) -> list[str]:
    return sorted(live.name for live in cycle.observe(host, cycle.Files()).maps)


def made(more: str = "", *, config: str = CONFIG) -> SandboxHost:
    host = san(DAEMON + more, config=config)
    assert multipath(host).status == 0
    return host


# ---- making maps


def test_maps_are_made_and_shown() -> None:
    host = san(DAEMON)
    assert multipath(host) == Said(0, INTENDED, "")
    assert multipath(host) == Said(0, "", "")


def test_at_verbosity_1_only_names_are_shown_and_at_0_nothing() -> None:
    assert multipath(san(DAEMON), "-v1") == Said(0, f"data\n{LOGS}\n", "")
    assert multipath(san(DAEMON), "-v0") == Said(0, "", "")


def test_only_the_map_that_is_named_is_made() -> None:
    host = san(DAEMON)
    assert multipath(host, "-v1", LOGS) == Said(0, f"{LOGS}\n", "")
    assert maps(host) == [LOGS]
    assert multipath(host, "-v1", "/dev/sda", node="sda").out == "data\n"
    assert multipath(san(DAEMON), "-v1", "8:48").out == f"{LOGS}\n"


def test_without_a_daemon_there_is_a_warning() -> None:
    said = multipath(san())
    assert (said.status, said.err.partition(" | ")[2]) == (0, WARNING)


def test_a_dry_run_shows_the_same_maps_and_makes_none() -> None:
    host = san(DAEMON)
    said = multipath(host, "-d", "-v1")
    assert (said.status, said.out, maps(host)) == (0, f"data\n{LOGS}\n", [])
    assert multipath(host, "-d") == Said(0, INTENDED, "")
    assert "data: create: a new map" in multipath(host, "-d", "-v3").err


def test_a_refusal_by_the_kernel_is_a_failure() -> None:
    host = san(DAEMON)
    host.faults.fail_ioctl("DM_TABLE_LOAD", errno.EINVAL)
    said = multipath(host)
    assert said.status == 1
    assert "EINVAL" in said.err


def test_the_policy_of_the_command_line_wins_over_the_configuration() -> None:
    config = CONFIG.replace("alias data", "alias data\n\t\tpath_grouping_policy multibus")
    for arguments, groups in ((("-p", "failover"), 2), ((), 1)):
        host = san(DAEMON, config=config)
        assert multipath(host, *arguments, "data").out.count("-+- policy") == groups


def test_strict_makes_no_map_of_an_unknown_wwid_but_with_i_it_does() -> None:
    config = CONFIG.replace("find_multipaths off", "find_multipaths strict")
    assert multipath(san(DAEMON, config=config), "-v1") == Said(0, "", "")
    assert multipath(san(DAEMON, config=config), "-v1", "-i").out == f"data\n{LOGS}\n"


def test_with_b_no_map_gets_a_new_name() -> None:
    config = CONFIG.replace("alias data", "user_friendly_names yes").replace("off", "off\n\tuser_friendly_names yes")
    assert multipath(san(DAEMON, config=config), "-v1", "-B").out == f"{DATA}\n{LOGS}\n"
    assert multipath(san(DAEMON, config=config), "-v1").out == f"mpatha\n{LOGS}\n"


def test_only_with_q_maps_queue_that_no_daemon_looks_after() -> None:
    config = CONFIG.replace("alias data", "alias data\n\t\tno_path_retry queue")
    for arguments, queues in (((), False), (("-q",), True)):
        host = san(config=config)
        assert "queue_if_no_path" not in multipath(host, *arguments, "data").out
        assert ("queue_if_no_path" in multipath(host, "-l").out) is queues


def test_a_forced_reload_loads_tables_that_are_as_they_should_be() -> None:
    host = made()
    said = multipath(host, "-r")
    assert said.status == 0
    assert said.out == INTENDED.replace("create: ", "reload: ")
    assert multipath(host) == Said(0, "", "")


# ---- showing


def test_a_list_asks_the_paths_and_a_short_one_does_not() -> None:
    host = made()
    assert multipath(host, "-ll") == Said(0, TREES, "")
    short = TREES.replace("prio=50", "prio=0").replace(" ready ", " undef ")
    assert multipath(host, "-l") == Said(0, short, "")


def test_a_list_of_one_map_by_any_of_its_names() -> None:
    host = made()
    for arguments, node in ((("data",), ""), ((DATA,), ""), (("/dev/dm-0",), "dm-0"), (("/dev/sdc",), "sdc")):
        assert multipath(host, "-v1", "-ll", *arguments, node=node) == Said(0, "data\n", "")
    assert multipath(host, "-ll", "nosuch") == Said(0, "", "")


# ---- whether a map can be used


def test_a_map_with_a_path_can_be_used() -> None:
    host = made()
    for device, node in (("data", ""), ("dm-0", ""), ("/dev/mapper/data", "dm-0")):
        assert multipath(host, "-C", device, node=node) == Said(0, "", "")
    assert multipath(host, "-U", "-v1", "dm-1") == Said(0, "", "")


def test_a_map_whose_paths_the_kernel_gave_up_can_not() -> None:
    host = made("at 1s offline sda\nat 1s offline sdc\n")
    host.advance(2)
    said = multipath(host, "-C", "dm-0")
    assert (said.status, said.err.partition(" | ")[2]) == (1, "dm-0: no usable paths found\n")
    assert multipath(host, "-C", "dm-1").status == 0


def test_what_is_no_map_has_no_paths() -> None:
    said = multipath(made(), "-C", "sda", node="sda")
    assert (said.status, said.err.partition(" | ")[2]) == (1, "sda is not a dm device\n")
    assert multipath(made(), "-C", "nosuch").status == 1


# ---- removing


def test_a_map_is_removed_by_its_name_and_all_are() -> None:
    host = made()
    assert multipath(host, "-f", "data") == Said(0, "", "")
    assert maps(host) == [LOGS]
    assert multipath(host, "-F") == Said(0, "", "")
    assert maps(host) == []


def test_a_name_of_no_map_can_not_be_removed() -> None:
    said = multipath(made(), "-f", "nosuch")
    assert (said.status, said.err.partition(" | ")[2]) == (1, "nosuch is not a multipath device\n")


RETRYING = CONFIG.replace("find_multipaths off", "find_multipaths off\n\tremove_retries 3")


@pytest.mark.parametrize(
    ("config", "arguments", "seconds"),
    [(CONFIG, (), 0), (RETRYING, (), 3), (RETRYING, ("-R1",), 1), (CONFIG, ("-R2",), 2)],
)
def test_the_removal_of_a_map_in_use_is_tried_again_as_often_as_configured_or_said(
    monkeypatch: pytest.MonkeyPatch, config: str, arguments: tuple[str, ...], seconds: int
) -> None:
    host, tries = made(config=config), list[float]()

    def refuse(*_: object, **__: object) -> Refused:
        tries.append(host.monotonic())
        return Refused(errno.EBUSY, "it is open twice")

    monkeypatch.setattr(multipath_flush, "flush_map", refuse)
    said = multipath(host, *arguments, "-f", "data")
    assert (said.status, said.err.partition(" | ")[2]) == (1, "data: it is open twice\n")
    assert [int(at - tries[0]) for at in tries] == list(range(seconds + 1))


# ---- the wwids file


def wwids(host: SandboxHost) -> list[str]:
    text = host.read_file("/etc/multipath/wwids").decode()
    return [line for line in text.splitlines() if not line.startswith("# ") and line != "#"]


def test_a_wwid_is_added_once() -> None:
    host = san(DAEMON)
    for _ in range(2):
        assert multipath(host, "-a", "/dev/sda", node="sda") == Said(0, f"wwid '{DATA}' added\n", "")
    assert wwids(host) == [f"/{DATA}/"]
    assert multipath(host, "-a", "36001405").out == "wwid '36001405' added\n"


def test_a_wwid_is_taken_out_and_leaves_its_line() -> None:
    host = san(DAEMON + file("/etc/multipath/wwids", f"# Multipath wwids\n/{DATA}/\n/{LOGS}/\n"))
    assert multipath(host, "-w", "data") == Said(0, f"wwid '{DATA}' removed\n", "")
    assert multipath(host, "-w", DATA) == Said(0, f"wwid '{DATA}' not in wwids file\n", "")
    assert wwids(host) == [f"#{DATA}/", f"/{LOGS}/"]


def test_the_file_is_reset_to_the_maps_that_there_are() -> None:
    host = made(file("/etc/multipath/wwids", "/36001405/\n"))
    assert multipath(host, "-W") == Said(0, "successfully reset wwids\n", "")
    assert wwids(host) == [f"/{DATA}/", f"/{LOGS}/"]


def test_a_blacklisted_device_is_not_added() -> None:
    host = san(DAEMON, config=CONFIG + f"blacklist {{\n\twwid {DATA}\n}}\n")
    assert multipath(host, "-a", "data") == Said(1, "", "")
    assert multipath(host, "-a", "/dev/sda", node="sda") == Said(1, "", "")
    assert multipath(host, "-w", "data") == Said(0, f"wwid '{DATA}' not in wwids file\n", "")


def test_a_file_that_can_not_be_written_is_told() -> None:
    host = san(DAEMON)
    host.faults.fail_change("/etc/multipath/wwids", errno.EROFS)
    said = multipath(host, "-a", DATA)
    assert (said.status, said.out) == (1, f"failed adding '{DATA}' to wwids file\n")
    assert "EROFS" in said.err


@pytest.mark.parametrize("device", ["8:200", "9:0"])
def test_a_number_of_no_device(device: str) -> None:
    said = multipath(san(DAEMON), "-a", device)
    assert (said.status, said.err.partition(" | ")[2]) == (1, f"{device}: cannot find block device\n")
