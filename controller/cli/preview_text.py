"""A preview in words, for somebody who has to decide now: first the verdict, then what is behind it.

In: a `Preview`. Out: text, the same for the same preview; nothing in it can steer a terminal. It must never leave out a
change, a step or a reason of a map that changes. Unchanged maps are only named.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from actuators.steps import (
    CancelRemoval,
    CreateMap,
    DeletePath,
    FailPath,
    MarkFailed,
    RegisterKey,
    ReinstatePath,
    ReloadMap,
    RememberWwid,
    RemoveMap,
    RenameMap,
    SetQueueing,
    Step,
    SwitchGroup,
    TriggerUevent,
    UnmarkFailed,
    WriteBindings,
    WriteTunable,
)
from controller.cli.config_report import brief, place
from controller.reconcile.explain import step_text
from controller.reconcile.preview import Cause, DiskChange, Fate, MapPreview, Preview, TracedStep, ValueChange
from desired.model import Admission, ConfigMessage, Resolved, Verdict

SURROGATES, _BYTE_MIN, _BYTE_MAX = 0xDC00, 0x80, 0xFF
"""How bytes that are not UTF-8 stand in a text (PEP 383)."""

NAMED = 20
"""How many unchanged maps, or disks that change alike, are named; what is beyond is counted."""

REMOVAL, MESSAGE, UEVENT, TUNING = "removal", "message only", "uevent only", "tuning only"
ALTERED = " due already, in another form"
_WORDS: dict[type[Step], str] = {
    CreateMap: "new map",
    ReloadMap: "reload",
    RenameMap: "rename",
    RemoveMap: REMOVAL,
    SetQueueing: MESSAGE,
    CancelRemoval: MESSAGE,
    SwitchGroup: MESSAGE,
    FailPath: MESSAGE,
    ReinstatePath: MESSAGE,
    TriggerUevent: UEVENT,
    WriteTunable: TUNING,
    DeletePath: "deleted path",
    RegisterKey: "registration",
    RememberWwid: "",
    WriteBindings: "",
    MarkFailed: "",
    UnmarkFailed: "",
}
_COUNTED = frozenset({"new map", "reload", "rename", "deleted path", "registration", REMOVAL})
"""Words that have a plural."""
_MINOR = (MESSAGE, TUNING, UEVENT)
"""Told only when nothing else is done to the map."""

_TAGS = {
    Cause.CHANGE: "",
    Cause.ALTERED: " [due already, in another form]",
    Cause.DUE: " [due already]",
    Cause.DROPPED: "",
}

_OWN_NAME = "\0"
"""Stands for the name of the disk that is told of; no name and no reason has it."""

_VERDICTS = {
    Verdict.BLACKLISTED: "blacklisted",
    Verdict.WAITING: "not claimed yet",
    Verdict.UNVERIFIED: "not claimed: its identity was not read",
    Verdict.MISMATCH: "not claimed: it says that it is another unit",
    Verdict.NO_WWID: "not claimed: it has no WWID",
    Verdict.NOT_A_DISK: "not claimed: not a disk",
    Verdict.ADMITTED: "claimed",
}


def preview_text(preview: Preview) -> str:
    """The whole preview. Ends with a newline."""
    sections = [tuple(section(preview)) for section in _SECTIONS]
    lines = "\n\n".join("\n".join(section) for section in sections if section)
    return "".join(c if c == "\n" or c.isprintable() else _shown(c) for c in lines) + "\n"


def _shown(char: str) -> str:
    """A character that can't be printed. A byte that is not UTF-8 keeps its value: two names may differ in it alone."""
    byte = ord(char) - SURROGATES
    return f"\\x{byte:02x}" if _BYTE_MIN <= byte <= _BYTE_MAX else "?"


def outcome(each: MapPreview) -> str:
    """What becomes of a map that changes, in a word or two: `reload`, `reload + rename`, `settings only`."""
    for cause, suffix in ((Cause.CHANGE, ""), (Cause.ALTERED, ALTERED)):
        done = {_WORDS[type(step.step)] for step in each.steps if step.cause is cause}
        words = [word for word in dict.fromkeys(_WORDS.values()) if word in done]
        major = [word for word in words if word not in _MINOR]
        if words:
            return (" + ".join(major) or words[0]) + suffix
    if each.fate is Fate.DROPPED:
        return "no longer wanted, but it stays" if each.exists else "not created any more"
    if each.held:
        return "held back"
    if each.fate is Fate.ADDED:
        return "wanted again"
    return "fewer steps" if any(step.cause is Cause.DROPPED for step in each.steps) else "settings only"


