"""What can happen to a SAN: the verbs of scenarios, and what each does to a running kernel.

In: a verb with its words. Out: changes in a `Kernel`. `VERBS` is the one table: the scenario parser takes the form of a
verb's words from it, so a new verb is a row here. A word that names nothing is an `InputError`.
"""

import errno as errno_names
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isinf
from typing import Never

from controller.sandbox.block import Io, Kind
from controller.sandbox.disk_words import DiskState, Link
from controller.sandbox.disks import Disk, Remote
from controller.sandbox.dm_device import MappedDevice
from controller.sandbox.errors import refusal
from controller.sandbox.fabric import LiveArray
from controller.sandbox.faults import Faults
from controller.sandbox.kernel import Kernel
from controller.sandbox.md import MdDevice
from controller.sandbox.nvme_san import ANA_STATES, ControllerState
from controller.sandbox.san import AccessState, Event, PortRef
from observers.errors import InputError


class Word(StrEnum):
    """What a word of an event has to be."""

    DISK = "a disk (sda or H:C:T:L)"
    HOST = "an adapter's number"
    PORT = "a target port (ARRAY/PORT)"
    UNIT = "a logical unit (ARRAY:NUMBER)"
    GROUP = "a target port group (ARRAY:GROUP)"
    STATE = "an access state"
    LINK = "up, no-connect or silent"
    SIZE = "a size (10G)"
    MAP = "a map's name"
    MD = "an md array's name (md0)"
    CONTROLLER = "an NVMe controller (nvme0)"
    CONTROLLER_STATE = "a state of an NVMe controller"
    NAMESPACE = "an NVMe namespace (nvme0n1)"
    ANA_STATE = "a state of an ANA group"
    KIND = "read or write"
    COUNT = "a number"
    TIME = "a time (30s, 2m)"
    ERRNO = "an errno (EBUSY)"
    TEXT = "a word"
    ON_OFF = "on or off"


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb: what its words are, whether the last may be repeated (and then, be left out), and what it does."""

    words: tuple[Word, ...]
    act: Callable[["Stage", Sequence[str]], None]
    several: bool = False


SECTOR = 512
_TIMES = {"s": 1.0, "m": 60.0, "h": 3600.0}
_UNITS = {"": SECTOR, "s": SECTOR, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"(\d+)([sKMGT]?)")


def sectors(text: str) -> int:
    """Sectors of a size: `20G`, `64M`, or a number of sectors. ValueError: it is no size, or not of whole sectors."""
    match = _SIZE.fullmatch(text)
    size = int(match[1]) * _UNITS[match[2]] if match else 1
    if size % SECTOR:
        raise ValueError(f"{text!r} is not a size")
    return size // SECTOR


def seconds(text: str) -> float:
    """Seconds of a time: `30s`, `2m`, `1h`, or a number of seconds. ValueError: it is none."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in _TIMES else (text, "s")
    if not number.isascii() or not number.replace(".", "", 1).isdigit():
        raise ValueError(f"{text!r} is not a time")
    time = float(number) * _TIMES[unit]
    if isinf(time):
        raise ValueError(f"{text!r} is not a time")
    return time


class Stage:
    """A running kernel, and how the words of events name things in it."""

    def __init__(self, kernel: Kernel, faults: Faults) -> None:
        self.kernel, self.faults = kernel, faults
        self.requests: list[Io] = []

    def play(self, event: Event) -> None:
        """Make an event happen now."""
        verb = VERBS.get(event.verb)
        if verb is None:
            raise InputError(f"no such event: {event.verb}", hint=f"there are {', '.join(VERBS)}")
        verb.act(self, event.args)

    def disk(self, name: str) -> Disk:
        """A disk."""
        return self.kernel.disk(name) or _absent("disk", name)

    def map(self, name: str) -> MappedDevice:
        """A mapped device, by its device-mapper name."""
        return self.kernel.device_mapper.find(name=name) or _absent("map", name)

    def remotes(self, port: str) -> list[Remote]:
        """A target port, as all adapters see it."""
        ref = PortRef(*port.split("/", 1)) if "/" in port else PortRef(port, "")
        return [remote for remote in self.kernel.remotes if remote.ref == ref] or _absent("target port", port)

    def adapter(self, host: str) -> list[Remote]:
        """All that an adapter sees."""
        found = [remote for remote in self.kernel.remotes if str(remote.adapter.host) == host.removeprefix("host")]
        return found or _absent("adapter", host)

    def array(self, word: str) -> tuple[LiveArray, int]:
        """An array and the number after the colon."""
        name, _, number = word.partition(":")
        if name not in self.kernel.arrays or not number.isdigit():
            return _absent("part of an array", word)
        return self.kernel.arrays[name], int(number)

    def unit(self, word: str) -> tuple[LiveArray, int]:
        """An array and the number of one of its units."""
        array, number = self.array(word)
        return (array, number) if number in array.units else _absent("logical unit", word)


