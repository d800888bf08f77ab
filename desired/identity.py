"""Which logical unit a path leads to: its WWID, and whether the device itself confirms it.

In: a `Path`, and the udev property that holds the WWID. Out: the WWID with its source, and a `Finding`. udev's
database and sysfs can be older than the device: a LUN may have been unmapped and another one mapped in its place since.
So a path enters a map only when the device was asked for this snapshot and does not contradict. Pure; must never take
silence for agreement.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from observers.errors import ProtocolError
from observers.identity import WWID_SIZE, page83_wwid, page83_wwids
from observers.identity_nvme import wwids_of
from observers.snapshot import Bus, Hex, NvmeIdentity, Path, Wwid

DEFAULT_ATTRIBUTE = {Bus.SCSI: "ID_SERIAL", Bus.NVME: "ID_WWN", Bus.CCW: "ID_UID"}
"""The udev property that holds the WWID unless uid_attribute says otherwise. Only for these is there a fallback."""

_COMPARABLE = re.compile(r"3[0-9a-f]{16}(?:[0-9a-f]{16})?|2[0-9a-f]{16}(?:[0-9a-f]{8}){0,2}")
"""WWIDs made of an NAA or EUI-64 designator: binary names, which everyone spells alike."""

_NO_UNIT = {1: "is not connected", 3: "does not exist"}
"""Peripheral qualifiers of the standard INQUIRY data (SPC-5 clause 6.7.2) that say that there is no logical unit."""

_UNKNOWN_TYPE = 0x1F
"""Peripheral device type of no device, also of the unit that a target shows as LUN 0 when it has none mapped there."""

_OVERLONG_NVME = re.compile(r"(nvme\.[0-9a-fA-F]{4}-)([^-]*)-([^-]*)(-[^-]*)")
"""An NVMe name made of vendor, serial number, model and namespace, in hexadecimal."""

_DASD_PARTS = 4
"""A DASD's WWID: vendor, serial number, subsystem and unit address of its unique id, without what may follow."""

_ZERO_BYTES = re.compile(r"(?:00)+$")


class Standing(Enum):
    """What the device says of the WWID that udev gave."""

    CONFIRMED = "confirmed"
    UNREAD = "unread"
    CONTRADICTED = "contradicted"


@dataclass(frozen=True, slots=True)
class Finding:
    """A standing, and why, in words that go on after the device's name."""

    standing: Standing
    reason: str = ""


CONFIRMED = Finding(Standing.CONFIRMED)


def wwid_of(path: Path, attribute: str) -> tuple[Wwid, str]:
    """The WWID and where it is from; empty, and what is missing, when there is none.

    `attribute`: the udev property (uid_attribute); empty: udev is not asked. Where the default property is missing, the
    identity page or attribute of the device stands in, as in multipath-tools.
    """
    value = path.udev.get(attribute, "") if attribute else ""
    if value:
        return _stored(value), f"udev property {attribute}"
    if attribute in ("", DEFAULT_ATTRIBUTE.get(path.bus)):
        fallback, source = _fallback(path)
        if fallback:
            return _stored(fallback), source
    missing = f"udev property {attribute} is missing" if attribute else "uid_attribute is empty"
    return Wwid(""), missing


def _stored(value: str) -> Wwid:
    """A WWID as maps carry it: not too long, and without blanks at the end."""
    if len(value) >= WWID_SIZE:
        value = _shortened(value)
    return Wwid(value[: WWID_SIZE - 1].rstrip(" "))


def _shortened(value: str) -> str:
    """An NVMe name without the zero bytes that some targets put at the end of serial number and model."""
    match = _OVERLONG_NVME.fullmatch(value)
    if match is None:
        return value
    vendor, serial, model, namespace = match.groups()
    return f"{vendor}{_ZERO_BYTES.sub('', serial)}-{_ZERO_BYTES.sub('', model)}{namespace}"


def _fallback(path: Path) -> tuple[str, str]:
    if path.bus is Bus.NVME:
        return path.wwid_attribute, "sysfs wwid"
    if path.bus is Bus.CCW:
        return ".".join(path.wwid_attribute.split(".")[:_DASD_PARTS]), "sysfs uid"
    if path.bus is Bus.SCSI:
        for page, source in ((path.page83_cached, "VPD page 0x83 in sysfs"), (path.page83_device, "VPD page 0x83")):
            if name := _page_name(page):
                return name, source
    return "", ""


def _page_name(page: Hex | None) -> str:
    try:
        return (page and page83_wwid(bytes.fromhex(page))) or ""
    except ProtocolError:
        return ""


def page_names(page: Hex) -> tuple[Wwid, ...]:
    """Every WWID that a VPD page 0x83 can give. `ProtocolError` when it can't be read."""
    return page83_wwids(bytes.fromhex(page))


