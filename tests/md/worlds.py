"""A host with an md array over three paths to one disk, in the sandbox."""

from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import parse_scenario
from observers import mdstat
from observers.snapshot import HostFacts, MdArray, Snapshot

SAN = """
array debug
    vendor Linux
    product scsi_debug
    revision 0191
    node d
    group 0 active/optimized p0 p1 p2 p3
    lun 0 size 64M naa 33333330000007d0 serial 2000
adapter 0 pseudo h0
    sees debug p0
adapter 1 pseudo h1
    sees debug p1
adapter 2 pseudo h2
    sees debug p2
adapter 3 pseudo h3
    sees debug p3
md md0
    uuid 7f2301cc-57d0-b207-644f-77cf597cd811
    metadata {metadata}
    members 0:0:0:0 1:0:0:0 2:0:0:0
"""
"""Members sda, sdb and sdc have the places 0, 1 and 2; sdd is another path to the same disk."""


def world(events: str = "", *, metadata: str = "1.2") -> SandboxHost:
    """That host, after some events."""
    return SandboxHost(parse_scenario(SAN.format(metadata=metadata) + events, file="md.san"))


def seen(host: SandboxHost) -> Snapshot:
    """Its md arrays, as a snapshot has them."""
    md = mdstat.observe(host)
    assert md.gaps == ()
    facts = HostFacts(
        kernel_release="6.1.0", dm_version=None, multipath_target=None, md_personalities=md.personalities
    )  # fmt: skip
    return Snapshot(taken_at=0.0, host=facts, md_arrays=md.arrays)


def md0(host: SandboxHost) -> MdArray:
    return seen(host).md_arrays[0]


def states(host: SandboxHost) -> dict[str, str]:
    """Every member's state and place."""
    return {member.name: f"{','.join(member.state)} {member.slot}" for member in md0(host).members}
