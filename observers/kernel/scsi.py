"""SCSI commands, their answers, and the header of the kernel's SG_IO call <-> values.

In: what to ask, or the bytes that a device or the kernel brought back. Out: CDBs and headers, or frozen values. The
sources are scsi/sg.h (interface version 3), SPC-5, SAM-6 and scsi/scsi_status.h. Pure; must never trust a length that
a device says.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

from observers.errors import ProtocolError
from observers.host import ScsiReply
from observers.kernel import vendor_commands

SG_IO = 0x2285
"""The ioctl request; like all of sg's it is a bare number, not one made by _IOWR."""

MAXIMUM_CDB = 16
"""Bytes of a CDB that SG_IO takes on a block device (BLK_MAX_CDB)."""

SENSE_SIZE = 96
"""SCSI_SENSE_BUFFERSIZE: more sense data than this the kernel does not keep."""

_SG_REQUEST = struct.Struct("@iiBBHIPPPIIiP")  # sg_io_hdr_t as far as the caller fills it
_SG_RESULT = struct.Struct("@4B2HiII0P")  # the rest, which the kernel fills, and the padding at the end
SG_IO_HDR_SIZE = _SG_REQUEST.size + _SG_RESULT.size
"""sizeof(sg_io_hdr_t): 88 where pointers have 8 bytes, 64 where they have 4."""

_SG_DXFER_NONE = -1
_SG_DXFER_TO_DEV = -2
_SG_DXFER_FROM_DEV = -3
_MAXIMUM_TIMEOUT = 2**32 - 2  # milliseconds; the number above it says: no timeout

_RTPG_SERVICE_ACTION = 0x0A
_RTPG_EXTENDED = 1 << 5  # PARAMETER DATA FORMAT 001b: with the implicit transition time
_RTPG_FORMAT = 0x70  # of the answer's byte 4, which is the first group's where the header is the short one
_RTPG_FORMAT_EXTENDED = 0x10
_GROUP_HEADER = struct.Struct(">BBHBBBB")
_LENGTH_SIZE = 4
_PORT_SIZE = 4


class ScsiFormatError(ProtocolError):
    """A device's answer is shorter than SPC-5 says, or is of another form."""


class Opcode(IntEnum):
    """The operation codes that this project sends (SPC-5, SBC-4)."""

    TEST_UNIT_READY = 0x00
    INQUIRY = 0x12
    READ_10 = 0x28
    PERSISTENT_RESERVE_IN = 0x5E
    REPORT_LUNS = 0xA0
    MAINTENANCE_IN = 0xA3


class Status(IntEnum):
    """The status byte (SAM-6)."""

    GOOD = 0x00
    CHECK_CONDITION = 0x02
    CONDITION_MET = 0x04
    BUSY = 0x08
    RESERVATION_CONFLICT = 0x18
    TASK_SET_FULL = 0x28
    ACA_ACTIVE = 0x30
    TASK_ABORTED = 0x40


class SenseKey(IntEnum):
    """The sense keys that something is decided by (SPC-5 clause 4.4.6)."""

    RECOVERED_ERROR = 0x1
    ILLEGAL_REQUEST = 0x5
    UNIT_ATTENTION = 0x6


class HostStatus(IntEnum):
    """What the transport says of a command (scsi/scsi_status.h), each under the kernel's name without `DID_`."""

    OK = 0x00
    NO_CONNECT = 0x01
    BUS_BUSY = 0x02
    TIME_OUT = 0x03
    BAD_TARGET = 0x04
    ABORT = 0x05
    PARITY = 0x06
    ERROR = 0x07
    RESET = 0x08
    BAD_INTR = 0x09
    PASSTHROUGH = 0x0A
    SOFT_ERROR = 0x0B
    IMM_RETRY = 0x0C
    REQUEUE = 0x0D
    TRANSPORT_DISRUPTED = 0x0E
    TRANSPORT_FAILFAST = 0x0F
    TARGET_FAILURE = 0x10
    NEXUS_FAILURE = 0x11
    ALLOC_FAILURE = 0x12
    MEDIUM_ERROR = 0x13
    TRANSPORT_MARGINAL = 0x14


