"""Faults on demand, counters, killing, determinism, and large SANs."""

import errno
import hashlib

import pytest

from controller.sandbox.big import big_san
from controller.sandbox.errors import Killed
from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import load_scenario, shipped_scenarios
from observers.collect import collect
from observers.kernel.dm_ioctl import NO_FLAGS, Command
from observers.snapshot_json import to_json
from tests.sandbox import dm
from tests.sandbox.test_dm_ioctls import refused

TABLE = "0 0 1 1 service-time 0 2 1 8:0 1 8:32 1"


@pytest.fixture
def host() -> SandboxHost:
    return dm.san()


def test_the_next_ioctls_of_a_kind_fail(host: SandboxHost) -> None:
    host.faults.fail_ioctl("DM_DEV_CREATE", errno.ENOMEM, count=2)
    for _ in range(2):
        refused(errno.ENOMEM, lambda: dm.create(host))
    dm.create(host)


def test_ioctls_on_one_map_only(host: SandboxHost) -> None:
    dm.create(host, "a", "uuid-a")
    dm.create(host, "b", "uuid-b")
    host.faults.fail_ioctl("DEV_STATUS", errno.EIO, map="b")
    dm.info(host, "a")
    refused(errno.EIO, lambda: dm.call(host, Command.DM_DEV_STATUS, uuid="uuid-b"))
    dm.info(host, "b")


def test_a_fault_in_a_scenario() -> None:
    host = dm.san(more="now fail-ioctl DM_DEV_CREATE EBUSY 1\nnow fail-read /sys/block/sda/size EIO 1\n")
    refused(errno.EBUSY, lambda: dm.create(host))
    refused(errno.EIO, lambda: host.read_file("/sys/block/sda/size"))
    assert host.read_file("/sys/block/sda/size") == b"131072\n"


def test_a_read_fails_by_whatever_name_the_file_is_read(host: SandboxHost) -> None:
    host.faults.fail_read("/sys/block/sda/size", errno.EIO)
    host.faults.fail_read(f"{host.real_path('/sys/block/sdb')}/size", errno.EIO)
    refused(errno.EIO, lambda: host.read_file("/sys/block/sda/size"))
    refused(errno.EIO, lambda: host.read_file("/sys/block/sdb/size"))


def test_a_device_vanishes_between_listing_and_reading(host: SandboxHost) -> None:
    host.faults.vanish_after_listing("/sys/block", lambda: host.happen("delete", "sda"))
    assert "sda" in host.list_directory("/sys/block")
    refused(errno.ENOENT, lambda: host.read_file("/sys/block/sda/size"))
    assert "sda" not in host.list_directory("/sys/block")


def test_observing_survives_a_device_that_vanishes(host: SandboxHost) -> None:
    host.faults.vanish_after_listing("/sys/block", lambda: host.happen("delete", "sda"))
    snapshot = collect(host)
    assert [path.name for path in snapshot.paths] == [f"sd{letter}" for letter in "bcdefgh"]
    assert [gap.subject for gap in snapshot.gaps] == ["sda"]


# ---- killed


def test_a_kill_before_a_call_leaves_it_undone(host: SandboxHost) -> None:
    host.faults.kill_at(2)
    dm.create(host)
    with pytest.raises(Killed):
        dm.load(host, TABLE)
    assert host.writes == {"DM_DEV_CREATE": 1, "DM_TABLE_LOAD": 1}
    host.restart()
    assert dm.info(host).flags == NO_FLAGS


def test_a_kill_after_a_call_leaves_it_done(host: SandboxHost) -> None:
    host.faults.kill_at(1, done=True)
    with pytest.raises(Killed):
        dm.create(host)
    host.restart()
    assert dm.info(host).name == "m"


def test_a_kill_frees_the_locks_of_the_dead(host: SandboxHost) -> None:
    host.lock("/run/x")
    host.faults.kill_at(1)
    with pytest.raises(Killed):
        dm.create(host)
    host.restart()
    host.lock("/run/x")


def test_a_dead_process_makes_no_more_calls(host: SandboxHost) -> None:
    host.faults.kill_at(1)
    with pytest.raises(Killed):
        dm.create(host)
    with pytest.raises(Killed):
        dm.create(host)
    with pytest.raises(Killed):
        host.read_file("/proc/sys/kernel/osrelease")


def test_no_handler_of_exceptions_survives_a_kill() -> None:
    assert not issubclass(Killed, Exception)


# ---- counted


def test_observing_makes_no_writing_call() -> None:
    host = SandboxHost(load_scenario("fabric-down"))
    collect(host)
    assert host.writes == {}
    assert host.reads["dm_query"] > 0


def test_writing_calls_are_counted_by_kind(host: SandboxHost) -> None:
    dm.start(host, TABLE)
    host.write_attribute("/sys/block/sda/uevent", b"change")
    host.replace_file("/etc/x", b"", mode=0o600)
    host.semaphore_remove(host.semaphore_create(1))
    dm.info(host)
    assert host.writes == {
        "DM_DEV_CREATE": 1,
        "DM_TABLE_LOAD": 1,
        "DM_DEV_SUSPEND": 1,
        "write_attribute": 1,
        "replace_file": 1,
        "semaphore_create": 1,
        "semaphore_remove": 1,
    }


def test_a_refused_call_counts(host: SandboxHost) -> None:
    refused(errno.EINVAL, lambda: dm.create(host, "a/b"))
    assert host.writes == {"DM_DEV_CREATE": 1}


# ---- deterministic


def transcript(name: str) -> str:
    """Every byte that a run of calls brings back."""
    host = SandboxHost(load_scenario(name))
    digest = hashlib.sha256()
    for _ in range(3):
        digest.update(to_json(collect(host)).encode())
        host.advance(700)
        digest.update(repr([*host.uevents]).encode())
    return digest.hexdigest()


@pytest.mark.parametrize("name", shipped_scenarios())
def test_the_same_calls_give_the_same_bytes(name: str) -> None:
    assert transcript(name) == transcript(name)


def test_time_passes_only_when_somebody_waits(host: SandboxHost) -> None:
    monotonic, wall = host.monotonic(), host.wall_time()
    collect(host)
    assert (host.monotonic(), host.wall_time()) == (monotonic, wall)
    host.sleep(1.5)
    host.advance(0.5)
    assert (host.monotonic(), host.wall_time()) == (monotonic + 2, wall + 2)


def test_events_happen_in_the_order_of_their_times() -> None:
    host = dm.san(more="at 20s offline sdb\nat 10s offline sda\nat 10s online sda\n")
    host.advance(15)
    assert host.read_file("/sys/block/sda/device/state") == b"running\n"
    assert host.read_file("/sys/block/sdb/device/state") == b"running\n"
    host.advance(5)
    assert host.read_file("/sys/block/sdb/device/state") == b"offline\n"


# ---- large


def test_a_large_san() -> None:
    host = SandboxHost(big_san(50, 8))
    names = host.list_directory("/sys/block")
    assert len(names) == 400
    wwids = {host.read_file(f"/sys/block/{name}/device/wwid") for name in names}
    assert len(wwids) == 50
    assert host.read_file("/sys/block/sda/device/access_state") == b"active/optimized\n"


@pytest.mark.parametrize("paths", [0, 1, 3])
def test_paths_must_be_shared_evenly(paths: int) -> None:
    with pytest.raises(ValueError, match="can't be shared"):
        big_san(1, paths)
