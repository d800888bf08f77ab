"""Whether a member of an md array answers, and with that array's superblock: a dialogue with the device.

In: the array and the member as they were observed, then the answer to one read. Out: an `MdFinding`. Like all dialogues
(see `observers.asking`) it must never call a host, and never raise for what a device answers.
"""

from dataclasses import dataclass
from enum import StrEnum

from observers.asking import Dialogue, DirectRead, read
from observers.dmtable import DevT
from observers.kernel import md_superblock
from observers.kernel.md_superblock import MdFormatError, Superblock
from observers.reading import describe
from observers.snapshot import DeviceName, MdArray, MdMember

PROBE_TIMEOUT = 30.0
"""Seconds for one read: the kernel's own timeout of a disk's commands."""


class Answer(StrEnum):
    """What came of a probe: it carries this array's superblock; it answers with something else; it does not answer."""

    OURS = "answers with the array's superblock"
    FOREIGN = "answers, but not with the array's superblock"
    SILENT = "does not answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class MdFinding:
    """What a probe found of a member. `array`: its name; `uuid`: of the array that was asked for. `why`: in words,
    empty when all is well."""

    array: DeviceName
    uuid: str
    member: DeviceName
    dev: DevT
    answer: Answer
    why: str = ""


def probe_member(array: MdArray, member: MdMember, *, timeout: float = PROBE_TIMEOUT) -> Dialogue[MdFinding]:
    """Read the member's superblock past every cache, and compare it with the array."""
    answer, why = yield from _asked(array, member, timeout)
    return MdFinding(
        array=array.name, uuid=array.uuid, member=member.name, dev=member.dev or DevT("0:0"), answer=answer, why=why
    )


def _asked(array: MdArray, member: MdMember, timeout: float) -> Dialogue[tuple[Answer, str]]:
    try:
        offset = md_superblock.place(array.metadata, member.size)
        block = yield from read(DirectRead(length=md_superblock.BLOCK, offset=offset, timeout=timeout))
        why = _differs(md_superblock.unpack(block.data, array.metadata), array, offset)
    except OSError as error:
        return Answer.SILENT, describe(error)
    except MdFormatError as error:
        return Answer.FOREIGN, str(error)
    return (Answer.FOREIGN, why) if why else (Answer.OURS, "")


def _differs(block: Superblock, array: MdArray, offset: int) -> str:
    """Why a superblock is not this array's, or empty."""
    if not array.uuid or block.uuid != array.uuid:
        return f"its superblock is of the array {block.uuid}"
    if block.level != md_superblock.LEVEL_MULTIPATH:
        return f"its superblock is of an array of level {block.level}"
    if block.version != "0.90" and block.super_offset * md_superblock.SECTOR != offset:
        return f"its superblock was made for sector {block.super_offset}"
    return ""
