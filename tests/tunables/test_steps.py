"""Writing an attribute: only where it differs, and looked at afterwards."""

import errno

import pytest

from actuators.apply import apply
from actuators.steps import Changed, Lost, MapRef, Refused, Unchanged, WriteTunable
from actuators.sysfs import write_tunable
from observers.snapshot import Alias, DmUuid
from tests.actuators.scripted import ScriptedHost

FILE = "/sys/devices/h/rport-1:0-0/fc_remote_ports/rport-1:0-0/dev_loss_tmo"
STEP = WriteTunable(map=MapRef(DmUuid("mpath-3a"), Alias("a")), file=FILE, value="600", expected="60")


def kernel(shows: bytes = b"60\n", *, error: int = 0) -> ScriptedHost:
    """A kernel that takes every value, or refuses each."""
    host = ScriptedHost(files={FILE: shows}, attributes={FILE: lambda data: data + b"\n"})
    if error:
        host.file_errors[f"write {FILE}"] = error
    return host


def test_a_value_that_differs_is_written() -> None:
    host = kernel()
    assert write_tunable(host, STEP) == Changed()
    assert host.written == [(FILE, b"600")]


def test_a_value_that_is_there_is_not_written() -> None:
    host = kernel(b"600\n")
    assert write_tunable(host, STEP) == Unchanged()
    assert host.written == []


def test_a_value_that_somebody_changed_is_left_alone() -> None:
    host = kernel(b"90\n")
    assert isinstance(write_tunable(host, STEP), Lost)
    assert host.written == []


def test_what_the_kernel_made_of_it_is_told() -> None:
    host = kernel()
    host.attributes[FILE] = lambda _: b"512\n"
    assert write_tunable(host, STEP) == Changed(note="the kernel made 512 of it", kept="512")


@pytest.mark.parametrize("error", [errno.EBUSY, errno.EINVAL, errno.EACCES, errno.EIO])
def test_a_refusal_has_a_hint(error: int) -> None:
    outcome = write_tunable(kernel(error=error), STEP)
    assert isinstance(outcome, Refused)
    assert outcome.error == error
    assert outcome.hint
    assert f"write of 600 to {FILE}" in outcome.message


@pytest.mark.parametrize("error", [errno.ENOENT, errno.ENODEV])
def test_an_attribute_that_is_gone_is_lost(error: int) -> None:
    assert isinstance(write_tunable(kernel(error=error), STEP), Lost)
    assert isinstance(write_tunable(ScriptedHost(), STEP), Lost)


def test_a_refusal_does_not_end_the_steps_of_its_map() -> None:
    host = kernel(error=errno.EINVAL)
    other = WriteTunable(map=STEP.map, file="/sys/other", value="1", expected="0")
    host.files["/sys/other"] = b"0\n"
    host.attributes["/sys/other"] = lambda data: data
    outcomes = apply(host, (), [[STEP, other]], udev_running=False).outcomes
    assert [type(outcome) for _, outcome in outcomes] == [Refused, Changed]
