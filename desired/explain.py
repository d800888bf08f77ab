"""Why a property has its value: the value and origin that deriving used, and what lost to it.

In: the evidence of a derivation, and which device or map. Out: a view of it that explains any row of the options table.
A path that is in no map is shown as it would be in a map of its own. Pure; must never work out a value by other
functions than deriving does.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from desired import options
from desired.admission import Candidate
from desired.aliases import alias_contenders, alias_note
from desired.assembly import Assembler, state_of
from desired.contenders import Contender, Matched, chosen_by, contenders
from desired.evidence import Evidence, find_option
from desired.map_selection import attached_handler, map_traits
from desired.model import DesiredMap, Member, Origin, Resolved
from desired.observed import existing_order
from desired.options import OPTIONS, Layer, Option
from desired.precedence import Layers
from desired.selection import (
    PathProfile,
    path_profile,
    timeouts_unless_configured,
    traits_of,
)
from desired.sightings import seen, sources, state_reasons
from observers.dmtable import DevT
from observers.snapshot import Alias

ALIAS, WWID, PRIORITY, STATE = "alias", "wwid", "priority", "state"
FACTS_OF_PATHS = (WWID, STATE, PRIORITY)

OF_PATHS: tuple[Option[Any], ...] = (
    options.UID_ATTRIBUTE, options.PRIO, options.PRIO_ARGS, options.PATH_CHECKER, options.CHECKER_TIMEOUT,
    options.FAST_IO_FAIL_TMO, options.DEV_LOSS_TMO, options.EH_DEADLINE, options.MAX_RETRIES, options.ALL_TG_PT,
    options.DETECT_PRIO, options.DETECT_CHECKER, options.RECHECK_WWID, options.VPD_VENDOR_OPTION,
)  # fmt: skip
"""What each path has for itself; everything else is its map's."""
_BY_PATH = frozenset({"prio", "prio_args", "path_checker", "checker_timeout"})
"""Of these a map shows those of the path that stands first in its table."""

_MARGINAL = ("marginal_pathgroups", "marginal_path_err_sample_time", "marginal_path_err_rate_threshold",
             "marginal_path_err_recheck_gap_time", "marginal_path_double_failed_time")  # fmt: skip
_SAN = (*_MARGINAL, "delay_watch_checks", "delay_wait_checks")
_DEPENDS: Mapping[str, tuple[str, ...]] = {
    ALIAS: ("user_friendly_names", "alias_prefix"),
    PRIORITY: ("prio", "prio_args"),
    STATE: ("path_checker", "checker_timeout"),
    WWID: ("uid_attribute",),
    "uid_attribute": ("uid_attrs",),
    "prio": ("detect_prio",),
    "prio_args": ("prio", "detect_prio"),
    "path_checker": ("detect_checker",),
    "path_grouping_policy": ("detect_pgpolicy", "detect_pgpolicy_use_tpg", "prio"),
    "features": ("no_path_retry", "retain_attached_hw_handler"),
    "no_path_retry": ("features", "queue_without_daemon"),
    "hardware_handler": ("retain_attached_hw_handler",),
    "rr_min_io": ("rr_weight",),
    "rr_min_io_rq": ("rr_weight",),
    "marginal_path_err_sample_time": _MARGINAL[:1],
    "marginal_path_err_rate_threshold": _MARGINAL[:1],
    "marginal_path_err_recheck_gap_time": _MARGINAL[:1],
    "marginal_path_double_failed_time": _MARGINAL[:1],
    "san_path_err_threshold": _SAN,
    "san_path_err_forget_rate": _SAN,
    "san_path_err_recovery_time": (*_SAN, "max_polling_interval"),
}
"""Properties that have a say in another one without being a layer of it."""

_INSTEAD = {
    "rr_min_io": "not in force: the kernel's multipath target is request-based, so rr_min_io_rq counts",
    "rr_min_io_rq": "not in force: the kernel's multipath target is bio-based, so rr_min_io counts",
    "delay_watch_checks": "deprecated: what it amounts to is in san_path_err_forget_rate and san_path_err_threshold",
    "delay_wait_checks": "deprecated: what it amounts to is in san_path_err_recovery_time and san_path_err_threshold",
}
_WHOLE_DAEMON = (Layer.DEFAULTS, Layer.BUILT_IN)


