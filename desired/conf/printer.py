"""From a configuration back to text: the merged one as `multipath -t` prints it, and the tree of a file.

In: a `Config`, or the tree of one file. Out: text. Pure: what it needs to know of the host (the limit of open files for
`max_fds`; which devices and maps there are, when only what concerns them is wanted) is handed to it.

`print_config` follows multipath-tools byte for byte, since programs read it. So a few lines are not what one would
write: `uid_attrs` has no quotes; user and group ids are octal, as which nobody reads them; the braces of a device rule
come with its vendor and its product, so that one brace is missing where one of these is; and with `present` the name of
an existing map is repeated in a comment. Apart from that, what is printed is read as the same configuration.
`print_tree` has no such lines: what it prints always has the same tree.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from desired import options as rows
from desired.conf.lexer import LINE_BYTES, byte_length, tokenize
from desired.conf.tree import Block, Setting
from desired.config import Config
from desired.entries import DeviceEntry, MultipathEntry, ProtocolEntry, Rule, RuleKind, Settings
from desired.model import Failback, FailbackMode
from desired.options import GRAMMAR, Option, Section
from desired.precedence import DeviceKind, matching_entries
from desired.values import Max, Off, ReservationKey, Surroundings
from observers.snapshot import Alias, Wwid

_ERROR_ACCOUNTING = (
    rows.DELAY_WATCH_CHECKS, rows.DELAY_WAIT_CHECKS, rows.SAN_PATH_ERR_THRESHOLD, rows.SAN_PATH_ERR_FORGET_RATE,
    rows.SAN_PATH_ERR_RECOVERY_TIME, rows.MARGINAL_PATH_ERR_SAMPLE_TIME, rows.MARGINAL_PATH_ERR_RATE_THRESHOLD,
    rows.MARGINAL_PATH_ERR_RECHECK_GAP_TIME, rows.MARGINAL_PATH_DOUBLE_FAILED_TIME,
)  # fmt: skip
_DEVICE_ORDER: tuple[Option[Any], ...] = (
    rows.VENDOR, rows.PRODUCT, rows.REVISION, rows.PRODUCT_BLACKLIST, rows.PATH_GROUPING_POLICY, rows.UID_ATTRIBUTE,
    rows.PATH_SELECTOR, rows.PATH_CHECKER, rows.ALIAS_PREFIX, rows.FEATURES, rows.HARDWARE_HANDLER, rows.PRIO,
    rows.PRIO_ARGS, rows.FAILBACK_OPTION, rows.RR_WEIGHT, rows.NO_PATH_RETRY, rows.RR_MIN_IO, rows.RR_MIN_IO_RQ,
    rows.FLUSH_ON_LAST_DEL, rows.FAST_IO_FAIL_TMO, rows.DEV_LOSS_TMO, rows.EH_DEADLINE, rows.USER_FRIENDLY_NAMES,
    rows.RETAIN_ATTACHED_HW_HANDLER, rows.DETECT_PRIO, rows.DETECT_CHECKER, rows.DETECT_PGPOLICY,
    rows.DETECT_PGPOLICY_USE_TPG, rows.DEFERRED_REMOVE, *_ERROR_ACCOUNTING, rows.SKIP_KPARTX, rows.PURGE_DISCONNECTED,
    rows.MAX_SECTORS_KB, rows.GHOST_DELAY, rows.ALL_TG_PT, rows.VPD_VENDOR_OPTION, rows.RECHECK_WWID,
)  # fmt: skip
_MULTIPATH_ORDER: tuple[Option[Any], ...] = (
    rows.WWID, rows.ALIAS, rows.PATH_GROUPING_POLICY, rows.PATH_SELECTOR, rows.PRIO, rows.PRIO_ARGS,
    rows.FAILBACK_OPTION, rows.RR_WEIGHT, rows.NO_PATH_RETRY, rows.RR_MIN_IO, rows.RR_MIN_IO_RQ, rows.FLUSH_ON_LAST_DEL,
    rows.FEATURES, rows.MODE, rows.UID, rows.GID, rows.RESERVATION_KEY, rows.USER_FRIENDLY_NAMES, rows.DEFERRED_REMOVE,
    *_ERROR_ACCOUNTING, rows.SKIP_KPARTX, rows.PURGE_DISCONNECTED, rows.MAX_SECTORS_KB, rows.GHOST_DELAY,
)  # fmt: skip
_OWN_ORDER: Mapping[Section, tuple[Option[Any], ...]] = {
    Section.DEVICE: _DEVICE_ORDER,
    Section.OVERRIDES: _DEVICE_ORDER,
    Section.MULTIPATH: _MULTIPATH_ORDER,
    Section.PROTOCOL: (rows.TYPE,),
}
"""Where multipath-tools prints a section in another order than that of the options table."""

_OCTAL = frozenset({rows.MODE.key, rows.UID.key, rows.GID.key})
_RULE_ORDER = (RuleKind.DEVNODE, RuleKind.WWID, RuleKind.PROPERTY, RuleKind.PROTOCOL)


def _order(section: Section) -> tuple[Option[Any], ...]:
    """The keywords of a section in the order of printing. One that has no place of its own stands at the end."""
    printed = {
        row.keyword: row
        for row in GRAMMAR[section].values()
        if row.opens is None and row.ignored is None and not row.stored_as
    }
    first = [row for row in _OWN_ORDER.get(section, ()) if printed.get(row.keyword) is row]
    return (*first, *(row for row in printed.values() if row not in first))


_ORDER: Mapping[Section, tuple[Option[Any], ...]] = {section: _order(section) for section in Section}


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What is on the host: the kinds of the devices that may be paths, in the order in which they were found, and the
    multipath maps with their names."""

    kinds: Sequence[DeviceKind]
    maps: Mapping[Wwid, Alias]


