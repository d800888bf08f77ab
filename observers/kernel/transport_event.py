"""What iSCSI sessions and Fibre Channel hosts announce by netlink <-> values.

In: one datagram. Out: the `TransportEvent`s in it, which only say where to look now; bytes that are none say nothing.
The sources are scsi/iscsi_if.h (`struct iscsi_uevent`), scsi/scsi_netlink.h and scsi/scsi_netlink_fc.h. Pure; must
never raise, nor believe a length.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

_NL_HEADER = struct.Struct("=IHHII")
_NL_ALIGN = 4

_ISCSI = struct.Struct("@IIQ24xIII")
"""Type, error, transport handle, what is sent down (24 bytes where pointers have 8), and three numbers sent up."""

_SCSI_TRANSPORT_MSG = 17
_FC = struct.Struct("@BBHHHQQHHIII")
_SCSI_NL_VERSION, _SCSI_NL_TRANSPORT_FC, _SCSI_NL_MAGIC, _FC_NL_ASYNC_EVENT = 1, 1, 0xA1B2, 0x0100


class Transport(StrEnum):
    """Who announces."""

    ISCSI = "iscsi"
    FC = "fc"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportEvent:
    """Something happened to a session or a host. `host`: the SCSI host's number; `session`: the iSCSI session's; None:
    it was not said. `kind`: in the kernel's words, such as `connection error`, `link down`."""

    transport: Transport
    host: int | None = None
    session: int | None = None
    kind: str


# By the event's number: its name, and which of its three numbers are the host and the session.
_ISCSI_EVENTS: dict[int, tuple[str, int | None, int | None]] = {
    102: ("connection error", None, 0),
    104: ("session destroyed", 0, 1),
    105: ("session unbound", 1, 0),
    106: ("session created", 1, 0),
    108: ("interface down", 0, None),
    109: ("connection login state", None, 0),
    110: ("host event", 0, None),
}

_FC_EVENTS = {
    0x1: "loop initialized",
    0x2: "link up",
    0x3: "link down",
    0x4: "loop reset",
    0x5: "state change notification",
    0x103: "adapter changed",
    0x200: "port unknown",
    0x201: "port offline",
    0x202: "port online",
    0x204: "port in fabric",
    0x500: "link unknown",
    0x501: "fabric performance notification",
    0xFFFF: "vendor unique",
}


def parse_iscsi(datagram: bytes) -> tuple[TransportEvent, ...]:
    """The events of NETLINK_ISCSI; what asks the daemon of iSCSI for something is none."""
    found = []
    for _, payload in _messages(datagram):
        if len(payload) >= _ISCSI.size:
            kind, _, _, *numbers = _ISCSI.unpack_from(payload)
            known = _ISCSI_EVENTS.get(kind)
            if known is not None:
                name, host, session = known
                found.append(
                    TransportEvent(
                        transport=Transport.ISCSI,
                        kind=name,
                        host=None if host is None else numbers[host],
                        session=None if session is None else numbers[session],
                    )
                )
    return tuple(found)


def parse_fc(datagram: bytes) -> tuple[TransportEvent, ...]:
    """The events of NETLINK_SCSITRANSPORT that Fibre Channel hosts sent."""
    found = []
    for kind, payload in _messages(datagram):
        if kind == _SCSI_TRANSPORT_MSG and len(payload) >= _FC.size:
            version, transport, magic, message, _, _, _, host, _, _, code, _ = _FC.unpack_from(payload)
            if (version, transport, magic, message) == (
                _SCSI_NL_VERSION,
                _SCSI_NL_TRANSPORT_FC,
                _SCSI_NL_MAGIC,
                _FC_NL_ASYNC_EVENT,
            ):
                name = _FC_EVENTS.get(code, f"event {code:#x}")
                found.append(TransportEvent(transport=Transport.FC, host=host, kind=name))
    return tuple(found)


def pack_iscsi(kind: int, numbers: tuple[int, int, int]) -> bytes:
    """A datagram with one event of iSCSI."""
    return _message(0, _ISCSI.pack(kind, 0, 0, *numbers))


def pack_fc(host: int, code: int) -> bytes:
    """A datagram with one event of a Fibre Channel host."""
    head = (_SCSI_NL_VERSION, _SCSI_NL_TRANSPORT_FC, _SCSI_NL_MAGIC, _FC_NL_ASYNC_EVENT, _FC.size)
    return _message(_SCSI_TRANSPORT_MSG, _FC.pack(*head, 0, 0, host, 4, 1, code, 0))


def _message(kind: int, payload: bytes) -> bytes:
    return _NL_HEADER.pack(_NL_HEADER.size + len(payload), kind, 0, 0, 0) + payload


def _messages(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and payload of each netlink message; the rest is dropped at the first that does not fit."""
    at = 0
    while at + _NL_HEADER.size <= len(datagram):
        length, kind, *_ = _NL_HEADER.unpack_from(datagram, at)
        if length < _NL_HEADER.size or at + length > len(datagram):
            return
        yield kind, datagram[at + _NL_HEADER.size : at + length]
        at += -(-length // _NL_ALIGN) * _NL_ALIGN
