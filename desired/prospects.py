"""A device's verdict taken apart: what each rule said in the order in which they are asked, and what would change it.

In: the rules and all devices as admission saw them. Out: the chain of answers, and prospects. A prospect is no guess:
the change is made to the rules or to the device, and admission is asked again. Pure; must never have an opinion of its
own on a verdict.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from desired.admission import Blacklist, Candidate, Match, Outcome, Rules, admit, find_multipaths
from desired.config import Config, Rule, RuleKind
from desired.identity import CONFIRMED, Standing, examine
from desired.model import Admission, Origin, OriginKind, Resolved, Verdict
from desired.regex import Pattern, compile_pattern
from desired.rules import built_in_rules, product_rules
from desired.validity import second_path_wait
from desired.values import FindMultipaths
from observers.errors import ProtocolError
from observers.identity import page83_wwid
from observers.snapshot import Bus, DeviceName, Hex, Path, Wwid

IDENTITY, MODE = "identity", "find_multipaths"
_USB = "scsi:usb"
_EXCLUDED = frozenset({Verdict.NOT_A_DISK, Verdict.BLACKLISTED, Verdict.NO_WWID})
_SPECIAL = frozenset(".[]{}()*+?^$|\\")
"""What has a meaning in an extended regular expression."""
_ASSUMED = Origin(OriginKind.IMPLIED, why="assumed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one kind of rule says of a device. `asked`: False for those after the one that decided; then it is what
    they would say. `blocks`: it keeps the device out."""

    kind: str
    says: str
    detail: str
    origin: Origin | None = None
    blocks: bool = False
    asked: bool = True


@dataclass(frozen=True, slots=True)
class Prospect:
    """What would happen if. `verdict` None: that is not known before it has happened."""

    change: str
    verdict: Verdict | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionExplanation:
    """A verdict with everything that led to it. `settled`: that nothing on the host would change it; empty: see
    `prospects`. `note`: what else happens meanwhile."""

    admission: Admission
    answers: tuple[Answer, ...]
    prospects: tuple[Prospect, ...]
    settled: str = ""
    note: str = ""

    @property
    def claimed(self) -> bool:
        """Whether the device becomes, or stays, a path."""
        return self.admission.verdict is Verdict.ADMITTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Docket:
    """All devices with their verdicts, and by what these were given. `native_nvme`: as the built-in rules depend on."""

    config: Config
    rules: Rules
    candidates: Sequence[Candidate]
    verdicts: Mapping[DeviceName, Admission]
    companions: Mapping[Wwid, Sequence[Candidate]]
    native_nvme: bool

    def others(self, candidate: Candidate, wwid: Wwid) -> tuple[Candidate, ...]:
        """The other devices of a WWID."""
        return tuple(each for each in self.companions.get(wwid, ()) if each is not candidate)

    def admission(self, candidate: Candidate) -> Admission:
        """The verdict on a device."""
        return self.verdicts[candidate.path.name]


def docket(
    config: Config, rules: Rules, candidates: Sequence[Candidate], admissions: Sequence[Admission], *, native_nvme: bool
) -> Docket:
    """The devices and their verdicts, to ask about."""
    companions: dict[Wwid, list[Candidate]] = {}
    for candidate in candidates:
        companions.setdefault(candidate.wwid, []).append(candidate)
    return Docket(
        config=config,
        rules=rules,
        candidates=candidates,
        verdicts={each.name: each for each in admissions},
        companions=companions,
        native_nvme=native_nvme,
    )


def explain_admission(case: Docket, candidate: Candidate) -> AdmissionExplanation:
    """Why a device was admitted or not, and what would change that."""
    admission = case.admission(candidate)
    prospects = tuple(_PROSPECTS[admission.verdict](case, candidate))
    return AdmissionExplanation(
        admission=admission,
        answers=_answers(case, candidate),
        prospects=prospects,
        settled="" if prospects else _settled(admission.verdict),
        note=_waiting_of_udev(case, candidate) if admission.verdict is Verdict.WAITING else "",
    )


def _settled(verdict: Verdict) -> str:
    if verdict is Verdict.NOT_A_DISK:
        return "nothing would change this: only whole disks can be paths"
    return "no single change of the host would change this, only another configuration"


