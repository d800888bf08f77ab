"""The store of what is known, against the in-memory kernel: always equal to what a whole observation finds."""

import errno
from dataclasses import replace

import pytest

from controller.runtime import cycle
from controller.runtime.world import Seen, World
from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import load_scenario
from observers import config_files
from observers.collect import collect
from observers.snapshot import DeviceName, Gap, Health, Path, PathState, Snapshot
from tests.service.instant import look_at_all

FILES = cycle.Files()


def unsettled(path: Path) -> Path:
    return path


@pytest.fixture(params=["small", "fabric-down", "unmapped-lun"])
def host(request: pytest.FixtureRequest) -> SandboxHost:
    return SandboxHost(load_scenario(request.param))


def seen_world(host: SandboxHost) -> World:
    world = World(host, FILES)
    world.configured(config_files.observe(host, config_files.Places()))
    look_at_all(world)
    return world


def sysfs_only(snapshot: Snapshot) -> tuple[Path, ...]:
    return tuple(silent(path) for path in snapshot.paths)


def silent(path: Path) -> Path:
    """A path without what only its device can say."""
    alua = replace(path.alua, tpgs=None, group=None, reported_state=None, reported_preferred=False)
    return replace(path, health=Health("none", PathState.UNCHECKED), alua=alua, page83_device=None, inquiry_device=None)


def test_a_refreshed_world_knows_what_a_whole_observation_finds(host: SandboxHost) -> None:
    known, found = seen_world(host).snapshot(unsettled), collect(host)
    assert sysfs_only(known) == sysfs_only(found)
    assert (known.maps, known.other_devices, known.host) == (found.maps, found.other_devices, found.host)
    assert (known.config_files, known.bindings, known.wwids) == (found.config_files, found.bindings, found.wwids)


def test_the_second_look_finds_nothing_new(host: SandboxHost) -> None:
    world = seen_world(host)
    generation = world.generation
    assert not any(world.refresh_path(name) is not Seen.SAME for name in world.names)
    assert world.refresh_maps() == frozenset()
    assert world.generation == generation


def small() -> SandboxHost:
    return SandboxHost(load_scenario("small"))


def test_a_deleted_disk_is_gone_and_one_that_takes_its_name_is_new() -> None:
    host = small()
    world = seen_world(host)
    sdb = DeviceName("sdb")
    answer = replace(world.path(sdb) or pytest.fail("no sdb"), health=Health("tur", PathState.UP))
    assert world.answered(answer)
    host.happen("delete", "sdb")
    assert world.refresh_path(sdb) is Seen.GONE
    host.happen("scan", "1")
    assert world.refresh_path(sdb) is Seen.NEW
    found = world.path(sdb)
    assert found is not None
    assert found.health.state is PathState.UNCHECKED, "an answer of the old device would be taken for the new one's"


def test_an_answer_stays_with_its_device_when_sysfs_changes() -> None:
    host = small()
    world = seen_world(host)
    sdb = DeviceName("sdb")
    before = world.path(sdb)
    assert before is not None
    world.answered(replace(before, health=Health("tur", PathState.UP)))
    host.happen("offline", "sdb")
    assert world.refresh_path(sdb) is Seen.CHANGED
    after = world.path(sdb)
    assert after is not None
    assert (after.device_state, after.health.state) == ("offline", PathState.UP)


def test_an_answer_of_a_device_that_went_is_dropped() -> None:
    host = small()
    world = seen_world(host)
    sdb = DeviceName("sdb")
    old = world.path(sdb)
    assert old is not None
    host.happen("delete", "sdb")
    world.refresh_path(sdb)
    assert not world.answered(replace(old, health=Health("tur", PathState.UP)))
    assert world.path(sdb) is None


def test_only_the_maps_that_were_named_are_looked_at_again() -> None:
    host = SandboxHost(load_scenario("fabric-down"))
    world = seen_world(host)
    first, *others = world.maps.values()
    assert first.status is not None
    active = next(path for path in first.status.paths if path.active)
    host.happen("message", first.name, "fail_path", active.dev)
    assert world.refresh_maps([each.uuid for each in others]) == frozenset()
    assert world.refresh_maps([first.uuid]) == {first.uuid}


def test_no_file_outside_sys_proc_and_run_is_opened() -> None:
    host = small()
    world = seen_world(host)
    opened: list[str] = []
    read = host.read_file

    def noting(path: str, /) -> bytes:
        opened.append(path)
        return read(path)

    host.read_file = noting  # type: ignore[method-assign]
    look_at_all(world)
    assert opened
    assert [path for path in opened if not path.startswith(("/sys/", "/proc/", "/run/"))] == []


def test_part_of_the_world_is_what_the_whole_says_of_it() -> None:
    host = SandboxHost(load_scenario("fabric-down"))
    world = seen_world(host)
    one = next(iter(world.maps.values()))
    assert one.table is not None
    names = [path.name for path in world.snapshot(unsettled).paths if path.dev in one.table.devices]
    part = world.snapshot(unsettled, paths=names, maps=[one.uuid])
    assert {path.dev for path in part.paths} == set(one.table.devices)
    assert part.maps == (one,)


def test_what_could_not_be_read_is_still_not_known_when_the_device_has_answered() -> None:
    host = small()
    world = seen_world(host)
    name = DeviceName("sdb")
    path = world.path(name)
    assert path is not None
    host.faults.fail_read(f"{path.sysfs}/device/model", errno.EIO, count=1)
    world.refresh_path(name)
    unread = world.snapshot(unsettled).gaps
    assert [gap.what for gap in unread] == ["model"]
    unanswered = Gap(name, "VPD page 0x83", "no answer")
    world.answered(path, gaps=[unanswered])
    assert set(world.snapshot(unsettled).gaps) == {*unread, unanswered}
    world.refresh_path(name)
    assert world.snapshot(unsettled).gaps == (unanswered,)
    world.answered(path)
    assert world.snapshot(unsettled).gaps == ()