def print_config(config: Config, *, nr_open: int = Surroundings().nr_open, present: Present | None = None) -> str:
    """The configuration as `multipath -t` prints it. `nr_open`: the kernel's limit of open files.

    With `present` as `multipath -T` does: of the device table only the entries that match a device, in the order in
    which the devices find them, and of `multipaths` only the maps that exist, but those all.
    """
    devices = config.devices if present is None else _used(config, present.kinds)
    blocks = [
        _section("defaults", _defaults(config, nr_open)),
        _section("blacklist", _rules(config.blacklist)),
        _section("blacklist_exceptions", _rules(config.exceptions)),
        _section("devices", (line for entry in devices for line in _device(entry))),
        _section("overrides", _overrides(config)),
    ]
    if config.multipaths or (present is not None and present.maps):
        blocks.append(_section("multipaths", _multipaths(config, present)))
    return "".join(blocks)


def written(option: Option[Any], value: object) -> str:
    """A value as it is printed: words in quotes, numbers without, and a few words that never had any."""
    if isinstance(value, int) and option.key in _OCTAL:
        return f"0{value:o}"
    text = option.write(value)
    return text if _bare(value) else quoted(text)


def quoted(text: str) -> str:
    """A text in quotes, each quote in it doubled."""
    return '"' + text.replace('"', '""') + '"'


def _bare(value: object) -> bool:
    match value:
        case bool() | ReservationKey(key=None):
            return False
        case int() | Off() | tuple() | ReservationKey() | Failback(mode=FailbackMode.DELAYED):
            return True
    return False


def _section(keyword: str, lines: Iterable[str]) -> str:
    return f"{keyword} {{\n" + "".join(f"\t{line}\n" for line in lines) + "}\n"


def _subsection(keyword: str, lines: Iterable[str]) -> Iterator[str]:
    yield f"{keyword} {{"
    yield from (f"\t{line}" for line in lines)
    yield "}"


def _settings(section: Section, values: Mapping[str, object]) -> Iterator[str]:
    """The settings of a section in the order of printing."""
    for option in _ORDER[section]:
        if option.key in values:
            yield f"{option.keyword} {written(option, values[option.key])}"


def _values(settings: Settings) -> dict[str, object]:
    return {keyword: resolved.value for keyword, resolved in settings.items()}


def _defaults(config: Config, nr_open: int) -> Iterator[str]:
    """Every default, the built-in ones too. Nothing stands for no limit of open files, and for no pairs."""
    built_in = {row.key: row.default for row in _ORDER[Section.DEFAULTS] if row.default is not None}
    values = built_in | _values(config.defaults)
    limit = values[rows.MAX_FDS.key]
    if isinstance(limit, int) and limit >= nr_open:
        values[rows.MAX_FDS.key] = Max.MAX
    unsaid = {rows.MAX_FDS.key: 0, rows.UID_ATTRS.key: ()}
    return _settings(
        Section.DEFAULTS, {key: value for key, value in values.items() if key not in unsaid or value != unsaid[key]}
    )


