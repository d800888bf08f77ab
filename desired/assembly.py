"""One map as it should be: its paths' states and priorities, its groups, and the complete table.

In: the admitted paths of one WWID, the map that exists already (if it does), its name, and the configuration. Out: a
`DesiredMap`. Pure; must never leave out an admitted path because it is down, nor mix sizes in one table.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from desired import options
from desired.admission import Candidate
from desired.grouping import GroupPath, PathGroup, alternate_adapters, best_group, group_paths
from desired.map_selection import MapProfile, MapTraits, Platform, map_profile, map_traits
from desired.model import DesiredMap, Member, Origin, OriginKind, Resolved, Tuning
from desired.observed import existing_order
from desired.precedence import Layers
from desired.priority import CONSTANT, NotAvailable, priority
from desired.selection import PathProfile, PathTraits, path_profile, traits_of
from desired.tunables import Wishes, tunings, wishes
from observers.dmtable import DevT, MultipathTable, Sectors, TableGroup, TablePath
from observers.snapshot import Alias, Map, Path, PathState, Wwid

_NOT_STORED = {
    PathState.DISCONNECTED: PathState.DOWN,
    PathState.REMOVED: PathState.DOWN,
}
"""Answers of a checker that are events rather than states."""

_ROUND_ROBIN = "round-robin"
_ALTERNATING = frozenset({"scsi:fcp", "scsi:sas", "scsi:iscsi", "scsi:srp"})
"""Protocols whose adapters take turns in a round-robin group."""
_WORTH_REORDERING = 3
"""The least number of paths in a group for that."""

_PCI = re.compile(r"[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]")
_CCW = re.compile(r"[0-9a-f]+\.[0-9a-f]+\.[0-9a-f]{4}")
_SCSI_HOST = re.compile(r"host\d+")

_PATH_MARK = "DM_MULTIPATH_DEVICE_PATH"
"""The udev property that tells everyone else to leave a device alone because it is a multipath path."""


def state_of(path: Path) -> PathState:
    """The state that counts: a device without a size takes no I/O however well it answers."""
    state = _NOT_STORED.get(path.health.state, path.health.state)
    return PathState.GHOST if state is PathState.UP and path.size == 0 else state


@dataclass(frozen=True, slots=True)
class Warned:
    """Something about a value of the configuration that people should know."""

    text: str
    origin: Origin


@dataclass(slots=True)
class Assembler:
    """Makes maps, and remembers what it concluded for others that are alike. It lives for one derivation.

    `warned`: what to tell, each once.
    """

    platform: Platform
    warned: dict[str, Warned] = field(default_factory=dict)
    _paths: dict[tuple[Layers, PathTraits], PathProfile] = field(default_factory=dict)
    _maps: dict[tuple[Layers, Resolved[str], PathProfile, MapTraits], MapProfile] = field(default_factory=dict)
    _wishes: dict[tuple[Layers, Layers, str, str], Wishes] = field(default_factory=dict)
    _priorities: dict[tuple[PathProfile, int | None, str], Resolved[int | None]] = field(default_factory=dict)

    def assemble(
        self, wwid: Wwid, alias: Resolved[Alias], candidates: Sequence[Candidate], *, existing: Map | None
    ) -> DesiredMap:
        """The map of these paths. `candidates`: admitted, in the order of their directories in sysfs; at least one."""
        fit = _fit([candidate.path for candidate in candidates], existing)
        place = existing_order(existing)
        for stray in fit.strays:
            sizes = f"it has {stray.size} sectors, the map's paths {fit.size}"
            self.warn(f"{stray.name} does not join {alias.value}: {sizes}", _BY_SIZE)
        fitting = [candidate for candidate in candidates if candidate.path.dev in fit.devices]
        ordered = sorted(fitting, key=lambda candidate: place.get(candidate.path.dev, len(place)))
        paths = [candidate.path for candidate in ordered]
        profiles = [self._path_profile(candidate.layers, candidate.path) for candidate in ordered]
        profile = self._map_profile(fitting[0], paths, profiles, existing)
        members = self._members(paths, profiles, existing)
        groups = _groups(profile, paths, members)
        return DesiredMap(
            wwid=wwid,
            alias=alias,
            table=_table(fit.size, profile, members, groups),
            members=tuple(members[path] for group in groups for path in group.order),
            failback=profile.failback,
            read_only=any(path.read_only for path in paths),
            skip_kpartx=profile.skip_kpartx,
            mode=profile.mode,
            uid=profile.uid,
            gid=profile.gid,
            reject=fit.reject,
            properties=profile.properties,
            care=profile.care,
            tunings=self._tunings(fitting[0].layers, ordered, profile),
        )

    def _tunings(self, first: Layers, ordered: Sequence[Candidate], profile: MapProfile) -> tuple[Tuning, ...]:
        retry = profile.properties.get("no_path_retry")
        found: dict[str, Tuning] = {}
        for each in ordered:
            key = (first, each.layers, each.path.protocol, retry.value if retry is not None else "")
            if key not in self._wishes:
                self._wishes[key] = wishes(
                    each.layers, each.path.protocol, each.path.bus, no_path_retry=key[3],
                    max_sectors=first.lookup(options.MAX_SECTORS_KB),
                )  # fmt: skip
            found |= {tuning.file: tuning for tuning in tunings(each.path, self._wishes[key])}
        return tuple(found.values())

    def _path_profile(self, layers: Layers, path: Path) -> PathProfile:
        key = (layers, traits_of(path))
        if key not in self._paths:
            self._paths[key] = path_profile(layers, key[1])
        return self._paths[key]

    def _map_profile(
        self, first: Candidate, paths: Sequence[Path], profiles: Sequence[PathProfile], existing: Map | None
    ) -> MapProfile:
        loaded = existing.table if existing is not None else None
        traits = map_traits(paths, profiles, loaded=loaded)
        key = (first.layers, first.attribute, profiles[0], traits)
        if key not in self._maps:
            made = map_profile(first.layers, traits, self.platform)
            for note in made.notes:
                self.warn(note, made.properties["features"].origin)
            by_path = {"uid_attribute": first.attribute, **profiles[0].properties}
            self._maps[key] = replace(made, properties=by_path | made.properties)
        return self._maps[key]

    def warn(self, text: str, origin: Origin) -> None:
        """Tell something about a value, once."""
        self.warned.setdefault(f"{text} {origin}", Warned(text, origin))

    def _members(self, paths: Sequence[Path], profiles: Sequence[PathProfile], existing: Map | None) -> list[Member]:
        values = [self._priority(path, profile) for path, profile in zip(paths, profiles, strict=True)]
        if any(value.value is None for value in values):
            values = _with_kept(paths, values, existing)
        return [
            Member(
                name=path.name,
                dev=path.dev,
                state=state_of(path),
                priority=value,
                sysfs=path.sysfs or f"/sys/class/block/{path.name}",
                announced=path.udev.get(_PATH_MARK) == "1",
            )
            for path, value in zip(paths, values, strict=True)
        ]

    def priority_of(self, candidate: Candidate) -> int | None:
        """The priority of a path by itself; None: it can't be told."""
        try:
            profile = self._path_profile(candidate.layers, candidate.path)
            return priority(candidate.path, profile.prioritizer.value, profile.arguments.value)
        except Exception:  # noqa: BLE001 - whatever is wrong with a path of no map, the maps must go on
            return None

    def _priority(self, path: Path, profile: PathProfile) -> Resolved[int | None]:
        name, instead = profile.prioritizer, ""
        try:
            value = priority(path, name.value, profile.arguments.value)
        except NotAvailable as error:
            value, instead = CONSTANT, f"{error}; const used"
        key = (profile, value, instead)
        if key not in self._priorities:
            if instead:
                self.warn(instead, name.origin)
            why = "; ".join(part for part in (instead or f"prio {name.value}", name.origin.why) if part)
            self._priorities[key] = Resolved(value, replace(name.origin, why=why))
        return self._priorities[key]


