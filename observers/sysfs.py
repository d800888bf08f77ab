"""Block disks that might be paths, and what sysfs knows of each.

In: a `ReadHost`, through a `Reader` that keeps the gaps. Out: `Path` values with everything but their health and what
only the device itself can say. Links are resolved first and all reading is done below /sys/devices, so that the
attributes of one path can't come from two devices that had its name one after the other. It must never open a device.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from observers.changing import changed
from observers.dmtable import DevT, Sectors
from observers.host import ReadHost
from observers.identity import page80_serial
from observers.inquiry import page83
from observers.reading import NOT_PROVIDED, VANISHED, Reader
from observers.snapshot import Alua, Bus, DeviceName, Hex, Path, ScsiAddress
from observers.transport import transport

_SYS_BLOCK = "/sys/block"

_VIRTUAL = ("/sys/devices/virtual/block/", "/sys/devices/virtual/nvme-subsystem/")
"""dm, loop, zram, md ...; and the heads of native NVMe multipath, whose paths are hidden. Fabrics controllers also live
under /sys/devices/virtual, but their namespaces are real paths."""

_BUSES = (("sd", Bus.SCSI), ("nvme", Bus.NVME), ("dasd", Bus.CCW), ("cciss", Bus.CCISS))

_DEV = re.compile(r"\d+:\d+")
_HCTL = re.compile(r"(\d+):(\d+):(\d+):(\d+)")
_NVME = re.compile(r"nvme(\d+)(?:c\d+)?n(\d+)")
_CCW = re.compile(r"([0-9a-f]+)\.([0-9a-f]+)\.([0-9a-f]{4})")
_CCISS = re.compile(r"c(\d+)d(\d+)")

_NVME_TRANSPORTS = frozenset({"pcie", "rdma", "fc", "tcp", "loop", "apple-nvme"})
"""What multipath.conf(5) knows after `nvme:`; any other is `nvme:unspec`."""

_FBA_TYPES = ("3370", "9336")
"""Device types of fixed block DASDs; all others are ECKD."""


@dataclass(frozen=True, slots=True)
class Disk:
    """A block device to look at: its name and its directory under /sys/devices."""

    name: DeviceName
    sysfs: str


def disk_names(reader: Reader) -> tuple[DeviceName, ...]:
    """The names of all whole block devices, also of those that can't be paths."""
    return tuple(DeviceName(name) for name in reader.names(_SYS_BLOCK, "list of block devices"))


def find(reader: Reader, name: DeviceName) -> Disk | None:
    """Where a disk is in sysfs; None for one that can't be a path: virtual, hidden, or gone."""
    sysfs = reader.attempt("sysfs directory", lambda: reader.host.real_path(f"{_SYS_BLOCK}/{name}"))
    if sysfs is None or sysfs.startswith(_VIRTUAL):
        return None
    hidden = reader.text(f"{sysfs}/hidden", "hidden", quiet=NOT_PROVIDED | VANISHED)
    return None if hidden == "1" else Disk(name, sysfs)


def is_hidden(reader: Reader, name: DeviceName) -> bool:
    """Whether a block device has no node, as the paths of native NVMe multipath."""
    return reader.text(f"{_SYS_BLOCK}/{name}/hidden", "hidden", quiet=NOT_PROVIDED | VANISHED) == "1"


def incarnation(reader: Reader, disk: Disk) -> tuple[str, ...] | None:
    """What differs when another device took the name: compare two to know that all between was read from one device.

    The kernel counts disks in `diskseq` since 5.15; before that a new device shows only by its place or number.
    """
    quiet = NOT_PROVIDED | VANISHED
    place = reader.attempt("sysfs directory", lambda: reader.host.real_path(f"{_SYS_BLOCK}/{disk.name}"), quiet=quiet)
    number = reader.text(f"{disk.sysfs}/dev", "device number", quiet=quiet)
    if place != disk.sysfs or number is None:
        return None
    return place, number, reader.text(f"{disk.sysfs}/diskseq", "diskseq", quiet=quiet) or ""


