"""What only the device itself can say: its INQUIRY data, and its identity as it is now, not as the kernel once read it.

In: a `Reader` and a path that is running. Out: the path with the answers. It sends INQUIRY and REPORT TARGET PORT
GROUPS by SG_IO, nothing else, and must never take a page that is cut off for an answer: what it names could be another
unit.
"""

from dataclasses import replace

from observers.checkers import DEFAULT_TIMEOUT
from observers.host import ScsiReply
from observers.identity import page80_serial, target_port_group
from observers.kernel.scsi import (
    decode_sense,
    host_status_name,
    inquiry,
    inquiry_page,
    parse_inquiry,
    parse_target_port_groups,
    report_target_port_groups,
)
from observers.reading import Reader
from observers.snapshot import Alua, Hex, Path

_STANDARD_LENGTH = 96
_PAGE_LENGTH = 4096
"""Room for the answers: standard data has 96 bytes that mean something; no array is known with a longer page 0x83."""

_LENGTH_AT = 4
"""Where standard INQUIRY data says how many bytes follow (SPC-5 clause 6.7.2)."""


def page83(data: bytes) -> tuple[Hex, int | None]:
    """VPD page 0x83 without what was transferred beyond its end, and the target port group in it.

    `ProtocolError` when the page is cut off.
    """
    group = target_port_group(data)
    return Hex(data[: 4 + int.from_bytes(data[2:4], "big")].hex()), group


def ask(reader: Reader, path: Path) -> Path:
    """The path with `inquiry_device`, `page83_device`, what they say of ALUA, and a serial number if sysfs had none.

    A device that does not answer the standard INQUIRY is asked nothing more: each command may take its whole timeout.
    """
    standard = _send(reader, path, inquiry(length=_STANDARD_LENGTH), length=_STANDARD_LENGTH, what="INQUIRY")
    known = reader.attempt("INQUIRY", lambda: parse_inquiry(standard)) if standard is not None else None
    if standard is None or known is None:
        return path
    text = Hex(standard[: _LENGTH_AT + 1 + standard[_LENGTH_AT]].hex())
    path = replace(path, inquiry_device=text)
    if known.qualifier:  # no logical unit is there, so nothing that follows describes one
        return path
    path = replace(path, alua=replace(path.alua, tpgs=known.tpgs))
    path = _identification(reader, path)
    if known.tpgs and path.alua.group is not None:
        path = replace(path, alua=_access_state(reader, path, path.alua.group))
    return path if path.serial else replace(path, serial=_serial(reader, path))


def _identification(reader: Reader, path: Path) -> Path:
    what = "VPD page 0x83"
    page = _send(reader, path, inquiry_page(0x83, length=_PAGE_LENGTH), length=_PAGE_LENGTH, what=what)
    if page is None:
        return path
    found = reader.attempt(what, lambda: page83(page))
    if found is None:
        return path
    text, group = found
    return replace(path, page83_device=text, alua=replace(path.alua, group=group))


def _access_state(reader: Reader, path: Path, group: int) -> Alua:
    what = "REPORT TARGET PORT GROUPS"
    data = _send(reader, path, report_target_port_groups(length=_PAGE_LENGTH), length=_PAGE_LENGTH, what=what)
    groups = reader.attempt(what, lambda: parse_target_port_groups(data)) if data is not None else None
    if groups is None:
        return path.alua
    for found in groups:
        if found.group == group:
            return replace(path.alua, reported_state=found.state, reported_preferred=found.preferred)
    reported = ", ".join(str(found.group) for found in groups) or "none"
    reader.note(what, f"group {group} of VPD page 0x83 is not among those reported: {reported}")
    return path.alua


def _serial(reader: Reader, path: Path) -> str:
    """By page 0x80, which is optional: that a device does not have it is no gap."""
    quiet = Reader(reader.host, path.name)
    cdb = inquiry_page(0x80, length=_PAGE_LENGTH)
    page = _send(quiet, path, cdb, length=_PAGE_LENGTH, what="VPD page 0x80")
    return (quiet.attempt("VPD page 0x80", lambda: page80_serial(page)) or "") if page is not None else ""


def _send(reader: Reader, path: Path, cdb: bytes, *, length: int, what: str) -> bytes | None:
    seconds = path.timeout or DEFAULT_TIMEOUT
    reply = reader.attempt(what, lambda: reader.host.scsi_inquire(path.name, cdb, reply_length=length, timeout=seconds))
    if reply is None:
        return None
    if reply.status or reply.host_status or reply.driver_status:
        reader.note(what, f"sent {cdb.hex()}; {_failure(reply)}")
        return None
    return reply.data


def _failure(reply: ScsiReply) -> str:
    if reply.host_status:
        return f"the transport answered {host_status_name(reply.host_status)}"
    sense = decode_sense(reply.sense)
    return f"the device answered status {reply.status:#04x}" + (f", {sense.text}" if sense else "")
