"""From a scenario to a running kernel: maps that exist, events that happen now, events that are due later.

In: a scenario. Out: a `Stage`, booted. A map that no kernel would take, or an event that names nothing, is an
`InputError` that says which.
"""

import os
import re
from collections.abc import Callable

from controller.sandbox.dm_device import MappedDevice
from controller.sandbox.dm_table import Line
from controller.sandbox.events import Stage
from controller.sandbox.faults import Faults
from controller.sandbox.kernel import Kernel
from controller.sandbox.san import Event, MapSpec, MdSpec, Scenario
from observers.errors import InputError
from observers.kernel.dm_ioctl import NO_FLAGS, Command, Flag, Header, pack

_DISK = re.compile(r"sd[a-z]+|nvme\d+n\d+|\d+:\d+:\d+:\d+")
_PRIMARY_SOURCE = 0x60 << 16
"""A cookie of flags alone: library fallback disabled, primary source. That is what multipathd's ioctls carry."""


def boot(scenario: Scenario) -> Stage:
    """The host of a scenario, running."""
    stage = Stage(Kernel(scenario), Faults())
    for array in scenario.md:
        _start(stage.kernel, array)
    for spec in scenario.maps:
        _make(stage, spec)
    for event in scenario.events:
        if event.at > 0:
            stage.kernel.clock.after(event.at, _later(stage, event))
        else:
            _play(stage, event)
    return stage


def _start(kernel: Kernel, spec: MdSpec) -> None:
    """An md array: all its members must be there, and be paths to disks of the same size."""
    where = f"scenario {kernel.scenario.name}: md {spec.name}"
    found = [(name, kernel.md_member(name)) for name in spec.members]
    missing = [name for name, member in found if member is None]
    if missing:
        raise InputError(f"{where}: no such disk: {missing[0]}")
    disks = [member for _, member in found if member is not None]
    if len({disk.size for disk, _ in disks}) != 1 or len({disk.name for disk, _ in disks}) != len(disks):
        raise InputError(f"{where}: it needs members, each once and all of the same size")
    if any(disk.mounted for disk, _ in disks):
        raise InputError(f"{where}: a member is in use")
    kernel.md.start(spec, disks, kernel.md_member)


def _later(stage: Stage, event: Event) -> Callable[[], None]:
    return lambda: _play(stage, event)


def _play(stage: Stage, event: Event) -> None:
    try:
        stage.play(event)
    except (OSError, InputError) as error:
        what = " ".join([event.verb, *event.args])
        raise InputError(f"scenario {stage.kernel.scenario.name}: event `{what}` at {event.at:g}s: {error}") from error


def _make(stage: Stage, spec: MapSpec) -> None:
    kernel = stage.kernel
    try:
        kernel.device_mapper.ioctl(Command.DM_DEV_CREATE, pack(Header(name=spec.name, uuid=spec.uuid)))
        device = stage.map(spec.name)
        if spec.table:
            device.load(_lines(kernel, spec.table), write=not spec.read_only)
            _suspend(stage, spec, NO_FLAGS)
        if spec.inactive:
            device.load(_lines(kernel, spec.inactive), write=not spec.read_only)
        if spec.suspended:
            _suspend(stage, spec, Flag.DM_SUSPEND_FLAG | Flag.DM_NOFLUSH_FLAG)
    except (OSError, InputError) as error:
        why = error.filename if isinstance(error, OSError) and error.filename else error
        number = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else ""
        raise InputError(f"scenario {kernel.scenario.name}: map {spec.name}: {why}: {number}") from error
    device.open_count += spec.opened
    _tell_udev(kernel, device)


def _suspend(stage: Stage, spec: MapSpec, flags: Flag) -> None:
    request = Header(name=spec.name, flags=flags, event_nr=_PRIMARY_SOURCE)
    stage.kernel.device_mapper.ioctl(Command.DM_DEV_SUSPEND, pack(request))


def _tell_udev(kernel: Kernel, device: MappedDevice) -> None:
    """Have udev look at the paths again, as multipathd does after it has made a map."""
    for below in device.slaves:
        disk = kernel.disk(below.name)
        if disk is not None:
            kernel.look_again(disk)


def _lines(kernel: Kernel, lines: tuple[str, ...]) -> list[Line]:
    return [_line(kernel, line) for line in lines]


def _line(kernel: Kernel, text: str) -> Line:
    start, length, kind, *params = text.split()
    return Line(int(start), int(length), kind, " ".join(_number(kernel, word) for word in params))


def _number(kernel: Kernel, word: str) -> str:
    if not _DISK.fullmatch(word):
        return word
    disk = kernel.path(word)
    if disk is None:
        raise InputError(f"no such disk: {word}")
    return disk.dev
