"""The udev daemon's part: its database for disks and mapped devices, and the last rule that counts a cookie down.

In: uevents. Out: properties, as the rules of sg3-utils, device-mapper and multipath-tools on Debian 12 give them. A
disk's come from the pages that the kernel cached, not from the disk. For a mapped device that is ready the rules read
it, so that a map on which requests wait keeps udev from finishing; those of multipath maps look first whether a path is
left.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from controller.sandbox import pages
from controller.sandbox.block import BlockDevice, Io, Kind
from controller.sandbox.clock import Clock
from controller.sandbox.disks import Disk
from controller.sandbox.dm_device import MappedDevice
from controller.sandbox.mpath_target import MultipathTarget
from controller.sandbox.nvme import NamespaceDevice
from controller.sandbox.san import Tpgs
from controller.sandbox.sysfs_tree import disk_place
from controller.sandbox.uevents import Uevent
from observers.snapshot import MPATH_PREFIX

WWIDS = "/etc/multipath/wwids"

_COOKIE_BASE, _FLAGS_SHIFT = 0xFFFF, 16
_FLAG_NAMES = {
    0x0001: "DM_UDEV_DISABLE_DM_RULES_FLAG",
    0x0002: "DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG",
    0x0004: "DM_UDEV_DISABLE_DISK_RULES_FLAG",
    0x0008: "DM_UDEV_DISABLE_OTHER_RULES_FLAG",
    0x0010: "DM_UDEV_LOW_PRIORITY_FLAG",
    0x0020: "DM_UDEV_DISABLE_LIBRARY_FALLBACK_FLAG",
    0x0040: "DM_UDEV_PRIMARY_SOURCE_FLAG",
    0x0100: "DM_SUBSYSTEM_UDEV_FLAG0",
    0x0200: "DM_SUBSYSTEM_UDEV_FLAG1",
    0x0400: "DM_SUBSYSTEM_UDEV_FLAG2",
}
_RELOADED, _NO_PATHS, _NO_SCAN = "DM_SUBSYSTEM_UDEV_FLAG0", "DM_SUBSYSTEM_UDEV_FLAG2", 0x0004 | 0x0008
_NAA_KINDS = {"2": "EXT", "3": "LOCAL", "5": "REG", "6": "REGEXT"}


class Host(Protocol):
    """What udev needs of the host it runs on."""

    clock: Clock

    def disk(self, name: str) -> Disk | None:
        """A disk by its name."""

    def namespace(self, name: str) -> NamespaceDevice | None:
        """A namespace behind an NVMe controller, by its name."""

    def mapped_device(self, name: str) -> MappedDevice | None:
        """A mapped device by its name in the kernel."""

    def file_text(self, path: str) -> str:
        """A file's text; empty when there is none."""

    def udev_complete(self, base: int) -> None:
        """Count a cookie's semaphore down."""


@dataclass(slots=True)
class _Entry:
    """What the database has of a device: when it was first seen (microseconds), and its own properties."""

    initialized: int
    own: Callable[[], Mapping[str, str]]


