"""A map is removed with its partitions by command, or nothing of it is."""

import errno
from collections.abc import Sequence
from dataclasses import replace

import pytest

from actuators.apply import COOKIES_PER_SECOND
from actuators.by_hand import flush_map
from actuators.cookie import UdevSync, cookie_bases
from actuators.steps import Changed, MapRef, Outcome, Refused, UdevFlags
from controller.sandbox.host import SandboxHost
from controller.sandbox.san import MapSpec
from controller.sandbox.scenario import load_scenario
from observers import devicemapper
from observers.snapshot import Alias, Wwid, map_uuid
from tests.programs.hosts import Said, multipath
from tests.service.virtual import Virtual

WWID = "3600a098038304479363f4c4934526b00"
DATA = MapSpec(
    name="data", uuid=f"mpath-{WWID}", table=("0 41943040 multipath 0 0 1 1 service-time 0 2 1 sdb 1 sdd 1",)
)  # fmt: skip
PARTITION = MapSpec(name="data-part1", uuid=f"part1-mpath-{WWID}", table=("0 1000 linear 253:0 2048",))
SECOND = MapSpec(name="data-part12", uuid=f"part12-mpath-{WWID}", table=("0 1000 linear 253:0 4096",))
VOLUME = MapSpec(name="vg-lv", uuid="LVM-1", table=("0 1000 linear 253:0 2048",))
PARTED = (DATA, PARTITION, SECOND)


def host_with(*maps: MapSpec) -> SandboxHost:
    return SandboxHost(replace(load_scenario("small"), maps=maps))


def names(host: SandboxHost) -> set[str]:
    found = devicemapper.observe(host)
    return {str(each.name) for each in found.maps} | {str(each.name) for each in found.other_devices}


def flushed(host: SandboxHost) -> Outcome:
    sync = UdevSync(running=True, bases=cookie_bases(int(host.monotonic() * COOKIES_PER_SECOND)))
    others = devicemapper.observe(host).other_devices
    return flush_map(host, MapRef(map_uuid(Wwid(WWID)), Alias("data")), others, sync=sync, flags=UdevFlags.NONE)


def test_partitions_go_before_their_map() -> None:
    host = host_with(*PARTED)
    assert flushed(host) == Changed()
    assert names(host) == set()


@pytest.mark.parametrize(
    "maps",
    [
        pytest.param((DATA, replace(PARTITION, opened=1), SECOND), id="a partition is mounted"),
        pytest.param((replace(DATA, opened=1), PARTITION, SECOND), id="the map itself is"),
        pytest.param((*PARTED, VOLUME), id="a logical volume stands on the map"),
    ],
)
def test_nothing_goes_while_somebody_uses_any_of_it(maps: Sequence[MapSpec]) -> None:
    host = host_with(*maps)
    outcome = flushed(host)
    assert isinstance(outcome, Refused)
    assert outcome.error == errno.EBUSY
    assert names(host) == {each.name for each in maps}


def test_multipath_without_a_daemon_removes_partitions_too() -> None:
    host = host_with(*PARTED)
    assert multipath(host, "-f", "data") == Said(0, "", "")
    assert names(host) == set()


def test_multipath_removes_all_maps_with_their_partitions_that_nobody_uses() -> None:
    logs = MapSpec(
        name="logs", uuid="mpath-3600a098038304479363f4c4934526b01",
        table=("0 104857600 multipath 0 0 1 1 service-time 0 2 1 sdc 1 sde 1",), opened=1,
    )  # fmt: skip
    host = host_with(*PARTED, logs)
    assert multipath(host, "-F").status == 1
    assert names(host) == {"logs"}


@pytest.mark.parametrize(
    ("maps", "said"),
    [
        pytest.param((*PARTED, VOLUME), "in use, by dm-3", id="a volume"),
        pytest.param((DATA, replace(PARTITION, opened=1)), "is in use: data-part1", id="a mounted partition"),
    ],
)
def test_multipath_leaves_a_map_alone_of_which_something_is_used(maps: Sequence[MapSpec], said: str) -> None:
    host = host_with(*maps)
    told = multipath(host, "-f", "data")
    assert told.status == 1
    assert said in told.err
    assert names(host) == {each.name for each in maps}


def test_queueing_goes_on_when_the_map_stays() -> None:
    queueing = DATA.table[0].replace("multipath 0 0", "multipath 1 queue_if_no_path 0")
    host = host_with(replace(DATA, table=(queueing,), opened=1))
    assert multipath(host, "-f", "data").status == 1
    (live,) = devicemapper.observe(host).maps
    assert live.table is not None
    assert live.table.queues


@pytest.mark.parametrize("command", ["del map data", "del maps"])
def test_the_daemon_removes_partitions_too(command: str) -> None:
    running = Virtual(host=host_with(*PARTED))
    running.settled()
    assert running.ask(command) == "ok\n"
    assert not names(running.host) & {"data", "data-part1", "data-part12"}


@pytest.mark.parametrize("command", ["del map data", "del maps"])
def test_the_daemon_keeps_the_partitions_of_a_map_that_stays(command: str) -> None:
    running = Virtual(host=host_with(replace(DATA, opened=1), PARTITION))
    running.settled()
    assert running.ask(command) == "fail\nmap or partition in use\n"
    assert names(running.host) >= {"data", "data-part1"}
