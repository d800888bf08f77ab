"""What explaining asks: one derivation with everything that it went by, and the things in it by the names people use.

In: the configuration, the snapshot, and what was derived of them. Out: `Evidence`, and the device, map or keyword that
a name stands for. An unknown name is an `InputError` with the nearest ones. Pure; identifying devices again gives what
deriving had, because both are the same functions of the same values.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from desired.admission import Candidate
from desired.config import Config
from desired.derive import by_wwid, identify, rules_in_force
from desired.map_selection import Platform
from desired.model import Desired, DesiredMap
from desired.observed import Observed, observe
from desired.options import OPTIONS, Option
from desired.prospects import Docket, docket
from observers.errors import InputError
from observers.snapshot import MPATH_PREFIX, DeviceName, DmDevice, Map, Snapshot, Wwid

NEAREST = 3
"""How many names are suggested in the place of an unknown one."""
_CLOSE = 0.5
_KEYWORDS: Mapping[str, Option[Any]] = {
    option.keyword: option for option in OPTIONS if option.layers and not option.stored_as
}
"""The keywords that have a value for each device or map."""
_OTHERS: Mapping[str, Option[Any]] = {option.keyword: option for option in reversed(OPTIONS)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """`devices`: by kernel name. `admitted`: those that are paths, by WWID, in the order in which deriving took them.
    `wanted`: the desired maps. `platform`: what the kernel does whatever is configured."""

    config: Config
    snapshot: Snapshot
    desired: Desired
    known: Observed
    docket: Docket
    devices: Mapping[DeviceName, Candidate]
    admitted: Mapping[Wwid, Sequence[Candidate]]
    wanted: Mapping[Wwid, DesiredMap]
    platform: Platform


def gather(config: Config, snapshot: Snapshot, desired: Desired, *, resident: bool) -> Evidence:
    """The evidence of a derivation: `desired` is what `derive` made of the same configuration, snapshot and
    `resident`. `InputError` when the configuration could not be read, for then nothing was decided."""
    known = observe(snapshot)
    if known.no_configuration:
        raise InputError(
            f"the configuration could not be read: {known.no_configuration}",
            hint="so nothing is decided about any device, and maps are left as they are",
        )
    candidates = identify(config, snapshot, known)
    native_nvme = snapshot.host.native_nvme_multipath
    rules = rules_in_force(config, snapshot, known)
    return Evidence(
        config=config,
        snapshot=snapshot,
        desired=desired,
        known=known,
        docket=docket(config, rules, candidates, desired.admissions, native_nvme=native_nvme),
        devices={each.path.name: each for each in candidates},
        admitted=by_wwid(candidates, desired.admissions),
        wanted={each.wwid: each for each in desired.maps},
        platform=Platform.of(snapshot.host, watched=resident),
    )


def find_device(evidence: Evidence, name: str) -> Candidate:
    """The device that is called so: by its kernel name, a path or link under /dev, or its number."""
    short = name.removeprefix("/dev/")
    for candidate in evidence.devices.values():
        path = candidate.path
        if short == path.name or name == path.dev or name in path.udev.get("DEVLINKS", "").split():
            return candidate
    gap = next((gap for gap in evidence.snapshot.gaps if gap.subject == short), None)
    if gap is not None:
        raise InputError(f"{short} could not be read: {gap.what}: {gap.reason}")
    if _maps_called(evidence, name):
        raise InputError(f"{name} is a map, not a path", hint=f"mpathctl explain map {name}")
    raise InputError(f"there is no block device {name} that could be a path", hint=_nearest(short, evidence.devices))


@dataclass(frozen=True, slots=True)
class Subject:
    """A map: as it is (None: it does not exist), and as it should be (None: nobody wants it)."""

    wwid: Wwid
    live: Map | None
    wanted: DesiredMap | None


def find_map(evidence: Evidence, name: str) -> Subject:
    """The map that is called so: by its name (the one that it has goes before one that it would get), its WWID or
    UUID, its number, or dm-N."""
    found = _maps_called(evidence, name)
    if found:
        return found[0]
    short = name.removeprefix("/dev/")
    if short in evidence.devices:
        raise InputError(f"{short} is a path, not a map", hint=f"mpathctl explain path {short}")
    foreign = next((each for each in evidence.snapshot.other_devices if _called(each, name)), None)
    if foreign is not None:
        raise InputError(f"{name} is a device-mapper device, but no multipath map")
    companions = evidence.docket.companions.get(Wwid(name), ()) if name else ()
    if companions:
        names = ", ".join(each.path.name for each in companions)
        hint = f"mpathctl explain path {companions[0].path.name}"
        raise InputError(f"there is no map of {name}, and none is wanted; it is the WWID of {names}", hint=hint)
    raise InputError(f"there is no map {name}", hint=_nearest(name.rpartition("/")[2], _map_names(evidence)))


def subjects(evidence: Evidence) -> tuple[Subject, ...]:
    """All maps, the desired ones first."""
    live = evidence.known.maps
    return tuple(
        Subject(wwid, live.get(wwid), evidence.wanted.get(wwid)) for wwid in dict.fromkeys([*evidence.wanted, *live])
    )


def _maps_called(evidence: Evidence, name: str) -> list[Subject]:
    every = subjects(evidence)
    existing = [each for each in every if each.live is not None and _called(each.live, name)]
    alias, wwid = name.removeprefix("/dev/mapper/"), name.removeprefix(MPATH_PREFIX)
    return existing + [
        each for each in every if each.wwid == wwid or (each.wanted and each.wanted.alias.value == alias)
    ]


def _called(device: Map | DmDevice, name: str) -> bool:
    node = f"dm-{device.dev.partition(':')[2]}"
    return name in (device.name, f"/dev/mapper/{device.name}", device.dev, device.uuid, node, f"/dev/{node}")


def _map_names(evidence: Evidence) -> Iterable[str]:
    for each in subjects(evidence):
        yield from (str(name.name if isinstance(name, Map) else name.alias.value) for name in _forms(each))
        yield each.wwid


def _forms(subject: Subject) -> Iterable[Map | DesiredMap]:
    return (form for form in (subject.live, subject.wanted) if form is not None)


def find_option(keyword: str, *, also: Sequence[str] = ()) -> Option[Any]:
    """The row of a keyword that is a property of paths or maps. `also`: other names that may be asked for."""
    other = _OTHERS.get(keyword)
    key = other.key if other is not None else keyword
    if key in _KEYWORDS:
        return _KEYWORDS[key]
    if other is not None and other.ignored is not None:
        raise InputError(f"{keyword} is accepted and has no effect; always used: {other.ignored}")
    if other is not None:
        homes = ", ".join(str(section) or "the top level" for section in other.sections)
        raise InputError(f"{keyword} is no property of a path or map", hint=f"it is a keyword of {homes}")
    raise InputError(f"there is no property {keyword}", hint=_nearest(keyword, [*_KEYWORDS, *also]))


def _nearest(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, sorted(set(known)), n=NEAREST, cutoff=_CLOSE)
    return f"did you mean {' or '.join(close)}?" if close else ""
