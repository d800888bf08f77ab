"""Disks that udev does not know yet are no paths: neither a map nor a record gets a name that udev would not give."""

from dataclasses import replace

import pytest

from controller.runtime.rules_awaited import DELAY, TRIES, RulesAwaited
from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import load_scenario
from observers.snapshot import DeviceName, Path
from tests.service.virtual import Virtual

SILENT = "udev keeps silent about it"
PATIENCE = TRIES * DELAY


def daemon(*, udev_delay: float) -> Virtual:
    """A daemon that starts when the kernel has found all disks; udev takes so long for each event."""
    scenario = load_scenario("small")
    return Virtual(host=SandboxHost(replace(scenario, host=replace(scenario.host, udev_delay=udev_delay))))


def some_path() -> Path:
    living = daemon(udev_delay=0.0)
    living.settled()
    path = living.service.world.path(DeviceName("sda"))
    assert path is not None
    return replace(path, holders=())


def warned(of: Virtual) -> list[str]:
    return [event.text for event in of.events if SILENT in event.text]


def test_each_becomes_a_path_when_udev_is_done_with_it() -> None:
    slow = daemon(udev_delay=1.0)
    slow.live(0.5)
    assert list(slow.service.world.names) == []
    slow.live(1.0)
    assert list(slow.service.world.names) == ["sda"]
    slow.until(lambda: bool(slow.service.world.maps))
    slow.settled()
    quick = daemon(udev_delay=0.0)
    quick.settled()
    assert set(slow.service.world.maps) <= set(quick.service.world.maps)
    assert warned(slow) == []


def test_udev_that_keeps_silent_is_waited_for_no_longer_than_configured() -> None:
    never = daemon(udev_delay=10_000.0)
    assert never.until(lambda: bool(never.service.world.names)) >= PATIENCE - 1
    never.settled()
    assert never.service.world.maps
    assert len(warned(never)) == len(never.service.world.names)
    never.live(60)
    assert len(warned(never)) == len(never.service.world.names)


def test_how_long_is_as_long_as_multipathd_asks_udev_again() -> None:
    never = daemon(udev_delay=10_000.0)
    assert never.service.world.awaited.patience == 3 * 10


def test_a_disk_below_another_device_was_known_to_udev_before() -> None:
    path = some_path()
    unknown, awaited = replace(path, udev={}), RulesAwaited()
    assert awaited.waits(unknown, now=0.0)
    assert not awaited.waits(replace(unknown, holders=(DeviceName("dm-0"),)), now=1.0)
    assert awaited.due() is None


def test_another_disk_under_the_name_has_a_wait_of_its_own() -> None:
    path = some_path()
    awaited = RulesAwaited()
    awaited.waits(replace(path, udev={}), now=0.0)
    awaited.waits(replace(path, udev={}, sysfs="/sys/elsewhere"), now=7.0)
    assert awaited.due() == 7.0 + DELAY
    assert awaited.over(PATIENCE) == []
    assert awaited.over(7.0 + PATIENCE) == [path.name]
    assert not awaited.waits(replace(path, udev={}, sysfs="/sys/elsewhere"), now=50.0)


def test_udev_is_made_to_look_again_after_each_delay_while_a_disk_is_waited_for() -> None:
    path = some_path()
    awaited = RulesAwaited()
    awaited.waits(replace(path, udev={}), now=0.0)
    asked = []
    for now in range(int(PATIENCE) + 20):
        awaited.over(float(now))
        asked += [(float(now), step.sysfs) for step in awaited.to_ask(float(now))]
    assert asked == [(DELAY, path.sysfs), (2 * DELAY, path.sysfs)]


def test_udev_hears_of_a_disk_again_by_its_uevent_attribute(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[str, bytes]] = []
    write = SandboxHost.write_attribute

    def recorded(host: SandboxHost, path: str, data: bytes, /) -> None:
        written.append((path, data))
        write(host, path, data)

    monkeypatch.setattr(SandboxHost, "write_attribute", recorded)
    never = daemon(udev_delay=10_000.0)
    never.live(DELAY - 1)
    assert written == []
    never.live(2)
    disks = [disk.name for disk in never.host.kernel.disks]
    assert sorted(written) == sorted((f"{place(never, name)}/uevent", b"change") for name in disks)
    never.live(DELAY)
    assert len(written) == 2 * len(disks)


def place(of: Virtual, name: str) -> str:
    """Where a disk is in sysfs."""
    return of.host.real_path(f"/sys/class/block/{name}")
