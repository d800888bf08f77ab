"""A path that leads to another logical unit by now is not used, however it came to be so."""

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
    assert any("another logical unit" in event.text or "6b01" in event.reason for event in running.events)


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