def _waiting_of_udev(case: Docket, candidate: Candidate) -> str:
    """With find_multipaths smart udev holds a device back for a while, in case a second path shows."""
    if case.rules.find_multipaths.value is not FindMultipaths.SMART:
        return ""
    return f"udev holds a new device back for {second_path_wait(candidate.layers)} s, in case a second path shows"


# The chain of answers


def _answers(case: Docket, candidate: Candidate) -> tuple[Answer, ...]:
    """Every answer in the order of asking; all that follow the first that blocks were not asked for."""
    result: list[Answer] = []
    blocked = False
    for answer in (*_of_rules(case, candidate), *_of_the_whole(case, candidate)):
        result.append(replace(answer, asked=not blocked))
        blocked = blocked or answer.blocks
    return tuple(result)


def _of_rules(case: Docket, candidate: Candidate) -> Iterator[Answer]:
    """Whether the device is a disk, and what the blacklist says of it."""
    path, rules, verdict = candidate.path, case.rules, case.admission(candidate)
    if verdict.verdict is Verdict.NOT_A_DISK:
        yield Answer(kind="disk", says="no", detail=verdict.reason, blocks=True)
    if path.protocol == _USB:
        says = "allowed" if rules.usb_allowed.value else "not allowed"
        detail = f"allow_usb_devices {'yes' if rules.usb_allowed.value else 'no'}"
        blocks = not rules.usb_allowed.value
        yield Answer(kind="usb", says=says, detail=detail, origin=rules.usb_allowed.origin, blocks=blocks)
    kind = candidate.kind
    looked_at = ("its udev properties", path.name, f"{kind.vendor}/{kind.product}", kind.protocol)
    found = rules.blacklist.answers(path.name, kind, path.udev, candidate.attribute.value)
    for match, text in zip(found, looked_at, strict=True):
        yield _of_match(match, text)
    if candidate.wwid:
        yield _of_match(rules.blacklist.wwid(candidate.wwid), candidate.wwid)
    else:
        detail, origin = f"no WWID: {candidate.source}", candidate.attribute.origin
        yield Answer(kind=RuleKind.WWID, says="none", detail=detail, origin=origin, blocks=True)


def _of_match(match: Match, text: str) -> Answer:
    kind, blocks = str(match.kind), match.outcome.blocks
    if match.outcome is Outcome.NOTHING:
        return Answer(kind=kind, says="no rule", detail=f"none matches {text}")
    if match.rule is None:
        return Answer(kind=kind, says="missing", detail=match.reason, origin=match.origin, blocks=blocks)
    section = "blacklist_exceptions" if match.outcome is Outcome.EXCEPTED else "blacklist"
    detail = f'{match.value} matches {section} {match.kind} "{match.rule.text}"'
    says = "excepted" if match.outcome is Outcome.EXCEPTED else "blacklisted"
    return Answer(kind=kind, says=says, detail=detail, origin=match.origin, blocks=blocks)


def _of_the_whole(case: Docket, candidate: Candidate) -> Iterator[Answer]:
    """What the device's companions, the records, and its own word decide."""
    if not candidate.wwid:
        return
    wanted = find_multipaths(case.rules, candidate, _count(case, candidate))
    waits = wanted.verdict is not Verdict.ADMITTED
    yield Answer(
        kind=MODE, says="waits" if waits else "admits", detail=wanted.reason, origin=wanted.origin, blocks=waits
    )
    yield _of_identity(case, candidate)
    verdict = case.admission(candidate)
    if verdict.verdict is Verdict.WAITING and not waits:
        yield Answer(kind="queue_mode", says="waits", detail=verdict.reason, blocks=True)


def _count(case: Docket, candidate: Candidate) -> int:
    """How many devices find_multipaths counts for a WWID."""
    return sum(
        case.admission(each).verdict not in _EXCLUDED and each.finding.standing is not Standing.CONTRADICTED
        for each in case.companions[candidate.wwid]
    )


