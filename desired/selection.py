"""The properties of a path as they are in force: precedence, and what stands above it; `map_selection` has its map's.

In: the configuration's layers for a device, and what was seen of the path (TPGS, VPD pages). Out: one profile for all
paths that are alike, with every value's origin. Above precedence stand autodetection and what one keyword implies for
another. Pure; must never guess what was not seen.
"""

from dataclasses import dataclass, replace
from typing import Any

from desired import options
from desired.model import Origin, OriginKind, Resolved
from desired.options import Layer
from desired.precedence import Layers
from observers.identity_nvme import supports_ana
from observers.snapshot import Alua, Bus, Hex, Path

_RDAC, _TUR = "rdac", "tur"
RDAC_PAGE = 0xC9
"""The VPD page by which an array of the rdac kind is told."""
_RDAC_SIGNATURE = b"vac1"  # at byte 4, when the page is in use
_EXPLICIT = 2
"""TPGS: the target changes access states only when it is told to."""

_FALLBACK_TIMEOUT = 30
"""Seconds that a check may take when neither the configuration nor the kernel says."""


def detected(why: str) -> Origin:
    """Of a value that was found out by looking at the devices."""
    return Origin(OriginKind.AUTODETECTED, why=why)


def implied(why: str) -> Origin:
    """Of a value that follows from another."""
    return Origin(OriginKind.IMPLIED, why=why)


def in_words(resolved: Resolved[Any]) -> Resolved[str]:
    """A value as people read it."""
    return resolved if isinstance(resolved.value, str) and type(resolved.value) is str else _as_text(resolved)


def _as_text(resolved: Resolved[Any]) -> Resolved[str]:
    value = resolved.value
    return Resolved(("yes" if value else "no") if isinstance(value, bool) else str(value), resolved.origin)


def uid_attribute(name: str, layers: Layers, uid_attrs: Resolved[tuple[tuple[str, str], ...]] | None) -> Resolved[str]:
    """The udev property that holds a device's WWID. `uid_attrs` chooses by the beginning of the device's name."""
    for prefix, attribute in uid_attrs.value if uid_attrs else ():
        if uid_attrs and name.startswith(prefix):
            return Resolved(attribute, replace(uid_attrs.origin, why="uid_attrs"))
    return layers.require(options.UID_ATTRIBUTE)


def tpgs_of(alua: Alua, bus: Bus, *, identified: Hex | None) -> int | None:
    """How a device supports asymmetric access: 0 not at all, None not known (it was not asked, or did not answer).

    A device that says so but names no target port group (in the page that was read, `identified`) does not. One that
    did not answer does when the kernel has attached its handler: it does that only to those that support it.
    """
    if bus is not Bus.SCSI:
        return 0
    if alua.tpgs is None:
        return 1 if alua.handler == "alua" else None
    return 0 if alua.group is None and identified is not None else alua.tpgs


@dataclass(frozen=True, slots=True, eq=False)
class PathProfile:
    """What holds for all paths of a kind that were seen alike. `properties`: for explaining."""

    prioritizer: Resolved[str]
    arguments: Resolved[str]
    checker: Resolved[str]
    checker_timeout: Resolved[int]
    tpgs: int | None
    properties: dict[str, Resolved[str]]


@dataclass(frozen=True, slots=True)
class PathTraits:
    """What of a path decides its profile, besides its layers."""

    bus: Bus
    tpgs: int | None
    access_state_known: bool
    timeout: int | None
    ana: bool | None = None
    """Whether an NVMe controller reports asymmetric access; None: not known."""
    rdac: bool | None = None
    """Whether the array says that it is of the rdac kind; None: it was not asked, or did not answer."""


def traits_of(path: Path) -> PathTraits:
    """The traits of a path."""
    tpgs = tpgs_of(path.alua, path.bus, identified=path.page83_device)
    ana = supports_ana(path.nvme_identity) if path.bus is Bus.NVME else None
    page = path.vendor_pages.get(f"{RDAC_PAGE:02x}")
    rdac = None if page is None else bytes.fromhex(page)[4:8] == _RDAC_SIGNATURE
    return PathTraits(path.bus, tpgs, bool(path.alua.access_state), path.timeout, ana, rdac)


