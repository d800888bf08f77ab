"""Asking a member of an md array for the array's superblock."""

import errno
from dataclasses import replace

import pytest

from observers.asking import Answer as Reply
from observers.asking import DirectRead, Question, converse
from observers.dmtable import DevT, Sectors
from observers.host import Block
from observers.kernel.md_superblock import BLOCK, LEVEL_MULTIPATH, VERSIONS, Superblock, pack, place
from observers.md_member import Answer, MdFinding, probe_member
from observers.snapshot import DeviceName, MdArray, MdMember

SIZE = Sectors(131072)
UUID = "7f2301cc-57d0-b207-644f-77cf597cd811"
MEMBER = MdMember(name=DeviceName("sda"), dev=DevT("8:0"), size=SIZE, state=("faulty",))
ARRAY = MdArray(
    name=DeviceName("md0"), dev=DevT("9:0"), level="multipath", state="clean", uuid=UUID, metadata="1.2", disks=2,
    size=Sectors(129024), members=(MEMBER,),
)  # fmt: skip


def block(version: str = "1.2", *, uuid: str = UUID, level: int = LEVEL_MULTIPATH, size: Sectors = SIZE) -> bytes:
    return pack(Superblock(version=version, uuid=uuid, level=level, disks=2), member_sectors=size)


def answered(data: bytes | OSError, *, array: MdArray = ARRAY, member: MdMember = MEMBER) -> MdFinding:
    def reply(_question: Question) -> Reply:
        if isinstance(data, OSError):
            raise data
        return Block(data, 0.01)

    return converse(probe_member(array, member), reply)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_member_with_the_superblock_is_ours(version: str) -> None:
    found = answered(block(version), array=replace(ARRAY, metadata=version))
    assert found == MdFinding(
        array=ARRAY.name, uuid=UUID, member=MEMBER.name, dev=DevT("8:0"), answer=Answer.OURS
    )  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
def test_it_is_asked_for_one_block_where_the_version_has_it(version: str) -> None:
    question = next(probe_member(replace(ARRAY, metadata=version), MEMBER, timeout=7.0))
    assert question == DirectRead(length=BLOCK, offset=place(version, SIZE), timeout=7.0)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (bytes(BLOCK), "there is no superblock"),
        (block(uuid="00000000-0000-0000-0000-000000000001"), "of the array 00000000-"),
        (block(level=1), "level 1"),
        (block("1.0", size=SIZE), "made for sector 131056"),
        (block()[:100], "too short"),
    ],
    ids=["zeros", "another array", "another level", "another place", "cut off"],
)
def test_a_member_with_anything_else_is_foreign(data: bytes, why: str) -> None:
    found = answered(data)
    assert found.answer is Answer.FOREIGN
    assert why in found.why


@pytest.mark.parametrize("error", [errno.EIO, errno.ENXIO, errno.ETIMEDOUT, errno.ENOENT], ids=errno.errorcode.get)
def test_a_member_that_can_not_be_read_is_silent(error: int) -> None:
    found = answered(OSError(error, "no"))
    assert found.answer is Answer.SILENT
    assert errno.errorcode[error] in found.why


def test_an_array_without_a_uuid_has_no_members_of_ours() -> None:
    assert answered(block(), array=replace(ARRAY, uuid="")).answer is Answer.FOREIGN


def test_a_member_of_no_size_is_not_asked() -> None:
    assert answered(OSError(errno.EIO, "asked"), member=replace(MEMBER, size=Sectors(0))).answer is Answer.FOREIGN
