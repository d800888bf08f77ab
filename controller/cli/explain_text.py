"""Explanations as text for people: values with their places, what lost, and what would change a verdict.

In: explanations. Out: text that ends with a newline. Pure; it must never leave out a layer that lost, nor a reason.
"""

from collections.abc import Iterable, Iterator, Sequence

from controller.reconcile.explain import size_text, step_text
from controller.reconcile.plan import MapPlan
from desired.contenders import Contender, Matched
from desired.evidence import Subject
from desired.explain import WWID, Explanation
from desired.explain_subjects import MapExplanation, MemberExplanation, PathExplanation, TunableExplanation
from desired.model import Admission, Origin, OriginKind, Resolved, Verdict
from desired.prospects import AdmissionExplanation, Prospect
from desired.sightings import CLAIM

NOT_SET = "(not set)"
_INDENT = "  "
_CLAIMS = {"1": "calls it a path already", "0": "does not call it a path", "2": "holds it back for now"}


def visible(text: str) -> str:
    """A text that a terminal shows and does not obey, for what devices say of themselves may hold anything."""
    return "".join(c if c == "\n" or c.isprintable() else "?" for c in text)


def _text(lines: Iterable[str]) -> str:
    return visible("".join(f"{line}\n" for line in lines))


def place(origin: Origin | None, chosen_by: Sequence[Matched] = ()) -> str:
    """Where a value is from, in one line."""
    if origin is None:
        return ""
    if origin.kind is OriginKind.IMPLIED and origin.why and not origin.where:
        return origin.why
    expressions = [f'{each.what} "{each.expression}" matches "{each.text}"' for each in chosen_by]
    if origin.kind is OriginKind.HARDWARE_TABLE and expressions:
        return "; ".join(filter(None, [f"{origin.kind} ({', '.join(expressions)})", origin.why]))
    if origin.kind is OriginKind.DEVICES and expressions:
        return f"{origin}: {', '.join(expressions)}"
    return str(origin)


def _shown(value: str | None) -> str:
    return NOT_SET if value is None else value or '""'


# One property


def property_text(subject: str, found: Explanation) -> str:
    """One property, in full. `subject`: whose, such as `path sda`."""
    return _text(_property(subject, found))


def _property(subject: str, found: Explanation) -> Iterator[str]:
    yield f"{found.property} of {subject}: {_shown(found.value)}"
    if found.origin is not None:
        yield f"  from   {place(found.origin, found.chosen_by)}"
    yield from (f"  {line}" for line in _remarks(found))
    if found.losers:
        yield "  also said:" if found.property == WWID else "  lost, the strongest first:"
        yield from _aligned([[_shown(each.value), place(each.origin, each.chosen_by)] for each in found.losers], "    ")
    elif found.value is not None:
        yield "  nothing else sets it"
    if found.depends:
        yield "  has a say in it:"
        rows = [[each.property, _shown(each.value), place(each.origin)] for each in found.depends]
        yield from _aligned(rows, "    ")


def _remarks(found: Explanation) -> Iterator[str]:
    if found.written:
        yield f"there  {found.written}"
    if found.note:
        yield f"note   {found.note}"


def _properties(every: Sequence[Explanation]) -> Iterator[str]:
    """Each property with its place on a line, and one line for each layer that lost."""
    width = max((len(each.property) for each in every), default=0)
    values = max((len(_shown(each.value)) for each in every if len(_shown(each.value)) <= 24), default=0)
    for each in every:
        origin = place(each.origin, each.chosen_by)
        yield f"  {each.property:<{width}}  {_shown(each.value):<{values}}  {origin}".rstrip()
        yield from (f"  {'':<{width}}    {line}" for line in _remarks(each))
        yield from (f"  {'':<{width}}    lost   {_loser(loser)}" for loser in each.losers)


def _loser(loser: Contender) -> str:
    return f"{_shown(loser.value)}  {place(loser.origin, loser.chosen_by)}"


