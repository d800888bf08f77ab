"""A path that leads to another logical unit by now is not used, however it came to be so."""

from dataclasses import replace

from controller.runtime.events import Level
from observers.snapshot import DeviceName, PathState
from tests.service.virtual import Virtual


def daemon() -> Virtual:
    made = Virtual("small")
    made.settled()
    made.live(10)
    return made


def test_a_unit_swapped_under_a_path_that_never_looked_down_is_failed_at_the_next_check() -> None:
    running = daemon()
    running.host.happen("remap", "ontap:0", "ontap:1")
    took = running.until(lambda: not any(running.active("data").values()), within=60)
    assert took <= 20, "the longest interval between two checks"
    told = [event for event in running.events if event.text == "leads to another logical unit"]
    assert {event.path for event in told} == {"sdb", "sdd", "sdj", "sdl"}
    assert all(event.level is Level.WARNING and "6b01" in event.reason for event in told)


def test_a_path_failed_because_it_is_another_unit_is_not_taken_for_one_that_the_kernel_failed() -> None:
    running = daemon()
    before = running.map("data")
    assert before is not None
    assert before.status is not None
    running.host.happen("remap", "ontap:0", "ontap:1")
    running.until(lambda: not any(running.active("data").values()), within=60)
    groups = [replace(each, paths=tuple(replace(path, active=False) for path in each.paths))
              for each in before.status.groups]  # fmt: skip
    checks, path = running.service.checks, running.service.world.path(DeviceName("sdb"))
    assert path is not None
    for seen in (before, replace(before, status=replace(before.status, groups=tuple(groups)))):
        checks.map_seen(seen, now=running.host.monotonic())  # between the steps of the plan that fails it
    memory = checks.memory(path)
    assert memory is not None
    assert memory.quarantined
    assert memory.state is PathState.UP


def test_a_path_that_comes_back_as_another_unit_never_becomes_active() -> None:
    running = daemon()
    running.host.happen("adapter-down", "2")
    running.until(lambda: sum(running.active("data").values()) == 2, within=120)
    running.host.happen("remap", "ontap:0", "ontap:1")
    running.host.happen("adapter-up", "2")
    for _ in range(60):
        running.live(1)
        back = {name for name, active in running.active("data").items() if active}
        assert not back & {"sdj", "sdl"}, "a path to another unit was given back"


def test_a_path_that_is_its_unit_again_is_used_again() -> None:
    running = daemon()
    running.host.happen("remap", "ontap:0", "ontap:1")
    running.until(lambda: not any(running.active("data").values()), within=60)
    running.host.happen("show", "ontap:0")
    running.until(lambda: all(running.active("data").values()) and len(running.active("data")) == 4, within=120)
    assert any(event.text == "leads to its own logical unit again" for event in running.events)


def test_a_unit_that_is_no_longer_mapped_is_failed_and_its_devices_stay_without_purge_disconnected() -> None:
    running = daemon()
    running.host.happen("unmap", "ontap:0")
    running.until(lambda: not any(running.active("data").values()), within=60)
    running.live(60)
    assert len(running.active("data")) == 4


def purging() -> Virtual:
    running = daemon()
    text = running.host.read_file("/etc/multipath.conf").replace(b"defaults {", b"defaults {\n purge_disconnected yes")
    running.host.replace_file("/etc/multipath.conf", text, mode=0o644)
    running.ask("reconfigure")
    running.settled()
    return running


def test_with_purge_disconnected_the_devices_of_an_unmapped_unit_are_deleted_one_after_the_other() -> None:
    running = purging()
    running.host.happen("unmap", "ontap:0")
    running.until(lambda: running.map("data") is None, within=300)
    names = {str(name) for name in running.service.world.names}
    assert not names & {"sdb", "sdd", "sdj", "sdl"}
    deletes = [event for event in running.events if event.kind == "done" and event.text.startswith("delete path")]
    assert len(deletes) == 4


def test_a_unit_that_comes_back_in_time_is_not_purged() -> None:
    running = purging()
    running.host.happen("adapter-down", "1")
    running.live(5)
    running.host.happen("adapter-up", "1")
    running.live(60)
    assert len(running.active("data")) == 4
