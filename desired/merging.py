"""How settings of several places become one: sections, the device table, protocol subsections, multipaths entries.

In: blocks of parsed files and entries so far. Out: new entries and messages. The rules are those of multipath-tools:
what comes later wins value by value, what came earlier fills the gaps, and the merged entry stands where the later one
stood. Pure; must never drop a value without a message, except for an earlier value of the same keyword.
"""

from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from functools import cache
from operator import itemgetter

from desired.conf.tree import Block, Place, Setting
from desired.entries import DeviceEntry, MultipathEntry, ProtocolEntry, Settings
from desired.hwtable import ARRAYS, Array
from desired.model import ConfigMessage, Origin, OriginKind, Resolved, Severity
from desired.options import ALIAS, GID, MODE, PRODUCT, REVISION, TYPE, UID, VENDOR, WWID
from desired.regex import BadExpression, compile_expression, compile_pattern
from desired.values import Effect
from observers.snapshot import Wwid

Identity = tuple[str, str, str | None]
DeviceTable = dict[Identity, DeviceEntry]
"""The device table, in its order."""

_ATTRIBUTES = (MODE.key, UID.key, GID.key)


def apply(settings: dict[str, Resolved[object]], items: Iterable[Setting], kind: OriginKind) -> None:
    """Put what a block sets on top of what is already set."""
    for item in items:
        if item.effect is Effect.SET:
            origin = Origin(kind, str(item.place))
            settings[item.option.key] = Resolved(item.value, origin, settings.get(item.option.key))
        elif item.effect is Effect.CLEAR:
            settings.pop(item.option.key, None)


def settings_of(block: Block, kind: OriginKind) -> dict[str, Resolved[object]]:
    """What one block sets."""
    settings: dict[str, Resolved[object]] = {}
    apply(settings, block.settings(), kind)
    return settings


def filled(later: Settings, earlier: Settings) -> Settings:
    """The later settings, with gaps filled from the earlier ones; an empty text is no value to fill a gap with."""
    both = {keyword: _over(value, earlier[keyword]) for keyword, value in later.items() if keyword in earlier}
    return {keyword: value for keyword, value in earlier.items() if value.value != ""} | dict(later) | both


def _over(later: Resolved[object], earlier: Resolved[object]) -> Resolved[object]:
    """The later value, which now also takes the place of the earlier one.

    What it replaced so far is walked without recursion: a section may set a keyword any number of times.
    """
    values = [later]
    while (before := values[-1].replaced) is not None:
        values.append(before)
    result = earlier
    for value in reversed(values):
        result = replace(value, replaced=result)
    return result


@cache
def built_in_devices() -> tuple[DeviceEntry, ...]:
    """The built-in table as entries."""
    return tuple(_built_in(array) for array in ARRAYS)


def _built_in(array: Array) -> DeviceEntry:
    origin = Origin(OriginKind.HARDWARE_TABLE, f"{array.vendor}/{array.product}")
    given = ((field.name, getattr(array, field.name)) for field in fields(array))
    settings: dict[str, Resolved[object]] = {
        keyword: Resolved(value, origin)
        for keyword, value in given
        if value not in (None, "") and keyword not in ("vendor", "product")
    }
    return DeviceEntry(
        vendor=array.vendor, product=array.product, revision=None, settings=settings, origin=origin, built_in=True
    )


def add_devices(table: DeviceTable, blocks: Iterable[Block], file: str) -> Iterator[ConfigMessage]:
    """Add the device entries of one file to the table. `file`: the file's name as messages call it."""
    entries = [(block, _device(block)) for block in blocks]
    last = {entry.identity: index for index, (_, entry) in enumerate(entries) if entry}
    for index, (block, entry) in enumerate(entries):
        if entry is None:
            text = f"device config in {file} missing vendor or product parameter"
            yield _message(block.place, text, Severity.ERROR, hint="an entry needs both; it is left out")
            continue
        if last[entry.identity] != index:
            vendor, product, revision = entry.identity
            name = f"{vendor}:{product}:{'(null)' if revision is None else revision}"
            text = f"factorize_hwtable: duplicate device section for {name} in {file}"
            hint = "there is another one below; where both set a value the last one counts"
            yield _message(block.place, text, Severity.WARNING, hint=hint)
        earlier = table.pop(entry.identity, None)
        table[entry.identity] = replace(entry, settings=filled(entry.settings, earlier.settings)) if earlier else entry


def _device(block: Block) -> DeviceEntry | None:
    settings = settings_of(block, OriginKind.DEVICES)
    vendor, product, revision = (settings.pop(option.key, None) for option in (VENDOR, PRODUCT, REVISION))
    if vendor is None or product is None:
        return None
    return DeviceEntry(
        vendor=str(vendor.value),
        product=str(product.value),
        revision=str(revision.value) if revision else None,
        settings=settings,
        origin=Origin(OriginKind.DEVICES, str(block.place)),
        built_in=False,
    )