def host_status_name(number: int) -> str:
    """`DID_NO_CONNECT` and the like, or the number where the kernel has no name for it."""
    return f"DID_{HostStatus(number).name}" if number in set(HostStatus) else f"host status {number:#04x}"


# ---- commands; `length` has to be the `reply_length` of the call, else LIO and others answer nothing


def test_unit_ready() -> bytes:
    """TEST UNIT READY, six bytes of zero."""
    return bytes(6)


def inquiry(*, length: int = 96) -> bytes:
    """INQUIRY for the standard data; `length` bytes of room."""
    return struct.pack(">BBBHB", Opcode.INQUIRY, 0, 0, length, 0)


def inquiry_page(page: int, *, length: int = 4096) -> bytes:
    """INQUIRY for a vital product data page; `length` bytes of room."""
    return struct.pack(">BBBHB", Opcode.INQUIRY, 1, page, length, 0)


def report_target_port_groups(*, length: int = 4096, extended: bool = False) -> bytes:
    """REPORT TARGET PORT GROUPS; `extended` asks for the header with the implicit transition time."""
    action = _RTPG_SERVICE_ACTION | (_RTPG_EXTENDED if extended else 0)
    return struct.pack(">BB4xIBB", Opcode.MAINTENANCE_IN, action, length, 0, 0)


def read_first_block() -> bytes:
    """READ(10) of one block, the first."""
    return struct.pack(">BBIBHB", Opcode.READ_10, 0, 0, 0, 1, 0)


def report_luns(*, length: int = 4096) -> bytes:
    """REPORT LUNS, all of them but the well known ones (SELECT REPORT 0)."""
    return struct.pack(">BBB3xIBB", Opcode.REPORT_LUNS, 0, 0, length, 0, 0)


def reads_only(cdb: bytes) -> bool:
    """Whether a command is one of those above, or a vendor's that only reads; of MAINTENANCE IN only REPORT TARGET PORT
    GROUPS is."""
    if cdb in vendor_commands.READING:
        return True
    if not 6 <= len(cdb) <= MAXIMUM_CDB or cdb[0] not in set(Opcode):
        return False
    if cdb[0] == Opcode.READ_10:
        return cdb == read_first_block()
    return cdb[0] != Opcode.MAINTENANCE_IN or cdb[1] & 0x1F == _RTPG_SERVICE_ACTION


