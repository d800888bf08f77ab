"""What replies are made of, out of what the daemon knows."""

from dataclasses import replace
from itertools import count

import pytest

from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import load_scenario
from observers.snapshot import DeviceName
from tests.identity.test_3par import page
from tests.service.virtual import Virtual


def test_the_name_of_a_3par_volume_is_shown_of_its_paths_and_no_others() -> None:
    daemon = Virtual("small")
    daemon.settled()
    known = daemon.service.world.path(DeviceName("sdb"))
    assert known is not None
    daemon.service.world.answered(replace(known, vendor_pages={"c0": page(b"oracle-7")}))
    shown = dict(line.split() for line in daemon.ask('show paths raw format "%d %g"').splitlines())
    assert shown["sdb"] == "oracle-7"
    assert shown["sdd"] == "[undef]"


CONFIG = b"""
defaults {
 find_multipaths greedy
}
overrides {
 no_path_retry 60
}
"""


def steady() -> Virtual:
    """A daemon whose paths are all asked at their longest interval."""
    daemon = Virtual("small")
    daemon.settled()
    daemon.live(120)
    return daemon


def test_checks_that_find_nothing_new_change_only_the_time_of_the_next_one() -> None:
    daemon = steady()
    service = daemon.service
    before = service.state(service.clock())
    ticks = daemon.ask('show paths format "%d %C"')
    daemon.live(7)
    assert service.state(service.clock()).snapshot is before.snapshot
    assert daemon.ask('show paths format "%d %C"') != ticks


def test_a_path_that_fails_is_shown_so_at_once() -> None:
    daemon = steady()
    before = daemon.ask("show maps json")
    daemon.host.happen("offline", "sdb")
    daemon.until(lambda: daemon.active("data")["sdb"] is False)
    assert daemon.ask("show maps json").count('"failed"') == before.count('"failed"') + 1


def test_a_state_that_is_still_true_is_as_young_as_the_last_look() -> None:
    daemon = steady()
    daemon.ask("show paths")
    daemon.live(60)
    service = daemon.service
    assert service.state(service.clock()).observed_at == service.world.looked_at


def test_the_time_for_which_a_map_queues_grows() -> None:
    host = SandboxHost(load_scenario("small"))
    host.replace_file("/etc/multipath.conf", CONFIG, mode=0o644)
    daemon = Virtual(host=host)
    daemon.settled()
    live = next(each for each in daemon.service.world.maps.values() if each.table is not None)
    for dev in live.table.devices if live.table is not None else ():
        host.happen("offline", str(daemon.service.world.name_of(dev)))
    daemon.until(lambda: not any(daemon.active(live.name).values()))
    service = daemon.service
    before = service.state(service.clock()).maps[live.wwid].counters.queue_seconds
    daemon.live(5)
    assert service.state(service.clock()).maps[live.wwid].counters.queue_seconds >= before + 4


def test_a_path_whose_state_is_not_its_last_answer_is_the_same_value_again() -> None:
    daemon = steady()
    daemon.ask("fail path sdb")
    daemon.live(1)
    service = daemon.service
    service.world.generation += 1
    one = {path.name: path for path in service.state(service.clock()).snapshot.paths}
    service.world.generation += 1
    other = {path.name: path for path in service.state(service.clock()).snapshot.paths}
    assert all(one[name] is other[name] for name in one)


def shown_volumes(daemon: Virtual) -> dict[str, str]:
    return dict(line.split() for line in daemon.ask('show paths raw format "%d %g"').splitlines())


def answer_with_a_volume(daemon: Virtual, name: str) -> None:
    known = daemon.service.world.path(DeviceName("sdb"))
    assert known is not None
    daemon.service.world.answered(replace(known, vendor_pages={"c0": page(name.encode())}))


@pytest.fixture
def laborious(monkeypatch: pytest.MonkeyPatch) -> Virtual:
    """A daemon with so many paths, as it seems, that to make a state takes a twentieth of a second."""
    daemon = steady()
    moments = count()
    monkeypatch.setattr(daemon.service.portraitist, "_clock", lambda: next(moments) * 0.05)
    answer_with_a_volume(daemon, "before")
    assert shown_volumes(daemon)["sdb"] == "before"
    return daemon


def test_where_to_make_a_state_takes_long_nobody_waits_for_it_who_asks_again(laborious: Virtual) -> None:
    answer_with_a_volume(laborious, "after")
    assert shown_volumes(laborious)["sdb"] == "before"
    laborious.live(1)
    assert shown_volumes(laborious)["sdb"] == "after"


def test_the_next_state_is_made_before_somebody_asks_for_it(laborious: Virtual) -> None:
    made = laborious.service.portraitist
    answer_with_a_volume(laborious, "after")
    laborious.live(1)
    known = next(path for path in made._state.snapshot.paths if path.name == "sdb")  # type: ignore[union-attr]
    assert known.vendor_pages == {"c0": page(b"after")}


def test_as_long_as_nobody_asks_no_state_is_made(laborious: Virtual) -> None:
    laborious.live(10)
    made = laborious.service.portraitist
    before = made._state
    answer_with_a_volume(laborious, "after")
    laborious.live(10)
    assert made._state is before
    assert made.due(laborious.service.clock()) is None
    assert shown_volumes(laborious)["sdb"] == "after"


def test_who_was_told_that_it_is_done_is_shown_it(laborious: Virtual) -> None:
    answer_with_a_volume(laborious, "after")
    assert laborious.ask("fail path sdd") == "ok\n"
    assert shown_volumes(laborious)["sdb"] == "after"


def test_what_is_only_ordered_makes_no_state(laborious: Virtual, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(laborious.service.portraitist, "state", lambda *_, **__: asked.append(1))
    assert laborious.ask("reconfigure") == "ok\n"
    assert not asked
