"""Small md arrays for the planner's tests: md0 has a path `sda` (8:0), `sdb` (8:16), ... in the places 0, 1, ..."""

from dataclasses import replace
from typing import Any

from actuators.steps import MdRef
from observers.dmtable import DevT, Sectors
from observers.md_member import Answer, MdFinding
from observers.snapshot import DeviceName, HostFacts, MdArray, MdMember, Snapshot

UUID = "7f2301cc-57d0-b207-644f-77cf597cd811"
MD0 = MdRef(DeviceName("md0"), UUID)
SIZE = Sectors(131072)


def name(number: int) -> DeviceName:
    return DeviceName(f"sd{'abcdefgh'[number]}")


def dev(number: int) -> DevT:
    return DevT(f"8:{16 * number}")


def working(number: int, *, slot: int | None = None) -> MdMember:
    """A member in use, in the place of its own number unless another is said."""
    place = number if slot is None else slot
    return MdMember(name=name(number), dev=dev(number), size=SIZE, state=("in_sync",), slot=place)


def failed(number: int) -> MdMember:
    return MdMember(name=name(number), dev=dev(number), size=SIZE, state=("faulty",))


def spare(number: int) -> MdMember:
    return MdMember(name=name(number), dev=dev(number), size=SIZE, state=("spare",))


def array(*members: MdMember, **changes: Any) -> MdArray:
    """md0, running, with these members and as many places."""
    whole = MdArray(
        name=MD0.name, dev=DevT("9:0"), level="multipath", state="clean", uuid=UUID, metadata="1.2",
        disks=len(members), size=Sectors(129024), members=members,
    )  # fmt: skip
    return replace(whole, **changes)


def snapshot(*arrays: MdArray) -> Snapshot:
    facts = HostFacts(kernel_release="6.1.0", dm_version=None, multipath_target=None)
    return Snapshot(taken_at=0.0, host=facts, md_arrays=arrays)


def finding(number: int, answer: Answer = Answer.OURS, why: str = "") -> MdFinding:
    return MdFinding(array=MD0.name, uuid=UUID, member=name(number), dev=dev(number), answer=answer, why=why)