class Udev:
    """The daemon. `running` False: nothing is handled. `delay`: seconds for one event, one after the other."""

    def __init__(self, host: Host, *, running: bool, delay: float) -> None:
        self._host, self.running, self.delay = host, running, delay
        self._entries: dict[str, _Entry] = {}
        self._queue: list[Uevent] = []
        self._working = False
        self.handled: list[tuple[Uevent, Mapping[str, str]]] = []
        """The events whose rules are done, with what the database said then: udev tells its listeners of them."""

    def receive(self, event: Uevent) -> None:
        """Take a uevent; it is handled when those before it are."""
        if self.running and event.subsystem == "block":
            self._queue.append(event)
            self._work()

    def properties(self, name: str) -> Mapping[str, str] | None:
        """What the database says of a device: the kernel's properties first; None: there is no such device."""
        disk, device = self._host.disk(name), self._host.mapped_device(name)
        namespace = self._host.namespace(name)
        if namespace is not None:
            place = namespace.place.removeprefix("/sys")
            kernel = _kernel_properties(name, namespace.dev, namespace.diskseq, devpath=place)
        elif disk is not None:
            kernel = _kernel_properties(
                disk.name, disk.dev, disk.diskseq, devpath=disk_place(disk).removeprefix("/sys")
            )
        elif device is not None and device.registered:
            kernel = _kernel_properties(device.name, device.dev, device.diskseq, devpath=device.devpath)
        else:
            return None
        entry = self._entries.get(name)
        if entry is None:
            return kernel
        return {**kernel, "USEC_INITIALIZED": str(entry.initialized), **entry.own()}

    # ---- the queue

    def _work(self) -> None:
        if self._working:
            return
        self._working = True
        if self.delay and self._queue:
            self._host.clock.after(self.delay, self._one_after_delay)
            return
        while self._queue:
            self._handle(self._queue.pop(0))
        self._working = False

    def _one_after_delay(self) -> None:
        if self._queue:
            self._handle(self._queue.pop(0))
        self._working = False
        if self._queue:
            self._work()

    def _handle(self, event: Uevent) -> None:
        name = event.name
        if event.action == "remove":
            self._entries.pop(name, None)
            self._complete(event)
            return
        disk, device = self._host.disk(name), self._host.mapped_device(name)
        if disk is not None:
            self._remember(name, self._path_rules(disk))
        if (namespace := self._host.namespace(name)) is not None:
            self._remember(name, self._namespace_rules(namespace))
        if device is not None and self._map_rules(device, event):
            device.submit(Io(Kind.READ, lambda _: self._complete(event), probe=True))
        else:
            self._complete(event)

    def _remember(self, name: str, own: Callable[[], Mapping[str, str]]) -> None:
        old = self._entries.get(name)
        self._entries[name] = _Entry(old.initialized if old else int(self._host.clock.now * 1_000_000), own)

    def _complete(self, event: Uevent) -> None:
        self.handled.append((event, self.properties(event.name) or {}))
        base = int(event.properties.get("DM_COOKIE", "0")) & _COOKIE_BASE
        if base:
            self._host.udev_complete(base)

    # ---- rules

    def _path_rules(self, disk: Disk) -> Callable[[], Mapping[str, str]]:
        who = disk.identity
        member = self._is_member(disk, _serial(who)[0])
        return lambda: _path_properties(who, member=member)

    def _namespace_rules(self, device: NamespaceDevice) -> Callable[[], Mapping[str, str]]:
        member = self._is_member(device, device.wwid)
        return lambda: _namespace_properties(device, member=member)

    def _is_member(self, device: BlockDevice, wwid: str) -> bool:
        """Whether it is a path: by the wwids file, or because a map has it."""
        listed = f"/{wwid}/" in self._host.file_text(WWIDS).split("\n")
        return listed or any(name.startswith("dm-") for name in device.holders)

    def _map_rules(self, device: MappedDevice, event: Uevent) -> bool:
        """The properties of a mapped device; whether the rules then read it."""
        env = event.properties
        if event.action == "add" and "DM_COOKIE" not in env:
            self._remember(device.name, dict)
            return False
        known = self._entries.get(device.name)
        old = dict(known.own()) if known else {}
        flags = int(env["DM_COOKIE"]) >> _FLAGS_SHIFT if "DM_COOKIE" in env else None
        new = _flags(flags, old)
        ours = device.uuid.startswith(MPATH_PREFIX)
        unchanged = ours and ("DM_ACTION" in env or _RELOADED in new)
        new["DM_ACTIVATION"] = "0" if unchanged or flags is None else "1"
        new |= {
            "DM_NAME": device.label,
            "DM_UUID": device.uuid,
            "DM_SUSPENDED": str(int(device.suspended)),
            "DM_UDEV_RULES": "1",
            "DM_UDEV_RULES_VSN": "2",
        }
        ready = not ours or _ready(device, env, new, was=old.get("MPATH_DEVICE_READY") == "1")
        if ours:
            new |= _map_properties(device.uuid.removeprefix(MPATH_PREFIX), ready=ready)
        self._remember(device.name, lambda: new)
        return ready and not (unchanged or device.suspended or (flags or 0) & _NO_SCAN)


def _kernel_properties(name: str, dev: str, diskseq: int, *, devpath: str) -> dict[str, str]:
    major, _, minor = dev.partition(":")
    return {
        "DEVPATH": devpath,
        "DEVNAME": f"/dev/{name}",
        "DEVTYPE": "disk",
        "DISKSEQ": str(diskseq),
        "MAJOR": major,
        "MINOR": minor,
        "SUBSYSTEM": "block",
    }


def _flags(flags: int | None, old: Mapping[str, str]) -> dict[str, str]:
    """The flags of a cookie; an event without one keeps those that are known."""
    if flags is None:
        return {name: old[name] for name in _FLAG_NAMES.values() if name in old and not name.startswith("DM_SUBSYSTEM")}
    return {name: "1" for bit, name in _FLAG_NAMES.items() if flags & bit}


