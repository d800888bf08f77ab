"""Every value that was in the race for a property, the strongest first, each with its place and what chose it.

In: the configuration, a device's kind and layers, a row of the options table. Out: contenders as printed text. It adds
to precedence only what lost: the weaker layers, and the values that a later line of the same layer took the place of.
Pure; must never decide who wins.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from desired.config import Config
from desired.entries import DeviceEntry, Settings
from desired.model import Origin, OriginKind, Resolved
from desired.options import Option
from desired.precedence import DeviceKind, Layers, matching_entries

_DEVICE_TABLE = frozenset({OriginKind.DEVICES, OriginKind.HARDWARE_TABLE})


@dataclass(frozen=True, slots=True)
class Matched:
    """An expression of an entry, and the text of the device that it matched. `what`: vendor, product and the like."""

    what: str
    expression: str
    text: str


@dataclass(frozen=True, slots=True)
class Contender:
    """A value with its place. `chosen_by`: what makes that place concern this device; empty: it concerns all."""

    value: str
    origin: Origin
    chosen_by: tuple[Matched, ...] = ()

    def stands_at(self, origin: Origin) -> bool:
        """Whether a value with this origin was taken from here, whatever was concluded from it then."""
        return (self.origin.kind, self.origin.where) == (origin.kind, origin.where)


def contenders(config: Config, kind: DeviceKind, layers: Layers, option: Option[Any]) -> tuple[Contender, ...]:
    """All values that the layers have for an option."""
    return tuple(
        Contender(option.write(each.value), each.origin, chosen_by(config, kind, each.origin))
        for found in layers.all_layers(option)
        for each in with_replaced(found)
    )


def with_replaced(resolved: Resolved[Any] | None) -> Iterator[Resolved[Any]]:
    """A value, and then those that it took the place of, the last one first."""
    while resolved is not None:
        yield resolved
        resolved = resolved.replaced


def chosen_by(config: Config, kind: DeviceKind, origin: Origin) -> tuple[Matched, ...]:
    """The expressions for the sake of which a place concerns a device of this kind."""
    if origin.kind is OriginKind.PROTOCOL:
        return (Matched("protocol", kind.protocol, kind.protocol),)
    if origin.kind not in _DEVICE_TABLE:
        return ()
    entry = next((each for each in matching_entries(config, kind) if _says(each.settings, origin)), None)
    return _expressions(entry, kind) if entry else ()


def _says(settings: Settings, origin: Origin) -> bool:
    here = (origin.kind, origin.where)
    return any(
        (each.origin.kind, each.origin.where) == here for found in settings.values() for each in with_replaced(found)
    )


def _expressions(entry: DeviceEntry, kind: DeviceKind) -> tuple[Matched, ...]:
    revision = () if entry.revision is None else (Matched("revision", entry.revision, kind.revision),)
    return Matched("vendor", entry.vendor, kind.vendor), Matched("product", entry.product, kind.product), *revision
