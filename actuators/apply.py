"""Do steps, in order, and say what came of each.

In: the record steps, the maps' steps, and whether udev runs. Out: every step that was tried with its `Outcome`. A
refusal or a lost precondition ends that map's steps and no other's; that of an incidental step ends nothing. No
exception leaves here but those that end the program, and none leaves a map suspended. Must never decide, log, or go on
with a map that refused.
"""

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import assert_never

from actuators import devicemapper, messages
from actuators.cookie import DEFAULT_TIMEOUT, UdevSync, cookie_bases
from actuators.records import mark_failed, remember_wwid, unmark_failed, write_bindings
from actuators.reservations import register_key
from actuators.steps import (
    CancelRemoval,
    CreateMap,
    DeletePath,
    FailPath,
    Incidental,
    Lost,
    MarkFailed,
    Outcome,
    RecordStep,
    Refused,
    RegisterKey,
    ReinstatePath,
    ReloadMap,
    RememberWwid,
    RemoveMap,
    RenameMap,
    SetQueueing,
    Step,
    SwitchGroup,
    TriggerUevent,
    UnmarkFailed,
    WriteBindings,
    WriteTunable,
)
from actuators.sysfs import delete_path, trigger_uevent, write_tunable
from observers.errors import KernelRefused
from observers.host import Host

COOKIES_PER_SECOND = 1000
"""Where the clock stands decides with which udev cookie a run begins, so that two runs seldom meet."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The steps that were tried, in order, each with its outcome. Steps after a refusal were not, and are not here."""

    outcomes: tuple[tuple[Step, Outcome], ...]

    @property
    def failures(self) -> tuple[tuple[Step, Refused | Lost], ...]:
        """The steps that were not done."""
        return tuple((step, outcome) for step, outcome in self.outcomes if isinstance(outcome, Refused | Lost))


def apply(
    host: Host,
    records: Sequence[RecordStep],
    maps: Sequence[Sequence[Step]],
    *,
    udev_running: bool,
    on_outcome: Callable[[Step, Outcome], None] | None = None,
    udev_timeout: float = DEFAULT_TIMEOUT,
) -> Applied:
    """Do the records first, then the maps, each map's steps in order. `udev_timeout`: seconds, per step.

    A name that only a bindings file would remember is not given to a map while that file could not be written.
    """
    bases = cookie_bases(int(host.monotonic() * COOKIES_PER_SECOND))
    sync = UdevSync(running=udev_running, bases=bases, timeout=udev_timeout)
    outcomes: list[tuple[Step, Outcome]] = []

    def done(step: Step, outcome: Outcome) -> None:
        outcomes.append((step, outcome))
        if on_outcome is not None:
            on_outcome(step, outcome)

    unnamed: dict[str, Refused | Lost] = {}
    for record in records:
        outcome = _guarded(host, record, sync)
        done(record, outcome)
        unnamed |= _names_at_risk(record, outcome)
    for steps in maps:
        for step in steps:
            outcome = unnamed.get(_name_given(step)) or _guarded(host, step, sync)
            done(step, outcome)
            if isinstance(outcome, Refused | Lost) and not isinstance(step, Incidental):
                break
    return Applied(tuple(outcomes))


def _names_at_risk(record: RecordStep, outcome: Outcome) -> dict[str, Refused | Lost]:
    """The aliases that a bindings file should have held and may not hold, with why no map gets them now.

    After a refusal the file still holds the lines that were expected; after a loss nobody knows what it holds.
    """
    if not isinstance(record, WriteBindings) or not isinstance(outcome, Refused | Lost):
        return {}
    kept = set((record.expected or "").splitlines()) if isinstance(outcome, Refused) else set()
    lines = [line.split() for line in record.text.splitlines() if line not in kept]
    why = f"not done, as its name would not be remembered: {outcome.message}"
    reason = Refused(outcome.error, why, outcome.hint, tried=False) if isinstance(outcome, Refused) else Lost(why)
    return {words[0]: reason for words in lines if words and not words[0].startswith("#")}


def _name_given(step: Step) -> str:
    """The name that a step gives to a map; empty when it gives none."""
    match step:
        case CreateMap():
            return step.map.name
        case RenameMap():
            return step.new_name
        case _:
            return ""


def _guarded(host: Host, step: Step, sync: UdevSync) -> Outcome:
    """Do a step; what nobody foresaw ends this map and leaves it running."""
    try:
        return _act(host, step, sync)
    except KernelRefused as error:
        return Refused(error.errno, str(error), error.hint)
    except Exception as error:  # noqa: BLE001 - a defect in one map's step must not stop the other maps
        after = _left_running(host, step)
        text = f"{type(error).__name__}: {error}{_place(error.__traceback__)}{after}"
        return Refused(errno.EIO, text, "this is a defect of mpathctl: please report it")


def _left_running(host: Host, step: Step) -> str:
    """Only the steps that swap a table suspend a map; another's suspended map is not ours to resume."""
    if not isinstance(step, CreateMap | ReloadMap):
        return ""
    try:
        devicemapper.resume_if_suspended(host, step.map)
    except Exception as error:  # noqa: BLE001 - nothing more can be done, so it is told
        return f"; the map may be suspended ({error}): try `dmsetup resume {step.map.name}`"
    return ""


def _place(traceback: TracebackType | None) -> str:
    """Where it was raised, without reading a source file, which may lie on a dead disk."""
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return ""
    code = traceback.tb_frame.f_code
    return f" at {code.co_filename.rpartition('/')[2]}:{traceback.tb_lineno}:{code.co_name}"


def _act(host: Host, step: Step, sync: UdevSync) -> Outcome:
    match step:
        case CreateMap():
            return devicemapper.create_map(host, step, sync=sync)
        case ReloadMap():
            return devicemapper.reload_map(host, step, sync=sync)
        case RenameMap():
            return devicemapper.rename_map(host, step, sync=sync)
        case RemoveMap():
            return devicemapper.remove_map(host, step, sync=sync)
        case SwitchGroup() | FailPath() | ReinstatePath() | SetQueueing() | CancelRemoval():
            return _message(host, step)
        case RegisterKey():
            return register_key(host, step)
        case TriggerUevent() | WriteTunable() | DeletePath():
            return _on_sysfs(host, step)
        case RememberWwid() | WriteBindings() | MarkFailed() | UnmarkFailed():
            return _on_files(host, step)
        case _:
            assert_never(step)


def _message(host: Host, step: SwitchGroup | FailPath | ReinstatePath | SetQueueing | CancelRemoval) -> Outcome:
    match step:
        case SwitchGroup():
            return messages.switch_group(host, step)
        case FailPath():
            return messages.fail_path(host, step)
        case ReinstatePath():
            return messages.reinstate_path(host, step)
        case SetQueueing():
            return messages.set_queueing(host, step)
        case CancelRemoval():
            return messages.cancel_removal(host, step)


def _on_sysfs(host: Host, step: TriggerUevent | WriteTunable | DeletePath) -> Outcome:
    match step:
        case TriggerUevent():
            return trigger_uevent(host, step)
        case WriteTunable():
            return write_tunable(host, step)
        case DeletePath():
            return delete_path(host, step)


def _on_files(host: Host, step: RecordStep) -> Outcome:
    match step:
        case RememberWwid():
            return remember_wwid(host, step)
        case MarkFailed():
            return mark_failed(host, step)
        case UnmarkFailed():
            return unmark_failed(host, step)
        case WriteBindings():
            return write_bindings(host, step)