def _ready(device: MappedDevice, env: Mapping[str, str], flags: Mapping[str, str], *, was: bool) -> bool:
    """11-dm-mpath.rules: not while it has no usable path, nor before a suspended map was ready for the first time."""
    target = device.live.targets[0] if device.live is not None and device.live.targets else None
    usable = isinstance(target, MultipathTarget) and target.valid_paths > 0
    if _NO_PATHS in flags or env.get("DM_NR_VALID_PATHS") == "0" or not usable:
        return False
    return was or not device.suspended


def _map_properties(wwid: str, *, ready: bool) -> dict[str, str]:
    common = {"MPATH_SBIN_PATH": "/sbin", "MPATH_DEVICE_READY": str(int(ready))}
    if not ready:
        return {**common, "DM_UDEV_DISABLE_OTHER_RULES_FLAG": "1"}
    return {**common, "DM_TYPE": "scsi", "DM_WWN": f"0x{wwid[1:]}", "DM_SERIAL": wwid}


# ---- disks


def _serial(who: pages.Identity) -> tuple[str, str]:
    """ID_SERIAL and ID_SERIAL_SHORT: by NAA, except a locally assigned one, for which the T10 name is taken."""
    if who.naa and not who.naa.startswith("3"):
        return f"3{who.naa}", who.naa
    text = "_".join(pages.t10_name(who).split())
    return f"1{text}", text


def _encoded(text: str, size: int) -> str:
    return text.ljust(size)[:size].replace(" ", "\\x20")


def _path_properties(who: pages.Identity, *, member: bool) -> dict[str, str]:
    vendor, model = who.vendor, who.product
    found = {"SCSI_TPGS": str(int(who.tpgs)), "SCSI_TYPE": "disk"}
    for prefix in ("SCSI", "ID"):
        found |= {
            f"{prefix}_VENDOR": vendor.replace(" ", "_"),
            f"{prefix}_VENDOR_ENC": _encoded(vendor, 8),
            f"{prefix}_MODEL": model.replace(" ", "_"),
            f"{prefix}_MODEL_ENC": _encoded(model, 16),
            f"{prefix}_REVISION": who.revision,
        }
        if prefix == "SCSI":
            found |= {"ID_SCSI": "1", "ID_SCSI_INQUIRY": "1", **_identifiers(who)}
    found |= {"ID_TYPE": "disk", **({"ID_TARGET_PORT": f"{who.group:x}"} if who.tpgs is not Tpgs.NONE else {})}
    if who.naa:
        found |= {"ID_WWN_WITH_EXTENSION": f"0x{who.naa}", "ID_WWN": f"0x{who.naa[:16]}"}
    serial, short = _serial(who)
    found |= {"ID_BUS": "scsi", "ID_SERIAL": serial, "ID_SERIAL_SHORT": short, "ID_SCSI_SERIAL": who.serial}
    return found | _membership(member=member)


def _membership(*, member: bool) -> dict[str, str]:
    if not member:
        return {"DM_MULTIPATH_DEVICE_PATH": "0"}
    found = {"ID_FS_TYPE": "mpath_member", "SYSTEMD_READY": "0", "DM_DEL_PART_NODES": "1"}
    return {"DM_MULTIPATH_DEVICE_PATH": "1", **found}


def _namespace_properties(device: NamespaceDevice, *, member: bool) -> dict[str, str]:
    """60-persistent-storage.rules of Debian 12, for whole namespaces."""
    who, number = device.controller.subsystem, device.spec.id
    found = {"ID_SERIAL_SHORT": who.serial, "ID_WWN": device.wwid, "ID_MODEL": who.model, "ID_REVISION": who.firmware}
    serial = {"ID_NSID": str(number), "ID_SERIAL": f"{who.model}_{who.serial}_{number}"}
    return {**found, **serial, **_membership(member=member)}


def _identifiers(who: pages.Identity) -> dict[str, str]:
    found = {"SCSI_IDENT_SERIAL": who.serial}
    if who.naa:
        found[f"SCSI_IDENT_LUN_NAA_{_NAA_KINDS.get(who.naa[0], 'REG')}"] = who.naa
    found["SCSI_IDENT_LUN_T10"] = "_".join(pages.t10_name(who).split())
    found["SCSI_IDENT_PORT_RELATIVE"] = str(who.relative_port)
    if who.tpgs is not Tpgs.NONE:
        found["SCSI_IDENT_PORT_TARGET_PORT_GROUP"] = f"{who.group:#x}"
    if pages.is_wwn(who.port):
        found[f"SCSI_IDENT_PORT_NAA_{_NAA_KINDS.get(who.port[0], 'REG')}"] = who.port
    else:
        found["SCSI_IDENT_TARGET_NAME"] = who.node
    return found
