"""Rows of the drivers that attach volumes to containers."""

import json
import re

from tests.clients.rows import Said, Truth, row

RUNNING = re.compile(r"pid \d+ (running|idle)")
FIND_MULTIPATHS = re.compile(r"""(?m)^[\t ]*find_multipaths[\t ]*["|']?(?P<tagName>[\w\-_]+)["|']?[\t ]*$""")
HPE_PATHS = 'show paths format "%w %d %t %i %o %T %z %s %m"'
HPE_ORPHAN = re.compile(r"(\S+)\s+\S+\s+\S+\s+(\d+):(\d+):(\d+):(\d+).*(Nimble|3PARdata|TrueNAS|FreeNAS).*orphan")
OUTAGE = re.compile("timeout|receiving packet")
REMOVED = 'test -e "/dev/mapper/$MAP3" || echo vanished\nmade_again'


_KEEP_ADDRESSES = 'for each in $DISKS3; do basename "$(readlink "/sys/block/$each/device")"; done > /tmp/addresses'
_ATTACHED_AGAIN = """\
until_so eval '! test -e "/dev/mapper/$MAP3"' && echo vanished
while IFS=: read -r host channel target lun; do
  echo - - - > "/sys/class/scsi_host/host$host/scan"
  until_so test -d "/sys/bus/scsi/devices/$host:$channel:$target:$lun/block"
done < /tmp/addresses
until_so eval '[ $(ls "/sys/block/$(node "$MAP3")/slaves" | wc -l) -eq $(wc -l < /tmp/addresses) ]'
udevadm settle"""


def well(said: Said, _: Truth) -> None:
    """Looks at the exit status alone."""
    assert said.status == 0, said.err


def ok_in_it(said: Said, _: Truth) -> None:
    """Looks for a word."""
    assert "ok" in said.out


def no_failure_in_it(said: Said, _: Truth) -> None:
    """Looks for two other words."""
    assert not re.search("fail|timeout", said.out)
    assert said.out == "ok\n"


def gone(said: Said, _: Truth) -> None:
    """Looks at the exit status, and whether the map is away."""
    assert (said.status, said.after.splitlines()[0]) == (0, "vanished"), said


# ---- NetApp Trident


@row("Trident and Synology see that the daemon runs", "multipathd show daemon")
def _(said: Said, truth: Truth) -> None:
    assert RUNNING.match(said.out)
    assert str(truth.pid) in said.out


@row("Trident finds the daemon by its name", "pgrep multipathd || exit\nmultipathd show daemon", kernel=True)
def _(said: Said, truth: Truth) -> None:
    assert said.status == 0
    assert str(truth.pid) in said.lines
    assert RUNNING.search(said.out)


@row("Trident reads find_multipaths in the configuration", "multipathd show config")
def _(said: Said, _: Truth) -> None:
    found = FIND_MULTIPATHS.search(said.out)
    assert found
    assert {"on": "yes", "off": "no"}.get(found["tagName"], found["tagName"]) == "no"


row("Trident resizes a map", 'multipathd "-kresize map $MAP2"', changes=True)(well)
row("Trident adds a path", 'multipathd "-kadd path $DISK2"', changes=True)(well)
row(
    "Trident fails a path", 'multipathd "-kfail path $DISK2"', changes=True, after='multipathd reinstate path "$DISK2"'
)(well)
row("Trident and democratic-csi reload a map", 'multipath -r "/dev/$DM2"', kernel=True, changes=True)(well)


@row(
    "Trident learns that no path can be used",
    'multipath -C "/dev/mapper/$MAP3" 2>&1',
    kernel=True,
    changes=True,
    before="state_of_paths offline $DISKS3",
    after='state_of_paths running $DISKS3; works "$MAP3"',
)
def _(said: Said, _: Truth) -> None:
    assert said.status != 0
    assert "no usable paths found" in said.out


# ---- Dell gobrick and gofsutil


@row("gobrick finds a map by its device", "multipathd show maps")
def _(said: Said, truth: Truth) -> None:
    assert "timeout" not in said.out
    for each in truth.maps:
        (line,) = (line for line in said.lines if f" {each.node} " in line)
        assert line.split() == [each.name, each.node, each.wwid]


