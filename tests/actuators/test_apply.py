"""Applying a plan: the order, what a refusal stops and what it does not, and that nothing leaves as an exception."""

import errno
from dataclasses import replace

import pytest

from actuators.apply import Applied, apply
from actuators.steps import (
    Changed,
    Lost,
    MapRef,
    Outcome,
    Refused,
    RememberWwid,
    Step,
    TriggerUevent,
    Unchanged,
    WriteBindings,
)
from observers.dmtable import DevT
from observers.kernel.dm_ioctl import Command, Flag
from observers.snapshot import Alias, DeviceName, DmUuid, Wwid

from .scripted import ABSENT, NO_DEVICE, Expect, ScriptedHost, answer, refuse, running, with_uevent
from .steps_for_tests import (
    CREATE,
    DO_NOT_QUEUE,
    FAIL,
    ONE_PATH_SHOWN,
    QUEUE,
    REINSTATE,
    RELOAD,
    REMOVE,
    RENAME,
    SWITCH,
    TWO_GROUPS_STATUS,
    TWO_PATHS_SHOWN,
)

WWIDS = "/etc/multipath/wwids"
BINDINGS = "/etc/multipath/bindings"
REMEMBER = RememberWwid(file=WWIDS, wwid=Wwid("36001405aabbccddeeff0011223344556"))
BIND = WriteBindings(file=BINDINGS, text="# header\nmpathb 3600b\nmpatha 3600a\n", expected="# header\nmpathb 3600b\n")
TRIGGER = TriggerUevent(name=DeviceName("sda"), dev=DevT("8:0"), sysfs="/sys/block/sda")
CREATED = [
    ABSENT,
    answer(Command.DM_DEV_CREATE),
    answer(Command.DM_TABLE_LOAD),
    with_uevent(Command.DM_DEV_SUSPEND),
]
OTHER_CREATE = replace(CREATE, map=MapRef(DmUuid("mpath-3600b"), Alias("mpathb")))
READ_ONLY_ETC = {f"replace {BINDINGS}": errno.EROFS}


def outcomes(applied: Applied) -> list[Outcome]:
    return [outcome for _, outcome in applied.outcomes]


def test_records_come_before_maps_and_each_outcome_is_told_as_it_comes() -> None:
    host = ScriptedHost([*CREATED, running(TWO_GROUPS_STATUS), answer(Command.DM_TARGET_MSG)])
    told: list[tuple[Step, Outcome]] = []
    applied = apply(
        host, [REMEMBER], [[CREATE, SWITCH]], udev_running=True, on_outcome=lambda *outcome: told.append(outcome)
    )
    assert [step for step, _ in applied.outcomes] == [REMEMBER, CREATE, SWITCH]
    assert outcomes(applied) == [Changed(), Changed(), Changed()]
    assert tuple(told) == applied.outcomes
    assert host.finished()


@pytest.mark.parametrize(
    ("step", "script"),
    [
        (CREATE, CREATED),
        (RELOAD, [running(ONE_PATH_SHOWN), answer(Command.DM_TABLE_LOAD), with_uevent(Command.DM_DEV_SUSPEND)]),
        (RENAME, [answer(Command.DM_DEV_STATUS), with_uevent(Command.DM_DEV_RENAME)]),
        (REMOVE, [answer(Command.DM_DEV_STATUS), with_uevent(Command.DM_DEV_REMOVE)]),
        (SWITCH, [running(TWO_GROUPS_STATUS), answer(Command.DM_TARGET_MSG)]),
        (FAIL, [running(TWO_GROUPS_STATUS), answer(Command.DM_TARGET_MSG)]),
        (REINSTATE, [running(TWO_GROUPS_STATUS), answer(Command.DM_TARGET_MSG)]),
        (QUEUE, [running(ONE_PATH_SHOWN), answer(Command.DM_TARGET_MSG)]),
        (TRIGGER, []),
        (REMEMBER, []),
        (WriteBindings(file=BINDINGS, text="x y\n", expected=None), []),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, list) else "",
)
def test_every_type_of_step_is_done_by_its_own_function(step: Step, script: list[Expect]) -> None:
    host = ScriptedHost(list(script), files={"/sys/block/sda/dev": b"8:0\n"})
    assert outcomes(apply(host, [], [[step]], udev_running=True)) == [Changed()]
    assert host.finished()


