"""Reloading a map: the swap, what is expected before it, and that no refusal leaves a map suspended."""

import errno
from dataclasses import replace

import pytest

from actuators.devicemapper import NOTE_READ_ONLY, reload_map
from actuators.steps import Changed, Lost, Refused, Unchanged
from observers.dmtable import Sectors
from observers.kernel.dm_ioctl import NO_FLAGS, Command, Flag, unpack_targets

from .scripted import ABSENT, NO_DEVICE, Expect, ScriptedHost, answer, empty, refuse, running, with_uevent
from .steps_for_tests import EVENT_FLAGS, ONE_PATH_SHOWN, QUEUEING_SHOWN, RELOAD, TWO_PATHS_SHOWN, UUID, sync

OLD = running(ONE_PATH_SHOWN)
LOADED = [OLD, answer(Command.DM_TABLE_LOAD)]
RESUMED = with_uevent(Command.DM_DEV_SUSPEND)
WAITING = running(ONE_PATH_SHOWN, Flag.DM_INACTIVE_PRESENT_FLAG)
OVER = "loaded over the refused one, so that a resume can only start the old one"


def loads(host: ScriptedHost) -> list[str]:
    return [sent.text for sent in host.sent if sent.command is Command.DM_TABLE_LOAD]


def resumes(host: ScriptedHost) -> list[Flag]:
    return [sent.header.flags for sent in host.sent if sent.command is Command.DM_DEV_SUSPEND]


def test_the_table_is_loaded_and_swapped_in_by_a_resume() -> None:
    host = ScriptedHost([*LOADED, RESUMED])
    assert reload_map(host, RELOAD, sync=sync(seed=6)) == Changed()
    load, resume = host.changes
    assert (load.header.uuid, load.text) == (UUID, RELOAD.table)
    assert resume.header.flags == Flag.DM_NOFLUSH_FLAG | Flag.DM_SKIP_LOCKFS_FLAG
    assert resume.header.event_nr == EVENT_FLAGS << 16 | 7
    assert host.finished()


def test_a_flush_waits_for_io_but_freezes_no_file_system() -> None:
    host = ScriptedHost([*LOADED, RESUMED])
    reload_map(host, replace(RELOAD, flush=True), sync=sync())
    assert resumes(host) == [Flag.DM_SKIP_LOCKFS_FLAG]


def test_write_protected_disks_are_loaded_read_only() -> None:
    host = ScriptedHost([OLD, refuse(Command.DM_TABLE_LOAD, errno.EROFS), answer(Command.DM_TABLE_LOAD), RESUMED])
    assert reload_map(host, RELOAD, sync=sync()) == Changed(NOTE_READ_ONLY)


def test_a_map_that_has_the_table_already_is_unchanged() -> None:
    host = ScriptedHost([running(TWO_PATHS_SHOWN)])
    assert reload_map(host, RELOAD, sync=sync()) == Unchanged()
    assert host.finished()


def test_another_table_than_expected_is_lost_and_not_touched() -> None:
    host = ScriptedHost([running("0 0 1 1 service-time 0 1 2 8:32 1 1 ")])
    outcome = reload_map(host, RELOAD, sync=sync())
    assert isinstance(outcome, Lost)
    assert "8:32" in outcome.message
    assert host.finished()


def test_queueing_and_the_next_group_may_have_changed_since() -> None:
    host = ScriptedHost([running(QUEUEING_SHOWN), answer(Command.DM_TABLE_LOAD), RESUMED])
    assert reload_map(host, RELOAD, sync=sync()) == Changed()


def test_a_map_that_is_gone_is_lost() -> None:
    assert isinstance(reload_map(ScriptedHost([ABSENT]), RELOAD, sync=sync()), Lost)


def test_a_map_that_goes_between_reading_and_loading_is_lost() -> None:
    host = ScriptedHost([OLD, refuse(Command.DM_TABLE_LOAD, errno.ENXIO), NO_DEVICE])
    assert isinstance(reload_map(host, RELOAD, sync=sync()), Lost)
    assert host.finished()


