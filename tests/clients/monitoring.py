"""Rows of what watches hosts, and of what collects files for support."""

import json
import re
from typing import Any

from tests.clients.rows import Said, Truth, row

EXPORTED: dict[str, dict[str, type]] = {
    "map": dict.fromkeys(
        ["name", "uuid", "sysfs", "failback", "queueing", "write_prot", "dm_st", "features", "hwhandler", "action",
         "vend", "prod", "rev"], str,
    ) | dict.fromkeys(["paths", "path_faults", "switch_grp", "map_loads", "total_q_time", "q_timeouts"], int)
    | {"path_groups": list},
    "group": {"selector": str, "pri": int, "dm_st": str, "marginal_st": str, "group": int, "paths": list},
    "path": {"pri": int} | dict.fromkeys(
        ["dev", "dev_t", "dm_st", "dev_st", "chk_st", "checker", "host_wwnn", "target_wwnn", "host_wwpn", "target_wwpn",
         "host_adapter", "lun_hex", "marginal_st"], str,
    ),
}  # fmt: skip


def decoded(kind: str, value: dict[str, Any]) -> None:
    """Decode as into a structure: each key of its type, numbers without a sign."""
    assert {key: type(one) for key, one in value.items()} == EXPORTED[kind]
    assert all(one >= 0 for one in value.values() if isinstance(one, int))


def exported(text: str) -> dict[str, dict[str, str]]:
    """Decode it all: the numbers of the paths' devices by their names, by their maps' WWIDs."""
    value = json.loads(text)
    assert (value["major_version"], value["minor_version"]) == (0, 1)
    found: dict[str, dict[str, str]] = {}
    for each in value["maps"]:
        decoded("map", each)
        for group in each["path_groups"]:
            decoded("group", group)
            for path in group["paths"]:
                decoded("path", path)
                found.setdefault(each["uuid"], {})[path["dev"]] = path["dev_t"]
    return found


def numbers(truth: Truth) -> dict[str, dict[str, str]]:
    """What `exported` should find."""
    return {each.wwid: {path.name: path.number for path in each.paths} for each in truth.maps}


@row("multipathd_exporter decodes everything", "multipathd show maps json")
def _(said: Said, truth: Truth) -> None:
    assert exported(said.out) == numbers(truth)


@row(
    "the textfile collector skips a header",
    "multipathd show paths format '%d %t %T' | awk 'NR > 1 { print $1, $2, $3, NF }'",
)
def _(said: Said, truth: Truth) -> None:
    assert sorted(said.lines) == sorted(f"{path.name} active ready 3" for path in truth.paths)


_SYSFS = """\
for map in /sys/block/dm-*; do
  echo "${map##*/} $(cat "$map/dm/uuid" "$map/dm/name" "$map/dm/suspended" | tr '\\n' ' ')"
  for slave in "$map"/slaves/*; do echo "${map##*/} ${slave##*/} $(cat "$slave/device/state")"; done
done"""


@row("node_exporter and PCP read maps from sysfs", _SYSFS, kernel=True)
def _(said: Said, truth: Truth) -> None:
    expected = []
    for each in truth.maps:
        expected.append([each.node, f"mpath-{each.wwid}", each.name, "0"])
        expected += [[each.node, disk, "running"] for disk in each.disks]
    assert sorted(line.split() for line in said.lines) == sorted(expected)


@row("Nagios finds no failed path", "multipath -l; multipath -ll", kernel=True)
def _(said: Said, truth: Truth) -> None:
    assert not re.search("failed|faulty", said.out)
    assert len(re.findall(r"\d+:\d+:\d+:\d+ ", said.out)) == 2 * len(truth.paths)


@row("Nagios finds a failed path", "multipath -ll", kernel=True, changes=True,
    before='state_of_paths offline "$DISK2"; fails "$MAP2"',
    after='state_of_paths running "$DISK2"; works "$MAP2"',
)  # fmt: skip
def _(said: Said, truth: Truth) -> None:
    found = [line.split() for line in said.lines if re.search("failed|faulty", line)]
    assert len(found) == 1
    assert truth.changed.disks[0] in found[0]


# ---- by the socket, without a program of ours