@row("gobrick finds the paths of a unit by its WWID", 'multipathd show paths raw format "%d %w %m"')
def _(said: Said, truth: Truth) -> None:
    mine = [line.split(" ") for line in said.lines if truth.seen.wwid in line]
    assert sorted(mine) == [[disk, truth.seen.wwid, truth.seen.name] for disk in truth.seen.disks]


@row(
    "gobrick reads names and numbers from device-mapper",
    'dmsetup info "$MAP" -C --noheadings --separator : -o name,minor',
    kernel=True,
)
def _(said: Said, truth: Truth) -> None:
    assert said.out == f"{truth.seen.name}:{truth.seen.node.removeprefix('dm-')}\n"


@row(
    "gobrick takes a WWID out of the file, and adds it",
    'multipath -w "$WWID2" && multipath -a "$WWID2"',
    kernel=True,
    changes=True,
)
def _(said: Said, truth: Truth) -> None:
    assert f"wwid '{truth.changed.wwid}' added" in said.out


row("gobrick and Trident flush a map", 'multipath -f "$MAP3"', kernel=True, changes=True, after=REMOVED)(gone)
row(
    "Dell's driver flushes a map, deletes its disks, and gets it again when they come back",
    """\
multipath -f "$MAP3" || exit
for each in $DISKS3; do echo 1 > "/sys/block/$each/device/delete"; done""",
    kernel=True, changes=True, before=_KEEP_ADDRESSES, after=_ATTACHED_AGAIN,
)(gone)  # fmt: skip
row(
    "gofsutil and Seagate resize a map by its node",
    'multipathd resize map "/dev/mapper/$MAP2"',
    kernel=True,
    changes=True,
)(well)


# ---- HPE


@row(
    "HPE finds no outage in the replies of a healthy daemon",
    f"multipathd show maps; multipathd show topology; multipathd {HPE_PATHS}",
)
def _(said: Said, _: Truth) -> None:
    assert not OUTAGE.search(said.out)


@row("HPE reads the states of paths", f"multipathd {HPE_PATHS}")
def _(said: Said, truth: Truth) -> None:
    fields = [line.split() for line in said.lines if truth.seen.wwid in line]
    active = [each[1] for each in fields if len(each) >= 5 and each[2] == "active" and each[5] == "ready"]
    assert sorted(active) == truth.seen.disks


@row("HPE reads maps", 'multipathd show maps format "%w %d %n %s"')
def _(said: Said, truth: Truth) -> None:
    fields = [line.split()[:3] for line in said.lines[1:]]
    assert sorted(fields) == sorted([each.wwid, each.node, each.name] for each in truth.maps)


@row("HPE takes the reply for one JSON object", "multipathd show multipaths json")
def _(said: Said, truth: Truth) -> None:
    value, end = json.JSONDecoder().raw_decode(said.out)
    assert said.out[end:].strip() == ""
    assert sorted(each["name"] for each in value["maps"]) == sorted(each.name for each in truth.maps)


row("HPE resizes a map", 'multipathd resize map "$MAP2"', changes=True)(ok_in_it)
row("HPE has the configuration read again", "multipathd reconfigure", changes=True)(ok_in_it)


@row(
    "HPE finds the paths of a map that is gone",
    f"multipathd {HPE_PATHS}",
    kernel=True,
    changes=True,
    before='multipathd del map "$MAP3"',
    after="made_again",
)
def _(said: Said, truth: Truth) -> None:
    text = said.out.replace("LIO-ORG", "Nimble")
    found = [match for line in text.splitlines() if (match := HPE_ORPHAN.search(line))]
    assert {match[1] for match in found} == {truth.removed.wwid}, said
    assert sorted(":".join(match.groups()[1:5]) for match in found) == sorted(
        path.address for path in truth.removed.paths
    )


@row("HPE reads tables and maps from device-mapper", "dmsetup table; dmsetup ls --target multipath", kernel=True)
def _(said: Said, truth: Truth) -> None:
    for each in truth.maps:
        (table,) = (line for line in said.lines if line.startswith(f"{each.name}: 0 "))
        assert table.split()[3] == "multipath"
        assert {word for word in table.split() if word in {path.number for path in truth.paths}} == {
            path.number for path in each.paths
        }
        assert re.search(rf"(?m)^{each.name}\t\(253(:|, ){each.node.removeprefix('dm-')}\)$", said.out)


