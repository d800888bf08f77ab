"""Creating a map: the calls, what is there already, and that a refusal leaves no device behind."""

import errno
from dataclasses import replace

import pytest

from actuators.devicemapper import NOTE_OWNERSHIP, NOTE_READ_ONLY, create_map
from actuators.steps import Changed, Lost, MapRef, Ownership, Refused, Unchanged
from observers.kernel.dm_ioctl import Command, Flag
from observers.snapshot import Alias

from .scripted import ABSENT, Expect, ScriptedHost, answer, empty, refuse, running, with_uevent
from .steps_for_tests import CREATE, EVENT_FLAGS, MAP, ONE_PATH_SHOWN, TWO_PATHS, TWO_PATHS_SHOWN, UUID, sync

MADE = [ABSENT, answer(Command.DM_DEV_CREATE)]
LOADED = [*MADE, answer(Command.DM_TABLE_LOAD)]
REMOVED = with_uevent(Command.DM_DEV_REMOVE)


def test_a_map_is_made_loaded_and_resumed() -> None:
    host = ScriptedHost([*LOADED, with_uevent(Command.DM_DEV_SUSPEND)])
    assert create_map(host, CREATE, sync=sync()) == Changed()
    made, load, resume = host.changes
    assert (made.header.name, made.header.uuid) == ("mpatha", UUID)
    assert (load.header.name, load.header.uuid, load.text) == ("", UUID, TWO_PATHS)
    assert (resume.header.name, resume.header.uuid) == ("", UUID)
    assert Flag.DM_SUSPEND_FLAG not in resume.header.flags
    assert host.finished()


def test_only_the_resume_carries_the_cookie() -> None:
    host = ScriptedHost([*LOADED, with_uevent(Command.DM_DEV_SUSPEND)])
    create_map(host, CREATE, sync=sync(seed=6))
    assert [sent.header.event_nr for sent in host.changes] == [0, 0, EVENT_FLAGS << 16 | 7]
    assert host.values == [2, 0]


def test_without_udev_the_flags_alone_are_sent() -> None:
    host = ScriptedHost([*LOADED, with_uevent(Command.DM_DEV_SUSPEND)])
    assert create_map(host, CREATE, sync=sync(running=False)) == Changed()
    assert host.changes[-1].header.event_nr == EVENT_FLAGS << 16
    assert host.made_keys == []


def test_a_silent_udev_is_noted_and_the_map_is_there() -> None:
    host = ScriptedHost([*LOADED, with_uevent(Command.DM_DEV_SUSPEND)], udev_answers=False)
    assert create_map(host, CREATE, sync=sync()) == Changed("udev did not answer within 10 s")
    assert host.finished()


@pytest.mark.parametrize("error", [errno.EROFS, errno.EACCES], ids=errno.errorcode.get)
def test_write_protected_disks_are_loaded_read_only(error: int) -> None:
    load = [refuse(Command.DM_TABLE_LOAD, error), answer(Command.DM_TABLE_LOAD)]
    host = ScriptedHost([*MADE, *load, with_uevent(Command.DM_DEV_SUSPEND)])
    assert create_map(host, CREATE, sync=sync()) == Changed(NOTE_READ_ONLY)
    first, second = (sent.header.flags for sent in host.sent if sent.command is Command.DM_TABLE_LOAD)
    assert (Flag.DM_READONLY_FLAG in first, Flag.DM_READONLY_FLAG in second) == (False, True)


def test_a_read_only_map_is_loaded_read_only_at_once() -> None:
    host = ScriptedHost([*LOADED, with_uevent(Command.DM_DEV_SUSPEND)])
    assert create_map(host, replace(CREATE, read_only=True), sync=sync()) == Changed()
    assert Flag.DM_READONLY_FLAG in host.changes[1].header.flags


def test_a_wanted_owner_is_left_to_udev_and_said() -> None:
    host = ScriptedHost([*LOADED, with_uevent(Command.DM_DEV_SUSPEND)])
    assert create_map(host, replace(CREATE, ownership=Ownership(uid=0)), sync=sync()) == Changed(NOTE_OWNERSHIP)


def test_a_refused_load_removes_the_device_and_tells_all_of_it() -> None:
    host = ScriptedHost([*MADE, refuse(Command.DM_TABLE_LOAD, errno.EBUSY), REMOVED])
    outcome = create_map(host, CREATE, sync=sync())
    assert isinstance(outcome, Refused)
    assert outcome.error == errno.EBUSY
    assert "TABLE_LOAD of 'mpatha' (mpath-36001405aabbccddeeff0011223344556)" in outcome.message
    assert f"0 2048 multipath {TWO_PATHS}" in outcome.message
    assert "EBUSY" in outcome.message
    assert "the device was removed again" in outcome.message
    assert "/sys/block/*/holders" in outcome.hint
    assert host.finished()


