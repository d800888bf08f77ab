"""What clients are answered when the kernel refuses what they ordered; nothing is left of it that is not so."""

import errno

import pytest

from actuators.steps import Changed, MapRef, Refused, ReloadMap, SetQueueing, UdevFlags
from controller.runtime.attempts import Attempts
from observers.dmtable import Sectors
from observers.snapshot import Alias, Wwid, map_uuid
from tests.programs.hosts import CONFIG, LOGS, san
from tests.service.virtual import Virtual


def daemon_on(no_path_retry: str = "fail") -> Virtual:
    made = Virtual(host=san(config=CONFIG.replace("no_path_retry fail", f"no_path_retry {no_path_retry}")))
    made.settled()
    made.live(10)
    return made


@pytest.fixture
def daemon() -> Virtual:
    return daemon_on()


@pytest.fixture
def queueing() -> Virtual:
    return daemon_on("queue")


def refuse(daemon: Virtual, kind: str, *, count: int = 1000) -> None:
    daemon.host.faults.fail_ioctl(kind, errno.EINVAL, count=count)


def value(daemon: Virtual, letter: str, *, name: str = "data") -> str:
    """What a format's letter shows of a map."""
    lines = daemon.ask(f'show maps raw format "%n|%{letter}"').splitlines()
    return dict(line.split("|", 1) for line in lines)[name]


def queues(daemon: Virtual, name: str = "data") -> bool:
    live = daemon.map(name)
    assert live is not None
    assert live.table is not None
    return live.table.queues


# ---- paths


def test_a_path_that_the_kernel_does_not_fail_stays_in_use(daemon: Virtual) -> None:
    refuse(daemon, "DM_TARGET_MSG")
    assert daemon.ask("fail path sda") == "fail\n"
    daemon.host.faults.clear()
    daemon.live(60)
    assert daemon.active("data")["sda"]


@pytest.mark.parametrize("command", ["setmarginal path sda", "unsetmarginal path sda", "unsetmarginal map data"])
def test_a_path_whose_map_the_kernel_does_not_load_is_as_marginal_as_it_was(command: str) -> None:
    daemon = Virtual(host=san(config=CONFIG.replace("defaults {", "defaults {\n\tmarginal_pathgroups on")))
    daemon.settled()
    daemon.live(10)
    if command.startswith("unset"):
        assert daemon.ask("setmarginal path sda") == "ok\n"
    before, table = daemon.ask('show paths raw format "%d %M"'), daemon.map("data")
    refuse(daemon, "DM_TABLE_LOAD")
    assert daemon.ask(command) == "fail\n"
    daemon.host.faults.clear()
    daemon.live(120)
    assert daemon.ask('show paths raw format "%d %M"') == before
    live = daemon.map("data")
    assert live is not None
    assert table is not None
    assert live.table == table.table
    assert daemon.ask(command) == "ok\n"
    assert daemon.ask('show paths raw format "%d %M"') != before


def test_a_path_that_the_kernel_does_not_reinstate_stays_failed_by_command(daemon: Virtual) -> None:
    assert daemon.ask("fail path sda") == "ok\n"
    refuse(daemon, "DM_TARGET_MSG")
    assert daemon.ask("reinstate path sda") == "fail\n"
    daemon.host.faults.clear()
    daemon.live(60)
    assert not daemon.active("data")["sda"]
    assert daemon.ask("reinstate path sda") == "ok\n"
    daemon.until(lambda: daemon.active("data")["sda"])


def test_a_path_removed_from_a_suspended_map_leaves_it_when_it_is_resumed(daemon: Virtual) -> None:
    daemon.ask("suspend map data")
    assert daemon.ask("del path sda") == "delayed\n"
    assert set(daemon.active("data")) == {"sda", "sdc"}
    daemon.ask("resume map data")
    daemon.until(lambda: set(daemon.active("data")) == {"sdc"})


def test_the_last_path_of_a_map_in_use_is_not_removed_and_stays_watched_over(daemon: Virtual) -> None:
    daemon.host.happen("open", "data")
    assert [daemon.ask(f"del path {name}") for name in ("sda", "sdc")] == ["ok\n", "fail\n"]
    daemon.host.happen("offline", "sdc")
    daemon.until(lambda: daemon.active("data") == {"sdc": False})
    daemon.host.happen("online", "sdc")
    daemon.until(lambda: daemon.active("data") == {"sdc": True})


