"""The configuration as a value: the texts of the files and the built-in table, merged.

In: the texts of the main file and of the drop-ins. Out: `Config`, which holds for each section what was set and where,
the device table in its order, the rules of the blacklist, and every message. A main file that cannot be used raises
`ConfigRefused`. Pure; must never read a file, and must never raise anything else whatever the texts are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from desired.conf.parser import ParsedFile, parse
from desired.conf.tree import Block
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
from desired.options import MAX_POLLING_INTERVAL, POLLING_INTERVAL, Section
from desired.rules import built_in_exceptions, built_in_rules, distinct, product_rules, rules_of
from desired.values import Surroundings
from observers.errors import ConfigError
from observers.snapshot import TextFile, Wwid

__all__ = [
    "MAIN_FILE",
    "Config",
    "ConfigRefused",
    "DeviceEntry",
    "MultipathEntry",
    "ProtocolEntry",
    "Rule",
    "RuleKind",
    "Settings",
    "load_config",
]

MAIN_FILE = "/etc/multipath.conf"
POLLING_RATIO = 4
"""How many times longer than between the first checks it may become between those of a path that is well."""


class ConfigRefused(ConfigError):
    """The main file cannot be used. `messages`: everything there is to tell about all that was read, in order."""

    def __init__(self, *, because: ConfigMessage, messages: tuple[ConfigMessage, ...]) -> None:
        hint = "correct the line or remove it; until then nothing can be derived from this file"
        super().__init__(because.hint, file=because.file, line=because.line, column=because.column, hint=hint)
        self.messages = messages


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

    Raises `ConfigRefused` when the main file has an error that multipath-tools does not survive either; the same error
    in a drop-in is a message, and what that drop-in says otherwise counts.
    """
    loading = _Loading(main, surroundings or Surroundings())
    for file in files:
        loading.add(file)
    return loading.merged()


class _Loading:
    """What was read so far."""

    def __init__(self, main: str, surroundings: Surroundings) -> None:
        self.main = main
        self.surroundings = surroundings
        self.told: frozenset[str] = frozenset()
        self.messages: list[ConfigMessage] = []
        self.defaults: dict[str, Resolved[object]] = {}
        self.overrides: dict[str, Resolved[object]] = {}
        self.protocols: dict[str, ProtocolEntry] = {}
        self.devices: DeviceTable = {entry.identity: entry for entry in built_in_devices()}
        self.multipaths: list[Block] = []
        self.blacklist: list[Block] = []
        self.exceptions: list[Block] = []

    def add(self, file: TextFile) -> None:
        """Read one more file and put it on top of the others."""
        parsed = parse(file, surroundings=self.surroundings, told=self.told)
        self.told = parsed.told
        self.messages.extend(parsed.messages)
        devices = [block for root in parsed.tree.blocks(Section.DEVICES) for block in root.blocks(Section.DEVICE)]
        refusals = [*parsed.refusals, *self._check_expressions(devices)]
        if refusals and file.path == self.main:
            self._refuse(refusals[0])
        self._take(parsed, devices, file.path if file.path == self.main else file.path.rpartition("/")[2])

    def _check_expressions(self, devices: list[Block]) -> list[ConfigMessage]:
        """Tell about expressions that are none; return the messages on those that multipath-tools fails on."""
        wrong = [found for block in devices for found in wrong_expressions(block)]
        self.messages.extend(message for message, _ in wrong)
        return [message for message, fails in wrong if fails]

    def _refuse(self, because: ConfigMessage) -> None:
        end = ConfigMessage(severity=Severity.ERROR, file=self.main, line=0, text="error parsing config file")
        raise ConfigRefused(because=because, messages=(*self.messages, end))

    def _take(self, parsed: ParsedFile, devices: list[Block], name: str) -> None:
        tree = parsed.tree
        for block in tree.blocks(Section.DEFAULTS):
            apply(self.defaults, block.settings(), OriginKind.DEFAULTS)
        self.messages.extend(add_devices(self.devices, devices, name))
        for block in tree.blocks(Section.OVERRIDES):
            apply(self.overrides, block.settings(), OriginKind.OVERRIDES)
        protocols = [block for root in tree.blocks(Section.OVERRIDES) for block in root.blocks(Section.PROTOCOL)]
        self.messages.extend(add_protocols(self.protocols, protocols, name))
        for root in tree.blocks(Section.MULTIPATHS):
            self.multipaths.extend(root.blocks(Section.MULTIPATH))
        self.blacklist.extend(tree.blocks(Section.BLACKLIST))
        self.exceptions.extend(tree.blocks(Section.EXCEPTIONS))

    def merged(self) -> Config:
        """The configuration after the last file."""
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
            defaults=with_polling_intervals(self.defaults),
            overrides=self.overrides,
            protocols=tuple(self.protocols.values()),
            devices=devices,
            multipaths=entries,
            blacklist=distinct(blacklist),
            exceptions=distinct(exceptions),
            messages=(*self.messages, *repeated, *taken),
        )


def with_polling_intervals(defaults: Settings) -> Settings:
    """The defaults section with both polling intervals in order, when at least one of them is set."""
    interval = cast("Resolved[int] | None", defaults.get(POLLING_INTERVAL.key))
    longest = cast("Resolved[int] | None", defaults.get(MAX_POLLING_INTERVAL.key))
    if interval is None and longest is None:
        return defaults
    if longest is None and interval is not None:
        implied = _implied(interval.value * POLLING_RATIO, f"{POLLING_RATIO} times polling_interval", interval)
        return {**defaults, MAX_POLLING_INTERVAL.key: implied}
    if longest is not None and interval is None:
        implied = _implied(max(longest.value // POLLING_RATIO, 1), "a quarter of max_polling_interval", longest)
        return {**defaults, POLLING_INTERVAL.key: implied}
    if longest is not None and interval is not None and interval.value > longest.value:
        implied = _implied(longest.value, "limited by max_polling_interval", longest)
        return {**defaults, POLLING_INTERVAL.key: implied}
    return defaults


def _implied(value: int, why: str, by: Resolved[int]) -> Resolved[object]:
    return Resolved(value, Origin(OriginKind.IMPLIED, by.origin.where, why))
