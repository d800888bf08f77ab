"""The configuration as a value: the texts of the files and the built-in table, merged.

In: the texts of the main file and of the drop-ins. Out: `Config`, which holds for each section what was set and where,
the device table in its order, the rules of the blacklist, and every message. Files that cannot be used raise
`ConfigRefused`. Pure; must never read a file, and must never raise anything else whatever the texts are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from desired.conf.parser import parse
from desired.conf.tree import Block, Setting
from desired.entries import DeviceEntry, MultipathEntry, ProtocolEntry, Rule, RuleKind, Settings
from desired.merging import (
    DeviceTable,
    add_devices,
    add_protocols,
    apply,
    built_in_devices,
    merge_multipaths,
    settle_aliases,
    wrong_expressions,
)
from desired.model import ConfigMessage, Origin, OriginKind, Resolved, Severity
from desired.options import MAX_POLLING_INTERVAL, PARTITION_DELIMITER, POLLING_INTERVAL, Section
from desired.polling import UNREADABLE, trouble, with_polling_intervals
from desired.rules import built_in_exceptions, built_in_rules, distinct, product_rules, rules_of
from desired.values import Effect, Surroundings
from observers.errors import ConfigError
from observers.snapshot import TextFile, Wwid

__all__ = [
    "MAIN_FILE",
    "Check",
    "Config",
    "ConfigRefused",
    "DeviceEntry",
    "MultipathEntry",
    "ProtocolEntry",
    "Rule",
    "RuleKind",
    "Settings",
    "check_files",
    "load_config",
]

MAIN_FILE = "/etc/multipath.conf"


class ConfigRefused(ConfigError):
    """The files cannot be used. `because`: the message that says why; `messages`: all there is to tell of what was
    read so far."""

    def __init__(self, *, because: ConfigMessage, messages: tuple[ConfigMessage, ...]) -> None:
        hint = "correct the line or remove it; until then nothing can be derived from this file"
        super().__init__(because.hint, file=because.file, line=because.line, column=because.column, hint=hint)
        self.because, self.messages = because, messages


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Config:
    """The merged configuration.

    `devices`: built-in and configured entries in table order; the last that matches is the strongest. `multipaths`: by
    WWID, in the order of the WWIDs. `blacklist`, `exceptions`: rules in the order in which they are asked within a
    kind; the configured ones stand before the built-in ones. `messages`: in the order in which the files were read.
    """

    defaults: Settings = field(default_factory=dict)
    overrides: Settings = field(default_factory=dict)
    protocols: tuple[ProtocolEntry, ...] = ()
    devices: tuple[DeviceEntry, ...] = ()
    multipaths: Mapping[Wwid, MultipathEntry] = field(default_factory=dict)
    blacklist: tuple[Rule, ...] = ()
    exceptions: tuple[Rule, ...] = ()
    messages: tuple[ConfigMessage, ...] = ()
    memo: dict[object, object] = field(default_factory=dict, repr=False)
    """Results of pure functions of this configuration, kept by whoever computed them; no part of the value."""


def load_config(
    files: tuple[TextFile, ...], *, main: str = MAIN_FILE, surroundings: Surroundings | None = None
) -> Config:
    """Merge the built-in table, the main file (the one called `main`, if there is one) and the drop-ins, in the order
    of `files`.

    Raises `ConfigRefused` where multipath-tools does not start either: when the main file has a value that cannot be
    read at all (in a drop-in that is a message, and what the drop-in says otherwise counts), and when any file has one
    that multipath-tools crashes or hangs on.
    """
    loading = _Loading(main, surroundings or Surroundings())
    for file in files:
        loading.add(file)
    return loading.merged()


@dataclass(frozen=True, slots=True)
class Check:
    """All there is to tell about some files, in the order of their text. `refused`: they cannot be used."""

    messages: tuple[ConfigMessage, ...]
    refused: bool


def check_files(
    files: tuple[TextFile, ...], *, main: str = MAIN_FILE, surroundings: Surroundings | None = None
) -> Check:
    """Read all files to their ends, whatever is wrong with one of them."""
    loading = _Loading(main, surroundings or Surroundings(), thorough=True)
    for file in files:
        loading.add(file)
    messages = loading.merged().messages
    order = {file.path: place for place, file in enumerate(files)}
    ranked = sorted(messages, key=lambda message: (order.get(message.file, -1), message.line, message.column))
    return Check(tuple(ranked), loading.refused)


class _Loading:
    """What was read so far. `thorough`: to go on with the rest when something cannot be used."""

    def __init__(self, main: str, surroundings: Surroundings, *, thorough: bool = False) -> None:
        self.main = main
        self.surroundings = surroundings
        self.thorough = thorough
        self.refused = False
        self.told: frozenset[str] = frozenset()
        self.messages: list[ConfigMessage] = []
        self.defaults: dict[str, Resolved[object]] = {}
        self.intervals: dict[str, Setting] = {}
        """The lines that the polling intervals come from."""
        self.overrides: dict[str, Resolved[object]] = {}
        self.protocols: dict[str, ProtocolEntry] = {}
        self.devices: DeviceTable = {entry.identity: entry for entry in built_in_devices()}
        self.no_rules: list[ConfigMessage] = []
        """What is wrong with expressions that rules would be made of."""
        self.multipaths: list[Block] = []
        self.blacklist: list[Block] = []
        self.exceptions: list[Block] = []

    def add(self, file: TextFile) -> None:
        """Read one more file and put it on top of the others."""
        parsed = parse(file, surroundings=self.surroundings, told=self.told)
        self.told = parsed.told
        self.messages.extend(parsed.messages)
        is_main = file.path == self.main
        if parsed.refusals and is_main:
            self._refuse(parsed.refusals[0], last_words="error parsing config file")
        self._take(parsed.tree, file.path if is_main else file.path.rpartition("/")[2])

    def _refuse(self, because: ConfigMessage, *, last_words: str = "") -> None:
        self.refused = True
        if self.thorough:
            return
        end = [ConfigMessage(severity=Severity.ERROR, file=self.main, line=0, text=last_words)] if last_words else []
        raise ConfigRefused(because=because, messages=(*self.messages, *end))

    def _take(self, tree: Block, name: str) -> None:
        for block in tree.blocks(Section.DEFAULTS):
            for item in block.settings():
                self._default(item)
        devices = [block for root in tree.blocks(Section.DEVICES) for block in root.blocks(Section.DEVICE)]
        self._check_expressions(devices)
        self.messages.extend(add_devices(self.devices, devices, name))
        for block in tree.blocks(Section.OVERRIDES):
            apply(self.overrides, block.settings(), OriginKind.OVERRIDES)
        protocols = [block for root in tree.blocks(Section.OVERRIDES) for block in root.blocks(Section.PROTOCOL)]
        self.messages.extend(add_protocols(self.protocols, protocols, name))
        for root in tree.blocks(Section.MULTIPATHS):
            self.multipaths.extend(root.blocks(Section.MULTIPATH))
        self.blacklist.extend(tree.blocks(Section.BLACKLIST))
        self.exceptions.extend(tree.blocks(Section.EXCEPTIONS))

    def _default(self, item: Setting) -> None:
        """Put one line of a defaults section on top. Two keywords cannot do with a value that is none.

        When nothing was set before, multipath-tools makes a huge interval of what is no number, and crashes on a
        delimiter with a slash.
        """
        unset = item.option.key not in self.defaults
        if item.option in (POLLING_INTERVAL, MAX_POLLING_INTERVAL) and (unset or item.effect is not Effect.KEEP):
            self.intervals[item.option.key] = item
        if item.effect is Effect.KEEP and item.option is POLLING_INTERVAL and unset:
            self.defaults[item.option.key] = Resolved(UNREADABLE, Origin(OriginKind.DEFAULTS, str(item.place)))
        elif item.effect is Effect.KEEP and item.option is PARTITION_DELIMITER and unset:
            self._crash(item, "multipath-tools crashes on a slash here")
        else:
            apply(self.defaults, (item,), OriginKind.DEFAULTS)

    def _crash(self, item: Setting, why: str) -> None:
        """Refuse what multipath-tools does not survive."""
        place, keyword = item.place, item.option.keyword
        because = ConfigMessage(
            severity=Severity.ERROR,
            file=place.file,
            line=place.line,
            column=place.column,
            text=f'{place.file} line {place.line}, {keyword} "{item.text}" cannot be used: {why}',
            hint=f"{keyword}: expected {item.option.kind.expected}",
            ours=True,
        )
        self.messages.append(because)
        self._refuse(because)

    def _check_expressions(self, devices: list[Block]) -> None:
        """Tell about expressions that are none."""
        wrong = [found for block in devices for found in wrong_expressions(block)]
        self.messages.extend(message for message, _ in wrong)
        self.no_rules.extend(message for message, fails in wrong if fails)

    def _intervals(self) -> Settings:
        """The defaults section with both polling intervals."""
        defaults = with_polling_intervals(self.defaults)
        why = trouble(defaults)
        if why:
            given = [
                self.intervals[row.key] for row in (POLLING_INTERVAL, MAX_POLLING_INTERVAL) if row.key in self.intervals
            ]
            self._crash(given[0], why)
        return defaults

    def merged(self) -> Config:
        """The configuration after the last file."""
        defaults = self._intervals()
        if self.no_rules:
            self._refuse(self.no_rules[0])
        entries, repeated = merge_multipaths(self.multipaths)
        entries, taken = settle_aliases(entries)
        devices = tuple(self.devices.values())
        blacklist = (
            *rules_of(self.blacklist, OriginKind.BLACKLIST),
            *built_in_rules(native_nvme=self.surroundings.native_nvme),
            *product_rules(devices),
        )
        exceptions = (*rules_of(self.exceptions, OriginKind.EXCEPTIONS), *built_in_exceptions())
        return Config(
            defaults=defaults,
            overrides=self.overrides,
            protocols=tuple(self.protocols.values()),
            devices=devices,
            multipaths=entries,
            blacklist=distinct(blacklist),
            exceptions=distinct(exceptions),
            messages=(*self.messages, *repeated, *taken),
        )
