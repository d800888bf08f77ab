"""Where everything is in sysfs: adapters, remote ports, disks, mapped devices, and the links to them from /sys/class.

In: the objects of a sandbox as they come and go. Out: nodes in a `Tree`. Layouts are those of Linux 6.1 for Fibre
Channel, iSCSI, SAS, ATA and scsi_debug ("pseudo") hosts. A directory's attributes are made when they are looked at.
"""

from collections.abc import Callable, Mapping

from controller.sandbox import tunables
from controller.sandbox.disk_attributes import DiskActions, Seat, device_directory, links, synthetic_action
from controller.sandbox.disks import Disk, Remote
from controller.sandbox.dm_device import MappedDevice
from controller.sandbox.san import Adapter, Transport
from controller.sandbox.vfs import Attribute, Link, Node, Tree, View

Rows = Mapping[str, Callable[[], Node]]


def host_place(adapter: Adapter) -> str:
    """The directory of an adapter's SCSI host."""
    number = adapter.host
    parents = {
        Transport.FC: f"pci0000:00/0000:00:{number + 2:02x}.0",
        Transport.ISCSI: "platform",
        Transport.SAS: f"pci0000:00/0000:00:{number + 2:02x}.0",
        Transport.ATA: f"pci0000:00/0000:00:1f.2/ata{number + 1}",
        Transport.PSEUDO: f"pseudo_0/adapter{number}",
    }
    return f"/sys/devices/{parents[adapter.transport]}/host{number}"


def target_place(remote: Remote) -> str:
    """The directory of a SCSI target."""
    return f"{_remote_place(remote)}/target{remote.adapter.host}:0:{remote.target}"


def _remote_place(remote: Remote) -> str:
    """The directory of what a transport has between host and target; the host's where it has nothing."""
    phy = f"/port-{remote.adapter.host}:{remote.target}" if remote.adapter.transport is Transport.SAS else ""
    own = f"/{remote.key}" if remote.key else ""
    return f"{host_place(remote.adapter)}{phy}{own}"


def device_place(disk: Disk) -> str:
    """The directory of a disk's SCSI device."""
    return f"{target_place(disk.remote)}/{disk.address}"


def disk_place(disk: Disk) -> str:
    """The directory of a disk."""
    return f"{device_place(disk)}/block/{disk.name}"


def _text(value: Callable[[], str]) -> Callable[[], Node]:
    return lambda: Attribute(lambda: f"{value()}\n".encode())


def _texts(**values: str) -> dict[str, Callable[[], Node]]:
    return {name: _text(lambda text=text: text) for name, text in values.items()}  # type: ignore[misc]


def _class_device(tree: Tree, subsystem: str, parent: str, *, name: str, rows: Rows) -> None:
    """A class device below its parent, and the link to it."""
    place = f"{parent}/{subsystem}/{name}"
    own: Rows = {"device": lambda: Link(parent), "subsystem": lambda: Link(f"/sys/class/{subsystem}")}
    tree.put(place, View(lambda: {**rows, **own}))
    tree.put(f"/sys/class/{subsystem}/{name}", Link(place))


# ---- adapters and what they see


def add_host(tree: Tree, adapter: Adapter, scan: Callable[[bytes], None]) -> None:
    """A SCSI host; `scan`: what a write to its attribute does."""
    place, name = host_place(adapter), f"host{adapter.host}"
    drivers = {
        Transport.FC: "lpfc",
        Transport.ISCSI: "iscsi_tcp",
        Transport.SAS: "mpt3sas",
        Transport.ATA: "ahci",
        Transport.PSEUDO: "scsi_debug",
    }
    rows = _texts(proc_name=drivers[adapter.transport], state="running", unique_id=str(adapter.host), can_queue="1024")
    values: dict[str, int] = {}
    more: Rows = {
        "scan": lambda: Attribute(None, scan),
        "eh_deadline": lambda: tunables.eh_deadline(values, own_error_handling=adapter.transport is Transport.ATA),
    }
    _class_device(tree, "scsi_host", place, name=name, rows={**rows, **more})
    if adapter.transport is Transport.FC:
        ports = _texts(node_name=f"0x{adapter.port}", port_name=f"0x{adapter.port}", port_type="NPort", speed="16 Gbit")
        _class_device(tree, "fc_host", place, name=name, rows={**ports, **_texts(port_state="Online")})
    if adapter.transport is Transport.ISCSI:
        _class_device(tree, "iscsi_host", place, name=name, rows=_texts(initiatorname=adapter.port))
    tree.put(f"/sys/bus/scsi/devices/{name}", Link(place))


def add_remote(tree: Tree, remote: Remote) -> None:
    """A target port, as its transport shows it."""
    kinds = {Transport.FC: _add_rport, Transport.ISCSI: _add_session, Transport.SAS: _add_end_device}
    kinds.get(remote.adapter.transport, _add_nothing)(tree, remote)


def remove_remote(tree: Tree, remote: Remote) -> None:
    """An FC remote port that is lost: its class device goes with its disks."""
    if remote.adapter.transport is Transport.FC:
        tree.remove(f"/sys/class/fc_remote_ports/{remote.key}")
        tree.remove(f"{host_place(remote.adapter)}/{remote.key}")


def _add_nothing(_tree: Tree, _remote: Remote) -> None:
    """ATA and pseudo hosts have no objects of their own between host and target."""