def _of_identity(case: Docket, candidate: Candidate) -> Answer:
    finding = candidate.finding
    if finding.standing is Standing.UNREAD and candidate.member_of is not None:
        detail = f"{finding.reason}; it stays in {candidate.member_of.name}, where it is already"
        return Answer(kind=IDENTITY, says=finding.standing.value, detail=detail)
    verdict = case.admission(candidate)
    detail = verdict.reason if verdict.verdict is Verdict.UNVERIFIED else finding.reason
    blocks = finding.standing is not Standing.CONFIRMED
    return Answer(kind=IDENTITY, says=finding.standing.value, detail=detail or "by the device itself", blocks=blocks)


# What would change the verdict


def _if(change: str, candidate: Candidate, others: Sequence[Candidate], rules: Rules) -> Prospect:
    """The first of these devices, if they were all that there is, under these rules."""
    found = admit(rules, (candidate, *others))[0]
    return Prospect(change, found.verdict, found.reason)


def _of_admitted(case: Docket, candidate: Candidate) -> Iterator[Prospect]:
    wwid, rules = candidate.wwid, _on(case.rules, candidate.wwid)
    others = case.others(candidate, wwid)
    ways = [
        _if("the other devices with its WWID go", candidate, (), rules),
        _if("its WWID is taken out of the wwids file", candidate, others, replace(rules, wwids=frozenset())),
        _if("its map goes", replace(candidate, member_of=None), others, replace(rules, maps={})),
    ]
    yield from (way for way in ways if way.verdict is not Verdict.ADMITTED)


def _on(rules: Rules, wwid: Wwid) -> Rules:
    """The rules with what concerns one WWID only."""
    existing = rules.maps.get(wwid)
    return replace(rules, wwids=rules.wwids & {wwid}, maps={} if existing is None else {wwid: existing})


def _of_waiting(case: Docket, candidate: Candidate) -> Iterator[Prospect]:
    """A second path is always told of, also where it would not help, for that is what people try first."""
    wwid, rules = candidate.wwid, _on(case.rules, candidate.wwid)
    others = case.others(candidate, wwid)
    now = case.admission(candidate)
    twin = replace(candidate, finding=CONFIRMED)
    second = _if("a second path with the same WWID shows", candidate, (*others, twin), rules)
    changes = [("its WWID is added to the wwids file", replace(rules, wwids=rules.wwids | {wwid}))]
    for mode in (FindMultipaths.ON, FindMultipaths.GREEDY):
        changes.append((f"find_multipaths is set to {mode}", _with_mode(rules, mode)))
    changes.append(("its map is removed, and made anew", replace(rules, maps={})))
    ways = [_if(change, candidate, others, changed) for change, changed in changes]
    yield second
    yield from (way for way in ways if way.verdict is not now.verdict)


def _with_mode(rules: Rules, mode: FindMultipaths) -> Rules:
    return replace(rules, find_multipaths=Resolved(mode, _ASSUMED))


def _of_blacklisted(case: Docket, candidate: Candidate) -> Iterator[Prospect]:
    rules, others = case.rules, case.others(candidate, candidate.wwid)
    if candidate.path.protocol == _USB and not rules.usb_allowed.value:
        allowed = replace(rules, usb_allowed=Resolved(value=True, origin=_ASSUMED))
        yield _if("allow_usb_devices is set to yes", candidate, others, allowed)
        return
    match = _blocking(rules, candidate)
    if match.rule is None:
        yield from _of_missing_property(case, candidate, others)
        return
    words, exception = _exception(match, candidate)
    changed = replace(rules, blacklist=rules.blacklist.with_exception(exception))
    yield _if(f"blacklist_exceptions gets {words}", candidate, others, changed)
    if match.rule.origin.kind is OriginKind.BLACKLIST:
        change = f'the rule {match.kind} "{match.rule.text}" is taken out ({match.rule.origin.where})'
        without = replace(rules, blacklist=_without_rule(case, match.rule))
        yield _if(change, candidate, others, without)


def _blocking(rules: Rules, candidate: Candidate) -> Match:
    path = candidate.path
    match = rules.blacklist.path(path.name, candidate.kind, path.udev, candidate.attribute.value)
    return match if match.outcome.blocks else rules.blacklist.wwid(candidate.wwid)


