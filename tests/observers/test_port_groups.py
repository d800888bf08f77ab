"""What sysfs says of port groups is read again while the device says otherwise."""

from dataclasses import replace

import pytest

from observers.dmtable import DevT, Sectors
from observers.kernel.scsi import AccessState
from observers.port_groups import catch_up
from observers.snapshot import Alua, Bus, DeviceName, Path
from tests.observers.fake_host import FakeHost

STATE, PREFERRED = "/sys/d/device/access_state", "/sys/d/device/preferred_path"


class Learning(FakeHost):
    """A host whose kernel learns the new state when it was waited for `after` times."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left, self.waited = after, 0
        self.files |= {STATE: b"active/optimized\n", PREFERRED: b"0\n"}

    def sleep(self, seconds: float, /) -> None:
        self.left, self.waited = self.left - 1, self.waited + 1
        if self.left == 0:
            self.files |= {STATE: b"standby\n", PREFERRED: b"1\n"}


STALE = Alua(
    tpgs=1, group=1, access_state="active/optimized", handler="alua", reported_state=2, reported_preferred=True
)


def path(alua: Alua) -> Path:
    return Path(name=DeviceName("sda"), dev=DevT("8:0"), size=Sectors(8), bus=Bus.SCSI, sysfs="/sys/d", alua=alua)


def test_the_kernel_is_waited_for_and_read_again() -> None:
    host = Learning(after=2)
    (found,) = catch_up(host, [path(STALE)])
    assert (found.alua.access_state, found.alua.preferred, host.waited) == ("standby", True, 2)


def test_a_device_that_keeps_contradicting_is_waited_for_a_limited_time_and_left_to_sysfs() -> None:
    host = Learning(after=1000)
    (found,) = catch_up(host, [path(STALE)])
    assert found.alua.access_state == "active/optimized"
    assert host.waited == 10


def test_many_paths_are_waited_for_at_once() -> None:
    host = Learning(after=1)
    found = catch_up(host, [path(STALE)] * 50)
    assert {each.alua.access_state for each in found} == {"standby"}
    assert host.waited == 1


@pytest.mark.parametrize(
    "alua",
    [
        pytest.param(replace(STALE, reported_state=0, reported_preferred=False), id="both say the same"),
        pytest.param(replace(STALE, handler="rdac"), id="another handler reads no port groups"),
        pytest.param(replace(STALE, access_state=""), id="sysfs says nothing"),
        pytest.param(replace(STALE, reported_state=None), id="the device says nothing"),
        pytest.param(replace(STALE, reported_state=AccessState.TRANSITIONING), id="the device is in transition"),
        pytest.param(replace(STALE, reported_state=9), id="a state that SPC reserves"),
    ],
)
def test_nobody_is_waited_for_without_a_reason(alua: Alua) -> None:
    host = Learning(after=1)
    assert catch_up(host, [path(alua)])[0].alua == alua
    assert host.waited == 0


def test_a_device_that_vanishes_meanwhile_keeps_what_was_read() -> None:
    host = Learning(after=1000)
    del host.files[STATE]
    assert catch_up(host, [path(STALE)])[0].alua == STALE
