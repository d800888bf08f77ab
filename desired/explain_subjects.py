"""Everything about a path or a map in one value: identity, admission, state, groups, tables, and every property.

In: the evidence of a derivation, and the name of a device or map. Out: `PathExplanation`, `MapExplanation`, or one
property's `Explanation`. Pure; each part is worked out elsewhere, here they are put together.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from desired.assembly import state_of
from desired.contenders import Contender
from desired.evidence import Evidence, Subject, find_device, find_map, find_option
from desired.explain import ALIAS, FACTS_OF_PATHS, OF_PATHS, WWID, Explanation, map_view, path_view
from desired.identity import Finding
from desired.model import Admission, DesiredMap, Member, Resolved
from desired.options import OPTIONS, Option
from desired.prospects import AdmissionExplanation, explain_admission
from desired.sightings import seen, sources, state_reasons
from observers.dmtable import MultipathTable, PathStatus, format_table
from observers.errors import InputError
from observers.snapshot import Path, PathState, Wwid


@dataclass(frozen=True, slots=True)
class TunableExplanation:
    """A sysfs attribute of a path, its port or its adapter: what is in it, and what should be (None: whatever)."""

    file: str
    now: str
    wanted: Resolved[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PathExplanation:
    """One device. `sources`: every name that can be had for it, and from where. `map`: the name of the map that it
    should be in (empty: none); `group`: its group there, from 1, of `groups`; `now_in`: the map that has it now."""

    path: Path
    wwid: Wwid
    sources: tuple[Contender, ...]
    source: str
    finding: Finding
    admission: AdmissionExplanation
    state: PathState
    state_reasons: tuple[str, ...]
    priority: Resolved[int | None]
    map: str
    now_in: str
    group: int
    groups: int
    properties: tuple[Explanation, ...]
    tunables: tuple[TunableExplanation, ...]


@dataclass(frozen=True, slots=True)
class MemberExplanation:
    """A path of a map, and the kernel's word on it (None: the map that exists does not have it)."""

    member: Member
    kernel: PathStatus | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MapExplanation:
    """One map. `unwanted`: why it has no desired form; empty: it has one, and all that follows. `refused`: why it can't
    be made as desired. `unset`: properties that nobody sets. `devices`: every device of its WWID."""

    subject: Subject
    unwanted: str
    devices: tuple[Admission, ...]
    table_now: str = ""
    table_desired: str = ""
    alias: Explanation | None = None
    refused: str = ""
    groups: tuple[tuple[MemberExplanation, ...], ...] = ()
    properties: tuple[Explanation, ...] = ()
    unset: tuple[str, ...] = ()


def explain_admissions(evidence: Evidence) -> tuple[AdmissionExplanation, ...]:
    """Every device, in the order of the snapshot."""
    return tuple(explain_admission(evidence.docket, each) for each in evidence.devices.values())


def explain_path(evidence: Evidence, name: str) -> PathExplanation:
    """Everything about a device. `InputError` when there is none of that name."""
    view = path_view(evidence, find_device(evidence, name))
    candidate, path = view.candidate, view.candidate.path
    groups = view.map.wanted.table.groups
    place = [number for number, group in enumerate(groups, 1) if path.dev in {each.dev for each in group.paths}]
    return PathExplanation(
        path=path,
        wwid=candidate.wwid,
        sources=sources(candidate),
        source=candidate.source,
        finding=candidate.finding,
        admission=explain_admission(evidence.docket, candidate),
        state=state_of(path),
        state_reasons=tuple(state_reasons(evidence, candidate)),
        priority=view.member.priority,
        map=view.map.wanted.alias.value if view.in_map else "",
        now_in=holder.name if (holder := evidence.known.members.get(path.dev)) is not None else "",
        group=place[0] if place and view.in_map else 0,
        groups=len(groups) if view.in_map else 0,
        properties=tuple(view.explain(option) for option in OF_PATHS),
        tunables=_tunables(path, view.map.wanted),
    )


def _tunables(path: Path, wanted: DesiredMap) -> tuple[TunableExplanation, ...]:
    wishes = {each.file: each.wanted for each in wanted.tunings}
    return tuple(TunableExplanation(each.file, each.value, wishes.get(each.file)) for each in path.tunables)


def explain_path_property(evidence: Evidence, name: str, keyword: str) -> Explanation:
    """One property of a device, or of its map. `InputError` for an unknown device or property."""
    view = path_view(evidence, find_device(evidence, name))
    if keyword == ALIAS and not view.in_map:
        raise InputError(f"{name} is a path of no map, so there is no alias", hint=f"mpathctl explain path {name}")
    if keyword == ALIAS:
        return view.map.alias()
    return view.fact(keyword) if keyword in FACTS_OF_PATHS else view.explain(find_option(keyword, also=FACTS_OF_PATHS))


def explain_map(evidence: Evidence, name: str) -> MapExplanation:
    """Everything about a map. `InputError` when there is none of that name."""
    subject = find_map(evidence, name)
    devices = tuple(evidence.docket.admission(each) for each in evidence.docket.companions.get(subject.wwid, ()))
    table_now = _line(subject.live.table) if subject.live is not None and subject.live.table is not None else ""
    if subject.wanted is None:
        why = unwanted(evidence, subject)
        return MapExplanation(subject=subject, unwanted=why, devices=devices, table_now=table_now)
    view = map_view(evidence, subject.wanted)
    shown = [option for option in OPTIONS if option.key in subject.wanted.properties and not option.stored_as]
    return MapExplanation(
        subject=subject,
        unwanted="",
        devices=devices,
        table_now=table_now,
        table_desired=_line(subject.wanted.table),
        alias=view.alias(),
        refused=subject.wanted.reject,
        groups=_groups(subject),
        properties=tuple(view.explain(option) for option in _distinct(shown)),
        unset=tuple(view.unset()),
    )


def explain_map_property(evidence: Evidence, name: str, keyword: str) -> Explanation:
    """One property of a map. `InputError` for an unknown map or property, and for a map that nobody wants."""
    subject = find_map(evidence, name)
    if subject.wanted is None:
        raise InputError(f"{name} has no desired properties: {unwanted(evidence, subject)}")
    view = map_view(evidence, subject.wanted)
    if keyword == ALIAS:
        return view.alias()
    if keyword == WWID:
        return Explanation(property=WWID, value=subject.wwid, origin=seen("the WWID of its paths"))
    return view.explain(find_option(keyword, also=(ALIAS, WWID)))


def unwanted(evidence: Evidence, subject: Subject) -> str:
    """Why a map has no desired form; empty when it has one."""
    if subject.wanted is not None:
        return ""
    kept = evidence.desired.keep.get(subject.wwid)
    return f"it is left alone: {kept}" if kept else "no device with its WWID is admitted"


def _distinct(rows: Iterable[Option[Any]]) -> Iterable[Option[Any]]:
    return {row.key: row for row in rows}.values()


def _line(table: MultipathTable) -> str:
    """The whole line as `dmsetup table` shows it."""
    return f"0 {table.size} multipath {format_table(table)}"


def _groups(subject: Subject) -> tuple[tuple[MemberExplanation, ...], ...]:
    if subject.wanted is None:
        return ()
    status = subject.live.status if subject.live is not None else None
    kernel = {each.dev: each for each in status.paths} if status is not None else {}
    members = {each.dev: each for each in subject.wanted.members}
    return tuple(
        tuple(MemberExplanation(members[each.dev], kernel.get(each.dev)) for each in group.paths)
        for group in subject.wanted.table.groups
    )
