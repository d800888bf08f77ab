"""Whose turn it is, and the places from which turns follow."""

from collections import Counter

from controller.runtime.agenda import SHARED, Agenda, Places
from observers.snapshot import DeviceName

A, B = DeviceName("sda"), DeviceName("sdb")


def test_paths_come_in_the_order_of_their_times_and_not_before() -> None:
    due = {A: 12.0, B: 11.0}
    agenda = Agenda(due.get)
    for name, at in due.items():
        agenda.plan(name, at)
    assert agenda.wake_at == 11.0
    assert list(agenda.taken(10.0)) == []
    assert list(agenda.taken(12.0)) == [B, A]
    assert agenda.wake_at is None


def test_a_path_that_has_another_time_now_comes_once_and_then() -> None:
    due = {A: 11.0}
    agenda = Agenda(due.get)
    agenda.plan(A, 11.0)
    due[A] = 13.0
    agenda.plan(A, 13.0)
    assert list(agenda.taken(12.0)) == []
    assert agenda.wake_at == 13.0
    assert list(agenda.taken(13.0)) == [A]


def test_a_path_that_is_gone_does_not_come() -> None:
    due = {A: 11.0}
    agenda = Agenda(due.get)
    agenda.plan(A, 11.0)
    del due[A]
    assert agenda.wake_at is None
    assert list(agenda.taken(20.0)) == []


def test_some_paths_of_one_host_share_a_place_and_no_path_of_another_does() -> None:
    places = Places()
    taken = [(host, places.take(host)) for _ in range(4 * SHARED) for host in ("host1", "host2")]
    shared = Counter(place for _, place in taken)
    assert set(shared.values()) == {SHARED}
    assert (
        len({place for host, place in taken if host == "host1"} & {place for host, place in taken if host == "host2"})
        == 0
    )


def test_hosts_that_come_and_go_for_ever_are_forgotten() -> None:
    places = Places()
    for number in range(10_000):
        places.take(f"host{number}")
    assert len(places._open) <= 1024
