"""The same calls on any `Host`, and what came back, line by line: how a sandbox is compared with a real kernel.

In: a host, the numbers of three disks and how to read from a map or set a disk's state. Out: lines of text that are
equal wherever the kernel's rules are followed. Two disks are paths of one unit, optimized and not; the third has no
ALUA. Run as a program in a machine with such disks, it prints the lines of that machine's kernel: `python -m
tests.sandbox.transcript A B C SECTORS`.
"""

import errno
import mmap
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from observers.errors import MpathError
from observers.host import Host
from observers.kernel.dm_ioctl import (
    NO_FLAGS,
    Command,
    Flag,
    Header,
    Target,
    pack,
    pack_message,
    pack_targets,
    pack_text,
    unpack,
    unpack_deps,
    unpack_targets,
)
from observers.kernel.real_host import RealHost

ROOM = 16384

# No table is cleared on a device that is renamed and loaded later: Debian's 6.1.192 then uses memory that it has freed.
SCRIPT = """
info m
create m test-m
create m other
create n test-m
create a/b x
info m
resume m
message m fail_path A
load m 0 0 1 0 round-robin 0 1 1 A 1
load m 0 0 2 1 round-robin 0 1 1 A 1
load m 0 1 nosuch 1 1 round-robin 0 1 1 A 1
load m 9 a b c d e f g h i 0 0 0
load m 1 nosuch 0 0 0
load m 2 pg_init_retries 51 0 0 0
load m 2 pg_init_retries 0 0 0 0
load m 2 pg_init_delay_msecs 60001 0 0 0
load m 2 queue_mode slow 0 0 0
load m 0 0 1 1 nosuch 0 1 1 A 1
load m 0 0 1 1 round-robin 0 1 2 A 1 1
load m 0 0 1 1 round-robin 0 0 1
load m 0 0 1 1 round-robin 0 1 1 A
load m 0 0 1 1 round-robin
load m 0 0 1 1 service-time 0 1 2 A 1 101
load m 0 0 1 1 queue-length 0 1 1 A x
load m 0 0 1 1 round-robin 0 1 1 99:99 1
load m 0 0 1 1 round-robin 0 1 1 5000:1 1
load m 0 1 alua 1 1 round-robin 0 1 1 C 1
load m 0 1 emc 1 1 round-robin 0 1 1 C 1
load m 0 1 rdac 1 1 round-robin 0 1 1 C 1
load-type m nosuch 0
load-type m linear A
load-type m linear A 0 0
load-size m 0 0 0 0 0
load-size m +8 0 0 1 1 round-robin 0 1 1 A 1
info m
load m 1 queue_if_no_path 0 2 1 service-time 0 1 1 A 1 service-time 0 1 1 B 1
inactive m
info m
resume m
info m
table m
status m
deps m
read m
status m
load-type m linear A 0
load m 2 queue_mode bio 0 1 1 round-robin 0 1 1 A 1
load-type m error
load m 5 queue_if_no_path pg_init_retries 50 pg_init_delay_msecs 0 0 0 0
inactive m
load m 0 0 1 5 round-robin 0 2 1 A 1000 A 1
inactive m
load m 0 0 1 1 queue-length 1 7 1 1 A 9
inactive m
load m 1 retain_attached_hw_handler 0 1 1 round-robin 0 1 1 A 1
inactive m
load m 0 1 hp_sw 1 1 round-robin 0 1 1 A 1
inactive m
load m 1 queue_if_no_path 0 2 1 service-time 0 1 1 A 1 service-time 0 1 1 B 1
resume m
info m
read m
message m switch_group 2
status m
read m
status m
message m switch_group 3
message m switch_group 0
message m switch_group x
message m disable_group 2
status m
read m
status m
message m enable_group 2
status m
message m fail_path A
message m fail_path A
status m
info m
read m
status m
message m reinstate_path A
message m reinstate_path A
status m
message m fail_path C
message m fail_path 99:1
message m bogus
message m bogus x
message m queue_if_no_path x
message m FAIL_PATH B
message m REINSTATE_PATH B
status m
info m
message m fail_if_no_path
table m
message m queue_if_no_path
table m
suspend m
table m
message m fail_path A
message m queue_if_no_path
rename m n
info n
rename n m
resume m
table m
suspend-noflush m
table m
resume m
info m
load-size m +8 0 0 1 1 round-robin 0 1 1 A 1
resume m
info m
table m
resume m
info m
load-size m -8 0 0 1 1 round-robin 0 2 1 A 1 B 1
resume m
read m
status m
load-readonly m 0 0 1 1 round-robin 0 1 1 A 1
resume m
info m
load m 1 queue_if_no_path 1 alua 2 2 service-time 0 1 1 A 1 service-time 0 1 1 B 1
resume m
info m
status m
read m
status m
read m
status m
rename m m
rename m a/b
rename m
rename nosuch q
state A offline
create o test-o
load o 0 0 1 1 round-robin 0 1 1 A 1
remove o
load m 0 0 2 1 service-time 0 1 1 A 1 service-time 0 1 1 B 1
resume-noflush m
read m
status m
info m
state B offline
read m
status m
info m
state A running
state B running
read m
message m reinstate_path B
read m
status m
create p test-p
load p 0 0 1 1 round-robin 0 1 1 A 1
clear p
info p
remove p
create l test-l
load-type l linear M 0
resume l
info m
remove m
read l
remove l
remove m
info m
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A host with its disks: their numbers, their size in sectors, and what only the place knows how to do."""

    host: Host
    disks: dict[str, str]
    size: int
    read: Callable[[str], str]
    set_state: Callable[[str, str], None]


