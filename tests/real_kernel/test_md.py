"""md arrays of level multipath on a real kernel: a path fails, comes back, and is in use again."""

import errno
import re
import shlex
import sys
from collections.abc import Callable, Iterator

import pytest

from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import parse_scenario
from tests.real_kernel import rigs
from tests.real_kernel.guest import Guest

pytestmark = [pytest.mark.vm, pytest.mark.long]

CONFIG = 'blacklist {\n\tdevnode ".*"\n}\n'
"""The same disks are not to become a device-mapper map as well."""

MD = "/sys/block/md0/md"


def state(guest: Guest, disk: str) -> str:
    """The kernel's word for a member."""
    return guest.sh(f"cat {MD}/dev-{disk}/state").strip()


def fail_by_reading(guest: Guest, disk: str) -> None:
    """Take a path away, and read until md has noticed."""
    guest.set_state(disk, "offline")
    read = "dd if=/dev/md0 of=/dev/null bs=4k count=1 iflag=direct status=none"
    guest.machine.wait_until(f"{read} && grep -qx faulty {MD}/dev-{disk}/state && grep -qx none {MD}/dev-{disk}/slot")


def array(guest: Guest, *, metadata: str, paths: int) -> list[str]:
    guest.configure(CONFIG)
    rigs.scsi_debug(guest, hosts=5, luns=1)
    return rigs.md_multipath(guest, metadata=metadata, paths=paths)


@pytest.mark.parametrize("metadata", ["1.2", "0.90"])
def test_a_path_that_comes_back_is_in_use_again(guest: Guest, metadata: str) -> None:
    first, *others = array(guest, metadata=metadata, paths=3)
    fail_by_reading(guest, first)
    away = guest.mpathctl("reconcile")
    assert (away.status, state(guest, first)) == (0, "faulty"), away.out + away.err
    assert f"{first} does not answer" in away.out
    guest.set_state(first, "running")
    planned = guest.mpathctl("reconcile", "--dry-run")
    assert (planned.status, state(guest, first)) == (2, "faulty"), planned.out + planned.err
    back = guest.mpathctl("reconcile")
    assert back.status == 0, back.out + back.err
    guest.machine.wait_until("grep -q '[[]UUU[]]' /proc/mdstat", timeout=60)
    for other in others:
        guest.sh(f"echo faulty > {MD}/dev-{other}/state")
    guest.sh("dd if=/dev/md0 of=/dev/null bs=4k count=16 iflag=direct status=none")
    assert state(guest, first) == "in_sync"


def test_a_spare_that_failed_is_removed_and_added(guest: Guest) -> None:
    members = array(guest, metadata="1.2", paths=3)
    usable = guest.sh("grep -L standby /sys/block/sd*/device/access_state").split()
    (spare,) = {file.split("/")[3] for file in usable} - set(members)
    guest.sh(f"cat /sys/block/{spare}/dev > {MD}/new_dev; echo faulty > {MD}/dev-{spare}/state")
    done = guest.mpathctl("reconcile")
    assert done.status == 0, done.out + done.err
    assert "EBUSY" in done.err
    assert f"done: remove {spare}" in done.out
    assert (state(guest, spare), guest.sh(f"cat {MD}/dev-{spare}/slot").strip()) == ("spare", "none")


def test_a_path_with_another_superblock_is_not_added(guest: Guest) -> None:
    first, *_ = array(guest, metadata="1.2", paths=3)
    guest.sh(f"echo faulty > {MD}/dev-{first}/state")
    guest.sh(f"dd if=/dev/zero of=/dev/{first} bs=4k seek=1 count=1 oflag=direct status=none")
    done = guest.mpathctl("reconcile")
    assert (done.status, state(guest, first)) == (0, "faulty"), done.out + done.err
    assert f"{first} answers, but not with the array's superblock: there is no superblock" in done.out


def test_show_tells_members_and_which_failed(guest: Guest) -> None:
    first, second, _ = array(guest, metadata="1.0", paths=3)
    guest.sh(f"echo faulty > {MD}/dev-{first}/state")
    done = guest.mpathctl("show", "md")
    assert done.status == 0, done.err
    uuid = guest.sh(f"cat {MD}/uuid").strip()
    assert re.search(rf"^md0: clean, 2 of 3 paths in use, .*metadata 1\.0, UUID {uuid}$", done.out, re.MULTILINE)
    assert re.search(rf"^  {first} .* failed ", done.out, re.MULTILINE)
    assert re.search(rf"^  {second} .* in use ", done.out, re.MULTILINE)


WATCH = f"""
import os, selectors
from observers.mdstat_watch import MdstatWatch, ear
descriptor = os.open("/proc/mdstat", os.O_RDONLY)
watch = MdstatWatch(descriptor, lambda: os.pread(descriptor, 65536, 0))
loop = selectors.DefaultSelector()
loop.register(ear(watch), selectors.EVENT_READ)
watch.changed()
print("idle", len(loop.select(0)))
with open("{MD}/dev-DISK/state", "w") as file:
    file.write("faulty")
print("event", len(loop.select(60)), watch.changed())
while loop.select(1):
    watch.changed()
print("idle", len(loop.select(0)))
"""


