"""Cookies: the semaphore protocol that `dmsetup udevcomplete` takes part in, its limits, and that nothing leaks."""

import errno
from itertools import islice

import pytest

from actuators.cookie import MOST_TRIES, UdevSync, cookie_bases, udev_cookie
from actuators.steps import UdevFlags
from observers.kernel.dm_ioctl import Flag, Header

from .scripted import ScriptedHost
from .steps_for_tests import sync

MADE_A_UEVENT = Header(flags=Flag.DM_UEVENT_GENERATED_FLAG)


def made_a_uevent(_event: int) -> Header:
    return MADE_A_UEVENT


def ended_in_between(host: ScriptedHost) -> None:
    with udev_cookie(host, sync()) as cookie:
        cookie.send(UdevFlags.NONE, made_a_uevent)
        raise KeyboardInterrupt


def send(host: ScriptedHost, how: UdevSync, *replies: Header, completes: bool = True) -> tuple[list[int], str]:
    """Send one ioctl per reply with one cookie; udev completes those that made a uevent. Events sent, and the note."""
    events = []

    def call(event: int, reply: Header) -> Header:
        events.append(event)
        if completes and Flag.DM_UEVENT_GENERATED_FLAG in reply.flags:
            host._udev_complete(event)
        return reply

    with udev_cookie(host, how) as cookie:
        for reply in replies:
            cookie.send(UdevFlags.DISABLE_LIBRARY_FALLBACK, lambda event, reply=reply: call(event, reply))  # type: ignore[misc]
        return events, cookie.wait()


def test_the_key_has_the_magic_of_libdevmapper_above_the_base() -> None:
    host = ScriptedHost()
    send(host, sync(seed=6), MADE_A_UEVENT)
    assert host.made_keys == [0x0D4D0007]


def test_the_event_number_carries_flags_above_and_base_below_and_says_primary_source() -> None:
    events, _ = send(ScriptedHost(), sync(seed=6), MADE_A_UEVENT)
    assert events == [0x0060_0007]


def test_the_value_goes_one_up_before_the_ioctl_and_one_down_at_the_end() -> None:
    host = ScriptedHost()
    _, note = send(host, sync(), MADE_A_UEVENT)
    assert host.values == [2, 0]
    assert note == ""


def test_an_ioctl_without_a_uevent_is_taken_back_at_once() -> None:
    host = ScriptedHost()
    _, note = send(host, sync(), Header())
    assert host.values == [2, 1, 0]
    assert note == ""


def test_one_cookie_spans_several_ioctls() -> None:
    host = ScriptedHost()
    _, note = send(host, sync(), MADE_A_UEVENT, Header(), MADE_A_UEVENT)
    assert len(host.made_keys) == 1
    assert note == ""
    assert host.semaphores == {}


def test_a_refused_ioctl_is_taken_back_and_nothing_is_left_behind() -> None:
    host = ScriptedHost()

    def refused(event: int) -> Header:
        raise OSError(errno.EBUSY, f"scripted {event}")

    with pytest.raises(OSError, match="scripted"), udev_cookie(host, sync()) as cookie:
        cookie.send(UdevFlags.NONE, refused)
    assert host.values == [2, 1]
    assert host.semaphores == {}


def test_a_key_in_use_makes_it_try_the_next() -> None:
    host = ScriptedHost(taken_keys={0x0D4D0007, 0x0D4D0008})
    events, note = send(host, sync(seed=6), MADE_A_UEVENT)
    assert host.made_keys == [0x0D4D0007, 0x0D4D0008, 0x0D4D0009]
    assert events == [0x0060_0009]
    assert note == ""


def test_when_all_keys_are_in_use_it_goes_without_and_says_so() -> None:
    host = ScriptedHost(taken_keys={0x0D4D0000 | base for base in range(0x10000)})
    events, note = send(host, sync(), MADE_A_UEVENT)
    assert len(host.made_keys) == MOST_TRIES
    assert events == [0x0060_0000]
    assert note == "did not wait for udev, as there is no semaphore (EEXIST)"


def test_no_room_for_semaphores_stops_no_map() -> None:
    host = ScriptedHost(semaphore_error=errno.ENOSPC)
    events, note = send(host, sync(), MADE_A_UEVENT)
    assert (len(host.made_keys), events) == (1, [0x0060_0000])
    assert note == "did not wait for udev, as there is no semaphore (ENOSPC)"


def test_without_udev_no_semaphore_is_made_but_the_flags_are_sent() -> None:
    host = ScriptedHost()
    events, note = send(host, sync(running=False), MADE_A_UEVENT)
    assert (host.made_keys, events, note) == ([], [0x0060_0000], "")


def test_a_silent_udev_is_waited_for_only_so_long_and_the_semaphore_is_removed() -> None:
    host = ScriptedHost()
    _, note = send(host, sync(timeout=10.0), MADE_A_UEVENT, completes=False)
    assert note == "udev did not answer within 10 s"
    assert host.now == 10.0
    assert host.semaphores == {}


def test_signals_do_not_make_the_wait_longer() -> None:
    host = ScriptedHost(interrupt_waits=4)
    _, note = send(host, sync(timeout=10.0), MADE_A_UEVENT, completes=False)
    assert (host.now, note) == (10.0, "udev did not answer within 10 s")


def test_signals_alone_end_the_wait_too() -> None:
    host = ScriptedHost(interrupt_waits=1000)
    send(host, sync(timeout=10.0), MADE_A_UEVENT, completes=False)
    assert host.now == 10.0


def test_a_semaphore_that_somebody_removed_counts_as_answered() -> None:
    host = ScriptedHost()
    with udev_cookie(host, sync()) as cookie:
        cookie.send(UdevFlags.NONE, made_a_uevent)
        host.semaphores.clear()
        assert cookie.wait() == ""


def test_a_semaphore_that_was_counted_down_too_far_counts_as_answered() -> None:
    host = ScriptedHost()
    with udev_cookie(host, sync()) as cookie:
        cookie.send(UdevFlags.NONE, made_a_uevent)
        host.semaphores = dict.fromkeys(host.semaphores, 0)
        assert cookie.wait() == ""
    assert host.semaphores == {}


def test_nothing_is_left_behind_when_the_program_is_ended_in_between() -> None:
    host = ScriptedHost()
    with pytest.raises(KeyboardInterrupt):
        ended_in_between(host)
    assert host.semaphores == {}


def test_bases_are_never_zero_and_go_round() -> None:
    bases = list(islice(cookie_bases(65_533), 4))
    assert bases == [65_534, 65_535, 1, 2]
    assert set(islice(cookie_bases(12_345), 0xFFFF)) == set(range(1, 0x10000))