def _absent(what: str, name: str) -> Never:
    raise InputError(f"no such {what}: {name}")


# ---- disks


def _offline(stage: Stage, names: Sequence[str]) -> None:
    for name in names:
        stage.disk(name).set_state(DiskState.OFFLINE)


def _online(stage: Stage, names: Sequence[str]) -> None:
    for name in names:
        disk = stage.disk(name)
        if disk.set_state(DiskState.RUNNING):
            stage.kernel.rescan(disk)


def _delete(stage: Stage, names: Sequence[str]) -> None:
    for name in names:
        stage.kernel.delete(stage.disk(name))


def _rescan(stage: Stage, names: Sequence[str]) -> None:
    for name in names:
        stage.kernel.rescan(stage.disk(name))


def _link(stage: Stage, words: Sequence[str]) -> None:
    for name in words[1:]:
        stage.disk(name).set_link(Link(words[0]))


def _mount(stage: Stage, names: Sequence[str]) -> None:
    for name in names:
        stage.disk(name).mounted = True


def _unmount(stage: Stage, names: Sequence[str]) -> None:
    for name in names:
        stage.disk(name).mounted = False


def _scan(stage: Stage, hosts: Sequence[str]) -> None:
    for host in hosts:
        stage.kernel.scan(stage.adapter(host)[0].adapter.host)


# ---- the way to the array


def _port_down(stage: Stage, ports: Sequence[str]) -> None:
    for port in ports:
        for remote in stage.remotes(port):
            remote.go_down()


def _port_up(stage: Stage, ports: Sequence[str]) -> None:
    for port in ports:
        for remote in stage.remotes(port):
            stage.kernel.remote_up(remote)


def _adapter_down(stage: Stage, hosts: Sequence[str]) -> None:
    for host in hosts:
        for remote in stage.adapter(host):
            remote.go_down()


def _adapter_up(stage: Stage, hosts: Sequence[str]) -> None:
    for host in hosts:
        for remote in stage.adapter(host):
            stage.kernel.remote_up(remote)


# ---- the array


def _unmap(stage: Stage, units: Sequence[str]) -> None:
    for word in units:
        array, number = stage.unit(word)
        array.unmap(number)


def _show(stage: Stage, units: Sequence[str]) -> None:
    for word in units:
        array, number = stage.unit(word)
        array.show(number, number)


def _remap(stage: Stage, words: Sequence[str]) -> None:
    array, number = stage.unit(words[0])
    other, unit = stage.unit(words[1])
    if other is not array:
        raise InputError(f"{words[1]} is on another array than {words[0]}")
    array.show(number, unit)


def _resize(stage: Stage, words: Sequence[str]) -> None:
    array, number = stage.unit(words[0])
    array.resize(number, sectors(words[1]))


def _protect(stage: Stage, words: Sequence[str]) -> None:
    array, number = stage.unit(words[0])
    array.protect(number, read_only=words[1] == "on")


def _alua(stage: Stage, words: Sequence[str]) -> None:
    array, group = stage.array(words[0])
    if group not in {known.id for known in array.spec.groups}:
        _absent("target port group", words[0])
    units: list[int | None] = [stage.unit(word)[1] for word in words[2:]]
    for unit in units or [None]:
        array.set_state(group, AccessState(words[1]), unit=unit)


# ---- maps and the host


def _request(stage: Stage, words: Sequence[str]) -> None:
    request = Io(Kind(words[1]))
    stage.requests.append(request)
    stage.map(words[0]).submit(request)


def _md(stage: Stage, name: str) -> MdDevice:
    return stage.kernel.md.find(name) or _absent("md array", name)


def _md_request(stage: Stage, words: Sequence[str]) -> None:
    request = Io(Kind(words[1]))
    stage.requests.append(request)
    _md(stage, words[0]).submit(request)


def _md_fail(stage: Stage, words: Sequence[str]) -> None:
    for name in words[1:]:
        _md(stage, words[0]).fail(stage.disk(name).name)


def _controller(stage: Stage, words: Sequence[str]) -> None:
    if not stage.kernel.nvme.set_state(words[0], ControllerState(words[1])):
        _absent("NVMe controller", words[0])


def _ana(stage: Stage, words: Sequence[str]) -> None:
    controller = stage.kernel.nvme.controllers.get(words[0]) or _absent("NVMe controller", words[0])
    controller.set_group(int(words[1]), ANA_STATES[words[2]])