# ---- the SG_IO header


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Where in memory, and how many bytes: a buffer that the kernel reads or fills."""

    address: int
    size: int


def pack_sg_io(*, cdb: Room, sense: Room, data: Room, timeout: float, to_device: bool = False) -> bytes:
    """`sg_io_hdr_t` for a command that reads `data.size` bytes (`to_device`: sends them), or that moves none; `timeout`
    in seconds."""
    milliseconds = min(max(1, round(timeout * 1000)), _MAXIMUM_TIMEOUT)
    moving = _SG_DXFER_TO_DEV if to_device else _SG_DXFER_FROM_DEV
    direction = moving if data.size else _SG_DXFER_NONE
    sizes = (cdb.size, sense.size, 0, data.size)
    addresses = (data.address if data.size else 0, cdb.address, sense.address)
    return _SG_REQUEST.pack(ord("S"), direction, *sizes, *addresses, milliseconds, 0, 0, 0) + bytes(_SG_RESULT.size)


def unpack_sg_io(header: bytes, *, sense: bytes, data: bytes) -> ScsiReply:
    """What the kernel wrote into the header and the two buffers, cut to what was really moved."""
    if len(header) != SG_IO_HDR_SIZE:
        raise ScsiFormatError(f"sg_io_hdr has {len(header)} bytes, should be {SG_IO_HDR_SIZE}")
    status, _, _, written, host, driver, residual, _, _ = _SG_RESULT.unpack_from(header, _SG_REQUEST.size)
    moved = len(data) - min(max(0, residual), len(data))
    return ScsiReply(status=status, host_status=host, driver_status=driver, sense=sense[:written], data=data[:moved])


def succeeded(reply: ScsiReply) -> bool:
    """Whether the command was carried out; a device, the transport, and the driver can each say that it was not."""
    return not (reply.status or reply.host_status or reply.driver_status)


def failure_text(reply: ScsiReply) -> str:
    """Who refused a command, and how, in words."""
    if reply.host_status:
        return f"the transport answered {host_status_name(reply.host_status)}"
    sense = decode_sense(reply.sense)
    return f"the device answered status {reply.status:#04x}" + (f", {sense.text}" if sense else "")


# ---- sense data


@dataclass(frozen=True, slots=True)
class Sense:
    """Sense key, additional code and its qualifier (SPC-5 clause 4.4); `deferred`: about an earlier command."""

    key: int
    asc: int = 0
    ascq: int = 0
    deferred: bool = False

    @property
    def text(self) -> str:
        """The words of SPC-5, where this project knows them, and always the numbers."""
        numbers = f"{self.key:x}/{self.asc:02x}/{self.ascq:02x}"
        known = _ADDITIONAL_TEXT.get((self.asc, self.ascq), "")
        words = [_KEY_TEXT[self.key & 0xF], *([known] if known else [])]
        return f"{': '.join(words)} ({numbers}{', deferred' if self.deferred else ''})"


def decode_sense(data: bytes) -> Sense | None:
    """The sense of fixed (0x70, 0x71) or descriptor format (0x72, 0x73); None when there is none to decode."""
    if not data or data[0] & 0x7F not in (0x70, 0x71, 0x72, 0x73):
        return None
    deferred = bool(data[0] & 1)
    if data[0] & 2:
        padded = data.ljust(4, b"\0")
        return Sense(padded[1] & 0xF, padded[2], padded[3], deferred)
    said = min(len(data), data[7] + 8) if len(data) > 7 else len(data)
    padded = data[:said].ljust(14, b"\0")
    return Sense(padded[2] & 0xF, padded[12], padded[13], deferred)


_KEY_TEXT = (
    "no sense",
    "recovered error",
    "not ready",
    "medium error",
    "hardware error",
    "illegal request",
    "unit attention",
    "data protect",
    "blank check",
    "vendor specific",
    "copy aborted",
    "aborted command",
    "reserved",
    "volume overflow",
    "miscompare",
    "completed",
)

_ADDITIONAL_TEXT = {
    (0x04, 0x00): "logical unit not ready, cause not reportable",
    (0x04, 0x01): "logical unit is becoming ready",
    (0x04, 0x02): "logical unit not ready, start command required",
    (0x04, 0x03): "logical unit not ready, manual intervention required",
    (0x04, 0x04): "logical unit not ready, format in progress",
    (0x04, 0x09): "logical unit not ready, self-test in progress",
    (0x04, 0x0A): "logical unit not accessible, asymmetric access state transition",
    (0x04, 0x0B): "logical unit not accessible, target port in standby state",
    (0x04, 0x0C): "logical unit not accessible, target port in unavailable state",
    (0x04, 0x12): "logical unit not ready, offline",
    (0x04, 0x1A): "logical unit not ready, start stop unit command in progress",
    (0x04, 0x1B): "logical unit not ready, sanitize in progress",
    (0x08, 0x00): "logical unit communication failure",
    (0x20, 0x00): "invalid command operation code",
    (0x21, 0x00): "logical block address out of range",
    (0x24, 0x00): "invalid field in CDB",
    (0x25, 0x00): "logical unit not supported",
    (0x26, 0x00): "invalid field in parameter list",
    (0x27, 0x00): "write protected",
    (0x28, 0x00): "not ready to ready change, medium may have changed",
    (0x29, 0x00): "power on, reset, or bus device reset occurred",
    (0x29, 0x07): "I_T nexus loss occurred",
    (0x2A, 0x01): "mode parameters changed",
    (0x2A, 0x06): "asymmetric access state changed",
    (0x2A, 0x07): "implicit asymmetric access state transition failed",
    (0x2A, 0x09): "capacity data has changed",
    (0x38, 0x07): "thin provisioning soft threshold reached",
    (0x3A, 0x00): "medium not present",
    (0x3F, 0x03): "inquiry data has changed",
    (0x3F, 0x05): "device identifier changed",
    (0x3F, 0x0E): "reported LUNs data has changed",
    (0x44, 0x00): "internal target failure",
    (0x67, 0x0A): "set target port groups command failed",
}


# ---- answers


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardInquiry:
    """The standard INQUIRY data (SPC-5 clause 6.7.2). `qualifier` 0: a logical unit is there; `tpgs` 0 to 3."""

    qualifier: int
    device_type: int
    version: int
    tpgs: int
    vendor: str
    product: str
    revision: str


def parse_inquiry(data: bytes) -> StandardInquiry:
    """The standard INQUIRY data; texts without the blanks around them."""
    if len(data) < 36:
        raise ScsiFormatError(f"standard INQUIRY data has {len(data)} bytes, at least 36 were expected")
    return StandardInquiry(
        qualifier=data[0] >> 5,
        device_type=data[0] & 0x1F,
        version=data[2],
        tpgs=data[5] >> 4 & 3,
        vendor=_text(data[8:16]),
        product=_text(data[16:32]),
        revision=_text(data[32:36]),
    )


class AccessState(IntEnum):
    """Asymmetric access states (SPC-5 clause 5.18.2.4)."""

    OPTIMIZED = 0x0
    NON_OPTIMIZED = 0x1
    STANDBY = 0x2
    UNAVAILABLE = 0x3
    LBA_DEPENDENT = 0x4
    OFFLINE = 0xE
    TRANSITIONING = 0xF


ACCESS_STATE_TEXT = {
    AccessState.OPTIMIZED: "active/optimized",
    AccessState.NON_OPTIMIZED: "active/non-optimized",
    AccessState.STANDBY: "standby",
    AccessState.UNAVAILABLE: "unavailable",
    AccessState.LBA_DEPENDENT: "lba-dependent",
    AccessState.OFFLINE: "offline",
    AccessState.TRANSITIONING: "transitioning",
}
"""The words of the sysfs attribute `access_state` (drivers/scsi/scsi_sysfs.c)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPortGroup:
    """A descriptor of REPORT TARGET PORT GROUPS. `state` is a number of `AccessState`, or one that SPC-5 reserves.

    `supported` is the byte of the states' support bits, `ports` the relative target port identifiers.
    """

    group: int
    state: int
    preferred: bool = False
    supported: int = 0
    ports: tuple[int, ...] = ()


