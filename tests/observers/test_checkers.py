"""A path's health: what sysfs decides alone, and what TEST UNIT READY says (the rows of multipath-tools' `tur`)."""

import errno

import pytest

from observers import asking
from observers.checkers import CHECKERS, Task, check, pending
from observers.dmtable import DevT, Sectors
from observers.host import ScsiReply
from observers.snapshot import Bus, DeviceName, Health, Path, PathState
from tests.observers.checking import probe
from tests.observers.fake_host import GOOD, FakeHost, check_condition, good, transport_error

TUR = ("sda", b"\0\0\0")
SYSFS = "/sys/devices/pseudo_0/adapter0/host0/target0:0:0/0:0:0:0/block/sda"
UP = Health("tur", PathState.UP, " reports path is up")
DOWN = Health("tur", PathState.DOWN, " reports path is down")
UNIT_ATTENTION = check_condition(6, 0x29, 0x00)
BUS_BUSY, TIME_OUT, NO_CONNECT, FAILFAST = 2, 3, 1, 0x0F


def path(bus: Bus = Bus.SCSI, size: int = 131072) -> Path:
    return Path(name=DeviceName("sda"), dev=DevT("8:0"), size=Sectors(size), bus=bus, sysfs=SYSFS, timeout=30)


def host(*answers: ScsiReply | int, state: str = "running\n") -> FakeHost:
    return FakeHost(files={f"{SYSFS}/device/state": state.encode()}, scsi={TUR: list(answers)})


def asked(fake: FakeHost) -> int:
    return fake.asked.count(("scsi_inquire", "scsi:sda"))


# ---- sysfs first


@pytest.mark.parametrize(
    ("bus", "state", "expected"),
    [
        pytest.param(Bus.SCSI, "offline\n", PathState.DOWN, id="SCSI offline"),
        pytest.param(Bus.SCSI, "transport-offline\n", PathState.DOWN, id="SCSI transport-offline"),
        pytest.param(Bus.SCSI, "blocked\n", PathState.PENDING, id="SCSI blocked"),
        pytest.param(Bus.SCSI, "quiesce\n", PathState.PENDING, id="SCSI quiesce"),
        pytest.param(Bus.SCSI, "created\n", PathState.DOWN, id="SCSI, any other"),
        pytest.param(Bus.NVME, "new\n", PathState.PENDING, id="NVMe new"),
        pytest.param(Bus.NVME, "deleting\n", PathState.PENDING, id="NVMe deleting"),
        pytest.param(Bus.NVME, "dead\n", PathState.DOWN, id="NVMe dead"),
        pytest.param(Bus.NVME, "connecting\n", PathState.DOWN, id="NVMe, any other"),
    ],
)
def test_device_that_is_not_up_in_sysfs_is_sent_nothing(bus: Bus, state: str, expected: PathState) -> None:
    fake = host(state=state)
    assert probe(fake, path(bus)) == Health("sysfs", expected, "")
    assert asked(fake) == 0


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(errno.ENXIO, PathState.REMOVED, id="ENXIO"),
        pytest.param(errno.ENOENT, PathState.REMOVED, id="no such attribute any more"),
        pytest.param(errno.EIO, PathState.DOWN, id="any other error"),
    ],
)
def test_state_that_cannot_be_read(error: int, expected: PathState) -> None:
    fake = host()
    fake.refuse(f"{SYSFS}/device/state", error)
    assert probe(fake, path()) == Health("sysfs", expected, "")


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE])
def test_that_too_many_files_are_open_says_nothing_of_a_path(error: int) -> None:
    fake = host(GOOD)
    fake.refuse(f"{SYSFS}/device/state", error)
    assert probe(fake, path()).state is PathState.UP


def test_live_nvme_namespace_is_up_by_checker_none() -> None:
    assert probe(host(state="live\n"), path(Bus.NVME)) == Health("none", PathState.UP, "")


def test_path_of_a_bus_that_has_no_checker_is_unchecked() -> None:
    fake = FakeHost()
    assert probe(fake, path(Bus.UNKNOWN)) == Health("none", PathState.UNCHECKED, "")
    assert fake.asked == []


def test_checker_that_does_not_exist_leaves_the_path_unchecked_and_says_so() -> None:
    fake = host(GOOD)
    health = probe(fake, path(), "tuur")
    assert (health.checker, health.state) == ("tuur", PathState.UNCHECKED)
    assert health.message.startswith(": there is no checker of that name, only tur, directio,")
    assert asked(fake) == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [("tur", " still running"), ("directio", " is waiting on aio"), ("rdac", ""), ("tuur", "")],
)
def test_check_that_has_not_ended_is_pending(name: str, message: str) -> None:
    assert pending(name) == Health(name, PathState.PENDING, message)