def test_an_event_comes_when_a_member_fails_and_rests_when_it_was_read(guest: Guest) -> None:
    first, *_ = array(guest, metadata="1.2", paths=3)
    script = shlex.quote(WATCH.replace("DISK", first))
    assert guest.sh(f"{sys.prefix}/bin/python -c {script}").splitlines() == ["idle 0", "event 1 True", "idle 0"]


def test_a_kernel_without_md_multipath_is_told(boot: Callable[[str], Guest]) -> None:
    guest = boot("6.12")
    done = guest.mpathctl("show", "md")
    assert done.status == 0, done.err
    assert done.out.startswith("This kernel (6.12")
    assert "has no md multipath" in done.out


# ---- the sandbox against this kernel

SAN = """
array debug
    vendor Linux
    product scsi_debug
    revision 0191
    node d
    group 0 active/optimized p0 p1 p2
    lun 0 size 64M naa 33333330000007d0 serial 2000
adapter 0 pseudo h0
    sees debug p0
adapter 1 pseudo h1
    sees debug p1
adapter 2 pseudo h2
    sees debug p2
md md0
    metadata {metadata}
    members 0:0:0:0 1:0:0:0 2:0:0:0
"""

SCRIPT = """
dev-A/state remove
new_dev A
new_dev 999:99
new_dev nonsense
dev-A/state re-add
dev-A/state nonsense
dev-A/slot 0
dev-A/state faulty
new_dev A
dev-A/state re-add
dev-B/state faulty
dev-A/state faulty
dev-C/state faulty
dev-A/state remove
dev-B/state re-add
new_dev A
new_dev A
dev-A/state re-add
dev-A/slot 9
dev-A/slot 2
dev-A/slot 1
dev-A/state faulty
dev-A/state remove
wipe
new_dev A
"""
"""Writes to attributes of an array whose members have the places A, B and C; `wipe` overwrites the superblock."""


def in_sandbox(metadata: str) -> Iterator[tuple[str, str, str]]:
    """What each line of the script does in the sandbox: a word for its outcome, and how the array then is."""
    host = SandboxHost(parse_scenario(SAN.format(metadata=metadata), file="md.san"))
    disks = {"A": "sda", "B": "sdb", "C": "sdc"}
    numbers = {"A": "8:0", "B": "8:16", "C": "8:32"}
    for line in SCRIPT.split("\n")[1:-1]:
        if line == "wipe":
            host.kernel.arrays["debug"].units[0].medium.clear()
            continue
        file, word = line.split()
        for sign, disk in disks.items():
            file = file.replace(f"dev-{sign}/", f"dev-{disk}/")
        outcome = "done"
        try:
            host.write_attribute(f"{MD}/{file}", numbers.get(word, word).encode())
        except OSError as error:
            outcome = errno.errorcode[error.errno or 0]
        yield line, outcome, looks(host.read_file("/proc/mdstat").decode(), disks)


def looks(text: str, disks: dict[str, str]) -> str:
    """The lines of the array, in any order of its members, with signs for their names."""
    for sign, disk in disks.items():
        text = re.sub(rf"\b{disk}\[", f"{sign}[", text)
    lines = text.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("md0"))
    return " ".join([*sorted(lines[at].split()), *lines[at + 1].split()])


WRITE = """
import errno, sys
try:
    with open(sys.argv[1], "wb", buffering=0) as file:
        file.write(sys.argv[2].encode())
    print("done")
except OSError as error:
    print(errno.errorcode[error.errno])
"""


@pytest.mark.parametrize("metadata", ["1.2", "0.90"])
def test_the_sandbox_does_and_refuses_what_this_kernel_does(guest: Guest, metadata: str) -> None:
    names = array(guest, metadata=metadata, paths=3)
    disks = dict(zip("ABC", names, strict=True))
    numbers = {sign: guest.sh(f"cat /sys/block/{disk}/dev").strip() for sign, disk in disks.items()}
    for line, outcome, look in in_sandbox(metadata):
        if line == "new_dev A" and outcome == "EINVAL":
            where = {"1.2": "seek=1", "0.90": "seek=$((65472 / 4))"}[metadata]
            guest.sh(f"dd if=/dev/zero of=/dev/{names[0]} bs=4k {where} count=1 oflag=direct status=none")
        file, word = line.split()
        for sign, disk in disks.items():
            file = file.replace(f"dev-{sign}/", f"dev-{disk}/")
        done = guest.sh(f"python3 -c {shlex.quote(WRITE)} {MD}/{file} {numbers.get(word, word)}").strip()
        assert (line, done) == (line, outcome)
        assert (line, settled(guest, disks, look)) == (line, look)


def settled(guest: Guest, disks: dict[str, str], expected: str) -> str:
    """How the array is, once md's own thread has done its part; for what never comes, how it is after long enough."""
    seen = ""
    for _ in range(40):
        seen = looks(guest.sh("cat /proc/mdstat"), disks)
        if seen == expected:
            break
        guest.sh("sleep 0.1")
    return seen
