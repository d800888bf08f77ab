"""Renaming, removing and telling: what is so already, what is lost, what is retried, what is refused."""

import errno
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from actuators.devicemapper import remove_map, rename_map
from actuators.messages import cancel_removal, fail_path, reinstate_path, set_queueing, switch_group
from actuators.retry import BUSY
from actuators.steps import Changed, Lost, Outcome, Refused, SetQueueing, Unchanged
from observers.dmtable import DevT
from observers.kernel.dm_ioctl import Command, Flag

from .scripted import ABSENT, NO_DEVICE, Expect, ScriptedHost, answer, empty, refuse, running, with_uevent
from .steps_for_tests import (
    DO_NOT_QUEUE,
    EVENT_FLAGS,
    FAIL,
    KEEP,
    ONE_PATH_SHOWN,
    QUEUE,
    QUEUEING_SHOWN,
    REINSTATE,
    REMOVE,
    RENAME,
    SWITCH,
    TWO_GROUPS_STATUS,
    UUID,
    sync,
)

Act = Callable[[ScriptedHost], Outcome]

THERE = answer(Command.DM_DEV_STATUS)
RENAMED = with_uevent(Command.DM_DEV_RENAME)
REMOVED = with_uevent(Command.DM_DEV_REMOVE)
TOLD = answer(Command.DM_TARGET_MSG)
STATUS = running(TWO_GROUPS_STATUS)
BUSY_REMOVE = refuse(Command.DM_DEV_REMOVE, errno.EBUSY)


def messages(host: ScriptedHost) -> list[str]:
    return [sent.text for sent in host.sent if sent.command is Command.DM_TARGET_MSG]


def test_a_rename_is_sent_by_name_with_a_cookie() -> None:
    host = ScriptedHost([THERE, RENAMED])
    assert rename_map(host, RENAME, sync=sync(seed=6)) == Changed()
    (sent,) = host.changes
    assert (sent.header.name, sent.header.uuid, sent.text) == ("mpatha", "", "oracle")
    assert sent.header.event_nr == EVENT_FLAGS << 16 | 7
    assert host.finished()


def test_a_map_that_has_the_new_name_is_unchanged() -> None:
    host = ScriptedHost([answer(Command.DM_DEV_STATUS, name="oracle")])
    assert rename_map(host, RENAME, sync=sync()) == Unchanged()
    assert host.finished()


def test_a_map_that_has_a_third_name_is_lost() -> None:
    host = ScriptedHost([answer(Command.DM_DEV_STATUS, name="other")])
    assert isinstance(rename_map(host, RENAME, sync=sync()), Lost)
    assert host.finished()


def test_a_new_name_in_use_is_refused_and_not_retried() -> None:
    host = ScriptedHost([THERE, refuse(Command.DM_DEV_RENAME, errno.EBUSY)])
    outcome = rename_map(host, RENAME, sync=sync())
    assert isinstance(outcome, Refused)
    assert outcome.error == errno.EBUSY
    assert "to 'oracle'" in outcome.message
    assert "has the new name" in outcome.hint
    assert host.finished()


def test_a_map_that_goes_in_the_middle_of_a_rename_is_lost() -> None:
    host = ScriptedHost([THERE, refuse(Command.DM_DEV_RENAME, errno.ENXIO), NO_DEVICE])
    assert isinstance(rename_map(host, RENAME, sync=sync()), Lost)


def test_a_map_to_rename_that_is_gone_is_lost() -> None:
    assert isinstance(rename_map(ScriptedHost([NO_DEVICE]), RENAME, sync=sync()), Lost)


def test_a_removal_is_sent_by_uuid_with_a_cookie() -> None:
    host = ScriptedHost([THERE, REMOVED])
    assert remove_map(host, REMOVE, sync=sync(seed=6)) == Changed()
    (sent,) = host.changes
    assert (sent.header.name, sent.header.uuid) == ("", UUID)
    assert sent.header.event_nr == EVENT_FLAGS << 16 | 7
    assert Flag.DM_DEFERRED_REMOVE not in sent.header.flags
    assert host.finished()


