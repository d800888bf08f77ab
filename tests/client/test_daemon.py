"""The daemon's operations: the commands that are sent, and what comes of the replies."""

from collections.abc import Callable, Mapping

import pytest

from controller.client.daemon import Done, MapEntry, MultipathDaemon, PathEntry
from controller.client.errors import BadName, NotUnderstood, Refused
from controller.protocol.grammar import Command, parse
from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import parse_scenario
from tests.client.stub import stub
from tests.service.virtual import Virtual

PATHS = 'show paths raw format "%d\t%D\t%o\t%T\t%t\t%p\t%m\t%w"'
MAPS = 'show maps raw format "%d\t%n\t%w"'


def replying(replies: Mapping[str, str]) -> Callable[[str], str]:
    return lambda command: replies.get(command, "fail\n")


def test_paths_are_listed_with_their_numbers() -> None:
    rows = (
        "sda\t8:0\trunning\tready\tactive\t50\tdata\t3600a\n"
        "sdb\t8:16\tunknown\ti/o timeout\tundef\t-1\t[orphan]\t3600b with a blank\n"
    )
    with stub(replying({PATHS: rows})) as server, MultipathDaemon(server.name) as daemon:
        assert daemon.list_paths() == (
            PathEntry(device="sda", major=8, minor=0, status="running", checker_state="ready", dm_state="active",
                      priority=50, map="data", uuid="3600a"),
            PathEntry(device="sdb", major=8, minor=16, status="unknown", checker_state="i/o timeout", dm_state="undef",
                      priority=-1, map="[orphan]", uuid="3600b with a blank"),
        )  # fmt: skip


def test_maps_are_listed() -> None:
    with stub(replying({MAPS: "dm-0\tdata\t3600a\n"})) as server, MultipathDaemon(server.name) as daemon:
        assert daemon.list_maps() == (MapEntry(device="dm-0", name="data", uuid="3600a"),)


def test_an_empty_list_is_an_ok() -> None:
    with stub(lambda _: "ok\n") as server, MultipathDaemon(server.name) as daemon:
        assert (daemon.list_paths(), daemon.list_maps()) == ((), ())


GOOD = "sda\t8:0\trunning\tready\tactive\t50\tdata\t3600a\n"
NVME = "nvme0c0n1\t0:0\tlive\tn/a\tn/a\tn/a\tnvme0n1\tuuid.1\n"


@pytest.mark.parametrize(
    ("row", "number", "priority"),
    [
        pytest.param(NVME, (0, 0), -1, id="a path of NVMe without ANA"),
        pytest.param("sdb\t#:#\tunknown\tundef\tundef\tundef\t[orphan]\t\n", (-1, -1), -1, id="a device that is gone"),
        pytest.param("sdb\t--\t[undef]\t--\t--\t--\t--\t--\n", (-1, -1), -1, id="nothing is known"),
        pytest.param("sdb\t8\t\t\t\t\t\t\n", (8, -1), -1, id="empty"),
        pytest.param(f"sdb\t8:16\ta\tb\tc\t{'9' * 30}\td\te\n", (8, 16), -1, id="a number of no kernel"),
    ],
)
def test_what_has_no_number_is_no_error_and_costs_no_other_row(
    row: str, number: tuple[int, int], priority: int
) -> None:
    with stub(replying({PATHS: row + GOOD})) as server, MultipathDaemon(server.name) as daemon:
        odd, good = daemon.list_paths()
    assert ((odd.major, odd.minor), odd.priority) == (number, priority)
    assert (good.device, good.priority) == ("sda", 50)


def test_a_line_that_is_no_row_costs_no_row() -> None:
    torn = "sdb\t8:16\trunning\tready\tactive\t50\tda\nta\t3600b\n"
    with stub(replying({PATHS: torn + GOOD})) as server, MultipathDaemon(server.name) as daemon:
        assert [path.device for path in daemon.list_paths()] == ["sda"]


def test_a_tab_in_the_last_column_is_part_of_it() -> None:
    with stub(replying({MAPS: "dm-0\tdata\t3600\ta\n"})) as server, MultipathDaemon(server.name) as daemon:
        assert daemon.list_maps() == (MapEntry(device="dm-0", name="data", uuid="3600\ta"),)