def test_a_path_that_is_gone_is_refused_as_the_map_is_there() -> None:
    host = ScriptedHost([OLD, refuse(Command.DM_TABLE_LOAD, errno.ENXIO), answer(Command.DM_DEV_STATUS)])
    outcome = reload_map(host, RELOAD, sync=sync())
    assert isinstance(outcome, Refused)
    assert "a path of the table is gone" in outcome.hint


def test_a_device_without_a_table_gets_one() -> None:
    host = ScriptedHost([empty(), answer(Command.DM_TABLE_LOAD), RESUMED])
    assert reload_map(host, replace(RELOAD, expected=None), sync=sync()) == Changed()


def test_a_device_that_had_no_table_and_has_one_now_is_lost() -> None:
    host = ScriptedHost([OLD])
    assert isinstance(reload_map(host, replace(RELOAD, expected=None), sync=sync()), Lost)


def test_a_table_that_is_not_of_multipath_counts_as_none() -> None:
    host = ScriptedHost([running("", kind="error"), answer(Command.DM_TABLE_LOAD), RESUMED])
    assert reload_map(host, replace(RELOAD, expected=None), sync=sync()) == Changed()


def test_a_table_that_is_longer_than_the_buffer_is_read_with_a_larger_one() -> None:
    paths = [f"8:{16 * minor}" for minor in range(2000)]
    shown = f"0 0 1 1 service-time 0 2000 2 {' '.join(f'{path} 1 1' for path in paths)} "
    host = ScriptedHost([running(shown), answer(Command.DM_TABLE_LOAD), RESUMED])
    assert reload_map(host, replace(RELOAD, expected=shown), sync=sync()) == Changed()
    assert [sent.command for sent in host.sent].count(Command.DM_TABLE_STATUS) == 2


def test_a_refused_load_leaves_the_map_alone() -> None:
    host = ScriptedHost([OLD, refuse(Command.DM_TABLE_LOAD, errno.EINVAL)])
    outcome = reload_map(host, RELOAD, sync=sync())
    assert isinstance(outcome, Refused)
    assert outcome.error == errno.EINVAL
    assert host.finished()


@pytest.mark.parametrize("error", [errno.ENOMEM, errno.EINVAL, errno.EIO], ids=errno.errorcode.get)
def test_a_resume_refused_before_the_swap_puts_the_old_table_over_the_new_one(error: int) -> None:
    host = ScriptedHost([*LOADED, refuse(Command.DM_DEV_SUSPEND, error), WAITING, answer(Command.DM_TABLE_LOAD)])
    outcome = reload_map(host, RELOAD, sync=sync())
    assert isinstance(outcome, Refused)
    assert (outcome.error, OVER in outcome.message) == (error, True)
    assert loads(host) == [RELOAD.table, ONE_PATH_SHOWN.strip()]
    assert host.finished()


def test_the_old_table_goes_back_with_its_own_size_and_access() -> None:
    old = running(ONE_PATH_SHOWN, Flag.DM_READONLY_FLAG, size=1024)
    refused = refuse(Command.DM_DEV_SUSPEND, errno.ENOMEM)
    host = ScriptedHost([old, *LOADED[1:], refused, WAITING, answer(Command.DM_TABLE_LOAD)])
    reload_map(host, RELOAD, sync=sync())
    back = host.changes[-1]
    assert Flag.DM_READONLY_FLAG in back.header.flags
    assert unpack_targets(back.payload, 1, reply=False)[0].length == 1024


def test_a_new_table_that_the_old_one_could_not_be_loaded_over_is_told() -> None:
    refused = [refuse(Command.DM_DEV_SUSPEND, errno.ENOMEM), WAITING, refuse(Command.DM_TABLE_LOAD, errno.ENODEV)]
    host = ScriptedHost([*LOADED, *refused])
    outcome = reload_map(host, RELOAD, sync=sync())
    assert isinstance(outcome, Refused)
    assert "the refused table is still loaded, and a resume would start it" in outcome.message
    assert host.finished()


