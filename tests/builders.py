"""Snapshots of hosts that never were, as big as one likes. Pure code; other tests and the benchmarks use it too."""

from dataclasses import replace

from desired.derive import derive_snapshot
from desired.model import DesiredMap
from observers.dmtable import (
    DevT,
    GroupState,
    GroupStatus,
    MultipathStatus,
    MultipathTable,
    PathStatus,
    Sectors,
)
from observers.snapshot import (
    Alua,
    Bus,
    DeviceName,
    Health,
    Hex,
    HostFacts,
    Map,
    Path,
    PathState,
    ScsiAddress,
    Snapshot,
    TextFile,
    Wwid,
)

CONFIG_FILE, BINDINGS_FILE, WWIDS_FILE = "/etc/multipath.conf", "/etc/multipath/bindings", "/etc/multipath/wwids"

EVERYTHING = "defaults {\n\tfind_multipaths greedy\n}\n"
"""A configuration under which every disk becomes a path."""

HOST = HostFacts(kernel_release="6.1.0-18-amd64", dm_version=(4, 47, 0), multipath_target=(1, 14, 0), udev_running=True)

HARDWARE = (("NETAPP", "LUN C-Mode", "9000"), ("LIO-ORG", "RAMDISK-MCP", "4.0"), ("ACME", "Disk", "1.0"))

SIZE = Sectors(20_971_520)
"""10 GiB."""


def unit_wwid(number: int) -> Wwid:
    """The WWID of logical unit `number`: NAA, IEEE registered extended."""
    return Wwid(f"36001405{number:025x}")


def designator(code_set: int, association: int, kind: int, data: bytes) -> bytes:
    """A designation descriptor of VPD page 0x83 (SPC-5 clause 7.7.6.1)."""
    return bytes([code_set, association << 4 | kind, 0, len(data)]) + data


def page83(wwid: str, *, group: int | None = None) -> Hex:
    """VPD page 0x83 of a unit with an NAA name, through a port of a target port group."""
    unit = designator(1, 0, 3, bytes.fromhex(wwid[1:]))
    port = b"" if group is None else designator(1, 1, 5, group.to_bytes(4, "big"))
    return Hex((bytes([0, 0x83]) + len(unit + port).to_bytes(2, "big") + unit + port).hex())


def disk_name(number: int) -> DeviceName:
    """The kernel's name of SCSI disk `number` (from 0): sda ... sdz, sdaa ..."""
    letters, number = "", number + 1
    while number > 0:
        number, letter = divmod(number - 1, 26)
        letters = chr(ord("a") + letter) + letters
    return DeviceName("sd" + letters)


