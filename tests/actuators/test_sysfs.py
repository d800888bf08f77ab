"""Having udev look at a path again."""

import errno

import pytest

from actuators.steps import Changed, Lost, Refused, TriggerUevent
from actuators.sysfs import trigger_uevent
from observers.dmtable import DevT
from observers.snapshot import DeviceName

from .scripted import ScriptedHost

SYSFS = "/sys/devices/platform/host2/target2:0:0/2:0:0:0/block/sda"
STEP = TriggerUevent(name=DeviceName("sda"), dev=DevT("8:0"), sysfs=SYSFS)


def test_change_is_written_to_the_uevent_attribute() -> None:
    host = ScriptedHost(files={f"{SYSFS}/dev": b"8:0\n"})
    assert trigger_uevent(host, STEP) == Changed()
    assert host.written == [(f"{SYSFS}/uevent", b"change")]


def test_another_device_in_its_place_is_left_alone() -> None:
    host = ScriptedHost(files={f"{SYSFS}/dev": b"8:32\n"})
    outcome = trigger_uevent(host, STEP)
    assert isinstance(outcome, Lost)
    assert "8:32" in outcome.message
    assert host.written == []


@pytest.mark.parametrize("error", [errno.ENOENT, errno.ENODEV, errno.ENXIO], ids=errno.errorcode.get)
def test_a_device_that_vanishes_is_lost(error: int) -> None:
    host = ScriptedHost(files={f"{SYSFS}/dev": b"8:0\n"}, file_errors={f"write {SYSFS}/uevent": error})
    assert isinstance(trigger_uevent(host, STEP), Lost)


def test_a_device_that_is_gone_before_is_lost() -> None:
    assert isinstance(trigger_uevent(ScriptedHost(), STEP), Lost)


def test_no_permission_is_refused_with_a_hint() -> None:
    host = ScriptedHost(files={f"{SYSFS}/dev": b"8:0\n"}, file_errors={f"write {SYSFS}/uevent": errno.EACCES})
    outcome = trigger_uevent(host, STEP)
    assert isinstance(outcome, Refused)
    assert outcome.error == errno.EACCES
    assert f"{SYSFS}/uevent" in outcome.message
    assert "root" in outcome.hint
