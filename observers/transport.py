"""How a SCSI disk is reached: its protocol and the name of the target, from its place in sysfs.

In: a `Reader` and the disk's directory under /sys/devices, whose parents are the transport's own objects. Out: the
protocol by its name in multipath.conf(5), and the target's node name. It must never open the device.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from observers.reading import NOT_PROVIDED, Reader


class Transport(NamedTuple):
    """`protocol`: such as `scsi:fcp`. `target`: node name, iSCSI name, SAS address ...; empty where there is none.

    `target_port`, `host_node`, `host_port`: world wide names, of Fibre Channel only.
    """

    protocol: str
    target: str = ""
    target_port: str = ""
    host_node: str = ""
    host_port: str = ""


class _Rule(NamedTuple):
    """A transport shows itself by the name of one of the disk's parents."""

    protocol: str
    parent: re.Pattern[str]
    target: Callable[[Reader, str, str], str]
    """Given the disk's directory and the parent's name."""


def _fibre_channel(reader: Reader, _sysfs: str, parent: str) -> str:
    return reader.text(f"/sys/class/fc_remote_ports/{parent}/node_name", "target node name") or ""


def _fibre_channel_ports(reader: Reader, parent: str) -> dict[str, str]:
    """The names of the ports at both ends, of the remote port with this name."""

    def name(place: str, attribute: str) -> str:
        return reader.text(f"/sys/class/{place}/{attribute}", attribute, quiet=NOT_PROVIDED) or ""

    host = f"fc_host/host{parent.removeprefix('rport-').partition(':')[0]}"
    return {
        "target_port": name(f"fc_remote_ports/{parent}", "port_name"),
        "host_node": name(host, "node_name"),
        "host_port": name(host, "port_name"),
    }


def _iscsi(reader: Reader, _sysfs: str, parent: str) -> str:
    return reader.text(f"/sys/class/iscsi_session/{parent}/targetname", "target name") or ""


def _sas(reader: Reader, sysfs: str, parent: str) -> str:
    """The disk's own address where the driver shows it (mpt3sas, hpsa), else that of its end device."""
    own = reader.text(f"{sysfs}/device/sas_address", "SAS address", quiet=NOT_PROVIDED)
    return own or reader.text(f"/sys/class/sas_device/{parent}/sas_address", "SAS address") or ""


def _ata(_reader: Reader, _sysfs: str, parent: str) -> str:
    return f"ata-{parent.removeprefix('ata')}.00"


def _own_name(_reader: Reader, _sysfs: str, parent: str) -> str:
    return parent


_RULES = (
    _Rule("scsi:sas", re.compile(r"end_device-\d+:\d+(:\d+)?"), _sas),
    _Rule("scsi:usb", re.compile(r"\d+-\d+(\.\d+)*:\d+\.\d+"), _own_name),
    _Rule("scsi:fcp", re.compile(r"rport-\d+:\d+-\d+"), _fibre_channel),
    _Rule("scsi:iscsi", re.compile(r"session\d+"), _iscsi),
    _Rule("scsi:ata", re.compile(r"ata\d+"), _ata),
)
"""In this order: a SATA disk behind a SAS expander is a SAS path."""

UNKNOWN = Transport("scsi:unspec")


def transport(reader: Reader, sysfs: str) -> Transport:
    """The transport of a SCSI disk; `scsi:unspec` when none of its parents names one (scsi_debug, most virtual disks).

    SRP and parallel SCSI have no parent that does: they are `scsi:unspec` for multipathd as well, and rules by protocol
    must mean the same to both.
    """
    parents = sysfs.split("/")
    for rule in _RULES:
        for parent in reversed(parents):
            if rule.parent.fullmatch(parent):
                found = Transport(rule.protocol, rule.target(reader, sysfs, parent))
                ports = _fibre_channel_ports(reader, parent) if rule.target is _fibre_channel else {}
                return found._replace(**ports)
    return UNKNOWN