def test_a_new_table_of_a_device_that_had_none_stays_loaded_and_is_told() -> None:
    waiting = empty(Flag.DM_INACTIVE_PRESENT_FLAG)
    host = ScriptedHost([empty(), answer(Command.DM_TABLE_LOAD), refuse(Command.DM_DEV_SUSPEND, errno.ENOMEM), waiting])
    outcome = reload_map(host, replace(RELOAD, expected=None), sync=sync())
    assert isinstance(outcome, Refused)
    assert "the refused table is still loaded" in outcome.message
    assert "no multipath table before" in outcome.message
    assert host.finished()


def test_a_slot_that_is_empty_after_a_refusal_is_left_so() -> None:
    host = ScriptedHost([*LOADED, refuse(Command.DM_DEV_SUSPEND, errno.ENOMEM), OLD])
    outcome = reload_map(host, RELOAD, sync=sync())
    assert isinstance(outcome, Refused)
    assert "the old table was left in place" in outcome.message
    assert host.finished()


def test_a_resume_refused_in_the_swap_resumes_the_old_table() -> None:
    suspended = running(ONE_PATH_SHOWN, Flag.DM_SUSPEND_FLAG)
    host = ScriptedHost([*LOADED, refuse(Command.DM_DEV_SUSPEND, errno.EINVAL), suspended, RESUMED])
    outcome = reload_map(host, RELOAD, sync=sync())
    assert isinstance(outcome, Refused)
    assert "the old table was resumed" in outcome.message
    assert loads(host) == [RELOAD.table]
    assert host.finished()


def test_a_resume_refused_after_the_swap_loads_the_old_table_again() -> None:
    suspended = running(TWO_PATHS_SHOWN, Flag.DM_SUSPEND_FLAG, size=4096)
    script = [*LOADED, refuse(Command.DM_DEV_SUSPEND, errno.ENOMEM), suspended]
    host = ScriptedHost([*script, answer(Command.DM_TABLE_LOAD), RESUMED])
    outcome = reload_map(host, replace(RELOAD, size=Sectors(4096)), sync=sync())
    assert isinstance(outcome, Refused)
    assert "the old table was loaded again and resumed" in outcome.message
    assert loads(host) == [RELOAD.table, ONE_PATH_SHOWN.strip()]
    assert host.finished()


def test_where_the_old_table_cannot_be_loaded_again_the_new_one_runs() -> None:
    suspended = running(TWO_PATHS_SHOWN, Flag.DM_SUSPEND_FLAG)
    script = [*LOADED, refuse(Command.DM_DEV_SUSPEND, errno.ENOMEM), suspended]
    host = ScriptedHost([*script, refuse(Command.DM_TABLE_LOAD, errno.ENODEV), RESUMED])
    outcome = reload_map(host, RELOAD, sync=sync())
    assert isinstance(outcome, Refused)
    assert "the new table was resumed" in outcome.message
    assert host.finished()


def test_resuming_the_old_table_is_tried_again() -> None:
    suspended = running(ONE_PATH_SHOWN, Flag.DM_SUSPEND_FLAG)
    refused = [refuse(Command.DM_DEV_SUSPEND, errno.ENOMEM)] * 3
    host = ScriptedHost([*LOADED, refused[0], suspended, *refused, RESUMED])
    outcome = reload_map(host, RELOAD, sync=sync())
    assert isinstance(outcome, Refused)
    assert "the old table was resumed" in outcome.message
    assert host.finished()


def test_a_suspended_map_with_the_new_table_waiting_gets_the_old_one_before_it_is_resumed() -> None:
    suspended = running(ONE_PATH_SHOWN, Flag.DM_SUSPEND_FLAG | Flag.DM_INACTIVE_PRESENT_FLAG)
    refused = [refuse(Command.DM_DEV_SUSPEND, errno.ENOMEM), suspended]
    host = ScriptedHost([*LOADED, *refused, answer(Command.DM_TABLE_LOAD), RESUMED])
    outcome = reload_map(host, RELOAD, sync=sync())
    assert isinstance(outcome, Refused)
    assert "the old table was loaded again and resumed" in outcome.message
    assert loads(host) == [RELOAD.table, ONE_PATH_SHOWN.strip()]
    assert host.finished()


