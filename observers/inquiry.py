"""What only the device itself can say: its INQUIRY data, and its identity as it is now, not as the kernel once read it.

In: a path that is running. Out: dialogues that end with the path and its answers. They send INQUIRY and REPORT TARGET
PORT GROUPS by SG_IO, nothing else, and must never take a page that is cut off for an answer: what it names could be
another unit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from observers.asking import Dialogue, ScsiCommand, scsi
from observers.changing import changed
from observers.checkers import DEFAULT_TIMEOUT
from observers.errors import ProtocolError
from observers.host import ScsiReply
from observers.identity import page80_serial, target_port_group
from observers.kernel.scsi import (
    SenseKey,
    TargetPortGroup,
    decode_sense,
    failure_text,
    inquiry,
    inquiry_page,
    parse_inquiry,
    parse_target_port_groups,
    report_target_port_groups,
    succeeded,
)
from observers.reading import describe
from observers.snapshot import Alua, Gap, Hex, Path

T = TypeVar("T")

_STANDARD_LENGTH = 96
_PAGE_LENGTH = 4096
"""Room for the answers: standard data has 96 bytes that mean something; no array is known with a longer page 0x83."""

_SHORT_LENGTH = 255
"""Room for the list of pages and for vendors' own: arrays that are old enough look at the length's last byte only."""

_LENGTH_AT = 4
"""Where standard INQUIRY data says how many bytes follow (SPC-5 clause 6.7.2)."""

_HEADER = 4
_SUPPORTED_PAGES, _SERIAL, _IDENTIFICATION = 0x00, 0x80, 0x83
_NO_UNIT, _UNKNOWN_TYPE = 0xE0, 0x1F
"""The bits of the peripheral qualifier (0: a unit is there), and the device type of no device."""

_ATTEMPTS = 5
"""How often a device is asked while it answers with unit attentions, of which it can have several."""


@dataclass(frozen=True, slots=True)
class Told:
    """A path with what its device said, and what it did not say."""

    path: Path
    gaps: tuple[Gap, ...] = ()


def page83(data: bytes) -> tuple[Hex, int | None]:
    """VPD page 0x83 without what was transferred beyond its end, and the target port group in it.

    `ProtocolError` when the page is cut off.
    """
    group = target_port_group(data)
    return Hex(data[: _HEADER + int.from_bytes(data[2:4], "big")].hex()), group


def identify(path: Path, *, pages: tuple[int, ...] = (), if_listed: tuple[int, ...] = ()) -> Dialogue[Told]:
    """Everything: `inquiry_device`, `page83_device`, what they say of ALUA, a serial number if sysfs had none, and the
    vendor's `pages`, those in `if_listed` only where the device's list of pages has them.

    A device that does not answer the standard INQUIRY is asked nothing more: each command may take its whole timeout.
    """
    conversation = _Conversation(path)
    if (yield from conversation.standard()):
        yield from conversation.identification()
        yield from conversation.access_state()
        yield from conversation.serial()
        yield from conversation.vendor_pages(pages, if_listed)
    return conversation.told


def verify(path: Path, *, reports: bool = False) -> Dialogue[Told]:
    """`page83_device` alone, with one command: whether the device still is who it was. None and a gap: it did not say.
    `reports`: also what it reports of its target port group, with a second command.

    A page that is not of a logical unit is kept as `inquiry_device`, whose first byte says the same in the same way.
    """
    conversation = _Conversation(path)
    if not (yield from conversation.identification()):
        conversation.forget_identification()
    if reports:
        yield from conversation.access_state()
    return conversation.told


class _Conversation:
    """What one device said so far. `told`: the result."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._gaps: list[Gap] = []

    @property
    def told(self) -> Told:
        return Told(self._path, tuple(self._gaps))

    def standard(self) -> Dialogue[bool]:
        """The standard INQUIRY data, and whether a logical unit is there: nothing that follows describes none."""
        data = yield from self._send(inquiry(length=_STANDARD_LENGTH), _STANDARD_LENGTH, what="INQUIRY")
        known = self._parsed("INQUIRY", data, parse_inquiry)
        if data is None or known is None:
            return False
        self._path = replace(self._path, inquiry_device=Hex(data[: _LENGTH_AT + 1 + data[_LENGTH_AT]].hex()))
        if known.qualifier:
            return False
        self._has_alua(replace(self._path.alua, tpgs=known.tpgs))
        return True

    def identification(self) -> Dialogue[bool]:
        """VPD page 0x83, and whether it was answered."""
        what = "VPD page 0x83"
        data = yield from self._send(inquiry_page(_IDENTIFICATION, length=_PAGE_LENGTH), _PAGE_LENGTH, what=what)
        if data and (data[0] & _NO_UNIT or data[0] & _UNKNOWN_TYPE == _UNKNOWN_TYPE):
            self._path = replace(self._path, inquiry_device=Hex(data[:_HEADER].hex()))
            self._note(what, f"no logical unit is there: the page's first byte is {data[0]:#04x}")
            return False
        found = self._parsed(what, data, page83)
        if found is not None:
            self._path = changed(self._path, page83_device=found[0])
            self._has_alua(changed(self._path.alua, group=found[1]))
            return True
        return False

    def forget_identification(self) -> None:
        """What it said of itself before does not count any more."""
        self._path = replace(self._path, page83_device=None)

    def access_state(self) -> Dialogue[None]:
        """What REPORT TARGET PORT GROUPS says of the path's own group, where there are groups."""
        if not self._path.alua.tpgs or self._path.alua.group is None:
            return
        what = "REPORT TARGET PORT GROUPS"
        data = yield from self._send(report_target_port_groups(length=_PAGE_LENGTH), _PAGE_LENGTH, what=what)
        groups = self._parsed(what, data, parse_target_port_groups)
        if groups is not None:
            self._own_group(what, self._path.alua.group, groups)

    def _own_group(self, what: str, number: int, groups: tuple[TargetPortGroup, ...]) -> None:
        for found in groups:
            if found.group == number:
                alua = self._path.alua
                self._has_alua(changed(alua, reported_state=found.state, reported_preferred=found.preferred))
                return
        reported = ", ".join(str(found.group) for found in groups) or "none"
        self._note(what, f"group {number} of VPD page 0x83 is not among those reported: {reported}")

    def serial(self) -> Dialogue[None]:
        """By page 0x80, which is optional: that a device does not have it is no gap."""
        if self._path.serial:
            return
        data = yield from self._send(inquiry_page(_SERIAL, length=_PAGE_LENGTH), _PAGE_LENGTH)
        self._path = replace(self._path, serial=self._parsed("", data, page80_serial) or "")

    def vendor_pages(self, pages: tuple[int, ...], if_listed: tuple[int, ...]) -> Dialogue[None]:
        """Pages of the vendor's, all of them optional."""
        for page in pages:
            yield from self._vendor_page(page)
        listed = (yield from self._listed()) if if_listed else None
        for page in if_listed if listed is not None else ():
            if listed is not None and page in listed:
                yield from self._vendor_page(page)
            else:
                self._keep_page(page, b"")

    def _listed(self) -> Dialogue[bytes | None]:
        """The pages that the device has; None: it did not say."""
        data = yield from self._send(inquiry_page(_SUPPORTED_PAGES, length=_SHORT_LENGTH), _SHORT_LENGTH)
        if data is None or len(data) < _HEADER or data[1] != _SUPPORTED_PAGES:
            return None
        return data[_HEADER : _HEADER + int.from_bytes(data[2:4], "big")]

    def _vendor_page(self, page: int) -> Dialogue[None]:
        try:
            reply = yield from self._reply(inquiry_page(page, length=_SHORT_LENGTH), _SHORT_LENGTH)
        except OSError:
            return
        sense = decode_sense(reply.sense)
        if succeeded(reply):
            self._keep_page(page, reply.data if reply.data[1:2] == bytes([page]) else b"")
        elif sense is not None and sense.key == SenseKey.ILLEGAL_REQUEST:
            self._keep_page(page, b"")

    def _keep_page(self, page: int, data: bytes) -> None:
        known: Mapping[str, Hex] = self._path.vendor_pages
        end = _HEADER + int.from_bytes(data[2:4], "big")
        self._path = replace(self._path, vendor_pages={**known, f"{page:02x}": Hex(data[:end].hex())})

    # ---- how it is asked

    def _send(self, cdb: bytes, length: int, *, what: str = "") -> Dialogue[bytes | None]:
        """The data of an answer; None, and a gap where the part has a name (`what`), when there is none."""
        try:
            reply = yield from self._reply(cdb, length)
        except OSError as error:
            self._note(what, describe(error))
            return None
        if not succeeded(reply):
            self._note(what, f"sent {cdb.hex()}; {failure_text(reply)}")
            return None
        return reply.data

    def _reply(self, cdb: bytes, length: int) -> Dialogue[ScsiReply]:
        command = ScsiCommand(cdb=cdb, reply_length=length, timeout=self._path.timeout or DEFAULT_TIMEOUT)
        for _ in range(_ATTEMPTS - 1):
            reply = yield from scsi(command)
            sense = decode_sense(reply.sense)
            if succeeded(reply) or sense is None or sense.key != SenseKey.UNIT_ATTENTION:
                return reply
        return (yield from scsi(command))

    def _parsed(self, what: str, data: bytes | None, parse: Callable[[bytes], T]) -> T | None:
        if data is None:
            return None
        try:
            return parse(data)
        except ProtocolError as error:
            self._note(what, describe(error))
            return None

    def _note(self, what: str, reason: str) -> None:
        if what:
            self._gaps.append(Gap(self._path.name, what, reason))

    def _has_alua(self, alua: Alua) -> None:
        self._path = changed(self._path, alua=alua)
