"""What a change of the configuration would do and why, before it is done: two decisions on one snapshot, side by side.

Theory of operation. `under` puts the candidate's text in the place of the main file; nothing else of the snapshot
changes, so whatever then comes out otherwise comes of that text. Each side is what the spine makes of its snapshot
(derive, plan, safety rules); `compare` only tells them apart. A step that both plans have was due already and is not
the change's doing; one that both have in different forms would be done anyway, only otherwise.

In: the snapshot, and both sides. Out: `Preview`, in the order of the candidate's maps, which is the same each time. It
must never decide anything, nor call a value changed because it stands on another line now.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from actuators.steps import Step
from controller.reconcile.plan import MapPlan, Plan
from controller.reconcile.preview_steps import Cause, TracedStep, trace
from controller.reconcile.preview_values import (
    ALIAS,
    PartChange,
    TableChange,
    ValueChange,
    setting_changes,
    table_change,
    value_changes,
)
from controller.reconcile.safety import Finding
from desired.config import Config
from desired.model import Admission, ConfigMessage, Desired, DesiredMap, Verdict
from desired.naming import Bindings
from observers.dmtable import DevT
from observers.snapshot import Alias, DeviceName, Gap, Map, Snapshot, TextFile, Wwid, dev_key

__all__ = [
    "ALIAS",
    "BindingChange",
    "Cause",
    "DiskChange",
    "Fate",
    "MapPreview",
    "PartChange",
    "Preview",
    "Side",
    "TableChange",
    "TracedStep",
    "ValueChange",
    "compare",
    "trace",
    "under",
]

CONFIGURATION = "configuration"
"""The subject of a gap that names its file as what could not be read."""
_STATE_FILES = ("/bindings", "/wwids", "/prkeys")
_LINE = re.compile(r"\bline \d+")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """One configuration and what follows from it. `file`: the path of its main file."""

    file: str
    config: Config
    desired: Desired
    plan: Plan
    findings: tuple[Finding, ...] = ()


class Fate(StrEnum):
    """Whether a map is wanted under both configurations."""

    STAYS = "stays"
    ADDED = "added"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class MapPreview:
    """What would become of one map. `exists`: it is on the host now; `name`: the one it has, else would get.

    `values`: its properties that change. `steps`: those of the candidate's plan in their order, then those no longer
    due. `reasons`: of the candidate's plan, as far as they are new; `held`: it may not be made as the candidate says.
    """

    wwid: Wwid
    name: Alias
    exists: bool
    fate: Fate
    values: tuple[ValueChange, ...] = ()
    table: TableChange | None = None
    steps: tuple[TracedStep, ...] = ()
    reasons: tuple[str, ...] = ()
    held: bool = False

    @property
    def changed(self) -> bool:
        """Whether the candidate makes any difference to the map. Steps that are due already make none."""
        others = any(each.cause is not Cause.DUE for each in self.steps)
        return self.fate is not Fate.STAYS or bool(self.values) or self.table is not None or others

    @property
    def caused(self) -> tuple[Step, ...]:
        """The steps that would be done because of the candidate, or otherwise than now."""
        return tuple(each.step for each in self.steps if each.cause in (Cause.CHANGE, Cause.ALTERED))

    @property
    def due(self) -> tuple[Step, ...]:
        """The steps that are due under both configurations."""
        return tuple(each.step for each in self.steps if each.cause is Cause.DUE)


@dataclass(frozen=True, slots=True)
class DiskChange:
    """A disk with another verdict, or in another map."""

    before: Admission
    after: Admission

    @property
    def name(self) -> DeviceName:
        """The kernel's name of the disk."""
        return self.after.name

    @property
    def claimed(self) -> tuple[bool, bool]:
        """Whether it is a path now, and would be one."""
        return self.before.verdict is Verdict.ADMITTED, self.after.verdict is Verdict.ADMITTED