@dataclass(frozen=True, slots=True)
class Dependency:
    """Another property that has a say in one."""

    property: str
    value: str | None
    origin: Origin | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One property. `value` None: it is not set. `written`: what stands at the place of origin, when that is not the
    value in force. `losers`: the strongest first."""

    property: str
    value: str | None
    origin: Origin | None
    chosen_by: tuple[Matched, ...] = ()
    written: str = ""
    losers: tuple[Contender, ...] = ()
    depends: tuple[Dependency, ...] = ()
    note: str = ""


# The values, as deriving worked them out


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapView:
    """A desired map with the paths that it was made of: `first` as deriving met them, `leading` first in the table."""

    evidence: Evidence
    wanted: DesiredMap
    first: Candidate
    ordered: Sequence[Candidate]

    @property
    def leading(self) -> Candidate:
        """The path that stands first in the table, were it made of one group."""
        return self.ordered[0]

    def value(self, option: Option[Any]) -> Resolved[str] | None:
        """The value that holds for the map."""
        return self.wanted.properties.get(option.key) or _looked_up(self.first.layers, option)

    def explain(self, option: Option[Any]) -> Explanation:
        """A property of the map. Those that follow from a path are those of the leading one."""
        candidate = self.leading if option.key in _BY_PATH else self.first
        field = _field(self.evidence, candidate, option)
        if option.key == "hardware_handler":
            field = (*self._attached(), *field)
        value = self.value(option)
        return _explanation(
            self.evidence, candidate, option.key, value, field, self._depends(option.key), self._note(option)
        )

    def _note(self, option: Option[Any]) -> str:
        if option.key in self.wanted.properties:
            return ""
        if option is options.NO_PATH_RETRY and self.wanted.table.queues:
            return "nobody sets it, so the map goes on queueing, as the table that is loaded does"
        return _INSTEAD.get(option.key, "") or _daemon_note(option)

    def alias(self) -> Explanation:
        """The map's name."""
        alias = self.wanted.alias
        field = alias_contenders(self.evidence, self.wanted.wwid, self.first.layers)
        own = next(
            (each for each in field if each.origin.kind is alias.origin.kind and each.value == alias.value), None
        )
        return Explanation(
            property=ALIAS,
            value=alias.value,
            origin=alias.origin,
            losers=tuple(each for each in field if each is not own),
            depends=self._depends(ALIAS),
            note=alias_note(self.evidence, self.wanted, own),
        )

    def unset(self) -> Iterable[str]:
        """The properties of maps that nobody sets."""
        rows = (row for row in OPTIONS if row.layers and row.layers != _WHOLE_DAEMON and not row.stored_as)
        return (row.keyword for row in rows if row.key != ALIAS and self.value(row) is None)

    def _attached(self) -> tuple[Contender, ...]:
        profiles = [path_profile(each.layers, traits_of(each.path)) for each in self.ordered]
        traits = map_traits([each.path for each in self.ordered], profiles, loaded=None)
        found = attached_handler(self.first.layers, traits, self.evidence.platform)
        return (Contender(found.value, found.origin),) if found else ()

    def _depends(self, key: str) -> tuple[Dependency, ...]:
        rows = (find_option(each) for each in _DEPENDS.get(key, ()))
        return tuple(_dependency(row.keyword, self.value(row)) for row in rows)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PathView:
    """A device. `in_map`: whether `map` is wanted; else it is the one that the device would be alone in."""

    evidence: Evidence
    candidate: Candidate
    profile: PathProfile
    map: MapView
    in_map: bool

    @property
    def member(self) -> Member:
        """The device as a path of its map."""
        members = (each for each in self.map.wanted.members if each.dev == self.candidate.path.dev)
        return next(members)

    def value(self, option: Option[Any]) -> Resolved[str] | None:
        """The value that holds for the path."""
        if option.key == options.UID_ATTRIBUTE.key:
            return self.candidate.attribute
        return self.profile.properties.get(option.key) or _looked_up(self.candidate.layers, option)

    def explain(self, option: Option[Any]) -> Explanation:
        """A property of the path, or of its map."""
        if option not in OF_PATHS:
            return self.map.explain(option)
        field = _field(self.evidence, self.candidate, option)
        depends = self._depends(option.key)
        return _explanation(self.evidence, self.candidate, option.key, self.value(option), field, depends, "")

    def fact(self, name: str) -> Explanation:
        """What was seen of the path rather than set."""
        depends = self._depends(name)
        if name == PRIORITY:
            found = self.member.priority
            value = None if found.value is None else str(found.value)
            return Explanation(property=name, value=value, origin=found.origin, depends=depends)
        if name == STATE:
            origin = seen("; ".join(state_reasons(self.evidence, self.candidate)))
            return Explanation(property=name, value=str(state_of(self.candidate.path)), origin=origin, depends=depends)
        origin = seen(self.candidate.source)
        losers = tuple(each for each in sources(self.candidate) if not each.stands_at(origin) or each.origin != origin)
        return Explanation(
            property=name, value=self.candidate.wwid or None, origin=origin, losers=losers, depends=depends
        )

    def _depends(self, key: str) -> tuple[Dependency, ...]:
        rows = (find_option(each) for each in _DEPENDS.get(key, ()))
        return tuple(_dependency(row.keyword, self.value(row)) for row in rows)


