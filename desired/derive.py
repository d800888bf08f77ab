"""What should be on the host: the spine, one line per phase.

In: the configuration, and a snapshot. Out: `Desired`: every map complete, every device's verdict, and the text of the
bindings file when it must change. Pure: a preview is the same call with another text. Must never take what could not be
read for what is not there, nor let one map's trouble reach another.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter

from desired import options
from desired.admission import Blacklist, Candidate, Rules, admit
from desired.assembly import Assembler, Warned
from desired.config import Config, load_config
from desired.identity import Finding, Standing, examine, page_names, wwid_of
from desired.map_selection import Platform
from desired.model import Admission, ConfigMessage, Desired, DesiredMap, Origin, Resolved, Severity, Verdict
from desired.naming import Bindings, Namer
from desired.observed import Observed, observe, offline, remembered
from desired.precedence import DeviceKind, Layers, global_settings, settings_for
from desired.reservations import KEYWORD, in_force, recorded
from desired.selection import uid_attribute
from desired.tunables import settle
from desired.values import ROOT, Surroundings
from observers.breathing import Breathe, breathing, without_pause
from observers.snapshot import Alias, Hex, Path, Snapshot, Wwid


def derive_snapshot(snapshot: Snapshot, *, resident: bool) -> Desired:
    """`derive` with the configuration whose texts are in the snapshot. `ConfigError` when its main file is unusable."""
    return derive(config_in(snapshot), snapshot, resident=resident)


def config_in(snapshot: Snapshot) -> Config:
    """The configuration whose texts are in the snapshot, as its host understands them. `ConfigError`: unusable."""
    return load_config(snapshot.config_files, main=snapshot.main_config, surroundings=surroundings_in(snapshot))


def surroundings_in(snapshot: Snapshot) -> Surroundings:
    """What the meaning of a configuration depends on, on the snapshot's host."""
    return Surroundings(accounts={**ROOT, **snapshot.accounts}, native_nvme=snapshot.host.native_nvme_multipath)


def derive(
    config: Config, snapshot: Snapshot, *, resident: bool, breathe: Breathe = without_pause
) -> Desired:  # fmt: skip
    """What should be on the host. `resident`: a daemon watches over the maps, and would end the waiting for paths.

    Without one no map queues when it has no path (unless queue_without_daemon says so), for nobody would end that.
    """
    known = observe(snapshot, breathe)
    breathe()
    if known.no_configuration:
        return _untouched(config, snapshot, known)
    candidates = identify(config, snapshot, known, breathe)
    admissions = admit(rules_in_force(config, snapshot, known), candidates, breathe)
    paths = by_wwid(candidates, admissions)
    breathe()
    namer = _namer(config, snapshot, known)
    names, nameless = namer.assign({wwid: members[0].layers for wwid, members in paths.items()}, breathe)
    assembler = Assembler(Platform.of(snapshot.host, watched=resident))
    maps, failures = _build(paths, breathing(names.items(), breathe), assembler, known)
    failures |= nameless
    breathe()
    keyed = _keyed(settle(maps), snapshot)
    breathe()
    ranked = _ranked(candidates, admissions, assembler)
    breathe()
    return Desired(
        maps=keyed,
        admissions=ranked,
        bindings=_bindings_text(snapshot, known, namer.bindings),
        wwids=remembered(snapshot.wwids.text if snapshot.wwids else None),
        keep=_kept(known, {each.wwid for each in maps}, candidates, admissions, failures),
        messages=(*config.messages, *_messages(snapshot, namer.bindings, assembler.warned.values(), failures)),
    )


def _untouched(config: Config, snapshot: Snapshot, known: Observed) -> Desired:
    """With a part of the configuration missing, blacklists and aliases may be missing: nothing is touched."""
    why = f"the configuration could not be read: {known.no_configuration}"
    message = _told(Severity.ERROR, why, hint="maps are left as they are")
    return Desired(
        maps=(),
        wwids=remembered(snapshot.wwids.text if snapshot.wwids else None),
        keep=dict.fromkeys(known.maps, why),
        messages=(*config.messages, message),
    )


def identify(
    config: Config, snapshot: Snapshot, known: Observed, breathe: Breathe = without_pause
) -> tuple[Candidate, ...]:  # fmt: skip
    """Every device with its WWID and what it says of itself, in the snapshot's order."""
    identifier = Identifier(config, known)
    return tuple(identifier.candidate(path) for path in breathing(snapshot.paths, breathe))


_MOST_PAGES = 20_000
"""Pages of identity whose names are remembered: more than a host has units."""

_ONLY_NAMES = frozenset({options.ALIAS.key})