@dataclass(frozen=True, slots=True)
class BindingChange:
    """A line of the bindings file that only one of the two sides has; `added`: the candidate."""

    alias: Alias
    wwid: Wwid
    added: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Everything that a candidate changes.

    `compared`: False when the present configuration can't be used, so that there are only the maps as they are to
    compare with. `maps`: all of them. `settings`: of the defaults section, those that no map takes its value from.
    `messages`, `findings`: only new ones; `settled`: messages on the present configuration that are gone.
    """

    candidate: str
    present: str
    compared: bool
    maps: tuple[MapPreview, ...]
    disks: tuple[DiskChange, ...] = ()
    bindings: tuple[BindingChange, ...] = ()
    records: tuple[TracedStep, ...] = ()
    settings: tuple[ValueChange, ...] = ()
    messages: tuple[ConfigMessage, ...] = ()
    settled: tuple[ConfigMessage, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def changed(self) -> tuple[MapPreview, ...]:
        """The maps to which the candidate makes a difference."""
        return tuple(each for each in self.maps if each.changed)

    @property
    def unchanged(self) -> tuple[MapPreview, ...]:
        """The others."""
        return tuple(each for each in self.maps if not each.changed)

    @property
    def changes(self) -> bool:
        """Whether the candidate changes anything at all. A message alone changes nothing."""
        records = any(each.cause is not Cause.DUE for each in self.records)
        return bool(self.changed or self.disks or self.bindings or self.settings or records)


def under(
    snapshot: Snapshot, candidate: TextFile, *, drop_ins: Sequence[TextFile] | None = None, gaps: Sequence[Gap] = ()
) -> Snapshot:
    """The snapshot as if `candidate` were its main file, and `drop_ins` (None: the same as now) its drop-ins.

    `gaps`: what could not be read of the files given here. What could not be read of those that they replace counts no
    more.
    """
    kept = tuple(file for file in snapshot.config_files if file.path != snapshot.main_config)
    replaced = [gap for gap in snapshot.gaps if _is_of_configuration(gap)]
    if drop_ins is None:
        replaced = [gap for gap in replaced if snapshot.main_config in (gap.subject, gap.what)]
    return replace(
        snapshot,
        main_config=candidate.path,
        config_files=(candidate, *(kept if drop_ins is None else drop_ins)),
        gaps=(*(gap for gap in snapshot.gaps if gap not in replaced), *gaps),
    )


def _is_of_configuration(gap: Gap) -> bool:
    file = gap.what if gap.subject == CONFIGURATION else gap.subject
    return file.startswith("/") and not file.endswith(_STATE_FILES)


def compare(snapshot: Snapshot, before: Side | None, after: Side) -> Preview:
    """What makes the difference. `before` None: the present configuration can't be used, so nothing follows of it."""
    had = before.desired if before else Desired(maps=(), keep={})
    was = before.plan if before else Plan()
    maps = _Maps(snapshot, had, was, after, compared=before is not None).previews()
    old, new = (before.desired.messages if before else ()), after.desired.messages
    return Preview(
        candidate=after.file,
        present=snapshot.main_config,
        compared=before is not None,
        maps=maps,
        disks=tuple(_disks(had.admissions, after.desired.admissions)),
        bindings=tuple(_bindings(snapshot, had, after.desired)),
        records=trace(was.records, after.plan.records),
        settings=_settings(before, after, maps),
        messages=_only_in(new, old, file=after.file, other=snapshot.main_config),
        settled=_only_in(old, new, file=snapshot.main_config, other=after.file),
        findings=tuple(each for each in after.findings if before is None or each not in before.findings),
    )