def _namespace(stage: Stage, words: Sequence[str]) -> None:
    """Another namespace of the subsystem answers under a name, or none (0), though nobody has looked."""
    device = stage.kernel.namespace(words[0]) or _absent("NVMe namespace", words[0])
    known = {each.id: each for each in device.controller.subsystem.namespaces}
    device.shown = known.get(int(words[1]))


def _open(stage: Stage, names: Sequence[str]) -> None:
    for name in names:
        stage.map(name).open()


def _close(stage: Stage, names: Sequence[str]) -> None:
    for name in names:
        device = stage.map(name)
        if not device.open_count:
            raise InputError(f"nobody has {name} open")
        device.close()


def _message(stage: Stage, words: Sequence[str]) -> None:
    device = stage.map(words[0])
    if device.live is None or device.suspended:
        raise refusal(errno_names.EBUSY, f"{words[0]} takes no message now")
    named = [disk.dev if (disk := stage.kernel.path(word)) is not None else word for word in words[1:]]
    device.live.targets[0].message(named)


def _udev(stage: Stage, words: Sequence[str]) -> None:
    stage.kernel.set_udev(running=words[0] == "on")


def _udev_delay(stage: Stage, words: Sequence[str]) -> None:
    stage.kernel.udev.delay = seconds(words[0])


def _pass(stage: Stage, words: Sequence[str]) -> None:
    stage.kernel.clock.advance(seconds(words[0]))


def _fail_ioctl(stage: Stage, words: Sequence[str]) -> None:
    stage.faults.fail_ioctl(words[0], _errno(words[1]), count=int(words[2]), map=words[3] if len(words) > 3 else "")


def _fail_read(stage: Stage, words: Sequence[str]) -> None:
    stage.faults.fail_read(words[0], _errno(words[1]), count=int(words[2]))


def _errno(word: str) -> int:
    return next(number for number, name in errno_names.errorcode.items() if name == word)


VERBS: Mapping[str, Verb] = {
    "offline": Verb((Word.DISK,), _offline, several=True),
    "online": Verb((Word.DISK,), _online, several=True),
    "delete": Verb((Word.DISK,), _delete, several=True),
    "rescan": Verb((Word.DISK,), _rescan, several=True),
    "link": Verb((Word.LINK, Word.DISK), _link, several=True),
    "mount": Verb((Word.DISK,), _mount, several=True),
    "unmount": Verb((Word.DISK,), _unmount, several=True),
    "scan": Verb((Word.HOST,), _scan, several=True),
    "port-down": Verb((Word.PORT,), _port_down, several=True),
    "port-up": Verb((Word.PORT,), _port_up, several=True),
    "adapter-down": Verb((Word.HOST,), _adapter_down, several=True),
    "adapter-up": Verb((Word.HOST,), _adapter_up, several=True),
    "unmap": Verb((Word.UNIT,), _unmap, several=True),
    "show": Verb((Word.UNIT,), _show, several=True),
    "remap": Verb((Word.UNIT, Word.UNIT), _remap),
    "resize": Verb((Word.UNIT, Word.SIZE), _resize),
    "protect": Verb((Word.UNIT, Word.ON_OFF), _protect),
    "alua": Verb((Word.GROUP, Word.STATE, Word.UNIT), _alua, several=True),
    "io": Verb((Word.MAP, Word.KIND), _request),
    "md-io": Verb((Word.MD, Word.KIND), _md_request),
    "md-fail": Verb((Word.MD, Word.DISK), _md_fail, several=True),
    "nvme": Verb((Word.CONTROLLER, Word.CONTROLLER_STATE), _controller),
    "ana": Verb((Word.CONTROLLER, Word.COUNT, Word.ANA_STATE), _ana),
    "nvme-show": Verb((Word.NAMESPACE, Word.COUNT), _namespace),
    "open": Verb((Word.MAP,), _open, several=True),
    "close": Verb((Word.MAP,), _close, several=True),
    "message": Verb((Word.MAP, Word.TEXT, Word.TEXT), _message, several=True),
    "udev": Verb((Word.ON_OFF,), _udev),
    "udev-delay": Verb((Word.TIME,), _udev_delay),
    "pass": Verb((Word.TIME,), _pass),
    "fail-ioctl": Verb((Word.TEXT, Word.ERRNO, Word.COUNT, Word.MAP), _fail_ioctl, several=True),
    "fail-read": Verb((Word.TEXT, Word.ERRNO, Word.COUNT), _fail_read),
}
"""`several`: the last word may be left out where there are others before it, and may be repeated."""