def test_a_slot_that_cannot_be_filled_does_not_keep_the_map_suspended() -> None:
    suspended = running(ONE_PATH_SHOWN, Flag.DM_SUSPEND_FLAG | Flag.DM_INACTIVE_PRESENT_FLAG)
    script = [refuse(Command.DM_DEV_SUSPEND, errno.ENOMEM), suspended, refuse(Command.DM_TABLE_LOAD, errno.EPERM)]
    host = ScriptedHost([*LOADED, *script, RESUMED])
    outcome = reload_map(host, RELOAD, sync=sync())
    assert isinstance(outcome, Refused)
    assert "the new table was resumed" in outcome.message
    assert host.finished()


def test_a_map_that_nothing_resumes_is_told_with_what_to_do() -> None:
    suspended = running(ONE_PATH_SHOWN, Flag.DM_SUSPEND_FLAG)
    script = [refuse(Command.DM_DEV_SUSPEND, errno.ENOMEM), suspended]
    host = ScriptedHost([*LOADED, *script, refuse(Command.DM_DEV_SUSPEND, errno.EPERM)])
    outcome = reload_map(host, RELOAD, sync=sync())
    assert isinstance(outcome, Refused)
    assert "`dmsetup resume mpatha`" in outcome.message
    assert host.finished()


@pytest.mark.parametrize(
    ("now", "text"),
    [
        pytest.param(ONE_PATH_SHOWN, "left in place", id="in the swap"),
        pytest.param(TWO_PATHS_SHOWN, OVER, id="after the swap"),
        pytest.param(None, OVER, id="before the swap"),
    ],
)
def test_a_map_that_somebody_else_suspended_stays_so_after_a_refusal(now: str | None, text: str) -> None:
    suspended = running(ONE_PATH_SHOWN, Flag.DM_SUSPEND_FLAG)
    waits = Flag.DM_INACTIVE_PRESENT_FLAG if now is None else NO_FLAGS
    after = running(now or ONE_PATH_SHOWN, Flag.DM_SUSPEND_FLAG | waits)
    back = [answer(Command.DM_TABLE_LOAD)] if text is OVER else []
    refused = [refuse(Command.DM_DEV_SUSPEND, errno.ENOMEM), after]
    host = ScriptedHost([suspended, answer(Command.DM_TABLE_LOAD), *refused, *back])
    outcome = reload_map(host, RELOAD, sync=sync())
    assert isinstance(outcome, Refused)
    assert text in outcome.message
    assert host.finished()


def test_an_interrupted_resume_is_done_again_with_the_table_loaded_again() -> None:
    interrupted = [refuse(Command.DM_DEV_SUSPEND, errno.EINTR), answer(Command.DM_TABLE_LOAD)]
    host = ScriptedHost([*LOADED, *interrupted, RESUMED])
    assert reload_map(host, RELOAD, sync=sync()) == Changed()
    assert host.values == [2, 0]


def test_the_old_table_runs_when_the_program_is_ended_in_between() -> None:
    suspended = running(ONE_PATH_SHOWN, Flag.DM_SUSPEND_FLAG)
    ended = Expect(Command.DM_DEV_SUSPEND, raises=KeyboardInterrupt())
    host = ScriptedHost([*LOADED, ended, suspended, RESUMED])
    with pytest.raises(KeyboardInterrupt):
        reload_map(host, RELOAD, sync=sync())
    assert host.finished()


def test_a_resume_without_a_uevent_is_not_waited_for() -> None:
    host = ScriptedHost([*LOADED, answer(Command.DM_DEV_SUSPEND, NO_FLAGS)], udev_answers=False)
    assert reload_map(host, RELOAD, sync=sync()) == Changed()
    assert host.now == 0.0


def test_a_semaphore_that_is_taken_away_in_between_stops_nothing() -> None:
    host = ScriptedHost([*LOADED, RESUMED], remove_semaphores_on=Command.DM_DEV_SUSPEND)
    assert reload_map(host, RELOAD, sync=sync()) == Changed()