# ---- tur


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(GOOD, UP, id="good"),
        pytest.param(ScsiReply(status=0x18, host_status=0, driver_status=0, sense=b"", data=b""), UP, id="reserved"),
        pytest.param(
            check_condition(2, 4, 0x0B), Health("tur", PathState.GHOST, " reports path is ghost"), id="standby"
        ),
        pytest.param(
            check_condition(2, 4, 0x0A),
            Health("tur", PathState.PENDING, " reports path is transitioning"),
            id="transition",
        ),
        pytest.param(
            check_condition(5, 0x25, 0),
            Health("tur", PathState.DISCONNECTED, " no access to this device"),
            id="LUN unmapped",
        ),
        pytest.param(check_condition(2, 4, 0x0C), DOWN, id="unavailable"),
        pytest.param(check_condition(2, 4, 0x02), DOWN, id="not ready"),
        pytest.param(check_condition(3, 0x11, 0), DOWN, id="medium error"),
        pytest.param(check_condition(5, 0x20, 0), DOWN, id="another illegal request"),
        pytest.param(transport_error(NO_CONNECT), DOWN, id="DID_NO_CONNECT"),
        pytest.param(transport_error(FAILFAST), DOWN, id="DID_TRANSPORT_FAILFAST"),
        pytest.param(errno.ENXIO, DOWN, id="the device can't be opened"),
        pytest.param(errno.ETIMEDOUT, Health("tur", PathState.TIMEOUT, " timed out"), id="waited for no longer"),
        pytest.param(errno.ENOTTY, Health("tur", PathState.WILD, " doesn't support this device"), id="no SCSI device"),
        pytest.param(errno.EACCES, Health("tur", PathState.UNCHECKED, " has no usable fd"), id="no permission"),
    ],
)
def test_answer_to_test_unit_ready(answer: ScsiReply | int, expected: Health) -> None:
    fake = host(answer)
    assert probe(fake, path()) == expected
    assert asked(fake) == 1


def test_standby_in_descriptor_format_is_ghost() -> None:
    sense = bytes([0x72, 2, 4, 0x0B, 0, 0, 0, 0])
    answer = ScsiReply(status=2, host_status=0, driver_status=8, sense=sense, data=b"")
    assert probe(host(answer), path()).state is PathState.GHOST


@pytest.mark.parametrize(
    "passing",
    [pytest.param(UNIT_ATTENTION, id="unit attention"), pytest.param(transport_error(BUS_BUSY), id="DID_BUS_BUSY")],
)
def test_passing_trouble_is_asked_again(passing: ScsiReply) -> None:
    fake = host(passing, passing, GOOD)
    assert probe(fake, path()) == UP
    assert asked(fake) == 3


@pytest.mark.parametrize("passing", [UNIT_ATTENTION, transport_error(BUS_BUSY)], ids=["unit attention", "bus busy"])
def test_it_gives_up_after_five(passing: ScsiReply) -> None:
    fake = host(passing)
    assert probe(fake, path()) == DOWN
    assert asked(fake) == 5


def test_last_answer_counts_when_the_transport_stays_busy() -> None:
    sense = check_condition(2, 4, 0x0B).sense
    busy = ScsiReply(status=2, host_status=BUS_BUSY, driver_status=0, sense=sense, data=b"")
    assert probe(host(busy), path()).state is PathState.GHOST


def test_all_attempts_share_one_timeout() -> None:
    fake = host(transport_error(TIME_OUT))
    fake.command_seconds = 20.0
    assert probe(fake, path()) == Health("tur", PathState.TIMEOUT, " timed out")
    assert asked(fake) == 2


def test_path_that_answers_but_has_no_size_is_ghost() -> None:
    assert probe(host(good(b"")), path(size=0)).state is PathState.GHOST


def test_checkers_have_different_names_and_share_no_bus() -> None:
    buses = [bus for checker in CHECKERS for bus in checker.default_for]
    assert len(set(buses)) == len(buses)
    assert len({checker.name for checker in CHECKERS}) == len(CHECKERS)


def test_all_eight_checkers_are_there() -> None:
    names = {"tur", "directio", "readsector0", "rdac", "emc_clariion", "hp_sw", "cciss_tur", "none"}
    assert {checker.name for checker in CHECKERS} == names


def test_unit_attentions_that_were_asked_past_are_told() -> None:
    fake = host(UNIT_ATTENTION, check_condition(6, 0x3F, 0x0E), GOOD)
    checked = asking.ask(fake, path().name, check(path(), "tur", Task(timeout=30, clock=fake.monotonic)))
    assert [(sense.asc, sense.ascq) for sense in checked.attentions] == [(0x29, 0x00), (0x3F, 0x0E)]
    assert checked.health == UP