def test_a_removal_that_may_wait_for_the_last_close_says_so() -> None:
    host = ScriptedHost([THERE, answer(Command.DM_DEV_REMOVE, Flag.DM_DEFERRED_REMOVE)])
    assert remove_map(host, replace(REMOVE, deferred=True), sync=sync()) == Changed()
    (sent,) = host.changes
    assert Flag.DM_DEFERRED_REMOVE in sent.header.flags
    assert host.finished()


WAITS = answer(Command.DM_DEV_STATUS, Flag.DM_DEFERRED_REMOVE, opened=1)


def test_a_removal_that_waits_is_taken_back_by_a_message_to_the_device_itself() -> None:
    host = ScriptedHost([WAITS, TOLD])
    assert cancel_removal(host, KEEP) == Changed()
    assert messages(host) == ["@cancel_deferred_remove"]
    assert host.finished()


def test_where_no_removal_waits_nothing_is_taken_back() -> None:
    assert cancel_removal(ScriptedHost([THERE]), KEEP) == Unchanged()


def test_a_map_that_was_closed_before_its_removal_was_taken_back_is_lost() -> None:
    assert isinstance(cancel_removal(ScriptedHost([NO_DEVICE]), KEEP), Lost)
    going = refuse(Command.DM_TARGET_MSG, errno.ENXIO)
    assert isinstance(cancel_removal(ScriptedHost([WAITS, going, NO_DEVICE]), KEEP), Lost)


def test_a_map_that_udev_holds_for_a_moment_is_removed_when_it_lets_go() -> None:
    host = ScriptedHost([THERE, BUSY_REMOVE, BUSY_REMOVE, REMOVED])
    assert remove_map(host, REMOVE, sync=sync()) == Changed()
    assert len(host.slept) == 2
    assert host.values == [2, 0]
    assert host.finished()


def test_an_interrupted_removal_is_done_again() -> None:
    host = ScriptedHost([THERE, refuse(Command.DM_DEV_REMOVE, errno.EINTR), REMOVED])
    assert remove_map(host, REMOVE, sync=sync()) == Changed()


def test_a_map_that_stays_open_is_refused_and_told_how_often_it_is_open() -> None:
    still = answer(Command.DM_DEV_STATUS, opened=2)
    host = ScriptedHost([THERE, *[BUSY_REMOVE] * BUSY.attempts, still])
    outcome = remove_map(host, REMOVE, sync=sync())
    assert isinstance(outcome, Refused)
    assert outcome.error == errno.EBUSY
    assert "open 2 times" in outcome.message
    assert "lsof" in outcome.hint
    assert host.finished()


def test_a_map_that_is_gone_needs_no_removal() -> None:
    host = ScriptedHost([NO_DEVICE])
    assert remove_map(host, REMOVE, sync=sync()) == Unchanged()
    assert host.finished()


def test_a_map_that_goes_meanwhile_is_not_removed_again() -> None:
    host = ScriptedHost([THERE, refuse(Command.DM_DEV_REMOVE, errno.ENXIO)])
    assert remove_map(host, REMOVE, sync=sync()) == Unchanged()
    assert host.slept == []
    assert host.finished()


