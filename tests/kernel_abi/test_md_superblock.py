"""The superblock of md arrays: blocks that Linux 6.1 and mdadm wrote, and blocks that are none."""

import base64
import zlib
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observers.dmtable import Sectors
from observers.kernel.md_superblock import (
    BLOCK,
    LEVEL_MULTIPATH,
    VERSIONS,
    MdFormatError,
    Superblock,
    pack,
    place,
    unpack,
)

SIZE = Sectors(131072)
"""Sectors of the disk that the samples come from."""

LARGEST_OLD = 2**33 + 127
"""Sectors of the largest device that can have a superblock of version 0.90: a little over 4 TiB."""

SAMPLES = {
    "1.2": (
        "0850aff1-8659-cbba-c98f-dabb3657f142",
        (
            "c-s5pr@fMq0RcDy)_-h^JiY5=|E=9-;UArH5|gY97;u9x%Nesl^q>F#|APg7AWUOsAOdheX{bI9G-"
            ")O%Z8@3SNBD2vfjWcINd8F87?4T<B>Q3DKNNH={-f4FjQtFZKs)}ASimp}M!_f;1*2dTjDk@x3P!;w7zLwXL;wK)Wgw9"
        ),
    ),
    "0.90": (
        "b260e822-9f4b-4ffe-3953-f9ddf975ab50",
        (
            "c-s5pr@fK^2%;DeU{k^iCGHiB*?<23|9{{=0|PSy1jE35Z~uRm!9VZ*EL|PIKp_Cx!^nWe4pE--"
            "j0~fI9)JUh%|>Ut8KL$oK-u)Rp9yNe1C-4+njA*KC>RB!U=)mkQ7{Td!6+C7!?gba05j4S3;"
        ),
    ),
    "1.1": (
        "1597ce17-c25e-511f-57cc-4a39c7ccb227",
        (
            "c-s5pr@fMq0Rcp(pA$b67bqWo#>?{fnN8|BiAh!l47h>f3dU>@{pbJx|6qY12-"
            "BDuhyWZ=`UfLcX(lKgawS80nzqU7o7Y_>Mc%NNfiwyr*$)H%p}^i}>GK9+>}OyE+VOwH0)|mA3P!;w7zLwX6pVsVFbYP&C>RAJ0s"
            "sJLkRBr"
        ),
    ),
    "1.0": (
        "3a8f41ab-cded-9a16-66dc-21a37e4dc301",
        (
            "c-s5pr@fMq0RgP~9ao=yJ4-C>j^g4v-@}YKiAh!l47h>$3dU>@{pbJx{~-"
            "Foe}rkw48#MNz7PKyQN)>`^k%KMIia=kl9?>;Jk~AYSkJ(~!SDlUC(M2r_zwlnKa=M*5M?tX(2oBj7BGy0Q7{Td!6+C7qhJ(_f>A"
            "IEM!_f;5dZ+z-zH}"
        ),
    ),
}
"""By version: the UUID that the kernel's attribute said, and the block (compressed), of an array with three members."""


def sample(version: str) -> bytes:
    return zlib.decompress(base64.b85decode(SAMPLES[version][1]))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_block_that_the_kernel_wrote_says_whose_it_is(version: str) -> None:
    block = unpack(sample(version), version)
    assert (block.version, block.uuid) == (version, SAMPLES[version][0])
    assert (block.level, block.disks) == (LEVEL_MULTIPATH, 3)


@pytest.mark.parametrize(("version", "sector"), [("0.90", 130944), ("1.0", 131056), ("1.1", 0), ("1.2", 8)])
def test_the_block_is_where_mdadm_put_it(version: str, sector: int) -> None:
    assert place(version, SIZE) == sector * 512
    if version != "0.90":
        assert unpack(sample(version), version).super_offset == sector


@pytest.mark.parametrize(
    ("version", "size", "sector"),
    [("0.90", 131199, 130944), ("0.90", 131200, 131072), ("1.0", 131079, 131056), ("1.0", 131080, 131064)],
)
def test_the_place_at_the_end_is_aligned(version: str, size: int, sector: int) -> None:
    assert place(version, Sectors(size)) == sector * 512


def test_a_device_that_is_too_small_has_no_place() -> None:
    with pytest.raises(MdFormatError, match="no room"):
        place("0.90", Sectors(100))


@pytest.mark.parametrize("version", VERSIONS)
def test_one_changed_bit_is_noticed(version: str) -> None:
    data = bytearray(sample(version))
    data[100] ^= 1
    with pytest.raises(MdFormatError, match="checksum"):
        unpack(bytes(data), version)


@pytest.mark.parametrize("version", VERSIONS)
def test_zeros_are_no_superblock(version: str) -> None:
    with pytest.raises(MdFormatError, match="no superblock"):
        unpack(bytes(BLOCK), version)


def test_too_few_bytes_are_no_superblock() -> None:
    with pytest.raises(MdFormatError, match="too short"):
        unpack(sample("1.2")[:511], "1.2")


@pytest.mark.parametrize(("found", "wanted"), [("0.90", "1.2"), ("1.2", "0.90")])
def test_another_version_is_told(found: str, wanted: str) -> None:
    with pytest.raises(MdFormatError, match="version"):
        unpack(sample(found), wanted)


def test_more_members_than_fit_are_no_superblock() -> None:
    data = bytearray(sample("1.2"))
    data[220:224] = b"\xff\xff\xff\xff"
    with pytest.raises(MdFormatError, match="members"):
        unpack(bytes(data), "1.2")


MEMBERS = st.tuples(st.just("0.90"), st.integers(256, LARGEST_OLD)) | st.tuples(
    st.sampled_from(VERSIONS[1:]), st.integers(256, 2**41)
)
"""Versions, each with a size of a device that it can be on."""


@given(MEMBERS, st.uuids().map(str), st.integers(1, 384), st.integers(-10, 10))
def test_what_is_packed_is_unpacked(member: tuple[str, int], uuid: str, disks: int, level: int) -> None:
    version, size = member
    block = Superblock(version=version, uuid=uuid, level=level, disks=disks)
    back = unpack(pack(block, member_sectors=Sectors(size)), version)
    assert (back.uuid, back.level, back.disks) == (uuid, level, disks)


def test_version_0_90_can_not_be_on_a_device_whose_size_it_has_no_room_for() -> None:
    block = Superblock(version="0.90", uuid=str(UUID(int=1)), level=0, disks=1)
    assert unpack(pack(block, member_sectors=Sectors(LARGEST_OLD)), "0.90").disks == 1
    with pytest.raises(MdFormatError, match=f"version 0.90 can't be on a device of {LARGEST_OLD + 1} sectors"):
        pack(block, member_sectors=Sectors(LARGEST_OLD + 1))


@given(st.sampled_from(VERSIONS), st.binary(max_size=BLOCK + 8))
def test_any_bytes_are_a_superblock_or_a_format_error(version: str, data: bytes) -> None:
    with pytest.raises(MdFormatError):
        unpack(data, version)


@given(st.sampled_from(VERSIONS), st.integers(4, BLOCK - 1), st.integers(1, 255))
def test_a_broken_block_never_raises_anything_else(version: str, at: int, change: int) -> None:
    data = bytearray(sample(version))
    data[at] ^= change
    refusals: list[str] = []
    try:
        unpack(bytes(data), version)
    except MdFormatError as error:
        refusals.append(str(error))
    assert all(refusals)
