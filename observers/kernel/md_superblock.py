"""The superblock of an md array on its members: where it is, and what it says, both directions.

In: bytes read from a device, or a `Superblock`. Out: a `Superblock`, or bytes. Offsets and lengths are bytes, sizes of
devices sectors of 512 bytes. A block that is not a sound superblock of the wanted version is `MdFormatError`. The
source of all layouts is include/uapi/linux/raid/md_p.h; where a superblock is, and how it is checked, is
drivers/md/md.c (super_90_load, super_1_load). Pure: it must never read a device.
"""

import struct
from dataclasses import dataclass

from observers.dmtable import Sectors
from observers.errors import MpathError

MAGIC = 0xA92B4EFC
"""MD_SB_MAGIC."""

LEVEL_MULTIPATH = -4
"""LEVEL_MULTIPATH of md_u.h."""

SECTOR = 512
BLOCK = 4096
"""Bytes to read at the superblock's place: MD_SB_BYTES, and more than version 1 has with 512 members."""

VERSIONS = ("0.90", "1.0", "1.1", "1.2")
"""As sysfs `metadata_version` names them."""

_RESERVED = 128
"""MD_RESERVED_SECTORS: 0.90 keeps the last whole 64 KiB for itself."""

_AT_END, _ALIGNMENT = 16, 8
"""Version 1.0: at least 8 KiB before the end, at a multiple of 4 KiB; in sectors."""

_OLD = struct.Struct("=6I I i 3I I I 3I")
"""Version 0.90 up to set_uuid3, in the byte order of the host that made it: magic, major, minor, patch, gvalid_words,
set_uuid0, ctime, level, size, nr_disks, raid_disks, md_minor, not_persistent, set_uuid1 to 3."""
_OLD_CHECKSUM = 38 * 4
_OLD_MINOR = 90

_NEW = struct.Struct("<4I 16s 32s Q i I Q I I")
"""Version 1 up to raid_disks: magic, major, feature_map, pad, set_uuid, set_name, ctime, level, layout, size,
chunksize."""
_NEW_PLACES = struct.Struct("<3Q")
"""data_offset, data_size, super_offset."""
_NEW_PLACES_AT = 128
_NEW_CHECKSUM, _NEW_MEMBERS, _NEW_FIXED = 216, 220, 256


