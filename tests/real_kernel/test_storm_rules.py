"""The storm itself, without a machine: it takes no map's last path, not even one that only looks like a spare one."""

import random

import pytest

from tests.real_kernel.storm import Place, Sight, Storm

HOSTS, DISKS = [3, 4, 7], 2


def whole(storm: Storm, place: Place) -> bool:
    return place not in storm.offline | storm.deleted and place.host not in storm.unplugged


def sight(storm: Storm, unused: set[Place]) -> Sight:
    """All paths that are there, of which device-mapper uses those that are in order, but for some."""
    numbers = {place: f"8:{number}" for number, place in enumerate(storm.places) if place not in storm.deleted}
    return Sight(numbers, frozenset(numbers[each] for each in numbers if whole(storm, each) and each not in unused))


@pytest.mark.parametrize("seed", range(5))
def test_every_map_keeps_a_path_that_is_in_order_and_in_use(seed: int) -> None:
    chance = random.Random(seed)
    storm = Storm(random.Random(seed), HOSTS, DISKS)
    for _ in range(500):
        before = {place for place in storm.places if whole(storm, place)}
        unused = set(chance.sample(storm.places, 2))
        storm.happen(sight(storm, unused))
        after = {place for place in storm.places if whole(storm, place)}
        taken = {place.disk for place in before - after}
        assert all(any(place.disk == disk for place in after - unused) for disk in taken)
        assert {place.disk for place in after} == set(range(DISKS))
    assert set(storm.counts) == {"offline", "running", "delete", "scan", "unplug", "online"}


def test_at_the_end_everything_comes_back() -> None:
    storm = Storm(random.Random(1), HOSTS, DISKS)
    for _ in range(40):
        storm.happen(sight(storm, set()))
    storm.end()
    assert all(whole(storm, place) for place in storm.places)
    assert storm.end() == ""
