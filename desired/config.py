"""The configuration as a value: the texts of the files and the built-in table, merged.

In: the texts of the main file and of the drop-ins. Out: `Config`, which holds for each section what was set and where,
the device table in its order, the rules of the blacklist, and every message. A main file that cannot be used raises
`ConfigRefused`. Pure; must never read a file, and must never raise anything else whatever the texts are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from desired.model import ConfigMessage, Origin, Resolved
from desired.regex import Pattern
from desired.values import Surroundings
from observers.errors import ConfigError
from observers.snapshot import TextFile, Wwid

MAIN_FILE = "/etc/multipath.conf"

Settings = Mapping[str, Resolved[object]]
"""What a section sets: values by keyword (`Option.key`), each with its origin."""


class ConfigRefused(ConfigError):
    """The main file cannot be used. `messages`: everything there is to tell about all that was read, in order."""

    def __init__(self, message: str, *, at: ConfigMessage, messages: tuple[ConfigMessage, ...]) -> None:
        super().__init__(message, file=at.file, line=at.line, column=at.column, hint=at.hint)
        self.messages = messages


class RuleKind(StrEnum):
    """What a rule of the blacklist looks at, in the order in which the kinds are asked."""

    PROPERTY = "property"
    DEVNODE = "devnode"
    DEVICE = "device"
    PROTOCOL = "protocol"
    WWID = "wwid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule of the blacklist or of its exceptions.

    A DEVICE rule has `vendor`, `product` or both, and all that it has must match; every other kind has `pattern`.
    A pattern's `matches` already takes its leading `!` into account.
    """

    kind: RuleKind
    origin: Origin
    pattern: Pattern | None = None
    vendor: Pattern | None = None
    product: Pattern | None = None

    def matches(self, value: str) -> bool:
        """Whether a value of this rule's kind falls under it (not for DEVICE)."""
        return self.pattern is not None and self.pattern.matches(value)

    def matches_device(self, vendor: str, product: str) -> bool:
        """Whether a device falls under it (only for DEVICE)."""
        asked = [(p, text) for p, text in ((self.vendor, vendor), (self.product, product)) if p is not None]
        return bool(asked) and all(pattern.matches(text) for pattern, text in asked)

    @property
    def text(self) -> str:
        """The expression, or the expressions, as configured."""
        if self.kind is not RuleKind.DEVICE:
            return self.pattern.text if self.pattern else ""
        return "/".join(part.text if part else "" for part in (self.vendor, self.product))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceEntry:
    """An entry of the device table: expressions that choose hardware, and what is set for it.

    `revision` None: any. `settings` does not hold the expressions. `built_in`: nothing of it was configured.
    """

    vendor: str
    product: str
    revision: str | None
    product_blacklist: str
    settings: Settings
    origin: Origin
    built_in: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolEntry:
    """A protocol subsection of `overrides`."""

    protocol: str
    settings: Settings
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class MultipathEntry:
    """An entry of `multipaths`. `alias_taken_by`: the WWID whose entry has the same alias and keeps it; then this
    entry's alias has no effect. Empty: the alias, if there is one, counts."""

    wwid: Wwid
    settings: Settings
    origin: Origin
    alias_taken_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Config:
    """The merged configuration.

    `devices`: built-in and configured entries in table order; the last that matches is the strongest. `multipaths`: by
    WWID, in the order of the WWIDs. `blacklist`, `exceptions`: rules in the order in which they are asked within a kind;
    the configured ones stand before the built-in ones. `messages`: in the order in which the files were read.
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

    Raises `ConfigRefused` when the main file has an error that multipath-tools does not survive either; the same error in
    a drop-in is a message.
    """
    surroundings = surroundings or Surroundings()
    return Config()