class Identifier:
    """Identifies devices; remembers what is the same for many."""

    def __init__(self, config: Config, known: Observed) -> None:
        self._config, self._known = config, known
        self._uid_attrs = global_settings(config).lookup(options.UID_ATTRS)
        self._kinds: dict[tuple[str, ...], tuple[DeviceKind, Layers]] = {}
        self._layers: dict[tuple[DeviceKind, Wwid | None], Layers] = {}
        self._names: dict[Hex, tuple[Wwid, ...]] = {}

    def candidate(self, path: Path) -> Candidate:
        """One device."""
        kind, general = self._kind(path)
        attribute = uid_attribute(path.name, general, self._uid_attrs)
        wwid, source, finding = self._identity(path, attribute.value)
        member_of = self._known.members.get(path.dev)
        return Candidate(
            path=path,
            kind=kind,
            layers=self._specific(kind, wwid) if wwid in self._config.multipaths else general,
            attribute=attribute,
            wwid=wwid,
            source=source,
            member_of=member_of if member_of is not None and member_of.wwid == wwid else None,
            finding=finding,
        )

    def _identity(self, path: Path, attribute: str) -> tuple[Wwid, str, Finding]:
        """The WWID, its source, and the device's word on it. What udev does not know is its map's, if it has one; only
        a device that denies that, and says who it is, is who it says."""
        own, source = wwid_of(path, attribute)
        member_of = self._known.members.get(path.dev)
        unknown = not path.udev.get(attribute) if attribute else not own
        if member_of is not None and unknown:
            finding = examine(path, member_of.wwid, attribute, names=self._page_names)
            if finding.standing is not Standing.CONTRADICTED or own in ("", member_of.wwid):
                return member_of.wwid, "the map that it is a path of", finding
        return own, source, examine(path, own, attribute, names=self._page_names)

    def _kind(self, path: Path) -> tuple[DeviceKind, Layers]:
        key = (path.vendor, path.product, path.revision, path.protocol, path.bus)
        if key not in self._kinds:
            kind = DeviceKind(path.vendor, path.product, path.revision, path.protocol, path.bus)
            self._kinds[key] = kind, settings_for(self._config, kind)
        return self._kinds[key]

    def _specific(self, kind: DeviceKind, wwid: Wwid) -> Layers:
        """The layers of a map with an entry of its own. One that only names the map is left to naming."""
        key = kind, None if self._config.multipaths[wwid].settings.keys() <= _ONLY_NAMES else wwid
        if key not in self._layers:
            self._layers[key] = settings_for(self._config, *key)
        return self._layers[key]

    def _page_names(self, page: Hex) -> tuple[Wwid, ...]:
        if page not in self._names:
            if len(self._names) >= _MOST_PAGES:  # units come and go for as long as a daemon lives
                self._names.clear()
            self._names[page] = page_names(page)
        return self._names[page]


def rules_in_force(config: Config, snapshot: Snapshot, known: Observed) -> Rules:
    """Everything that the verdicts on devices depend on besides the devices."""
    everywhere = global_settings(config)
    return Rules(
        blacklist=Blacklist(config),
        find_multipaths=everywhere.require(options.FIND_MULTIPATHS),
        usb_allowed=everywhere.require(options.ALLOW_USB_DEVICES),
        maps=known.maps,
        wwids=remembered(snapshot.wwids.text if snapshot.wwids else None),
        excuses=known.excuses,
    )


def by_wwid(candidates: Sequence[Candidate], admissions: Sequence[Admission]) -> dict[Wwid, list[Candidate]]:
    """The admitted paths of each WWID, in the order of their directories in sysfs, in which multipathd meets them."""
    pairs = zip(candidates, admissions, strict=True)
    admitted = [candidate for candidate, admission in pairs if admission.verdict is Verdict.ADMITTED]
    result: dict[Wwid, list[Candidate]] = {}
    for candidate in sorted(admitted, key=attrgetter("path.sysfs")):
        result.setdefault(candidate.wwid, []).append(candidate)
    return result


def _namer(config: Config, snapshot: Snapshot, known: Observed) -> Namer:
    configured: dict[Wwid, Resolved[Alias]] = {}
    for wwid, entry in config.multipaths.items():
        alias = entry.settings.get(options.ALIAS.key)
        if alias is not None and alias.value and not entry.alias_taken_by:
            configured[wwid] = Resolved(Alias(str(alias.value)), alias.origin)
    owners: dict[str, Wwid] = {alias.value: wwid for wwid, alias in configured.items()}
    bindings = Bindings.parse(snapshot.bindings.text if snapshot.bindings else None, owners)
    return Namer(bindings, known.names, known.maps, configured, known.no_bindings)