class MdFormatError(MpathError):
    """Bytes that are no superblock of an md array; the message says what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Superblock:
    """What a superblock says. `version`: of VERSIONS. `uuid`: the array's, as sysfs prints it. `level`: LEVEL_*.

    `super_offset`: the sector where it says that it is (version 1; 0 for 0.90).
    """

    version: str
    uuid: str
    level: int
    disks: int
    super_offset: int = 0


def place(version: str, size: Sectors) -> int:
    """Where the superblock of a version is on a device of `size` sectors: bytes from its beginning."""
    if size < 2 * _RESERVED:
        raise MdFormatError(f"a device of {size} sectors has no room for a superblock")
    if version == "0.90":
        return (size // _RESERVED * _RESERVED - _RESERVED) * SECTOR
    if version == "1.0":
        return (size - _AT_END) // _ALIGNMENT * _ALIGNMENT * SECTOR
    return {"1.1": 0, "1.2": 8 * SECTOR}[version]


def unpack(data: bytes, version: str) -> Superblock:
    """The superblock in a block that was read at its place."""
    if len(data) < BLOCK:
        raise MdFormatError(f"{len(data)} bytes are too short for a superblock")
    return _unpack_old(data) if version == "0.90" else _unpack_new(data, version)


def _unpack_old(data: bytes) -> Superblock:
    fields = _OLD.unpack_from(data)
    if fields[0] != MAGIC:
        raise MdFormatError("there is no superblock")
    if fields[1:3] != (0, _OLD_MINOR):
        raise MdFormatError(f"its superblock is of version {fields[1]}.{fields[2]}, not 0.90")
    _check(_u32(data, _OLD_CHECKSUM, "="), _old_checksum(data))
    uuid = struct.pack("=4I", fields[5], *fields[13:16])
    return Superblock(version="0.90", uuid=_uuid_text(uuid), level=fields[7], disks=fields[10])


def _unpack_new(data: bytes, version: str) -> Superblock:
    magic, major, _, _, uuid, _, _, level, _, _, _, disks = _NEW.unpack_from(data)
    if magic != MAGIC:
        raise MdFormatError("there is no superblock")
    if major != 1:
        raise MdFormatError(f"its superblock is of version {major}, not {version}")
    _check(_u32(data, _NEW_CHECKSUM, "<"), _new_checksum(data))
    _, _, offset = _NEW_PLACES.unpack_from(data, _NEW_PLACES_AT)
    return Superblock(version=version, uuid=_uuid_text(uuid), level=level, disks=disks, super_offset=offset)


def _check(said: int, true: int) -> None:
    if said != true:
        raise MdFormatError(f"the checksum of its superblock is {said:08x} and should be {true:08x}")


def _u32(data: bytes, offset: int, order: str) -> int:
    number: int = struct.unpack_from(f"{order}I", data, offset)[0]
    return number


def _old_checksum(data: bytes) -> int:
    """The sum of all words of 4 bytes, the checksum itself taken as 0, with what is beyond 32 bits added to it."""
    words = struct.unpack_from(f"={BLOCK // 4}I", data)
    return _folded(sum(words) - _u32(data, _OLD_CHECKSUM, "="))


def _new_checksum(data: bytes) -> int:
    """Likewise, over the fixed part and two bytes for each possible member."""
    members = _u32(data, _NEW_MEMBERS, "<")
    length = _NEW_FIXED + 2 * members
    if length > BLOCK:
        raise MdFormatError(f"its superblock has room for {members} members, more than there can be")
    total = sum(struct.unpack_from(f"<{length // 4}I", data)) - _u32(data, _NEW_CHECKSUM, "<")
    if length % 4:
        total += int.from_bytes(data[length - 2 : length], "little")
    return _folded(total)


def _folded(total: int) -> int:
    return ((total & 0xFFFFFFFF) + (total >> 32)) & 0xFFFFFFFF


def _uuid_text(raw: bytes) -> str:
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def pack(block: Superblock, *, member_sectors: Sectors) -> bytes:
    """The block of a superblock, as `unpack` reads it. `member_sectors`: the size of the device that it is for."""
    raw = bytes.fromhex(block.uuid.replace("-", ""))
    data = bytearray(BLOCK)
    if block.version == "0.90":
        uuid = struct.unpack("=4I", raw)
        kilobytes = _kilobytes(member_sectors)
        counts = (kilobytes, block.disks, block.disks)
        _OLD.pack_into(data, 0, MAGIC, 0, _OLD_MINOR, 0, 0, uuid[0], 0, block.level, *counts, 0, 0, *uuid[1:])
        struct.pack_into("=I", data, _OLD_CHECKSUM, _old_checksum(bytes(data)))
        return bytes(data)
    _NEW.pack_into(data, 0, MAGIC, 1, 0, 0, raw, b"", 0, block.level, 0, member_sectors, 0, block.disks)
    _NEW_PLACES.pack_into(data, _NEW_PLACES_AT, 0, member_sectors, place(block.version, member_sectors) // SECTOR)
    struct.pack_into("<I", data, _NEW_MEMBERS, block.disks)
    struct.pack_into("<I", data, _NEW_CHECKSUM, _new_checksum(bytes(data)))
    return bytes(data)


def _kilobytes(member_sectors: Sectors) -> int:
    """What version 0.90 says of a member's size; it has 32 bits for that."""
    kilobytes = place("0.90", member_sectors) // 1024
    if kilobytes > 0xFFFFFFFF:
        raise MdFormatError(f"version 0.90 can't be on a device of {member_sectors} sectors: it counts up to 4 TiB")
    return kilobytes
