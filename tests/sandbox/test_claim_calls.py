"""The sandbox's calls for udev's question: files with a time of their own, and devices that somebody has."""

import errno
from collections.abc import Callable

import pytest

from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import load_scenario
from observers.snapshot import DeviceName


@pytest.fixture
def host() -> SandboxHost:
    return SandboxHost(load_scenario("small"))


def refused(call: Callable[[], object]) -> int | None:
    try:
        call()
    except OSError as error:
        return error.errno
    return None


def test_a_file_is_made_once_with_its_time(host: SandboxHost) -> None:
    host.create_file("/run/multipath/find_multipaths/8:0", mode=0o644, modified=5.5)
    assert host.modified("/run/multipath/find_multipaths/8:0") == 5.5
    assert host.read_file("/run/multipath/find_multipaths/8:0") == b""
    again = refused(lambda: host.create_file("/run/multipath/find_multipaths/8:0", mode=0o644, modified=7.0))
    assert (again, host.modified("/run/multipath/find_multipaths/8:0")) == (errno.EEXIST, 5.5)


def test_a_file_that_is_replaced_has_the_time_of_that(host: SandboxHost) -> None:
    host.advance(3)
    host.replace_file("/run/x", b"", mode=0o600)
    assert host.modified("/run/x") == host.wall_time()


def test_a_file_that_is_not_there_has_no_time(host: SandboxHost) -> None:
    assert refused(lambda: host.modified("/run/x")) == errno.ENOENT


def test_a_disk_is_opened_exclusively_unless_a_map_has_it(host: SandboxHost) -> None:
    host.open_exclusively(DeviceName("sdb"))
    assert refused(lambda: host.open_exclusively(DeviceName("sdzz"))) == errno.ENOENT
    disk = host.kernel.disk("sdb")
    assert disk is not None
    disk.holders.append("dm-0")
    assert refused(lambda: host.open_exclusively(DeviceName("sdb"))) == errno.EBUSY