def _without_rule(case: Docket, rule: Rule) -> Blacklist:
    """The blacklist without a configured rule. A built-in one of the same text, which it stood for, is there again."""
    built_in = (*built_in_rules(native_nvme=case.native_nvme), *product_rules(case.config.devices))
    same = [each for each in built_in if (each.kind, each.text) == (rule.kind, rule.text)]
    return case.rules.blacklist.without(rule, instead=same)


def _of_missing_property(case: Docket, candidate: Candidate, others: Sequence[Candidate]) -> Iterator[Prospect]:
    rules, attribute = case.rules, candidate.attribute.value
    known = replace(candidate, path=replace(candidate.path, udev={**candidate.path.udev, "ID_WWN": "?"}))
    yield _if("udev finds a property that is excepted, such as ID_WWN", known, others, rules)
    exception = Rule(kind=RuleKind.PROPERTY, origin=_ASSUMED, pattern=_exactly(attribute))
    changed = replace(rules, blacklist=rules.blacklist.with_exception(exception))
    words = f'property "{_exactly(attribute).text}"'
    yield _if(f"blacklist_exceptions gets {words}", candidate, others, changed)


def _exception(match: Match, candidate: Candidate) -> tuple[str, Rule]:
    """The narrowest exception against a rule, as one would write it."""
    if match.kind is RuleKind.DEVICE:
        vendor, product = _exactly(candidate.kind.vendor), _exactly(candidate.kind.product)
        words = f'device {{ vendor "{vendor.text}" product "{product.text}" }}'
        return words, Rule(kind=match.kind, origin=_ASSUMED, vendor=vendor, product=product)
    pattern = _exactly(match.value)
    return f'{match.kind} "{pattern.text}"', Rule(kind=match.kind, origin=_ASSUMED, pattern=pattern)


def _exactly(text: str) -> Pattern:
    escaped = "".join(f"\\{each}" if each in _SPECIAL else each for each in text)
    return compile_pattern(f"^{escaped}$")


def _of_unverified(case: Docket, candidate: Candidate) -> Iterator[Prospect]:
    known = replace(candidate, finding=CONFIRMED)
    others = case.others(candidate, candidate.wwid)
    yield _if("the device answers, and confirms its WWID", known, others, case.rules)


def _of_mismatch(case: Docket, candidate: Candidate) -> Iterator[Prospect]:
    path, said = candidate.path, said_by_device(candidate.path)
    if said and said != candidate.wwid:
        finding = examine(path, said, candidate.attribute.value)
        known = replace(candidate, wwid=said, member_of=None, finding=finding)
        change = f"udev reads the device again (udevadm trigger {path.sysfs}) and finds {said}"
        again = _if(change, known, case.others(candidate, said), case.rules)
        if again.verdict is not Verdict.MISMATCH:
            yield again
    known = replace(candidate, finding=CONFIRMED)
    change = f"the device is {candidate.wwid} again"
    yield _if(change, known, case.others(candidate, candidate.wwid), case.rules)


def said_by_device(path: Path) -> Wwid:
    """The WWID that the device itself gives; empty: none."""
    return Wwid(path.wwid_attribute) if path.bus is Bus.NVME else name_in(path.page83_device)


def name_in(page: Hex | None) -> Wwid:
    """The WWID that a VPD page 0x83 gives; empty: none."""
    try:
        return Wwid((page and page83_wwid(bytes.fromhex(page))) or "")
    except ProtocolError:
        return Wwid("")


def _of_nameless(case: Docket, candidate: Candidate) -> Iterator[Prospect]:
    attribute = candidate.attribute.value
    change = f"udev finds the property {attribute}" if attribute else "uid_attribute names a udev property"
    mode = f"find_multipaths {case.rules.find_multipaths.value} decides"
    yield Prospect(change, None, f"then it has a WWID, and {mode}")


def _of_no_disk(_case: Docket, _candidate: Candidate) -> Iterator[Prospect]:
    return iter(())


_PROSPECTS = {
    Verdict.ADMITTED: _of_admitted,
    Verdict.BLACKLISTED: _of_blacklisted,
    Verdict.WAITING: _of_waiting,
    Verdict.UNVERIFIED: _of_unverified,
    Verdict.MISMATCH: _of_mismatch,
    Verdict.NO_WWID: _of_nameless,
    Verdict.NOT_A_DISK: _of_no_disk,
}
