"""The nouns of a merged configuration: settings, rules, and the entries of its lists.

Values only; `desired.merging` and `desired.rules` make them, `desired.config` holds them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from desired.model import Origin, Resolved
from desired.regex import Pattern
from observers.snapshot import Wwid

Settings = Mapping[str, Resolved[object]]
"""What a section sets: values by keyword (`Option.key`), each with its origin."""


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
        asked = [(part, text) for part, text in ((self.vendor, vendor), (self.product, product)) if part is not None]
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

    `revision` None: any. `settings` does not hold these expressions. `built_in`: nothing of it was configured.
    """

    vendor: str
    product: str
    revision: str | None
    settings: Settings
    origin: Origin
    built_in: bool

    @property
    def identity(self) -> tuple[str, str, str | None]:
        """What makes two entries the same one: the text of their expressions."""
        return self.vendor, self.product, self.revision

    @property
    def product_blacklist(self) -> str:
        """The expression of this vendor's products that are no disks; empty: none."""
        blacklisted = self.settings.get("product_blacklist")
        return str(blacklisted.value) if blacklisted else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolEntry:
    """A protocol subsection of `overrides`; `protocol` is a name out of `desired.values.Protocol`."""

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