def verdict(preview: Preview) -> str:
    """One line: `3 of 12 maps change: 1 reload, 1 rename, 1 message only; 9 stay as they are`."""
    all_maps, changed = len(preview.maps), preview.changed
    if not changed:
        stay = f"{_count(all_maps, 'map')} {'stays as it is' if all_maps == 1 else 'stay as they are'}"
        return f"{'no map changes' if preview.changes else 'nothing changes'}: {stay}"
    kinds = Counter(outcome(each) for each in changed)
    worst_first = sorted(kinds, key=lambda kind: not kind.startswith(REMOVAL))
    shown = ", ".join(_counted_kind(kinds[kind], kind) for kind in worst_first)
    rest = all_maps - len(changed)
    stay = f"; {rest} {'stays as it is' if rest == 1 else 'stay as they are'}" if rest else ""
    verb = "changes" if len(changed) == 1 else "change"
    return f"{len(changed)} of {_count(all_maps, 'map')} {verb}: {shown}{stay}"


def _counted_kind(number: int, kind: str) -> str:
    noun = kind.removesuffix(ALTERED)
    return _count(number, noun) + kind[len(noun) :] if noun in _COUNTED else f"{number} {kind}"


def _verdict_lines(preview: Preview) -> Iterable[str]:
    yield verdict(preview)
    also = [text for number, text in _also(preview) if number]
    if also:
        yield f"also: {', '.join(also)}"
    yield f"compared: {preview.candidate} in place of {preview.present}"
    if not preview.compared:
        yield (
            f"{preview.present} can't be used as it is, so nothing follows of it: "
            "the steps below are what separates the maps on the host from the candidate"
        )


def _also(preview: Preview) -> Iterable[tuple[int, str]]:
    claims = Counter(each.claimed for each in preview.disks)
    for key, words in (((False, True), "newly claimed"), ((True, False), "no longer claimed")):
        yield claims[key], f"{_count(claims[key], 'disk')} {words}"
    others = claims[True, True] + claims[False, False]
    yield others, f"{_count(others, 'disk')} with another WWID or verdict"
    for number, noun in (
        (len(preview.bindings), "line of the bindings file"),
        (len(preview.settings), "setting of the defaults"),
        (len(preview.messages), "new message"),
        (len(preview.findings), "new finding of the safety rules"),
    ):
        head, _, tail = noun.partition(" of ")
        yield number, _count(number, head) + (f" of {tail}" if tail else "")


def _message_lines(preview: Preview) -> Iterable[str]:
    if preview.messages:
        yield f"new messages about {preview.candidate}:"
        yield from (f"  {_message(each)}" for each in preview.messages)
    for finding in preview.findings:
        yield f"safety rule '{finding.rule}': {finding.level.value}: {finding.text}"
    if preview.settled:
        yield f"messages about {preview.present} that are gone:"
        yield from (f"  {_message(each)}" for each in preview.settled)


def _message(each: ConfigMessage) -> str:
    where = f"{place(each)}: " if each.file else ""
    return f"{where}{each.severity}: {brief(each)}" + (f" ({each.hint})" if each.hint else "")


def _shared_lines(preview: Preview) -> Iterable[str]:
    """What several maps have in common, so that one need not read them all."""
    alike = Counter(_arrow(change) for each in preview.changed for change in each.values if change.differs)
    shared = [f"  {text}: {number} maps" for text, number in alike.items() if number > 1]
    if shared:
        yield "the same on several maps:"
        yield from shared


def _map_lines(preview: Preview) -> Iterable[str]:
    for number, each in enumerate(preview.changed):
        if number:
            yield ""
        yield f"{_title(each)}: {outcome(each)}"
        for part in _MAP_PARTS:
            yield from (f"  {line}" for line in part(each))


def _title(each: MapPreview) -> str:
    return each.name if str(each.name) == str(each.wwid) else f"{each.name} ({each.wwid})"


def _values(each: MapPreview) -> Iterable[str]:
    for change in each.values:
        yield from _change(change)


def _change(change: ValueChange) -> Iterable[str]:
    yield _arrow(change)
    yield f"  was: {_origin(change.old)}"
    yield f"  now: {_origin(change.new)}"


def _arrow(change: ValueChange) -> str:
    of = f" of {', '.join(change.paths)}" if change.paths else ""
    if not change.differs:
        return f"{change.keyword}{of}: {_value(change.new)} as before, but"
    return f"{change.keyword}{of}: {_value(change.old)} -> {_value(change.new)}"


def _value(value: Resolved[str] | None) -> str:
    return "(not set)" if value is None else value.value or '""'


def _origin(value: Resolved[str] | None) -> str:
    return "set nowhere" if value is None else str(value.origin)