def _rules(rules: tuple[Rule, ...]) -> Iterator[str]:
    for kind in _RULE_ORDER:
        for rule in rules:
            if rule.kind is kind:
                yield f"{kind} {quoted(rule.text)}"
    for rule in rules:
        if rule.kind is RuleKind.DEVICE:
            yield from _device_rule(rule)


def _device_rule(rule: Rule) -> Iterator[str]:
    """The opening brace comes with the vendor, the closing one with the product."""
    if rule.vendor is not None:
        yield "device {"
        yield f"\tvendor {quoted(rule.vendor.text)}"
    if rule.product is not None:
        yield f"\tproduct {quoted(rule.product.text)}"
        yield "}"


def _used(config: Config, kinds: Iterable[DeviceKind]) -> Iterable[DeviceEntry]:
    """The entries that match one of the devices, those of the first device first and of these the strongest."""
    return {entry.identity: entry for kind in kinds for entry in matching_entries(config, kind)}.values()


def _device(entry: DeviceEntry) -> Iterator[str]:
    values = _values(entry.settings) | {rows.VENDOR.key: entry.vendor, rows.PRODUCT.key: entry.product}
    if entry.revision is not None:
        values[rows.REVISION.key] = entry.revision
    return _subsection("device", _settings(Section.DEVICE, values))


def _overrides(config: Config) -> Iterator[str]:
    yield from _settings(Section.OVERRIDES, _values(config.overrides))
    for entry in config.protocols:
        yield from _subsection("protocol", _protocol(entry))


def _protocol(entry: ProtocolEntry) -> Iterator[str]:
    return _settings(Section.PROTOCOL, {rows.TYPE.key: entry.protocol} | _values(entry.settings))


def _multipaths(config: Config, present: Present | None) -> Iterator[str]:
    if present is None:
        for entry in config.multipaths.values():
            yield from _subsection("multipath", _multipath(entry))
        return
    configured = [entry for wwid, entry in config.multipaths.items() if wwid in present.maps]
    for entry in configured:
        name = _name(entry.wwid, present.maps[entry.wwid])
        yield from _subsection("multipath", (*_multipath(entry), *name))
    for wwid, alias in present.maps.items():
        if wwid not in config.multipaths:
            yield from _subsection("multipath", (f'wwid "{wwid}"', *_name(wwid, alias)))


def _multipath(entry: MultipathEntry) -> Iterator[str]:
    return _settings(Section.MULTIPATH, {rows.WWID.key: entry.wwid} | _values(entry.settings))


def _name(wwid: Wwid, alias: Alias) -> Iterator[str]:
    """The comment on what the map is called, if it is not called by its WWID."""
    if str(alias) != str(wwid):
        yield f'# alias "{alias}"'


def print_tree(root: Block) -> str:
    """A file with this tree (a root block): parsed, it has the same tree."""
    return "".join(f"{line}\n" for line in _content(root, ""))


def _content(block: Block, indent: str) -> Iterator[str]:
    for item in block.items:
        if isinstance(item, Setting):
            yield _setting(item, indent)
        else:
            yield f"{indent}{_keyword(item.section)} {{"
            yield from _content(item, indent + "\t")
            yield f"{indent}}}"


def _keyword(section: Section) -> str:
    """The keyword that begins a section: the last of those that lead to it."""
    return section.rpartition("/")[2]


def _setting(setting: Setting, indent: str) -> str:
    """A setting's line, in the best form that fits into the parser's line buffer.

    The text once stood in a line that did fit, so the last form, without the closing quote, does.
    """
    keyword, text = setting.option.keyword, quoted(setting.text)
    forms = [f"{indent}{keyword} {text}", f"{keyword} {text}", f"{keyword}{text}"]
    if [token.text for token in tokenize(setting.text)] == [setting.text]:
        forms.append(f"{keyword} {setting.text}")
    forms.append(f"{keyword}{text[:-1]}")
    return next((form for form in forms if byte_length(form) <= LINE_BYTES), forms[-1])