RAW = """\
python3 -I - {commands} <<'END'
import json, os, socket, struct, sys

name = os.environ.get("MULTIPATH_SOCKET_NAME", "@/org/kernel/linux/storage/multipathd")
connection = socket.socket(socket.AF_UNIX)
connection.connect(name.replace("@", chr(0), 1))
replies = {{}}
for command in sys.argv[1:]:
    data = command.encode() + bytes({end})
    connection.sendall(struct.pack("@Q", len(data)) + data)
    (length,) = struct.unpack("@Q", connection.recv(8, socket.MSG_WAITALL))
    replies[command] = connection.recv(length, socket.MSG_WAITALL).decode()
print(json.dumps(replies))
END"""
_LIBRARY = ["show multipaths topology", "show paths", "show config", "?"]


@row(
    "infi.multipathtools speaks to the socket itself",
    RAW.format(commands=" ".join(f'"{each}"' for each in _LIBRARY), end="[10]"),
)
def _(said: Said, truth: Truth) -> None:
    replies = {key: value.rstrip("\0") for key, value in json.loads(said.out).items()}
    topology, paths, config, page = (re.sub(r"\x1b\[[0-9;]*m", "", replies[each]) for each in _LIBRARY)
    found = re.findall(r"(\d+:\d+:\d+:\d+) +(\w+) +(\d+:\d+) +active +ready +running", topology)
    assert sorted(found) == sorted((path.address, path.name, path.number) for path in truth.paths)
    assert sorted(line.split()[1] for line in paths.splitlines()[1:]) == sorted(path.name for path in truth.paths)
    assert re.search(r"(?m)^defaults \{$", config)
    assert re.search(r"multipath-tools v(\d+\.\d+\.\d+)", page)


@row(
    "infi.multipathtools fails and reinstates a path",
    RAW.format(commands='"fail path $DISK2" "reinstate path $DISK2" reconfigure', end="[10]"), changes=True,
)  # fmt: skip
def _(said: Said, _: Truth) -> None:
    assert [value.rstrip("\0").strip() for value in json.loads(said.out).values()] == ["ok", "ok", "ok"]


@row("libdmmp reads all maps from the socket", RAW.format(commands='"show maps json"', end="[0]"))
def _(said: Said, truth: Truth) -> None:
    (reply,) = json.loads(said.out).values()
    assert reply.endswith("\n\0")
    value = json.loads(reply.rstrip("\0"))
    assert value["major_version"] == 0
    assert exported(reply.rstrip("\0")) == numbers(truth)


# ---- what is stored for support

_STORED = (
    'show paths format "%w %d %t %i %o %T %c  %r %R %m %s"',
    'show maps format "%w %d %n %S"',
)


@row("sos stores paths", f"multipathd {_STORED[0]}")
@row("sos stores maps", f"multipathd {_STORED[1]}")
def _(said: Said, truth: Truth) -> None:
    assert said.status == 0
    assert all(each.wwid in said.out for each in truth.maps)


@row("sos stores the configuration", "multipathd show config; multipath -t", kernel=True)
def _(said: Said, _: Truth) -> None:
    assert said.status == 0
    assert said.out.count("defaults {") == 2


def insights_reads(text: str) -> tuple[list[str], list[str], list[str]]:
    """Names of maps, states of groups, and the lines of paths."""
    names, groups, paths = [], [], []
    for line in text.splitlines():
        if found := re.search(r"\(?([A-Za-z0-9_\s]+)\)?\s+dm-", line):
            names.append(found[1])
        if found := re.search(r"policy='(round-robin|queue-length|service-time) \d'\s+prio=(\d+)\s+status=(\w+)", line):
            groups.append(found[3])
        if found := re.search(r"(\d+:\d+:\d+:\d+)\s+(\w+)\s+(\d+:\d+)\s+(\w+)\s+(\w+)\s+(\w+)", line):
            paths.append(" ".join(found.groups()))
    return names, groups, paths


@row("insights and sos read the long list", "multipath -v4 -ll", kernel=True)
def _(said: Said, truth: Truth) -> None:
    names, groups, paths = insights_reads(said.out)
    assert {each.wwid for each in truth.maps} <= set(names)
    assert set(groups) <= {"active", "enabled"}
    expected = [f"{path.address} {path.name} {path.number} active ready running" for path in truth.paths]
    assert set(expected) <= set(paths)
