"""Rows of installers, of parts of the operating system, and of clusters."""

import re
import shlex

from tests.clients.rows import Said, Truth, row
from tests.clients.storage_drivers import well

CURTIN_PATHS = (
    "device='%d' serial='%z' multipath='%m' host_wwnn='%N' target_wwnn='%n' host_wwpn='%R' target_wwpn='%r'"
    " host_adapter='%a'"
)
CURTIN_MAPS = "name='%n' multipath='%w' sysfs='%d' paths='%N'"


def assignments(said: Said) -> list[dict[str, str]]:
    """As curtin reads lines."""
    return [dict(item.split("=", 1) for item in shlex.split(line)) for line in said.lines]


@row("curtin reads paths as assignments", f'multipathd show paths raw format "{CURTIN_PATHS}"')
def _(said: Said, truth: Truth) -> None:
    found = assignments(said)
    assert {len(each) for each in found} == {8}
    mine = sorted(each["device"] for each in found if each["multipath"] == truth.seen.name)
    assert mine == truth.seen.disks


@row("curtin reads maps as assignments", f'multipathd show maps raw format "{CURTIN_MAPS}"')
def _(said: Said, truth: Truth) -> None:
    expected = [
        {"name": each.name, "multipath": each.wwid, "sysfs": each.node, "paths": str(len(each.paths))}
        for each in truth.maps
    ]
    assert sorted(assignments(said), key=str) == sorted(expected, key=str)


@row(
    "curtin and udisks find in udev what a disk and a map are",
    'udevadm info -q property -n "/dev/$DISK"; udevadm info -q property -n "/dev/$DM"',
    kernel=True,
)
def _(said: Said, truth: Truth) -> None:
    assert "DM_MULTIPATH_DEVICE_PATH=1" in said.lines
    assert f"DM_NAME={truth.seen.name}" in said.lines
    assert f"DM_UUID=mpath-{truth.seen.wwid}" in said.lines


@row("probert counts the columns of paths", 'multipathd show paths raw format "%d,%z,%m,%N,%n,%R,%r,%a"')
def _(said: Said, truth: Truth) -> None:
    fields = [line.split(",") for line in said.lines]
    assert {len(each) for each in fields} == {8}
    assert sorted(each[0] for each in fields) == sorted(path.name for path in truth.paths)


@row("probert counts the columns of maps", 'multipathd show maps raw format "%w,%d,%N"')
def _(said: Said, truth: Truth) -> None:
    expected = [[each.wwid, each.node, str(len(each.paths))] for each in truth.maps]
    assert sorted(line.split(",") for line in said.lines) == sorted(expected)


@row("libblockdev finds the version", "multipath --version 2>&1; multipath -h 2>&1", kernel=True)
def _(said: Said, _: Truth) -> None:
    versions = re.findall(r"multipath-tools v([\d\.]+)", said.out)
    assert len(versions) == 2
    assert tuple(map(int, versions[0].split("."))) >= (0, 4, 9)


row("blivet has one map looked after", 'multipath "$MAP"', kernel=True, changes=True)(well)


@row(
    "udisks finds a map by its link",
    'readlink "/dev/disk/by-id/dm-uuid-mpath-$WWID"; ls "/sys/block/$DISK/holders"',
    kernel=True,
)
def _(said: Said, truth: Truth) -> None:
    link, holder = said.out.split()
    assert (link.rpartition("/")[2], holder) == (truth.seen.node, truth.seen.node)


@row("lvm2 and Proxmox read the file of WWIDs", "cat /etc/multipath/wwids", kernel=True)
def _(said: Said, truth: Truth) -> None:
    wwids = [line.strip("/") for line in said.lines if line.startswith("/")]
    assert {each.wwid for each in truth.maps} <= set(wwids)
    assert all(line.startswith(("#", "/")) for line in said.lines)


@row("leapp feeds the interactive client", 'echo "show config" | multipathd -k')
def _(said: Said, _: Truth) -> None:
    begin, end = (next(at for at, line in enumerate(said.lines) if mark in line) for mark in ("defaults {", "}"))
    pairs = dict(line.split(None, 1) for line in said.lines[begin + 1 : end])
    assert pairs["find_multipaths"].strip('"') == "off"


@row("ReaR lists the devices of maps", "multipath -l | awk '/dm-/'", kernel=True)
def _(said: Said, truth: Truth) -> None:
    found = {word for line in said.lines for word in line.split() if word.startswith("dm-")}
    assert found == {each.node for each in truth.maps}


row("dracut makes a dry run", "multipath -d", kernel=True)(well)


@row(
    "dracut and XenServer reset the file of WWIDs",
    "multipath -W",
    kernel=True,
    changes=True,
    after="cat /etc/multipath/wwids",
)
def _(said: Said, truth: Truth) -> None:
    assert said.status == 0
    assert sorted(re.findall("(?m)^/(.*)/$", said.after)) == sorted(each.wwid for each in truth.maps)


# ---- fencing


def _asks(verb: str) -> None:
    @row(f"a cluster asks with {verb}", f'multipathd {verb} map "$MAP"')
    def _(said: Said, _: Truth) -> None:
        assert re.fullmatch(r"(none|0x[0-9a-f]+(:aptpl)?|unset|set|unknown)\n", said.out)


for _verb in ("getprkey", "getprstatus", "getprhold"):
    _asks(_verb)

KEY = "0xabc123"
_LIO_KEEPS_KEYS = "mkdir -p /var/target/pr /etc/target/pr"
"""LIO writes them to files in one of these, and answers otherwise that it can't be reached."""
_DEVICE = '"/dev/mapper/$MAP2"'


@row(
    "fence_mpath registers a key, reserves, and gives both back",
    f"""\
mpathpersist --out --register --param-sark={KEY} {_DEVICE} || exit
mpathpersist --out --reserve --param-rk={KEY} --prout-type=5 {_DEVICE} || exit
mpathpersist -i -k -d {_DEVICE}
mpathpersist -i -r -d {_DEVICE}
mpathpersist --out --release --param-rk={KEY} --prout-type=5 {_DEVICE} || exit
mpathpersist --out --register --param-rk={KEY} --param-sark=0 {_DEVICE} || exit
mpathpersist -i -k -d {_DEVICE}""",
    kernel=True, changes=True, before=_LIO_KEEPS_KEYS,
)  # fmt: skip
def _(said: Said, truth: Truth) -> None:
    assert said.status == 0, said
    registered, reserved, released = re.split("PR generation=", said.out)[1:4]
    assert registered.count(KEY) == len(truth.changed.paths)
    assert KEY in reserved
    assert KEY not in released
