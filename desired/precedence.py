"""Who wins: for a device and its map, the value of each keyword with the origin that set it.

In: a `Config`, what kind of device it is, and the map's WWID. Out: `Layers`, which answers for any row of the options
table: `lookup(NO_PATH_RETRY) -> Resolved[NoPathRetry] | None`. Only precedence: autodetection (detect_prio and the
like), what the kernel forces, and what features imply is for others. Pure; must never decide by anything but the row's
layers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast

from desired.config import Config, DeviceEntry, Settings
from desired.model import Origin, OriginKind, Resolved
from desired.options import Layer, Option
from desired.regex import BadExpression, compile_expression
from observers.errors import InvariantBroken
from observers.snapshot import Bus, Wwid

T = TypeVar("T")

_BUILT_IN = Origin(OriginKind.BUILT_IN)


@dataclass(frozen=True, slots=True)
class DeviceKind:
    """What decides which settings a device gets."""

    vendor: str
    product: str
    revision: str
    protocol: str
    bus: Bus


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """All settings that may apply to one device of one map, by layer."""

    sources: Mapping[Layer, tuple[Settings, ...]]
    bus: Bus = Bus.UNKNOWN
    known_hardware: bool = False
    """Whether an entry of the device table matches."""
    _found: dict[str, object] = field(default_factory=dict, repr=False)

    def lookup(self, option: Option[T]) -> Resolved[T] | None:
        """The value that wins; None: nobody sets it and there is no built-in one."""
        if option.key not in self._found:
            self._found[option.key] = next(self._candidates(option), None)
        return cast("Resolved[T] | None", self._found[option.key])

    def require(self, option: Option[T]) -> Resolved[T]:
        """The value of an option that has a built-in default."""
        resolved = self.lookup(option)
        if resolved is None:
            raise InvariantBroken(f"{option.keyword} has no built-in default")
        return resolved

    def all_layers(self, option: Option[T]) -> tuple[Resolved[T], ...]:
        """Every value that was in the race, the winner first."""
        return tuple(self._candidates(option))

    def _candidates(self, option: Option[T]) -> Iterator[Resolved[T]]:
        for layer in option.layers:
            for settings in self.sources.get(layer, ()):
                if option.key in settings:
                    yield cast("Resolved[T]", settings[option.key])
            if layer is Layer.BUILT_IN:
                value = option.bus_defaults.get(self.bus, option.default)
                if value is not None:
                    yield Resolved(value, _BUILT_IN)


def settings_for(config: Config, kind: DeviceKind, wwid: Wwid | None = None) -> Layers:
    """The layers for a device of this kind in the map of this WWID (None: no map, or none known yet)."""
    entry = config.multipaths.get(wwid) if wwid is not None else None
    if entry is None:
        return _layers_of_kind(config, kind)
    base = _layers_of_kind(config, kind)
    settings = entry.settings
    if entry.alias_taken_by:
        settings = {keyword: value for keyword, value in settings.items() if keyword != "alias"}
    return Layers({**base.sources, Layer.MULTIPATH: (settings,)}, base.bus, base.known_hardware)


def global_settings(config: Config) -> Layers:
    """The layers for what concerns no device: the defaults section over the built-in defaults."""
    return _layers_of_kind(config, _NO_DEVICE)


_NO_DEVICE = DeviceKind("", "", "", "", Bus.UNKNOWN)


def _layers_of_kind(config: Config, kind: DeviceKind) -> Layers:
    known = config.memo.get(kind)
    if known is None:
        known = config.memo[kind] = _make_layers(config, kind)
    return cast("Layers", known)


def _make_layers(config: Config, kind: DeviceKind) -> Layers:
    entries = () if kind is _NO_DEVICE else matching_entries(config, kind)
    protocols = tuple(entry.settings for entry in config.protocols if entry.protocol == kind.protocol)
    sources: dict[Layer, tuple[Settings, ...]] = {
        Layer.OVERRIDES: (config.overrides,),
        Layer.PROTOCOL: protocols,
        Layer.DEVICE: tuple(entry.settings for entry in entries),
        Layer.DEFAULTS: (config.defaults,),
    }
    return Layers(sources, kind.bus, known_hardware=bool(entries))


def matching_entries(config: Config, kind: DeviceKind) -> tuple[DeviceEntry, ...]:
    """The entries of the device table that match, the strongest (the last in the table) first."""
    revision = None if kind.bus in (Bus.NVME, Bus.CCW) else kind.revision
    key = ("entries", kind.vendor, kind.product, revision)
    known = config.memo.get(key)
    if known is None:
        known = tuple(e for e in reversed(config.devices) if _fits(e, kind.vendor, kind.product, revision))
        config.memo[key] = known
    return cast("tuple[DeviceEntry, ...]", known)


def _fits(entry: DeviceEntry, vendor: str, product: str, revision: str | None) -> bool:
    if entry.revision is not None and (revision is None or not _found_in(entry.revision, revision)):
        return False
    return _found_in(entry.vendor, vendor) and _found_in(entry.product, product)


def _found_in(expression: str, text: str) -> bool:
    try:
        return compile_expression(expression).matches(text)
    except BadExpression:
        return False