@dataclass(frozen=True)
class Telling:
    """A step that is one message: what does it, what the map shows before, and the message."""

    act: Act
    shown: str
    message: str


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            Telling(lambda host: switch_group(host, SWITCH), TWO_GROUPS_STATUS, "switch_group 2"), id="switch"
        ),
        pytest.param(Telling(lambda host: fail_path(host, FAIL), TWO_GROUPS_STATUS, "fail_path 8:0"), id="fail"),
        pytest.param(
            Telling(lambda host: reinstate_path(host, REINSTATE), TWO_GROUPS_STATUS, "reinstate_path 8:16"),
            id="reinstate",
        ),
        pytest.param(Telling(lambda host: set_queueing(host, QUEUE), ONE_PATH_SHOWN, "queue_if_no_path"), id="queue"),
        pytest.param(
            Telling(lambda host: set_queueing(host, DO_NOT_QUEUE), QUEUEING_SHOWN, "fail_if_no_path"), id="do not queue"
        ),
    ],
)
class TestMessages:
    """What every step that is one message does."""

    def test_it_is_sent(self, case: Telling) -> None:
        host = ScriptedHost([running(case.shown), TOLD])
        assert case.act(host) == Changed()
        assert messages(host) == [case.message]
        assert host.finished()

    def test_a_suspended_map_refuses_it_with_a_hint(self, case: Telling) -> None:
        host = ScriptedHost([running(case.shown, Flag.DM_SUSPEND_FLAG), refuse(Command.DM_TARGET_MSG, errno.EBUSY)])
        outcome = case.act(host)
        assert isinstance(outcome, Refused)
        assert (outcome.error, case.message in outcome.message) == (errno.EBUSY, True)
        assert "the map is suspended" in outcome.hint

    def test_a_map_that_is_gone_is_lost(self, case: Telling) -> None:
        assert isinstance(case.act(ScriptedHost([ABSENT])), Lost)

    def test_a_map_that_goes_meanwhile_is_lost(self, case: Telling) -> None:
        host = ScriptedHost([running(case.shown), refuse(Command.DM_TARGET_MSG, errno.ENXIO), NO_DEVICE])
        assert isinstance(case.act(host), Lost)

    @pytest.mark.parametrize("now", [empty(), running("", kind="error")], ids=["no table", "another target"])
    def test_a_map_without_a_multipath_table_is_lost(self, case: Telling, now: Expect) -> None:
        assert isinstance(case.act(ScriptedHost([now])), Lost)

    def test_a_status_that_cannot_be_read_is_refused(self, case: Telling) -> None:
        assert isinstance(case.act(ScriptedHost([running("nonsense")])), Refused)


def test_the_group_in_use_is_not_switched_to() -> None:
    host = ScriptedHost([STATUS])
    assert switch_group(host, replace(SWITCH, group=1)) == Unchanged()
    assert host.finished()


def test_a_disabled_group_is_switched_to_though_it_is_the_next() -> None:
    host = ScriptedHost([running(TWO_GROUPS_STATUS.replace("A 0 1 2", "D 0 1 2")), TOLD])
    assert switch_group(host, replace(SWITCH, group=1)) == Changed()


@pytest.mark.parametrize("group", [0, 3])
def test_a_group_that_is_not_there_is_lost(group: int) -> None:
    host = ScriptedHost([STATUS])
    assert isinstance(switch_group(host, replace(SWITCH, group=group)), Lost)
    assert host.finished()


def test_a_path_that_has_failed_is_not_failed_again() -> None:
    host = ScriptedHost([STATUS])
    assert fail_path(host, replace(FAIL, dev=DevT("8:16"))) == Unchanged()
    assert host.finished()


def test_a_path_that_works_is_not_reinstated() -> None:
    host = ScriptedHost([STATUS])
    assert reinstate_path(host, replace(REINSTATE, dev=DevT("8:0"))) == Unchanged()
    assert host.finished()


def test_a_path_that_is_not_in_the_table_is_lost() -> None:
    host = ScriptedHost([STATUS])
    assert isinstance(fail_path(host, replace(FAIL, dev=DevT("8:99"))), Lost)
    assert host.finished()


@pytest.mark.parametrize(("step", "shown"), [(QUEUE, QUEUEING_SHOWN), (DO_NOT_QUEUE, ONE_PATH_SHOWN)])
def test_queueing_that_is_so_already_is_not_told(step: SetQueueing, shown: str) -> None:
    host = ScriptedHost([running(shown)])
    assert set_queueing(host, step) == Unchanged()
    assert host.finished()


def test_what_a_suspended_map_shows_of_queueing_is_not_believed() -> None:
    host = ScriptedHost([running(ONE_PATH_SHOWN, Flag.DM_SUSPEND_FLAG), refuse(Command.DM_TARGET_MSG, errno.EBUSY)])
    assert isinstance(set_queueing(host, DO_NOT_QUEUE), Refused)


def test_no_permission_says_who_may() -> None:
    outcome = fail_path(ScriptedHost([refuse(Command.DM_TABLE_STATUS, errno.EACCES)]), FAIL)
    assert isinstance(outcome, Refused)
    assert (outcome.error, "root" in outcome.hint) == (errno.EACCES, True)
