"""Recorded scenarios of the reference implementation: its host as a `Snapshot`, and what it answered.

A scenario file holds a configuration, a device spec (by name, or inline), and what the program then said and did on a
faked kernel. `snapshot` presents in the observers' nouns what that kernel presented; a field that a device does not
have is what such a device has on a real kernel. `answers` reads the recorded output.
"""

import errno
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from desired.probing import probing_in
from observers.asking import Answer, Question, ScsiCommand, converse
from observers.dmtable import DevT, Sectors
from observers.prioritizers import ASKING, ask_priority
from observers.probe import Probe
from observers.snapshot import (
    Alua,
    Attribute,
    Bus,
    DeviceName,
    Health,
    Hex,
    HostFacts,
    Path,
    PathState,
    ScsiAddress,
    Snapshot,
    TextFile,
    dev_key,
)
from tests.observers.fake_host import check_condition
from tests.oracle.spec import spec_path

CONFIG, BINDINGS, WWIDS = "/etc/multipath.conf", "/etc/multipath/bindings", "/etc/multipath/wwids"

HOST = HostFacts(kernel_release="6.1.0", dm_version=(4, 48, 0), multipath_target=(1, 14, 0), udev_running=True)

PROTOCOLS = {"fc": "fcp"}

ATTRIBUTES_BEFORE = {"dev_loss_tmo": "30", "fast_io_fail_tmo": "off", "eh_deadline": "off", "max_sectors_kb": "512"}
"""What the faked kernel has in them at first."""

CHECKED = {"timeout": PathState.TIMEOUT, "up": PathState.UP, "good": PathState.UP, "transitioning": PathState.PENDING}


@dataclass(frozen=True)
class Scenario:
    """A scenario file."""

    raw: Mapping[str, Any]

    @classmethod
    def load(cls, name: str) -> "Scenario":
        return cls(json.loads(spec_path("scenarios", name).read_text()))

    @cached_property
    def spec(self) -> Mapping[str, Any]:
        inline = self.raw.get("spec_inline")
        return inline or json.loads(spec_path("scenarios", self.raw["spec"]).read_text())  # type: ignore[no-any-return]

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(each["dev"] for each in self.spec["paths"])

    @cached_property
    def snapshot(self) -> Snapshot:
        paths = [path_of(each, self.spec.get("rtpg", {})) for each in self.spec["paths"]]
        paths = [replace(path, tunables=tunables_of(path, self.answers.attributes)) for path in paths]
        snapshot = Snapshot(
            taken_at=0.0,
            host=HOST,
            config_files=(TextFile(CONFIG, self.raw["multipath_conf"]),),
            bindings=text_file(BINDINGS, self.raw.get("bindings_before")),
            wwids=text_file(WWIDS, self.raw.get("wwids_before")),
            paths=tuple(sorted(paths, key=lambda path: dev_key(path.dev))),
        )
        probing = probing_in(snapshot)
        return replace(snapshot, paths=tuple(ranked(path, probing(path)) for path in snapshot.paths))

    @cached_property
    def answers(self) -> "Answers":
        return Answers(self.raw, self.names)


def ranked(path: Path, probe: Probe | None) -> Path:
    """The path with what its prioritizer made of the device's answers, if it asks: the faked disks know no command of a
    vendor's."""
    if path.bus is not Bus.SCSI or probe is None or probe.prioritizer not in ASKING:
        return path
    dialogue = ask_priority(path, probe.prioritizer, probe.prioritizer_arguments, timeout=1.0)
    return replace(path, priority_seen=converse(dialogue, _refused))


def _refused(question: Question) -> Answer:
    if not isinstance(question, ScsiCommand):
        raise OSError(errno.EIO, "no medium behind the faked disks")
    return check_condition(5, 0x20, 0)


def tunables_of(path: Path, files: Mapping[str, str]) -> tuple[Attribute, ...]:
    """The attributes of a path, of its port and of its adapter, as they were before the reference ran."""
    mine = (file for file in files if path.sysfs.startswith(owner_of(file)))
    return tuple(Attribute(file, ATTRIBUTES_BEFORE[file.rpartition("/")[2]]) for file in mine)