def parse_target_port_groups(data: bytes) -> tuple[TargetPortGroup, ...]:
    """The groups that REPORT TARGET PORT GROUPS reported, in either header format (SPC-5 clause 6.35).

    The last group's ports may be cut off: the kernel's own target (LIO) leaves the extended header out of its length.
    """
    if len(data) < _LENGTH_SIZE:
        raise ScsiFormatError(f"target port groups: {len(data)} bytes, at least {_LENGTH_SIZE} were expected")
    end = _LENGTH_SIZE + int.from_bytes(data[:_LENGTH_SIZE], "big")
    if end > len(data):
        raise ScsiFormatError(f"target port groups: {len(data)} bytes, {end} were expected")
    extended = end > _LENGTH_SIZE and data[_LENGTH_SIZE] & _RTPG_FORMAT == _RTPG_FORMAT_EXTENDED
    groups, offset = [], 2 * _LENGTH_SIZE if extended else _LENGTH_SIZE
    while offset < end:
        group, offset = _target_port_group(data[:end], offset)
        groups.append(group)
    return tuple(groups)


def _target_port_group(data: bytes, offset: int) -> tuple[TargetPortGroup, int]:
    ports_at = offset + _GROUP_HEADER.size
    if ports_at > len(data):
        raise ScsiFormatError(f"target port groups: a descriptor at {offset} is cut off at {len(data)}")
    access, supported, group, _, _, _, count = _GROUP_HEADER.unpack_from(data, offset)
    end = ports_at + count * _PORT_SIZE
    ports = data[ports_at:end]
    found = TargetPortGroup(
        group=group,
        state=access & 0xF,
        preferred=bool(access & 0x80),
        supported=supported,
        ports=tuple(int.from_bytes(ports[at - 2 : at], "big") for at in range(_PORT_SIZE, len(ports) + 1, _PORT_SIZE)),
    )
    return found, end


def _text(field: bytes) -> str:
    return field.decode("utf-8", "surrogateescape").strip(" \0")
