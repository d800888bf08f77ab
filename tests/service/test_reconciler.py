"""The daemon's heart on the in-memory kernel: from nothing to maps, and through everything that happens to paths."""

from observers.snapshot import DeviceName
from tests.service.instant import Heart


def test_from_nothing_it_makes_the_maps_and_comes_to_rest() -> None:
    heart = Heart("small")
    heart.settle()
    assert {each.name for each in heart.world.maps.values()} >= {"data"}
    assert len(heart.world.maps) == 4
    before = dict(heart.host.writes)
    heart.run(60)
    assert dict(heart.host.writes) == before, "a host that is as desired must not be written to"


def test_maps_that_exist_are_taken_over_without_a_step() -> None:
    first = Heart("small")
    first.settle()
    again = Heart.__new__(Heart)
    again.__dict__.update(first.__dict__)
    before = {kind: count for kind, count in first.host.writes.items() if kind != "lock"}
    first.reconciler.look_at_everything()
    first.settle()
    assert {kind: count for kind, count in first.host.writes.items() if kind != "lock"} == before


def test_a_path_that_goes_offline_is_failed_and_one_that_runs_again_is_reinstated() -> None:
    heart = Heart("small")
    heart.settle()
    sdb = DeviceName("sdb")
    heart.host.happen("offline", "sdb")
    heart.reconciler.look_at_path(sdb)
    heart.settle()
    assert heart.active("data")["sdb"] is False
    heart.host.happen("online", "sdb")
    heart.reconciler.look_at_path(sdb)
    heart.settle()
    assert heart.active("data")["sdb"] is True


def test_what_nobody_told_of_is_found_by_the_regular_checks() -> None:
    heart = Heart("small")
    heart.run(30)
    heart.host.happen("offline", "sdb")
    heart.run(21)
    assert heart.active("data")["sdb"] is False


def test_a_deleted_disk_leaves_its_map_and_one_that_comes_joins_it() -> None:
    heart = Heart("small")
    heart.settle()
    heart.host.happen("delete", "sdb")
    heart.reconciler.look_at_path(DeviceName("sdb"))
    heart.settle()
    assert len(heart.active("data")) == 3
    heart.host.happen("scan", "1")
    heart.host.advance(5)
    heart.reconciler.look_at_everything()
    heart.run(3)
    assert len(heart.active("data")) == 4


def test_a_device_that_never_answers_costs_only_itself() -> None:
    heart = Heart("small")
    heart.settle()
    heart.engine.silent.add("sdb")
    heart.run(60)
    active = heart.active("data")
    assert active["sdb"] is False
    assert sum(active.values()) == 3


def test_a_new_path_that_does_not_answer_does_not_keep_the_maps_waiting() -> None:
    heart = Heart("small")
    heart.engine.silent.add("sdb")
    heart.run(5)
    assert len(heart.active("data")) == 3