def owner_of(file: str) -> str:
    """The directory of what an attribute belongs to: of a disk for `queue/NAME`, else above `CLASS/OBJECT/NAME`."""
    folder = file.rpartition("/")[0]
    return folder.removesuffix("/queue") if folder.endswith("/queue") else f"{folder.rsplit('/', 2)[0]}/"


def text_file(path: str, text: str | None) -> TextFile | None:
    return None if text is None else TextFile(path, text)


def path_of(device: Mapping[str, Any], rtpg: Mapping[str, Any]) -> Path:
    """A device of a spec as the observers would see it."""
    bus = Bus(device.get("bus") or ("nvme" if device["dev"].startswith("nvme") else "scsi"))
    scsi = bus is Bus.SCSI
    address = ScsiAddress(*device.get("hctl", (0, 0, 0, 0)))
    wwid, state = device.get("wwid", ""), device.get("state", "running" if scsi else "live")
    answers = state in ("running", "live")
    page = Hex(page83(wwid, device.get("tpg")).hex()) if scsi and wwid else None
    sysfs = sysfs_of(device, address, scsi=scsi)
    return Path(
        name=DeviceName(device["dev"]),
        dev=DevT("{}:{}".format(*device["dev_t"])),
        size=Sectors(device.get("size", 0)),
        bus=bus,
        protocol=protocol_of(device, scsi=scsi),
        address=address,
        vendor=device.get("vendor", "" if scsi else "NVME"),
        product=device.get("model", ""),
        revision=device.get("rev", ""),
        serial=device.get("serial", ""),
        target_node_name=f"0x{device['tgt_wwnn']}" if device.get("tgt_wwnn") else device.get("tgt_name", ""),
        read_only=bool(device.get("ro")),
        device_state=state,
        health=health_of(device, answers=answers),
        alua=alua_of(device, rtpg.get(wwid, {}), answers=answers) if scsi else Alua(),
        page83_cached=page,
        page83_device=page if answers else None,
        wwid_attribute=wwid if not scsi else "",
        timeout=30,
        udev=udev_of(device, wwid, sysfs, scsi=scsi),
        sysfs=sysfs,
    )


def protocol_of(device: Mapping[str, Any], *, scsi: bool) -> str:
    transport: str = device.get("transport") or "unspec"
    if ":" in transport:
        return transport
    return f"scsi:{PROTOCOLS.get(transport, transport)}" if scsi else f"nvme:{transport}"


def sysfs_of(device: Mapping[str, Any], address: ScsiAddress, *, scsi: bool) -> str:
    if not scsi:
        controller = re.sub(r"n\d+$", "", device["dev"])
        return f"/sys/devices/virtual/nvme-fabrics/ctl/{controller}/{device['dev']}"
    host, target = f"host{address.host}", f"target{address.host}:{address.channel}:{address.target}"
    port = f"/rport-{address.host}:{address.channel}-{address.target}" if device.get("transport") == "fc" else ""
    return (
        f"/sys/devices/pci0000:00/0000:00:{0x10 + address.host:02x}.0/{host}{port}/{target}/{address}"
        f"/block/{device['dev']}"
    )


def health_of(device: Mapping[str, Any], *, answers: bool) -> Health:
    if not answers:
        return Health("sysfs", PathState.DOWN)
    said = device.get("tur") or device.get("checker") or "up"
    return Health("tur", CHECKED.get(said) or PathState(said))


def alua_of(device: Mapping[str, Any], reported: Mapping[str, Any], *, answers: bool) -> Alua:
    state, preferred = reported.get(str(device.get("tpg")), (None, False)) if answers else (None, False)
    handler = device.get("dh_state") or ""
    return Alua(
        tpgs=device.get("tpgs", 0) if answers else None,
        group=device.get("tpg"),
        access_state=device.get("access_state") or "",
        preferred=bool(device.get("preferred")),
        handler="" if handler == "detached" else handler,
        reported_state=state,
        reported_preferred=bool(preferred),
    )


def udev_of(device: Mapping[str, Any], wwid: str, sysfs: str, *, scsi: bool) -> dict[str, str]:
    major, minor = device["dev_t"]
    known = {
        "DEVPATH": sysfs.removeprefix("/sys"),
        "DEVNAME": f"/dev/{device['dev']}",
        "DEVTYPE": "disk",
        "MAJOR": str(major),
        "MINOR": str(minor),
        "SUBSYSTEM": "block",
    }
    if wwid and scsi:
        known |= {"ID_SERIAL": wwid, "ID_WWN": f"0x{wwid[1:17]}"}
    elif wwid:
        known |= {"ID_WWN": wwid}
    return {**known, **device.get("udev", {})}


