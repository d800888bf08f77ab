"""Deleting a path whose logical unit is no longer mapped: the very disk that was meant, or none."""

import errno
from collections.abc import Callable

import pytest

from actuators.apply import apply
from actuators.steps import Changed, DeletePath, Lost, MapRef, Outcome, Refused, Unchanged
from actuators.sysfs import delete_path
from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import load_scenario
from observers.dmtable import DevT
from observers.host import Held, ScsiReply
from observers.snapshot import Alias, DeviceName, DmUuid
from tests.actuators.scripted import ScriptedHost
from tests.sandbox import dm

NAME = DeviceName("sdb")
MAP = MapRef(DmUuid("mpath-3600a098038304479363f4c4934526b01"), Alias("logs"))


@pytest.fixture
def host() -> SandboxHost:
    """A host on which the unit of `sdb` is no longer mapped."""
    return SandboxHost(load_scenario("unmapped-lun"))


@pytest.fixture
def step(host: SandboxHost) -> DeletePath:
    disk = host.kernel.disk(NAME)
    assert disk is not None
    return DeletePath(map=MAP, dev=disk.dev, name=NAME, sysfs=host.real_path(f"/sys/block/{NAME}"))


def is_there(host: SandboxHost) -> bool:
    return NAME in host.list_directory("/sys/block")


def between(host: SandboxHost, monkeypatch: pytest.MonkeyPatch, change: Callable[[], None]) -> None:
    """Let something happen after the decision, just before the disk is opened."""
    hold = host.hold_device

    def late(name: DeviceName, /) -> Held:
        change()
        return hold(name)

    monkeypatch.setattr(host, "hold_device", late)


def lost(outcome: Outcome) -> str:
    assert isinstance(outcome, Lost), outcome
    return outcome.message


def test_the_disk_is_deleted_and_nothing_is_held_afterwards(host: SandboxHost, step: DeletePath) -> None:
    assert delete_path(host, step) == Changed()
    assert not is_there(host)
    assert host.writes == {"write_attribute": 1}
    host.write_attribute("/sys/class/scsi_host/host1/scan", b"- - -")
    assert host._held == {}


def test_a_disk_that_is_gone_already_needs_nothing(host: SandboxHost, step: DeletePath) -> None:
    delete_path(host, step)
    assert delete_path(host, step) == Unchanged()


def test_a_unit_that_is_mapped_again_keeps_its_path(host: SandboxHost, step: DeletePath) -> None:
    host.happen("show", "ontap:1")
    assert "no longer says that its logical unit is not mapped" in lost(delete_path(host, step))
    assert is_there(host)