def _add_rport(tree: Tree, remote: Remote) -> None:
    parent = f"{host_place(remote.adapter)}/{remote.key}"
    names = _texts(node_name=f"0x{remote.array.spec.node}", port_name=f"0x{remote.ref.port}")
    port = f"0x01{remote.adapter.host & 0xFF:02x}{remote.target & 0xFF:02x}"
    rows: Rows = {
        **names,
        **_texts(port_id=port, roles="FCP Target", scsi_target_id=str(remote.target)),
        "port_state": _text(lambda: remote.state),
        "fast_io_fail_tmo": lambda: tunables.fast_io_fail(remote),
        "dev_loss_tmo": lambda: tunables.dev_loss(remote),
    }
    _class_device(tree, "fc_remote_ports", parent, name=remote.key, rows=rows)
    target = f"target{remote.adapter.host}:0:{remote.target}"
    _class_device(tree, "fc_transport", f"{parent}/{target}", name=target, rows={**names, **_texts(port_id=port)})
    tree.put(f"/sys/bus/scsi/devices/{target}", Link(f"{parent}/{target}"))


def _add_session(tree: Tree, remote: Remote) -> None:
    parent = f"{host_place(remote.adapter)}/{remote.key}"
    address, _, rest = remote.ref.port.partition(":")
    port, _, group = rest.partition(",")
    rows: Rows = {
        **_texts(targetname=remote.array.spec.node, initiatorname=remote.adapter.port, tpgt=group or "1"),
        "state": _text(lambda: remote.state),
        "recovery_tmo": lambda: tunables.recovery(remote),
    }
    _class_device(tree, "iscsi_session", parent, name=remote.key, rows=rows)
    connection = f"connection{remote.key.removeprefix('session')}:0"
    ends = _texts(address=address, persistent_address=address, port=port or "3260", persistent_port=port or "3260")
    _class_device(tree, "iscsi_connection", f"{parent}/{connection}", name=connection, rows=ends)


def _add_end_device(tree: Tree, remote: Remote) -> None:
    parent = _remote_place(remote)
    address = _texts(sas_address=f"0x{remote.ref.port}", device_type="end device")
    _class_device(tree, "sas_device", parent, name=remote.key, rows=address)
    timers: Rows = {"I_T_nexus_loss_timeout": tunables.nexus_loss}
    _class_device(tree, "sas_end_device", parent, name=remote.key, rows=timers)


# ---- disks and mapped devices


def add_disk(tree: Tree, disk: Disk, actions: DiskActions) -> None:
    """A disk with its SCSI device."""
    place, block = device_place(disk), disk_place(disk)
    tree.put(place, device_directory(Seat(disk, place, actions)))
    for path, target in _disk_links(disk, place, block):
        tree.put(path, Link(target))


def remove_disk(tree: Tree, disk: Disk) -> None:
    """A disk that was deleted."""
    place = device_place(disk)
    for path, _ in _disk_links(disk, place, disk_place(disk)):
        tree.remove(path)
    tree.remove(place)


def _disk_links(disk: Disk, place: str, block: str) -> list[tuple[str, str]]:
    address = str(disk.address)
    return [
        (f"/sys/block/{disk.name}", block),
        (f"/sys/class/block/{disk.name}", block),
        (f"/sys/dev/block/{disk.dev}", block),
        (f"/sys/bus/scsi/devices/{address}", place),
        (f"/sys/class/scsi_device/{address}", f"{place}/scsi_device/{address}"),
        (f"/sys/class/scsi_disk/{address}", f"{place}/scsi_disk/{address}"),
    ]


def add_mapped_device(tree: Tree, device: MappedDevice, uevent: Callable[[str], None]) -> None:
    """A mapped device, once it has a disk; `uevent`: sends one of that action."""
    place = f"/sys{device.devpath}"
    tree.put(place, View(lambda: _dm_rows(device, uevent)))
    for path in _dm_links(device):
        tree.put(path, Link(place))


def remove_mapped_device(tree: Tree, device: MappedDevice) -> None:
    """A mapped device that was removed."""
    for path in _dm_links(device):
        tree.remove(path)
    tree.remove(f"/sys{device.devpath}")


def _dm_links(device: MappedDevice) -> tuple[str, ...]:
    return f"/sys/block/{device.name}", f"/sys/class/block/{device.name}", f"/sys/dev/block/{device.dev}"


def _dm_rows(device: MappedDevice, uevent: Callable[[str], None]) -> Rows:
    major, _, minor = device.dev.partition(":")
    own = f"MAJOR={major}\nMINOR={minor}\nDEVNAME={device.name}\nDEVTYPE=disk\nDISKSEQ={device.diskseq}"
    return {
        **_texts(dev=device.dev, diskseq=str(device.diskseq), hidden="0", removable="0", range="1", ext_range="1"),
        "size": _text(lambda: str(device.sectors)),
        "ro": _text(lambda: str(int(device.read_only))),
        "uevent": lambda: Attribute(lambda: f"{own}\n".encode(), lambda data: uevent(synthetic_action(data))),
        "subsystem": lambda: Link("/sys/class/block"),
        "holders": lambda: links(device.holders),
        "slaves": lambda: links(tuple(below.name for below in device.slaves)),
        "dm": lambda: View(lambda: _dm_identity(device)),
        "queue": lambda: View(lambda: _texts(logical_block_size="512", max_sectors_kb="1280", rotational="0")),
    }


def _dm_identity(device: MappedDevice) -> Rows:
    return {
        "name": _text(lambda: device.label),
        "uuid": _text(lambda: device.uuid),
        "suspended": _text(lambda: str(int(device.suspended))),
    }