def page83(wwid: str, group: int | None) -> bytes:
    """VPD page 0x83 of a unit with this WWID, through a port of this target port group."""
    if re.fullmatch(r"3([0-9a-f]{16}){1,2}", wwid):
        unit = designator(1, 0, 3, bytes.fromhex(wwid[1:]))
    elif re.fullmatch(r"2([0-9a-f]{16}|[0-9a-f]{24}|[0-9a-f]{32})", wwid):
        unit = designator(1, 0, 2, bytes.fromhex(wwid[1:]))
    else:
        unit = designator(2, 0, 1, wwid[1:].encode().ljust(8))
    port = b"" if group is None else designator(1, 1, 5, group.to_bytes(4, "big"))
    return bytes([0, 0x83]) + len(unit + port).to_bytes(2, "big") + unit + port


def designator(code_set: int, association: int, kind: int, data: bytes) -> bytes:
    return bytes([code_set, association << 4 | kind, 0, len(data)]) + data


@dataclass(frozen=True)
class Created:
    """A map that was made: `flags` are those of the udev cookie."""

    name: str
    uuid: str
    table: str
    flags: int


@dataclass(frozen=True)
class Property:
    """A value in force, of a path or of a map, with the reference's word on its origin."""

    subject: str
    keyword: str
    value: str
    origin: str


_CREATE = re.compile(r"CREATE name=(\S+) uuid=(\S+) table=(.*) flags=(0x[0-9a-f]+)")
_LISTED_PATH = re.compile(r"^(?:\S+ +)?\S+:\S+ +(\S+) +\d+:\d+ +(-?\d+) ", re.MULTILINE)
_REJECTED = re.compile(r"^reject: (\S+)", re.MULTILINE)
_PROPERTY = re.compile(r"([^: ]+):? ([\w ]+?) = (.*) \(setting: (.*)\)$")


@dataclass(frozen=True)
class Answers:
    """What the reference said and did."""

    raw: Mapping[str, Any]
    names: frozenset[str]

    @cached_property
    def created(self) -> list[Created]:
        found = filter(None, map(_CREATE.match, self.raw["dm_operations"]))
        return [Created(match[1], match[2], match[3], int(match[4], 16)) for match in found]

    @cached_property
    def rejected(self) -> set[str]:
        return set(_REJECTED.findall(self.raw["stdout"]))

    @cached_property
    def bindings(self) -> list[str]:
        return entries(self.raw["bindings"])

    @cached_property
    def attributes(self) -> dict[str, str]:
        """What was in the attributes of the paths afterwards, by file."""
        return dict(self.raw.get("sysfs_after") or {})

    @cached_property
    def wwids(self) -> list[str]:
        return entries(self.raw["wwids"])

    @cached_property
    def priorities(self) -> dict[str, int]:
        return {name: int(value) for name, value in _LISTED_PATH.findall(self.raw["stdout"])}

    @cached_property
    def properties(self) -> list[Property]:
        found = filter(None, map(_PROPERTY.match, self.raw["properties"]))
        return [Property(match[1], match[2], match[3].strip('"'), match[4]) for match in found]

    def paths_logged(self, *patterns: str) -> set[str]:
        """The devices of which the log says something that matches: `NAME: ...`, or `... NAME` at the end."""
        found = set()
        for line in self.raw["log"]:
            subject = {line.partition(":")[0], line.rpartition(" ")[2]} & self.names
            if subject and any(re.search(pattern, line) for pattern in patterns):
                found |= subject
        return found

    @property
    def blacklisted(self) -> set[str]:
        return self.paths_logged(r"\bblacklisted\b", "skip USB device")

    @property
    def waiting(self) -> set[str]:
        return self.paths_logged("orphan path, only one path")

    @property
    def nameless(self) -> set[str]:
        return self.paths_logged("orphan path, no WWID")


def entries(text: str | None) -> list[str]:
    return [line for line in (text or "").splitlines() if line and not line.startswith("#")]