def observe(reader: Reader, disk: Disk) -> Path | None:
    """What sysfs knows of a disk; None, with a gap, when not even its number can be read."""
    number = reader.text(f"{disk.sysfs}/dev", "device number")
    if number is None or not _DEV.fullmatch(number):
        if number is not None:
            reader.note("device number", f"{disk.sysfs}/dev holds {number!r}, which is not MAJOR:MINOR")
        return None
    bus = next((bus for prefix, bus in _BUSES if disk.name.startswith(prefix)), Bus.UNKNOWN)
    path = Path(
        name=disk.name,
        dev=DevT(number),
        size=Sectors(reader.number(f"{disk.sysfs}/size", "size") or 0),
        bus=bus,
        read_only=reader.text(f"{disk.sysfs}/ro", "read-only flag") == "1",
        holders=holders(reader, disk.sysfs),
        sysfs=disk.sysfs,
    )
    return _BY_BUS[bus](reader, path)


def holders(reader: Reader, sysfs: str, *, quiet: frozenset[int] = frozenset()) -> tuple[DeviceName, ...]:
    """The block devices on top of the one with this directory."""
    return tuple(DeviceName(name) for name in reader.names(f"{sysfs}/holders", "holders", quiet=quiet))


def _scsi(reader: Reader, path: Path) -> Path:
    device = f"{path.sysfs}/device"
    place = transport(reader, path.sysfs)
    cached, group = _page83(reader, device)
    return replace(
        path,
        protocol=place.protocol,
        target_node_name=place.target,
        target_port_name=place.target_port,
        host_node_name=place.host_node,
        host_port_name=place.host_port,
        address=_scsi_address(reader, path.sysfs),
        vendor=reader.text(f"{device}/vendor", "vendor") or "",
        product=reader.text(f"{device}/model", "model") or "",
        revision=reader.text(f"{device}/rev", "revision") or "",
        serial=_serial(reader, device),
        device_state=reader.text(f"{device}/state", "state") or "",
        timeout=reader.number(f"{device}/timeout", "timeout"),
        alua=_alua(reader, device, group),
        page83_cached=cached,
    )


def _scsi_address(reader: Reader, sysfs: str) -> ScsiAddress | None:
    found = [match for name in sysfs.split("/") if (match := _HCTL.fullmatch(name))]
    if not found:
        reader.note("address", f"no parent named H:C:T:L in {sysfs}")
    return _address(*found[-1].groups()) if found else None


def _page83(reader: Reader, device: str) -> tuple[Hex | None, int | None]:
    """The page as the kernel read it when it scanned the device, and the target port group in it."""
    what = "VPD page 0x83 (sysfs)"
    page = reader.data(f"{device}/vpd_pg83", what, quiet=NOT_PROVIDED)
    if not page:
        return None, None
    return reader.attempt(what, lambda: page83(page)) or (None, None)


def _serial(reader: Reader, device: str) -> str:
    what = "VPD page 0x80 (sysfs)"
    page = reader.data(f"{device}/vpd_pg80", what, quiet=NOT_PROVIDED)
    return (reader.attempt(what, lambda: page80_serial(page)) or "") if page else ""


def _alua(reader: Reader, device: str, group: int | None) -> Alua:
    """The attributes are there only while a device handler is attached; `detached` says that none is."""

    def optional(name: str) -> str:
        return reader.text(f"{device}/{name}", name, quiet=NOT_PROVIDED) or ""

    handler = optional("dh_state")
    return Alua(
        group=group,
        access_state=optional("access_state"),
        preferred=optional("preferred_path") == "1",
        handler="" if handler == "detached" else handler,
    )