def _aligned(rows: Sequence[Sequence[str]], indent: str) -> Iterator[str]:
    """Rows in columns, two blanks apart."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        yield (indent + _INDENT.join(cells)).rstrip()


# Verdicts


def admissions_text(every: Sequence[AdmissionExplanation]) -> str:
    """All devices: what becomes of each and why, and what would change that."""
    width = max((len(each.admission.name) for each in every), default=0)
    return _text(line for each in every for line in _in_brief(each, width))


def _in_brief(found: AdmissionExplanation, width: int) -> Iterator[str]:
    admission = found.admission
    yield f"{admission.name:<{width}}  {_verdict(admission)} [{place(admission.origin)}]".removesuffix(" [implied]")
    changes = [f"{each.change} ({_outcome(admission, each)})" for each in found.prospects]
    yield f"{'':<{width}}    {'would change if ' + '; or if '.join(changes) if changes else found.settled}"


def _verdict(admission: Admission) -> str:
    if admission.verdict is Verdict.ADMITTED:
        return f"claimed: {admission.reason}"
    return f"not claimed, {admission.verdict}: {admission.reason}"


def _outcome(now: Admission, then: Prospect) -> str:
    if then.verdict is None:
        return "not known yet"
    return f"still {then.verdict}" if then.verdict is now.verdict else str(then.verdict)


def _admission(found: AdmissionExplanation) -> Iterator[str]:
    admission = found.admission
    yield f"admission: {_verdict(admission)}"
    if place(admission.origin) != str(OriginKind.IMPLIED):
        yield f"  rule   {place(admission.origin)}"
    yield "  asked, one after the other:"
    rows = [[each.kind, each.says, _at(each.detail, each.origin)] for each in found.answers if each.asked]
    yield from _aligned(rows, "    ")
    unasked = [[each.kind, each.says, _at(each.detail, each.origin)] for each in found.answers if not each.asked]
    if unasked:
        yield "  not asked any more; they would say:"
        yield from _aligned(unasked, "    ")
    yield "  what would change it:" if found.prospects else f"  {found.settled}"
    for each in found.prospects:
        reason = f": {each.reason}" if each.reason else ""
        yield f"    if {each.change}: {_outcome(admission, each)}{reason}"
    if found.note:
        yield f"  note   {found.note}"


def _at(detail: str, origin: Origin | None) -> str:
    where = place(origin)
    return f"{detail} [{where}]" if where and where != str(OriginKind.IMPLIED) else detail


# A whole path


def path_text(found: PathExplanation) -> str:
    """Everything about a path."""
    return _text(_path(found))


def _path(found: PathExplanation) -> Iterator[str]:
    path = found.path
    hardware = " ".join(word for word in (path.vendor, path.product, path.revision) if word)
    address = f"{path.protocol} {path.address}" if path.address else path.protocol
    yield ", ".join(word for word in (f"{path.name} ({path.dev})", address, hardware, size_text(path.size)) if word)
    yield ""
    yield f"identity: {found.wwid or 'no WWID'}"
    yield f"  from   {found.source}"
    yield f"  device {found.finding.standing.value}" + (f": {found.finding.reason}" if found.finding.reason else "")
    yield from (f"  says   {each.value}  {place(each.origin)}" for each in found.sources)
    yield ""
    yield from _admission(found.admission)
    yield f"  udev   {_CLAIMS.get(found.path.udev.get(CLAIM, ''), 'has not said whether it is a path')}"
    yield ""
    yield f"state: {found.state}"
    yield from (f"  why    {reason}" for reason in found.state_reasons)
    yield f"priority: {_priority(found.priority)}"
    yield f"map: {found.map}, group {found.group} of {found.groups}" if found.map else "map: none"
    if found.now_in and found.now_in != found.map:
        yield f"  now    in {found.now_in}"
    yield ""
    yield "properties:" if found.map else "properties, as they would be if it were a path:"
    yield from _properties(found.properties)
    if found.tunables:
        yield "in sysfs:"
        yield from _aligned([_tunable(each) for each in found.tunables], _INDENT)


def _tunable(each: TunableExplanation) -> list[str]:
    """`rport-1:0-0/dev_loss_tmo  60, should be 600  defaults section (...)`."""
    folder, _, name = each.file.rpartition("/")
    subject = f"{folder.removesuffix('/queue').rpartition('/')[2]}/{name}"
    if each.wanted is None or each.wanted.value == each.now:
        return [subject, each.now, place(each.wanted.origin) if each.wanted is not None else "as it is"]
    return [subject, f"{each.now}, should be {each.wanted.value}", place(each.wanted.origin)]


def _priority(priority: Resolved[int | None]) -> str:
    value = "unknown" if priority.value is None else str(priority.value)
    return f"{value} ({place(priority.origin)})"


# A whole map


def map_text(found: MapExplanation, plan: MapPlan | None) -> str:
    """Everything about a map. `plan`: what would be done about it, and why."""
    return _text(_map(found, plan))


def _map(found: MapExplanation, plan: MapPlan | None) -> Iterator[str]:
    live = found.subject.live
    yield f"map {map_name(found.subject)}, WWID {found.subject.wwid}" + (f", {live.dev}" if live else ", not there yet")
    if found.alias is not None:
        yield from _properties([found.alias])
    if found.unwanted:
        yield f"  not wanted: {found.unwanted}"
    yield ""
    yield from _tables(found)
    yield from _plan(plan)
    if found.groups:
        yield ""
        yield "groups:"
        yield from _groups(found.groups)
    others = [each for each in found.devices if each.verdict is not Verdict.ADMITTED]
    if others:
        yield ""
        yield "devices of its WWID that are no paths:"
        yield from (f"  {each.name}  {each.verdict}: {each.reason}" for each in others)
    if found.properties:
        yield ""
        yield "properties:"
        yield from _properties(found.properties)
    if found.unset:
        yield f"  not set: {', '.join(found.unset)}"


def map_name(subject: Subject) -> str:
    """The name of a map: the one that it has, else the one that it would get."""
    if subject.live is not None:
        return subject.live.name
    return subject.wanted.alias.value if subject.wanted is not None else subject.wwid


def _tables(found: MapExplanation) -> Iterator[str]:
    if found.subject.live is not None:
        yield f"table now:     {found.table_now or 'none'}"
    if found.table_desired:
        same = found.table_desired == found.table_now
        yield f"table desired: {'the same' if same else found.table_desired}"
    if found.refused:
        yield f"it can't be as desired: {found.refused}"


def _plan(plan: MapPlan | None) -> Iterator[str]:
    if plan is None:
        return
    yield f"to do: {plan.action}"
    yield from (f"  {reason}" for reason in plan.reasons)
    yield from (f"  * {step_text(step)}" for step in plan.steps)


def _groups(groups: Sequence[Sequence[MemberExplanation]]) -> Iterator[str]:
    rows = [
        [str(number), each.member.name, each.member.dev, str(each.member.state), _kernel(each), _rank(each)]
        for number, group in enumerate(groups, 1)
        for each in group
    ]
    yield from _aligned(rows, "  ")


def _kernel(each: MemberExplanation) -> str:
    if each.kernel is None:
        return "not in the kernel's table"
    return f"kernel: {'active' if each.kernel.active else 'failed'}, failed {each.kernel.fail_count} times"


def _rank(each: MemberExplanation) -> str:
    return f"priority {_priority(each.member.priority)}"


def maps_text(every: Sequence[tuple[Subject, MapPlan | None]]) -> str:
    """All maps, a line or two each."""
    return _text(line for subject, plan in every for line in _map_in_brief(subject, plan))


def _map_in_brief(subject: Subject, plan: MapPlan | None) -> Iterator[str]:
    name = map_name(subject)
    yield name if name == subject.wwid else f"{name} ({subject.wwid})"
    if subject.wanted is not None:
        yield f"    called {subject.wanted.alias.value}: {place(subject.wanted.alias.origin)}"
    if plan is not None:
        yield f"    {plan.action}: {'; '.join(plan.reasons)}"
