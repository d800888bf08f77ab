"""The rigs as the tests set them up, and what is true of each: names, sizes, and which paths belong together."""

from tests.real_kernel.guest import Guest

CONFIG = """defaults {
	find_multipaths no
	path_grouping_policy group_by_prio
}
"""
"""Grouping is written out because multipathd 0.9.4 does not group by priority of its own accord, and later ones do."""

DAEMON_CONFIG = CONFIG.replace("defaults {", "defaults {\n\tpolling_interval 1\n\tmax_polling_interval 4")
"""Checks are frequent, so that what only a check finds out is found soon."""

SIZE = 64 * 2048
"""Sectors of every disk of a rig, unless a test asks for others."""


def debug_name(lun: int) -> str:
    """The WWID of a scsi_debug disk by udev's scsi_id: `3` and its NAA name."""
    return f"3{0x33333330000007D0 + lun:x}"


def lio_name(disk: int) -> str:
    """The WWID of a LIO disk, which LIO makes from the unit serial that the rig gives it."""
    return f"36001405{0x5AB00000 + disk:08x}00004000800000000"


def scsi_debug(guest: Guest, *, hosts: int, luns: int) -> None:
    """Disks of scsi_debug behind several hosts."""
    guest.sh(f"rig-scsi-debug up {hosts} {luns}")


def debug_groups(numbers: dict[tuple[int, int], str], lun: int) -> list[set[str]]:
    """The groups of a scsi_debug disk by priority: its hosts are, in turn, optimized, non-optimized and standby."""
    by_state: list[set[str]] = [set(), set(), set()]
    for (host, unit), device in numbers.items():
        if unit == lun:
            by_state[host % 3].add(device)
    return [group for group in by_state if group]


def tcm_loop(guest: Guest, *, disks: int, paths: int) -> None:
    """Disks of LIO behind several hosts: the first half of the paths optimized, the rest not."""
    guest.sh(f"rig-tcm-loop up {disks} {paths}")


def md_multipath(guest: Guest, *, metadata: str, paths: int) -> list[str]:
    """An md array of level multipath, md0, over paths to LUN 0 of scsi_debug; the names of its members by their places.

    mdadm and md choose between them which path gets which place.
    """
    guest.sh(f"rig-md-multipath up {metadata} {paths}")
    slots = guest.sh("grep . /sys/block/md0/md/dev-*/slot").split()
    found = {int(line.rpartition(":")[2]): line.split("/")[5].removeprefix("dev-") for line in slots}
    return [found[slot] for slot in sorted(found)]


def lio_paths(guest: Guest, disk: int) -> list[str]:
    """The device numbers of a LIO disk in the order of its paths."""
    return [device for (_, lun), device in sorted(guest.numbers().items()) if lun == disk]


def iscsi_name(disk: int) -> str:
    """The WWID of a disk of the iSCSI target."""
    return f"36001405{0x2AB00000 + disk:08x}00004000800000000"


def iscsi(guest: Guest, *, disks: int, paths: int) -> None:
    """Disks of LIO behind several sessions of open-iscsi: the first half optimized. One more is no LUN."""
    guest.sh(f"rig-iscsi up {disks} {paths}")


def iscsi_disk(guest: Guest, *, path: int, lun: int) -> str:
    """The name of a disk by its session and its LUN."""
    port = 3259 + path
    session = f"grep -lx {port} /sys/class/iscsi_connection/connection*/persistent_port | grep -o 'connection[0-9]*'"
    found = f"ls -d /sys/class/iscsi_session/session$({session} | tr -dc 0-9)/device/target*/*:{lun}/block/sd*"
    return guest.sh(f"basename $({found})").strip()


def fc_name(disk: int) -> str:
    """The WWID of a disk of the Fibre Channel target."""
    return f"36001405{0x4AB00000 + disk:08x}00004000800000000"


def fcoe(guest: Guest, *, disks: int, paths: int) -> None:
    """Disks of LIO behind several Fibre Channel ports: the first half optimized. One more is no LUN."""
    guest.sh(f"rig-fcoe up {disks} {paths}")