def _table(each: MapPreview) -> Iterable[str]:
    if each.table is None:
        return
    yield f"table before: {each.table.before or '(no such map)'}"
    yield f"table after:  {each.table.after or '(no such map)'}"
    for part in each.table.parts:
        yield f"  differs in {part.what}: {part.old} -> {part.new}"


def _steps(each: MapPreview) -> Iterable[str]:
    planned = [step for step in each.steps if step.cause is not Cause.DROPPED]
    yield from (f"reason: {reason}" for reason in each.reasons)
    yield "a reconcile would:" if planned else "a reconcile would do nothing on it"
    yield from _traced(planned)
    yield from _dropped(each.steps)


def _traced(steps: Iterable[TracedStep]) -> Iterable[str]:
    for each in steps:
        yield f"  * {step_text(each.step)}{_TAGS[each.cause]}"
        if each.instead_of is not None:
            yield f"    now due: {step_text(each.instead_of)}"


def _dropped(steps: Iterable[TracedStep]) -> Iterable[str]:
    gone = [f"  * {step_text(each.step)}" for each in steps if each.cause is Cause.DROPPED]
    if gone:
        yield "it would no longer, as is due now:"
        yield from gone


_MAP_PARTS: tuple[Callable[[MapPreview], Iterable[str]], ...] = (_values, _table, _steps)
"""What is told of a map, in this order; what is to be known of it besides has its place here."""


def _disk_lines(preview: Preview) -> Iterable[str]:
    if not preview.disks:
        return
    yield "disks:"
    alike: dict[tuple[str, ...], list[DiskChange]] = {}
    for each in preview.disks:
        alike.setdefault((_claim(each), _admission(each.before), _admission(each.after)), []).append(each)
    for (what, was, now), disks in alike.items():
        its = disks[0].name if len(disks) == 1 else "(its name)"
        yield f"  {_some([each.name for each in disks], 'disk')}: {what}"
        yield f"    was: {was.replace(_OWN_NAME, its)}"
        yield f"    now: {now.replace(_OWN_NAME, its)}"


def _claim(each: DiskChange) -> str:
    match each.claimed:
        case (False, True):
            return f"newly claimed, for {each.after.wwid}"
        case (True, False):
            return "no longer claimed"
        case (True, True):
            return f"goes from {each.before.wwid} to {each.after.wwid}"
    return "not claimed, for another reason"


def _admission(admission: Admission) -> str:
    """The verdict and its rule. The disk's own name is left open, so that disks that change alike are told together."""
    reason = re.sub(rf"(?<!\S){re.escape(admission.name)}(?!\S)", _OWN_NAME, admission.reason)
    origin = f" [{admission.origin}]" if admission.origin.where or admission.origin.why else ""
    return f"{_VERDICTS[admission.verdict]}: {reason}{origin}" if reason else f"{_VERDICTS[admission.verdict]}{origin}"


def _record_lines(preview: Preview) -> Iterable[str]:
    if preview.bindings:
        yield "bindings:"
        for each in preview.bindings:
            yield f"  {'added:  ' if each.added else 'dropped:'} {each.alias} {each.wwid}"
    made = [each for each in preview.records if each.cause in (Cause.CHANGE, Cause.ALTERED)]
    if made:
        yield "records: a reconcile would:"
        yield from _traced(made)
    yield from _dropped(preview.records)


def _setting_lines(preview: Preview) -> Iterable[str]:
    for everywhere, title in (
        (True, "settings of the daemon that change:"),
        (False, "defaults that change, but no map here takes its value from them:"),
    ):
        found = [each for each in preview.settings if each.everywhere is everywhere]
        if found:
            yield title
            yield from (f"  {_arrow(each)} ({_origin(each.old)} -> {_origin(each.new)})" for each in found)


def _rest_lines(preview: Preview) -> Iterable[str]:
    same = preview.unchanged
    if same:
        yield f"unchanged: {_some([each.name for each in same], 'map')}"
    due = [each for each in same if each.due]
    steps = sum(len(each.due) for each in due)
    records = sum(1 for each in preview.records if each.cause is Cause.DUE)
    if due or records:
        names = f" on {_some([each.name for each in due], 'map')}" if due else ""
        total = _count(steps + records, "step")
        yield f"due already, whatever the candidate says: {total}{names} (mpathctl reconcile --dry-run shows them)"


_SECTIONS: tuple[Callable[[Preview], Iterable[str]], ...] = (
    _verdict_lines,
    _message_lines,
    _shared_lines,
    _map_lines,
    _disk_lines,
    _record_lines,
    _setting_lines,
    _rest_lines,
)


def _some(names: Sequence[str], noun: str) -> str:
    """The names, or the first of them and how many more there are."""
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {_count(rest, noun)} more" if rest > 0 else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