def path_profile(layers: Layers, traits: PathTraits) -> PathProfile:
    """Prioritizer, checker and timeout of a path."""
    prioritizer, arguments = _prioritizer(layers, traits)
    checker, timeout = _checker(layers, traits), _checker_timeout(layers, traits)
    shown: list[tuple[str, Resolved[Any]]] = [("prio", prioritizer), ("prio_args", arguments)]
    shown += [("path_checker", checker), ("checker_timeout", timeout)]
    texts = {keyword: in_words(value) for keyword, value in shown}
    return PathProfile(prioritizer, arguments, checker, timeout, traits.tpgs, texts)


def _prioritizer(layers: Layers, traits: PathTraits) -> tuple[Resolved[str], Resolved[str]]:
    detected = _detected_prioritizer(layers, traits) if layers.require(options.DETECT_PRIO).value else None
    name, arguments = detected or _configured_prioritizer(layers)
    if name.value == "alua" and traits.tpgs == 0:
        origin = implied("the device has no target port groups, so prio alua can't be used")
        return Resolved("const", origin), Resolved("", origin)
    return name, arguments


def _detected_prioritizer(layers: Layers, traits: PathTraits) -> tuple[Resolved[str], Resolved[str]] | None:
    """For SCSI devices with target port groups; an array of the rdac kind does its own balancing by being asked. For
    NVMe, also where the controller did not say whether it reports ANA: then it will when it answers again."""
    if traits.bus is Bus.NVME and traits.ana is not False:
        origin = detected("the controller reports ANA" if traits.ana else "the controller may report ANA")
        return Resolved("ana", origin), Resolved("", origin)
    if traits.bus is not Bus.SCSI or traits.tpgs == 0:
        return None
    from_sysfs = traits.access_state_known and (traits.tpgs == _EXPLICIT or not _is_rdac(layers, traits))
    origin = detected("access_state in sysfs" if from_sysfs else "target port groups")
    return Resolved("sysfs" if from_sysfs else "alua", origin), Resolved("", origin)


def array_checker(layers: Layers) -> str:
    """The checker that the device table names for an array; empty: none."""
    settings = layers.sources.get(Layer.DEVICE, ())
    return next((str(found.value) for each in settings if (found := each.get("path_checker"))), "")


def _is_rdac(layers: Layers, traits: PathTraits) -> bool:
    """Whether the array is of the rdac kind: it says so itself, and the device table has nothing against it. Of one
    that was not asked the table's word is taken."""
    named = array_checker(layers)
    return named == _RDAC if traits.rdac is None else traits.rdac and named in ("", _RDAC)


def _configured_prioritizer(layers: Layers) -> tuple[Resolved[str], Resolved[str]]:
    """Name and arguments from the same layer; within the device table each from the first entry that has it."""
    for layer in options.PRIO.layers:
        sources = layers.sources.get(layer, ())
        name = next((found for settings in sources if (found := settings.get("prio"))), None)
        if name is not None:
            arguments = next((found for settings in sources if (found := settings.get("prio_args"))), None)
            words = str(arguments.value) if arguments else ""
            return Resolved(str(name.value), name.origin), Resolved(words, (arguments or name).origin)
    name = layers.require(options.PRIO)
    return Resolved(str(name.value), name.origin), Resolved("", name.origin)


def _checker(layers: Layers, traits: PathTraits) -> Resolved[str]:
    if layers.require(options.DETECT_CHECKER).value and traits.bus is Bus.SCSI:
        if _is_rdac(layers, traits):
            source = "device table entry" if traits.rdac is None else f"VPD page {RDAC_PAGE:#04x}"
            return Resolved(_RDAC, detected(f"{source} of the rdac kind"))
        if traits.tpgs:
            return Resolved(_TUR, detected("target port groups"))
    return layers.require(options.PATH_CHECKER)


def _checker_timeout(layers: Layers, traits: PathTraits) -> Resolved[int]:
    return layers.lookup(options.CHECKER_TIMEOUT) or timeouts_unless_configured(traits)[0]


def timeouts_unless_configured(traits: PathTraits) -> tuple[Resolved[int], ...]:
    """How long a check may take when no layer says so, the strongest first."""
    fallback = Resolved(_FALLBACK_TIMEOUT, Origin(OriginKind.BUILT_IN))
    if not traits.timeout:
        return (fallback,)
    return Resolved(traits.timeout, Origin(OriginKind.KERNEL, why="sysfs device/timeout")), fallback
