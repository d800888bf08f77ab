"""The sandbox against a real kernel: the same calls bring back the same, line by line."""

import sys

import pytest

from controller.sandbox.block import Result
from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import parse_scenario
from tests.real_kernel.conftest import boot, guest, machines
from tests.real_kernel.guest import Guest
from tests.sandbox.transcript import SCRIPT, Place, transcript
from tests.vm.machine import REPOSITORY

__all__ = ["boot", "guest", "machines"]

SAN = """
host
    udev off
array lio
    vendor LIO-ORG
    product RAMDISK-MCP
    revision 4.0
    node naa.6001405000000001
    tpgs both
    group 16 active/optimized p0
    group 17 active/non-optimized p1
    lun 0 size 64M naa 60014051ab0000000004000800000000 serial 1ab00000
array debug
    vendor Linux
    product scsi_debug
    revision 0191
    node d
    group 0 active/optimized p
    lun 0 size 64M naa 33333330000007d0 serial 2000
adapter 0 pseudo h0
    sees lio p0
adapter 1 pseudo h1
    sees lio p1
adapter 2 pseudo h2
    sees debug p
"""

RESULTS = {Result.DONE: "done", Result.PATH_ERROR: "EIO", Result.TARGET_ERROR: "EIO", None: "waits"}


def in_sandbox() -> list[str]:
    host = SandboxHost(parse_scenario(SAN, file="lio.san"))
    disks = {"A": "8:0", "B": "8:16", "C": "8:32", "M": "253:0"}

    def set_state(disk: str, state: str) -> None:
        host.write_attribute(f"/sys/dev/block/{disks[disk]}/device/state", f"{state}\n".encode())

    return list(transcript(Place(host, disks, 131072, lambda name: RESULTS[host.request(name).result], set_state)))


def test_the_transcript_has_a_line_for_each_of_the_script() -> None:
    lines = in_sandbox()
    assert [line.partition(" -> ")[0] for line in lines] == SCRIPT.strip().splitlines()
    assert not [line for line in lines if "waits" in line]


@pytest.mark.vm
def test_the_kernel_says_the_same(guest: Guest) -> None:
    guest.sh("modprobe dm-multipath; rig-tcm-loop up 1 2; rig-scsi-debug up 1 1 vpd_use_hostno=1")
    guest.sh("udevadm control --stop-exec-queue")
    try:
        numbers = guest.sh("cat /sys/block/sd[abc]/dev").split()
        program = f"{sys.prefix}/bin/python3 -m tests.sandbox.transcript"
        said = guest.sh(f"cd {REPOSITORY} && {program} {' '.join(numbers)} 131072").splitlines()
    finally:
        guest.sh("udevadm control --start-exec-queue")
    assert said == in_sandbox()
