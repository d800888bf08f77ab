"""What tells that something happened: uevents of the kernel and of udev, and announcements of SCSI transports.

In: netlink sockets. Out: values, a bounded number at a time, and `Overrun` when some were lost, which means that
everything has to be looked at again. Only the kernel and root are believed. An event says where to look and nothing
else; a source must never wait, decide, or raise for what somebody sent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from observers.kernel.netlink import (
    NETLINK_ISCSI,
    NETLINK_KOBJECT_UEVENT,
    NETLINK_SCSITRANSPORT,
    Datagram,
    Lost,
    NetlinkSocket,
    Receiver,
)
from observers.kernel.transport_event import TransportEvent, parse_fc, parse_iscsi
from observers.kernel.uevent import Sender, Uevent, parse

_MOST_AT_ONCE = 512
"""Datagrams read in one go, so that a flood of them leaves time for everything else."""

_ISCSI_GROUP = 1 << 0  # ISCSI_NL_GRP_ISCSID is group number 1
_FC_GROUP = 1 << 3  # SCSI_NL_GRP_FC_EVENTS is used as the group number 4
_ROOT = 0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Overrun:
    """Events were lost: look at everything again."""


class NetlinkSource(Generic[T]):
    """Events from one socket. `believed`: whether a datagram's sender is; `parsed`: what a datagram says."""

    def __init__(
        self, receiver: Receiver, *, believed: Callable[[Datagram], bool], parsed: Callable[[bytes], tuple[T, ...]]
    ) -> None:
        self._receiver, self._believed, self._parsed = receiver, believed, parsed

    def fileno(self) -> int:
        """Readable when `read` would bring something."""
        return self._receiver.fileno()

    def read(self) -> list[T | Overrun]:
        """The events that are there, in their order; at most some hundreds, so what is left makes it readable again."""
        found: list[T | Overrun] = []
        for _ in range(_MOST_AT_ONCE):
            try:
                datagram = self._receiver.receive()
            except Lost:
                found.append(Overrun())
                continue
            if datagram is None:
                break
            if self._believed(datagram):
                found += self._parsed(datagram.data)
        return found

    def close(self) -> None:
        """Listen no more."""
        self._receiver.close()


def uevents(sender: Sender, receiver: Receiver | None = None) -> NetlinkSource[Uevent]:
    """Uevents as the kernel sends them, or as udev does when its rules are done."""

    def parsed(data: bytes) -> tuple[Uevent, ...]:
        event = parse(data, sender)
        return () if event is None else (event,)

    believed = from_kernel if sender is Sender.KERNEL else from_udev
    return NetlinkSource(receiver or NetlinkSocket(NETLINK_KOBJECT_UEVENT, sender), believed=believed, parsed=parsed)


def iscsi_events(receiver: Receiver | None = None) -> NetlinkSource[TransportEvent]:
    """What iSCSI sessions announce. `OSError` EPROTONOSUPPORT: the kernel has no iSCSI loaded."""
    return NetlinkSource(
        receiver or NetlinkSocket(NETLINK_ISCSI, _ISCSI_GROUP), believed=from_kernel, parsed=parse_iscsi
    )


def fc_events(receiver: Receiver | None = None) -> NetlinkSource[TransportEvent]:
    """What Fibre Channel hosts announce. `OSError` EPROTONOSUPPORT: the kernel has no SCSI transports."""
    return NetlinkSource(
        receiver or NetlinkSocket(NETLINK_SCSITRANSPORT, _FC_GROUP), believed=from_kernel, parsed=parse_fc
    )


def from_kernel(datagram: Datagram) -> bool:
    """Whether the kernel sent it to all: no process has port 0."""
    return datagram.port == 0 and datagram.groups != 0 and datagram.pid == 0


def from_udev(datagram: Datagram) -> bool:
    """Whether a process of root sent it to all."""
    return datagram.groups == Sender.UDEV and datagram.port != 0 and datagram.uid == _ROOT
