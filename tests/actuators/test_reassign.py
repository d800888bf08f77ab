"""Devices on a map's paths are made to use the map, by command, and nothing else is touched."""

import errno
from dataclasses import replace

import pytest

from actuators.reassign import reassign
from actuators.steps import Changed, Outcome, Refused, Unchanged
from controller.sandbox.host import SandboxHost
from controller.sandbox.san import MapSpec
from controller.sandbox.scenario import load_scenario
from observers import devicemapper
from observers.dmtable import DevT
from observers.snapshot import DeviceName
from tests.service.virtual import Virtual

VOLUME = MapSpec(name="vg-lv", uuid="LVM-0001", table=("0 1000 linear sdb 2048", "1000 500 linear sdd 9000"))
OTHER = MapSpec(name="vg-other", uuid="LVM-0002", table=("0 1000 linear sda 2048",))
BARE = MapSpec(name="bare", uuid="", table=("0 64 linear sdb 0", "64 64 error"))
DATA = MapSpec(
    name="data", uuid="mpath-3600a098038304479363f4c4934526b00",
    table=("0 41943040 multipath 0 0 1 1 service-time 0 2 1 sdb 1 sdd 1",),
)  # fmt: skip


def host_with(*maps: MapSpec) -> SandboxHost:
    return SandboxHost(replace(load_scenario("small"), maps=maps))


def number(host: SandboxHost, name: str) -> DevT:
    disk = host.kernel.disk(DeviceName(name))
    assert disk is not None
    return disk.dev


def table(host: SandboxHost, name: str) -> list[str]:
    found = host.kernel.device_mapper.find(name=name)
    assert found is not None
    assert found.live is not None
    return [target.params() for target in found.live.targets]


def reassigned(host: SandboxHost) -> Outcome:
    others = devicemapper.observe(host).other_devices
    return reassign(host, map_number(host), [number(host, "sdb"), number(host, "sdd")], others)


def map_number(host: SandboxHost) -> DevT:
    (live,) = devicemapper.observe(host).maps
    return live.dev


def test_every_target_on_a_path_is_moved_and_its_place_stays() -> None:
    host = host_with(DATA, VOLUME)
    assert reassigned(host) == Changed("vg-lv")
    new = map_number(host)
    assert table(host, "vg-lv") == [f"{new} 2048", f"{new} 9000"]


def test_a_device_without_a_uuid_is_found_by_its_name() -> None:
    host = host_with(DATA, BARE)
    assert reassigned(host) == Changed("bare")
    assert table(host, "bare")[0] == f"{map_number(host)} 0"


def test_what_stands_on_no_path_stays_as_it_is() -> None:
    host = host_with(DATA, OTHER)
    assert reassigned(host) == Unchanged()
    assert host.writes == {}


def test_the_second_time_nothing_is_left_to_do() -> None:
    host = host_with(DATA, VOLUME)
    reassigned(host)
    before = dict(host.writes)
    assert reassigned(host) == Unchanged()
    assert dict(host.writes) == before


@pytest.mark.parametrize(
    "busy",
    [
        pytest.param(replace(VOLUME, suspended=True), id="suspended"),
        pytest.param(replace(VOLUME, inactive=("0 1000 linear sda 0",)), id="another table is loaded"),
    ],
)
def test_a_device_that_somebody_is_at_work_on_is_left_alone_and_the_rest_goes_on(busy: MapSpec) -> None:
    host = host_with(DATA, busy, BARE)
    outcome = reassigned(host)
    assert isinstance(outcome, Refused)
    assert outcome.error == errno.EBUSY
    assert table(host, "vg-lv")[0] == f"{number(host, 'sdb')} 2048"
    assert table(host, "bare")[0] == f"{map_number(host)} 0"


def test_a_load_that_is_refused_leaves_the_old_table_running() -> None:
    host = host_with(DATA, VOLUME)
    host.faults.fail_ioctl("DM_TABLE_LOAD", errno.ENOMEM)
    assert isinstance(reassigned(host), Refused)
    assert table(host, "vg-lv")[0] == f"{number(host, 'sdb')} 2048"


def test_the_daemon_does_it_when_told_to_reset_a_map() -> None:
    running = Virtual(host=host_with(VOLUME))
    running.settled()
    running.live(60)
    assert running.ask("reset map data") == "ok\n"
    assert table(running.host, "vg-lv") == [f"{live_dev(running)} 2048", f"{live_dev(running)} 9000"]
    assert any("to data" in event.text for event in running.events)
    assert running.ask("reset map data") == "ok\n"
    assert running.ask("reset map nobody") == "fail\n"


def live_dev(running: Virtual) -> str:
    live = running.map("data")
    assert live is not None
    return str(live.dev)


def test_a_map_that_udev_has_not_looked_at_yet_is_not_reset() -> None:
    running = Virtual(host=host_with(VOLUME))
    running.settled()
    live = running.map("data")
    assert live is not None
    memory = running.service.decider.memory
    waiting = replace(memory.maps[live.wwid], udev_until=running.host.monotonic() + 60)
    running.service.decider.memory = replace(memory, maps={**memory.maps, live.wwid: waiting})
    assert running.ask("reset map data") == "fail\n"


def test_counters_are_reset_by_the_longer_commands() -> None:
    running = Virtual("small")
    running.settled()
    running.host.happen("message", "data", "switch_group", "2")
    before = running.ask("show maps stats")
    assert running.ask("reset map data stats") == "ok\n"
    assert running.ask("reset multipaths stats") == "ok\n"
    after = running.ask("show maps stats")
    assert before != after
    assert all(line.split()[1:] == ["0", "0", "0", "0", "0"] for line in after.splitlines()[1:])