def scsi_path(
    number: int,
    wwid: str,
    *,
    address: ScsiAddress | None = None,
    hardware: tuple[str, str, str] = HARDWARE[2],
    alua: Alua | None = None,
    state: PathState = PathState.UP,
    protocol: str = "scsi:fcp",
) -> Path:
    """SCSI disk `number`, healthy and sure of its identity unless said otherwise."""
    address = address or ScsiAddress(number % 8, 0, 0, number // 8)
    name, alua = disk_name(number), alua or Alua(tpgs=0)
    sysfs = f"/sys/devices/pci0000:00/0000:00:{0x10 + address.host:02x}.0/host{address.host}/{address}/block/{name}"
    page = page83(wwid, group=alua.group)
    return Path(
        name=name,
        dev=DevT(f"8:{number * 16}"),
        size=SIZE,
        bus=Bus.SCSI,
        protocol=protocol,
        address=address,
        vendor=hardware[0],
        product=hardware[1],
        revision=hardware[2],
        serial=wwid[9:],
        target_node_name=f"0x500a0980{address.target:08x}",
        device_state="running",
        health=Health("tur", state),
        alua=alua,
        page83_cached=page,
        page83_device=page,
        timeout=30,
        udev=udev_properties(name, number, wwid, sysfs),
        sysfs=sysfs,
    )


def udev_properties(name: str, number: int, wwid: str, sysfs: str) -> dict[str, str]:
    """About what udev's rules give a SCSI disk, in their order."""
    return {
        "DEVPATH": sysfs.removeprefix("/sys"),
        "DEVNAME": f"/dev/{name}",
        "DEVTYPE": "disk",
        "DISKSEQ": str(number),
        "MAJOR": "8",
        "MINOR": str(number * 16),
        "SUBSYSTEM": "block",
        "USEC_INITIALIZED": "148836585",
        "SCSI_TPGS": "1",
        "SCSI_TYPE": "disk",
        "ID_SCSI": "1",
        "ID_SCSI_INQUIRY": "1",
        "ID_TYPE": "disk",
        "ID_WWN_WITH_EXTENSION": f"0x{wwid[1:]}",
        "ID_WWN": f"0x{wwid[1:17]}",
        "ID_BUS": "scsi",
        "ID_SERIAL": wwid,
        "ID_SERIAL_SHORT": wwid[1:],
        "SYSTEMD_READY": "0",
    }


def san_snapshot(
    maps: int,
    paths_per_map: int,
    *,
    existing: float = 0.5,
    config: str = EVERYTHING,
    wwids: bool = True,
    state: PathState = PathState.UP,
) -> Snapshot:
    """A host with `maps` logical units and `paths_per_map` paths to each, the ALUA arrays' ones half non-optimized.

    `existing`: the part of the maps (the first ones) that are there, exactly as they should be. `wwids`: whether the
    wwids file holds all units.
    """
    paths = [
        _san_path(unit, lane, unit * paths_per_map + lane, state)
        for unit in range(maps)
        for lane in range(paths_per_map)
    ]
    known = "".join(f"/{unit_wwid(unit)}/\n" for unit in range(maps)) if wwids else ""
    bare = Snapshot(
        taken_at=1_700_000_000.0,
        host=HOST,
        config_files=(TextFile(CONFIG_FILE, config),),
        wwids=TextFile(WWIDS_FILE, known),
        paths=tuple(paths),
    )
    there = {unit_wwid(unit) for unit in range(int(maps * existing))}
    return with_maps(bare, there) if there else bare


def _san_path(unit: int, lane: int, number: int, state: PathState) -> Path:
    hardware = HARDWARE[unit % len(HARDWARE)]
    alua = Alua(tpgs=0)
    if hardware is not HARDWARE[2]:
        access = "active/non-optimized" if lane % 2 else "active/optimized"
        alua = Alua(tpgs=1, group=1 + lane % 2, access_state=access, handler="alua")
    address = ScsiAddress(lane % 16, 0, lane // 16, unit)
    return scsi_path(number, unit_wwid(unit), address=address, hardware=hardware, alua=alua, state=state)


def with_maps(snapshot: Snapshot, wwids: set[Wwid]) -> Snapshot:
    """The snapshot after the maps of these WWIDs were made as they should be."""
    desired = derive_snapshot(snapshot, resident=True)
    made = [each for each in desired.maps if each.wwid in wwids]
    return replace(snapshot, maps=tuple(made_map(each, minor) for minor, each in enumerate(made)))


def made_map(desired: DesiredMap, minor: int) -> Map:
    """A desired map as the kernel shows it after it was made."""
    table = desired.table
    return Map(
        name=desired.alias.value,
        uuid=desired.uuid,
        dev=DevT(f"254:{minor}"),
        table=table,
        status=status_of(table),
        read_only=desired.read_only,
        udev={"DM_UUID": desired.uuid, "MPATH_DEVICE_READY": "1"},
    )


def status_of(table: MultipathTable) -> MultipathStatus:
    """The status of a table that was just loaded: nothing failed, and the initial group is next."""
    groups = tuple(
        GroupStatus(
            GroupState.ACTIVE if number == table.initial_group else GroupState.ENABLED,
            (),
            tuple(PathStatus(path.dev, active=True, fail_count=0, args=("0", "1")) for path in group.paths),
        )
        for number, group in enumerate(table.groups, 1)
    )
    return MultipathStatus(
        size=table.size,
        info=("0", "0"),
        handler_info=(),
        next_group=table.initial_group,
        groups=groups,
    )