def test_a_unit_that_came_back_at_the_last_moment_keeps_its_path(
    host: SandboxHost, step: DeletePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    between(host, monkeypatch, lambda: host.happen("show", "ontap:1"))
    lost(delete_path(host, step))
    assert is_there(host)


@pytest.mark.parametrize(
    ("deleted", "shown", "why"),
    [(["sda", "sdb"], [], "is now at"), (["sda"], ["one:0"], "no longer says")],
    ids=["another unit of the array", "the same unit, which is mapped again"],
)
def test_a_disk_that_took_name_and_number_meanwhile_is_left_alone(
    deleted: list[str], shown: list[str], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = dm.san()
    place, number = host.real_path("/sys/block/sda"), host.read_file("/sys/block/sda/dev")
    host.happen("unmap", "one:0")

    def reuse() -> None:
        host.happen("delete", *deleted)
        for unit in shown:
            host.happen("show", unit)
        host.happen("scan", "0")
        assert host.read_file("/sys/block/sda/dev") == number
        host.writes.clear()

    between(host, monkeypatch, reuse)
    name, dev = DeviceName("sda"), DevT(number.decode().strip())
    assert why in lost(delete_path(host, DeletePath(map=MAP, dev=dev, name=name, sysfs=place)))
    assert not host.writes
    assert host._held == {}


def other_number(_host: SandboxHost, step: DeletePath) -> DeletePath:
    return DeletePath(map=step.map, dev=DevT("8:240"), name=step.name, sysfs=step.sysfs)


def other_place(host: SandboxHost, step: DeletePath) -> DeletePath:
    return DeletePath(map=step.map, dev=step.dev, name=step.name, sysfs=host.real_path("/sys/block/sda"))


@pytest.mark.parametrize("other", [other_number, other_place], ids=["number", "place"])
def test_another_device_than_was_decided_on_is_left_alone(
    host: SandboxHost, step: DeletePath, other: Callable[[SandboxHost, DeletePath], DeletePath]
) -> None:
    lost(delete_path(host, other(host, step)))
    assert not host.writes
    assert host._held == {}


def test_a_disk_whose_port_is_away_is_left_alone(host: SandboxHost, step: DeletePath) -> None:
    host.happen("link", "no-connect", NAME)
    assert "host status 0x01" in lost(delete_path(host, step))
    assert is_there(host)


def test_a_disk_that_can_not_be_opened_is_left_alone(host: SandboxHost, step: DeletePath) -> None:
    host.happen("offline", NAME)
    assert "nobody knows whether it is still unmapped" in lost(delete_path(host, step))
    assert is_there(host)


def test_a_refused_write_is_told_and_nothing_stays_held(host: SandboxHost, step: DeletePath) -> None:
    host.faults.fail_change(f"{step.sysfs}/device/delete", errno.EIO)
    outcome = delete_path(host, step)
    assert isinstance(outcome, Refused)
    assert outcome.error == errno.EIO
    assert host._held == {}


def test_it_is_a_step_like_the_others(host: SandboxHost, step: DeletePath) -> None:
    assert apply(host, (), [[step]], udev_running=True).outcomes == ((step, Changed()),)


# ---- what the device says, word for word

SYSFS = "/sys/devices/h/block/sdb"


def sense(key: int, asc: int, ascq: int, *, code: int = 0x70) -> ScsiReply:
    data = bytes([code, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, asc, ascq, 0, 0, 0, 0])
    return ScsiReply(status=2, host_status=0, driver_status=0, sense=data, data=b"")


UNMAPPED, ATTENTION = sense(5, 0x25, 0), sense(6, 0x29, 0)
GOOD = ScsiReply(status=0, host_status=0, driver_status=0, sense=b"", data=b"")


@pytest.mark.parametrize(
    ("answers", "deleted"),
    [
        ([UNMAPPED], True),
        ([ATTENTION, UNMAPPED], True),
        ([ATTENTION] * 4 + [UNMAPPED], True),
        ([ATTENTION] * 5, False),
        ([ATTENTION, GOOD], False),
        ([GOOD], False),
        ([sense(5, 0x25, 1)], False),
        ([sense(5, 0x25, 0, code=0x71)], False),
        ([sense(2, 0x04, 0x0A)], False),
        ([ScsiReply(status=2, host_status=0x0E, driver_status=0, sense=UNMAPPED.sense, data=b"")], False),
        ([ScsiReply(status=0, host_status=0, driver_status=0, sense=UNMAPPED.sense, data=b"")], False),
        ([ScsiReply(status=2, host_status=0, driver_status=0, sense=b"\x70", data=b"")], False),
        ([errno.ENXIO], False),
    ],
    ids=["unmapped", "attention first", "four attentions", "attentions only", "attention, then good", "good", "near it",
         "deferred", "transitioning", "lost on the way", "good with stale sense", "sense cut off", "gone"],
)  # fmt: skip
def test_only_one_answer_lets_it_be_deleted(answers: list[ScsiReply | int], *, deleted: bool) -> None:
    host = ScriptedHost(
        files={f"{SYSFS}/dev": b"8:16\n"},
        links={"/sys/block/sdb": SYSFS},
        numbers={"sdb": DevT("8:16")},
        commands=list(answers),
    )
    outcome = delete_path(host, DeletePath(map=MAP, dev=DevT("8:16"), name=NAME, sysfs=SYSFS))
    assert isinstance(outcome, Changed if deleted else Lost)
    assert host.written == ([(f"{SYSFS}/device/delete", b"1")] if deleted else [])
    assert host.released == host.held
    assert len(host.held) == 1