def _dependency(keyword: str, found: Resolved[str] | None) -> Dependency:
    return Dependency(keyword, found.value if found else None, found.origin if found else None)


def _daemon_note(option: Option[Any]) -> str:
    """For what concerns no path or map in particular."""
    return "a setting of the whole daemon" if option.layers == _WHOLE_DAEMON and option not in OF_PATHS else ""


def _looked_up(layers: Layers, option: Option[Any]) -> Resolved[str] | None:
    found = layers.lookup(option)
    return Resolved(option.write(found.value), found.origin) if found else None


def _field(evidence: Evidence, candidate: Candidate, option: Option[Any]) -> tuple[Contender, ...]:
    """Everything that was in the race for an option."""
    field = contenders(evidence.config, candidate.kind, candidate.layers, option)
    if option.key != options.CHECKER_TIMEOUT.key:
        return field
    unless = timeouts_unless_configured(traits_of(candidate.path))
    return (*field, *(Contender(str(each.value), each.origin) for each in unless))


def _explanation(
    evidence: Evidence,
    candidate: Candidate,
    name: str,
    found: Resolved[str] | None,
    field: Sequence[Contender],
    depends: tuple[Dependency, ...],
    note: str,
) -> Explanation:
    if found is None:
        return Explanation(property=name, value=None, origin=None, losers=tuple(field), depends=depends, note=note)
    own = next((each for each in field if each.stands_at(found.origin)), None)
    return Explanation(
        property=name,
        value=found.value,
        origin=found.origin,
        chosen_by=chosen_by(evidence.config, candidate.kind, found.origin),
        written=own.value if own is not None and own.value != found.value else "",
        losers=tuple(each for each in field if each is not own),
        depends=depends,
        note=note,
    )


def map_view(evidence: Evidence, wanted: DesiredMap) -> MapView:
    """A desired map as something to ask about."""
    candidates = evidence.admitted[wanted.wwid]
    members: set[DevT] = {each.dev for each in wanted.members}
    place = existing_order(evidence.known.maps.get(wanted.wwid))
    fitting = [each for each in candidates if each.path.dev in members]
    ordered = sorted(fitting, key=lambda each: place.get(each.path.dev, len(place)))
    return MapView(evidence=evidence, wanted=wanted, first=fitting[0], ordered=ordered)


def path_view(evidence: Evidence, candidate: Candidate) -> PathView:
    """A device as something to ask about."""
    wanted = evidence.wanted.get(candidate.wwid)
    in_map = wanted is not None and candidate.path.dev in {each.dev for each in wanted.members}
    if wanted is not None and in_map:
        view = map_view(evidence, wanted)
    else:
        view = MapView(evidence=evidence, wanted=_alone(evidence, candidate), first=candidate, ordered=(candidate,))
    profile = path_profile(candidate.layers, traits_of(candidate.path))
    return PathView(evidence=evidence, candidate=candidate, profile=profile, map=view, in_map=in_map)


def _alone(evidence: Evidence, candidate: Candidate) -> DesiredMap:
    """The map of this device only, as it would be if the device were admitted."""
    alias = Resolved(Alias(candidate.wwid), seen("WWID"))
    return Assembler(evidence.platform).assemble(candidate.wwid, alias, (candidate,), existing=None)