def wrong_expressions(block: Block) -> Iterator[tuple[ConfigMessage, bool]]:
    """Messages on expressions of a device entry that are none, and whether multipath-tools fails on them.

    It does where a blacklist rule would be made of the expression; otherwise the entry just never matches. An entry
    that is left out anyway is not looked at.
    """
    items = {item.option.keyword: item for item in block.settings()}
    if "vendor" not in items or "product" not in items:
        return
    makes_rule = "product_blacklist" in items
    for keyword in ("vendor", "product", "revision", "product_blacklist"):
        item = items.get(keyword)
        used_in_rule = makes_rule and keyword in ("vendor", "product_blacklist")
        reason = _reason_against(item.text, in_rule=used_in_rule) if item else ""
        if item and reason:
            text = (
                f'{item.place.file} line {item.place.line}, {keyword} "{item.text}" is no regular expression: {reason}'
            )
            hint = f"{keyword}: expected {item.option.kind.expected}"
            yield _message(item.place, text, Severity.ERROR, hint=hint, ours=True), used_in_rule


def _reason_against(expression: str, *, in_rule: bool) -> str:
    try:
        if in_rule:
            compile_pattern(expression)
        else:
            compile_expression(expression)
    except BadExpression as error:
        return str(error)
    return ""


def add_protocols(entries: dict[str, ProtocolEntry], blocks: Iterable[Block], file: str) -> Iterator[ConfigMessage]:
    """Add the protocol subsections of one file."""
    for block in blocks:
        settings = settings_of(block, OriginKind.PROTOCOL)
        kind = settings.pop(TYPE.key, None)
        if kind is None:
            text = f"protocol section in {file} missing type"
            yield _message(block.place, text, Severity.ERROR, hint="the subsection is left out")
            continue
        protocol = str(kind.value)
        earlier = entries.pop(protocol, None)
        entries[protocol] = ProtocolEntry(
            protocol=protocol,
            settings=filled(settings, earlier.settings) if earlier else settings,
            origin=Origin(OriginKind.PROTOCOL, str(block.place)),
        )


def merge_multipaths(blocks: Iterable[Block]) -> tuple[dict[Wwid, MultipathEntry], tuple[ConfigMessage, ...]]:
    """The entries of all files by WWID, in the order of the WWIDs."""
    incomplete: list[ConfigMessage] = []
    repeated: list[tuple[Wwid, ConfigMessage]] = []
    merged: dict[Wwid, MultipathEntry] = {}
    for block in blocks:
        settings = settings_of(block, OriginKind.MULTIPATHS)
        named = settings.pop(WWID.key, None)
        if named is None:
            text = "multipaths config section missing wwid"
            incomplete.append(_message(block.place, text, Severity.ERROR, hint="the entry is left out"))
            continue
        wwid = Wwid(str(named.value))
        earlier = merged.get(wwid)
        if earlier is not None:
            text = f"merge_mptable: duplicate multipath config section for {wwid}"
            hint = f"the first is at {earlier.origin.where}; where both set a value the last one counts"
            repeated.append((wwid, _message(block.place, text, Severity.WARNING, hint=hint)))
            settings = _with_attributes(filled(settings, earlier.settings), settings, earlier.settings)
        origin = Origin(OriginKind.MULTIPATHS, str(block.place))
        merged[wwid] = MultipathEntry(wwid=wwid, settings=settings, origin=origin)
    ordered = {wwid: merged[wwid] for wwid in sorted(merged)}
    return ordered, (*incomplete, *(message for _, message in sorted(repeated, key=itemgetter(0))))


def _with_attributes(merged: Settings, later: Settings, earlier: Settings) -> dict[str, Resolved[object]]:
    """Merged settings in which mode, uid and gid are merged as multipath-tools does it.

    It notes in one word which of them an entry sets, so that what the earlier entry says of the others is lost when the
    later one sets any; and 0 is a gap to fill for it.
    """
    result = dict(merged)
    if not any(keyword in later for keyword in _ATTRIBUTES):
        return result
    for keyword in _ATTRIBUTES:
        if keyword not in later:
            result.pop(keyword, None)
        elif later[keyword].value == 0 and keyword in earlier:
            result[keyword] = earlier[keyword]
    return result


def settle_aliases(entries: dict[Wwid, MultipathEntry]) -> tuple[dict[Wwid, MultipathEntry], tuple[ConfigMessage, ...]]:
    """Leave each alias to one entry: the one with the first WWID."""
    holders: dict[str, Wwid] = {}
    settled: dict[Wwid, MultipathEntry] = {}
    messages: list[ConfigMessage] = []
    for wwid, entry in entries.items():
        settled[wwid] = entry
        alias = entry.settings.get(ALIAS.key)
        if alias is None or not alias.value:
            continue
        holder = holders.setdefault(str(alias.value), wwid)
        if holder != wwid:
            settled[wwid] = replace(entry, alias_taken_by=holder)
            messages.append(_alias_message(alias, wwid, holder))
    return settled, tuple(messages)


def _alias_message(alias: Resolved[object], wwid: Wwid, holder: Wwid) -> ConfigMessage:
    file, _, line = alias.origin.where.rpartition(":")
    place = Place(file, int(line), 0)
    text = f'{file} line {line}, alias "{alias.value}" is already that of {holder}; it has no effect for {wwid}'
    return _message(place, text, Severity.ERROR, hint="an alias names one map; give each entry its own", ours=True)


def _message(place: Place, text: str, severity: Severity, *, hint: str, ours: bool = False) -> ConfigMessage:
    return ConfigMessage(
        severity=severity, file=place.file, line=place.line, column=place.column, text=text, hint=hint, ours=ours
    )
