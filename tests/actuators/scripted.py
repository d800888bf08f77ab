"""A host that answers device-mapper calls from a script, and has files, semaphores and a clock in memory.

Strict: a dm call that is not the script's next one fails the test, and so does a script that was not played to its end.
Semaphores count as the kernel's do; where `udev_answers`, every uevent that carries a cookie is completed as
`dmsetup udevcomplete` would.
"""

import errno
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from observers.dmtable import DevT
from observers.host import Block, Held, ScsiReply
from observers.kernel.dm_ioctl import (
    NO_FLAGS,
    READING_COMMANDS,
    Command,
    Flag,
    Header,
    Target,
    pack,
    pack_targets,
    unpack,
    unpack_message,
    unpack_targets,
    unpack_text,
)
from observers.kernel.nvme import Words
from observers.kernel.reservation import REGISTER
from observers.snapshot import DeviceName


@dataclass(frozen=True, slots=True)
class Sent:
    """A dm request as it was sent."""

    command: Command
    header: Header
    payload: bytes

    @property
    def text(self) -> str:
        """The message, the new name, or the table, whichever the command carries."""
        if self.command is Command.DM_TARGET_MSG:
            return unpack_message(self.payload)[1]
        if self.command is Command.DM_DEV_RENAME:
            return unpack_text(self.payload)
        if self.command is Command.DM_TABLE_LOAD:
            return unpack_targets(self.payload, 1, reply=False)[0].params
        return ""


@dataclass(frozen=True, slots=True)
class Expect:
    """One call of the script: its command, and what comes back: an errno, or a header with targets."""

    command: Command
    error: int = 0
    reply: Header = field(default_factory=Header)
    targets: tuple[Target, ...] = ()
    raises: BaseException | None = None


def answer(command: Command, flags: Flag = NO_FLAGS, *, name: str = "mpatha", opened: int = 0) -> Expect:
    """A call that works."""
    return Expect(command, reply=Header(flags=flags, name=name, open_count=opened))


def with_uevent(command: Command) -> Expect:
    """A call that works and makes a uevent."""
    return answer(command, Flag.DM_UEVENT_GENERATED_FLAG)


def refuse(command: Command, error: int) -> Expect:
    """A call that the kernel refuses."""
    return Expect(command, error=error)


def running(
    text: str, flags: Flag = NO_FLAGS, *, size: int = 2048, name: str = "mpatha", kind: str = "multipath"
) -> Expect:
    """DM_TABLE_STATUS of a device with a running table: `text` is that table, or its status."""
    header = Header(flags=flags | Flag.DM_ACTIVE_PRESENT_FLAG, name=name, target_count=1)
    return Expect(Command.DM_TABLE_STATUS, reply=header, targets=(Target(0, size, kind, text),))


def empty(flags: Flag = NO_FLAGS, *, name: str = "mpatha") -> Expect:
    """DM_TABLE_STATUS of a device without a table."""
    return answer(Command.DM_TABLE_STATUS, flags, name=name)


ABSENT = refuse(Command.DM_TABLE_STATUS, errno.ENXIO)
NO_DEVICE = refuse(Command.DM_DEV_STATUS, errno.ENXIO)