def _with_kept(
    paths: Sequence[Path], values: Sequence[Resolved[int | None]], existing: Map | None
) -> list[Resolved[int | None]]:
    """Priorities of paths that can't be asked while they are down: those of their companions in the loaded table.

    So a path that fails does not leave its group, which multipathd brings about by keeping the last known priority.
    """
    groups = existing.table.groups if existing is not None and existing.table is not None else ()
    known = {path.dev: value.value for path, value in zip(paths, values, strict=True)}
    kept: dict[DevT, int | None] = {}
    for group in groups:
        priorities = {known.get(each.dev) for each in group.paths} - {None}
        if len(priorities) == 1:
            kept |= dict.fromkeys((each.dev for each in group.paths), priorities.pop())
    why = "kept: its group's in the loaded table, for it can't be asked now"
    return [
        Resolved(kept[path.dev], Origin(OriginKind.EXISTING_MAP, why=why))
        if value.value is None and path.dev in kept and not path.health.state.usable
        else value
        for path, value in zip(paths, values, strict=True)
    ]


_BY_SIZE = Origin(OriginKind.IMPLIED, why="all paths of a map have one size")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """What size a map has, and which paths have it. `reject`: why the map can't be as desired, or empty; `strays`: the
    paths that a map that exists does without."""

    size: Sectors
    devices: frozenset[DevT]
    reject: str = ""
    strays: tuple[Path, ...] = ()


