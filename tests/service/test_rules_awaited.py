"""Disks that udev does not know yet are no paths: neither a map nor a record gets a name that udev would not give."""

from dataclasses import replace

from controller.runtime.rules_awaited import PATIENCE, RulesAwaited
from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import load_scenario
from observers.snapshot import DeviceName, Path
from tests.service.virtual import Virtual

SILENT = "udev keeps silent about it"


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
    assert awaited.due() == 7.0 + PATIENCE
    assert awaited.over(PATIENCE) == []
    assert awaited.over(7.0 + PATIENCE) == [path.name]
    assert not awaited.waits(replace(path, udev={}, sysfs="/sys/elsewhere"), now=50.0)