@dataclass
class ScriptedHost:
    """See the module. `sent` are the dm requests so far, `slept` the waits, `written` the sysfs writes."""

    script: list[Expect] = field(default_factory=list)
    udev_answers: bool = True
    files: dict[str, bytes] = field(default_factory=dict)
    attributes: dict[str, Callable[[bytes], bytes]] = field(default_factory=dict)
    """What the kernel makes of what is written there."""
    made: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Files that were made empty, with their modes and times."""
    numbers: dict[str, DevT] = field(default_factory=dict)
    """What opening a device's name opens."""
    links: dict[str, str] = field(default_factory=dict)
    commands: list[ScsiReply | int] = field(default_factory=list)
    """The answers to commands, in order; a number is an errno."""
    registered: list[tuple[DeviceName, bytes]] = field(default_factory=list)
    """What targets were to know paths by."""
    held: list[Held] = field(default_factory=list)
    released: list[Held] = field(default_factory=list)
    file_errors: dict[str, int] = field(default_factory=dict)
    locked_until: dict[str, float] = field(default_factory=dict)
    """Files that somebody else has locked, with the time at which that ends."""
    opened: dict[int, str] = field(default_factory=dict)
    """Files that are locked, by handle."""
    modes: dict[str, int] = field(default_factory=dict)
    replaced: list[str] = field(default_factory=list)
    locked: list[str] = field(default_factory=list)
    """Every file that was locked, in order."""
    in_place: list[tuple[str, int, bytes]] = field(default_factory=list)
    """What was written into locked files, from which byte on."""
    taken_keys: set[int] = field(default_factory=set)
    semaphore_error: int = 0
    interrupt_waits: int = 0
    remove_semaphores_on: Command | None = None
    now: float = 0.0
    sent: list[Sent] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    written: list[tuple[str, bytes]] = field(default_factory=list)
    semaphores: dict[int, int] = field(default_factory=dict)
    keys: dict[int, int] = field(default_factory=dict)
    made_keys: list[int] = field(default_factory=list)
    values: list[int] = field(default_factory=list)

    @property
    def changes(self) -> list[Sent]:
        """The requests that were not mere questions."""
        return [sent for sent in self.sent if sent.command not in READING_COMMANDS]

    def finished(self) -> bool:
        """Whether the script was played to its end and nothing was left behind."""
        assert self.script == [], f"never asked: {self.script}"
        assert self.semaphores == {}, "a semaphore was left behind"
        return True

    def dm_query(self, command: int, request: bytes, /) -> bytes:
        assert command in READING_COMMANDS
        return self._dm(Command(command), request)

    def dm_change(self, command: int, request: bytes, /) -> bytes:
        assert command not in READING_COMMANDS
        return self._dm(Command(command), request)

    def _dm(self, command: Command, request: bytes) -> bytes:
        header, payload = unpack(request)
        self.sent.append(Sent(command, header, payload))
        assert self.script, f"{command.name} is not in the script, which is at its end"
        expected = self.script.pop(0)
        assert expected.command is command, f"{command.name} was called where the script has {expected.command.name}"
        if self.remove_semaphores_on is command:
            self.semaphores.clear()
        if expected.raises is not None:
            raise expected.raises
        if expected.error:
            raise OSError(expected.error, "scripted")
        if Flag.DM_UEVENT_GENERATED_FLAG in expected.reply.flags and self.udev_answers:
            self._udev_complete(header.event_nr)
        return self._reply(expected, len(request))

    def _reply(self, expected: Expect, room: int) -> bytes:
        payload = pack_targets(expected.targets, reply=True)
        reply = pack(expected.reply, payload)
        if len(reply) <= max(room, len(pack(expected.reply))):
            return reply
        self.script.insert(0, expected)
        full = Header(flags=expected.reply.flags | Flag.DM_BUFFER_FULL_FLAG, name=expected.reply.name)
        return pack(full, size=room)

    def _udev_complete(self, event: int) -> None:
        identity = self.keys.get(0x0D4D << 16 | event & 0xFFFF)
        if identity in self.semaphores:
            self.semaphores[identity] -= 1

    def scsi_register(self, name: DeviceName, parameters: bytes, /, *, timeout: float) -> ScsiReply:
        self.registered.append((name, parameters))
        return self.scsi_inquire(name, REGISTER, reply_length=0, timeout=timeout)

    def semaphore_create(self, key: int, /) -> int:
        self.made_keys.append(key)
        if self.semaphore_error:
            raise OSError(self.semaphore_error, "scripted")
        if key in self.taken_keys:
            raise FileExistsError(errno.EEXIST, "scripted")
        identity = len(self.made_keys)
        self.keys[key], self.semaphores[identity] = identity, 1
        return identity

    def semaphore_add(self, semaphore: int, delta: int, /) -> None:
        if semaphore not in self.semaphores:
            raise OSError(errno.EINVAL, "no such semaphore")
        if self.semaphores[semaphore] + delta < 0:
            raise BlockingIOError(errno.EAGAIN, "would be under 0")
        self.semaphores[semaphore] += delta
        self.values.append(self.semaphores[semaphore])

    def semaphore_wait_zero(self, semaphore: int, /, *, timeout: float) -> bool:
        if semaphore not in self.semaphores:
            raise OSError(errno.EIDRM, "removed")
        if self.interrupt_waits:
            self.interrupt_waits -= 1
            self.now += 1.0
            raise InterruptedError(errno.EINTR, "scripted")
        if self.semaphores[semaphore] == 0:
            return True
        self.now += timeout
        return False

    def semaphore_remove(self, semaphore: int, /) -> None:
        if semaphore not in self.semaphores:
            raise OSError(errno.EINVAL, "no such semaphore")
        del self.semaphores[semaphore]

    def read_file(self, path: str, /) -> bytes:
        self._fail(f"read {path}")
        if path not in self.files:
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        return self.files[path]

    def replace_file(self, path: str, data: bytes, /, *, mode: int) -> None:
        self._fail(f"replace {path}")
        self.files[path], self.modes[path] = data, mode
        self.replaced.append(path)

    def open_locked(self, path: str, /, *, mode: int | None) -> int:
        self._fail(f"open {path}")
        if path not in self.files and mode is None:
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        if self.now < self.locked_until.get(path, 0.0) or path in self.opened.values():
            raise BlockingIOError(errno.EAGAIN, "locked", path)
        if path not in self.files and mode is not None:
            self.files[path], self.modes[path] = b"", mode
        handle = len(self.locked) + 1
        self.opened[handle] = path
        self.locked.append(path)
        return handle

    def read_locked(self, handle: int, /) -> bytes:
        return self.read_file(self.opened[handle])

    def write_locked(self, handle: int, data: bytes, /, *, offset: int) -> None:
        path = self.opened[handle]
        self._fail(f"write {path}")
        old = self.files[path]
        self.files[path] = old[:offset] + data + old[offset + len(data) :]
        self.in_place.append((path, offset, data))

    def create_file(self, path: str, /, *, mode: int, modified: float) -> None:
        self._fail(f"create {path}")
        if path in self.made:
            raise FileExistsError(errno.EEXIST, "scripted", path)
        self.made[path] = (mode, modified)

    def remove_file(self, path: str, /) -> None:
        self._fail(f"remove {path}")
        if self.made.pop(path, None) is None:
            raise FileNotFoundError(errno.ENOENT, "scripted", path)

    def hold_device(self, name: DeviceName, /) -> Held:
        self._fail(f"hold {name}")
        held = Held(len(self.held) + 1, self.numbers[name])
        self.held.append(held)
        return held

    def release_device(self, held: Held, /) -> None:
        self.released.append(held)

    def write_attribute(self, path: str, data: bytes, /) -> None:
        self._fail(f"write {path}")
        self.written.append((path, data))
        if path in self.attributes:
            self.files[path] = self.attributes[path](data)

    def _fail(self, what: str) -> None:
        if what in self.file_errors:
            number = self.file_errors[what]
            raise OSError(number, "scripted")

    def monotonic(self) -> float:
        return self.now

    def wall_time(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def effective_user(self) -> int:
        return 0

    def list_directory(self, path: str, /) -> tuple[str, ...]:
        raise AssertionError(f"no actuator lists {path}")

    def real_path(self, path: str, /) -> str:
        if path not in self.links:
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        return self.links[path]

    def udev_properties(self, name: DeviceName, /) -> Mapping[str, str]:
        raise AssertionError(f"no actuator asks udev about {name}")

    def scsi_inquire(self, name: DeviceName, cdb: bytes, /, *, reply_length: int, timeout: float) -> ScsiReply:
        assert self.commands, f"no answer to a command to {name}: {cdb.hex()}, {reply_length}, {timeout}"
        assert self.held != self.released, "a command to a device that is not held"
        answer = self.commands.pop(0)
        if isinstance(answer, int):
            raise OSError(answer, "scripted", name)
        return answer

    def direct_read(self, name: DeviceName, /, *, length: int, timeout: float, offset: int = 0) -> Block:
        raise AssertionError(f"no actuator reads {name}: {length}, {timeout}, {offset}")

    def nvme_inquire(
        self, name: DeviceName, opcode: int, /, *, namespace: int, words: Words, reply_length: int, timeout: float
    ) -> bytes:
        raise AssertionError(f"no actuator asks {name}: {opcode}, {namespace}, {words}, {reply_length}, {timeout}")

    def cciss_ready(self, name: DeviceName, /, *, timeout: float) -> bool:
        raise AssertionError(f"no actuator asks {name}: {timeout}")

    def lock(self, path: str, /) -> int:
        raise AssertionError(f"no actuator locks {path}")

    def unlock(self, handle: int, /) -> None:
        del self.opened[handle]