def test_a_real_daemon_beside_native_nvme_is_understood() -> None:
    scenario = """host
    release 6.12.0-1-amd64
    nvme-multipath on
nvme nqn.2024-01.org.example:vol1
    model "Example NVMe"
    serial EX00000001
    firmware 1.0
    ana off
    controller 0 tcp traddr=10.0.1.1,trsvcid=4420
    namespace 1 size 20G uuid 6b1d0000-0000-4000-8000-000000000001
file /etc/multipath.conf <<END
defaults {
	enable_foreign ".*"
}
END
"""
    real = Virtual(host=SandboxHost(parse_scenario(scenario, file="nvme.san")))
    real.settled()
    with stub(real.ask) as server, MultipathDaemon(server.name) as daemon:
        (path,) = daemon.list_paths()
    assert (path.device, path.priority, path.map) == ("nvme0c0n1", -1, "nvme0n1")


def test_a_list_of_another_form_is_not_guessed_at() -> None:
    with (
        stub(lambda _: "sda 8:0\n") as server,
        MultipathDaemon(server.name) as daemon,
        pytest.raises(NotUnderstood, match="the daemon lists"),
    ):
        daemon.list_paths()


OPERATIONS: list[tuple[Callable[[MultipathDaemon], object], str]] = [
    (lambda d: d.reconfigure(), "reconfigure"),
    (lambda d: d.reconfigure(everything=True), "reconfigure all"),
    (lambda d: d.disable_queueing(), "disablequeueing maps"),
    (lambda d: d.restore_queueing(), "restorequeueing maps"),
    (lambda d: d.add_path("sda"), 'add path "sda"'),
    (lambda d: d.remove_path("sda"), 'remove path "sda"'),
    (lambda d: d.fail_path("sda"), 'fail path "sda"'),
    (lambda d: d.reinstate_path("sda"), 'reinstate path "sda"'),
    (lambda d: d.add_map("x"), 'add map "x"'),
    (lambda d: d.remove_map("x"), 'remove map "x"'),
    (lambda d: d.suspend_map("x"), 'suspend map "x"'),
    (lambda d: d.resume_map("x"), 'resume map "x"'),
    (lambda d: d.resize_map("x"), 'resize map "x"'),
    (lambda d: d.reset_map("x"), 'reset map "x"'),
    (lambda d: d.reload_map("x"), 'reload map "x"'),
    (lambda d: d.disable_map_queueing("x"), 'disablequeueing map "x"'),
    (lambda d: d.restore_map_queueing("x"), 'restorequeueing map "x"'),
]


@pytest.mark.parametrize(("operation", "command"), OPERATIONS, ids=[command for _, command in OPERATIONS])
def test_each_operation_is_one_command_of_the_language(
    operation: Callable[[MultipathDaemon], object], command: str
) -> None:
    with stub(lambda _: "ok\n") as server, MultipathDaemon(server.name) as daemon:
        operation(daemon)
        assert server.requests == [command.encode() + b"\0"]
    assert isinstance(parse(command), Command)


@pytest.mark.parametrize(
    ("reply", "done"),
    [
        ("ok\n", Done.DONE),
        ("delayed\n", Done.DELAYED),
        ("map reload error. removed\n", Done.REMOVED_WITHOUT_RELOAD),
    ],
)
def test_how_far_the_daemon_got(reply: str, done: Done) -> None:
    with stub(lambda _: reply) as server, MultipathDaemon(server.name) as daemon:
        assert daemon.remove_path("sda") is done


@pytest.mark.parametrize(
    ("reply", "why"),
    [("fail\n", ""), ("fail\ndevice not found\n", "device not found"), ("blacklisted\n", "blacklisted")],
)
def test_a_refusal_says_why(reply: str, why: str) -> None:
    with stub(lambda _: reply) as server, MultipathDaemon(server.name) as daemon, pytest.raises(Refused) as caught:
        daemon.add_path("sda")
    assert str(caught.value) == why


@pytest.mark.parametrize("name", ["", 'a"b', "a\nb", "a\0b"])
def test_a_name_that_would_end_its_quotes_is_not_sent(name: str) -> None:
    with stub(lambda _: "ok\n") as server, MultipathDaemon(server.name) as daemon:
        with pytest.raises(BadName):
            daemon.fail_path(name)
        assert server.requests == []


def test_the_environment_names_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    with stub(lambda _: "ok\n") as server:
        monkeypatch.setenv("MULTIPATH_SOCKET_NAME", server.name)
        with MultipathDaemon() as daemon:
            daemon.reconfigure()
        assert server.requests == [b"reconfigure\0"]
