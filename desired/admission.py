"""May this block device be a path, and why: the blacklist, find_multipaths, and the device's own word on who it is.

In: what is known of each device, and the configuration's rules. Out: an `Admission` for each: a verdict, and a reason
in words that names the rule and where it stands. Pure; must never admit a device into a map that it is not in yet
unless its identity was read from the device itself.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from enum import StrEnum

from desired.config import Config, Rule, RuleKind
from desired.features import QueueMode, queue_mode_of
from desired.identity import Finding, Standing
from desired.model import Admission, Origin, OriginKind, Resolved, Verdict
from desired.observed import offline
from desired.precedence import DeviceKind, Layers
from desired.values import FindMultipaths
from observers.breathing import Breathe, breathing, without_pause
from observers.snapshot import DeviceName, Map, Path, Wwid


class Outcome(StrEnum):
    """What the rules of one kind say."""

    NOTHING = "nothing"
    LISTED = "listed"
    EXCEPTED = "excepted"
    MISSING = "missing"
    """No udev property is among those that a device must have one of."""

    @property
    def blocks(self) -> bool:
        """Whether the device is out."""
        return self in (Outcome.LISTED, Outcome.MISSING)


@dataclass(frozen=True, slots=True)
class Match:
    """The answer of a kind of rules. `value`: what a rule matched. `rule`: None for NOTHING and MISSING."""

    kind: RuleKind
    outcome: Outcome
    value: str = ""
    rule: Rule | None = None

    @property
    def reason(self) -> str:
        """The answer in words."""
        if self.rule is None:
            return "none of its udev properties is among the exceptions of the blacklist's property rules"
        return f'{self.kind} {self.value} is blacklisted by {self.kind} "{self.rule.text}"'

    @property
    def origin(self) -> Origin:
        """The origin of the rule."""
        return self.rule.origin if self.rule else Origin(OriginKind.BUILT_IN, why="blacklist property rule")


class Blacklist:
    """The rules, with a memory of what they said of the same value before."""

    def __init__(self, config: Config) -> None:
        self._listed = {kind: tuple(rule for rule in config.blacklist if rule.kind is kind) for kind in RuleKind}
        self._excepted = {kind: tuple(rule for rule in config.exceptions if rule.kind is kind) for kind in RuleKind}
        self._properties: dict[str, Match] = {}
        self._databases: dict[tuple[str, ...], Match | None] = {}
        self._devices: dict[tuple[str, str], Match] = {}
        self._protocols: dict[str, Match] = {}

    def with_exception(self, rule: Rule) -> "Blacklist":
        """The same rules with one more exception, which is asked first."""
        return self._changed(rule.kind, self._listed[rule.kind], (rule, *self._excepted[rule.kind]))

    def without(self, rule: Rule, *, instead: Iterable[Rule] = ()) -> "Blacklist":
        """The same rules but for one. `instead`: rules of its kind that are then asked last."""
        listed = (*(each for each in self._listed[rule.kind] if each is not rule), *instead)
        return self._changed(rule.kind, listed, self._excepted[rule.kind])

    def _changed(self, kind: RuleKind, listed: tuple[Rule, ...], excepted: tuple[Rule, ...]) -> "Blacklist":
        """Other rules of one kind; what was said by those of the other kinds is still remembered."""
        changed: Blacklist = copy(self)
        changed._listed, changed._excepted = {**self._listed, kind: listed}, {**self._excepted, kind: excepted}
        if kind is RuleKind.PROPERTY:
            changed._properties, changed._databases = {}, {}
        changed._devices = {} if kind is RuleKind.DEVICE else self._devices
        changed._protocols = {} if kind is RuleKind.PROTOCOL else self._protocols
        return changed

    def text(self, kind: RuleKind, value: str) -> Match:
        """What the rules of a kind (not DEVICE) say of a value. Exceptions are asked first."""
        for rules, outcome in ((self._excepted, Outcome.EXCEPTED), (self._listed, Outcome.LISTED)):
            for rule in rules[kind]:
                if rule.matches(value):
                    return Match(kind, outcome, value, rule)
        return Match(kind, Outcome.NOTHING)

    def device(self, vendor: str, product: str) -> Match:
        """What the rules on vendor and product say."""
        if (known := self._devices.get((vendor, product))) is None:
            known = self._devices[vendor, product] = self._device(vendor, product)
        return known

    def _device(self, vendor: str, product: str) -> Match:
        kind = RuleKind.DEVICE
        for rules, outcome in ((self._excepted, Outcome.EXCEPTED), (self._listed, Outcome.LISTED)):
            for rule in rules[kind]:
                if rule.matches_device(vendor, product):
                    return Match(kind, outcome, f"{vendor}/{product}", rule)
        return Match(kind, Outcome.NOTHING)

    def protocol(self, protocol: str) -> Match:
        """What the rules on the protocol say."""
        if protocol not in self._protocols:
            self._protocols[protocol] = self.text(RuleKind.PROTOCOL, protocol)
        return self._protocols[protocol]

    def properties(self, udev: Mapping[str, str], attribute: str) -> Match:
        """What the rules on udev properties say: the first property that any rule knows decides.

        When none does the device is out, but only if udev was able to read it: then the WWID's `attribute` is there.
        """
        names = tuple(udev)
        if names not in self._databases:
            answers = (self._property(name) for name in names)
            self._databases[names] = next((found for found in answers if found.outcome is not Outcome.NOTHING), None)
        found = self._databases[names]
        if found is not None:
            return found
        return Match(RuleKind.PROPERTY, Outcome.MISSING if attribute and attribute in udev else Outcome.NOTHING)

    def _property(self, name: str) -> Match:
        if name not in self._properties:
            self._properties[name] = self.text(RuleKind.PROPERTY, name)
        return self._properties[name]

    def wwid(self, wwid: str) -> Match:
        """What the rules on WWIDs say."""
        return self.text(RuleKind.WWID, wwid)

    def path(self, name: str, kind: DeviceKind, udev: Mapping[str, str], attribute: str) -> Match:
        """All kinds but WWID, in their order: the first that blocks, else what the last one says."""
        blocking = (found for found in self.answers(name, kind, udev, attribute) if found.outcome.blocks)
        return next(blocking, None) or self.protocol(kind.protocol)

    def answers(self, name: str, kind: DeviceKind, udev: Mapping[str, str], attribute: str) -> Iterator[Match]:
        """What each kind but WWID says, in the order in which they are asked, each only when it is asked for."""
        yield self.properties(udev, attribute)
        yield self.text(RuleKind.DEVNODE, name)
        yield self.device(kind.vendor, kind.product)
        yield self.protocol(kind.protocol)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A block device with what was concluded of it. `member_of`: the map of this WWID, if it has the device now.

    `source`: where the WWID is from, or why there is none. `finding`: what the device says of the WWID.
    """

    path: Path
    kind: DeviceKind
    layers: Layers
    attribute: Resolved[str]
    wwid: Wwid
    source: str
    member_of: Map | None
    finding: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Everything that admission depends on besides the device.

    `maps`: existing maps. `wwids`: the content of the wwids file. `excuses`: why a device did not answer, by its name.
    """

    blacklist: Blacklist
    find_multipaths: Resolved[FindMultipaths]
    usb_allowed: Resolved[bool]
    maps: Mapping[Wwid, Map]
    wwids: frozenset[Wwid]
    excuses: Mapping[DeviceName, str] = field(default_factory=dict)


_WHOLE_DISK = "disk"
_USB = "scsi:usb"
_NVME_TCP = "nvme:tcp"
_IMPLIED = Origin(OriginKind.IMPLIED)


def admit(
    rules: Rules, candidates: Iterable[Candidate], breathe: Breathe = without_pause
) -> tuple[Admission, ...]:  # fmt: skip
    """A verdict on each candidate, in their order."""
    known = [(candidate, excluded(rules, candidate)) for candidate in breathing(candidates, breathe)]
    seen: dict[Wwid, int] = {}
    for candidate, out in known:
        if out is None and candidate.finding.standing is not Standing.CONTRADICTED:
            seen[candidate.wwid] = seen.get(candidate.wwid, 0) + 1
    entering = breathing(known, breathe)
    return tuple(out or _entered(rules, candidate, seen.get(candidate.wwid, 0)) for candidate, out in entering)


def _verdict(candidate: Candidate, verdict: Verdict, reason: str, origin: Origin = _IMPLIED) -> Admission:
    path = candidate.path
    return Admission(name=path.name, dev=path.dev, wwid=candidate.wwid, verdict=verdict, reason=reason, origin=origin)


def excluded(rules: Rules, candidate: Candidate) -> Admission | None:
    """The verdict on a device that can't be a path whatever others there are."""
    path = candidate.path
    if path.udev.get("DEVTYPE", _WHOLE_DISK) != _WHOLE_DISK:
        return _verdict(candidate, Verdict.NOT_A_DISK, f"udev calls it a {path.udev['DEVTYPE']}")
    if path.protocol == _USB and not rules.usb_allowed.value:
        return _verdict(candidate, Verdict.BLACKLISTED, "USB device, allow_usb_devices is no", rules.usb_allowed.origin)
    match = rules.blacklist.path(path.name, candidate.kind, path.udev, candidate.attribute.value)
    if not match.outcome.blocks and candidate.wwid:
        match = rules.blacklist.wwid(candidate.wwid)
    if match.outcome.blocks:
        return _verdict(candidate, Verdict.BLACKLISTED, match.reason, match.origin)
    if not candidate.wwid:
        return _verdict(candidate, Verdict.NO_WWID, f"no WWID: {candidate.source}", candidate.attribute.origin)
    return None