def test_a_refusal_ends_its_map_and_no_other() -> None:
    host = ScriptedHost([ABSENT, refuse(Command.DM_DEV_CREATE, errno.EBUSY), *CREATED])
    applied = apply(host, [], [[CREATE, SWITCH, QUEUE], [OTHER_CREATE]], udev_running=True)
    assert [step for step, _ in applied.outcomes] == [CREATE, OTHER_CREATE]
    assert [type(outcome) for outcome in outcomes(applied)] == [Refused, Changed]
    assert [step for step, _ in applied.failures] == [CREATE]
    assert host.finished()


def test_a_lost_precondition_ends_its_map_too() -> None:
    host = ScriptedHost([ABSENT, *CREATED])
    applied = apply(host, [], [[RELOAD, SWITCH], [OTHER_CREATE]], udev_running=True)
    assert [type(outcome) for outcome in outcomes(applied)] == [Lost, Changed]


def test_what_is_so_already_ends_nothing() -> None:
    host = ScriptedHost([running(TWO_PATHS_SHOWN), running(ONE_PATH_SHOWN)])
    applied = apply(host, [], [[CREATE, DO_NOT_QUEUE]], udev_running=True)
    assert outcomes(applied) == [Unchanged(), Unchanged()]
    assert applied.failures == ()


def test_every_step_has_a_cookie_of_its_own_and_none_is_left() -> None:
    renamed = [answer(Command.DM_DEV_STATUS), with_uevent(Command.DM_DEV_RENAME)]
    host = ScriptedHost([*CREATED, *renamed], now=5.0)
    apply(host, [], [[CREATE, RENAME]], udev_running=True)
    assert host.made_keys == [0x0D4D0000 | 5001, 0x0D4D0000 | 5002]
    assert host.finished()


def test_where_udev_does_not_run_nothing_waits_for_it() -> None:
    host = ScriptedHost(list(CREATED))
    apply(host, [], [[CREATE]], udev_running=False)
    assert host.made_keys == []


def test_a_wwid_that_could_not_be_remembered_stops_no_map() -> None:
    host = ScriptedHost(list(CREATED), file_errors={f"open {WWIDS}": errno.EROFS})
    applied = apply(host, [REMEMBER], [[CREATE]], udev_running=True)
    assert [type(outcome) for outcome in outcomes(applied)] == [Refused, Changed]


def test_a_map_gets_no_name_that_could_not_be_remembered() -> None:
    host = ScriptedHost(files={BINDINGS: b"# header\nmpathb 3600b\n"}, file_errors=READ_ONLY_ETC)
    applied = apply(host, [BIND], [[CREATE, SWITCH]], udev_running=True)
    _, (step, outcome) = applied.outcomes
    assert step == CREATE
    assert isinstance(outcome, Refused)
    assert outcome.error == errno.EROFS
    assert "its name would not be remembered" in outcome.message
    assert host.sent == []


def test_a_map_is_not_renamed_to_a_name_that_could_not_be_remembered() -> None:
    rename = replace(RENAME, new_name=Alias("mpatha"))
    host = ScriptedHost(files={BINDINGS: b"# header\nmpathb 3600b\n"}, file_errors=READ_ONLY_ETC)
    assert isinstance(outcomes(apply(host, [BIND], [[rename]], udev_running=True))[1], Refused)
    assert host.sent == []


def test_names_that_the_file_holds_already_are_given_though_it_could_not_be_written() -> None:
    host = ScriptedHost(list(CREATED), files={BINDINGS: b"# header\nmpathb 3600b\n"}, file_errors=READ_ONLY_ETC)
    assert outcomes(apply(host, [BIND], [[OTHER_CREATE]], udev_running=True))[1] == Changed()


def test_names_from_elsewhere_are_given_though_the_file_could_not_be_written() -> None:
    named = replace(CREATE, map=MapRef(CREATE.map.uuid, Alias("oracle")))
    host = ScriptedHost(list(CREATED), files={BINDINGS: b"# header\nmpathb 3600b\n"}, file_errors=READ_ONLY_ETC)
    assert outcomes(apply(host, [BIND], [[named]], udev_running=True))[1] == Changed()