row(
    "HPE removes a map without asking the daemon, and then its disks",
    """\
dmsetup message "$MAP3" 0 fail_if_no_path && dmsetup remove --force "$MAP3" || exit
for each in $DISKS3; do echo 1 > "/sys/block/$each/device/delete"; done""",
    kernel=True, changes=True, before=_KEEP_ADDRESSES, after=_ATTACHED_AGAIN,
)(gone)  # fmt: skip


# ---- IBM


def _ibm(format_: str, *letters: str) -> None:
    @row(f"IBM's driver reads {format_} between lone quotes", f"multipathd show maps raw format '\"' '{format_}' '\"'")
    def _(said: Said, truth: Truth) -> None:
        expected = []
        for each in truth.maps:
            values = {"w": each.wwid, "d": each.node, "n": each.name}
            expected.append(f" {','.join(values[letter] for letter in letters)} ")
        assert sorted(said.lines) == sorted(expected)


_ibm("%w,%d", "w", "d")
_ibm("%d,%w", "d", "w")
_ibm("%n,%w", "n", "w")


# ---- Infinidat's driver


@row(
    "Infinidat finds the paths of a map by an underscore", 'multipathd show paths raw format "%m_%d_" | grep "${MAP}_"'
)
def _(said: Said, truth: Truth) -> None:
    assert sorted(line.split("_")[1] for line in said.lines) == truth.seen.disks


@row("Infinidat finds the name of a device", 'multipathd show maps raw format "%n_/%d_" | grep "/${DM}_"')
def _(said: Said, truth: Truth) -> None:
    assert [line.split("_")[0] for line in said.lines] == [truth.seen.name]


@row("Infinidat relies on padded columns", 'multipathd show paths format "%m,%d" | grep "$MAP "')
def _(said: Said, truth: Truth) -> None:
    assert sorted(line.split(",")[1].strip() for line in said.lines) == truth.seen.disks


@row("Infinidat finds a map in the list", "multipath -l | grep --word-regexp \"$DM\" | awk '{print $1}'", kernel=True)
def _(said: Said, truth: Truth) -> None:
    assert said.out == f"{truth.seen.name}\n"


@row("Infinidat counts the names of maps", "multipath -ll -v 1", kernel=True)
def _(said: Said, truth: Truth) -> None:
    assert sorted(said.out.split()) == sorted(each.name for each in truth.maps)


# ---- others


@row("Huawei finds a map by the end of its line", "multipathd show maps")
def _(said: Said, truth: Truth) -> None:
    (line,) = (line for line in said.lines if line.endswith(truth.seen.wwid))
    assert len(line.split()) == 3


row("Huawei reconfigures, and then resizes", 'multipathd reconfigure && multipathd resize map "$MAP2"', changes=True)(
    lambda said, _: _no_fail(said)
)


def _no_fail(said: Said) -> None:
    assert "fail" not in said.out
    assert said.status == 0


@row("csi-lib-iscsi finds the map among a disk's children", 'lsblk --json -o NAME,TYPE "/dev/$DISK"', kernel=True)
def _(said: Said, truth: Truth) -> None:
    (disk,) = json.loads(said.out)["blockdevices"]
    assert [(each["name"], each["type"]) for each in disk["children"]] == [(truth.seen.name, "mpath")]


row(
    "csi-lib-iscsi and Kubernetes flush a map by its device", 'multipath -f "/dev/$(node "$MAP3")"', kernel=True,
    changes=True, after=REMOVED,
)(gone)  # fmt: skip
row("csi-lib-iscsi resizes a map by its name", 'multipathd resize map "$MAP2"', changes=True)(well)


@row("Kubernetes finds the map of a disk among all slaves", "ls -d /sys/block/dm-*/slaves/$DISK", kernel=True)
def _(said: Said, truth: Truth) -> None:
    assert said.out.split("/")[3] == truth.seen.node


@row("Seagate lists one map by its device", 'multipath -ll -v2 "/dev/$DM"', kernel=True)
def _(said: Said, truth: Truth) -> None:
    assert said.status == 0
    assert said.lines[0].startswith(f"{truth.seen.name} ({truth.seen.wwid}) {truth.seen.node} ")


row("Seagate has everything reloaded", "multipath -r", kernel=True, changes=True)(well)
