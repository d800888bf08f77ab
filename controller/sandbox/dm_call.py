"""One device-mapper ioctl: what was sent, what the kernel refuses before it looks at the command, what is copied back.

In: raw buffers, `struct dm_ioctl` first. Out: `Call`, and the caller's buffer after it. The kernel copies back only
`data_size` bytes, and says DM_BUFFER_FULL_FLAG where there is no room. Facts: drivers/md/dm-ioctl.c of Linux 6.1.
"""

import errno
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

from controller.sandbox.dm_device import Pairs
from controller.sandbox.errors import refusal
from observers.kernel.dm_ioctl import (
    HEADER_SIZE,
    MINIMUM_SIZE,
    NO_FLAGS,
    Command,
    DmFormatError,
    Flag,
    Header,
    Target,
    pack,
    unpack,
)

VERSION = (4, 47, 0)

_SPEC_SIZE = 40
_DATA_SIZE = struct.Struct("=I")
_DATA_SIZE_AT = 12

_CLEARED = Flag.DM_BUFFER_FULL_FLAG | Flag.DM_UEVENT_GENERATED_FLAG | Flag.DM_SECURE_DATA_FLAG | Flag.DM_DATA_OUT_FLAG
_NAMES_IGNORED = (Command.DM_VERSION, Command.DM_REMOVE_ALL, Command.DM_LIST_DEVICES, Command.DM_LIST_VERSIONS)


@dataclass(slots=True)
class Call:
    """One ioctl: what was sent, and what is copied back. `payload` None: nothing beyond the header is."""

    header: Header
    data: bytes
    room: int
    payload: bytes | None = None

    def answer(self, payload: bytes) -> None:
        """Copy a payload back if there is room for it, else the flag that says so."""
        if len(payload) > self.room:
            self.header = replace(self.header, flags=self.header.flags | Flag.DM_BUFFER_FULL_FLAG)
        else:
            self.payload = payload

    def flag(self, *, on: Flag = NO_FLAGS, off: Flag = NO_FLAGS) -> None:
        """Set and clear flags of the reply."""
        self.header = replace(self.header, flags=(self.header.flags & ~off) | on)

    @property
    def cookie(self) -> Pairs:
        """What the uevent says of the cookie; nothing when none was sent."""
        return (("DM_COOKIE", str(self.header.event_nr)),) if self.header.event_nr else ()


def received(command: int, request: bytes) -> Call:
    """A request, after what the kernel checks before it looks at the command (`check_version`, `validate_params`)."""
    try:
        header, data = unpack(request)
    except DmFormatError as error:
        raise refusal(errno.EINVAL, str(error)) from error
    if header.version[0] != VERSION[0] or header.version[1] > VERSION[1]:
        raise refusal(errno.EINVAL, f"ioctl interface mismatch: user {header.version}")
    header = replace(header, version=VERSION, flags=header.flags & ~_CLEARED)
    if command == Command.DM_DEV_CREATE and not header.name:
        raise refusal(errno.EINVAL, "name not supplied when creating device")
    if command not in (*_NAMES_IGNORED, Command.DM_DEV_CREATE) and header.uuid and header.name:
        raise refusal(errno.EINVAL, "only supply one of name or uuid")
    return Call(header, data, room=max(0, header.data_size - HEADER_SIZE))


def fitting(targets: Sequence[Target], room: int) -> list[Target]:
    """The targets that the kernel has room for; a text that just fits counts as cut off, as it can't tell."""
    fitting: list[Target] = []
    at = 0
    for target in targets:
        end = at + _SPEC_SIZE + len(target.params.encode("utf-8", "surrogateescape")) + 1
        if end >= room:
            break
        at = end + 7 & ~7
        fitting.append(target)
        if at > room:
            break
    return fitting


def copied_back(call: Call, request: bytes) -> bytes:
    """The caller's buffer after the call: `data_size` bytes of it are new."""
    size = MINIMUM_SIZE if call.payload is None else HEADER_SIZE + len(call.payload)
    reply = bytearray(pack(call.header, call.payload or b""))
    _DATA_SIZE.pack_into(reply, _DATA_SIZE_AT, size)
    return bytes(reply[:size]) + request[size:]