def _entered(rules: Rules, candidate: Candidate, count: int) -> Admission:
    """The verdict on a device that may be a path. `count`: devices with its WWID, itself included."""
    wanted = find_multipaths(rules, candidate, count)
    if wanted.verdict is not Verdict.ADMITTED:
        return wanted
    finding = candidate.finding
    if finding.standing is Standing.CONTRADICTED:
        return _verdict(candidate, Verdict.MISMATCH, finding.reason)
    if candidate.member_of is not None:
        return wanted
    if finding.standing is Standing.UNREAD:
        excuse = rules.excuses.get(candidate.path.name) or offline(candidate.path)
        return _verdict(candidate, Verdict.UNVERIFIED, f"{finding.reason} ({excuse})" if excuse else finding.reason)
    if candidate.path.protocol == _NVME_TCP and _queues_requests(rules.maps.get(candidate.wwid)):
        return _verdict(
            candidate, Verdict.WAITING, "its map was created with queue_mode rq, which nvme:tcp paths do not allow"
        )
    return wanted


def _queues_requests(existing: Map | None) -> bool:
    return (
        existing is not None
        and existing.table is not None
        and queue_mode_of(existing.table.features) is QueueMode.REQUEST
    )


def find_multipaths(rules: Rules, candidate: Candidate, count: int) -> Admission:
    """What find_multipaths says. A map that exists always goes on: to lose the wwids file must not cost a map."""
    mode, wwid = rules.find_multipaths.value, candidate.wwid
    words = f"find_multipaths {mode}"
    if mode in (FindMultipaths.OFF, FindMultipaths.GREEDY):
        reason = f"{words}: every device that is not blacklisted"
    elif wwid in rules.wwids:
        reason = f"{words}: its WWID is in the wwids file"
    elif wwid in rules.maps:
        reason = f"{words}: a map of its WWID exists"
    elif mode is FindMultipaths.STRICT:
        return _verdict(
            candidate, Verdict.WAITING, f"{words}: its WWID is not in the wwids file", rules.find_multipaths.origin
        )
    elif count > 1:
        reason = f"{words}: {count} devices have its WWID"
    else:
        return _verdict(
            candidate, Verdict.WAITING, f"{words}: it is the only device with its WWID", rules.find_multipaths.origin
        )
    return _verdict(candidate, Verdict.ADMITTED, reason, rules.find_multipaths.origin)