def transcript(place: Place) -> Iterator[str]:
    """A line for each of the script's, with what came back."""
    for line in SCRIPT.strip().splitlines():
        verb, name, *words = [*line.split(), ""][: len(line.split()) + 1]
        given = [place.disks.get(word, word) for word in words if word]
        yield f"{line} -> {_outcome(lambda verb=verb, name=name, given=given: _do(place, verb, name, given))}"  # type: ignore[misc]


def _outcome(call: Callable[[], str]) -> str:
    try:
        return call()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error.errno))
    except MpathError as error:
        return str(error)


def _do(place: Place, verb: str, name: str, words: list[str]) -> str:
    match verb:
        case "read":
            return place.read(name)
        case "state":
            place.set_state(name, words[0])
            return "done"
        case "create":
            return _state(_call(place, Command.DM_DEV_CREATE, Header(name=name, uuid=words[0])))
        case "rename":
            return _state(_call(place, Command.DM_DEV_RENAME, Header(name=name), pack_text(" ".join(words))))
        case "message":
            return _state(_call(place, Command.DM_TARGET_MSG, Header(name=name), pack_message(" ".join(words))))
        case "load" | "load-size" | "load-type" | "load-readonly":
            return _load(place, verb, name, words)
        case _:
            return _simple(place, verb, name)


_FLAGS = {
    "suspend": Flag.DM_SUSPEND_FLAG,
    "suspend-noflush": Flag.DM_SUSPEND_FLAG | Flag.DM_NOFLUSH_FLAG,
    "resume-noflush": Flag.DM_NOFLUSH_FLAG,
    "table": Flag.DM_STATUS_TABLE_FLAG,
    "inactive": Flag.DM_STATUS_TABLE_FLAG | Flag.DM_QUERY_INACTIVE_TABLE_FLAG,
}

_COMMANDS = {
    "info": Command.DM_DEV_STATUS,
    "remove": Command.DM_DEV_REMOVE,
    "clear": Command.DM_TABLE_CLEAR,
    "deps": Command.DM_TABLE_DEPS,
    "table": Command.DM_TABLE_STATUS,
    "status": Command.DM_TABLE_STATUS,
    "inactive": Command.DM_TABLE_STATUS,
}


def _simple(place: Place, verb: str, name: str) -> str:
    command = _COMMANDS.get(verb, Command.DM_DEV_SUSPEND)
    header, payload = _call(place, command, Header(name=name, flags=_FLAGS.get(verb, NO_FLAGS)))
    if command is Command.DM_TABLE_STATUS:
        return " | ".join(f"{target.type} {target.params}" for target in unpack_targets(payload, 1, reply=True))
    if command is Command.DM_TABLE_DEPS:
        return " ".join(unpack_deps(payload))
    return _state((header, payload))


def _load(place: Place, verb: str, name: str, words: list[str]) -> str:
    kind = words.pop(0) if verb == "load-type" else "multipath"
    size = place.size
    if verb == "load-size":
        word = words.pop(0)
        size = size + int(word) if word[0] in "+-" else int(word)
    flags = Flag.DM_READONLY_FLAG if verb == "load-readonly" else NO_FLAGS
    payload = pack_targets([Target(0, size, kind, " ".join(words))], reply=False)
    return _state(_call(place, Command.DM_TABLE_LOAD, Header(name=name, target_count=1, flags=flags), payload))


def _call(place: Place, command: Command, header: Header, payload: bytes = b"") -> tuple[Header, bytes]:
    return unpack(place.host.dm_change(command, pack(header, payload, size=ROOM)))


def _state(reply: tuple[Header, bytes]) -> str:
    """A header without its event number: the kernel counts events a moment later, and two at once as one."""
    header, payload = reply
    flags = " ".join(str(flag.name) for flag in Flag if flag in header.flags)
    counts = f"targets {header.target_count} open {header.open_count}"
    return f"{header.name} {header.uuid} {counts} [{flags}] {header.data_size} {len(payload)}"


# ---- as a program, on the kernel that runs


def _read(host: Host) -> Callable[[str], str]:
    def read(name: str) -> str:
        """A read of the first block past the page cache."""
        header, _ = unpack(host.dm_query(Command.DM_DEV_STATUS, pack(Header(name=name), size=ROOM)))
        descriptor = os.open(f"/dev/dm-{header.dev & 0xFF}", os.O_RDONLY | os.O_DIRECT)
        try:
            with mmap.mmap(-1, 4096) as buffer:
                os.preadv(descriptor, [buffer], 0)
        finally:
            os.close(descriptor)
        return "done"

    return read


def main(words: list[str]) -> None:
    """Print the transcript of the running kernel."""
    host, disks = RealHost(), dict(zip("ABC", words, strict=False))

    def set_state(disk: str, state: str) -> None:
        host.write_attribute(f"/sys/dev/block/{disks[disk]}/device/state", f"{state}\n".encode())

    place = Place(host, {**disks, "M": "253:0"}, int(words[3]), _read(host), set_state)
    for line in transcript(place):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