def examine(
    path: Path, wwid: Wwid, attribute: str, *, names: Callable[[Hex], tuple[Wwid, ...]] = page_names
) -> Finding:
    """Whether the device confirms `wwid`. `names`: `page_names`, or the same with a memory."""
    if path.inquiry_device and (wrong := _no_unit(path.inquiry_device)):
        return Finding(Standing.CONTRADICTED, f"{wwid} {wrong}")
    if path.bus is Bus.SCSI:
        return _examine_scsi(path, wwid, attribute, names)
    if path.bus is Bus.NVME:
        return _examine_nvme(path, wwid, attribute)
    return CONFIRMED  # other buses have no identity to ask the device for: udev's is all there is


def is_another(path: Path, wwid: Wwid, own: Wwid) -> bool:
    """Whether a device denies that it is `wwid`, and confirms that it is `own`: not so for two names of one unit."""
    confirmed = examine(path, own, "").standing is Standing.CONFIRMED
    return confirmed and examine(path, wwid, "").standing is Standing.CONTRADICTED


def _no_unit(inquiry: Hex) -> str:
    """What is wrong with the standard INQUIRY data of a logical unit; empty: nothing."""
    first = int(inquiry[:2], 16)
    if (qualifier := first >> 5) in _NO_UNIT:
        return f"{_NO_UNIT[qualifier]}: INQUIRY says peripheral qualifier {qualifier}"
    if first & _UNKNOWN_TYPE == _UNKNOWN_TYPE:
        return "is not there: INQUIRY says peripheral device type 31"
    return ""


def _examine_scsi(path: Path, wwid: Wwid, attribute: str, names: Callable[[Hex], tuple[Wwid, ...]]) -> Finding:
    if path.page83_device is None:
        return Finding(Standing.UNREAD, "identity not read: VPD page 0x83 was not answered")
    try:
        found = names(path.page83_device)
    except ProtocolError as error:
        return Finding(Standing.UNREAD, f"identity not read: {error}")
    if wwid in found:
        return CONFIRMED
    rivals = [name for name in found if name[0] == wwid[:1]]
    if rivals and attribute in ("", DEFAULT_ATTRIBUTE[Bus.SCSI]) and _COMPARABLE.fullmatch(wwid):
        return Finding(Standing.CONTRADICTED, f"udev says {wwid}, the device says {rivals[0]}")
    return _unchanged(path, wwid, found)


def _unchanged(path: Path, wwid: Wwid, found: tuple[Wwid, ...]) -> Finding:
    """For a WWID that no page spells: the device must say now what it said when the kernel scanned it."""
    if path.page83_cached is None:
        return Finding(Standing.UNREAD, f"{wwid} can't be compared with VPD page 0x83, and sysfs has no earlier one")
    if path.page83_cached == path.page83_device:
        return CONFIRMED
    now, before = found[0] if found else "another page 0x83", _page_name(path.page83_cached)
    return Finding(
        Standing.CONTRADICTED, f"udev says {wwid}, the device was {before or 'another'} when scanned and is {now} now"
    )


def _examine_nvme(path: Path, wwid: Wwid, attribute: str) -> Finding:
    """By the namespace's own names. A WWID of another kind holds while the namespace is who it was for the kernel."""
    scanned = _stored(path.wwid_attribute)
    by_kernel = attribute in ("", DEFAULT_ATTRIBUTE[Bus.NVME])
    if by_kernel and scanned and scanned != wwid:
        return Finding(Standing.CONTRADICTED, f"udev says {wwid}, the namespace says {path.wwid_attribute}")
    identity = path.nvme_identity
    if identity is None:
        return Finding(Standing.UNREAD, "identity not read: Identify was not answered")
    if not (by_kernel or scanned):
        return Finding(Standing.UNREAD, f"{wwid} can't be compared with the namespace's names, and sysfs has no wwid")
    try:
        names = wwids_of(identity, namespace=path.address.lun if path.address else 0)
    except ProtocolError as error:
        return Finding(Standing.UNREAD, f"identity not read: {error}")
    return _among_names(wwid if by_kernel else scanned, identity, [_stored(name) for name in names])


def _among_names(wwid: Wwid, identity: NvmeIdentity, names: list[Wwid]) -> Finding:
    """Whether a WWID that the kernel made is among the names that a namespace has now, as far as it told them."""
    if wwid in names:
        return CONFIRMED
    kind = wwid.partition(".")[0]
    rival = next((name for name in names if name.partition(".")[0] == kind and len(name) == len(wwid)), None)
    if rival is None and any(part is None for part in _speaking(identity, kind)):
        return Finding(Standing.UNREAD, f"identity not read: Identify was not answered as far as {wwid} is concerned")
    said = rival or (names[0] if names else "that it has no name")
    return Finding(Standing.CONTRADICTED, f"udev says {wwid}, the namespace says {said}")


def _speaking(identity: NvmeIdentity, kind: str) -> tuple[Hex | None, ...]:
    """The answers in which a name of this kind could be."""
    if kind == "uuid":
        return (identity.descriptors,)
    return (identity.descriptors, identity.namespace) if kind == "eui" else (identity.controller,)
