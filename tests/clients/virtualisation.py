"""Rows of what manages virtual machines and their volumes."""

import re

from tests.clients.rows import Said, TrueMap, Truth, row
from tests.clients.storage_drivers import no_failure_in_it, well

ACTIONS = ("unchanged:", "reject:", "reload:", "switchpg:", "rename:", "create:", "resize:")


# ---- OpenStack os-brick


@row("os-brick sees that the daemon is up", "multipathd show status")
def _(said: Said, _: Truth) -> None:
    assert said.status == 0
    assert not said.out.startswith("error receiving packet")


def os_brick_reads(text: str) -> tuple[str, str, list[tuple[str, str]]]:
    """Name and WWID of a map, address and name of each path."""
    lines = [line for line in text.splitlines() if not re.match(r"\w{3} \d+ \d\d:\d\d:\d\d \|.*$", line)]
    first = lines[0].split(" ")
    name = first[1] if first[0] in ACTIONS else first[0]
    found = re.search(r"\((?P<wwid>.+)\)", lines[0])
    devices = []
    for line in lines[3:]:
        if "policy" not in line:
            address, device = line.lstrip(" |-`").split(" ")[:2]
            devices.append((address, device))
    return name, found["wwid"] if found else "", devices


def as_os_brick_reads(live: TrueMap) -> tuple[str, str, list[tuple[str, str]]]:
    """What it should find."""
    return live.name, live.wwid, sorted((path.address, path.name) for path in live.paths)


@row("os-brick reads a map in the list of a path's", 'multipath -l "/dev/$DISK"', kernel=True)
@row("os-brick reads a map in the daemon's topology", 'multipathd show map "$MAP" topology')
def _(said: Said, truth: Truth) -> None:
    name, wwid, devices = os_brick_reads(said.out)
    assert (name, wwid, sorted(devices)) == as_os_brick_reads(truth.seen)


@row("os-brick adds a WWID", 'multipath -a "$WWID"', kernel=True, changes=True)
def _(said: Said, truth: Truth) -> None:
    assert said.out.strip() == f"wwid '{truth.seen.wwid}' added"


@row("os-brick adds a path", 'multipathd add path "/dev/$DISK2"', changes=True)
@row("os-brick removes a path", 'multipathd del path "/dev/$DISK2"', changes=True)
def _(said: Said, _: Truth) -> None:
    assert said.out.strip() == "ok"


@row("os-brick splits the names of paths at blanks", 'multipathd show paths raw format "%d"')
def _(said: Said, truth: Truth) -> None:
    assert sorted(said.out.split()) == sorted(path.name for path in truth.paths)


row("os-brick and harvester see that a map has a path", 'multipath -C "$DM"', kernel=True)(well)
row("os-brick resizes a map by its device", 'multipathd resize map "/dev/$DM2"', changes=True)(no_failure_in_it)
row("os-brick has the configuration read again", "multipathd reconfigure", changes=True)(no_failure_in_it)


@row("os-brick has everything reloaded", "multipath -r", kernel=True, changes=True)
def _(said: Said, _: Truth) -> None:
    assert said.status in (0, 1, 21)


@row(
    "os-brick removes a map and waits until the kernel has it no more", 'multipathd del map "$MAP3"', kernel=True,
    changes=True, before='node "$MAP3" > /tmp/removed',
    after='until_so eval \'! cat "/sys/block/$(cat /tmp/removed)/dm/name"\' && echo vanished\nmade_again',
)  # fmt: skip
def _(said: Said, _: Truth) -> None:
    assert (said.out, said.after.splitlines()[0]) == ("ok\n", "vanished"), said


# ---- oVirt's vdsm


@row("vdsm finds the daemon at rest, twice in a row", "multipathd show status; multipathd show status")
def _(said: Said, _: Truth) -> None:
    assert said.out.lower().count("busy: false") == 2


row(
    "vdsm resizes a map that has grown", 'multipathd resize map "$MAP2"', kernel=True, changes=True,
    before="rig-tcm-loop grow 2 96", after='udevadm settle; blockdev --getsize64 "/dev/mapper/$MAP2"',
)(lambda said, _: _grown(said))  # fmt: skip


def _grown(said: Said) -> None:
    assert (said.status, said.out) == (0, "ok\n")
    assert said.after.strip() == str(96 << 20), said


@row("vdsm reads the sections of the local configuration", "multipathd show config local")
def _(said: Said, _: Truth) -> None:
    depth, sections = 0, set()
    for line in said.lines:
        text = line.strip()
        if text.endswith("{"):
            sections.add(text.split()[0])
            depth += 1
        elif text == "}":
            depth -= 1
        else:
            key, value = text.split(" ", 1)
            assert key
            assert value
    assert depth == 0
    assert {"defaults", "blacklist", "blacklist_exceptions", "devices", "overrides", "multipaths"} <= sections


@row("vdsm reads the states of paths from device-mapper", "dmsetup status --target multipath", kernel=True)
def _(said: Said, truth: Truth) -> None:
    for each in truth.maps:
        (line,) = (line for line in said.lines if line.startswith(f"{each.name}: "))
        assert set(re.findall(r"(\d+:\d+) A \d+", line)) == {path.number for path in each.paths}


# ---- XenServer's storage manager, by the interactive client

PROMPT = re.compile(r"multipathd>(\s*[^:]*:)?\s+(.*)")


def told(command: str) -> str:
    """A command on the standard input."""
    return f"printf '%s\\n' \"{command}\" | multipathd -k"


@row("XenServer finds a word in the help", told("help"))
def _(said: Said, _: Truth) -> None:
    assert "switchgroup" in said.out


@row("XenServer finds the paths of a map in its topology", told("show map $MAP topology"))
def _(said: Said, truth: Truth) -> None:
    found = re.findall(r"[0-9]+:[0-9]+:[0-9]+:[0-9]+\s*([a-z]*)", said.out)
    assert sorted(found) == truth.seen.disks


@row("XenServer lists maps", told("list maps"))
def _(said: Said, truth: Truth) -> None:
    first = PROMPT.fullmatch(said.lines[0])
    assert first
    fields = [line.split() for line in said.lines[1:-1]]
    assert sorted(each[2] for each in fields) == sorted(each.wwid for each in truth.maps)


@row("XenServer adds a path", told("add path $DISK2"), changes=True)
@row("XenServer removes a path", told("remove path $DISK2"), changes=True)
@row("XenServer resizes a map", told("resize map $MAP2"), changes=True)
@row("XenServer has the configuration read again", told("reconfigure"), changes=True)
@row("XenServer removes a map", told("remove map $MAP3"), kernel=True, changes=True, after="made_again")
def _(said: Said, _: Truth) -> None:
    assert said.out == "multipathd> ok\nmultipathd> "
    prompt = PROMPT.fullmatch(said.lines[0])
    assert prompt
    assert prompt[2] == "ok"


row("XenServer asks at boot whether a disk is a path", 'multipath -c "/dev/$DISK"', kernel=True)(well)


@row("harvester asks whether a disk is a path", 'multipath -u "/dev/$DISK"', kernel=True)
def _(said: Said, _: Truth) -> None:
    assert "0" not in said.out
    assert said.out == 'DM_MULTIPATH_DEVICE_PATH="1"\n'
