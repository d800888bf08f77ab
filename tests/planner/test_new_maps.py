"""A map that was just made: it waits for udev, and, where only standby paths lead to it, for one that is up."""

from dataclasses import replace

import pytest

from actuators.steps import CreateMap, ReloadMap, UdevFlags
from controller.reconcile.plan import Memory
from desired.care import MapCare
from observers.snapshot import PathState
from tests.planner.builders import NOW, READY, desire, kinds, only, snapshot, wanted
from tests.planner.resident import Host, caring

UP, GHOST = PathState.UP, PathState.GHOST
CARE = MapCare(missing_uev_wait=30)
GHOSTS = MapCare(ghost_delay=40, missing_uev_wait=30)


def made(care: MapCare, *states: PathState) -> Host:
    """A host on which a map of these paths was made just now, and udev has not looked yet."""
    want = caring(wanted("a", range(len(states)), states=dict(enumerate(states))), care)
    it = Host(snapshot(disks=4, states=dict(enumerate(states))), desire(want))
    it.cycle()
    look(it, {})
    return it


def look(it: Host, udev: dict[str, str]) -> None:
    it.snapshot = replace(it.snapshot, maps=(replace(it.snapshot.maps[0], udev=udev),))


def grow(it: Host, *numbers: int) -> None:
    it.desired = desire(caring(wanted("a", numbers), it.desired.maps[0].care))


def test_its_table_waits_for_udev_but_not_for_ever() -> None:
    it = made(CARE, UP, UP)
    grow(it, 0, 1, 2)
    plan = it.at(10)
    assert (plan.steps, plan.wake_at) == ((), NOW + 30)
    assert "the table stays as it is: udev has not looked at the new map yet; 20 s at most" in only(plan).reasons
    assert kinds(it.at(30).steps) == ["ReloadMap"]


def test_its_table_changes_at_once_when_udev_has_looked() -> None:
    it = made(CARE, UP, UP)
    grow(it, 0, 1, 2)
    look(it, READY)
    assert kinds(it.at(1).steps) == ["ReloadMap"]


def test_its_table_does_not_wait_when_it_has_no_path_that_works() -> None:
    it = made(CARE, UP, UP)
    grow(it, 0, 1, 2)
    it.state(sda=PathState.DOWN, sdb=PathState.DOWN)
    assert kinds(it.at(1).steps)[0] == "ReloadMap"


def test_an_old_map_does_not_wait() -> None:
    it = made(CARE, UP, UP)
    it.memory = Memory(resident=True, udev_told=it.memory.udev_told)
    grow(it, 0, 1, 2)
    assert kinds(it.at(1).steps) == ["ReloadMap"]


def creation(care: MapCare, *states: PathState) -> UdevFlags:
    want = caring(wanted("a", range(len(states)), states=dict(enumerate(states))), care)
    it = Host(snapshot(disks=4, states=dict(enumerate(states))), desire(want))
    (step,) = (step for step in it.cycle().steps if isinstance(step, CreateMap))
    return step.udev


@pytest.mark.parametrize(
    ("care", "states", "quiet"),
    [
        (GHOSTS, (GHOST, GHOST), True),
        (GHOSTS, (GHOST, UP), False),
        (GHOSTS, (GHOST, PathState.DOWN), True),
        (CARE, (GHOST, GHOST), False),
    ],
)
def test_udev_is_kept_from_probing_a_map_of_standby_paths(
    care: MapCare, states: tuple[PathState, ...], quiet: bool
) -> None:
    assert (UdevFlags.NO_PATHS in creation(care, *states)) is quiet


def probes(it: Host, seconds: float) -> bool:
    """Whether udev is made to look at the map, without being kept from probing it."""
    steps = it.at(seconds).steps
    return any(isinstance(s, ReloadMap) and not s.udev & (UdevFlags.NO_PATHS | UdevFlags.RELOAD) for s in steps)


def test_udev_may_probe_when_the_delay_is_over_and_only_then() -> None:
    it = made(GHOSTS, GHOST, GHOST)
    look(it, {"MPATH_DEVICE_READY": "0"})
    plan = it.at(5)
    assert (plan.steps, plan.wake_at) == ((), NOW + 40)
    assert "only standby paths lead to it: udev is kept from probing it, for 35 s at most" in only(plan).reasons
    assert not probes(it, 39)
    assert probes(it, 40)
    look(it, READY)
    assert it.at(50).steps == ()


def test_udev_may_probe_as_soon_as_a_path_is_up() -> None:
    it = made(GHOSTS, GHOST, GHOST)
    look(it, {"MPATH_DEVICE_READY": "0"})
    it.at(5)
    it.state(sdb=UP)
    assert probes(it, 6)


def test_a_table_that_is_loaded_meanwhile_keeps_udev_from_probing() -> None:
    it = made(GHOSTS, GHOST, GHOST)
    look(it, {"MPATH_DEVICE_READY": "0"})
    it.desired = desire(caring(wanted("a", [0, 1, 2], states=dict.fromkeys(range(3), GHOST)), GHOSTS))
    (step,) = it.at(5).steps
    assert isinstance(step, ReloadMap)
    assert UdevFlags.NO_PATHS in step.udev
    assert it.known().ghost_until == NOW + 40