def _fit(paths: Sequence[Path], existing: Map | None) -> _Fit:
    """A map that exists has the size of its own paths, and a path of another size stays out. If its own paths differ it
    keeps them all, so that they are looked after, and its size."""
    loaded = existing.table if existing is not None else None
    own = [path for path in paths if loaded is not None and path.dev in loaded.devices and path.size]
    size, reject = _size(own or paths)
    if own and reject and loaded is not None:
        members = frozenset(path.dev for path in paths if path.dev in loaded.devices)
        return _Fit(size=loaded.size, devices=members, reject=reject)
    devices = frozenset(path.dev for path in paths if path.size in (0, size))
    strays = [path for path in paths if path.dev not in devices] if own else ()
    return _Fit(size=size, devices=devices, reject=reject, strays=tuple(strays))


def _size(paths: Sequence[Path]) -> tuple[Sectors, str]:
    """The map's size, and why it can't be (empty: it can). The first path that has a size decides."""
    sized = [path for path in paths if path.size]
    if not sized:
        return Sectors(0), "no path has a size"
    size = sized[0].size
    if all(path.size == size for path in sized):
        return size, ""
    return size, "paths differ in size (sectors): " + ", ".join(f"{path.name} {path.size}" for path in sized)


@dataclass(frozen=True, slots=True)
class _Group:
    """A group with its paths in table order, as places among the map's paths."""

    order: tuple[int, ...]
    enabled: bool


def _groups(profile: MapProfile, paths: Sequence[Path], members: Sequence[Member]) -> list[_Group]:
    looked_at = [
        GroupPath(
            index=index,
            usable=member.state.usable,
            priority=member.priority.value,
            marginal=path.marginal,
            serial=path.serial,
            node_name=path.target_node_name,
            target_port_group=path.alua.group,
        )
        for index, (path, member) in enumerate(zip(paths, members, strict=True))
    ]
    groups = group_paths(profile.policy, looked_at, separate_marginal=profile.separate_marginal)
    alternate = profile.selector.startswith(_ROUND_ROBIN)
    return [
        _Group(
            _alternating(group, paths) if alternate else tuple(path.index for path in group.paths), bool(group.enabled)
        )
        for group in groups
    ]


def _alternating(group: PathGroup, paths: Sequence[Path]) -> tuple[int, ...]:
    """The places of a round-robin group's paths, adapters taking turns; as they are when an adapter is not known."""
    order = [path.index for path in group.paths]
    adapters = [_adapter(paths[index]) for index in order]
    known = [adapter for adapter in adapters if adapter]
    if len(order) < _WORTH_REORDERING or len(known) < len(order):
        return tuple(order)
    hosts = [address.host if (address := paths[index].address) else 0 for index in order]
    return tuple(alternate_adapters(order, known, hosts))


def _adapter(path: Path) -> str:
    """The adapter behind a path: the bridge above the PCI function that is its host, or the ccw device; else empty.

    The ports of one card are functions below one bridge. For iSCSI nothing in sysfs' paths tells adapters apart.
    """
    if path.protocol not in _ALTERNATING:
        return ""
    parents: list[str] = []
    for name in path.sysfs.split("/"):
        if _SCSI_HOST.fullmatch(name):
            break
        parents.append(name)
    ccw = [name for name in parents if _CCW.fullmatch(name)]
    functions = [name for name in parents if _PCI.fullmatch(name)]
    if ccw:
        return ccw[-1]
    return functions[-2] if len(functions) > 1 else ""


def _table(size: Sectors, profile: MapProfile, members: Sequence[Member], groups: Sequence[_Group]) -> MultipathTable:
    return MultipathTable(
        size=size,
        features=profile.features,
        hardware_handler=profile.handler,
        initial_group=best_group(groups),
        groups=tuple(
            TableGroup(
                profile.selector,
                profile.selector_args,
                tuple(_table_path(profile, members[index]) for index in group.order),
            )
            for group in groups
        ),
    )


def _table_path(profile: MapProfile, member: Member) -> TablePath:
    """A path with its repeat count; with rr_weight priorities a better path is used for more requests in a row."""
    weight = member.priority.value if profile.weighted else None
    repeat = profile.repeat_count * weight if weight is not None and weight > 0 else profile.repeat_count
    return TablePath(member.dev, (str(repeat),))