def resample(host: ReadHost, path: Path) -> Path:
    """The path with what of its attributes changes by itself while it is the same device: its state, and the access
    state that the kernel's device handler learnt of. What can't be read stays as it was."""
    reader = Reader(host, path.name)
    device = f"{path.sysfs}/device"
    state = reader.text(f"{device}/state", "state")
    path = path if state in (None, path.device_state) else replace(path, device_state=state or "")
    if path.bus is not Bus.SCSI or not path.alua.handler:
        return path
    access = reader.text(f"{device}/access_state", "access_state")
    preferred = reader.text(f"{device}/preferred_path", "preferred_path")
    alua = changed(
        path.alua,
        access_state=path.alua.access_state if access is None else access,
        preferred=path.alua.preferred if preferred is None else preferred == "1",
    )
    return changed(path, alua=alua)


def _nvme(reader: Reader, path: Path) -> Path:
    """Vendor and product as hardware table entries name NVMe devices; the namespace's parent is its controller."""
    controller = f"{path.sysfs}/device"
    kind = reader.text(f"{controller}/transport", "transport")
    return replace(
        path,
        protocol=f"nvme:{kind}" if kind in _NVME_TRANSPORTS else "nvme:unspec",
        address=_nvme_address(reader, path),
        vendor="NVME",
        product=reader.text(f"{controller}/model", "model") or "",
        revision=reader.text(f"{controller}/firmware_rev", "firmware revision") or "",
        serial=reader.text(f"{controller}/serial", "serial number") or "",
        device_state=reader.text(f"{controller}/state", "state") or "",
        wwid_attribute=reader.text(f"{path.sysfs}/wwid", "wwid") or "",
    )


def _nvme_address(reader: Reader, path: Path) -> ScsiAddress | None:
    """Instance, controller id, the name's number and namespace id stand for host, channel, target and LUN."""
    match = _NVME.fullmatch(path.name)
    if match is None:
        return None
    channel = reader.number(f"{path.sysfs}/device/cntlid", "controller id", quiet=NOT_PROVIDED)
    namespace = reader.number(f"{path.sysfs}/nsid", "namespace id", quiet=NOT_PROVIDED)
    return _address(match[1], channel or 0, match[2], namespace or 0)


def _ccw(reader: Reader, path: Path) -> Path:
    """A DASD: its bus id stands for the address, and its unique id (vendor, serial number ...) for a WWID."""
    found = [match for name in path.sysfs.split("/") if (match := _CCW.fullmatch(name))]
    kind = reader.text(f"{path.sysfs}/device/devtype", "device type")
    return replace(
        path,
        protocol="ccw",
        address=_address(int(found[-1][1], 16), int(found[-1][2], 16), int(found[-1][3], 16), 0) if found else None,
        vendor="IBM",
        product="" if kind is None else f"S/390 DASD {'FBA' if kind.startswith(_FBA_TYPES) else 'ECKD'}",
        wwid_attribute=reader.text(f"{path.sysfs}/device/uid", "unique id", quiet=NOT_PROVIDED) or "",
    )


def _cciss(reader: Reader, path: Path) -> Path:
    device = f"{path.sysfs}/device"
    match = _CCISS.search(path.name)
    return replace(
        path,
        protocol="cciss",
        address=_address(match[1], 0, match[2], 0) if match else None,
        vendor=reader.text(f"{device}/vendor", "vendor") or "",
        product=reader.text(f"{device}/model", "model") or "",
        revision=reader.text(f"{device}/rev", "revision") or "",
    )


def _other(_reader: Reader, path: Path) -> Path:
    return path


def _address(host: str | int, channel: str | int, target: str | int, lun: str | int) -> ScsiAddress:
    return ScsiAddress(int(host), int(channel), int(target), int(lun))


_BY_BUS: dict[Bus, Callable[[Reader, Path], Path]] = {
    Bus.SCSI: _scsi,
    Bus.NVME: _nvme,
    Bus.CCW: _ccw,
    Bus.CCISS: _cciss,
    Bus.UNKNOWN: _other,
}