def test_a_bindings_file_that_somebody_changed_gives_none_of_its_names() -> None:
    host = ScriptedHost(files={BINDINGS: b"mpathb 3600x\n"})
    applied = apply(host, [BIND], [[CREATE], [OTHER_CREATE]], udev_running=True)
    assert [type(outcome) for outcome in outcomes(applied)] == [Lost, Lost, Lost]
    assert host.sent == []


def test_other_steps_of_a_map_go_on_though_bindings_could_not_be_written() -> None:
    reload = [running(ONE_PATH_SHOWN), answer(Command.DM_TABLE_LOAD), with_uevent(Command.DM_DEV_SUSPEND)]
    host = ScriptedHost(reload, files={BINDINGS: b"# header\nmpathb 3600b\n"}, file_errors=READ_ONLY_ETC)
    assert outcomes(apply(host, [BIND], [[RELOAD]], udev_running=True))[1] == Changed()


def test_something_unforeseen_is_a_refusal_of_that_map_alone() -> None:
    broken = Expect(Command.DM_TARGET_MSG, raises=ZeroDivisionError("a defect"))
    host = ScriptedHost([running(TWO_GROUPS_STATUS), broken, *CREATED])
    applied = apply(host, [], [[SWITCH], [CREATE]], udev_running=True)
    first, second = outcomes(applied)
    assert isinstance(first, Refused)
    assert "ZeroDivisionError: a defect at scripted.py:" in first.message
    assert second == Changed()
    assert host.finished()


def test_something_unforeseen_in_a_reload_leaves_the_map_running() -> None:
    suspended = Flag.DM_SUSPEND_FLAG
    broken = Expect(Command.DM_DEV_SUSPEND, raises=ZeroDivisionError("a defect"))
    unreadable = Expect(Command.DM_TABLE_STATUS, raises=ZeroDivisionError("another"))
    rescue = [answer(Command.DM_DEV_STATUS, suspended), with_uevent(Command.DM_DEV_SUSPEND)]
    host = ScriptedHost([running(ONE_PATH_SHOWN), answer(Command.DM_TABLE_LOAD), broken, unreadable, *rescue])
    (outcome,) = outcomes(apply(host, [], [[RELOAD]], udev_running=True))
    assert isinstance(outcome, Refused)
    assert host.finished()


def test_a_map_that_runs_after_something_unforeseen_is_not_resumed() -> None:
    broken = Expect(Command.DM_TABLE_LOAD, raises=ZeroDivisionError("a defect"))
    host = ScriptedHost([running(ONE_PATH_SHOWN), broken, answer(Command.DM_DEV_STATUS)])
    assert isinstance(outcomes(apply(host, [], [[RELOAD]], udev_running=True))[0], Refused)
    assert host.finished()


def test_a_map_that_nothing_can_resume_is_told_with_what_to_do() -> None:
    broken = Expect(Command.DM_TABLE_LOAD, raises=ZeroDivisionError("a defect"))
    host = ScriptedHost([running(ONE_PATH_SHOWN), broken, refuse(Command.DM_DEV_STATUS, errno.EPERM)])
    (outcome,) = outcomes(apply(host, [], [[RELOAD]], udev_running=True))
    assert isinstance(outcome, Refused)
    assert "`dmsetup resume mpatha`" in outcome.message


def test_the_end_of_the_program_is_not_kept_from_it() -> None:
    ended = Expect(Command.DM_TABLE_STATUS, raises=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        apply(ScriptedHost([ended]), [], [[SWITCH]], udev_running=True)


def test_nothing_to_do_asks_nothing() -> None:
    host = ScriptedHost()
    assert apply(host, [], [[], []], udev_running=True) == Applied(())
    assert host.sent == []


def test_a_map_to_remove_that_is_gone_is_unchanged_in_a_plan_too() -> None:
    assert outcomes(apply(ScriptedHost([NO_DEVICE]), [], [[REMOVE]], udev_running=True)) == [Unchanged()]