def _build(
    paths: Mapping[Wwid, Sequence[Candidate]],
    names: Iterable[tuple[Wwid, Resolved[Alias]]],
    assembler: Assembler,
    known: Observed,
) -> tuple[tuple[DesiredMap, ...], dict[Wwid, str]]:
    """The maps that have a name, and why some could not be made."""
    maps, failures = [], {}
    for wwid, alias in names:
        try:
            maps.append(assembler.assemble(wwid, alias, paths[wwid], existing=known.maps.get(wwid)))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one map, the others must go on
            failures[wwid] = (
                f"it could not be derived: {error}" if str(error) else f"it could not be derived: {error!r}"
            )
    return tuple(maps), failures


def _ranked(
    candidates: Sequence[Candidate], admissions: Sequence[Admission], assembler: Assembler
) -> tuple[Admission, ...]:  # fmt: skip
    """The verdicts, with the priorities of disks that wait for a second path. One that is offline can't be asked."""
    pairs = zip(candidates, admissions, strict=True)
    return tuple(
        replace(each, priority=assembler.priority_of(candidate))
        if each.verdict is Verdict.WAITING and not offline(candidate.path)
        else each
        for candidate, each in pairs
    )


def _keyed(maps: tuple[DesiredMap, ...], snapshot: Snapshot) -> tuple[DesiredMap, ...]:
    """The maps with their reservation keys, which only few have."""
    if not any(KEYWORD in each.properties for each in maps):
        return maps
    keys = recorded(snapshot.prkeys.text if snapshot.prkeys else None)
    return tuple(replace(each, reservation_key=in_force(each.properties, keys, each.wwid)) for each in maps)


def _bindings_text(snapshot: Snapshot, known: Observed, bindings: Bindings) -> str | None:
    """The file's whole text when it must change. An absent file is not made to hold nothing."""
    if known.no_bindings or not bindings.must_write:
        return None
    if snapshot.bindings is None and not bindings.aliases:
        return None
    text = bindings.text
    return None if snapshot.bindings is not None and snapshot.bindings.text == text else text


def _kept(
    known: Observed,
    desired: set[Wwid],
    candidates: Iterable[Candidate],
    admissions: Iterable[Admission],
    failures: Mapping[Wwid, str],
) -> dict[Wwid, str]:
    """Existing maps to leave alone: they failed, or one of their paths may be there, only it could not be asked."""
    answers = {each.path.dev: (each, verdict) for each, verdict in zip(candidates, admissions, strict=True)}
    kept = {wwid: why for wwid, why in failures.items() if wwid in known.maps}
    for wwid, existing in known.maps.items():
        if wwid in desired or wwid in kept:
            continue
        if existing.table is None:
            kept[wwid] = "it has no multipath table that could be read, so its paths are not known"
            continue
        found = [answers.get(dev) for dev in existing.table.devices]
        silent = [
            f"{each.path.name}: {verdict.reason}" for each, verdict in filter(None, found) if _silent(each, verdict)
        ]
        if silent:
            kept[wwid] = silent[0]
        elif None in found and known.unseen:
            kept[wwid] = f"one of its paths may be a device that could not be read: {known.unseen}"
    return kept


def _silent(candidate: Candidate, admission: Admission) -> bool:
    """Whether a device is out only because it did not say who it is."""
    return admission.verdict is Verdict.UNVERIFIED or (
        admission.verdict is Verdict.NO_WWID and candidate.finding.standing is Standing.UNREAD
    )


def _messages(
    snapshot: Snapshot, bindings: Bindings, warned: Iterable[Warned], failures: Mapping[Wwid, str]
) -> tuple[ConfigMessage, ...]:
    file = snapshot.bindings.path if snapshot.bindings else ""
    notes = [_told(Severity.WARNING, note.text, file, note.line) for note in bindings.notes]
    notes += [_told(Severity.WARNING, each.text, *_place(each.origin)) for each in warned]
    notes += [_told(Severity.ERROR, f"map {wwid}: {why}") for wwid, why in failures.items()]
    return tuple(notes)


def _told(severity: Severity, text: str, file: str = "", line: int = 0, hint: str = "") -> ConfigMessage:
    return ConfigMessage(severity=severity, file=file, line=line, text=text, hint=hint, ours=True)


def _place(origin: Origin) -> tuple[str, int]:
    """File and line of an origin; for one that is in no file, its words."""
    file, _, line = origin.where.rpartition(":")
    return (file, int(line)) if file and line.isdigit() else (str(origin), 0)