# ---- tables


def test_a_table_that_the_kernel_refuses_is_told(daemon: Virtual) -> None:
    refuse(daemon, "DM_TABLE_LOAD")
    assert daemon.ask("reload map data") == "fail\n"
    daemon.host.faults.clear()
    assert daemon.ask("reload map data") == "ok\n"


def test_the_table_of_a_suspended_map_is_not_loaded_also_not_later(daemon: Virtual) -> None:
    loads = value(daemon, "2")
    daemon.ask("suspend map data")
    assert daemon.ask("reload map data") == "fail\n"
    daemon.ask("resume map data")
    daemon.live(30)
    assert value(daemon, "2") == loads


def test_an_attempt_knows_the_last_load_of_its_map_and_no_other_step() -> None:
    attempts, said = Attempts(), list[bool | None]()
    one, other = attempts.watch(Wwid("one")), attempts.watch(Wwid("other"))
    ref = MapRef(map_uuid(Wwid("one")), Alias("data"))
    load = ReloadMap(
        map=ref, size=Sectors(1), table="", read_only=False, flush=False, expected=None, udev=UdevFlags(0)
    )  # fmt: skip
    refused = Refused(errno.EINVAL, "no")
    for step, outcome in ((SetQueueing(map=ref, queue=True), refused), (load, refused), (load, Changed())):
        attempts.note(((step, outcome),))
        said.append(one.loaded)
    assert said == [None, False, True]
    assert other.loaded is None


# ---- queueing


def test_queueing_that_the_kernel_does_not_end_is_shown_and_left_on(queueing: Virtual) -> None:
    refuse(queueing, "DM_TARGET_MSG")
    assert queueing.ask("disablequeueing map data") == "fail\n"
    assert value(queueing, "Q") == "on"
    queueing.host.faults.clear()
    queueing.live(60)
    assert queues(queueing)
    assert queueing.ask("disablequeueing map data") == "ok\n"
    assert value(queueing, "Q") == "off"
    assert not queues(queueing)


def test_of_several_maps_only_the_one_that_the_kernel_refused_goes_on_queueing(queueing: Virtual) -> None:
    refuse(queueing, "DM_TARGET_MSG", count=1)
    assert queueing.ask("disablequeueing maps") == "fail\n"
    queueing.live(60)
    shown = {name: value(queueing, "Q", name=name) for name in ("data", LOGS)}
    assert sorted(shown.values()) == ["off", "on"]
    assert {name: "on" if queues(queueing, name) else "off" for name in shown} == shown


def test_queueing_that_the_kernel_does_not_restore_stays_off(queueing: Virtual) -> None:
    assert queueing.ask("disablequeueing map data") == "ok\n"
    refuse(queueing, "DM_TARGET_MSG")
    assert queueing.ask("restorequeueing map data") == "fail\n"
    assert value(queueing, "Q") == "off"
    queueing.host.faults.clear()
    queueing.live(60)
    assert not queues(queueing)
    assert queueing.ask("restorequeueing map data") == "ok\n"
    assert queues(queueing)


def test_ended_queueing_that_was_refused_while_no_path_works_counts_as_no_failure(queueing: Virtual) -> None:
    for name in ("sda", "sdc"):
        queueing.host.happen("offline", name)
    queueing.until(lambda: not any(queueing.active("data").values()))
    refuse(queueing, "DM_TARGET_MSG")
    assert queueing.ask("disablequeueing map data") == "fail\n"
    assert value(queueing, "x") == "0"
    queueing.host.faults.clear()
    assert queueing.ask("disablequeueing map data") == "ok\n"
    assert value(queueing, "x") == "1"


def test_queueing_of_a_suspended_map_can_not_be_ended(queueing: Virtual) -> None:
    queueing.ask("suspend map data")
    assert queueing.ask("disablequeueing map data") == "fail\n"
    queueing.ask("resume map data")
    queueing.live(30)
    assert queues(queueing)


def test_queueing_is_not_shown_as_off_before_the_kernel_has_ended_it(queueing: Virtual) -> None:
    refuse(queueing, "DM_TARGET_MSG")
    replies: list[str] = []
    service, live = queueing.service, queueing.map("data")
    assert live is not None
    service.executor._queueing.begin([live.wwid], replies.append, queueing.host.monotonic(), stop=True)
    assert value(queueing, "Q") == "on"