@dataclass(slots=True)
class _Maps:
    """Both sides by WWID."""

    snapshot: Snapshot
    had: Desired
    was: Plan
    after: Side
    compared: bool = field(kw_only=True)

    def previews(self) -> tuple[MapPreview, ...]:
        """One for each map that either side knows of: the candidate's in their order, then the others."""
        live = {each.wwid: each for each in sorted(self.snapshot.maps, key=_number)}
        old = {each.wwid: each for each in self.had.maps}
        new = {each.wwid: each for each in self.after.desired.maps}
        was = {each.wwid: each for each in self.was.maps}
        will = {each.wwid: each for each in self.after.plan.maps}
        names = {path.dev: path.name for path in self.snapshot.paths}
        return tuple(
            self._preview(wwid, live.get(wwid), (old.get(wwid), new.get(wwid)), (was.get(wwid), will.get(wwid)), names)
            for wwid in dict.fromkeys([*new, *old, *live])
        )

    def _preview(
        self,
        wwid: Wwid,
        live: Map | None,
        wanted: tuple[DesiredMap | None, DesiredMap | None],
        plans: tuple[MapPlan | None, MapPlan | None],
        names: Mapping[DevT, DeviceName],
    ) -> MapPreview:
        (old, new), (was, will) = wanted, plans
        shape = new or old
        name = live.name if live else shape.alias.value if shape else Alias(wwid)
        told = was.reasons if was else ()
        return MapPreview(
            wwid=wwid,
            name=name,
            exists=live is not None,
            fate=self._fate(old, new),
            values=value_changes(old, new) if old and new else (),
            table=table_change(old, new, names) if self.compared else None,
            steps=trace(was.steps if was else (), will.steps if will else ()),
            reasons=tuple(each for each in (will.reasons if will else ()) if each not in told),
            held=will is not None and will.action == "held" and (was is None or was.action != "held"),
        )

    def _fate(self, old: DesiredMap | None, new: DesiredMap | None) -> Fate:
        if not self.compared or bool(old) == bool(new):
            return Fate.STAYS
        return Fate.ADDED if new else Fate.DROPPED


def _number(live: Map) -> tuple[int, int]:
    return dev_key(live.dev)


def _disks(before: Iterable[Admission], after: Iterable[Admission]) -> Iterable[DiskChange]:
    had = {each.dev: each for each in before}
    for new in after:
        old = had.get(new.dev)
        if old is not None and (old.verdict, old.wwid) != (new.verdict, new.wwid):
            yield DiskChange(old, new)


def _bindings(snapshot: Snapshot, before: Desired, after: Desired) -> Iterable[BindingChange]:
    now = snapshot.bindings.text if snapshot.bindings else ""
    old, new = (
        dict(Bindings.parse(now if each.bindings is None else each.bindings).aliases) for each in (before, after)
    )
    for lines, others, added in ((old, new, False), (new, old, True)):
        yield from (
            BindingChange(Alias(alias), wwid, added) for alias, wwid in lines.items() if others.get(alias) != wwid
        )


def _settings(before: Side | None, after: Side, maps: Iterable[MapPreview]) -> tuple[ValueChange, ...]:
    if before is None:
        return ()
    shown = {(each.keyword, end) for of in maps for each in of.values for end in (each.old, each.new)}
    return tuple(
        each
        for each in setting_changes(before.config, after.config)
        if not {(each.keyword, each.old), (each.keyword, each.new)} & shown
    )


def _only_in(
    messages: Iterable[ConfigMessage], others: Iterable[ConfigMessage], *, file: str, other: str
) -> tuple[ConfigMessage, ...]:
    """The messages that `others` does not have, wherever they stand. `file`, `other`: their main files."""
    known = Counter(_gist(each, other) for each in others)
    found = []
    for each in messages:
        gist = _gist(each, file)
        if known[gist] > 0:
            known[gist] -= 1
        else:
            found.append(each)
    return tuple(found)


def _gist(message: ConfigMessage, main: str) -> tuple[str, str, str]:
    """What a message says, without the main file's name and without lines, which its words repeat."""
    named = re.sub(rf"(?<!\S){re.escape(main)}(?![^\s,.:])", CONFIGURATION, message.text)
    return str(message.severity), CONFIGURATION if message.file == main else message.file, _LINE.sub("line", named)