def test_a_read_only_load_that_is_refused_too_removes_the_device() -> None:
    load = [refuse(Command.DM_TABLE_LOAD, errno.EACCES), refuse(Command.DM_TABLE_LOAD, errno.EINVAL)]
    host = ScriptedHost([*MADE, *load, REMOVED])
    outcome = create_map(host, CREATE, sync=sync())
    assert isinstance(outcome, Refused)
    assert (outcome.error, "dmesg" in outcome.hint) == (errno.EINVAL, True)
    assert host.finished()


def test_a_refused_resume_removes_the_device() -> None:
    host = ScriptedHost([*LOADED, refuse(Command.DM_DEV_SUSPEND, errno.ENOMEM), REMOVED])
    outcome = create_map(host, CREATE, sync=sync())
    assert isinstance(outcome, Refused)
    assert outcome.error == errno.ENOMEM
    assert host.finished()


def test_an_interrupted_resume_is_done_again() -> None:
    resumes = [refuse(Command.DM_DEV_SUSPEND, errno.EINTR), with_uevent(Command.DM_DEV_SUSPEND)]
    host = ScriptedHost([*LOADED, *resumes])
    assert create_map(host, CREATE, sync=sync()) == Changed()
    assert host.values == [2, 0]
    assert host.finished()


def test_a_device_that_cannot_be_removed_again_is_told() -> None:
    script = [*MADE, refuse(Command.DM_TABLE_LOAD, errno.EINVAL), refuse(Command.DM_DEV_REMOVE, errno.EPERM)]
    outcome = create_map(ScriptedHost(script), CREATE, sync=sync())
    assert isinstance(outcome, Refused)
    assert outcome.error == errno.EINVAL
    assert "could not be removed" in outcome.message


def test_the_device_is_removed_when_the_program_is_ended_in_between() -> None:
    host = ScriptedHost([*MADE, Expect(Command.DM_TABLE_LOAD, raises=KeyboardInterrupt()), REMOVED])
    with pytest.raises(KeyboardInterrupt):
        create_map(host, CREATE, sync=sync())
    assert host.finished()


def test_a_name_in_use_is_refused_and_nothing_is_removed() -> None:
    host = ScriptedHost([ABSENT, refuse(Command.DM_DEV_CREATE, errno.EBUSY)])
    outcome = create_map(host, CREATE, sync=sync())
    assert isinstance(outcome, Refused)
    assert (outcome.error, "dmsetup info" in outcome.hint) == (errno.EBUSY, True)
    assert host.finished()


def test_a_map_that_runs_with_these_paths_is_unchanged() -> None:
    host = ScriptedHost([running(TWO_PATHS_SHOWN)])
    assert create_map(host, CREATE, sync=sync()) == Unchanged()
    assert host.finished()


def test_a_map_that_runs_with_other_paths_is_lost() -> None:
    host = ScriptedHost([running(ONE_PATH_SHOWN)])
    assert isinstance(create_map(host, CREATE, sync=sync()), Lost)
    assert host.finished()


def test_a_map_of_another_size_is_lost() -> None:
    assert isinstance(create_map(ScriptedHost([running(TWO_PATHS_SHOWN, size=4096)]), CREATE, sync=sync()), Lost)


def test_a_map_of_this_uuid_with_another_name_is_lost() -> None:
    outcome = create_map(ScriptedHost([running(TWO_PATHS_SHOWN, name="oracle")]), CREATE, sync=sync())
    assert isinstance(outcome, Lost)
    assert "'oracle'" in outcome.message


def test_a_device_that_was_left_without_a_table_is_finished() -> None:
    host = ScriptedHost([empty(), answer(Command.DM_TABLE_LOAD), with_uevent(Command.DM_DEV_SUSPEND)])
    assert create_map(host, CREATE, sync=sync()) == Changed()
    assert host.finished()


def test_a_name_with_a_blank_reaches_the_kernel_as_udev_needs_it() -> None:
    host = ScriptedHost([*LOADED, with_uevent(Command.DM_DEV_SUSPEND)])
    create_map(host, replace(CREATE, map=MapRef(UUID, Alias("my disk"))), sync=sync())
    assert host.changes[0].header.name == r"my\x20disk"


def test_the_same_name_with_a_blank_is_known_again() -> None:
    host = ScriptedHost([running(TWO_PATHS_SHOWN, name=r"my\x20disk")])
    assert create_map(host, replace(CREATE, map=MapRef(UUID, Alias("my disk"))), sync=sync()) == Unchanged()


def test_a_name_that_is_too_long_is_refused_before_the_kernel_sees_it() -> None:
    host = ScriptedHost([ABSENT])
    outcome = create_map(host, replace(CREATE, map=MapRef(MAP.uuid, Alias("x" * 128))), sync=sync())
    assert isinstance(outcome, Refused)
    assert outcome.error == errno.EINVAL
    assert host.finished()


def test_a_path_that_is_gone_is_refused_as_such_though_the_device_is_gone_too() -> None:
    host = ScriptedHost([*MADE, refuse(Command.DM_TABLE_LOAD, errno.ENXIO), REMOVED])
    outcome = create_map(host, CREATE, sync=sync())
    assert isinstance(outcome, Refused)
    assert "a path of the table is gone" in outcome.hint
    assert host.finished()
